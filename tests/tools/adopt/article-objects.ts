import type { LiveObject } from "../../../tools/adopt/cluster.ts";

// What is in the article's cluster: the Deployments of six charts with their definitions, and the objects beside them.

const BASE = "cluster.example.com";

interface Pods {
  readonly labels?: Record<string, string>;
  readonly requests?: Record<string, string>;
  readonly replicas?: number;
  readonly policy?: string;
  readonly securityContext?: object;
}

const deployment = (namespace: string, name: string, chart: string, pods: Pods = {}): LiveObject => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { namespace, name, labels: { "helm.sh/chart": chart, "app.kubernetes.io/managed-by": "Helm" } },
  spec: {
    replicas: pods.replicas ?? 1,
    selector: { matchLabels: pods.labels ?? {} },
    template: {
      metadata: { labels: pods.labels ?? {} },
      spec: {
        ...(pods.securityContext && { securityContext: pods.securityContext }),
        containers: [
          {
            name: "main",
            imagePullPolicy: pods.policy ?? "IfNotPresent",
            ...(pods.requests && { resources: { requests: pods.requests } }),
          },
        ],
      },
    },
  },
});

const autoscaler = (namespace: string, name: string): LiveObject => ({
  apiVersion: "autoscaling/v2",
  kind: "HorizontalPodAutoscaler",
  metadata: { namespace, name },
  spec: { scaleTargetRef: { kind: "Deployment", name }, minReplicas: 1, maxReplicas: 5 },
});

const definition = (name: string): LiveObject => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name },
  spec: { versions: [{ name: "v1", served: true }] },
});

export const FLEXIBLE = {
  "service.beta.kubernetes.io/oci-load-balancer-shape": "flexible",
  "service.beta.kubernetes.io/oci-load-balancer-shape-flex-min": "10",
  "service.beta.kubernetes.io/oci-load-balancer-shape-flex-max": "10",
};

const instance = (release: string) => ({ "app.kubernetes.io/instance": release });

export const charts = (): LiveObject[] => [
  deployment("cert-manager", "cert-manager", "cert-manager-v1.20.0", { labels: instance("cert-manager") }),
  deployment("cert-manager", "cert-manager-webhook", "cert-manager-v1.20.0", { labels: instance("cert-manager") }),
  deployment("cert-manager", "cert-manager-cainjector", "cert-manager-v1.20.0", { labels: instance("cert-manager") }),
  definition("certificates.cert-manager.io"),
  deployment("kube-system", "reflector", "reflector-10.0.17", { labels: instance("reflector") }),
  definition("gateways.networking.istio.io"),
  deployment("istio-system", "istiod", "istiod-1.26.4", {
    labels: { app: "istiod", istio: "pilot" },
    requests: { cpu: "500m", memory: "2048Mi" },
  }),
  autoscaler("istio-system", "istiod"),
  deployment("istio-system", "istio-ingressgateway", "gateway-1.26.4", {
    labels: { app: "istio-ingressgateway", istio: "ingressgateway" },
    requests: { cpu: "100m", memory: "128Mi" },
    policy: "Always",
    securityContext: { sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }] },
  }),
  autoscaler("istio-system", "istio-ingressgateway"),
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: "istio-system", name: "istio-ingressgateway", annotations: FLEXIBLE },
    spec: {
      type: "LoadBalancer",
      externalTrafficPolicy: "Cluster",
      ports: [
        { name: "http2", port: 80, targetPort: 8080 },
        { name: "https", port: 443, targetPort: 8443 },
      ],
    },
    status: { loadBalancer: { ingress: [{ ip: "203.0.113.7" }] } },
  },
  deployment("external-secrets", "external-secrets", "external-secrets-2.9.0", {
    labels: instance("external-secrets"),
  }),
  deployment("external-secrets", "external-secrets-webhook", "external-secrets-2.9.0", {
    labels: instance("external-secrets"),
  }),
  deployment("external-secrets", "external-secrets-cert-controller", "external-secrets-2.9.0", {
    labels: instance("external-secrets"),
  }),
  definition("externalsecrets.external-secrets.io"),
];

const route = (name: string, namespace: string, service: string, port: number): LiveObject => ({
  apiVersion: "networking.istio.io/v1",
  kind: "VirtualService",
  metadata: { name: `${name}-vs`, namespace },
  spec: {
    hosts: [`${name}.${BASE}`],
    gateways: ["istio-system/istio-gateway"],
    http: [{ match: [{ uri: { prefix: "/" } }], route: [{ destination: { host: service, port: { number: port } } }] }],
  },
});

const REFLECTION = "reflector.v1.k8s.emberstack.com/reflection";

export const objects = (): LiveObject[] => [
  ...["cert-manager", "istio-system", "external-secrets"].map(
    (name): LiveObject => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } }),
  ),
  {
    apiVersion: "external-secrets.io/v1",
    kind: "ClusterSecretStore",
    metadata: { name: "vault-backend" },
    spec: {
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
  {
    apiVersion: "external-secrets.io/v1",
    kind: "ExternalSecret",
    metadata: { name: "cloudflare-token-secret", namespace: "cert-manager" },
    spec: {
      refreshInterval: "1h",
      secretStoreRef: { kind: "ClusterSecretStore", name: "vault-backend" },
      target: { name: "cloudflare-token-secret", creationPolicy: "Owner" },
      data: [{ secretKey: "api-token", remoteRef: { key: "prod/cert-manager", property: "cf-api-token" } }],
    },
  },
  {
    apiVersion: "cert-manager.io/v1",
    kind: "ClusterIssuer",
    metadata: { name: "cluster-issuer-letsencrypt" },
    spec: {
      acme: {
        server: "https://acme-v02.api.letsencrypt.org/directory",
        email: "platform@example.com",
        privateKeySecretRef: { name: "cluster-issuer-letsencrypt" },
        solvers: [
          { dns01: { cloudflare: { apiTokenSecretRef: { name: "cloudflare-token-secret", key: "api-token" } } } },
        ],
      },
    },
  },
  {
    apiVersion: "cert-manager.io/v1",
    kind: "Certificate",
    metadata: { name: "tls-wildcard-cluster", namespace: "cert-manager" },
    spec: {
      secretName: "cert-manager-tls-wildcard-cluster",
      commonName: `*.${BASE}`,
      dnsNames: [`*.${BASE}`, BASE],
      issuerRef: { kind: "ClusterIssuer", name: "cluster-issuer-letsencrypt" },
      secretTemplate: {
        annotations: {
          [`${REFLECTION}-allowed`]: "true",
          [`${REFLECTION}-allowed-namespaces`]: "",
          [`${REFLECTION}-auto-enabled`]: "true",
          [`${REFLECTION}-auto-namespaces`]: "",
        },
      },
    },
    status: { conditions: [{ type: "Ready", status: "True" }] },
  },
  {
    apiVersion: "networking.istio.io/v1",
    kind: "Gateway",
    metadata: { name: "istio-gateway", namespace: "istio-system" },
    spec: {
      selector: { istio: "ingressgateway" },
      servers: [
        {
          port: { number: 80, name: "http", protocol: "HTTP" },
          hosts: [`*.${BASE}`],
          tls: { httpsRedirect: true },
        },
        {
          port: { number: 443, name: "https", protocol: "HTTPS" },
          hosts: [`*.${BASE}`],
          tls: { mode: "SIMPLE", credentialName: "cert-manager-tls-wildcard-cluster" },
        },
      ],
    },
  },
  route("vault", "vault", "vault", 8200),
  route("argocd", "argocd", "argocd-server", 80),
];
