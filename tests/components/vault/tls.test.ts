import { beforeAll, describe, expect, it } from "vitest";
import type { Registration } from "../../../project/record.ts";
import { lastName } from "../../../project/registration.ts";
import { requestOf } from "../../../sandbox/plugin/models.ts";
import { worldWithoutVault } from "../../../sandbox/world/beginnings.ts";
import { keyOf, type Request } from "../../../sandbox/world/state.ts";
import { openWorld } from "../../../sandbox/world/systems.ts";
import { trustsVault } from "../../../sandbox/world/vault.ts";
import { base, certManager, ISTIO, istiod, reflector, type Spec, vaultServer } from "../../sandbox/world/requests.ts";
import { having, pass, readyAfter, without } from "../../sandbox/world/worlds.ts";
import { awaited, certificate, issuer, objects, options, waitFor, waitsFor, withWorld } from "./objects.ts";

const REFLECTION = "reflector.v1.k8s.emberstack.com/reflection";
const copiedTo = (namespace: string) => ({
  annotations: {
    [`${REFLECTION}-allowed`]: "true",
    [`${REFLECTION}-allowed-namespaces`]: namespace,
    [`${REFLECTION}-auto-enabled`]: "true",
    [`${REFLECTION}-auto-namespaces`]: namespace,
  },
});

describe("TLS of a Vault for production", () => {
  let all: Registration[];
  beforeAll(async () => {
    all = await withWorld("prod", { install: true, initialized: true }, worldWithoutVault());
  });

  it("has a CA, a certificate for every name it is reached at, and the gateway's trust", () => {
    const host = "vault.vault.svc.cluster.local";
    const byCa = { issuerRef: { kind: "Issuer", name: "vault-ca" } };
    expect(objects(all, "vault-tls")).toEqual({
      "vault-tls-ca-root": issuer("vault-ca-root", { selfSigned: {} }),
      "vault-tls-ca-root-certificate": certificate("vault-ca", "cert-manager", {
        isCA: true,
        commonName: "vault-ca",
        issuerRef: { kind: "ClusterIssuer", name: "vault-ca-root" },
        secretTemplate: copiedTo("vault"),
      }),
      "vault-tls-ca": {
        apiVersion: "cert-manager.io/v1",
        kind: "Issuer",
        metadata: { name: "vault-ca", namespace: "vault", annotations: waitFor },
        spec: { ca: { secretName: "vault-ca" } },
      },
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
      "vault-tls-client": certificate("vault-ca-for-ingressgateway", "vault", {
        ...byCa,
        commonName: "istio-ingressgateway",
        usages: ["client auth"],
        secretTemplate: copiedTo("istio-system"),
      }),
      "vault-tls-from-gateway": {
        apiVersion: "networking.istio.io/v1",
        kind: "DestinationRule",
        metadata: { name: "vault", namespace: "istio-system" },
        spec: {
          host,
          exportTo: ["."],
          trafficPolicy: {
            tls: { mode: "SIMPLE", credentialName: "vault-ca-for-ingressgateway", sni: host, subjectAltNames: [host] },
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
    expect(waitsFor(all, "vault-tls")).toEqual(["cert-manager", "istio", "reflector"]);
  });
});

describe("a stack whose Vault has a ClusterIssuer, as version 0.1.0 made it", () => {
  const certified = (name: string, namespace: string, spec: Spec): Request => ({
    kind: "Certificate",
    ...{ name, namespace },
    spec: { secretName: name, issuerRef: { kind: "ClusterIssuer", name: "vault-ca" }, ...spec },
  });
  const byCluster = (name: string, spec: Spec): Request => ({ kind: "ClusterIssuer", name, spec });
  const before = [
    byCluster("vault-ca-root", { selfSigned: {} }),
    certified("vault-ca", "cert-manager", {
      isCA: true,
      commonName: "vault-ca",
      issuerRef: { kind: "ClusterIssuer", name: "vault-ca-root" },
    }),
    byCluster("vault-ca", { ca: { secretName: "vault-ca" } }),
    certified("vault-tls", "vault", { dnsNames: ["vault.vault"] }),
    certified("vault-ca-for-gateway", ISTIO, { commonName: "istio-ingressgateway" }),
  ];

  it("keeps its CA, by which a Vault that runs is known", async () => {
    const world = having(openWorld(worldWithoutVault()), certManager, reflector, base, istiod);
    having(world, vaultServer("", false), ...before);
    const secret = (key: string) => world.item(`Secret ${key}`);
    const { serial } = secret("cert-manager/vault-ca")?.spec ?? {};
    expect([typeof serial, trustsVault(world, secret(`${ISTIO}/vault-ca-for-gateway`))]).toEqual(["number", true]);

    const all = await withWorld("prod", { install: true, initialized: true }, worldWithoutVault());
    for (const { type, inputs, name } of all.filter((it) => it.custom && it.name.startsWith("vault-tls"))) {
      const request = requestOf(type, inputs, name, "");
      const key = keyOf(request);
      if (world.item(key) === undefined) having(world, request);
      else readyAfter(world, world.update(key, request.spec));
    }
    without(world, byCluster("vault-ca", {}), certified("vault-ca-for-gateway", ISTIO, {}));
    pass(world, 1);

    const keys = ["cert-manager/vault-ca", "vault/vault-ca", "vault/vault-tls", `${ISTIO}/vault-ca-for-ingressgateway`];
    expect(keys.map((key) => [key, secret(key)?.spec.signedBy, trustsVault(world, secret(key))])).toEqual(
      keys.map((key) => [key, serial, true]),
    );
    expect(secret("cert-manager/vault-ca")?.spec.serial).toBe(serial);
  });
});
