import * as v from "valibot";
import { isUrl } from "./addresses.ts";
import type { ChartsGiven } from "./charts.ts";
import type { CloudflareGiven } from "./cloudflare.ts";
import { email, kubernetesSubdomain, map, pem, says, secret, section, text, whole } from "./fields.ts";
import type { Rule } from "./rule.ts";

/** Let's Encrypt's ACME directories: https://letsencrypt.org/docs/acme-protocol-updates/ and https://letsencrypt.org/docs/staging-environment/ */
export const letsEncrypt = {
  production: "https://acme-v02.api.letsencrypt.org/directory",
  staging: "https://acme-staging-v02.api.letsencrypt.org/directory",
} as const;

const NAMED_SERVERS = [...Object.keys(letsEncrypt), "ca"];
const EMAIL = "an e-mail address such as platform@example.com";

export const acme = says(
  "Who signs the certificate, and the account there.",
  section({
    email: says(
      "Contact of the ACME account; Let's Encrypt writes there when something is wrong.",
      v.optional(email(EMAIL)),
      'required unless server is "ca"',
    ),
    server: says(
      "Who signs. staging and production: Let's Encrypt's servers. ca: a CA of the cluster's own, for clusters without a public zone.",
      v.optional(
        text(
          '"staging", "production", "ca" or the https URL of an ACME directory',
          (value) => NAMED_SERVERS.includes(value) || isUrl(value, "https:"),
        ),
        "staging",
      ),
    ),
    issuerName: says(
      "Name of the ClusterIssuer, where one is there under another name. cert-manager issues anew when this name changes and not when the server does: with another server it must be another name. Not with ca.",
      v.optional(kubernetesSubdomain("a ClusterIssuer")),
      "a name for each server",
    ),
    caBundle: says(
      "The CA that signed the ACME server's own certificate; only with a URL as server.",
      v.optional(pem),
      "the roots in cert-manager's image",
    ),
    propagationSeconds: says(
      "Wait this long for DNS; 10 or more with Let's Encrypt, and not with ca. It needs cert-manager 1.21.",
      v.optional(whole("seconds", 0, 3600)),
      "cert-manager checks itself",
    ),
    eab: says(
      "External account binding, for servers such as ZeroSSL's that take accounts only from their customers; only with a URL as server.",
      v.optional(
        map({
          keyId: says(
            "The key's identifier, which the server's maker gives out.",
            text("the identifier of the key", /^\S+$/),
          ),
        }),
      ),
      "none; needs acmeEabHmacKey",
    ),
  }),
);

/** Base64url, as the server's makers give it out, but for the padding that cert-manager refuses. */
const HMAC_KEY =
  "the HMAC key as base64url without padding (letters, digits, - and _, no = at its end), set with `pulumi config set --secret`";

export const acmeEabHmacKey = says(
  "The HMAC key of acme.eab: base64url without padding. Set it with --secret.",
  // Four letters are three bytes: one letter that is left over is none.
  secret(HMAC_KEY, /^([\w-]{4})*[\w-]{2,4}$/),
  "required with acme.eab",
);

export interface AcmeGiven {
  readonly acme: v.InferOutput<typeof acme>;
  readonly acmeEabHmacKey?: string | undefined;
}

