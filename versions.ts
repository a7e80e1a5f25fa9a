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
  /** A late patch release, for an upgrade that passes through it. @default - the first */
  readonly newest?: string;
}

/** What is supported, by product and its minor release. */
export type SupportTable = Readonly<Record<"Istio" | "cert-manager", Readonly<Record<string, Support>>>>;

/**
 * Of Istio and cert-manager alone. The others name no range: their charts ask for Kubernetes 1.22 (Reflector), 1.19
 * (External Secrets) and 1.20 (Vault) at least, and their pages say no more than what they were tested with.
 */
export const support: SupportTable = {
  // https://istio.io/latest/docs/releases/supported-releases/, from
  // https://github.com/istio/istio.io/blob/master/data/compatibility/supportStatus.yml
  Istio: {
    // The patches: https://istio.io/latest/news/releases/
    "1.26": { kubernetes: [29, 33], end: "2025-12-22" },
    "1.27": { kubernetes: [29, 33], newest: "1.27.9", end: "2026-04-07" },
    "1.28": { kubernetes: [30, 34], newest: "1.28.10", end: "2026-07-01" },
    // https://istio.io/latest/news/support/announcing-1.29-eol/
    "1.29": { kubernetes: [31, 35], newest: "1.29.8", end: "2026-10-12" },
    "1.30": { kubernetes: [32, 36], newest: "1.30.5" },
    // https://istio.io/latest/news/releases/1.31.x/announcing-1.31/
    "1.31": { kubernetes: [32, 36] },
  },
  // https://cert-manager.io/docs/releases/: each ends with the release of the second minor after it, on no named day.
  "cert-manager": {
    "1.20": { kubernetes: [32, 35] },
    "1.21": { kubernetes: [33, 36] },
  },
};
