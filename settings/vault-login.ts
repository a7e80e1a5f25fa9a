/** A key of a Secret. */
export interface SecretKey {
  readonly name: string;
  readonly namespace: string;
  readonly key: string;
}

/** How External Secrets logs in to Vault: https://external-secrets.io/latest/provider/hashicorp-vault/#authentication */
export type VaultLogin =
  | {
      /** As a service account that Vault asks the cluster about. */
      readonly method: "kubernetes";
      /** Mount path of the auth backend. */
      readonly path: string;
      readonly role: string;
      /** The service account that the role is bound to. */
      readonly serviceAccount: { readonly name: string; readonly namespace: string };
    }
  | { readonly method: "token"; readonly secret: SecretKey }
  | {
      readonly method: "appRole";
      /** Mount path of the auth backend. */
      readonly path: string;
      readonly roleId: string;
      /** The secret id. */
      readonly secret: SecretKey;
    };
