import { isUnder } from "./compare.ts";
import { code, has, isKind, type Statement, type Story } from "./statement.ts";

// What a stack that runs cannot change, as `components/continuity.ts` keeps it.

const isFacts = isKind("Stash");
const isProvider = isKind("kubernetes");

/** The cluster, and who installs External Secrets in it. */
export function continuity({ untold }: Story): Statement[] {
  const cluster = untold.take(
    (it, change) => (isFacts(it) && has(change, "changed")) || (isProvider(it) && has(change, "replaced")),
    (path) => isUnder(path, "input.by", "input.cluster", "clusterIdentifier", "context", "kubeconfig"),
  );
  const [moved] = cluster.filter(({ resource }) => isFacts(resource));
  const said = (inputs: Record<string, unknown> | undefined) => {
    const { by, cluster } = (inputs?.input ?? {}) as { by?: string; cluster?: string };
    return code(`cluster.${by} ${cluster}`);
  };
  const operator = untold.take(
    (it, change) => isFacts(it) && has(change, "changed"),
    (path) => isUnder(path, "input.externalSecrets"),
  );
  return [
    ...(moved === undefined
      ? []
      : [
          {
            text: `The cluster becomes ${said(moved.after?.inputs)} instead of ${said(moved.before?.inputs)}`,
            risk: "up refuses it: everything would be made anew there, and deleted here.",
            changes: cluster,
          },
        ]),
    ...operator.map((change) => ({
      text: `External Secrets is ${change.fields[0]?.after === null ? "no longer " : ""}installed by this stack`,
      risk:
        change.fields[0]?.after === null
          ? "up refuses it as long as the cluster has ExternalSecrets of others that nobody else would sync."
          : undefined,
      changes: [change],
    })),
  ];
}
