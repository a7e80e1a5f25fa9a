import { Release } from "@pulumi/kubernetes/helm/v3/release.js";
import * as pulumi from "@pulumi/pulumi";
import type { ChartName } from "../settings/chart-ownership.ts";
import { mapIn, ownershipOf } from "../settings/chart-values.ts";
import type { ChartSource, ChartValues } from "../settings/charts.ts";
import type { Merged } from "../settings/ownership.ts";

/**
 * Seconds until a release whose workloads are not ready has failed. The longest is the gateway, which waits for
 * OCI to make the load balancer: minutes as a rule, a quarter of an hour on a bad day.
 */
export const RELEASE_SECONDS = 1200;

export interface ChartReleaseArgs {
  /** Name of the chart in its repository. */
  readonly chart: ChartName;
  readonly source: ChartSource;
  /** Name of the Helm release. Fixed, because the names of everything in it follow from it. */
  readonly releaseName: string;
  readonly namespace: pulumi.Input<string>;
  /** Make the namespace when it is missing; Helm never deletes it again. @default false */
  readonly createNamespace?: boolean;
  /** What this program decided. */
  readonly values: ChartValues;
  /** What turns the chart's NetworkPolicies on, merged over these. @default - they stay off */
  readonly policies?: ChartValues | undefined;
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
      values: mergeValues(
        mergeValues(args.values, args.policies ?? {}),
        args.overrides ?? {},
        ownershipOf(args.chart).merged,
      ),
      timeout: RELEASE_SECONDS,
    },
    opts,
  );
}

/** How Helm is told where a chart is: https://helm.sh/docs/helm/helm_install/ */
function locate(chart: string, { repo, version, login }: ChartSource) {
  // Marked here too, so that it is encrypted in state wherever it comes from.
  const asked = login && { username: login.username, password: pulumi.secret(login.password) };
  if (/^https?:/.test(repo)) return { chart, repositoryOpts: { repo, ...asked } };
  const base = repo.replace(/\/+$/, "");
  if (!base.startsWith("oci:")) return { chart: `${base}/${chart}-${version}.tgz` };
  return { chart: `${base}/${chart}`, ...(asked && { repositoryOpts: asked }) };
}

const isMap = (value: unknown): value is ChartValues =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/**
 * Merges as Helm does: maps key by key, everything else (lists too) is replaced; but for the places where both are needed.
 *
 * @param merged those places, below the one that the values are at
 */
function mergeValues(ours: ChartValues, theirs: ChartValues, merged: readonly Merged[] = []): ChartValues {
  const keys = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])];
  // From entries, because a key such as __proto__ would be no key if it were assigned.
  return Object.fromEntries(
    keys.map((key) => {
      if (!Object.hasOwn(theirs, key)) return [key, ours[key]];
      const [mine, value] = [Object.hasOwn(ours, key) ? ours[key] : undefined, theirs[key]];
      const inside = merged.filter(({ at }) => at[0] === key).map((mix) => ({ ...mix, at: mix.at.slice(1) }));
      const mix = inside.find(({ at }) => at.length === 0);
      if (mix !== undefined && mine !== undefined) return [key, mixed(mine, value, mix)];
      return [key, isMap(mine) && isMap(value) ? mergeValues(mine, value, inside) : value];
    }),
  );
}

/** Both values in one; what cannot be merged was refused with the settings. */
function mixed(mine: unknown, value: unknown, { as }: Merged): unknown {
  if (as === "list") return [...(mine as unknown[]), ...((value ?? []) as unknown[])];
  // The program's last: its keys are refused to others.
  return JSON.stringify(mergeValues(mapIn(value) ?? {}, mapIn(mine) ?? {}));
}

/** The inputs of a release that say which chart it is of. */
export const CHART_INPUTS = ["version", "chart", "repositoryOpts"] as const;

/** A release's chart, and who asks for it at its source. */
interface AskedChart extends Omit<ChartSource, "login"> {
  readonly chart: string;
  readonly username?: string | undefined;
}

/** Which chart a release is of, by its inputs: {@link locate} in the other direction. */
export function chartOf(inputs: Readonly<Record<string, unknown>>): AskedChart {
  const [place, version] = [String(inputs.chart ?? ""), String(inputs.version ?? "")];
  const opts = (inputs.repositoryOpts ?? {}) as { repo?: string; username?: string };
  const { repo = place.split("/").slice(0, -1).join("/"), username } = opts;
  const file = place.split("/").at(-1) ?? place;
  return { chart: file.replace(/-v?\d+\.\d+\.\d+.*\.tgz$/, ""), repo, version, username };
}
