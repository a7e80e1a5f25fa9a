import { describe, expect, it } from "vitest";
import { isSecret } from "../../project/registration.ts";
import { type Changes, named, registrationsOf, type Secrets } from "../harness.ts";

const inputsOf = async (name: string, stack: string, changes: Changes, secrets: Secrets = {}) =>
  named(await registrationsOf(stack, changes, secrets), name).inputs;
const valuesOf = async (...args: Parameters<typeof inputsOf>) =>
  (await inputsOf(...args)).values as Record<string, unknown>;

describe("values of the operator", () => {
  const gateway = (values: object) => ({ charts: { istio: { values: { gateway: values } } } });
  const CONFIG = "proxy.istio.io/config";
  const balanced = { compartmentId: "ocid1.compartment.oc1..aaaacompartment", rules: "SL-All", proxyProtocol: 2 };

  it("are merged with what the program says of the proxy, whose part stays", async () => {
    const podAnnotations = { [CONFIG]: "concurrency: 2\ngatewayTopology:\n  numTrustedProxies: 1\n", team: "edge" };
    const values = await valuesOf("ingress-gateway", "prod", {
      ...gateway({ podAnnotations }),
      loadBalancer: balanced,
    });
    const { [CONFIG]: config, ...others } = values.podAnnotations as Record<string, string>;
    expect(JSON.parse(config as string)).toEqual({
      concurrency: 2,
      gatewayTopology: { numTrustedProxies: 1, proxyProtocol: {} },
    });
    expect(others).toEqual({ team: "edge" });
  });

  it("are what the proxy is told where the program says nothing of it", async () => {
    const podAnnotations = { [CONFIG]: "concurrency: 2\n" };
    const loadBalancer = { ...balanced, proxyProtocol: undefined };
    expect(await valuesOf("ingress-gateway", "prod", { ...gateway({ podAnnotations }), loadBalancer })).toMatchObject({
      podAnnotations,
    });
  });

  it("come after the program's own ports", async () => {
    const ports = [{ name: "status-port", port: 15_021, targetPort: 15_021, protocol: "TCP" }];
    const { service } = await valuesOf("ingress-gateway", "prod", gateway({ service: { ports } }));
    expect((service as { ports: object[] }).ports).toEqual([
      { name: "http2", port: 80, targetPort: 8080, protocol: "TCP" },
      { name: "https", port: 443, targetPort: 8443, protocol: "TCP" },
      ...ports,
    ]);
  });

  it("come after the volume with Vault's certificate", async () => {
    const server = { volumes: [{ name: "plugins" }], volumeMounts: [{ name: "plugins", mountPath: "/plugins" }] };
    const values = await valuesOf("vault-server", "fresh", { charts: { vault: { values: { server } } } });
    expect(values.server).toMatchObject({
      volumes: [{ name: "tls", secret: { secretName: "vault-tls" } }, { name: "plugins" }],
      volumeMounts: [
        { name: "tls", mountPath: "/vault/userconfig/tls", readOnly: true },
        { name: "plugins", mountPath: "/plugins" },
      ],
    });
  });

  it("replace other lists, and are keys whatever they are called", async () => {
    const values = { topologySpreadConstraints: [], constructor: { b: 2 }, replicaCount: 3 };
    const merged = await valuesOf("cert-manager", "prod", { charts: { certManager: { values } } });
    expect(merged).toMatchObject({ topologySpreadConstraints: [], replicaCount: 3, crds: { enabled: true } });
    expect(Object.hasOwn(merged, "constructor") && merged.constructor).toEqual({ b: 2 });
  });
});

describe("a chart's source", () => {
  const secrets = { chartsPassword: "the-charts-password" };
  const locationOf = async (charts: object) => {
    const { chart, repositoryOpts } = await inputsOf("reflector", "prod", { charts }, secrets);
    const { password, ...rest } = (repositoryOpts ?? {}) as Record<string, unknown>;
    return { chart, ...rest, isSecret: isSecret(password) && password.value };
  };

  it.each<[string, object, object]>([
    [
      "an HTTP repository",
      { mirror: "https://charts.example.com", username: "robot" },
      { chart: "reflector", repo: "https://charts.example.com", username: "robot" },
    ],
    [
      "an OCI registry",
      { mirror: "oci://registry.example.com/charts/", username: "robot" },
      { chart: "oci://registry.example.com/charts/reflector", username: "robot" },
    ],
    [
      "a source of its own",
      { reflector: { repo: "https://[2001:db8::1]:8443/charts", username: "robot" } },
      { chart: "reflector", repo: "https://[2001:db8::1]:8443/charts", username: "robot" },
    ],
  ])("is asked with the user name, and the password as a secret: %s", async (_what, charts, location) => {
    expect(await locationOf(charts)).toEqual({ ...location, isSecret: "the-charts-password" });
  });
});

describe("a release under another name", () => {
  it("is one that others have named, and spreads its own pods", async () => {
    const charts = {
      certManager: { releaseName: "certs" },
      reflector: { releaseName: "copies" },
      externalSecrets: { releaseName: "eso" },
      istio: { releaseNames: { base: "mesh-crds", istiod: "mesh" } },
    };
    const all = await registrationsOf("prod", { charts, size: "production" });
    const names = ["cert-manager", "reflector", "external-secrets", "istio-base", "istio-istiod", "ingress-gateway"];
    expect(names.map((name) => named(all, name).inputs.name)).toEqual([
      ...["certs", "copies", "eso", "mesh-crds", "mesh"],
      "istio-ingressgateway",
    ]);
    const { topologySpreadConstraints } = named(all, "cert-manager").inputs.values as {
      topologySpreadConstraints: { labelSelector: { matchLabels: Record<string, string> } }[];
    };
    expect(
      new Set(topologySpreadConstraints.map((it) => it.labelSelector.matchLabels["app.kubernetes.io/instance"])),
    ).toEqual(new Set(["certs"]));
  });
});
