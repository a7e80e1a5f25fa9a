import { CERT_MANAGER_NAMESPACE } from "../../components/cert-manager.ts";
import { CERTIFICATE, copiesOf, TLS_SECRET } from "../../components/certificate.ts";
import { issuerName } from "../../components/issuer.ts";
import { ISTIO_NAMESPACE } from "../../components/istio.ts";
import { TOKEN_REF } from "../../components/token-secret.ts";
import { same } from "../../project/registration.ts";
import { letsEncrypt } from "../../settings/acme.ts";
import type { Json } from "./actions.ts";
import type { LiveObject } from "./cluster.ts";
import { type Found, keyOf } from "./found.ts";
import { type Row, row } from "./plan.ts";

// Certificate and issuer as settings. cert-manager issues anew when names, issuer, key or common name differ:
// https://github.com/cert-manager/cert-manager/blob/v1.21.2/internal/controller/certificates/policies/checks.go

interface Certificate extends LiveObject {
  readonly spec?: {
    readonly secretName?: string;
    readonly dnsNames?: readonly string[];
    readonly issuerRef?: { readonly name?: string; readonly kind?: string };
    readonly privateKey?: { readonly algorithm?: string; readonly size?: number };
    readonly secretTemplate?: { readonly annotations?: Readonly<Record<string, string>> };
  };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

interface ClusterIssuer extends LiveObject {
  readonly spec?: {
    readonly acme?: {
      readonly server?: string;
      readonly email?: string;
      readonly caBundle?: string;
      readonly privateKeySecretRef?: { readonly name?: string };
      readonly externalAccountBinding?: { readonly keyID?: string };
      readonly solvers?: readonly Readonly<Record<string, unknown>>[];
    };
  };
}

interface Issuance {
  /** Top-level settings. */
  readonly settings: Readonly<Record<string, Json>>;
  readonly rows: readonly Row[];
}

const SUBJECT = `Certificate ${CERT_MANAGER_NAMESPACE}/${CERTIFICATE}`;
const AGAIN = "it would be issued anew";

/** What the Certificate and its issuer say; nothing where there is none. */
export function issuanceOf({ objects }: Found): Issuance {
  const name = { namespace: CERT_MANAGER_NAMESPACE, name: CERTIFICATE };
  const certificate = objects.get(keyOf({ apiVersion: "cert-manager.io/v1", kind: "Certificate", ...name })) as
    | Certificate
    | undefined;
  if (certificate === undefined) {
    const rivals = ([...objects.values()] as Certificate[]).filter(
      ({ kind, metadata, spec }) =>
        kind === "Certificate" && metadata?.namespace === CERT_MANAGER_NAMESPACE && spec?.secretName === TLS_SECRET,
    );
    return {
      settings: {},
      rows: [
        row("see", SUBJECT, "is not there: the program makes it, and it is issued", "nothing, if that is meant"),
        ...rivals.map(({ metadata }) =>
          row(
            "refuse",
            `Certificate ${CERT_MANAGER_NAMESPACE}/${metadata?.name}`,
            `keeps its key in ${TLS_SECRET}, as the program's ${CERTIFICATE} does: cert-manager issues for neither of two`,
            `call it ${CERTIFICATE} in ArgoCD first`,
          ),
        ),
      ],
    };
  }
  const { spec = {}, status } = certificate;
  const rows: Row[] = [];
  const refuse = (text: string, action: string) => rows.push(row("refuse", SUBJECT, text, action));
  if (spec.secretName !== TLS_SECRET)
    refuse(
      `keeps its key in ${spec.secretName}, the program in ${TLS_SECRET}: ${AGAIN}`,
      `set its secretName to ${TLS_SECRET} in ArgoCD, with a copy of the Secret under that name before`,
    );
  if (!status?.conditions?.some((it) => it.type === "Ready" && it.status === "True"))
    refuse("is not Ready: an issuance is under way, or has failed", "wait until it is, and run this again");
  const base = baseOf(spec.dnsNames ?? []);
  if (base === undefined)
    refuse(
      `is for ${(spec.dnsNames ?? []).join(", ")}, and the program's for *.<base> and <base>: ${AGAIN}`,
      "give it these two names in ArgoCD, and no other",
    );
  const key = keyOfCertificate(spec.privateKey);
  if (key === undefined)
    refuse(`has a key of ${JSON.stringify(spec.privateKey)}: ${AGAIN}`, "give it an RSA key of 2048 bits in ArgoCD");
  const issuer = spec.issuerRef;
  if (issuer?.kind !== "ClusterIssuer")
    refuse(
      `is signed by ${issuer?.kind ?? "an Issuer"} ${issuer?.name}, the program's by a ClusterIssuer: ${AGAIN}`,
      "have a ClusterIssuer sign it in ArgoCD",
    );
  const live = objects.get(
    keyOf({ apiVersion: "cert-manager.io/v1", kind: "ClusterIssuer", name: issuer?.name ?? "" }),
  ) as ClusterIssuer | undefined;
  const acme = acmeOf(issuer?.name ?? "", live);
  const copies = namespacesOf(certificate);
  if (copies === undefined)
    refuse("copies its key to namespaces by an expression, which cannot be said", "list their names in ArgoCD");
  return {
    settings: {
      ...(base !== undefined && { baseDomain: base }),
      ...(acme.settings !== undefined && { acme: acme.settings }),
      ...(key !== undefined && { certificate: { key } }),
      ...(copies !== undefined && { reflector: { namespaces: copies } }),
    },
    rows: [...rows, ...acme.rows],
  };
}

/** What the wildcard stands on, where it and the wildcard are the only names. */
function baseOf(names: readonly string[]): string | undefined {
  const base = names.find((name) => name.startsWith("*."))?.slice(2);
  return base !== undefined && same([...names].sort(), [`*.${base}`, base].sort()) ? base : undefined;
}

/** cert-manager's default is RSA with 2048 bits, and for ECDSA P-256. */
function keyOfCertificate({ algorithm = "RSA", size }: { algorithm?: string; size?: number } = {}): string | undefined {
  if (algorithm === "RSA" && (size ?? 2048) === 2048) return "rsa-2048";
  return algorithm === "ECDSA" && (size ?? 256) === 256 ? "ecdsa-p256" : undefined;
}

/** Namespaces that Reflector copies the key to; undefined where they are expressions. */
function namespacesOf({ spec = {} }: Certificate): "all" | string[] | undefined {
  // Without annotations nothing is copied, and the program has the gateway's.
  if (spec.secretTemplate?.annotations === undefined) return [ISTIO_NAMESPACE];
  const copies = copiesOf({ spec });
  if (copies === "all") return copies;
  const names = copies.map((name) => name.trim()).filter((name) => name !== CERT_MANAGER_NAMESPACE);
  return names.every((name) => /^[a-z0-9-]+$/.test(name)) ? names : undefined;
}

function acmeOf(name: string, issuer: ClusterIssuer | undefined): { settings?: Record<string, Json>; rows: Row[] } {
  const subject = `ClusterIssuer ${name}`;
  if (issuer === undefined)
    return { rows: [row("refuse", subject, "is not there, and signs the certificate", "see why, in ArgoCD")] };
  const { acme } = issuer.spec ?? {};
  if (acme?.server === undefined)
    return {
      rows: [row("refuse", subject, `asks no ACME server: ${AGAIN}`, "have one of Let's Encrypt's sign in ArgoCD")],
    };
  const [known] = Object.entries(letsEncrypt).find(([, url]) => url === acme.server) ?? [];
  const rows: Row[] = [];
  const account = acme.privateKeySecretRef?.name;
  if (account !== name)
    rows.push(
      row(
        "change",
        subject,
        `its account's key moves from ${account} to ${name}: another account, which issues nothing`,
      ),
    );
  const token = { dns01: { cloudflare: { apiTokenSecretRef: { ...TOKEN_REF } } } };
  if (!same(acme.solvers, [token]))
    rows.push(
      acme.solvers?.length === 1 && (acme.solvers[0]?.dns01 as { cloudflare?: unknown } | undefined)?.cloudflare
        ? row("change", subject, `its solver becomes Cloudflare's with the token of Secret ${TOKEN_REF.name}`)
        : row(
            "refuse",
            subject,
            "has other solvers than Cloudflare's, which others may need",
            "give those an issuer of their own",
          ),
    );
  if (acme.externalAccountBinding !== undefined)
    rows.push(row("see", subject, "binds its account", "set acme.eab.keyId and acmeEabHmacKey in the stack"));
  const server = known ?? acme.server;
  const derived = issuerName({ kind: "acme", directory: acme.server, email: "" });
  return {
    rows,
    settings: {
      server,
      ...(acme.email !== undefined && { email: acme.email }),
      ...(name !== derived && { issuerName: name }),
      ...(acme.caBundle !== undefined && { caBundle: Buffer.from(acme.caBundle, "base64").toString() }),
    },
  };
}
