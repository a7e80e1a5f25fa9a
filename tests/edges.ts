// Every `dependsOn` of the program, in every way of setting it up: what replaced the waves. Why each is there stands
// above it in the program; that it is good for something, in the schedules.

/** In which ways of setting the program up an edge is there. */
type Where = (variant: string) => boolean;

const everywhere: Where = () => true;
const withToken: Where = (variant) => variant !== "no cloud at all";
const withoutToken: Where = (variant) => !withToken(variant);
const installed: Where = (variant) => variant.startsWith("Vault installed");
const withTls: Where = (variant) => installed(variant) && variant !== "Vault installed, unsealed by hand";
const managed: Where = (variant) => installed(variant) || variant.startsWith("access managed");
const bound: Where = (variant) => variant.includes("bound");

/** In the first of two phases, what needs Vault's content is not there. */
const table: Record<"always" | "with Vault's content", Record<string, Where>> = {
  always: {
    "ingress-gateway → istio": everywhere,
    "istio → route-policy": everywhere,
    "istio-istiod → istio-base": everywhere,
    "routes → istio": everywhere,
    "routes → vault-server": installed,
    "vault-tls → cert-manager": withTls,
    "vault-tls → istio": withTls,
    "vault-tls → reflector": withTls,
    "vault-tls → vault-server": withTls,
    "vault-tls-ca → vault-tls-ca-root-certificate": withTls,
    "vault-tls-ca-root-certificate → vault-tls-ca-root": withTls,
    "vault-tls-client → vault-tls-ca": withTls,
    "vault-tls-server → vault-tls-ca": withTls,
  },
  "with Vault's content": {
    "certificate → issuer": everywhere,
    "issuer → cert-manager": withoutToken,
    "issuer → certificate-policy": everywhere,
    "issuer → issuer-eab": bound,
    "issuer → issuer-root-certificate": withoutToken,
    "issuer → token-secret": withToken,
    "issuer-root-certificate → issuer-root": withoutToken,
    "secret-store → external-secrets": (variant) => withToken(variant) && variant !== "External Secrets already there",
    "secret-store → vault-access": managed,
    "tls-gateway → certificate": everywhere,
    "tls-gateway → istio": everywhere,
    "token-secret → cert-manager": withToken,
    "token-secret → secret-store": withToken,
    "vault-access → vault-server": installed,
    "vault-secret → vault-access": managed,
  },
};

/** The edges of a way of setting the program up, `from → to`, sorted; in the first of two phases, those of it alone. */
export const edgesOf = (variant: string, phase: "first" | "last"): string[] =>
  [table.always, ...(phase === "last" ? [table["with Vault's content"]] : [])]
    .flatMap((edges) => Object.entries(edges))
    .filter(([, where]) => where(variant))
    .map(([edge]) => edge)
    .sort();
