// What is installed, where its makers publish it, and what they support: the one file that an upgrade of a chart touches,
// by hand or by Renovate. docs/operations.md says how to take a newer release. Pinned elsewhere, where their own tools look
// for them: npm packages with Pulumi's SDKs (package.json), the Pulumi CLI (sandbox/go.mod, the workflows and mise.toml),
// the `oci` CLI (the workflows and mise.toml), kubectl (mise.toml), and the tests' API server (tests/cluster/go.mod).

/**
 * The charts: their makers' repositories, and the versions that are the defaults of `charts.<chart>.version`. Istio's
 * three charts, base, istiod and gateway, share one.
 */
export const charts = {
  certManager: { repo: "https://charts.jetstack.io", version: "v1.21.2" },
  reflector: { repo: "https://emberstack.github.io/helm-charts", version: "10.0.63" },
  // Not istio-release.storage.googleapis.com, which has no 1.31 and closes in December 2026:
  // https://istio.io/latest/blog/2026/retirement-of-gcp/
  istio: { repo: "https://blob.istio.io/istio-release/charts", version: "1.31.4" },
  externalSecrets: { repo: "https://charts.external-secrets.io", version: "2.9.0" },
  vault: { repo: "https://helm.releases.hashicorp.com", version: "0.34.1" },
} as const;

/** What the makers support of one minor release. */
interface Support {
  /** The Kubernetes minors, first and last, as `1.<minor>`. "Tested with" binds nothing and is left out. */
  readonly kubernetes: readonly [first: number, last: number];
  /** The last day of support, where its makers have named one; "expected" ones move, and are left out. */
  readonly end?: string;
}

/** What is supported, by product and its minor release. */
type SupportTable = Readonly<Record<"Istio" | "cert-manager", Readonly<Record<string, Support>>>>;

/**
 * Of Istio and cert-manager alone. The others name no range: their charts ask for Kubernetes 1.22 (Reflector), 1.19
 * (External Secrets) and 1.20 (Vault) at least, and their pages say no more than what they were tested with.
 */
const support: SupportTable = {
  // https://istio.io/latest/docs/releases/supported-releases/, from
  // https://github.com/istio/istio.io/blob/master/data/compatibility/supportStatus.yml
  Istio: {
    "1.26": { kubernetes: [29, 33], end: "2025-12-22" },
    "1.27": { kubernetes: [29, 33], end: "2026-04-07" },
    "1.28": { kubernetes: [30, 34], end: "2026-07-01" },
    // https://istio.io/latest/news/support/announcing-1.29-eol/
    "1.29": { kubernetes: [31, 35], end: "2026-10-12" },
    "1.30": { kubernetes: [32, 36] },
    // https://istio.io/latest/news/releases/1.31.x/announcing-1.31/
    "1.31": { kubernetes: [32, 36] },
  },
  // https://cert-manager.io/docs/releases/: each ends with the release of the second minor after it, on no named day.
  "cert-manager": {
    "1.20": { kubernetes: [32, 35] },
    "1.21": { kubernetes: [33, 36] },
  },
};

/** The chosen versions of the products that name what they support. */
interface Versions {
  readonly istio: string;
  readonly certManager: string;
}

const chosen = (versions: Versions) =>
  [
    { product: "Istio", version: versions.istio },
    { product: "cert-manager", version: versions.certManager },
  ] as const;

/**
 * Which Kubernetes minors the chosen versions support, first and last as `1.<minor>`, and until when; without those
 * that this program does not know.
 */
export const supportedKubernetes = (versions: Versions, table: SupportTable = support) =>
  chosen(versions).flatMap(({ product, version }) => {
    const found = table[product][minorOf(version)];
    return found === undefined
      ? []
      : [{ product, version, first: found.kubernetes[0], last: found.kubernetes[1], end: found.end }];
  });

/**
 * What is about to go wrong with the chosen versions: a release past its end, or two that no Kubernetes
 * minor has in common.
 *
 * @param today the date that ends are compared with
 * @param table what is supported, by product and its minor release
 */
export function supportWarnings(versions: Versions, today: Date, table: SupportTable = support): string[] {
  const known = supportedKubernetes(versions, table);
  const first = Math.max(...known.map((release) => release.first));
  const last = Math.min(...known.map((release) => release.last));
  return [
    ...known
      .filter(({ end }) => end !== undefined && new Date(`${end}T23:59:59Z`) < today)
      .map(
        ({ product, version, end }) =>
          `${product} ${version} is past its end of support, ${end}; choose a newer version in charts`,
      ),
    ...chosen(versions)
      .filter(({ product }) => !known.some((release) => release.product === product))
      .map(
        ({ product, version }) => `what ${product} ${version} supports, and until when, is not known to this program`,
      ),
    ...(first > last
      ? [
          `no Kubernetes minor is supported by both ${known.map((release) => `${release.product} ${release.version} (1.${release.first} to 1.${release.last})`).join(" and ")}`,
        ]
      : []),
  ];
}

/** "1.21" of "v1.21.2". */
const minorOf = (version: string) => /\d+\.\d+/.exec(version)?.[0] ?? "";
