import { describe, expect, it } from "vitest";
import { balanced, elsewhere, mistakesIn, oke, type Raw, settingsOf, withValue } from "./stacks.ts";

const gateway = (path: string) => `charts.istio.values.gateway.${path}`;
const istiod = (path: string) => `charts.istio.values.istiod.${path}`;
const OCI = "oci.oraclecloud.com";
const SERVICE = "service.beta.kubernetes.io/oci-load-balancer";

/** The mistakes of the smallest stack on OKE with one value at a place in a chart's. */
const withAt = (keys: readonly string[], value: unknown, changes: Raw = {}) => {
  const [last = "", ...above] = [...keys].reverse();
  const nested = above.reduce<Raw>((inner, key) => ({ [key]: inner }), { [last]: value });
  return mistakesIn({ ...oke, ...changes, ...nested });
};
const inGateway = (...keys: string[]) => ["charts", "istio", "values", "gateway", ...keys];

describe("values of a chart that would undo the program", () => {
  const balancer = "nothing: the load balancer follows its settings; use loadBalancer";
  const tls = "nothing: TLS ends at the gateway, to which the load balancer passes TCP on; remove it";
  const IMAGE = "nothing: istiod fills in the image of the gateway's pods by it; remove it";
  const PROXY = "load balancer and gateway must agree on it; use loadBalancer.proxyProtocol";

  it.each([
    `${OCI}/load-balancer-type`,
    `${OCI}/security-rule-management-mode`,
    `${SERVICE}-security-list-management-mode`,
    `${OCI}/oci-network-security-groups`,
    `${OCI}/oci-backend-network-security-group`,
    `${SERVICE}-shape`,
    `${SERVICE}-shape-flex-min`,
    `${SERVICE}-internal`,
    `${SERVICE}-connection-idle-timeout`,
    `${SERVICE}-connection-proxy-protocol-version`,
    `${SERVICE}-health-check-retries`,
    `${SERVICE}-subnet1`,
  ])("are refused wherever the annotation %s enters", (annotation) => {
    for (const above of [
      ["service", "annotations"],
      // The chart writes these to each of its objects, and reads all of its values below global, too.
      ["annotations"],
      ["global", "annotations"],
      ["global", "service", "annotations"],
    ])
      expect(withAt(inGateway(...above, annotation), "x")).toEqual([
        `${gateway(above.join("."))}["${annotation}"] is "x"; allowed: ${balancer}`,
      ]);
  });

  it.each(["ssl-ports", "tls-secret", "tls-backendset-secret", "backend-protocol"])(
    "are refused where the load balancer would read what it passes on: %s",
    (name) => {
      expect(withAt(inGateway("service", "annotations", `${SERVICE}-${name}`), "x")).toEqual([
        `${gateway("service.annotations")}["${SERVICE}-${name}"] is "x"; allowed: ${tls}`,
      ]);
    },
  );

  it.each<[key: string, value: unknown, allowed: string]>([
    [
      gateway("service.type"),
      "NodePort",
      "nothing: the program must know whether the Service gets an address; use gateway.serviceType",
    ],
    [gateway("service.loadBalancerIP"), "192.0.2.1", "nothing: the A records know it; use loadBalancer.reservedIp"],
    [
      gateway("service.loadBalancerSourceRanges"),
      [],
      "nothing: it says who may connect; use loadBalancer.allowedCidrs",
    ],
    [
      gateway("service.externalTrafficPolicy"),
      "Local",
      "nothing: the firewall's rules for health checks follow from it; use loadBalancer.externalTrafficPolicy",
    ],
    [
      gateway("service.loadBalancerClass"),
      "x",
      "nothing: another controller than OCI's would make the load balancer; remove it",
    ],
    [
      gateway("service.allocateLoadBalancerNodePorts"),
      false,
      "nothing: the load balancer sends to node ports; remove it",
    ],
    [gateway("service.ipFamilyPolicy"), "PreferDualStack", "nothing: the load balancer has IPv4 alone; remove it"],
    [gateway("service.selectorLabels"), { app: "x" }, ""],
    [
      gateway("name"),
      "gw",
      "nothing: objects of the chart are looked for by the names that they have without it; remove it",
    ],
    [gateway("labels.istio"), "gw", "nothing: Gateways find the pods by it, and it can never change; remove it"],
    [gateway("labels.app"), "gw", "nothing: Gateways find the pods by it, and it can never change; remove it"],
    [gateway("rbac.enabled"), false, "nothing: the gateway reads the certificate by this role; remove it"],
    [
      gateway("serviceAccount.name"),
      "gw",
      "nothing: the certificate's key is for the gateway's own account; remove it",
    ],
    [gateway("networkGateway"), "n1", "nothing: it gives the Service other ports; remove it"],
    [
      gateway("_internal_defaults_do_not_set.service"),
      null,
      "nothing: the charts read their values at their top; remove it",
    ],
    [
      gateway("service"),
      null,
      "nothing: the program must know whether the Service gets an address; use gateway.serviceType",
    ],
    [gateway("podAnnotations"), "x", IMAGE],
    [istiod("meshConfig.defaultConfig.gatewayTopology.proxyProtocol"), {}, `nothing: ${PROXY}`],
    [istiod("pilot.meshConfig.defaultConfig.gatewayTopology.proxyProtocol"), {}, `nothing: ${PROXY}`],
    [
      istiod("meshConfig.ingressControllerMode"),
      "STRICT",
      "nothing: an Ingress of any namespace could have any host; use tenancy.routes",
    ],
    [
      istiod("revision"),
      "canary",
      "nothing: the webhooks and the gateway's pods are those of the one revision without a name; remove it",
    ],
    [istiod("global.operatorManageWebhooks"), true, IMAGE],
    [
      "charts.istio.values.base.base.excludedCRDs[0]",
      "gateways.networking.istio.io",
      "nothing: the program's own objects are of these kinds, and outlive a destroy by them; remove it",
    ],
    [
      "charts.certManager.values.installCRDs",
      true,
      "nothing: the chart refuses it beside crds.enabled, which the program sets; remove it",
    ],
    [
      "charts.certManager.values.crds.keep",
      false,
      "nothing: the program's own objects are of these kinds, and outlive a destroy by them; remove it",
    ],
    [
      "charts.certManager.values.extraArgs[0]",
      "--cluster-resource-namespace=other",
      "nothing: the DNS token and the ACME account are in the namespace of cert-manager; remove it",
    ],
    [
      "charts.certManager.values.config.enableCertificateOwnerRef",
      true,
      "nothing: a destroy keeps the certificate; remove it",
    ],
    ["charts.reflector.values.replicaCount", 2, "nothing: two would both write each copy; remove it"],
    [
      "charts.externalSecrets.values.serviceAccount.name",
      "eso",
      "nothing: Vault's role is bound to it; use externalSecrets.serviceAccount",
    ],
    [
      "charts.externalSecrets.values.extraArgs.controller-class",
      "x",
      "nothing: the store is the cluster's, and names no class; remove it",
    ],
    [
      "charts.vault.values.server.ha.replicas",
      5,
      "nothing: one server or three is decided with their configuration; use size",
    ],
    ["charts.vault.values.server.dataStorage.enabled", false, "nothing: what Vault knows is on this volume; remove it"],
    [
      "charts.vault.values.server.updateStrategyType",
      "RollingUpdate",
      "nothing: Helm would wait for pods that nobody has unsealed; remove it",
    ],
  ])("are refused: %s", (key, value, allowed) => {
    const keys = key.split(/[.[\]]+/).filter((part) => part !== "");
    const lines = key.endsWith("[0]") ? withAt(keys.slice(0, -1), [value]) : withAt(keys, value);
    if (allowed !== "") expect(lines).toEqual([`${key} is ${JSON.stringify(value)}; allowed: ${allowed}`]);
    else expect(lines).toEqual([expect.stringContaining("the Service finds the gateway's pods by its labels")]);
  });

  it("are each told, with the one key that is wrong", () => {
    const values = {
      gateway: { name: "gw", service: { type: "ClusterIP", annotations: { [`${SERVICE}-shape`]: "x" } } },
    };
    expect(
      mistakesIn({ ...oke, charts: { istio: { values }, certManager: { values: { installCRDs: true } } } }),
    ).toEqual([
      expect.stringMatching(/^charts\.certManager\.values\.installCRDs is true; /),
      expect.stringMatching(/^charts\.istio\.values\.gateway\.name is "gw"; /),
      expect.stringMatching(/^charts\.istio\.values\.gateway\.service\.annotations\["/),
      expect.stringMatching(/^charts\.istio\.values\.gateway\.service\.type is "ClusterIP"; /),
    ]);
  });

  it("are judged only where the load balancer is sound", () => {
    const charts = { istio: { values: { gateway: { name: "gw" } } } };
    expect(mistakesIn({ ...oke, ...balanced({ alwaysFree: "x" }), charts })).toEqual([
      'loadBalancer.alwaysFree is "x"; allowed: true or false',
    ]);
  });

  const second =
    "no Service of type LoadBalancer: the cloud controller would make a second one, open to everybody; route it through services";
  it.each<[key: string, value: unknown, at: string]>([
    ["charts.vault.values.ui.serviceType", "LoadBalancer", ""],
    ["charts.externalSecrets.values.extraObjects", [{ spec: { type: "LoadBalancer" } }], "[0].spec.type"],
    // The chart of cert-manager takes its further objects as texts.
    ["charts.certManager.values.extraObjects", ["kind: Service\nspec:\n  type: LoadBalancer\n"], "[0]"],
    ["charts.istio.values.istiod.x", { y: '{{ "LoadBalancer" }}' }, ".y"],
  ])("are a second load balancer's in %s", (key, value, at) => {
    const [line, ...others] = mistakesIn(withValue(oke, key, value));
    expect(others).toEqual([]);
    expect(line).toMatch(new RegExp(`^${(key + at).replaceAll(/[[\].]/g, "\\$&")} is .*; allowed: `));
    expect(line?.endsWith(second)).toBe(true);
    expect(mistakesIn(withValue({ ...oke, ...balanced({ alwaysFree: true }) }, key, value))).toEqual([
      expect.stringContaining("with loadBalancer.alwaysFree, whose one load balancer is the gateway's"),
    ]);
  });

  it.each<[what: string, key: string, value: unknown]>([
    ["a number in an annotation", gateway("podAnnotations.port"), 15_020],
    ["yes or no in a label", "charts.reflector.values.podLabels.on", true],
  ])("are no text where text must be: %s", (_what, key, value) => {
    expect(mistakesIn(withValue(oke, key, value))).toEqual([
      `${key} is ${value}; allowed: text: annotations and labels hold nothing else; write it in quotes`,
    ]);
  });

  it("have a key that would be others' keys in the end", () => {
    const values = JSON.parse('{"server":{"__proto__":{"dev":{"enabled":true}}}}');
    expect(mistakesIn({ ...oke, charts: { vault: { values } } })).toEqual([
      "charts.vault.values.server.__proto__.dev.enabled is true; allowed: no key of this name",
    ]);
  });

  it("are a date that YAML has read", () => {
    const date = "2026-11-27 00:00:00 +0000 UTC";
    expect(mistakesIn(withValue(oke, "charts.vault.values.server.image.tag", date))).toEqual([
      `charts.vault.values.server.image.tag is "${date}"; allowed: a text in quotes: without them YAML reads it as a date`,
    ]);
  });

  it.each<[what: string, changes: Raw]>([
    [
      "an annotation that the load balancer's settings do not say",
      { "oci.oraclecloud.com/loadbalancer-policy": "IP_HASH" },
    ],
  ])("may hold %s", (_what, annotations) => {
    expect(withAt(inGateway("service", "annotations"), annotations)).toEqual([]);
  });

  it.each<[what: string, charts: Raw]>([
    [
      "what the program itself says",
      { certManager: { values: { crds: { enabled: true, keep: true }, installCRDs: false } } },
    ],
    ["more ports", { istio: { values: { gateway: { service: { ports: [{ name: "status", port: 15_021 }] } } } } }],
    ["empty maps", { istio: { values: { gateway: { service: {}, podAnnotations: {}, labels: {} } } } }],
    [
      "resources and images",
      { vault: { values: { server: { resources: { requests: { cpu: "1" } }, image: { tag: "2" } } } } },
    ],
    [
      "IPv4 alone",
      { istio: { values: { gateway: { service: { ipFamilyPolicy: "SingleStack", ipFamilies: ["IPv4"] } } } } },
    ],
  ])("may hold %s", (_what, charts) => {
    expect(() => settingsOf({ charts })).not.toThrow();
  });

  it("may say how the Service is reached where there is no load balancer of the settings", () => {
    const service = {
      loadBalancerIP: "192.0.2.1",
      annotations: { [`${SERVICE}-shape`]: "x" },
      ipFamilyPolicy: "RequireDualStack",
    };
    const charts = {
      istio: { values: { gateway: { service } } },
      vault: { values: { ui: { serviceType: "LoadBalancer" } } },
    };
    expect(() => settingsOf({ ...elsewhere, charts })).not.toThrow();
  });
});
