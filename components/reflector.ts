import * as pulumi from "@pulumi/pulumi";
import type { NamedChart } from "../settings/charts.ts";
import { chartRelease } from "./release.ts";
import { requests } from "./sizing.ts";

/** Where Reflector runs. */
export const REFLECTOR_NAMESPACE = "kube-system";

const REFLECTION = "reflector.v1.k8s.emberstack.com/reflection";
const TO = `${REFLECTION}-auto-namespaces`;

/**
 * The annotations of a Secret that Reflector copies, without being asked, to these namespaces alone. It reads an empty list
 * as all. https://github.com/emberstack/kubernetes-reflector/blob/v10.0.17/README.md
 */
export function reflection(copies: readonly string[] | "all"): Record<string, string> {
  const namespaces = copies === "all" ? "" : copies.join(",");
  return {
    [`${REFLECTION}-allowed`]: "true",
    [`${REFLECTION}-allowed-namespaces`]: namespaces,
    [`${REFLECTION}-auto-enabled`]: "true",
    [TO]: namespaces,
  };
}

/** Where Reflector copies a Secret with these annotations: {@link reflection} in the other direction. */
export function reflectedTo(annotations: Readonly<Record<string, string>>): string[] | "all" {
  const { [TO]: namespaces = "" } = annotations;
  return namespaces === "" ? "all" : namespaces.split(",");
}

export interface ReflectorArgs {
  readonly chart: NamedChart;
}

/** Reflector, which copies Secrets to where the gateway and Vault's issuer read them. */
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
