import { Service } from "@pulumi/kubernetes/core/v1/service.js";
import * as pulumi from "@pulumi/pulumi";
import { type ChartSource, type ChartValues, chartRelease, requests, type Size, spread } from "./charts.ts";

export interface IngressGatewayArgs {
  /** Source and version of all of Istio's charts; values for `gateway`. */
  readonly chart: ChartSource & { readonly values?: { readonly gateway?: ChartValues } };
  readonly size: Size;
  /** Namespace of Istio's control plane. */
  readonly namespace: string;
  /** How the Service is reached: type, address and annotations, as values of the chart. */
  readonly service: ChartValues & { readonly type: string };
}

/** Istio's ingress gateway: the Envoy behind the load balancer, and the Service that is it. */
export class IngressGateway extends pulumi.ComponentResource {
  /** The pods' label, by which a Gateway finds them. */
  readonly selector = { istio: "ingressgateway" } as const;
  /** The Service's external address, once there is one; undefined for a Service that gets none. */
  readonly address: pulumi.Output<string> | undefined;

  constructor(name: string, args: IngressGatewayArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:IngressGateway", name, {}, opts);

    const releaseName = "istio-ingressgateway";
    const release = chartRelease(
      name,
      {
        chart: "gateway",
        source: args.chart,
        releaseName,
        namespace: args.namespace,
        values: {
          labels: this.selector,
          service: { ...args.service, ports: PORTS },
          ...sizes[args.size],
        },
        overrides: args.chart.values?.gateway,
      },
      {
        parent: this,
        hooks: { beforeUpdate: [new pulumi.ResourceHook(`${name}-fixed-edge`, refuseOtherEdge, { onDryRun: true })] },
      },
    );
    if (args.service.type === "LoadBalancer") {
      // Through the release's status, so that a preview of a first `up` does not look for it.
      const id = pulumi.interpolate`${release.status.namespace}/${releaseName}`;
      const service = Service.get(`${name}-service`, id, { parent: this });
      // A release that is done has an address: Helm waits for it.
      this.address = service.status.loadBalancer.ingress.apply((ingress) => ingress[0]?.ip ?? "");
    }

    this.registerOutputs({ address: this.address });
  }
}

/** The annotation that makes a load balancer private: https://github.com/oracle/oci-cloud-controller-manager/blob/1100ac362/docs/load-balancer-annotations.md */
const INTERNAL = "service.beta.kubernetes.io/oci-load-balancer-internal";

/**
 * Refuses what the cloud controller cannot do to a load balancer that exists: give it another reserved IP, or make it
 * internal or public. It would report an event and leave the Service half-way, after everything else was changed.
 * A hook, because only the engine knows the inputs of the run before; on previews too, where nothing is lost yet.
 *
 * @throws with what changes, and the way to it
 */
export function refuseOtherEdge({ urn, oldInputs, newInputs }: pulumi.ResourceHookArgs): void {
  const [before, after] = [edgeOf(oldInputs), edgeOf(newInputs)];
  if (before.internal === undefined || after.internal === undefined) return;
  const changed = before.internal !== after.internal ? "internal" : before.ip !== after.ip ? "reservedIp" : undefined;
  if (changed === undefined) return;
  const say = ({ internal, ip }: typeof before) => (internal === "true" ? "internal" : `public at ${ip}`);
  throw new Error(
    `loadBalancer.${changed} changes: the load balancer is ${say(before)} and would be ${say(after)}, which the cloud ` +
      "controller cannot do to one that exists. Take the change back, or make a new load balancer, with the time that " +
      `this takes without service: pulumi destroy --target-dependents --target '${urn}', then pulumi up`,
  );
}

/** What of the Service cannot change, as far as it is OCI's. */
function edgeOf(inputs: Record<string, unknown> | undefined) {
  const { service } = (inputs?.values ?? {}) as {
    service?: { annotations?: Record<string, string>; loadBalancerIP?: unknown };
  };
  const ip = service?.loadBalancerIP;
  // In a preview, the address of an IP that is yet to be made is no text.
  return { internal: service?.annotations?.[INTERNAL], ip: typeof ip === "string" ? ip : "an address not known yet" };
}

/** Envoy listens above 1024, so that it needs no right to open privileged ports. */
const PORTS = [
  { name: "http2", port: 80, targetPort: 8080, protocol: "TCP" },
  { name: "https", port: 443, targetPort: 8443, protocol: "TCP" },
];

const sizes: Record<Size, ChartValues> = {
  small: {
    autoscaling: { enabled: false },
    replicaCount: 1,
    ...requests("100m", "128Mi"),
  },
  production: {
    autoscaling: { enabled: true, minReplicas: 2, maxReplicas: 5, targetCPUUtilizationPercentage: 80 },
    podDisruptionBudget: { minAvailable: 1 },
    ...requests("200m", "256Mi"),
    ...spread({ app: "istio-ingressgateway", istio: "ingressgateway" }),
  },
};
