import { type Request, type Spec, sha256 } from "./state.ts";

// Which change of a chart's values or version replaces the pods of a workload.

export const isWorkload = ({ kind }: Request) => kind === "Deployment" || kind === "StatefulSet";

/** Values that are in pods, as the charts have them, beside those that a workload's own spec has. */
const OF_PODS = /^(resources|topologySpreadConstraints|image|extraArgs|leaderElect|server)$/;

/**
 * A workload's pods: what is another text is other pods.
 *
 * @param usual what the chart says to them where nothing else is said
 */
export function templateOf(
  { name, spec }: Omit<Request, "kind">,
  { spec: { part, ...own } }: Request,
  usual: Spec = {},
): string {
  const values = (spec.values ?? {}) as Spec;
  const its = { ...usual, ...((typeof part === "string" ? values[part] : values) as Spec | undefined) };
  // Helm merges maps.
  if (usual.resources !== undefined) its.resources = { ...(usual.resources as Spec), ...(its.resources as Spec) };
  const inPods = Object.entries(its).filter(([key]) => OF_PODS.test(key));
  return sha256(JSON.stringify([spec.chart, spec.version, name, own, inPods.sort(([a], [b]) => (a < b ? -1 : 1))]));
}
