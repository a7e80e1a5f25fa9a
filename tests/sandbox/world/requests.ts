import { managementEndpointOf } from "../../../sandbox/world/oci.ts";
import { type Item, Refusal, type Request, sha256 } from "../../../sandbox/world/state.ts";

// What is asked of the world in its tests.

export const DAY = 24 * 3600;
export const ISTIO = "istio-system";
export const HOSTS = ["*.cluster.example.com", "cluster.example.com"];
export const REFUSED_BY_WEBHOOK = (webhook: string) =>
  new Refusal(`Internal error occurred: failed calling webhook "${webhook}": no endpoints available for service`);

export type Spec = Request["spec"];

export const namespace = (name: string): Request => ({ kind: "Namespace", name, spec: {} });

export const release = (chart: string, name: string, into: string, spec: Spec = {}): Request => ({
  kind: "Release",
  namespace: into,
  name,
  spec: { chart, createNamespace: true, values: {}, ...spec },
});
/** A release's spec with other pods, which an upgrade to it replaces. */
export const renewed = ({ spec }: Request): Spec => ({
  ...spec,
  values: {
    ...(spec.values as Spec | undefined),
    image: { tag: "next" },
    webhook: { image: { tag: "next" } },
    certController: { image: { tag: "next" } },
  },
});

export const certManager = release("cert-manager", "cert-manager", "cert-manager");
export const reflector = release("reflector", "reflector", "kube-system");
export const base = release("base", "istio-base", ISTIO);
export const istiod = release("istiod", "istiod", ISTIO);
export const externalSecrets = release("external-secrets", "external-secrets", "external-secrets");
/** The ingress gateway with a Service of this kind; without one, of the chart's default. */
export const ingressGateway = (service?: Spec) =>
  release("gateway", "istio-ingressgateway", ISTIO, { values: service ? { service } : {} });

export const SHAPE = "service.beta.kubernetes.io/oci-load-balancer-shape";
export const INTERNAL = "service.beta.kubernetes.io/oci-load-balancer-internal";
export const MODE = "oci.oraclecloud.com/security-rule-management-mode";
export const NSGS = "oci.oraclecloud.com/oci-network-security-groups";
export const BACKEND_NSG = "oci.oraclecloud.com/oci-backend-network-security-group";
/** A Service that OCI's controller takes. */
export const service = (annotations: Record<string, string> = {}, more: Spec = {}) => ({
  type: "LoadBalancer",
  annotations: {
    [SHAPE]: "flexible",
    [`${SHAPE}-flex-min`]: "10",
    [`${SHAPE}-flex-max`]: "10",
    ...annotations,
  },
  ...more,
});

/** A store that logs in to the Vault at this address in this way. */
export const storeWith = (auth: Spec, more: Spec = {}): Request => ({
  kind: "ClusterSecretStore",
  name: "vault-backend",
  spec: { provider: { vault: { server: "http://vault.vault:8200", path: "secret", auth, ...more } } },
});
/** The login as a service account of the cluster. */
export const asAccount = (changes: Spec = {}) => ({
  kubernetes: {
    mountPath: "kubernetes",
    role: "external-secrets",
    serviceAccountRef: { namespace: "external-secrets", name: "external-secrets" },
    ...changes,
  },
});
export const store = (role = "external-secrets", name = "external-secrets"): Request =>
  storeWith(asAccount({ role, serviceAccountRef: { namespace: "external-secrets", name } }));
export const externalSecret = (property = "cf-api-token", key = "prod/cert-manager", spec: Spec = {}): Request => ({
  kind: "ExternalSecret",
  namespace: "cert-manager",
  name: "token",
  spec: {
    secretStoreRef: { name: "vault-backend" },
    target: { name: "token" },
    data: [{ secretKey: "api-token", remoteRef: { key, property } }],
    ...spec,
  },
});
export const kvSecret = (value: string, mount = "secret"): Request => ({
  kind: "KvSecret",
  name: `${mount}/prod/cert-manager`,
  spec: { mount, data: { "cf-api-token": value } },
});

/** Vault's release: without TLS and unsealed with key shares, where these do not say otherwise. */
export const vaultServer = (config = "", tlsDisable = true): Request =>
  release("vault", "vault", "vault", { values: { global: { tlsDisable }, server: { standalone: { config } } } });
