import type { IClusterSecretStore } from "@kubernetes-models/external-secrets/external-secrets.io/v1/ClusterSecretStore";
import * as pulumi from "@pulumi/pulumi";
import { awaited } from "./awaited.ts";

export interface SecretStoreArgs {
  /** URL at which External Secrets reaches Vault, from inside the cluster. */
  readonly server: string;
  /** Mount of the KV version 2 engine. */
  readonly mount: string;
  /** PEM of the CA that signed Vault's certificate. @default - the system's trusted roots */
  readonly caBundle?: string;
  /** Mount path of Vault's Kubernetes auth backend. */
  readonly authPath: string;
  /** The role to log in with. */
  readonly role: string;
  /** The service account that the role is bound to. */
  readonly serviceAccount: { readonly name: string; readonly namespace: string };
}

/** Seconds for External Secrets to log in to Vault; it takes less than one. */
const READY_SECONDS = 300;

/** Vault as External Secrets sees it: a ClusterSecretStore that has logged in. */
export class SecretStore extends pulumi.ComponentResource {
  readonly storeName = "vault-backend";

  constructor(name: string, args: SecretStoreArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:SecretStore", name, {}, opts);

    awaited<IClusterSecretStore>(
      name,
      {
        apiVersion: "external-secrets.io/v1",
        kind: "ClusterSecretStore",
        metadata: { name: this.storeName },
        spec: {
          provider: {
            vault: {
              server: args.server,
              path: args.mount,
              version: "v2",
              ...(args.caBundle && { caBundle: Buffer.from(args.caBundle).toString("base64") }),
              auth: {
                kubernetes: {
                  mountPath: args.authPath,
                  role: args.role,
                  // A cluster-wide store has no namespace of its own to look in.
                  serviceAccountRef: { ...args.serviceAccount },
                },
              },
            },
          },
        },
      },
      READY_SECONDS,
      { parent: this },
    );

    this.registerOutputs({ storeName: this.storeName });
  }
}
