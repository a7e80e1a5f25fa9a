/** The charts, where their makers publish them, and the versions that are tested together. */
export const charts = {
  certManager: { repo: "https://charts.jetstack.io", version: "v1.21.2" },
  reflector: { repo: "https://emberstack.github.io/helm-charts", version: "10.0.63" },
  // Not istio-release.storage.googleapis.com, which has no 1.31 and closes in December 2026:
  // https://istio.io/latest/blog/2026/retirement-of-gcp/
  istio: { repo: "https://blob.istio.io/istio-release/charts", version: "1.31.4" },
  externalSecrets: { repo: "https://charts.external-secrets.io", version: "2.9.0" },
  vault: { repo: "https://helm.releases.hashicorp.com", version: "0.34.1" },
} as const;

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
