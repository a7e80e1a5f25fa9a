import * as pulumi from "@pulumi/pulumi";
import type { ChartValues, NamedChart } from "../settings/charts.ts";
import type { ExternalSecretsSettings } from "../settings/external-secrets.ts";
import type { Size } from "../settings/size.ts";
import { ownNamespace } from "./namespace.ts";
import { CLUSTER_ALONE, policy } from "./network-policy.ts";
import { chartRelease } from "./release.ts";
import { disruptionBudget, requests, spread } from "./sizing.ts";

export interface ExternalSecretsArgs extends ExternalSecretsSettings {
  readonly chart: NamedChart;
  readonly size: Size;
}

/** External Secrets, its webhook answering. */
export class ExternalSecrets extends pulumi.ComponentResource {
  /** What a destroy leaves. */
  readonly kept: pulumi.Input<string>[] = ["custom resource definitions of External Secrets"];

  constructor(name: string, args: ExternalSecretsArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:ExternalSecrets", name, {}, opts);

    const namespace = ownNamespace(`${name}-namespace`, args.namespace, "externalSecrets", this);
    chartRelease(
      name,
      {
        chart: "external-secrets",
        source: args.chart,
        releaseName: args.chart.releaseName,
        namespace: namespace.metadata.name,
        values: {
          installCRDs: true,
          // With a definition go all of its objects: a release that ends would take every ExternalSecret of the cluster,
          // and their Secrets, whoever made them.
          crds: { annotations: { "helm.sh/resource-policy": "keep" } },
          serviceAccount: { name: args.serviceAccount },
          ...sizes[args.size],
        },
        policies: args.chart.reach && {
          ...policy(args.chart.reach),
          webhook: CLUSTER_ALONE,
          certController: CLUSTER_ALONE,
        },
        overrides: args.chart.values,
      },
      { parent: this },
    );

    this.registerOutputs();
  }
}

const sizes: Record<Size, ChartValues> = {
  small: {
    replicaCount: 1,
    ...requests("25m", "96Mi"),
    webhook: { replicaCount: 1, ...requests("10m", "48Mi") },
    certController: { replicaCount: 1, ...requests("10m", "96Mi") },
  },
  production: {
    // The chart fills in each Deployment's own labels.
    global: spread(),
    replicaCount: 2,
    // Two controllers without it would both write every Secret.
    leaderElect: true,
    ...requests("50m", "128Mi"),
    ...disruptionBudget,
    webhook: { replicaCount: 2, ...requests("25m", "64Mi"), ...disruptionBudget },
    certController: { replicaCount: 2, ...requests("25m", "128Mi"), ...disruptionBudget },
  },
};
