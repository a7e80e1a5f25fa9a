import type { Action } from "./actions.ts";
import type { AdoptCluster } from "./cluster.ts";

// What a takeover does, kept in the cluster while it is under way: whoever runs it again goes on with it.

/** Where it is kept: a namespace that every cluster has, and no takeover touches. */
const JOURNAL = { apiVersion: "v1", kind: "ConfigMap", namespace: "kube-system", name: "oke-platform-adopt" } as const;

export interface Journal {
  readonly actions: readonly Action[];
  /** Whether it can be undone no more. */
  readonly begun: boolean;
}

/**
 * The takeover that is under way; undefined where there is none.
 *
 * @throws when it is another stack's
 */
export async function readJournal(cluster: AdoptCluster, stack: string): Promise<Journal | undefined> {
  const { data } = (await cluster.read(JOURNAL)) ?? {};
  if (data === undefined) return undefined;
  const { stack: other, actions = "[]", begun } = data as Readonly<Record<string, string>>;
  if (other !== stack)
    throw new Error(
      `a takeover by stack ${other} is under way in this cluster; npm run adopt -- --stack ${other} goes on with it. ` +
        `If that stack is no more: kubectl -n ${JOURNAL.namespace} delete configmap ${JOURNAL.name}`,
    );
  return { actions: JSON.parse(actions) as Action[], begun: begun === "true" };
}

/** @throws when a takeover is under way already */
export const openJournal = (cluster: AdoptCluster, stack: string, actions: readonly Action[]): Promise<void> =>
  cluster.create({
    apiVersion: JOURNAL.apiVersion,
    kind: JOURNAL.kind,
    metadata: { name: JOURNAL.name, namespace: JOURNAL.namespace },
    data: { stack, begun: "false", actions: JSON.stringify(actions) },
  });

export const journalBegun = (cluster: AdoptCluster): Promise<void> =>
  cluster.patch(JOURNAL, { data: { begun: "true" } });

export async function closeJournal(cluster: AdoptCluster): Promise<void> {
  const journal = await cluster.read(JOURNAL);
  if (journal !== undefined) await cluster.remove(JOURNAL, journal.metadata?.uid ?? "");
}
