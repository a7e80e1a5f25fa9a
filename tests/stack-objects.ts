import { expect } from "vitest";
import type { Registration } from "../project/record.ts";

// What the shipped stacks have in common, and how their objects are written.

export const spread = (matchLabels: Record<string, string> | undefined) =>
  ["kubernetes.io/hostname", "topology.kubernetes.io/zone", "oci.oraclecloud.com/fault-domain"].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: "ScheduleAnyway",
    ...(matchLabels && { labelSelector: { matchLabels } }),
  }));
export const requests = (cpu: string, memory: string) => ({ requests: { cpu, memory } });

/** Inputs of every provider's resource, by name. */
export function objects(registrations: Registration[]): Record<string, unknown> {
  const made = registrations.filter(({ custom, type }) => custom && !type.startsWith("pulumi:providers:"));
  return Object.fromEntries(made.map(({ name, inputs }) => [name, inputs]));
}

export const release = (
  chart: string,
  name: string,
  namespace: string,
  repo: string,
  version: string,
  values: object,
) => ({
  chart,
  compat: "true",
  name,
  namespace,
  repositoryOpts: { repo },
  version,
  timeout: 1200,
  values,
});

const onUpgradesToo = { "helm.sh/hook": "post-install,post-upgrade" };
/** cert-manager's start-up check, after upgrades too. */
export const checkedAlways = {
  jobAnnotations: onUpgradesToo,
  rbac: { annotations: onUpgradesToo },
  serviceAccount: { annotations: onUpgradesToo },
};

export const ISTIO = "https://blob.istio.io/istio-release/charts";
const waitFor = { "pulumi.com/waitFor": "condition=Ready" };
const WILDCARD = "*.cluster.example.com";
const BASE = "cluster.example.com";
export const secretOf = (value: unknown) => ({
  "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
  value,
});

/** The sandbox's OCI gives any address of the documentation's range. */
export const ADDRESS = expect.stringMatching(/^203\.0\.113\.\d+$/);

/** A namespace with its levels of the Pod Security Standards. */
export function namespace(name: string, levels: Readonly<Record<string, string>>) {
  const labels = Object.entries(levels).map(([mode, level]) => [`pod-security.kubernetes.io/${mode}`, level]);
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: Object.fromEntries(labels) } };
}
export const seccompProfile = { type: "RuntimeDefault" };
/** The security of the gateway's pods. */
export const gatewayPod = {
  sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }],
  seccompProfile,
};

/** What both stacks have, whatever their size. */
export const common = {
  ...policy("route-policy", "oke-platform-routes"),
  ...policy("certificate-policy", "oke-platform-cluster-issuer-letsencrypt"),
  "continuity-facts": {
    input: {
      by: "id",
      cluster: "ocid1.cluster.oc1.eu-frankfurt-1.aaaasandboxcluster",
      externalSecrets: "external-secrets",
    },
  },
  "cert-manager-namespace": namespace("cert-manager", { enforce: "restricted" }),
  "istio-namespace": namespace("istio-system", { enforce: "baseline", audit: "restricted", warn: "restricted" }),
  "external-secrets-namespace": namespace("external-secrets", { enforce: "restricted" }),
  "load-balancer-ip": expect.objectContaining({ lifetime: "RESERVED" }),
  "vault-secret": {
    mount: "secret",
    name: "prod/cert-manager",
    dataJson: secretOf('{"cf-api-token":"dns-token-1"}'),
    deleteAllVersions: true,
  },
  "secret-store": {
    apiVersion: "external-secrets.io/v1",
    kind: "ClusterSecretStore",
    metadata: { name: "vault-backend", annotations: waitFor },
    spec: {
      conditions: [{ namespaces: ["cert-manager"] }],
      provider: {
        vault: {
          server: "http://vault.vault:8200",
          path: "secret",
          version: "v2",
          auth: {
            kubernetes: {
              mountPath: "kubernetes",
              role: "external-secrets",
              serviceAccountRef: { name: "external-secrets", namespace: "external-secrets" },
            },
          },
        },
      },
    },
  },
  "token-secret": {
    apiVersion: "external-secrets.io/v1",
    kind: "ExternalSecret",
    metadata: {
      name: "cloudflare-token-secret",
      namespace: "cert-manager",
      annotations: { ...waitFor, "oke-platform/kv-version": "1", "oke-platform/token-serial": "1" },
    },
    spec: {
      refreshInterval: "1h",
      secretStoreRef: { kind: "ClusterSecretStore", name: "vault-backend" },
      target: { name: "cloudflare-token-secret", creationPolicy: "Owner" },
      data: [{ secretKey: "api-token", remoteRef: { key: "secret/data/prod/cert-manager", property: "cf-api-token" } }],
    },
  },
  certificate: {
    apiVersion: "cert-manager.io/v1",
    kind: "Certificate",
    metadata: { name: "tls-wildcard-cluster", namespace: "cert-manager", annotations: waitFor },
    spec: {
      secretName: "cert-manager-tls-wildcard-cluster",
      dnsNames: [WILDCARD, BASE],
      issuerRef: { kind: "ClusterIssuer", name: "cluster-issuer-letsencrypt" },
      privateKey: { algorithm: "ECDSA", size: 256 },
      secretTemplate: {
        annotations: {
          "reflector.v1.k8s.emberstack.com/reflection-allowed": "true",
          "reflector.v1.k8s.emberstack.com/reflection-allowed-namespaces": "istio-system",
          "reflector.v1.k8s.emberstack.com/reflection-auto-enabled": "true",
          "reflector.v1.k8s.emberstack.com/reflection-auto-namespaces": "istio-system",
        },
      },
    },
  },
  "tls-gateway": {
    apiVersion: "networking.istio.io/v1",
    kind: "Gateway",
    metadata: { name: "istio-gateway", namespace: "istio-system" },
    spec: {
      selector: { istio: "ingressgateway" },
      servers: [
        { port: { number: 80, name: "http", protocol: "HTTP" }, hosts: [WILDCARD, BASE], tls: { httpsRedirect: true } },
        {
          port: { number: 443, name: "https", protocol: "HTTPS" },
          hosts: [`argocd/${WILDCARD}`, `istio-system/${WILDCARD}`, `vault/${WILDCARD}`, `./${BASE}`],
          tls: { mode: "SIMPLE", credentialName: "cert-manager-tls-wildcard-cluster", minProtocolVersion: "TLSV1_2" },
        },
      ],
    },
  },
  "routes-vault/vault": virtualService("vault", "vault", "vault", 8200),
  "routes-argocd/argocd": virtualService("argocd", "argocd", "argocd-server", 80),
  "dns-records-wildcard": record(WILDCARD),
  "dns-records-base": record(BASE),
  "ingress-gateway-service": expect.anything(),
};

