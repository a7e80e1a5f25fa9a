import * as v from "valibot";
import { isUrl } from "./addresses.ts";
import type { ChartsGiven } from "./charts.ts";
import type { CloudflareGiven } from "./cloudflare.ts";
import { email, pem, says, section, text, whole } from "./fields.ts";
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
  }),
);

interface AcmeGiven {
  readonly acme: v.InferOutput<typeof acme>;
}

export const acmeRules: readonly Rule<AcmeGiven & CloudflareGiven & ChartsGiven>[] = [
  {
    key: "acme.caBundle",
    reads: ["acme.server"],
    when: ({ acme }) => acme.caBundle !== undefined && NAMED_SERVERS.includes(acme.server),
    allowed: "only with the URL of an ACME directory in acme.server; remove it",
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
    } & Readonly<Pick<AcmeGiven["acme"], "caBundle" | "propagationSeconds">>);

export function issuerOf({ server, email, ...rest }: AcmeGiven["acme"]): IssuerSettings {
  const directory = directoryOf(server);
  // The e-mail is given, by the rule about it.
  return directory === undefined ? { kind: "ca" } : { kind: "acme", directory, email: email as string, ...rest };
}
