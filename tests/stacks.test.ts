import { describe, expect, it } from "vitest";
import { named, registrationsOf } from "./harness.ts";
import {
  ADDRESS,
  BALANCER,
  COMPARTMENT,
  checkedAlways,
  common,
  gatewayPod,
  gatewayPorts,
  ISTIO,
  issuer,
  NODES,
  OCI,
  objects,
  release,
  requests,
  seccompProfile,
  spread,
  token,
  withKey,
} from "./stack-objects.ts";

// What the shipped stacks register, object by object and value by value. This proves what is asked for.

describe("lab", () => {
  it("is the article's lab: its pins, one replica each, 10 Mbps and security lists", async () => {
    const registrations = await registrationsOf("lab");
    expect(objects(registrations)).toEqual({
      ...common,
      "cert-manager": {
        ...release("cert-manager", "cert-manager", "cert-manager", "https://charts.jetstack.io", "v1.20.0", {
          crds: { enabled: true },
          startupapicheck: checkedAlways,
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
        env: { PILOT_SCOPE_GATEWAY_TO_NAMESPACE: "true" },
        seccompProfile,
        autoscaleEnabled: false,
        replicaCount: 1,
        global: { defaultPodDisruptionBudget: { enabled: false } },
        resources: requests("100m", "256Mi"),
      }),
      "ingress-gateway": release("gateway", "istio-ingressgateway", "istio-system", ISTIO, "1.26.4", {
        labels: { istio: "ingressgateway" },
        imagePullPolicy: "IfNotPresent",
        securityContext: gatewayPod,
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
          crds: { annotations: { "helm.sh/resource-policy": "keep" } },
          serviceAccount: { name: "external-secrets" },
          replicaCount: 1,
          resources: requests("25m", "96Mi"),
          webhook: { replicaCount: 1, resources: requests("10m", "48Mi") },
          certController: { replicaCount: 1, resources: requests("10m", "96Mi") },
        },
      ),
      "load-balancer-ip": { compartmentId: COMPARTMENT, lifetime: "RESERVED", displayName: "oke-platform-lab" },
      "dns-token-1": token("lab"),
      certificate: withKey({ algorithm: "RSA", size: 2048 }),
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
          startupapicheck: checkedAlways,
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
        env: { PILOT_SCOPE_GATEWAY_TO_NAMESPACE: "true" },
        seccompProfile,
        autoscaleEnabled: true,
        autoscaleMin: 2,
        autoscaleMax: 5,
        global: { defaultPodDisruptionBudget: { enabled: true } },
        resources: requests("500m", "1Gi"),
        topologySpreadConstraints: spread({ app: "istiod", istio: "pilot" }),
      }),
      "ingress-gateway": release("gateway", "istio-ingressgateway", "istio-system", ISTIO, "1.31.4", {
        labels: { istio: "ingressgateway" },
        imagePullPolicy: "IfNotPresent",
        securityContext: gatewayPod,
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
          crds: { annotations: { "helm.sh/resource-policy": "keep" } },
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
      "load-balancer-to-nodes-traffic-aaaasandboxnodes": rule(
        "load balancer to nodes, traffic",
        "EGRESS",
        toNodes,
        [30000, 32767],
      ),
      "load-balancer-to-nodes-health-aaaasandboxnodes": rule(
        "load balancer to nodes, health",
        "EGRESS",
        toNodes,
        [10256, 10256],
      ),
      "load-balancer-at-nodes-traffic-aaaasandboxnodes": rule(
        "nodes from load balancer oke-platform-prod, traffic",
        "INGRESS",
        fromBalancer,
        [30000, 32767],
        NODES,
      ),
      "load-balancer-at-nodes-health-aaaasandboxnodes": rule(
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
