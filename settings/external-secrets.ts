/** External Secrets, which reads Vault. */
export interface ExternalSecretsSettings {
  /** Whether it is installed here; false where it is there, or nothing is kept in Vault. */
  readonly install: boolean;
  readonly namespace: string;
  readonly serviceAccount: string;
}
