import { describe, expect, it } from "vitest";
import { named, registrationsOf } from "../harness.ts";

const out = (...more: number[]) => ({
  ports: [
    { port: 53, protocol: "TCP" },
    { port: 53, protocol: "UDP" },
    ...[443, 6443, ...more].map((port) => ({ port, protocol: "TCP" })),
  ],
});
const policy = (...egress: object[]) => ({ networkPolicy: { enabled: true, egress } });

describe("the charts' network policies", () => {
  it("are as wide as what each one's pods must reach, beside its other values, below the operator's", async () => {
    const changes = {
      networkPolicies: true,
      acme: { email: "a@example.com", server: "https://acme.example.com:14000/dir" },
      vault: { install: true, initialized: true },
      charts: { vault: { values: { server: { networkPolicy: { ingress: [] } } } } },
    };
    const all = await registrationsOf("fresh", changes);
    const valuesOf = (name: string) => named(all, name).inputs.values;
    expect(valuesOf("cert-manager")).toMatchObject({
      replicaCount: 2,
      ...policy(out(14_000)),
      webhook: { replicaCount: 3, ...policy(out()) },
      cainjector: { replicaCount: 2, ...policy(out()) },
    });
    const vault = { to: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "vault" } } }] };
    expect(valuesOf("external-secrets")).toMatchObject({
      replicaCount: 2,
      ...policy(out(8200), vault),
      webhook: { replicaCount: 2, ...policy(out()) },
      certController: { replicaCount: 2, ...policy(out()) },
    });
    expect(valuesOf("vault-server")).toMatchObject({
      server: { ha: { replicas: 3 }, networkPolicy: { enabled: true, ingress: [] } },
    });
    const istios = { global: { networkPolicy: { enabled: true } } };
    expect(valuesOf("istio-istiod")).toMatchObject({
      global: { ...istios.global, defaultPodDisruptionBudget: { enabled: true } },
    });
    expect(valuesOf("ingress-gateway")).toMatchObject(istios);
    for (const name of ["reflector", "istio-base"]) expect(valuesOf(name)).not.toHaveProperty("networkPolicy");
  });

  it("are off where nobody asks for them", async () => {
    for (const { inputs } of await registrationsOf("fresh"))
      expect(JSON.stringify(inputs.values ?? {})).not.toContain("networkPolicy");
  });
});
