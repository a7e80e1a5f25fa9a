import * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../settings/settings.ts";
import { type Admission, admission, filled, type Judged, literal, saying } from "./admission.ts";
import { CERT_MANAGER_NAMESPACE } from "./cert-manager.ts";
import { issuerNames } from "./issuer.ts";

/** For whom the program's ClusterIssuers sign. */
export interface CertificateTable {
  /** The ClusterIssuers, the one of the certificate first. */
  readonly issuers: readonly string[];
  /** The namespaces whose Certificates they may sign. */
  readonly namespaces: readonly string[];
}

/** For whom the ClusterIssuers sign; undefined where it is everybody. */
export const certificateTableOf = ({
  issuer,
  tenancy,
}: Pick<Settings, "issuer" | "tenancy">): CertificateTable | undefined =>
  tenancy.certificates === "all"
    ? undefined
    : {
        issuers: issuerNames(issuer),
        namespaces: [...new Set([CERT_MANAGER_NAMESPACE, ...tenancy.certificates])],
      };

/**
 * The policy's name. Another issuer is another policy: the old one goes after the old issuer, with which an `up` parts last.
 */
export const certificatePolicyName = ({ issuers }: CertificateTable) => `oke-platform-${issuers[0]}`;

/** What names an issuer: a Certificate, and all that cert-manager makes of one, which others could make themselves. */
const ASKS_TO_SIGN = [
  { group: "cert-manager.io", resources: ["certificates", "certificaterequests"] },
  { group: "acme.cert-manager.io", resources: ["orders", "challenges"] },
] as const;

/** The policy that these settings ask for; undefined where the ClusterIssuers sign for everybody. */
export function certificatePolicyOf(name: string, settings: Settings, opts: pulumi.ComponentResourceOptions) {
  const table = certificateTableOf(settings);
  return table && new CertificatePolicy(name, table, opts);
}

/** Has the API server refuse the program's ClusterIssuers to all but the platform. */
class CertificatePolicy extends pulumi.ComponentResource {
  constructor(name: string, args: CertificateTable, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:CertificatePolicy", name, {}, opts);

    admission(name, certificateAdmission(args), { parent: this });

    this.registerOutputs();
  }
}

const REFUSED =
  "ClusterIssuer {issuer} is the platform's and does not sign for namespace {namespace}. Use an issuer of your own, or have whoever runs the platform add {namespace} to tenancy.certificates";

/**
 * Why the API server would refuse a Certificate, CertificateRequest, Order or Challenge if it were made or changed now;
 * undefined when it would not.
 */
export function refusedCertificate(
  { metadata: { namespace = "" } = {}, spec }: Judged,
  { issuers, namespaces }: CertificateTable,
): string | undefined {
  const { kind, name: issuer = "", group = "" } = ((spec ?? {}) as { issuerRef?: IssuerRef }).issuerRef ?? {};
  const isOurs = kind === "ClusterIssuer" && issuers.includes(issuer) && GROUPS.includes(group);
  return isOurs && !namespaces.includes(namespace) ? filled(REFUSED, { issuer, namespace }) : undefined;
}

interface IssuerRef {
  readonly kind?: string;
  readonly name?: string;
  readonly group?: string;
}

/** cert-manager's own issuers, those of a reference that names no group among them. */
const GROUPS = ["", "cert-manager.io"];

/** The policy of a table. */
const certificateAdmission = ({ issuers, namespaces }: CertificateTable): Admission => ({
  policyName: certificatePolicyName({ issuers, namespaces }),
  judges: ASKS_TO_SIGN,
  about: {
    "names-our-issuer": `object.?spec.?issuerRef.?kind.orValue("") == "ClusterIssuer" &&
  object.?spec.?issuerRef.?name.orValue("") in ${literal(issuers)} &&
  object.?spec.?issuerRef.?group.orValue("") in ${literal(GROUPS)}`,
  },
  allows: `request.namespace in ${literal(namespaces)}`,
  says: saying(REFUSED, { issuer: "object.spec.issuerRef.name", namespace: "request.namespace" }),
});
