import { Service } from "@pulumi/kubernetes/core/v1/service.js";
import * as pulumi from "@pulumi/pulumi";
import type { ChartValues, IstioChart } from "../settings/charts.ts";
import type { Size } from "../settings/size.ts";
import { oneMinorAtATime } from "./istio-step.ts";
import { RUNTIME_DEFAULT } from "./namespace.ts";
import { ISTIO_POLICIES } from "./network-policy.ts";
import { chartRelease } from "./release.ts";
import { requests, spread } from "./sizing.ts";

/** The gateway's Helm release, and its Service, which the chart names like it. */
export const GATEWAY_RELEASE = "istio-ingressgateway";

/** How the gateway is reached. */
export interface Exposure {
  /** The Service's type, address and annotations, as values of the chart. */
  readonly service: ChartValues & { readonly type: string };
  /** What the pods must know of how they are reached, as values of the chart. @default - nothing */
  readonly values?: ChartValues;
  /** What refuses changes that the load balancer behind the Service cannot make. @default - nothing */
  readonly hooks?: pulumi.ResourceHookBinding;
}

export interface IngressGatewayArgs {
  readonly chart: IstioChart;
  readonly size: Size;
  /** Namespace of Istio's control plane. */
  readonly namespace: string;
  readonly exposure: Exposure;
}

/**
 * The chart's own, which lets the proxy listen below 1024, and what it leaves out.
 * https://github.com/istio/istio/blob/1.31.4/manifests/charts/gateway/templates/deployment.yaml
 */
const POD: ChartValues = {
  sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }],
  ...RUNTIME_DEFAULT,
};

/** The one release whose Service is the load balancer. */
export const GATEWAY_CHART = "gateway";

/** Istio's ingress gateway: the Envoy behind the load balancer, and the Service that is it. */
export class IngressGateway extends pulumi.ComponentResource {
  /** The pods' label, by which a Gateway finds them. */
  readonly selector = { istio: "ingressgateway" } as const;
  /** The Service's external address; empty for a Service that gets none. */
  readonly address: pulumi.Output<string>;
  /** The Service's UID, which OCI shows as the load balancer's name; empty for a Service that gets none. */
  readonly serviceUid: pulumi.Output<string>;

  constructor(name: string, args: IngressGatewayArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:IngressGateway", name, {}, opts);
    const { service, values, hooks } = args.exposure;

    const release = chartRelease(
      name,
      {
        chart: GATEWAY_CHART,
        source: args.chart,
        releaseName: GATEWAY_RELEASE,
        namespace: args.namespace,
        values: {
          labels: this.selector,
          // The chart's image has no tag until istiod fills it in, and to such a one the API server gives the policy
          // Always, which stays: a node that has the image could not restart the gateway without its registry. All other
          // charts have this policy or an image with a tag. https://github.com/istio/istio/issues/42852
          imagePullPolicy: "IfNotPresent",
          securityContext: POD,
          service: { ...service, ports: PORTS },
          ...values,
          ...sizes[args.size],
        },
        policies: args.chart.reach && ISTIO_POLICIES,
        overrides: args.chart.values?.gateway,
      },
      {
        parent: this,
        hooks: { ...hooks, beforeUpdate: [oneMinorAtATime(name), ...(hooks?.beforeUpdate ?? [])] },
      },
    );
    const balanced =
      service.type === "LoadBalancer"
        ? // Through the release's status, so that a preview of a first `up` does not look for it.
          Service.get(`${name}-service`, pulumi.interpolate`${release.status.namespace}/${GATEWAY_RELEASE}`, {
            parent: this,
          })
        : undefined;
    this.serviceUid = balanced?.metadata.uid ?? pulumi.output("");
    // A release that is done has an address: Helm waits for it.
    this.address =
      balanced?.status.loadBalancer.ingress.apply((ingress) => ingress?.[0]?.ip ?? "") ?? pulumi.output("");

    this.registerOutputs({ address: this.address, serviceUid: this.serviceUid });
  }
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
