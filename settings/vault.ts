import type { TokenSettings } from "./cloudflare.ts";
import type { VaultLogin } from "./vault-login.ts";

/** `bootstrap` until an installed Vault is initialised, then `complete`. */
export type Phase = "bootstrap" | "complete";

/** The OCI KMS key with which an installed Vault unseals itself; what is not given is made, in the compartment. */
export interface SealSettings {
  readonly vaultId?: string | undefined;
  readonly keyId?: string | undefined;
  readonly compartmentId?: string | undefined;
}

/** The Vault that the DNS token is kept in. */
export type VaultSettings = {
  /** Where this program reaches it. */
  readonly address: string;
  /** Where External Secrets reaches it. */
  readonly clusterAddress: string;
  readonly mount: string;
  readonly path: string;
  readonly role: string;
  readonly authPath: string;
  readonly caBundle?: string | undefined;
  readonly access: "existing" | "managed";
  readonly login: VaultLogin;
  readonly token: TokenSettings;
} & (
  | { readonly kind: "there" }
  | {
      readonly kind: "installed";
      readonly phase: Phase;
      /** Whether it speaks TLS, with a certificate of cert-manager's. */
      readonly tls: boolean;
      /** Absent: somebody unseals each pod by hand. */
      readonly seal?: SealSettings | undefined;
    }
);
