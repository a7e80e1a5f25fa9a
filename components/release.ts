import { Release } from "@pulumi/kubernetes/helm/v3/release.js";
import type * as pulumi from "@pulumi/pulumi";
import type { ChartSource, ChartValues } from "../settings/charts.ts";

/**
 * Seconds until a release whose workloads are not ready has failed. The longest is the gateway, which waits for
 * OCI to make the load balancer: minutes as a rule, a quarter of an hour on a bad day.
 */
export const RELEASE_SECONDS = 1200;

export interface ChartReleaseArgs {
  /** Name of the chart in its repository. */
  readonly chart: string;
  readonly source: ChartSource;
  /** Name of the Helm release. Fixed, because the names of everything in it follow from it. */
  readonly releaseName: string;
  readonly namespace: pulumi.Input<string>;
  /** Make the namespace when it is missing; Helm never deletes it again. @default false */
  readonly createNamespace?: boolean;
  /** What this program decided. */
  readonly values: ChartValues;
  /** What the operator adds or overrides; merged last. */
  readonly overrides: ChartValues | undefined;
}

/**
 * A Helm release that is done when its workloads are ready.
 *
 * Releases and not rendered charts: Helm's three-way patch leaves alone what istiod writes into its
 * webhooks (`caBundle`, `failurePolicy`), where server-side apply would conflict with it or undo it
 * (https://github.com/pulumi/pulumi-kubernetes/issues/2210); and Helm runs cert-manager's start-up
 * check, after which its webhook answers. Never `atomic`: a failed install of the gateway would
 * take the load balancer with it.
 */
export function chartRelease(name: string, args: ChartReleaseArgs, opts: pulumi.CustomResourceOptions): Release {
  return new Release(
    name,
    {
      name: args.releaseName,
      ...locate(args.chart, args.source),
      version: args.source.version,
      namespace: args.namespace,
      ...(args.createNamespace && { createNamespace: true }),
      values: mergeValues(args.values, args.overrides ?? {}),
      timeout: RELEASE_SECONDS,
    },
    opts,
  );
}

/** How Helm is told where a chart is: https://helm.sh/docs/helm/helm_install/ */
function locate(chart: string, { repo, version }: ChartSource) {
  if (/^https?:/.test(repo)) return { chart, repositoryOpts: { repo } };
  const base = repo.replace(/\/+$/, "");
  return { chart: base.startsWith("oci:") ? `${base}/${chart}` : `${base}/${chart}-${version}.tgz` };
}

const isMap = (value: unknown): value is ChartValues =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/** Merges as Helm does: maps key by key, everything else (lists too) is replaced. */
function mergeValues(ours: ChartValues, theirs: ChartValues): ChartValues {
  const merged = { ...ours };
  for (const [key, value] of Object.entries(theirs)) {
    const mine = merged[key];
    merged[key] = isMap(mine) && isMap(value) ? mergeValues(mine, value) : value;
  }
  return merged;
}

/** The inputs of a release that say which chart it is of. */
export const CHART_INPUTS = ["version", "chart", "repositoryOpts"] as const;

/** Which chart a release is of, by its inputs: {@link locate} in the other direction. */
export function chartOf(inputs: Readonly<Record<string, unknown>>): ChartSource & { readonly chart: string } {
  const [place, version] = [String(inputs.chart ?? ""), String(inputs.version ?? "")];
  const { repo = place.split("/").slice(0, -1).join("/") } = (inputs.repositoryOpts ?? {}) as { repo?: string };
  const file = place.split("/").at(-1) ?? place;
  return { chart: file.replace(/-v?\d+\.\d+\.\d+.*\.tgz$/, ""), repo, version };
}
