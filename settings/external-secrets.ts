import * as v from "valibot";
import { flag, kubernetesName, kubernetesSubdomain, says, section } from "./fields.ts";

export const externalSecrets = says(
  "External Secrets, which brings the DNS token from Vault: installed here, or already there.",
  section({
    install: says(
      "Install it, or use the one that is there. From true to false takes the operator away, and leaves its definitions with every ExternalSecret; refused while there are ExternalSecrets of others that no other External Secrets would sync.",
      v.optional(flag, true),
    ),
    namespace: says(
      "Where it runs, in both cases; Vault's role is bound to it.",
      v.optional(kubernetesName("a namespace"), "external-secrets"),
    ),
    serviceAccount: says(
      "As whom it runs, in both cases; Vault's role is bound to it.",
      v.optional(kubernetesSubdomain("a service account"), "external-secrets"),
    ),
  }),
);

/** External Secrets, which reads Vault. `install` is false, too, where there is nothing to read. */
export type ExternalSecretsSettings = Readonly<v.InferOutput<typeof externalSecrets>>;

export interface ExternalSecretsGiven {
  readonly externalSecrets: ExternalSecretsSettings;
}
