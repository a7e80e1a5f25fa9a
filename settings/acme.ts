/** Let's Encrypt's ACME directories: https://letsencrypt.org/docs/acme-protocol-updates/ and https://letsencrypt.org/docs/staging-environment/ */
export const letsEncrypt = {
  production: "https://acme-v02.api.letsencrypt.org/directory",
  staging: "https://acme-staging-v02.api.letsencrypt.org/directory",
} as const;

/** Who signs the certificate: a CA in the cluster, or an ACME server with which an account is registered. */
export type IssuerSettings =
  | { readonly kind: "ca" }
  | {
      readonly kind: "acme";
      /** URL of the server's ACME directory. */
      readonly directory: string;
      readonly email: string;
      readonly caBundle?: string | undefined;
      readonly propagationSeconds?: number | undefined;
    };
