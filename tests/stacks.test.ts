import { describe, expect, it } from "vitest";
import type { Registration } from "../project/record.ts";
import { named, registrationsOf } from "./harness.ts";

// What the shipped stacks register, object by object and value by value. This proves what is asked for.

const spread = (matchLabels: Record<string, string> | undefined) =>
  ["kubernetes.io/hostname", "topology.kubernetes.io/zone", "oci.oraclecloud.com/fault-domain"].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: "ScheduleAnyway",
    ...(matchLabels && { labelSelector: { matchLabels } }),
  }));
const requests = (cpu: string, memory: string) => ({ requests: { cpu, memory } });

/** Inputs of every provider's resource, by name. */
function objects(registrations: Registration[]): Record<string, unknown> {
  const made = registrations.filter(({ custom, type }) => custom && !type.startsWith("pulumi:providers:"));
  return Object.fromEntries(made.map(({ name, inputs }) => [name, inputs]));
}

const release = (chart: string, name: string, namespace: string, repo: string, version: string, values: object) => ({
  chart,
  compat: "true",
  name,
  namespace,
  repositoryOpts: { repo },
  version,
  timeout: 1200,
  values,
});

const ISTIO = "https://blob.istio.io/istio-release/charts";
const waitFor = { "pulumi.com/waitFor": "condition=Ready" };
const WILDCARD = "*.cluster.example.com";
const BASE = "cluster.example.com";
const secretOf = (value: unknown) => ({
  "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
  value,
});

/** The sandbox's OCI gives any address of the documentation's range. */
const ADDRESS = expect.stringMatching(/^203\.0\.113\.\d+$/);

