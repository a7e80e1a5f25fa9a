import * as pulumi from "@pulumi/pulumi";
import type { ChartValues, NamedChart } from "../settings/charts.ts";
import type { Size } from "../settings/size.ts";
import { keptNamespace } from "./namespace.ts";
import { CLUSTER_ALONE, policy } from "./network-policy.ts";
import { chartRelease } from "./release.ts";
import { disruptionBudget, requests, spread } from "./sizing.ts";

/** Where it runs, and where it keeps certificates and ACME account keys. */
export const CERT_MANAGER_NAMESPACE = "cert-manager";

/** Its chart, in its maker's repository. */
export const CERT_MANAGER_CHART = "cert-manager";

export interface CertManagerArgs {
  readonly chart: NamedChart;
  readonly size: Size;
}

/** cert-manager, its webhook answering. */
export class CertManager extends pulumi.ComponentResource {
  /** Where it runs, and where it keeps certificates and ACME account keys. */
  readonly namespace = CERT_MANAGER_NAMESPACE;
  /** What a destroy leaves. */
  readonly kept: pulumi.Input<string>[] = [
    `namespace ${this.namespace}: the certificate with its key, and the key of the ACME account or CA`,
    "custom resource definitions of cert-manager",
  ];

  constructor(name: string, args: CertManagerArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:CertManager", name, {}, opts);

    chartRelease(
      name,
      {
        chart: CERT_MANAGER_CHART,
        source: args.chart,
        releaseName: args.chart.releaseName,
        namespace: keptNamespace(`${name}-namespace`, this.namespace, "certManager", this),
        // Made by Helm, which never deletes it: the certificate and the ACME account key outlive a
        // destroy, and the next `up` uses them instead of asking Let's Encrypt for a new one.
        createNamespace: true,
        values: { crds: { enabled: true }, startupapicheck: CHECK_ALWAYS, ...sizes(args.chart.releaseName)[args.size] },
        policies: args.chart.reach && {
          ...policy(args.chart.reach),
          webhook: CLUSTER_ALONE,
          cainjector: CLUSTER_ALONE,
        },
        overrides: args.chart.values,
      },
      { parent: this },
    );

    this.registerOutputs({ namespace: this.namespace });
  }
}

const onUpgradesToo = { "helm.sh/hook": "post-install,post-upgrade" };

/**
 * The start-up check, by which the release is done only when the webhook answers: on upgrades too, for an install that
 * was interrupted goes on as one. Helm merges these with the weights and deletion policies of the chart.
 * https://github.com/cert-manager/cert-manager/blob/v1.21.2/deploy/charts/cert-manager/values.yaml
 */
const CHECK_ALWAYS: ChartValues = {
  jobAnnotations: onUpgradesToo,
  rbac: { annotations: onUpgradesToo },
  serviceAccount: { annotations: onUpgradesToo },
};

/** Counts as its makers advise: https://cert-manager.io/docs/installation/best-practice/ */
const sizes = (release: string): Record<Size, ChartValues> => ({
  small: {
    replicaCount: 1,
    ...requests("50m", "96Mi"),
    webhook: { replicaCount: 1, ...requests("20m", "64Mi") },
    cainjector: { replicaCount: 1, ...requests("20m", "96Mi") },
  },
  production: {
    replicaCount: 2,
    ...requests("50m", "128Mi"),
    ...disruptionBudget,
    ...spread(podLabels(release, "controller")),
    webhook: {
      replicaCount: 3,
      ...requests("25m", "64Mi"),
      ...disruptionBudget,
      ...spread(podLabels(release, "webhook")),
    },
    cainjector: {
      replicaCount: 2,
      ...requests("25m", "128Mi"),
      ...disruptionBudget,
      ...spread(podLabels(release, "cainjector")),
    },
  },
});

function podLabels(release: string, component: string) {
  return { "app.kubernetes.io/instance": release, "app.kubernetes.io/component": component };
}
