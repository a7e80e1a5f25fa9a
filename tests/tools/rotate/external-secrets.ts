import type { VaultCluster } from "../vault-cluster.ts";

export const SECRET = "/api/v1/namespaces/cert-manager/secrets/cloudflare-token-secret";
export const EXTERNAL_SECRET =
  "/apis/external-secrets.io/v1/namespaces/cert-manager/externalsecrets/cloudflare-token-secret";

const metadataOf = (version: number | undefined) => ({
  namespace: "cert-manager",
  name: "cloudflare-token-secret",
  annotations: version === undefined ? {} : { "oke-platform/kv-version": String(version) },
});

/** External Secrets, as far as a cluster shows what it does. */
export class ExternalSecrets {
  /** The Secret's `resourceVersion`. */
  revision = 100;
  readonly #cluster: VaultCluster;

  constructor(cluster: VaultCluster) {
    this.#cluster = cluster;
  }

  /** What a sync does, at once. */
  sync(version: number | undefined, at = "2026-11-23T21:00:00Z"): void {
    this.writeSecret(version);
    this.writeStatus(version, at);
  }

  /** The first thing that it does: the Secret with its data. */
  writeSecret(version: number | undefined): void {
    this.revision += 1;
    this.#cluster.put(SECRET, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { ...metadataOf(version), resourceVersion: String(this.revision) },
      data: { "api-token": Buffer.from("a-token-that-nobody-reads").toString("base64") },
    });
  }

  /** The second: the ExternalSecret's status, with a word for the annotations that it was synced with. */
  writeStatus(version: number | undefined, at: string): void {
    this.#cluster.put(EXTERNAL_SECRET, {
      apiVersion: "external-secrets.io/v1",
      kind: "ExternalSecret",
      metadata: metadataOf(version),
      status: {
        refreshTime: at,
        syncedResourceVersion: `1-hash-of-${version}`,
        conditions: [{ type: "Ready", status: "True", message: "secret synced" }],
      },
    });
  }
}