/** What both stacks have, whatever their size. */
const common = {
  "istio-namespace": { apiVersion: "v1", kind: "Namespace", metadata: { name: "istio-system" } },
  "external-secrets-namespace": { apiVersion: "v1", kind: "Namespace", metadata: { name: "external-secrets" } },
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
      data: [{ secretKey: "api-token", remoteRef: { key: "prod/cert-manager", property: "cf-api-token" } }],
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
          hosts: [WILDCARD, BASE],
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

function virtualService(name: string, namespace: string, host: string, port: number) {
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

function token(stack: string) {
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

function issuer(solver: object) {
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

const gatewayPorts = [
  { name: "http2", port: 80, targetPort: 8080, protocol: "TCP" },
  { name: "https", port: 443, targetPort: 8443, protocol: "TCP" },
];
const OCI = "oci.oraclecloud.com";
const BALANCER = "service.beta.kubernetes.io/oci-load-balancer";
const COMPARTMENT = "ocid1.compartment.oc1..aaaasandboxcompartment";
const NODES = "ocid1.networksecuritygroup.oc1.eu-frankfurt-1.aaaasandboxnodes";

describe("lab", () => {
  it("is the article's lab: its pins, one replica each, 10 Mbps and security lists", async () => {
    const registrations = await registrationsOf("lab");
    expect(objects(registrations)).toEqual({
      ...common,
      "cert-manager": {
        ...release("cert-manager", "cert-manager", "cert-manager", "https://charts.jetstack.io", "v1.20.0", {
          crds: { enabled: true },
          replicaCount: 1,
          resources: requests("50m", "96Mi"),
          webhook: { replicaCount: 1, resources: requests("20m", "64Mi") },
          cainjector: { replicaCount: 1, resources: requests("20m", "96Mi") },
        }),
        createNamespace: true,
      },
      reflector: release(
        "reflector",
        "reflector",
        "kube-system",
        "https://emberstack.github.io/helm-charts",
        "10.0.17",
        {
          replicaCount: 1,
          resources: requests("25m", "128Mi"),
        },
      ),
      "istio-base": release("base", "istio-base", "istio-system", ISTIO, "1.26.4", {}),
      "istio-istiod": release("istiod", "istiod", "istio-system", ISTIO, "1.26.4", {
        autoscaleEnabled: false,
        replicaCount: 1,
        global: { defaultPodDisruptionBudget: { enabled: false } },
        resources: requests("100m", "256Mi"),
      }),
      "ingress-gateway": release("gateway", "istio-ingressgateway", "istio-system", ISTIO, "1.26.4", {
        labels: { istio: "ingressgateway" },
        autoscaling: { enabled: false },
        replicaCount: 1,
        resources: requests("100m", "128Mi"),
        service: {
          type: "LoadBalancer",
          loadBalancerIP: ADDRESS,
          externalTrafficPolicy: "Cluster",
          loadBalancerSourceRanges: ["0.0.0.0/0"],
          ports: gatewayPorts,
          annotations: {
            [`${OCI}/load-balancer-type`]: "lb",
            [`${OCI}/security-rule-management-mode`]: "SL-All",
            [`${BALANCER}-internal`]: "false",
            [`${BALANCER}-shape`]: "flexible",
            [`${BALANCER}-shape-flex-min`]: "10",
            [`${BALANCER}-shape-flex-max`]: "10",
          },
        },
      }),
      "external-secrets": release(
        "external-secrets",
        "external-secrets",
        "external-secrets",
        "https://charts.external-secrets.io",
        "2.9.0",
        {
          installCRDs: true,
          serviceAccount: { name: "external-secrets" },
          replicaCount: 1,
          resources: requests("25m", "96Mi"),
          webhook: { replicaCount: 1, resources: requests("10m", "48Mi") },
          certController: { replicaCount: 1, resources: requests("10m", "96Mi") },
        },
      ),
      "load-balancer-ip": { compartmentId: COMPARTMENT, lifetime: "RESERVED", displayName: "oke-platform-lab" },
      "dns-token-1": token("lab"),
      issuer: issuer({}),
    });
    expect(named(registrations, "load-balancer-ip").options).toMatchObject({
      retainOnDelete: true,
      ignoreChanges: ["privateIpId"],
    });
  });
});

describe("prod", () => {
  it("is the maintained pins, spread over nodes, with a firewall of its own", async () => {
    const registrations = await registrationsOf("prod");
    const nsg = named(registrations, "load-balancer-listener-80-0.0.0.0/0").inputs.networkSecurityGroupId;
    expect(nsg).toMatch(/^ocid1\.networksecuritygroup\./);
    const labels = (component: string) => ({
      "app.kubernetes.io/instance": "cert-manager",
      "app.kubernetes.io/component": component,
    });
    const budget = { enabled: true, minAvailable: 1 };
    const rule = (
      description: string,
      direction: string,
      peer: object,
      [min, max]: [number, number],
      at: unknown = nsg,
    ) => ({
      networkSecurityGroupId: at,
      description,
      direction,
      ...peer,
      protocol: "6",
      tcpOptions: { destinationPortRange: { min, max } },
    });
    const anybody = { source: "0.0.0.0/0", sourceType: "CIDR_BLOCK" };
    const toNodes = { destination: NODES, destinationType: "NETWORK_SECURITY_GROUP" };
    const fromBalancer = { source: nsg, sourceType: "NETWORK_SECURITY_GROUP" };
    expect(objects(registrations)).toEqual({
      ...common,
      "cert-manager": {
        ...release("cert-manager", "cert-manager", "cert-manager", "https://charts.jetstack.io", "v1.21.2", {
          crds: { enabled: true },
          replicaCount: 2,
          resources: requests("50m", "128Mi"),
          podDisruptionBudget: budget,
          topologySpreadConstraints: spread(labels("controller")),
          webhook: {
            replicaCount: 3,
            resources: requests("25m", "64Mi"),
            podDisruptionBudget: budget,
            topologySpreadConstraints: spread(labels("webhook")),
          },
          cainjector: {
            replicaCount: 2,
            resources: requests("25m", "128Mi"),
            podDisruptionBudget: budget,
            topologySpreadConstraints: spread(labels("cainjector")),
          },
        }),
        createNamespace: true,
      },
      reflector: release(
        "reflector",
        "reflector",
        "kube-system",
        "https://emberstack.github.io/helm-charts",
        "10.0.63",
        {
          replicaCount: 1,
          resources: requests("25m", "128Mi"),
        },
      ),
      "istio-base": release("base", "istio-base", "istio-system", ISTIO, "1.31.4", {}),
      "istio-istiod": release("istiod", "istiod", "istio-system", ISTIO, "1.31.4", {
        autoscaleEnabled: true,
        autoscaleMin: 2,
        autoscaleMax: 5,
        global: { defaultPodDisruptionBudget: { enabled: true } },
        resources: requests("500m", "1Gi"),
        topologySpreadConstraints: spread({ app: "istiod", istio: "pilot" }),
      }),
      "ingress-gateway": release("gateway", "istio-ingressgateway", "istio-system", ISTIO, "1.31.4", {
        labels: { istio: "ingressgateway" },
        autoscaling: { enabled: true, minReplicas: 2, maxReplicas: 5, targetCPUUtilizationPercentage: 80 },
        podDisruptionBudget: { minAvailable: 1 },
        resources: requests("200m", "256Mi"),
        topologySpreadConstraints: spread({ app: "istio-ingressgateway", istio: "ingressgateway" }),
        service: {
          type: "LoadBalancer",
          loadBalancerIP: ADDRESS,
          externalTrafficPolicy: "Cluster",
          ports: gatewayPorts,
          annotations: {
            [`${OCI}/load-balancer-type`]: "lb",
            [`${OCI}/security-rule-management-mode`]: "None",
            [`${OCI}/oci-network-security-groups`]: nsg,
            [`${BALANCER}-internal`]: "false",
            [`${BALANCER}-shape`]: "flexible",
            [`${BALANCER}-shape-flex-min`]: "100",
            [`${BALANCER}-shape-flex-max`]: "1000",
            [`${BALANCER}-subnet1`]: "ocid1.subnet.oc1.eu-frankfurt-1.aaaasandboxlbsubnet",
          },
        },
      }),
      "external-secrets": release(
        "external-secrets",
        "external-secrets",
        "external-secrets",
        "https://charts.external-secrets.io",
        "2.9.0",
        {
          installCRDs: true,
          serviceAccount: { name: "external-secrets" },
          global: { topologySpreadConstraints: spread(undefined) },
          leaderElect: true,
          replicaCount: 2,
          resources: requests("50m", "128Mi"),
          podDisruptionBudget: budget,
          webhook: { replicaCount: 2, resources: requests("25m", "64Mi"), podDisruptionBudget: budget },
          certController: { replicaCount: 2, resources: requests("25m", "128Mi"), podDisruptionBudget: budget },
        },
      ),
      "load-balancer-ip": { compartmentId: COMPARTMENT, lifetime: "RESERVED", displayName: "oke-platform-prod" },
      "load-balancer-nsg": {
        compartmentId: COMPARTMENT,
        vcnId: "ocid1.vcn.oc1.eu-frankfurt-1.aaaasandboxvcn",
        displayName: "oke-platform-prod",
      },
      "load-balancer-listener-80-0.0.0.0/0": rule("0.0.0.0/0 to listener 80", "INGRESS", anybody, [80, 80]),
      "load-balancer-listener-443-0.0.0.0/0": rule("0.0.0.0/0 to listener 443", "INGRESS", anybody, [443, 443]),
      "load-balancer-to-nodes-traffic": rule("load balancer to nodes, traffic", "EGRESS", toNodes, [30000, 32767]),
      "load-balancer-to-nodes-health": rule("load balancer to nodes, health", "EGRESS", toNodes, [10256, 10256]),
      "load-balancer-at-nodes-traffic": rule(
        "nodes from load balancer oke-platform-prod, traffic",
        "INGRESS",
        fromBalancer,
        [30000, 32767],
        NODES,
      ),
      "load-balancer-at-nodes-health": rule(
        "nodes from load balancer oke-platform-prod, health",
        "INGRESS",
        fromBalancer,
        [10256, 10256],
        NODES,
      ),
      "dns-token-1": token("prod"),
      issuer: issuer({ waitInsteadOfSelfCheck: "30s" }),
    });
  });
});

describe("other ways", () => {
  it("asks nothing of OCI, Cloudflare or Vault where there is none, and signs with a CA of its own", async () => {
    const registrations = await registrationsOf("prod", {
      cluster: { context: "kind-kind" },
      loadBalancer: undefined,
      vault: undefined,
      cloudflare: { token: "none" },
      acme: { server: "ca" },
    });
    const types = new Set(registrations.filter(({ custom }) => custom).map(({ type }) => type));
    expect([...types].sort()).toEqual([
      "kubernetes:cert-manager.io/v1:Certificate",
      "kubernetes:cert-manager.io/v1:ClusterIssuer",
      "kubernetes:core/v1:Namespace",
      "kubernetes:helm.sh/v3:Release",
      "kubernetes:networking.istio.io/v1:Gateway",
      "kubernetes:networking.istio.io/v1:VirtualService",
      "pulumi:providers:kubernetes",
    ]);
    expect(named(registrations, "ingress-gateway").inputs.values).toMatchObject({
      service: { type: "ClusterIP", ports: gatewayPorts },
    });
    expect(named(registrations, "issuer").inputs.spec).toEqual({ ca: { secretName: "cluster-issuer-ca" } });
    expect(named(registrations, "kubernetes").inputs).toEqual({ context: "kind-kind" });
  });

  it("keeps the token of the serial before while it makes the next one", async () => {
    const registrations = await registrationsOf("prod", { cloudflare: { tokenSerial: 3 } });
    const tokens = registrations.filter(({ type }) => type.endsWith(":ApiToken")).map(({ name }) => name);
    expect(tokens.sort()).toEqual(["dns-token-2", "dns-token-3"]);
    expect(named(registrations, "vault-secret").inputs.dataJson).toEqual(secretOf('{"cf-api-token":"dns-token-3"}'));
  });

  it("adds one VirtualService for one service more, and changes nothing else", async () => {
    const before = objects(await registrationsOf("prod"));
    const services = [
      { name: "grafana", namespace: "default", port: 3000 },
      { name: "vault", namespace: "vault", port: 8200 },
      { name: "argocd", namespace: "argocd", service: "argocd-server", port: 80 },
    ];
    const after = objects(await registrationsOf("prod", { services }));
    expect(after).toEqual({
      ...before,
      "routes-default/grafana": virtualService("grafana", "default", "grafana", 3000),
    });
  });

  it.each([
    [
      "a repository",
      "https://charts.example.com",
      { chart: "base", repositoryOpts: { repo: "https://charts.example.com" } },
    ],
    ["a registry", "oci://registry.example.com/charts/", { chart: "oci://registry.example.com/charts/base" }],
    ["a directory", "./charts", { chart: "./charts/base-1.31.4.tgz" }],
  ])("takes all charts from %s", async (_what, mirror, where) => {
    const registrations = await registrationsOf("prod", { charts: { mirror } });
    const { chart, repositoryOpts } = named(registrations, "istio-base").inputs;
    expect({ chart, ...(repositoryOpts !== undefined && { repositoryOpts }) }).toEqual(where);
  });

  it("merges an operator's chart values over its own, maps key by key and lists whole", async () => {
    const registrations = await registrationsOf("prod", {
      charts: {
        istio: { values: { gateway: { service: { ports: [{ port: 443 }] }, tolerations: [{ key: "edge" }] } } },
      },
    });
    const values = named(registrations, "ingress-gateway").inputs.values as Record<string, Record<string, unknown>>;
    expect(values.tolerations).toEqual([{ key: "edge" }]);
    expect(values.service?.ports).toEqual([{ port: 443 }]);
    expect(values.service?.type).toBe("LoadBalancer");
  });

  it("names an issuer for each ACME server", async () => {
    const names = [];
    for (const server of ["staging", "production", "https://acme.example.com/directory"]) {
      const registrations = await registrationsOf("lab", { acme: { email: "a@example.com", server } });
      names.push((named(registrations, "issuer").inputs.metadata as { name: string }).name);
    }
    expect(names).toEqual([
      "cluster-issuer-letsencrypt-staging",
      "cluster-issuer-letsencrypt",
      "cluster-issuer-acme-05e6df34",
    ]);
  });

  it("copies the key everywhere only when told so", async () => {
    const registrations = await registrationsOf("prod", { reflector: { namespaces: "all" } });
    const { secretTemplate } = named(registrations, "certificate").inputs.spec as {
      secretTemplate: { annotations: Record<string, string> };
    };
    expect(secretTemplate.annotations["reflector.v1.k8s.emberstack.com/reflection-auto-namespaces"]).toBe("");
  });

  it("refuses a wrong setting before it registers anything", async () => {
    await expect(registrationsOf("prod", { domain: "*.example.com", size: "huge" })).rejects.toThrow(
      '2 mistake(s) in the stack\'s configuration:\n  oke-platform:domain is "*.example.com"; allowed: a DNS zone such as example.com: lower case, no wildcard, no scheme, no path\n  oke-platform:size is "huge"; allowed: "small" or "production"',
    );
  });
});
