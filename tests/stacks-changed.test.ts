import { describe, expect, it } from "vitest";
import { graphOf } from "../sandbox/schedule/graph.ts";
import { replayUp } from "../sandbox/schedule/up.ts";
import { willingCloud } from "../sandbox/schedule/willing-cloud.ts";
import { worldWithBareVault } from "../sandbox/world/beginnings.ts";
import { problemsOf } from "../sandbox/world/served.ts";
import { planOf } from "../tools/plan/plan.ts";
import { named, registrationsOf } from "./harness.ts";
import { gatewayPorts, objects, secretOf, virtualService } from "./stack-objects.ts";

describe("a stack with other settings", () => {
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
      "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy",
      "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding",
      "kubernetes:cert-manager.io/v1:Certificate",
      "kubernetes:cert-manager.io/v1:ClusterIssuer",
      "kubernetes:core/v1:Namespace",
      "kubernetes:core/v1:NamespacePatch",
      "kubernetes:helm.sh/v3:Release",
      "kubernetes:networking.istio.io/v1:Gateway",
      "kubernetes:networking.istio.io/v1:VirtualService",
      "pulumi:index:Stash",
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

  const vault = { name: "vault", namespace: "vault", port: 8200 };
  const argocd = { name: "argocd", namespace: "argocd", service: "argocd-server", port: 80 };

  it("adds one VirtualService and a line in the table of hosts for one service more, and changes nothing else", async () => {
    const before = objects(await registrationsOf("prod", { services: [vault, argocd] }));
    const grafana = { name: "grafana", namespace: "argocd", port: 3000 };
    const after = objects(await registrationsOf("prod", { services: [grafana, vault, argocd] }));
    const changed = Object.keys(after).filter((name) => JSON.stringify(after[name]) !== JSON.stringify(before[name]));
    expect(changed.sort()).toEqual(["route-policy", "routes-argocd/grafana"]);
    expect(after["routes-argocd/grafana"]).toEqual(virtualService("grafana", "argocd", "grafana", 3000));
    const lines = (policy: unknown) => JSON.stringify(policy, null, 1).replaceAll("\\n", "\n").split("\n");
    const more = lines(after["route-policy"]).filter((line) => !lines(before["route-policy"]).includes(line));
    expect(more).toEqual(['  \\"grafana.cluster.example.com\\": \\"argocd\\",']);
  });

  it("changes the Gateway, too, for the first service of a namespace, and for the last one", async () => {
    const hosts = async (services: object[]) => {
      const { spec } = named(await registrationsOf("prod", { services }), "tls-gateway").inputs;
      return (spec as { servers: { hosts: string[] }[] }).servers.map((server) => server.hosts);
    };
    const plain = ["*.cluster.example.com", "cluster.example.com"];
    const own = ["istio-system/*.cluster.example.com", "./cluster.example.com"];
    expect(await hosts([])).toEqual([plain, own]);
    expect(await hosts([vault])).toEqual([plain, [own[0], "vault/*.cluster.example.com", own[1]]]);
    expect(await hosts([vault, { ...vault, name: "base", host: "cluster.example.com" }])).toEqual([
      plain,
      [own[0], "vault/*.cluster.example.com", "vault/cluster.example.com"],
    ]);
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
        istio: {
          values: {
            gateway: { service: { clusterIP: "" }, topologySpreadConstraints: [], tolerations: [{ key: "edge" }] },
          },
        },
      },
    });
    const values = named(registrations, "ingress-gateway").inputs.values as Record<string, Record<string, unknown>>;
    expect(values.tolerations).toEqual([{ key: "edge" }]);
    expect(values.topologySpreadConstraints).toEqual([]);
    expect(values.service).toMatchObject({ type: "LoadBalancer", clusterIP: "" });
  });

  it("is harmless where names are those that JavaScript knows", async () => {
    const vault = { address: "http://127.0.0.1:8200", access: "managed", mount: "__proto__", path: "constructor" };
    const services = [{ name: "constructor", namespace: "argocd", port: 80 }];
    const registrations = await registrationsOf("prod", { vault, services }, {}, willingCloud(worldWithBareVault()));
    const { world, failures } = replayUp(graphOf(registrations), { state: worldWithBareVault() });
    world.advance(world.now + world.seconds("reflection"));
    expect(failures).toEqual([]);
    expect(problemsOf(world, "constructor.cluster.example.com")).toEqual([]);
    expect(JSON.stringify(planOf("prod", registrations).resources)).toContain("__proto__/data/constructor");
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
      '2 mistake(s) in the stack\'s configuration:\n  oke-platform:domain is "*.example.com"; allowed: a DNS zone such as example.com: no wildcard, no scheme, no path\n  oke-platform:size is "huge"; allowed: "small" or "production"',
    );
  });
});
