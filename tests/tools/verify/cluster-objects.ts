import { CERT_MANAGER_NAMESPACE } from "../../../components/cert-manager.ts";
import { CERTIFICATE, TLS_SECRET } from "../../../components/certificate.ts";
import { certificateTableOf, refusedCertificate } from "../../../components/certificate-policy.ts";
import { GATEWAY_RELEASE } from "../../../components/ingress-gateway.ts";
import { ISTIO_NAMESPACE, ISTIOD } from "../../../components/istio.ts";
import { refusedRoute, routeTableOf } from "../../../components/route-policy.ts";
import { TOKEN_SECRET } from "../../../components/token-secret.ts";
import { SCOPE_GATEWAYS } from "../../../settings/istio-ownership.ts";
import type { Settings } from "../../../settings/settings.ts";
import type { TlsPair } from "../../pki.ts";
import { type KubernetesObject, tlsSecret } from "../cluster-api.ts";
import { ADDRESS } from "./deploy.ts";

// The objects of a cluster in which all is well, but for what a test changes.

const METADATA = { namespace: CERT_MANAGER_NAMESPACE, generation: 1 };

/** What the program makes, and what each controller writes when all is well. */
const custom = {
  externalSecret: {
    apiVersion: "external-secrets.io/v1",
    kind: "ExternalSecret",
    metadata: { ...METADATA, name: TOKEN_SECRET },
  },
  issuer: {
    apiVersion: "cert-manager.io/v1",
    kind: "ClusterIssuer",
    metadata: { name: "cluster-issuer-letsencrypt", generation: 1 },
  },
  certificate: {
    apiVersion: "cert-manager.io/v1",
    kind: "Certificate",
    metadata: { ...METADATA, name: CERTIFICATE },
    spec: { issuerRef: { kind: "ClusterIssuer", name: "cluster-issuer-letsencrypt" } },
  },
} satisfies Record<string, KubernetesObject>;

/** What controllers write into conditions, by kind. */
export type Conditions = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** When all is well. */
const wellConditions: Conditions = {
  ExternalSecret: { type: "Ready", status: "True", reason: "SecretSynced", message: "secret synced" },
  ClusterIssuer: {
    type: "Ready",
    status: "True",
    reason: "ACMEAccountRegistered",
    message: "The ACME account was registered with the ACME server",
    observedGeneration: 1,
  },
  Certificate: {
    type: "Ready",
    status: "True",
    reason: "Ready",
    message: "Certificate is up to date and has not expired",
    observedGeneration: 1,
  },
};

/**
 * The objects of the program's own, as their controllers leave them.
 *
 * @param conditions changes of what is well, by kind
 * @param objects as the program declares them. @default - as this file has them
 */
export const reconciled = (
  conditions: Conditions = {},
  objects: readonly KubernetesObject[] = Object.values(custom),
): KubernetesObject[] =>
  objects.map((object) => ({
    ...object,
    metadata: { ...object.metadata, generation: 1 },
    status: { conditions: [{ ...wellConditions[object.kind], ...conditions[object.kind] }] },
  }));

/** The certificate and its copy, and somebody's own that must be of no interest. */
export const secrets = (source: TlsPair, copy = source) => [
  tlsSecret(TLS_SECRET, CERT_MANAGER_NAMESPACE, source),
  tlsSecret(TLS_SECRET, ISTIO_NAMESPACE, copy),
  tlsSecret("somebody's", "default", source),
];

/** The gateway's Service. */
export const gatewayService = (type = "LoadBalancer", ip: string | undefined = ADDRESS): KubernetesObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: GATEWAY_RELEASE, namespace: ISTIO_NAMESPACE },
  spec: { type },
  status: { loadBalancer: ip === undefined ? {} : { ingress: [{ ip, ipMode: "VIP" }] } },
});

/** The control plane, told to keep gateways' pods to Gateways of their own namespace. */
export const istiod = (value = "true"): KubernetesObject => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: ISTIOD, namespace: ISTIO_NAMESPACE },
  spec: { template: { spec: { containers: [{ name: "discovery", env: [{ name: SCOPE_GATEWAYS, value }] }] } } },
});

/** Why the policies that settings ask for let an object not in; undefined when they do. */
export function refusalBy(settings: Settings, object: KubernetesObject): string | undefined {
  const [routes, certificates] = [routeTableOf(settings), certificateTableOf(settings)];
  if (object.kind === "VirtualService") return routes && refusedRoute(object, routes);
  return certificates && refusedCertificate(object, certificates);
}
