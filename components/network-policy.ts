import type { Reach } from "../settings/reach.ts";

// What the charts' own NetworkPolicies are told.

const TCP = "TCP";

/** DNS, and the API server: as its Service, and as what is behind it on OKE and most others. */
const ALWAYS = [
  { port: 53, protocol: TCP },
  { port: 53, protocol: "UDP" },
  { port: 443, protocol: TCP },
  { port: 6443, protocol: TCP },
] as const;

/** A policy of a chart that lets its pods out to these and to nothing else; who may come in says the chart. */
export function policy({ ports, namespaces }: Reach) {
  const more = ports.filter((port) => !ALWAYS.some((always) => always.port === port));
  return {
    networkPolicy: {
      enabled: true,
      egress: [
        { ports: [...ALWAYS, ...more.map((port) => ({ port, protocol: TCP }))] },
        ...namespaces.map((name) => ({
          to: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": name } } }],
        })),
      ],
    },
  };
}

/** One of pods that need DNS and the API server alone. */
export const CLUSTER_ALONE = policy({ ports: [], namespaces: [] });

/**
 * Those of istiod and the gateway, which let everything out: istiod fetches keys from wherever a policy of the mesh names,
 * and the gateway reaches every service.
 * https://github.com/istio/istio/blob/1.31.4/manifests/charts/gateway/templates/networkpolicy.yaml
 */
export const ISTIO_POLICIES = { global: { networkPolicy: { enabled: true } } };
