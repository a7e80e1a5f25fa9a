import * as pulumi from "@pulumi/pulumi";
import type { NamedChart } from "../settings/charts.ts";
import { chartRelease } from "./release.ts";
import { requests } from "./sizing.ts";

/** Where Reflector runs. */
export const REFLECTOR_NAMESPACE = "kube-system";

export interface ReflectorArgs {
  readonly chart: NamedChart;
}

/** Reflector, which copies the certificate's Secret to where the gateway reads it. */
export class Reflector extends pulumi.ComponentResource {
  constructor(name: string, args: ReflectorArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:Reflector", name, {}, opts);
    chartRelease(
      name,
      {
        chart: "reflector",
        source: args.chart,
        releaseName: args.chart.releaseName,
        namespace: REFLECTOR_NAMESPACE,
        // One in every size: it elects no leader, and two would both write each copy.
        values: { replicaCount: 1, ...requests("25m", "128Mi") },
        overrides: args.chart.values,
      },
      { parent: this },
    );
    this.registerOutputs();
  }
}
