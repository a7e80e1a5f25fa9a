import { type SupportTable, support } from "../versions.ts";

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
