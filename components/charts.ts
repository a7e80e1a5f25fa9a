import { Release } from "@pulumi/kubernetes/helm/v3/release.js";
import type * as pulumi from "@pulumi/pulumi";

/** The charts, where their makers publish them, and the versions that are tested together. */
export const chartDefaults = {
  certManager: { repo: "https://charts.jetstack.io", version: "v1.21.2" },
  reflector: { repo: "https://emberstack.github.io/helm-charts", version: "10.0.63" },
  // Not istio-release.storage.googleapis.com, which has no 1.31 and closes in December 2026:
  // https://istio.io/latest/blog/2026/retirement-of-gcp/
  istio: { repo: "https://blob.istio.io/istio-release/charts", version: "1.31.4" },
  externalSecrets: { repo: "https://charts.external-secrets.io", version: "2.9.0" },
  vault: { repo: "https://helm.releases.hashicorp.com", version: "0.34.1" },
} as const;

/** How many replicas a chart gets: `small` is one, `production` two or more, spread over nodes. */
export type Size = "small" | "production";

/** Values of a Helm chart. */
export type ChartValues = Record<string, unknown>;

/** Which chart, and where it comes from. */
export interface ChartSource {
  /** Exact version, as the chart's maker writes it. */
  readonly version: string;
  /** An HTTP repository, `oci://` registry path, or directory of `<chart>-<version>.tgz`. */
  readonly repo: string;
}

/** Requests of a container. */
export const requests = (cpu: string, memory: string) => ({ resources: { requests: { cpu, memory } } });

/** Two replicas or more, of which one stays while a node is drained. */
export const disruptionBudget = { podDisruptionBudget: { enabled: true, minAvailable: 1 } };

/**
 * Pods with these labels go to different nodes, availability domains and fault domains where there are any. A wish
 * and not a rule: a drained node still counts as a place, so a rule would leave the evicted pod without one.
 */
export const spread = (matchLabels?: Record<string, string>) => ({
  topologySpreadConstraints: [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    // Written by OCI: https://github.com/oracle/oci-cloud-controller-manager/blob/1100ac362/pkg/cloudprovider/providers/oci/node_info_controller.go#L45
    "oci.oraclecloud.com/fault-domain",
  ].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: "ScheduleAnyway",
    ...(matchLabels && { labelSelector: { matchLabels } }),
  })),
});

/** A chart as a stack asks for it. */
export interface Chart extends ChartSource {
  /** Values of the operator, merged over the program's own. */
  readonly values?: ChartValues;
}

/**
 * Seconds until a release whose workloads are not ready has failed. The longest is the gateway, which waits for
 * OCI to make the load balancer: minutes as a rule, a quarter of an hour on a bad day.
 */
const RELEASE_SECONDS = 1200;

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

interface Support {
  /** The Kubernetes minors that its makers support, first and last, as `1.<minor>`. */
  readonly kubernetes: readonly [first: number, last: number];
  /** The last day of support, where its makers have named one. */
  readonly end?: string;
}

/** What is supported, by product and its minor release. */
type SupportTable = Record<"Istio" | "cert-manager", Record<string, Support>>;

/**
 * What the makers of the charts support, by minor release. Reflector and External Secrets bind to no range: their
 * charts ask for Kubernetes 1.22 and 1.19 at least, and "tested with" is all that their pages say.
 */
const support: SupportTable = {
  // https://istio.io/latest/docs/releases/supported-releases/
  Istio: {
    "1.26": { kubernetes: [29, 33], end: "2025-12-22" },
    "1.27": { kubernetes: [29, 33], end: "2026-04-07" },
    "1.28": { kubernetes: [30, 34], end: "2026-07-01" },
    "1.29": { kubernetes: [31, 35], end: "2026-10-12" },
    "1.30": { kubernetes: [32, 36] },
    "1.31": { kubernetes: [32, 37] },
  },
  // https://cert-manager.io/docs/releases/
  "cert-manager": {
    "1.20": { kubernetes: [32, 35] },
    "1.21": { kubernetes: [33, 36] },
  },
};

/**
 * Which Kubernetes minors the chosen versions support, first and last as `1.<minor>`, and until when; without those
 * that this program does not know.
 */
export const supportedKubernetes = (versions: { istio: string; certManager: string }, table: SupportTable = support) =>
  chosen(versions).flatMap(({ product, version }) => {
    const found = table[product][minorOf(version)];
    return found === undefined
      ? []
      : [{ product, version, first: found.kubernetes[0], last: found.kubernetes[1], end: found.end }];
  });

const chosen = (versions: { istio: string; certManager: string }) =>
  [
    { product: "Istio", version: versions.istio },
    { product: "cert-manager", version: versions.certManager },
  ] as const;

/**
 * What is about to go wrong with the chosen versions: a release past its end, or two that no Kubernetes
 * minor has in common.
 *
 * @param today the date that ends are compared with
 * @param table what is supported, by product and its minor release
 */
export function supportWarnings(
  versions: { istio: string; certManager: string },
  today: Date,
  table: SupportTable = support,
): string[] {
  const known = chosen(versions).map(({ product, version }) => ({
    product,
    version,
    ...table[product][minorOf(version)],
  }));
  const [first, last] = [
    Math.max(...known.map((release) => release.kubernetes?.[0] ?? 0)),
    Math.min(...known.map((release) => release.kubernetes?.[1] ?? Infinity)),
  ];
  return [
    ...known
      .filter((release) => release.end !== undefined && new Date(`${release.end}T23:59:59Z`) < today)
      .map(
        ({ product, version, end }) =>
          `${product} ${version} is past its end of support, ${end}; choose a newer version in charts`,
      ),
    ...known
      .filter((release) => release.kubernetes === undefined)
      .map(
        ({ product, version }) => `what ${product} ${version} supports, and until when, is not known to this program`,
      ),
    ...(first > last
      ? [
          `no Kubernetes minor is supported by both ${known.map(({ product, version, kubernetes }) => `${product} ${version} (1.${kubernetes?.join(" to 1.")})`).join(" and ")}`,
        ]
      : []),
  ];
}

/** "1.21" of "v1.21.2". */
const minorOf = (version: string) => /\d+\.\d+/.exec(version)?.[0] ?? "";

/** The inputs of a release that say which chart it is of. */
export const CHART_INPUTS = ["version", "chart", "repositoryOpts"] as const;

/** Which chart a release is of, by its inputs: {@link locate} in the other direction. */
export function chartOf(inputs: Readonly<Record<string, unknown>>): ChartSource & { readonly chart: string } {
  const [place, version] = [String(inputs.chart ?? ""), String(inputs.version ?? "")];
  const { repo = place.split("/").slice(0, -1).join("/") } = (inputs.repositoryOpts ?? {}) as { repo?: string };
  const file = place.split("/").at(-1) ?? place;
  return { chart: file.replace(/-v?\d+\.\d+\.\d+.*\.tgz$/, ""), repo, version };
}

/** Whether a chart's value says how many pods there are, by its path. */
export const isReplicas = (path: string): boolean =>
  /(replicaCount|autoscale(Min|Max|Enabled)|autoscaling\.(enabled|minReplicas|maxReplicas))$/.test(path);
