import type { IDestinationRule } from "@kubernetes-models/istio/networking.istio.io/v1/DestinationRule";
import { CustomResource } from "@pulumi/kubernetes/apiextensions/customResource.js";
import type * as pulumi from "@pulumi/pulumi";
import type { Service } from "../settings/services.ts";

/**
 * For whom a rule holds that stands in the ingress gateway's namespace: for the gateway alone. That namespace is the
 * mesh's root, where a rule without this holds for every sidecar, whose way it would break; and a rule in the Service's
 * own namespace with it would not reach the gateway.
 * https://github.com/istio/istio/blob/1.31.4/pilot/pkg/model/push_context.go (destinationRule)
 */
export const OWN_NAMESPACE = ["."];

type Protocol = Exclude<Service["protocol"], "http">;

/** How the gateway speaks, by protocol; HTTP/1.1 in clear needs no rule. */
const policies = {
  // Asked for certificates that are checked, Istio takes those of the system's authorities alone, and hardly a Service
  // inside a cluster has one.
  https: { tls: { mode: "SIMPLE", insecureSkipVerify: true } },
  h2c: { connectionPool: { http: { h2UpgradePolicy: "UPGRADE" } } },
} as const satisfies Record<Protocol, object>;

/** A Service's ports with the protocol of each. */
type Spoken = readonly { readonly port: number; readonly protocol: Protocol }[];

/** The Services to which the gateway does not speak HTTP/1.1 in clear, by `<namespace>/<name>`, each with its ports. */
export function spokenTo(services: readonly Service[]): Map<string, Spoken> {
  const found = new Map<string, Map<number, Protocol>>();
  for (const { namespace, service, port, protocol } of services) {
    if (protocol === "http") continue;
    const key = `${namespace}/${service}`;
    found.set(key, (found.get(key) ?? new Map<number, Protocol>()).set(port, protocol));
  }
  return new Map(
    [...found].map(([key, ports]) => [
      key,
      [...ports].map(([port, protocol]) => ({ port, protocol })).sort((a, b) => a.port - b.port),
    ]),
  );
}

/** Tells the gateway how to speak to the ports of one Service. */
export function destinationRule(
  name: string,
  [namespace, service]: readonly [namespace: string, service: string],
  ports: Spoken,
  gatewayNamespace: string,
  parent: pulumi.Resource,
): void {
  new CustomResource(
    name,
    {
      apiVersion: "networking.istio.io/v1",
      kind: "DestinationRule",
      // A dot, which neither name has, so that no two Services share one.
      metadata: { name: `${service}.${namespace}`, namespace: gatewayNamespace },
      spec: {
        host: `${service}.${namespace}.svc.cluster.local`,
        exportTo: OWN_NAMESPACE,
        trafficPolicy: {
          portLevelSettings: ports.map(({ port, protocol }) => ({ port: { number: port }, ...policies[protocol] })),
        },
      },
    } satisfies IDestinationRule,
    { parent },
  );
}