/** A policy, whose text tests/components has, and what puts it in force. */
function policy(resource: string, name: string) {
  const apiVersion = "admissionregistration.k8s.io/v1";
  return {
    [resource]: expect.objectContaining({ apiVersion, kind: "ValidatingAdmissionPolicy", metadata: { name } }),
    [`${resource}-binding`]: {
      apiVersion,
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: { name },
      spec: { policyName: name, validationActions: ["Deny"] },
    },
  };
}

/** The Certificate with another private key. */
export const withKey = (privateKey: object) => ({
  ...common.certificate,
  spec: { ...common.certificate.spec, privateKey },
});

export function virtualService(name: string, namespace: string, host: string, port: number) {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: `${name}-vs`, namespace },
    spec: {
      hosts: [`${name}.cluster.example.com`],
      gateways: ["istio-system/istio-gateway"],
      http: [{ match: [{ uri: { prefix: "/" } }], route: [{ destination: { host, port: { number: port } } }] }],
    },
  };
}

function record(name: string) {
  return {
    zoneId: "zone0000000000000000000000sandbox",
    name,
    type: "A",
    content: ADDRESS,
    proxied: false,
    ttl: 300,
  };
}

export function token(stack: string) {
  return {
    name: `oke-platform-${stack}-1`,
    policies: [
      {
        effect: "allow",
        permissionGroups: [{ id: "perm-dns-write" }, { id: "perm-zone-read" }],
        resources: '{"com.cloudflare.api.account.zone.zone0000000000000000000000sandbox":"*"}',
      },
    ],
  };
}

export function issuer(solver: object) {
  return {
    apiVersion: "cert-manager.io/v1",
    kind: "ClusterIssuer",
    metadata: { name: "cluster-issuer-letsencrypt", annotations: waitFor },
    spec: {
      acme: {
        server: "https://acme-v02.api.letsencrypt.org/directory",
        email: "platform@example.com",
        privateKeySecretRef: { name: "cluster-issuer-letsencrypt" },
        solvers: [
          {
            dns01: { cloudflare: { apiTokenSecretRef: { name: "cloudflare-token-secret", key: "api-token" } } },
            ...solver,
          },
        ],
      },
    },
  };
}

export const gatewayPorts = [
  { name: "http2", port: 80, targetPort: 8080, protocol: "TCP" },
  { name: "https", port: 443, targetPort: 8443, protocol: "TCP" },
];
export const OCI = "oci.oraclecloud.com";
export const BALANCER = "service.beta.kubernetes.io/oci-load-balancer";
export const COMPARTMENT = "ocid1.compartment.oc1..aaaasandboxcompartment";
export const NODES = "ocid1.networksecuritygroup.oc1.eu-frankfurt-1.aaaasandboxnodes";
