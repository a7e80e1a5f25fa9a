import { describe, expect, it } from "vitest";
import { named, registrationsOf } from "../harness.ts";

const service = (name: string, changes: object) => ({ name, namespace: "apps", service: "web", port: 443, ...changes });

describe("how the gateway speaks to a Service", () => {
  const objectsOf = async (...services: object[]) => {
    const registrations = await registrationsOf("prod", { services });
    return {
      rules: registrations
        .filter(({ inputs }) => inputs.kind === "DestinationRule")
        .map(({ name, inputs }) => ({ name, metadata: inputs.metadata, spec: inputs.spec }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
      timeouts: services.map((it) => {
        const { name, namespace } = it as { name: string; namespace: string };
        const { http } = named(registrations, `routes-${namespace}/${name}`).inputs.spec as { http: object[] };
        return (http[0] as { timeout?: string }).timeout;
      }),
    };
  };

  it("takes no rule where it is HTTP/1.1 in clear", async () => {
    expect(await objectsOf(service("a", {}), service("b", { protocol: "http", timeoutSeconds: 90 }))).toEqual({
      rules: [],
      timeouts: [undefined, "90s"],
    });
  });

  it("takes one rule for all ports of a Service, beside the gateway and for it alone", async () => {
    const { rules } = await objectsOf(
      service("a", { protocol: "https" }),
      service("b", { protocol: "https" }),
      service("c", { protocol: "h2c", port: 80 }),
      service("d", { port: 8080 }),
      service("e", { namespace: "other", protocol: "h2c", port: 80 }),
    );
    expect(rules).toEqual([
      {
        name: "routes-to-apps/web",
        metadata: { name: "web.apps", namespace: "istio-system" },
        spec: {
          host: "web.apps.svc.cluster.local",
          exportTo: ["."],
          trafficPolicy: {
            portLevelSettings: [
              { port: { number: 80 }, connectionPool: { http: { h2UpgradePolicy: "UPGRADE" } } },
              { port: { number: 443 }, tls: { mode: "SIMPLE", insecureSkipVerify: true } },
            ],
          },
        },
      },
      {
        name: "routes-to-other/web",
        metadata: { name: "web.other", namespace: "istio-system" },
        spec: {
          host: "web.other.svc.cluster.local",
          exportTo: ["."],
          trafficPolicy: {
            portLevelSettings: [{ port: { number: 80 }, connectionPool: { http: { h2UpgradePolicy: "UPGRADE" } } }],
          },
        },
      },
    ]);
  });
});
