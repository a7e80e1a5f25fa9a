import type { IExternalSecret } from "@kubernetes-models/external-secrets/external-secrets.io/v1/ExternalSecret";
import * as pulumi from "@pulumi/pulumi";
import { awaited } from "./awaited.ts";

export interface TokenSecretArgs {
  /** cert-manager's namespace, where a ClusterIssuer finds its Secrets. */
  readonly namespace: string;
  /** The ClusterSecretStore to read from. */
  readonly storeName: string;
  /** Path in the store. */
  readonly path: string;
  /** Property at that path that holds the token. */
  readonly property: string;
}

/** Seconds for the first sync; it takes less than one when the store is Ready and the path is written. */
const READY_SECONDS = 300;

/** The Cloudflare token in the cluster: an ExternalSecret that has been synced from Vault. */
export class TokenSecret extends pulumi.ComponentResource {
  /** The Secret, and the key in it, that holds the token. */
  readonly ref = { name: "cloudflare-token-secret", key: "api-token" } as const;

  constructor(name: string, args: TokenSecretArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:TokenSecret", name, {}, opts);

    awaited<IExternalSecret>(
      name,
      {
        apiVersion: "external-secrets.io/v1",
        kind: "ExternalSecret",
        metadata: { name: this.ref.name, namespace: args.namespace },
        spec: {
          refreshInterval: "1h",
          secretStoreRef: { kind: "ClusterSecretStore", name: args.storeName },
          target: { name: this.ref.name, creationPolicy: "Owner" },
          data: [{ secretKey: this.ref.key, remoteRef: { key: args.path, property: args.property } }],
        },
      },
      READY_SECONDS,
      { parent: this },
    );

    this.registerOutputs({ ref: this.ref });
  }
}
