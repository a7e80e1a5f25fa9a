import { describe, expect, it } from "vitest";
import { examples } from "../../project/placeholders.ts";
import type { Registration } from "../../project/record.ts";
import { type Changes, named, registrationsOf } from "../harness.ts";

// The edge of the cloud, from settings to what OCI and Cloudflare are asked for, value by value. That the cloud
// controller reads it so is taken from its source; it was not run here.

const OCI = "oci.oraclecloud.com";
const BALANCER = "service.beta.kubernetes.io/oci-load-balancer";
const NODES = examples["<node NSG OCID>"];
const SUBNET = examples["<load balancer subnet OCID>"];
const ADDRESS = expect.stringMatching(/^203\.0\.113\.\d+$/);
const OWN_NSG = expect.stringMatching(/^ocid1\.networksecuritygroup\.oc1\.eu-frankfurt-1\.aaaa[0-9a-f]{32}$/);

interface Edge {
  /** The part of the gateway's Service that the cloud controller reads. */
  readonly service: Record<string, unknown>;
  /** Annotations without their common prefixes. */
  readonly annotations: Record<string, string>;
  /** Names of the firewall rules. */
  readonly rules: string[];
  /** Address of each A record. */
  readonly records: Record<string, unknown>;
  /** Pods' annotations. */
  readonly pods: unknown;
}

function edgeOf(registrations: Registration[]): Edge {
  const values = named(registrations, "ingress-gateway").inputs.values as {
    service: Record<string, unknown> & { annotations: Record<string, string> };
    podAnnotations?: unknown;
  };
  const { annotations, ports: _, ...service } = values.service;
  const inputsOf = (kind: string) => registrations.filter(({ type }) => type.endsWith(`:${kind}`));
  return {
    service,
    annotations: Object.fromEntries(
      Object.entries(annotations).map(([key, value]) => [
        key.replace(`${BALANCER}-`, "").replace(`${OCI}/`, ""),
        value,
      ]),
    ),
    rules: inputsOf("NetworkSecurityGroupSecurityRule")
      .map(({ name }) => name.replace("load-balancer-", ""))
      .sort(),
    records: Object.fromEntries(inputsOf("DnsRecord").map(({ inputs }) => [inputs.name, inputs.content])),
    pods: values.podAnnotations,
  };
}

const small = { internal: "false", shape: "flexible", "shape-flex-min": "10", "shape-flex-max": "10" };
const controllers = { "load-balancer-type": "lb" };
const everybody = ["0.0.0.0/0"];
const hosts = (content: unknown) => ({ "*.cluster.example.com": content, "cluster.example.com": content });
const nodeRules = ["at-nodes-health", "at-nodes-traffic", "to-nodes-health", "to-nodes-traffic"].map(
  (rule) => `${rule}-aaaasandboxnodes`,
);

const base = { compartmentId: examples["<compartment OCID>"], vcnId: examples["<VCN OCID>"], nodeNsgIds: [NODES] };
const balancer = (changes: Record<string, unknown>): Changes => ({ loadBalancer: { ...base, ...changes } });

