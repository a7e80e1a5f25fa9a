import { workloadsOf } from "./kubernetes.ts";
import type { World } from "./world.ts";

// NetworkPolicies of charts, on a cluster that has an engine which enforces them.
// https://kubernetes.io/docs/concepts/services-networking/network-policies/

/** What pods are let out to: these ports, of these pods; each where it does not say, all. */
interface EgressRule {
  readonly ports?: readonly { readonly port: number; readonly protocol: string }[];
  readonly to?: readonly { readonly namespaceSelector: { readonly matchLabels: Readonly<Record<string, string>> } }[];
}

/** What a chart's values let its pods out to; undefined where nothing keeps them in. */
export function egressIn(values: { readonly networkPolicy?: { enabled?: boolean; egress?: unknown } }): unknown {
  const { enabled = false, egress = [] } = values.networkPolicy ?? {};
  return enabled ? egress : undefined;
}

/** Where pods go: a port, and the namespace that it is in; outside of the cluster, none. */
interface Destination {
  readonly port: number;
  readonly namespace?: string | undefined;
}

/** What the pods of a chart are told that are kept from going there; undefined where they are let out. */
export function keptIn(world: World, chart: string, { port, namespace }: Destination): string | undefined {
  const [pods] = workloadsOf(world, chart);
  const rules = pods?.spec.egress as readonly EgressRule[] | undefined;
  const isLetOut = (rules ?? [{}]).some(
    ({ ports, to }) =>
      (ports === undefined || ports.some((it) => it.port === port && it.protocol === "TCP")) &&
      (to === undefined ||
        to.some(({ namespaceSelector: { matchLabels } }) => matchLabels["kubernetes.io/metadata.name"] === namespace)),
  );
  return isLetOut ? undefined : "dial tcp: i/o timeout";
}

/** The port of a URL, also where it is its scheme's own. */
export const portOf = (url: string): number => {
  const { port, protocol } = new URL(url);
  return Number(port) || (protocol === "http:" ? 80 : 443);
};
