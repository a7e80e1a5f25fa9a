import { beforeAll, describe, expect, it } from "vitest";
import type { Registration } from "../../../project/record.ts";
import { lastName } from "../../../project/registration.ts";
import { worldWithoutVault } from "../../../sandbox/world/beginnings.ts";
import { awaited, certificate, issuer, objects, options, waitsFor, withWorld } from "./objects.ts";

describe("TLS of a Vault for production", () => {
  let all: Registration[];
  beforeAll(async () => {
    all = await withWorld("prod", { install: true, initialized: true }, worldWithoutVault());
  });

  it("has a CA, a certificate for every name it is reached at, and the gateway's trust", () => {
    const host = "vault.vault.svc.cluster.local";
    const byCa = { issuerRef: { kind: "ClusterIssuer", name: "vault-ca" } };
    expect(objects(all, "vault-tls")).toEqual({
      "vault-tls-ca-root": issuer("vault-ca-root", { selfSigned: {} }),
      "vault-tls-ca-root-certificate": certificate("vault-ca", "cert-manager", {
        isCA: true,
        commonName: "vault-ca",
        issuerRef: { kind: "ClusterIssuer", name: "vault-ca-root" },
      }),
      "vault-tls-ca": issuer("vault-ca", { ca: { secretName: "vault-ca" } }),
      "vault-tls-server": certificate("vault-tls", "vault", {
        ...byCa,
        dnsNames: [
          "vault",
          "vault.vault",
          "vault.vault.svc",
          host,
          "vault-active",
          "vault-active.vault",
          "vault-active.vault.svc",
          "vault-active.vault.svc.cluster.local",
          "vault-standby",
          "vault-standby.vault",
          "vault-standby.vault.svc",
          "vault-standby.vault.svc.cluster.local",
          "*.vault-internal",
          "*.vault-internal.vault",
          "*.vault-internal.vault.svc",
          "*.vault-internal.vault.svc.cluster.local",
          "localhost",
        ],
        ipAddresses: ["127.0.0.1"],
      }),
      "vault-tls-client": certificate("vault-ca-for-gateway", "istio-system", {
        ...byCa,
        commonName: "istio-ingressgateway",
        usages: ["client auth"],
      }),
      "vault-tls-from-gateway": {
        apiVersion: "networking.istio.io/v1",
        kind: "DestinationRule",
        metadata: { name: "vault", namespace: "istio-system" },
        spec: {
          host,
          exportTo: ["."],
          trafficPolicy: {
            tls: { mode: "SIMPLE", credentialName: "vault-ca-for-gateway", sni: host, subjectAltNames: [host] },
          },
        },
      },
    });
    expect(options(all, "vault-tls")).toEqual({
      "vault-tls-ca-root": awaited,
      "vault-tls-ca-root-certificate": awaited,
      "vault-tls-ca": awaited,
      "vault-tls-server": awaited,
      "vault-tls-client": awaited,
      "vault-tls-from-gateway": {},
    });
  });

  it("has its certificates one after the other, when there is who signs and where to put them", () => {
    const made = all.filter(({ name, custom }) => custom && name.startsWith("vault-tls"));
    expect(Object.fromEntries(made.map(({ name, dependsOn }) => [name, dependsOn.map(lastName)]))).toEqual({
      "vault-tls-ca-root": [],
      "vault-tls-ca-root-certificate": ["vault-tls-ca-root"],
      "vault-tls-ca": ["vault-tls-ca-root-certificate"],
      "vault-tls-server": ["vault-tls-ca"],
      "vault-tls-client": ["vault-tls-ca"],
      "vault-tls-from-gateway": [],
    });
    expect(waitsFor(all, "vault-tls")).toEqual(["cert-manager", "istio", "vault-server"]);
  });
});