describe("the edge of", () => {
  it.each<[what: string, stack: string, changes: Changes, edge: Edge]>([
    [
      "lab",
      "lab",
      {},
      {
        service: {
          type: "LoadBalancer",
          loadBalancerIP: ADDRESS,
          externalTrafficPolicy: "Cluster",
          loadBalancerSourceRanges: everybody,
        },
        annotations: { ...controllers, ...small, "security-rule-management-mode": "SL-All" },
        rules: [],
        records: hosts(ADDRESS),
        pods: undefined,
      },
    ],
    [
      "prod",
      "prod",
      {},
      {
        service: { type: "LoadBalancer", loadBalancerIP: ADDRESS, externalTrafficPolicy: "Cluster" },
        annotations: {
          ...controllers,
          ...small,
          "shape-flex-min": "100",
          "shape-flex-max": "1000",
          subnet1: String(SUBNET),
          "security-rule-management-mode": "None",
          "oci-network-security-groups": OWN_NSG,
        },
        rules: [...nodeRules.slice(0, 2), "listener-443-0.0.0.0/0", "listener-80-0.0.0.0/0", ...nodeRules.slice(2)],
        records: hosts(ADDRESS),
        pods: undefined,
      },
    ],
    [
      "an internal load balancer",
      "prod",
      balancer({ rules: "SL-All", internal: true }),
      {
        service: { type: "LoadBalancer", externalTrafficPolicy: "Cluster", loadBalancerSourceRanges: everybody },
        annotations: { ...controllers, ...small, internal: "true", "security-rule-management-mode": "SL-All" },
        rules: [],
        records: hosts(expect.stringMatching(/^10\.0\.20\.\d+$/)),
        pods: undefined,
      },
    ],
    [
      "mode NSG, with more NSGs and only some who may come in",
      "prod",
      balancer({
        rules: "NSG",
        additionalNsgIds: [NODES, examples["<node NSG OCID>"]?.replace("nodes", "other")],
        allowedCidrs: ["203.0.113.0/24"],
      }),
      {
        service: {
          type: "LoadBalancer",
          loadBalancerIP: ADDRESS,
          externalTrafficPolicy: "Cluster",
          loadBalancerSourceRanges: ["203.0.113.0/24"],
        },
        annotations: {
          ...controllers,
          ...small,
          "security-rule-management-mode": "NSG",
          "oci-network-security-groups": `${NODES},${NODES?.replace("nodes", "other")}`,
          "oci-backend-network-security-group": String(NODES),
        },
        rules: [],
        records: hosts(ADDRESS),
        pods: undefined,
      },
    ],
    [
      "an adopted IP",
      "prod",
      balancer({ rules: "SL-All", reservedIp: "ocid1.publicip.oc1.eu-frankfurt-1.aaaaadopted" }),
      {
        service: {
          type: "LoadBalancer",
          loadBalancerIP: ADDRESS,
          externalTrafficPolicy: "Cluster",
          loadBalancerSourceRanges: everybody,
        },
        annotations: { ...controllers, ...small, "security-rule-management-mode": "SL-All" },
        rules: [],
        records: hosts(ADDRESS),
        pods: undefined,
      },
    ],
    [
      "every other setting",
      "prod",
      balancer({
        rules: "None",
        allowedCidrs: ["192.0.2.0/24", "198.51.100.0/24"],
        additionalNsgIds: [NODES],
        idleTimeoutSeconds: 600,
        proxyProtocol: 2,
        externalTrafficPolicy: "Local",
        healthCheckRetries: 5,
        healthCheckTimeoutMs: 2000,
        healthCheckIntervalMs: 5000,
      }),
      {
        service: { type: "LoadBalancer", loadBalancerIP: ADDRESS, externalTrafficPolicy: "Local" },
        annotations: {
          ...controllers,
          ...small,
          "security-rule-management-mode": "None",
          "oci-network-security-groups": expect.stringMatching(new RegExp(`^ocid1\\..*,${NODES}$`)),
          "connection-idle-timeout": "600",
          "connection-proxy-protocol-version": "2",
          "health-check-retries": "5",
          "health-check-timeout": "2000",
          "health-check-interval": "5000",
        },
        rules: [
          "at-nodes-traffic-aaaasandboxnodes",
          "listener-443-192.0.2.0/24",
          "listener-443-198.51.100.0/24",
          "listener-80-192.0.2.0/24",
          "listener-80-198.51.100.0/24",
          "to-nodes-traffic-aaaasandboxnodes",
        ],
        records: hosts(ADDRESS),
        pods: { "proxy.istio.io/config": '{"gatewayTopology":{"proxyProtocol":{}}}' },
      },
    ],
  ])("%s is this", async (_what, stack, changes, edge) => {
    const registrations = await registrationsOf(stack, changes);
    expect(edgeOf(registrations)).toEqual(edge);
    expect(
      registrations.filter(
        ({ type }) => /SecurityList|loadBalancer:|:LoadBalancer$/.test(type) && !type.startsWith("oke-platform:"),
      ),
    ).toEqual([]);
  });

  it("records behind Cloudflare's proxy leaves the TTL to Cloudflare", async () => {
    const registrations = await registrationsOf("prod", { cloudflare: { proxied: true } });
    expect(named(registrations, "dns-records-base").inputs).toMatchObject({ proxied: true, ttl: 1 });
  });

  it("two stacks in one compartment has names of its own in each", async () => {
    const namesOf = async (stack: string) =>
      (await registrationsOf(stack)).flatMap(({ type, inputs }) =>
        /publicIp|networkSecurityGroup:|apiToken/.test(type) ? [`${type} ${inputs.displayName ?? inputs.name}`] : [],
      );
    const [prod, lab] = [await namesOf("prod"), await namesOf("lab")];
    expect(prod.filter((name) => lab.includes(name))).toEqual([]);
    expect(prod).toHaveLength(3);
  });
});
