import type { IClusterSecretStore } from "@kubernetes-models/external-secrets/external-secrets.io/v1/ClusterSecretStore";
import * as pulumi from "@pulumi/pulumi";
import type { SecretKey, VaultLogin } from "../settings/vault-login.ts";
import { awaited } from "./awaited.ts";

export interface SecretStoreArgs {
  /** URL at which External Secrets reaches Vault, from inside the cluster. */
  readonly server: string;
  /** Mount of the KV version 2 engine. */
  readonly mount: string;
  /** The CA that signed Vault's certificate: its PEM, or where in the cluster it is. @default - the system's trusted roots */
  readonly ca?: string | SecretKey;
  /** How to log in. */
  readonly auth: VaultLogin;
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
              ...caOf(args.ca),
              auth: authOf(args.auth),
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

function caOf(ca: SecretStoreArgs["ca"]) {
  if (ca === undefined) return {};
  return typeof ca === "string"
    ? { caBundle: Buffer.from(ca).toString("base64") }
    : { caProvider: { type: "Secret" as const, ...ca } };
}

// A cluster-wide store has no namespace of its own to look in, so that each reference names one.
function authOf(auth: VaultLogin) {
  switch (auth.method) {
    case "kubernetes":
      return {
        kubernetes: { mountPath: auth.path, role: auth.role, serviceAccountRef: { ...auth.serviceAccount } },
      };
    case "token":
      return { tokenSecretRef: { ...auth.secret } };
    case "appRole":
      return { appRole: { path: auth.path, roleId: auth.roleId, secretRef: { ...auth.secret } } };
  }
}
