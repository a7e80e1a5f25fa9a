import { describe, expect, it } from "vitest";
import { parseSettings } from "../../settings/settings.ts";
import { configOf, ids, oke, smallest, usualCharts } from "./stacks.ts";

const common = {
  domain: "example.com",
  baseDomain: "cluster.example.com",
  hosts: ["*.cluster.example.com", "cluster.example.com"],
  size: "small",
  phase: "complete",
  externalSecrets: { install: true, namespace: "external-secrets", serviceAccount: "external-secrets" },
  certificate: { key: "ecdsa-p256" },
  reflector: { namespaces: ["istio-system"] },
  charts: usualCharts,
  services: [],
  tenancy: { routes: [], certificates: [], secrets: [] },
};

describe("what a stack asks for", () => {
  it("with the smallest of all", () => {
    expect(parseSettings(configOf(smallest))).toEqual({
      ...common,
      cluster: { context: "kind" },
      issuer: { kind: "ca" },
      externalSecrets: { ...common.externalSecrets, install: false },
      gateway: { minTls: "1.2", serviceType: "ClusterIP" },
    });
  });

  it("with the smallest on OKE", () => {
    expect(parseSettings(configOf(oke))).toEqual({
      ...common,
      cluster: { id: ids.cluster },
      issuer: {
        kind: "acme",
        directory: "https://acme-staging-v02.api.letsencrypt.org/directory",
        email: "platform@example.com",
      },
      loadBalancer: {
        compartmentId: ids.compartment,
        tags: { freeformTags: {}, definedTags: {} },
        minMbps: 10,
        maxMbps: 10,
        firewall: { rules: "SL-All" },
        address: { kind: "reserved" },
        allowedCidrs: ["0.0.0.0/0"],
        externalTrafficPolicy: "Cluster",
        alwaysFree: false,
      },
      records: { zone: "example.com", baseDomain: "cluster.example.com", proxied: false, ttlSeconds: 300 },
      vault: {
        kind: "there",
        address: "https://vault.example.com",
        clusterAddress: "http://vault.vault:8200",
        mount: "secret",
        path: "prod/cert-manager",
        role: "external-secrets",
        authPath: "kubernetes",
        access: "existing",
        login: {
          method: "kubernetes",
          path: "kubernetes",
          role: "external-secrets",
          serviceAccount: { name: "external-secrets", namespace: "external-secrets" },
        },
        token: { kind: "scoped", serial: 1 },
      },
      gateway: { minTls: "1.2", serviceType: "LoadBalancer" },
    });
  });
});
