import * as pulumi from "@pulumi/pulumi";
import type { ChartValues, IstioChart } from "../settings/charts.ts";
import { SCOPE_GATEWAYS } from "../settings/istio-ownership.ts";
import type { Size } from "../settings/size.ts";
import type { Door } from "../settings/tenancy.ts";
import { GATEWAY_CHART } from "./ingress-gateway.ts";
import { oneMinorAtATime } from "./istio-step.ts";
import { ownNamespace, RUNTIME_DEFAULT } from "./namespace.ts";
import { ISTIO_POLICIES } from "./network-policy.ts";
import { chartRelease } from "./release.ts";
import { requests, spread } from "./sizing.ts";

export interface IstioArgs {
  readonly chart: IstioChart;
  readonly size: Size;
  /** Who, beside the platform, may route hosts through its gateway. */
  readonly routes: Door;
}

/** Where the control plane and the ingress gateway run; the namespace is the stack's own, and goes with a destroy. */
export const ISTIO_NAMESPACE = "istio-system";
/** The control plane's Deployment, which its chart names so whatever its release is called. */
export const ISTIOD = "istiod";

const BASE_CHART = "base";
const ISTIOD_CHART = "istiod";
/** The charts of Istio, which share a version and go from one minor version to the next. */
export const ISTIO_CHARTS: readonly string[] = [BASE_CHART, ISTIOD_CHART, GATEWAY_CHART];

/** Istio's control plane: its CRDs, and istiod that answers for them. */
export class Istio extends pulumi.ComponentResource {
  readonly namespace = ISTIO_NAMESPACE;
  /** What a destroy leaves. */
  readonly kept: pulumi.Input<string>[] = ["custom resource definitions of Istio"];

  constructor(name: string, args: IstioArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:Istio", name, {}, opts);

    const namespace = ownNamespace(`${name}-namespace`, this.namespace, "istio", this);
    const base = chartRelease(
      `${name}-base`,
      {
        chart: BASE_CHART,
        source: args.chart,
        releaseName: args.chart.releaseNames.base,
        namespace: namespace.metadata.name,
        values: {},
        overrides: args.chart.values?.base,
      },
      { parent: this, hooks: { beforeUpdate: [oneMinorAtATime(`${name}-base`)] } },
    );
    chartRelease(
      `${name}-istiod`,
      {
        chart: ISTIOD_CHART,
        source: args.chart,
        releaseName: args.chart.releaseNames.istiod,
        namespace: namespace.metadata.name,
        values: {
          ...RUNTIME_DEFAULT,
          // Mesh-wide: no Gateway selects pods of another namespace than its own, ours or anybody's.
          ...(args.routes !== "all" && { env: { [SCOPE_GATEWAYS]: "true" } }),
          ...RUNTIME_DEFAULT,
          ...sizes[args.size],
        },
        policies: args.chart.reach && ISTIO_POLICIES,
        overrides: args.chart.values?.istiod,
      },
      {
        parent: this,
        hooks: { beforeUpdate: [oneMinorAtATime(`${name}-istiod`)] },
        // istiod does not get ready without the CRDs and the service account that base installs.
        dependsOn: [base],
      },
    );

    this.registerOutputs({ namespace: this.namespace });
  }
}

const sizes: Record<Size, ChartValues> = {
  small: {
    autoscaleEnabled: false,
    replicaCount: 1,
    // The chart's budget keeps one of one, and so blocks every drain of its node.
    global: { defaultPodDisruptionBudget: { enabled: false } },
    ...requests("100m", "256Mi"),
  },
  production: {
    autoscaleEnabled: true,
    autoscaleMin: 2,
    autoscaleMax: 5,
    global: { defaultPodDisruptionBudget: { enabled: true } },
    ...requests("500m", "1Gi"),
    ...spread({ app: "istiod", istio: "pilot" }),
  },
};
