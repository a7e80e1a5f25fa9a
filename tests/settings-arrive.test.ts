import { beforeAll, describe, expect, it } from "vitest";
import { examples } from "../project/placeholders.ts";
import type { Registration } from "../project/record.ts";
import { willingCloud } from "../sandbox/schedule/willing-cloud.ts";
import { worldWithBareVault, worldWithoutVault } from "../sandbox/world/beginnings.ts";
import type { State } from "../sandbox/world/state.ts";
import { openWorld } from "../sandbox/world/systems.ts";
import { named, registrationsOf } from "./harness.ts";

// Every setting at another value than its default arrives where it belongs, and every resource has the options that
// were decided for it.

const PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const PEM_BASE64 = Buffer.from(PEM).toString("base64");

/** A world whose Vault has a KV version 2 engine here and nowhere else. */
function withMount(name: string): State {
  const world = openWorld(worldWithBareVault());
  world.put({ kind: "Mount", name, spec: { type: "kv", version: "2" } });
  return world.state;
}

describe("settings other than the defaults", () => {
  let all: Registration[];
  beforeAll(async () => {
    const changes = {
      baseDomain: "apps.example.com",
      cluster: { id: examples["<OKE cluster OCID>"], endpoint: "PRIVATE_ENDPOINT" },
      acme: { email: "a@example.com", server: "https://acme.example.com/directory", caBundle: PEM },
      cloudflare: { tokenExpiresDays: 30, ttlSeconds: 60 },
      vault: {
        address: "https://vault.example.com",
        clusterAddress: "https://vault.internal:8200",
        namespace: "team",
        audiences: ["vault", "other"],
        mount: "kv",
        path: "team/token",
        role: "reader",
        authPath: "k8s",
        caBundle: PEM,
      },
      externalSecrets: { namespace: "eso", serviceAccount: "reader" },
      reflector: { namespaces: ["edge"] },
      certificate: { key: "rsa-2048" },
      gateway: { minTls: "1.3", hstsSeconds: 300 },
      charts: {
        certManager: { values: { a: 1 } },
        reflector: { values: { b: 2 } },
        istio: { values: { base: { c: 3 }, istiod: { d: 4 }, gateway: { e: 5 } } },
        externalSecrets: { values: { f: 6 } },
      },
      services: [{ name: "web", namespace: "default", port: 80, service: "site", host: "apps.example.com" }],
      tenancy: { routes: ["routes"], certificates: ["certificates"], secrets: ["secrets"] },
    };
    all = await registrationsOf("prod", changes, {}, willingCloud(withMount("kv")));
  });
  const inputsOf = (name: string) => named(all, name).inputs;

  it("reach the certificate and the issuer", () => {
    expect(inputsOf("certificate").spec).toMatchObject({
      dnsNames: ["*.apps.example.com", "apps.example.com"],
      privateKey: { algorithm: "RSA", size: 2048 },
      secretTemplate: {
        annotations: { "reflector.v1.k8s.emberstack.com/reflection-auto-namespaces": "edge,istio-system" },
      },
    });
    expect(inputsOf("issuer").spec).toMatchObject({
      acme: { email: "a@example.com", server: "https://acme.example.com/directory", caBundle: PEM_BASE64 },
    });
  });

  it("reach Vault and External Secrets", () => {
    expect(inputsOf("vault")).toMatchObject({ address: "https://vault.example.com", namespace: "team" });
    expect(inputsOf("vault-secret")).toMatchObject({ mount: "kv", name: "team/token" });
    expect(inputsOf("secret-store").spec).toEqual({
      conditions: [{ namespaces: ["cert-manager", "secrets"] }],
      provider: {
        vault: {
          server: "https://vault.internal:8200",
          namespace: "team",
          path: "kv",
          version: "v2",
          caBundle: PEM_BASE64,
          auth: {
            kubernetes: {
              mountPath: "k8s",
              role: "reader",
              serviceAccountRef: { name: "reader", namespace: "eso", audiences: ["vault", "other"] },
            },
          },
        },
      },
    });
    expect(inputsOf("token-secret").spec).toMatchObject({
      data: [{ remoteRef: { key: "kv/data/team/token", property: "cf-api-token" } }],
    });
    expect(inputsOf("external-secrets")).toMatchObject({
      namespace: "eso",
      values: { serviceAccount: { name: "reader" } },
    });
  });

  it("reach Cloudflare and the gateway", () => {
    expect(inputsOf("dns-records-wildcard")).toMatchObject({ name: "*.apps.example.com", ttl: 60 });
    expect(inputsOf("dns-records-base")).toMatchObject({ name: "apps.example.com", ttl: 60 });
    const ends = Date.parse(String(inputsOf("dns-token-1").expiresOn)) - Date.now();
    expect(Math.round(ends / 86_400_000)).toBe(30);
    expect(inputsOf("tls-gateway").spec).toMatchObject({
      servers: [
        { hosts: ["*.apps.example.com", "apps.example.com"] },
        {
          hosts: [
            "default/*.apps.example.com",
            "istio-system/*.apps.example.com",
            "routes/*.apps.example.com",
            "default/apps.example.com",
          ],
          tls: { minProtocolVersion: "TLSV1_3" },
        },
      ],
    });
    expect(JSON.stringify(inputsOf("route-policy").spec)).toContain('request.namespace in [\\"routes\\"]');
    expect(inputsOf("certificate-policy").spec).toMatchObject({
      validations: [{ expression: 'request.namespace in ["cert-manager","certificates"]' }],
    });
    expect(inputsOf("routes-default/web").spec).toMatchObject({
      hosts: ["apps.example.com"],
      http: [
        {
          headers: { response: { set: { "Strict-Transport-Security": "max-age=300" } } },
          route: [{ destination: { host: "site", port: { number: 80 } } }],
        },
      ],
    });
  });

  it("reach the charts", () => {
    const values = [
      "cert-manager",
      "reflector",
      "istio-base",
      "istio-istiod",
      "ingress-gateway",
      "external-secrets",
    ].map(inputsOf);
    expect(values).toMatchObject(
      [1, 2, 3, 4, 5, 6].map((value, at) => ({ values: { [String("abcdef"[at])]: value } })),
    );
  });

  it("reach the cluster's provider, whose kubeconfig is a secret and whose identity is the cluster's", () => {
    expect(inputsOf("kubernetes")).toMatchObject({
      clusterIdentifier: examples["<OKE cluster OCID>"],
      kubeconfig: { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" },
    });
  });
});

describe("settings of Vault", () => {
  const valuesOf = (all: Registration[]) =>
    named(all, "vault-server").inputs.values as { server: Record<string, unknown> };
  const kmsVaultId = "ocid1.vault.oc1.eu-frankfurt-1.aaaatheirs.abcdefgh";
  const kmsKeyId = "ocid1.key.oc1.eu-frankfurt-1.aaaatheirs.abcdefgi";

  it("reach one that is installed: its address, its key, its chart, the second phase", async () => {
    const world = openWorld(worldWithoutVault());
    world.put({ kind: "KmsVault", name: "theirs", spec: { compartmentId: "theirs" } }, kmsVaultId);
    const all = await registrationsOf(
      "lab",
      {
        vault: { install: true, initialized: true, address: "http://127.0.0.1:9200", kmsVaultId, kmsKeyId },
        charts: { vault: { version: "0.31.0", repo: "https://charts.example.com", values: { g: 7 } } },
      },
      {},
      willingCloud(world.state),
    );
    expect(named(all, "vault").inputs).toMatchObject({ address: "http://127.0.0.1:9200" });
    expect(named(all, "vault-server").inputs).toMatchObject({
      version: "0.31.0",
      repositoryOpts: { repo: "https://charts.example.com" },
      values: { g: 7 },
    });
    const { config } = valuesOf(all).server.standalone as { config: string };
    expect(config).toContain(`key_id              = "${kmsKeyId}"`);
    expect(config).toContain('crypto_endpoint     = "https://abcdefgh-crypto.');
    expect(named(all, "vault-secret").inputs).toMatchObject({ mount: "secret" });
  });

  it("reach its size: three replicas in production, one in small", async () => {
    const replicas = async (size: string) => {
      const changes = { size, vault: { install: true } };
      const { server } = valuesOf(await registrationsOf("prod", changes, {}, willingCloud(worldWithoutVault())));
      return [server.standalone, server.ha].map(
        (it) => (it as { replicas?: number } | undefined)?.replicas ?? typeof it,
      );
    };
    expect(await replicas("production")).toEqual(["undefined", 3]);
    expect(await replicas("small")).toEqual(["object", "undefined"]);
  });

  it("reach the access that is managed", async () => {
    const vault = { address: "http://127.0.0.1:8200", access: "managed", role: "reader", authPath: "k8s", mount: "kv" };
    const changes = { vault, externalSecrets: { namespace: "eso", serviceAccount: "it" } };
    const all = await registrationsOf("prod", changes, {}, willingCloud(worldWithBareVault()));
    expect(named(all, "vault-access-role").inputs).toMatchObject({
      backend: "k8s",
      roleName: "reader",
      boundServiceAccountNames: ["it"],
      boundServiceAccountNamespaces: ["eso"],
    });
    expect(named(all, "vault-access-mount").inputs).toMatchObject({ path: "kv" });
  });

  it("reach the login to one elsewhere", async () => {
    const secret = { name: "login", namespace: "default", key: "id" };
    const auth = { method: "appRole", roleId: "role-1", path: "machines", secret };
    const vault = { address: "https://vault.example.org", clusterAddress: "https://vault.internal", auth, mount: "kv" };
    const all = await registrationsOf("prod", { vault }, {}, willingCloud(withMount("kv")));
    expect(named(all, "secret-store").inputs.spec).toEqual({
      conditions: [{ namespaces: ["cert-manager"] }],
      provider: {
        vault: {
          server: "https://vault.internal",
          path: "kv",
          version: "v2",
          auth: { appRole: { path: "machines", roleId: "role-1", secretRef: secret } },
        },
      },
    });
  });

  it("reach the token's ExternalSecret: the serial", async () => {
    const all = await registrationsOf("prod", { cloudflare: { tokenSerial: 5 } });
    expect(named(all, "token-secret").inputs.metadata).toMatchObject({
      annotations: { "oke-platform/token-serial": "5" },
    });
  });
});

describe("a kubeconfig's context", () => {
  it("is used with the file that was named, and a gateway of the type that was asked for", async () => {
    const all = await registrationsOf("prod", {
      cluster: { context: "k3s", kubeconfig: "k3s.yaml" },
      loadBalancer: undefined,
      gateway: { serviceType: "NodePort" },
    });
    expect(named(all, "kubernetes").inputs).toEqual({ context: "k3s", kubeconfig: "k3s.yaml" });
    expect(named(all, "ingress-gateway").inputs.values).toMatchObject({ service: { type: "NodePort" } });
  });
});

describe("options", () => {
  it("are these, wherever they are not the defaults", async () => {
    const all = await registrationsOf("prod");
    const said = all.flatMap(({ name, custom, options: { provider: _, errorHooks: __, ...options } }) => {
      const set = Object.entries(options).filter(
        ([, value]) => value !== undefined && value !== false && String(value) !== "",
      );
      return custom && set.length > 0 ? [[name, Object.fromEntries(set)]] : [];
    });
    const awaited = (seconds: number) => ({ createSeconds: seconds, updateSeconds: seconds });
    expect(Object.fromEntries(said)).toEqual({
      "load-balancer-ip": { retainOnDelete: true, ignoreChanges: ["privateIpId"] },
      "dns-token-1": { ignoreChanges: ["expiresOn"] },
      "dns-records-wildcard": { hooks: ["dns-records-free"] },
      "dns-records-base": { hooks: ["dns-records-free"] },
      "continuity-facts": { hooks: ["continuity-same-cluster", "continuity-nobody-orphaned"] },
      "istio-base": { hooks: ["istio-base-one-minor"] },
      "istio-istiod": { hooks: ["istio-istiod-one-minor"] },
      "ingress-gateway": {
        hooks: [
          "load-balancer-address-free",
          "ingress-gateway-one-minor",
          "load-balancer-edge-fixed",
          "load-balancer-later-tags",
          "load-balancer-first-address-free",
        ],
      },
      issuer: awaited(300),
      "secret-store": awaited(300),
      "token-secret": { ...awaited(120), hooks: ["token-secret-one-serial-on"] },
      // Before a create, and before an update.
      certificate: { ...awaited(1800), hooks: ["certificate-possible", "certificate-possible"] },
    });
  });
});