export const acmeRules: readonly Rule<AcmeGiven & CloudflareGiven & ChartsGiven>[] = [
  {
    key: "acme.caBundle",
    reads: ["acme.server"],
    when: ({ acme }) => acme.caBundle !== undefined && NAMED_SERVERS.includes(acme.server),
    allowed: "only with the URL of an ACME directory in acme.server; remove it",
  },
  {
    key: "acme.issuerName",
    reads: ["acme.server"],
    when: ({ acme }) => acme.issuerName !== undefined && acme.server === "ca",
    allowed: 'nothing with acme.server "ca", whose issuers the program names; remove it',
  },
  {
    key: "acme.propagationSeconds",
    reads: ["acme.server"],
    when: ({ acme }) => acme.propagationSeconds !== undefined && acme.server === "ca",
    allowed: 'nothing with acme.server "ca", which asks no DNS; remove it',
  },
  {
    key: "acme.propagationSeconds",
    reads: ["acme.server"],
    when: ({ acme }) => (acme.propagationSeconds ?? 10) < 10 && isLetsEncrypt(acme.server),
    allowed: "10 or more with Let's Encrypt, where a validation that comes too early counts against five an hour",
  },
  {
    key: "acme.propagationSeconds",
    reads: ["charts.certManager.version"],
    when: ({ acme, charts }) => acme.propagationSeconds !== undefined && !canWait(charts.certManager.version),
    allowed:
      "nothing with cert-manager below v1.21, which cannot wait a set time; remove it or raise charts.certManager.version",
  },
  {
    key: "acme.email",
    reads: ["acme.server", "cloudflare.token"],
    when: ({ acme, cloudflare }) => cloudflare.token !== "none" && acme.server !== "ca" && acme.email === undefined,
    allowed: `${EMAIL}; the ACME server asks for a contact`,
  },
  {
    key: "acme.eab",
    reads: ["acme.server"],
    when: ({ acme }) => acme.eab !== undefined && (NAMED_SERVERS.includes(acme.server) || isLetsEncrypt(acme.server)),
    allowed:
      "only with the URL of an ACME directory that asks for it in acme.server; Let's Encrypt takes every account; remove it",
  },
  {
    key: "acmeEabHmacKey",
    reads: ["acme.eab"],
    when: ({ acme, acmeEabHmacKey }) => acme.eab !== undefined && acmeEabHmacKey === undefined,
    allowed: "a secret, required with acme.eab; pulumi config set --secret acmeEabHmacKey",
  },
  {
    key: "acmeEabHmacKey",
    reads: ["acme.eab"],
    when: ({ acme, acmeEabHmacKey }) => acme.eab === undefined && acmeEabHmacKey !== undefined,
    allowed: "nothing without acme.eab; set acme.eab.keyId, or remove the key",
  },
  // Last: who signs is then still sound for what depends on it.
  {
    key: "acme.server",
    reads: ["cloudflare.token"],
    when: ({ acme, cloudflare }) => cloudflare.token === "none" && acme.server !== "ca",
    allowed: '"ca" with cloudflare.token "none": without a DNS token no public server can validate',
  },
];

/** The ACME directory behind `acme.server`, or undefined for the CA in the cluster. */
const directoryOf = (server: string) =>
  server === "ca" ? undefined : (letsEncrypt[server as keyof typeof letsEncrypt] ?? server);

/** Whether it is one of Let's Encrypt's servers, by its name in the settings or its URL. */
export const isLetsEncrypt = (server: string) =>
  Object.values<string>(letsEncrypt).includes(URL.parse(directoryOf(server) ?? "")?.href ?? "");

/** Whether it is Let's Encrypt's staging server, by its name in the settings or its URL. */
export const isStaging = (server: string) => URL.parse(directoryOf(server) ?? "")?.href === letsEncrypt.staging;

/** Whether this version of cert-manager, such as "v1.21.2", can wait a set time for DNS. */
function canWait(version: string): boolean {
  const [major = 0, minor = 0] = version.replace("v", "").split(".").map(Number);
  return major > 1 || (major === 1 && minor >= 21);
}

/** Who signs the certificate: a CA in the cluster, or an ACME server with which an account is registered. */
export type IssuerSettings =
  | { readonly kind: "ca" }
  | ({
      readonly kind: "acme";
      /** URL of the server's ACME directory. */
      readonly directory: string;
      readonly email: string;
      /** What binds the account to one at the server's maker; the key is a secret. */
      readonly eab?: { readonly keyId: string; readonly hmacKey: string } | undefined;
    } & Readonly<Pick<AcmeGiven["acme"], "caBundle" | "propagationSeconds" | "issuerName">>);

export function issuerOf({ acme: { server, email, eab, ...rest }, acmeEabHmacKey }: AcmeGiven): IssuerSettings {
  const directory = directoryOf(server);
  if (directory === undefined) return { kind: "ca" };
  // The e-mail and the key are given, by the rules about them.
  const binding = eab && { keyId: eab.keyId, hmacKey: acmeEabHmacKey as string };
  return { kind: "acme", directory, email: email as string, ...rest, ...(binding && { eab: binding }) };
}
