import type { AskCloudflare } from "../lib/cloudflare-api.ts";
import type { PulumiCli } from "../lib/pulumi.ts";
import { refuseOtherRuns } from "./backend.ts";
import { deleteToken } from "./cloudflare.ts";
import type { Finding, Step } from "./findings.ts";
import type { Cluster } from "./kubernetes.ts";
import { edited, exportState, importState, lostCreates, refresh, resourcesIn, type State } from "./state.ts";

/** What is changed, and where. */
export interface Mending {
  readonly stack: string;
  readonly findings: readonly Finding[];
  /** The state that was compared. */
  readonly state: State;
  readonly pulumi: PulumiCli;
  readonly cluster: Cluster;
  readonly cloudflare: () => AskCloudflare;
}

/**
 * Does what was found to be done, in an order in which it can be cut off anywhere and be run again: first the clouds,
 * while the state still says what was being made, then the state.
 *
 * @throws before anything is changed when another run may be at work, or was since; else with what has failed
 */
export async function doMending({ stack, findings, state, pulumi, cluster, cloudflare }: Mending): Promise<void> {
  const root = resourcesIn(state).find(({ type }) => type === "pulumi:pulumi:Stack");
  if (root !== undefined) await refuseOtherRuns(pulumi, stack, root.urn);
  const latest = await exportState(pulumi, stack);
  if (outlineOf(latest) !== outlineOf(state))
    throw new Error("another run has changed the state meanwhile, and nothing is changed here; run this again");
  const steps = findings.flatMap((finding) => finding.steps);
  for (const step of steps) await doOutside(step, cluster, cloudflare);
  const adopted = steps.flatMap((step) => (step.do === "import" ? step.adoption : []));
  const unfinished = steps.flatMap((step) => (step.do === "fail-record" ? (step.urn ?? []) : []));
  await importState(pulumi, stack, edited(latest, { adopted, unfinished }));
  const unread = steps.flatMap((step) => (step.do === "read" ? step.urn : []));
  const urns = [...unread, ...adopted.map(({ resource }) => resource.urn)];
  if (urns.length > 0) await refresh(pulumi, stack, urns);
}

/** What of a state another run would change. */
const outlineOf = (state: State) =>
  JSON.stringify([
    resourcesIn(state).map(({ urn, id }) => [urn, id]),
    lostCreates(state).map(({ resource }) => resource.urn),
  ]);

async function doOutside(step: Step, cluster: Cluster, cloudflare: () => AskCloudflare): Promise<void> {
  switch (step.do) {
    case "delete-records":
      // The newest first: what is left at any moment is a release that Helm knows how to go on with.
      for (const record of [...step.records].reverse()) await cluster.deleteRecord(step.namespace, record);
      return;
    case "fail-record":
      return cluster.failRecord(step.namespace, step.record);
    case "delete-token":
      await deleteToken(step.id, cloudflare());
      return;
    case "import":
    case "read":
      return;
  }
}