export const sealedBy = (keyId: string) => `seal "ocikms" {\n  key_id = "${keyId}"\n}\n`;

export const mount: Request = { kind: "Mount", name: "secret", spec: { type: "kv", version: "2" } };
export const backend: Request = { kind: "AuthBackend", name: "kubernetes", spec: { type: "kubernetes" } };
export const backendConfig: Request = {
  kind: "AuthBackendConfig",
  name: "kubernetes",
  spec: { host: "https://10.0.0.1" },
};
export const policy = (text = 'path "secret/data/prod/cert-manager" { capabilities = ["read"] }'): Request => ({
  kind: "Policy",
  name: "external-secrets",
  spec: { policy: text },
});
export const role = (changes: Spec = {}): Request => ({
  kind: "AuthBackendRole",
  name: "kubernetes/external-secrets",
  spec: {
    accounts: ["external-secrets"],
    namespaces: ["external-secrets"],
    policies: ["external-secrets"],
    ...changes,
  },
});
export const audit: Request = { kind: "Audit", name: "file", spec: { type: "file" } };
export const insideVault = [mount, backend, backendConfig, policy(), role(), audit];

export const kmsVault: Request = { kind: "KmsVault", name: "kms", spec: { compartmentId: "compartment" } };
export const kmsKey = (vault: Item): Request => ({
  kind: "Key",
  name: "key",
  spec: { managementEndpoint: managementEndpointOf(vault) },
});

/** An issuer of an ACME server, with a set wait or with cert-manager's self-check. */
export const issuer = (wait?: string, name = "letsencrypt", server = "https://acme.example/directory"): Request => ({
  kind: "ClusterIssuer",
  name,
  spec: {
    acme: {
      server,
      solvers: [
        {
          dns01: { cloudflare: { apiTokenSecretRef: { name: "token", key: "api-token" } } },
          ...(wait !== undefined && { waitInsteadOfSelfCheck: wait }),
        },
      ],
    },
  },
});
export const selfSigned: Request = { kind: "ClusterIssuer", name: "self-signed", spec: { selfSigned: {} } };
export const certificate = (spec: Spec = {}): Request => ({
  kind: "Certificate",
  namespace: "cert-manager",
  name: "tls",
  spec: { secretName: "tls", issuerRef: { kind: "ClusterIssuer", name: "letsencrypt" }, dnsNames: HOSTS, ...spec },
});
export const apiToken = (spec: Spec = {}): Request => ({
  kind: "ApiToken",
  name: "dns-token",
  spec: {
    valueHash: sha256("token"),
    zones: ["zone0000000000000000000000sandbox"],
    permissions: ["DNS Write", "Zone Read"],
    ...spec,
  },
});

export const destinationRule = (changes: Spec = {}, into = ISTIO): Request => ({
  kind: "DestinationRule",
  namespace: into,
  name: "vault",
  spec: {
    host: "vault.vault.svc.cluster.local",
    exportTo: ["."],
    trafficPolicy: { tls: { mode: "SIMPLE", credentialName: "vault-ca" } },
    ...changes,
  },
});
export const gateway = (hosts = HOSTS, into = ISTIO): Request => ({
  kind: "Gateway",
  namespace: into,
  name: "gateway",
  spec: { servers: [{ hosts }, { hosts, tls: { credentialName: "tls" } }] },
});
export const route = (host = "app.cluster.example.com", through = `${ISTIO}/gateway`): Request => ({
  kind: "VirtualService",
  namespace: "default",
  name: "app",
  spec: { hosts: [host], gateways: [through] },
});
export const record = (name: string, spec: Spec = {}): Request => ({
  kind: "DnsRecord",
  name,
  spec: {
    zoneId: "zone0000000000000000000000sandbox",
    name: "*.cluster.example.com",
    type: "A",
    content: "192.0.2.7",
    ...spec,
  },
});

export const REFLECTION = "reflector.v1.k8s.emberstack.com/reflection-";
/** The four annotations that let Reflector copy to these namespaces. */
export const reflectTo = (namespaces: string, changes: Record<string, string | undefined> = {}) => ({
  annotations: {
    [`${REFLECTION}allowed`]: "true",
    [`${REFLECTION}allowed-namespaces`]: namespaces,
    [`${REFLECTION}auto-enabled`]: "true",
    [`${REFLECTION}auto-namespaces`]: namespaces,
    ...changes,
  },
});
