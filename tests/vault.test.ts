import { CustomResource } from "@pulumi/kubernetes/apiextensions/customResource.js";
import { Provider } from "@pulumi/kubernetes/provider.js";
import * as pulumi from "@pulumi/pulumi";
import { Mount } from "@pulumi/vault/mount.js";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { explainTakenNames } from "../components/adoption.ts";
import { readerPolicy } from "../components/vault/access.ts";
import { examples } from "../project/placeholders.ts";
import { type Registration, record } from "../project/record.ts";
import { lastName } from "../project/registration.ts";
import { readStack } from "../project/stack.ts";
import { willingCloud } from "../sandbox/schedule/willing-cloud.ts";
import { emptyWorld, worldWithBareVault, worldWithoutVault } from "../sandbox/world/beginnings.ts";
import type { Request, State } from "../sandbox/world/state.ts";
import { openWorld } from "../sandbox/world/systems.ts";
import { type Changes, named, registrationsOf, type Secrets } from "./harness.ts";

// Vault from settings to what the cluster, OCI and Vault itself are asked for, value by value; and what is refused
// after a look into it, before anything is touched.

const COMPARTMENT = examples["<compartment OCID>"];
const THEIRS = {
  kmsVaultId: "ocid1.vault.oc1.eu-frankfurt-1.aaaatheirs.abcdefgh",
  kmsKeyId: "ocid1.key.oc1.eu-frankfurt-1.aaaatheirs.abcdefgi",
};
const waitFor = { "pulumi.com/waitFor": "condition=Ready" };
const awaited = { createSeconds: 300, updateSeconds: 300 };
const requests = (cpu: string, memory: string) => ({ requests: { cpu, memory } });

const isProvider = ({ type }: Registration) => type.startsWith("pulumi:providers:");

/** The providers' resources whose names begin so, with their inputs. */
const objects = (all: Registration[], start: string) =>
  Object.fromEntries(
    all
      .filter((it) => it.custom && !isProvider(it) && it.name.startsWith(start))
      .map(({ name, inputs }) => [name, inputs]),
  );

/** Options that are not the defaults, of each of these resources. */
const options = (all: Registration[], start: string) =>
  Object.fromEntries(
    all
      .filter((it) => it.custom && it.name.startsWith(start))
      .map(({ name, options: { provider: _, ...set } }) => [
        name,
        Object.fromEntries(
          Object.entries(set).filter(([, value]) => value !== undefined && String(value || "") !== ""),
        ),
      ]),
  );

const component = (all: Registration[], name: string) => {
  const found = all.find((it) => it.name === name && !it.custom);
  if (found === undefined) throw new Error(`no component is named ${name}`);
  return found;
};
const waitsFor = (all: Registration[], name: string) => component(all, name).dependsOn.map(lastName);

const withWorld = (stack: string, vault: Changes, state: State, more: Changes = {}) =>
  registrationsOf(stack, { vault, ...more }, {}, willingCloud(state));

/** A world with these in it, as somebody else has put them there. */
function worldWith(state: State, ...requests: Request[]): State {
  const world = openWorld(state);
  for (const request of requests) world.put(request);
  return world.state;
}

const release = (values: object) => ({
  chart: "vault",
  compat: "true",
  createNamespace: true,
  name: "vault",
  namespace: "vault",
  repositoryOpts: { repo: "https://helm.releases.hashicorp.com" },
  timeout: 1200,
  version: "0.34.1",
  values,
});

const issuer = (name: string, spec: object) => ({
  apiVersion: "cert-manager.io/v1",
  kind: "ClusterIssuer",
  metadata: { name, annotations: waitFor },
  spec,
});
const certificate = (name: string, namespace: string, spec: object) => ({
  apiVersion: "cert-manager.io/v1",
  kind: "Certificate",
  metadata: { name, namespace, annotations: waitFor },
  spec: { secretName: name, duration: "87600h0m0s", ...spec },
});

/** What Vault is asked for where access is managed. */
const access = {
  "vault-access-mount": { path: "secret", type: "kv", options: { version: "2" } },
  "vault-access-backend": { type: "kubernetes", path: "kubernetes" },
  "vault-access-backend-config": { backend: "kubernetes", kubernetesHost: "https://kubernetes.default.svc" },
  "vault-access-policy": {
    name: "external-secrets",
    policy: 'path "secret/data/prod/cert-manager" { capabilities = ["read"] }\n',
  },
  "vault-access-role": {
    backend: "kubernetes",
    roleName: "external-secrets",
    boundServiceAccountNames: ["external-secrets"],
    boundServiceAccountNamespaces: ["external-secrets"],
    tokenPolicies: ["external-secrets"],
    tokenTtl: 600,
  },
};
const audit = {
  "vault-access-audit": { type: "file", path: "file", options: { file_path: "/vault/audit/audit.log" } },
};
const mountOptions = {
  retainOnDelete: true,
  ignoreChanges: [
    ...["type", "options", "allowedManagedKeys", "allowedResponseHeaders", "auditNonHmacRequestKeys"],
    ...["auditNonHmacResponseKeys", "defaultLeaseTtlSeconds", "delegatedAuthAccessors", "description"],
    ...["externalEntropyAccess", "identityTokenKey", "listingVisibility", "local", "maxLeaseTtlSeconds"],
    ...["passthroughRequestHeaders", "pluginVersion", "sealWrap"],
  ],
};
const backendOptions = { retainOnDelete: true, ignoreChanges: ["description", "local", "tune"] };
const configOptions = {
  retainOnDelete: true,
  ignoreChanges: [
    ...["disableIssValidation", "disableLocalCaJwt", "issuer", "kubernetesCaCert", "kubernetesHost", "pemKeys"],
    ...["tokenReviewerJwt", "useAnnotationsAsAliasMetadata"],
  ],
};
/** Options of what access is made of, where nothing is taken over. */
const accessOptions = {
  "vault-access-mount": mountOptions,
  "vault-access-backend": backendOptions,
  "vault-access-backend-config": configOptions,
  "vault-access-policy": {},
  "vault-access-role": {},
};

const store = (provider: object) => ({
  apiVersion: "external-secrets.io/v1",
  kind: "ClusterSecretStore",
  metadata: { name: "vault-backend", annotations: waitFor },
  spec: { provider: { vault: { path: "secret", version: "v2", ...provider } } },
});
const asAccount = {
  kubernetes: {
    mountPath: "kubernetes",
    role: "external-secrets",
    serviceAccountRef: { name: "external-secrets", namespace: "external-secrets" },
  },
};

const sealBlock = (keyId: string, endpoint: string) => `
seal "ocikms" {
  key_id              = "${keyId}"
  crypto_endpoint     = "https://${endpoint}-crypto.kms.eu-frankfurt-1.oraclecloud.com"
  management_endpoint = "https://${endpoint}-management.kms.eu-frankfurt-1.oraclecloud.com"
  # The identity of the node that the pod runs on.
  auth_type_api_key   = "false"
}
`;
const small = (seal = "") => `ui = true

listener "tcp" {
  address         = "[::]:8200"
  cluster_address = "[::]:8201"
  tls_disable = true
}

storage "raft" {
  path = "/vault/data"
}
${seal}`;
const production = (seal: string) => `ui = true

listener "tcp" {
  address         = "[::]:8200"
  cluster_address = "[::]:8201"
  tls_cert_file = "/vault/userconfig/tls/tls.crt"
  tls_key_file = "/vault/userconfig/tls/tls.key"
}

storage "raft" {
  path = "/vault/data"
  retry_join {
    leader_api_addr     = "https://vault-0.vault-internal:8200"
    leader_ca_cert_file = "/vault/userconfig/tls/ca.crt"
  }
  retry_join {
    leader_api_addr     = "https://vault-1.vault-internal:8200"
    leader_ca_cert_file = "/vault/userconfig/tls/ca.crt"
  }
  retry_join {
    leader_api_addr     = "https://vault-2.vault-internal:8200"
    leader_ca_cert_file = "/vault/userconfig/tls/ca.crt"
  }
}

service_registration "kubernetes" {}
${seal}`;

const smallValues = (config: string) => ({
  global: { tlsDisable: true },
  injector: { enabled: false },
  server: {
    auditStorage: { enabled: true, mountPath: "/vault/audit" },
    standalone: { enabled: true, config },
    resources: requests("100m", "256Mi"),
  },
});

/** A seal's key and the last eight characters of its vault's OCID, which its endpoints begin with. */
const sealOf = (all: Registration[]) => {
  const config = JSON.stringify(named(all, "vault-server").inputs);
  const [, keyId = ""] = /key_id +=\s*\\"(ocid1\.key\.[^"\\]*)/.exec(config) ?? [];
  const endpoint = String(named(all, "vault-seal-key").inputs.managementEndpoint).slice("https://".length).slice(0, 8);
  return { keyId, endpoint };
};

describe("Vault installed for small", () => {
  let all: Registration[];
  beforeAll(async () => {
    all = await withWorld("lab", { install: true, initialized: true }, worldWithoutVault());
  });

  it("is one replica that speaks HTTP, unsealed by hand", () => {
    expect(objects(all, "vault-")).toEqual({
      "vault-server": release(smallValues(small())),
      ...access,
      ...audit,
      "vault-secret": expect.objectContaining({ mount: "secret", name: "prod/cert-manager" }),
    });
    expect(named(all, "vault").inputs).toMatchObject({ address: "http://127.0.0.1:8200" });
  });

  it("is reached by External Secrets at its Service", () => {
    expect(named(all, "secret-store").inputs).toEqual(store({ server: "http://vault.vault:8200", auth: asAccount }));
  });

  it("has its access made in it, of which the mount and the backend outlive a destroy", () => {
    expect(options(all, "vault-access")).toEqual({ ...accessOptions, "vault-access-audit": {} });
    expect(options(all, "vault-server")).toEqual({ "vault-server": {} });
  });

  it("is waited for by what needs it", () => {
    expect(waitsFor(all, "vault-server")).toEqual([]);
    expect(waitsFor(all, "vault-access")).toEqual(["vault-server"]);
    expect(waitsFor(all, "vault-secret")).toEqual(["vault-access"]);
    expect(waitsFor(all, "secret-store")).toEqual(["external-secrets", "vault-access"]);
    expect(waitsFor(all, "routes")).toEqual(["istio", "vault-server"]);
  });

  it("takes the operator's chart, and values merged over the program's", async () => {
    const vault = { version: "0.31.0", repo: "oci://mirror/charts", values: { server: { resources: null }, ui: 1 } };
    const changed = await withWorld("lab", { install: true }, worldWithoutVault(), { charts: { vault } });
    const { values, ...rest } = named(changed, "vault-server").inputs;
    expect(rest).toMatchObject({ chart: "oci://mirror/charts/vault", version: "0.31.0", name: "vault" });
    const { server, ...others } = smallValues(small());
    expect(values).toEqual({ ...others, server: { ...server, resources: null }, ui: 1 });
  });

  it("unseals itself with a key that is there, which is asked for its addresses", async () => {
    const world = openWorld(worldWithoutVault());
    world.put({ kind: "KmsVault", name: "theirs", spec: { compartmentId: "theirs" } }, THEIRS.kmsVaultId);
    const [sealed, seen] = await withOutputs("lab", { vault: { install: true, ...THEIRS } }, world.state);
    expect(objects(sealed, "vault-s")).toEqual({
      "vault-server": release(smallValues(small(sealBlock(THEIRS.kmsKeyId, "abcdefgh")))),
    });
    expect(seen.vaultIamPolicy).toBe(
      `Allow dynamic-group <dynamic group> to use keys in compartment id theirs where target.key.id = '${THEIRS.kmsKeyId}'`,
    );
  });

  it("unseals itself with a new key in a KMS vault that is there", async () => {
    const world = openWorld(worldWithoutVault());
    world.put({ kind: "KmsVault", name: "theirs", spec: { compartmentId: "theirs" } }, THEIRS.kmsVaultId);
    const changed = await withWorld("lab", { install: true, kmsVaultId: THEIRS.kmsVaultId }, world.state);
    expect(objects(changed, "vault-seal")).toEqual({
      "vault-seal-key": expect.objectContaining({
        managementEndpoint: "https://abcdefgh-management.kms.eu-frankfurt-1.oraclecloud.com",
        displayName: "oke-platform-lab",
      }),
    });
    expect(named(changed, "vault-server").inputs).toEqual(
      release(smallValues(small(sealBlock(sealOf(changed).keyId, "abcdefgh")))),
    );
  });
});

describe("Vault installed for production", () => {
  let all: Registration[];
  beforeAll(async () => {
    all = await withWorld("prod", { install: true, initialized: true }, worldWithoutVault());
  });

  it("is three replicas that speak TLS and unseal themselves", () => {
    const { keyId, endpoint } = sealOf(all);
    expect(keyId).toMatch(/^ocid1\.key\.oc1\.eu-frankfurt-1\.aaaa[0-9a-f]{32}$/);
    expect(named(all, "vault-server").inputs).toEqual(
      release({
        global: { tlsDisable: false },
        injector: { enabled: false },
        server: {
          auditStorage: { enabled: true, mountPath: "/vault/audit" },
          volumes: [{ name: "tls", secret: { secretName: "vault-tls" } }],
          volumeMounts: [{ name: "tls", mountPath: "/vault/userconfig/tls", readOnly: true }],
          extraEnvironmentVars: { VAULT_CACERT: "/vault/userconfig/tls/ca.crt" },
          ha: {
            enabled: true,
            replicas: 3,
            raft: { enabled: true, setNodeId: true, config: production(sealBlock(keyId, endpoint)) },
            disruptionBudget: { enabled: true, maxUnavailable: 1 },
          },
          resources: requests("250m", "512Mi"),
          topologySpreadConstraints: [
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
            "oci.oraclecloud.com/fault-domain",
          ].map((topologyKey) => ({
            maxSkew: 1,
            topologyKey,
            whenUnsatisfiable: "ScheduleAnyway",
            labelSelector: {
              matchLabels: {
                "app.kubernetes.io/name": "vault",
                "app.kubernetes.io/instance": "vault",
                component: "server",
              },
            },
          })),
        },
      }),
    );
    expect(named(all, "vault").inputs).toMatchObject({ address: "https://127.0.0.1:8200" });
  });

  it("has a KMS vault and a key of its own, which outlive a destroy", () => {
    expect(objects(all, "vault-seal")).toEqual({
      "vault-seal-kms": { compartmentId: COMPARTMENT, displayName: "oke-platform-prod", vaultType: "DEFAULT" },
      "vault-seal-key": {
        compartmentId: COMPARTMENT,
        displayName: "oke-platform-prod",
        managementEndpoint: `https://${sealOf(all).endpoint}-management.kms.eu-frankfurt-1.oraclecloud.com`,
        keyShape: { algorithm: "AES", length: 32 },
        protectionMode: "SOFTWARE",
      },
    });
    expect(options(all, "vault-seal")).toEqual({
      "vault-seal-kms": { retainOnDelete: true },
      "vault-seal-key": { retainOnDelete: true },
    });
    expect(named(all, "vault-server").dataDependsOn.map(lastName)).toEqual(["vault-seal-key", "vault-seal-kms"]);
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

  it("is reached by External Secrets over TLS, with the CA that the cluster holds", () => {
    expect(named(all, "secret-store").inputs).toEqual(
      store({
        server: "https://vault.vault:8200",
        caProvider: { type: "Secret", name: "vault-tls", namespace: "vault", key: "ca.crt" },
        auth: asAccount,
      }),
    );
  });

  it("has the same access as a small one", () => {
    expect(objects(all, "vault-access")).toEqual({ ...access, ...audit });
  });

  it("makes no key in OCI where it is given one", async () => {
    const world = openWorld(worldWithoutVault());
    world.put({ kind: "KmsVault", name: "theirs", spec: { compartmentId: "theirs" } }, THEIRS.kmsVaultId);
    const changed = await withWorld("prod", { install: true, ...THEIRS }, world.state);
    expect(objects(changed, "vault-seal")).toEqual({});
    expect(named(changed, "vault-server").inputs.values).toMatchObject({
      server: { ha: { raft: { config: production(sealBlock(THEIRS.kmsKeyId, "abcdefgh")) } } },
    });
  });
});

describe("the first phase of an installed Vault", () => {
  const laterOnly = [
    "certificate",
    "dns-token",
    "dns-token-1",
    "issuer",
    "secret-store",
    "tls-gateway",
    "token-secret",
    "vault",
    "vault-access",
    "vault-access-audit",
    "vault-access-backend",
    "vault-access-backend-config",
    "vault-access-mount",
    "vault-access-policy",
    "vault-access-role",
    "vault-secret",
  ];

  it.each(["prod", "lab"])(
    "of %s registers all but what needs Vault's content, each object as in the second",
    async (stack) => {
      const [first, second] = [
        await withWorld(stack, { install: true }, worldWithoutVault()),
        await withWorld(stack, { install: true, initialized: true }, worldWithoutVault()),
      ];
      const urns = new Set(first.map(({ urn }) => urn));
      const later = second.filter(({ urn }) => !urns.has(urn));
      expect([...new Set(later.map(({ name }) => name))].sort()).toEqual(laterOnly);
      const rest = second.filter(({ urn }) => urns.has(urn));
      const byUrn = (all: Registration[]) => Object.fromEntries(all.map((it) => [it.urn, it]));
      expect(byUrn(first)).toEqual(byUrn(rest));
    },
  );

  it("asks nothing of Vault, which is not there yet", async () => {
    const asked: string[] = [];
    const willing = willingCloud(worldWithoutVault());
    await registrationsOf(
      "prod",
      { vault: { install: true } },
      {},
      {
        ...willing,
        call: async (args) => {
          asked.push(args.token);
          return willing.call(args);
        },
      },
    );
    expect(asked.filter((token) => token.startsWith("vault:"))).toEqual([]);
    expect(asked).not.toEqual([]);
  });
});

describe("access that is managed", () => {
  const managed = { address: "http://127.0.0.1:8200", access: "managed" };

  it("is all made in a Vault that holds nothing, with no audit log", async () => {
    const all = await withWorld("prod", managed, worldWithBareVault());
    expect(objects(all, "vault-access")).toEqual(access);
    expect(options(all, "vault-access")).toEqual(accessOptions);
    expect(waitsFor(all, "vault-access")).toEqual([]);
    expect(waitsFor(all, "vault-secret")).toEqual(["vault-access"]);
    expect(waitsFor(all, "secret-store")).toEqual(["external-secrets", "vault-access"]);
    expect(named(all, "vault-access-role").dataDependsOn.map(lastName)).toEqual([
      "vault-access-backend",
      "vault-access-policy",
    ]);
    expect(named(all, "vault-access-backend-config").dataDependsOn.map(lastName)).toEqual(["vault-access-backend"]);
  });

  const mount: Request = { kind: "Mount", name: "secret", spec: { type: "kv", version: "2" } };
  const backend: Request = { kind: "AuthBackend", name: "kubernetes", spec: { type: "kubernetes" } };
  const config: Request = { kind: "AuthBackendConfig", name: "kubernetes", spec: { host: "https://10.0.0.1" } };
  const imports = {
    mount: { "vault-access-mount": { ...mountOptions, importId: "secret" } },
    backend: { "vault-access-backend": { ...backendOptions, importId: "kubernetes" } },
    config: { "vault-access-backend-config": { ...configOptions, importId: "auth/kubernetes/config" } },
  };

  it.each<[string, Request[], object]>([
    ["the mount", [mount], imports.mount],
    ["a mount of the older kind's name", [{ ...mount, spec: { type: "kv-v2" } }], imports.mount],
    ["the auth backend that nobody has set up", [backend], imports.backend],
    ["the auth backend with its settings", [backend, config], { ...imports.backend, ...imports.config }],
    ["all of it", [mount, backend, config], { ...imports.mount, ...imports.backend, ...imports.config }],
    [
      "nothing of other paths",
      [
        { ...mount, name: "kv" },
        { ...backend, name: "k8s" },
        { ...config, name: "k8s" },
      ],
      {},
    ],
  ])("takes over %s", async (_what, there, taken) => {
    const all = await withWorld("prod", managed, worldWith(worldWithBareVault(), ...there));
    expect(options(all, "vault-access")).toEqual({ ...accessOptions, ...taken });
    expect(objects(all, "vault-access")).toEqual(access);
  });

  it("is made at the places that the settings name, for the service account that they name", async () => {
    const places = { mount: "team/kv", path: "a/b", role: "reader", authPath: "k8s/eu" };
    const all = await withWorld("prod", { ...managed, ...places }, worldWithBareVault(), {
      externalSecrets: { namespace: "eso", serviceAccount: "eso-reader" },
    });
    expect(objects(all, "vault-access")).toEqual({
      "vault-access-mount": { path: "team/kv", type: "kv", options: { version: "2" } },
      "vault-access-backend": { type: "kubernetes", path: "k8s/eu" },
      "vault-access-backend-config": { backend: "k8s/eu", kubernetesHost: "https://kubernetes.default.svc" },
      "vault-access-policy": {
        name: "reader",
        policy: 'path "team/kv/data/a/b" { capabilities = ["read"] }\n',
      },
      "vault-access-role": {
        backend: "k8s/eu",
        roleName: "reader",
        boundServiceAccountNames: ["eso-reader"],
        boundServiceAccountNamespaces: ["eso"],
        tokenPolicies: ["reader"],
        tokenTtl: 600,
      },
    });
    expect(named(all, "secret-store").inputs.spec).toMatchObject({
      provider: {
        vault: {
          path: "team/kv",
          auth: {
            kubernetes: {
              mountPath: "k8s/eu",
              role: "reader",
              serviceAccountRef: { name: "eso-reader", namespace: "eso" },
            },
          },
        },
      },
    });
  });

  it("is not made where it exists", async () => {
    const all = await withWorld("prod", { ...managed, access: "existing" }, emptyWorld());
    expect(all.filter(({ name }) => name.startsWith("vault-access"))).toEqual([]);
    expect(waitsFor(all, "vault-secret")).toEqual([]);
    expect(waitsFor(all, "secret-store")).toEqual(["external-secrets"]);
  });

  it("reads just the one path", () => {
    expect(readerPolicy("kv", "a/b")).toBe('path "kv/data/a/b" { capabilities = ["read"] }\n');
  });
});

describe("Vault elsewhere", () => {
  const pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  const elsewhere = { address: "https://vault.example.org", clusterAddress: "https://vault.internal", caBundle: pem };
  const secret = { name: "vault-login", namespace: "default", key: "value" };
  const reached = { server: "https://vault.internal", caBundle: Buffer.from(pem).toString("base64") };

  it.each<[string, object, object]>([
    ["a token", { method: "token", secret }, { tokenSecretRef: secret }],
    [
      "an AppRole, at its usual path",
      { method: "appRole", roleId: "role-1", secret },
      { appRole: { path: "approle", roleId: "role-1", secretRef: secret } },
    ],
    [
      "an AppRole at another path",
      { method: "appRole", roleId: "role-1", path: "auth/eu", secret },
      { appRole: { path: "auth/eu", roleId: "role-1", secretRef: secret } },
    ],
    ["a service account", { method: "kubernetes" }, asAccount],
  ])("is logged in to with %s", async (_what, auth, expected) => {
    const all = await withWorld("prod", { ...elsewhere, auth }, emptyWorld());
    expect(named(all, "secret-store").inputs).toEqual(store({ ...reached, auth: expected }));
    expect(options(all, "secret-store")).toEqual({ "secret-store": awaited });
    expect(named(all, "vault").inputs).toMatchObject({ address: "https://vault.example.org" });
    expect(all.filter(({ name }) => /^vault-(access|server|seal|tls)/.test(name))).toEqual([]);
  });
});

describe("a look into Vault refuses", () => {
  const there = { address: "http://127.0.0.1:8200" };
  const LISTING = "sys/internal/ui/mounts";
  const unusable = (reason: string) =>
    `Vault at http://127.0.0.1:8200 cannot be used: ${reason}. It must be reachable from here, initialised and ` +
    "unsealed, and VAULT_TOKEN must be valid; for a Vault inside the cluster: npm run vault -- run --stack <stack> -- pulumi up";

  /** A cloud whose Vault answers this for a path; what else it is asked for, it gives. */
  function cloudWith(answer: (path: string) => unknown) {
    const registered: string[] = [];
    const willing = willingCloud(emptyWorld());
    const cloud: pulumi.runtime.Mocks = {
      newResource: async (args) => {
        registered.push(`${args.type} ${args.name}`);
        return willing.newResource(args);
      },
      call: async (args) => {
        if (args.token !== "vault:generic/getSecret:getSecret") return willing.call(args);
        try {
          return { dataJson: JSON.stringify(answer(args.inputs.path)) };
        } catch (error) {
          // The SDK reads the reason where gRPC puts it.
          throw Object.assign(error as Error, { details: (error as Error).message });
        }
      },
    };
    return { registered, cloud };
  }
  const fails = (message: string) => () => {
    throw new Error(message);
  };
  /** Vault's own list of what is mounted. */
  const mounts = (secret: object, auth: object = {}) => ({ secret, auth });
  const kv2 = { "secret/": { type: "kv", options: { version: "2" } } };
  const managed = { ...there, access: "managed" };

  it.each<[what: string, vault: Changes, answer: (path: string) => unknown, message: string]>([
    [
      "one that is out of reach",
      there,
      fails("dial tcp 127.0.0.1:8200: connect: connection refused"),
      unusable("dial tcp 127.0.0.1:8200: connect: connection refused"),
    ],
    [
      "one that is sealed, in the provider's own words and with one full stop",
      there,
      fails("Invoking vault:generic/getSecret:getSecret returned an error: Vault is sealed.\n"),
      unusable("Vault is sealed"),
    ],
    ["one that is sealed, though it would be set up", managed, fails("Vault is sealed"), unusable("Vault is sealed")],
    [
      "one that is installed and initialised, and sealed",
      { install: true, initialized: true },
      fails("Vault is sealed"),
      unusable("Vault is sealed").replace("http:", "https:"),
    ],
    [
      "a KV engine of version 1",
      there,
      () => mounts({ "secret/": { type: "kv", options: { version: "1" } } }),
      'vault.mount is "secret", which is a kv engine of version 1 at http://127.0.0.1:8200; allowed: the mount of a KV version 2 engine',
    ],
    [
      "a KV engine that names no version",
      managed,
      () => mounts({ "secret/": { type: "kv", options: null } }),
      'vault.mount is "secret", which is a kv engine of version 1 at http://127.0.0.1:8200; allowed: the mount of a KV version 2 engine',
    ],
    [
      "another engine",
      managed,
      () => mounts({ "secret/": { type: "pki", options: { version: "2" } } }),
      'vault.mount is "secret", which is a pki engine at http://127.0.0.1:8200; allowed: the mount of a KV version 2 engine',
    ],
    [
      "no engine where access is said to exist",
      { ...there, mount: "team/kv" },
      () => mounts({ ...kv2, "team/": kv2["secret/"] }),
      'vault.mount is "team/kv", which VAULT_TOKEN does not see at http://127.0.0.1:8200; mount a KV version 2 engine there and let the token write the path, or set vault.access to "managed"',
    ],
    [
      "a Vault that tells of no engines",
      there,
      () => ({}),
      'vault.mount is "secret", which VAULT_TOKEN does not see at http://127.0.0.1:8200; mount a KV version 2 engine there and let the token write the path, or set vault.access to "managed"',
    ],
    [
      "an auth backend of another type",
      { ...managed, authPath: "k8s/eu" },
      () => mounts(kv2, { "k8s/eu/": { type: "oidc" } }),
      'vault.authPath is "k8s/eu", which is an auth backend of type oidc at http://127.0.0.1:8200; allowed: the path of a kubernetes backend, or one that is free',
    ],
    [
      "a backend whose settings it may not see",
      managed,
      (path) =>
        path === LISTING ? mounts(kv2, { "kubernetes/": { type: "kubernetes" } }) : fails("permission denied")(),
      "permission denied",
    ],
  ])("%s, before anything is touched", async (_what, vault, answer, message) => {
    const { registered, cloud } = cloudWith(answer);
    const failure = await registrationsOf("prod", { vault }, {}, cloud).then(
      () => undefined,
      (error: Error) => error,
    );
    expect(failure?.message).toBe(message);
    expect(registered.filter((it) => !it.startsWith("pulumi:pulumi:Stack "))).toEqual(["pulumi:providers:vault vault"]);
  });

  it.each<[what: string, vault: Changes, answer: (path: string) => unknown]>([
    [
      "an auth backend of another type where access exists",
      there,
      () => mounts(kv2, { "kubernetes/": { type: "oidc" } }),
    ],
    ["a KV engine by its other name", there, () => mounts({ "secret/": { type: "kv-v2", options: null } })],
    ["an engine of another path", managed, () => mounts({ "secrets/": { type: "pki" } })],
    [
      "a backend without settings",
      managed,
      (path) =>
        path === LISTING
          ? mounts(kv2, { "kubernetes/": { type: "kubernetes" } })
          : fails(`No secret found at "${path}"`)(),
    ],
  ])("not %s", async (_what, vault, answer) => {
    const { cloud } = cloudWith(answer);
    const all = await registrationsOf("prod", { vault }, {}, cloud);
    expect(named(all, "secret-store").inputs.kind).toBe("ClusterSecretStore");
  });

  it("asks for a backend's settings only where there is one to take over", async () => {
    const asked: string[] = [];
    const note = (auth: object) => (path: string) => {
      asked.push(path);
      return mounts(kv2, auth);
    };
    await registrationsOf("prod", { vault: managed }, {}, cloudWith(note({})).cloud);
    await registrationsOf(
      "prod",
      { vault: there },
      {},
      cloudWith(note({ "kubernetes/": { type: "kubernetes" } })).cloud,
    );
    expect(asked).toEqual([LISTING, LISTING]);
    const answer = note({ "kubernetes/": { type: "kubernetes" } });
    await registrationsOf("prod", { vault: managed }, {}, cloudWith(answer).cloud);
    expect(asked.slice(2)).toEqual([LISTING, "auth/kubernetes/config"]);
  });
});

/** Runs the program, and gives what it registered and what it puts out. */
async function withOutputs(
  stack: string,
  changes: Changes,
  state: State,
  secrets: Secrets = {},
): Promise<[Registration[], Record<string, unknown>]> {
  const all = await registrationsOf(stack, changes, secrets, willingCloud(state));
  // The module that was run: nothing is registered anew.
  const outputs = await import("../index.ts");
  const known = await new Promise<Record<string, unknown>>((resolve) => {
    pulumi.output({ ...outputs }).apply((values) => resolve(values));
  });
  return [all, known];
}

describe("the outputs", () => {
  const always = [
    "namespace cert-manager: the certificate with its key, and the ACME account key",
    "custom resource definitions of cert-manager and Istio",
  ];
  const ip = expect.stringMatching(
    /^reserved IP ocid1\.publicip\.[^;]*; set loadBalancer\.reservedIp to it before the next up$/,
  );
  const volumes =
    "namespace vault: the volumes with all that Vault holds; set vault.initialized to false before the next up";
  const inVault = "Vault's mount secret and its auth backend kubernetes";
  const key = expect.stringMatching(
    /^the key that unseals Vault; set vault\.kmsVaultId to ocid1\.vault\.oc1\S+ and vault\.kmsKeyId to ocid1\.key\.oc1\S+ before the next up$/,
  );
  const policy = expect.stringMatching(
    new RegExp(
      `^Allow dynamic-group <dynamic group> to use keys in compartment id ${COMPARTMENT} where target\\.key\\.id = 'ocid1\\.key\\.oc1\\.\\S+'$`,
    ),
  );
  const first = { phase: "bootstrap", tokenSerial: null, kvVersion: null };
  const last = { phase: "complete", tokenSerial: 1, kvVersion: "1" };

  it.each<
    [what: string, stack: string, vault: Changes | undefined, worldOf: () => State, more: Changes, expected: object]
  >([
    [
      "of a Vault that is there",
      "prod",
      { address: "http://127.0.0.1:8200" },
      emptyWorld,
      {},
      { ...last, vaultIamPolicy: null, keptOnDestroy: [...always, ip] },
    ],
    [
      "of managed access",
      "prod",
      { address: "http://127.0.0.1:8200", access: "managed", mount: "kv", authPath: "k8s" },
      worldWithBareVault,
      {},
      { ...last, vaultIamPolicy: null, keptOnDestroy: [...always, ip, "Vault's mount kv and its auth backend k8s"] },
    ],
    [
      "of an installed Vault's first phase",
      "prod",
      { install: true },
      worldWithoutVault,
      {},
      { ...first, vaultIamPolicy: policy, keptOnDestroy: [...always, ip, volumes, key] },
    ],
    [
      "of its second",
      "prod",
      { install: true, initialized: true },
      worldWithoutVault,
      {},
      { ...last, vaultIamPolicy: policy, keptOnDestroy: [...always, ip, volumes, key, inVault] },
    ],
    [
      "of the first phase of one that is unsealed by hand",
      "lab",
      { install: true },
      worldWithoutVault,
      {},
      { ...first, vaultIamPolicy: null, keptOnDestroy: [...always, ip, volumes] },
    ],
    [
      "of a rotated token",
      "prod",
      { address: "http://127.0.0.1:8200" },
      emptyWorld,
      { cloudflare: { tokenSerial: 7 } },
      { ...last, tokenSerial: 7, vaultIamPolicy: null, keptOnDestroy: [...always, ip] },
    ],
    [
      "without a token",
      "prod",
      undefined,
      emptyWorld,
      { cloudflare: { token: "none" }, acme: { server: "ca" } },
      {
        phase: "complete",
        tokenSerial: null,
        kvVersion: null,
        vaultIamPolicy: null,
        keptOnDestroy: ["namespace cert-manager: the certificate with its key, and the CA with its key", always[1], ip],
      },
    ],
  ])("%s say so", async (_what, stack, vault, worldOf, more, expected) => {
    const [, { phase, tokenSerial, kvVersion, vaultIamPolicy, keptOnDestroy }] = await withOutputs(
      stack,
      { vault, ...more },
      worldOf(),
    );
    expect({ phase, tokenSerial, kvVersion, vaultIamPolicy, keptOnDestroy }).toEqual(expected);
  });

  it("of a supplied token name no serial, but the write", async () => {
    const [, { tokenSerial, kvVersion }] = await withOutputs(
      "prod",
      { cloudflare: { token: "supplied", tokenSerial: 4 } },
      emptyWorld(),
      { cloudflareApiToken: "the-supplied-token" },
    );
    expect({ tokenSerial, kvVersion }).toEqual({ tokenSerial: null, kvVersion: "1" });
  });
});

describe("the token's ExternalSecret", () => {
  const annotationsOf = (all: Registration[]) =>
    (named(all, "token-secret").inputs.metadata as { annotations: unknown }).annotations;

  it("says which write and which serial it is for, in clear", async () => {
    const all = await registrationsOf("prod", { cloudflare: { tokenSerial: 3 } });
    expect(annotationsOf(all)).toEqual({
      ...waitFor,
      "oke-platform/kv-version": "1",
      "oke-platform/token-serial": "3",
    });
    expect(named(all, "token-secret").dataDependsOn.map(lastName)).toEqual(["dns-token-3", "vault-secret"]);
  });

  it("says which write it is for where the token is supplied, and waits for that write", async () => {
    const all = await registrationsOf(
      "prod",
      { cloudflare: { token: "supplied" } },
      { cloudflareApiToken: "the-supplied-token" },
    );
    expect(annotationsOf(all)).toEqual({ ...waitFor, "oke-platform/kv-version": "1" });
    expect(named(all, "token-secret").dataDependsOn.map(lastName)).toEqual(["vault-secret"]);
  });

  it("says the version that Vault gave the write", async () => {
    const willing = willingCloud();
    const all = await registrationsOf(
      "prod",
      {},
      {},
      {
        ...willing,
        newResource: async (args) => {
          const made = await willing.newResource(args);
          return args.type === "vault:kv/secretV2:SecretV2"
            ? { ...made, state: { ...made.state, metadata: { version: "42" } } }
            : made;
        },
      },
    );
    expect(annotationsOf(all)).toMatchObject({ "oke-platform/kv-version": "42" });
  });
});

describe("a serial of the token", () => {
  /** The check that the engine runs before it updates the ExternalSecret, also in a preview. */
  let check: (before?: string, after?: string) => void;
  let inPreviews: boolean | undefined;

  beforeAll(async () => {
    let hook: pulumi.ResourceHook | undefined;
    const { values, secrets } = await readStack("prod");
    vi.resetModules();
    await record(
      () => {
        void pulumi.runtime.registerStackTransformation(({ type, opts }) => {
          if (type.endsWith(":ExternalSecret")) hook = opts.hooks?.beforeUpdate?.[0] as pulumi.ResourceHook;
          return undefined;
        });
        return import("../index.ts");
      },
      "prod",
      { values, secrets },
      willingCloud(),
    );
    const inputsOf = (serial: string | undefined) => ({
      metadata: {
        annotations: { "oke-platform/kv-version": "1", ...(serial && { "oke-platform/token-serial": serial }) },
      },
    });
    inPreviews = hook?.opts?.onDryRun;
    check = (before, after) =>
      void hook?.callback({
        urn: "",
        id: "",
        name: "token-secret",
        type: "",
        oldInputs: inputsOf(before),
        newInputs: inputsOf(after),
      });
  });

  it.each([
    ["stays", "3", "3"],
    ["goes up by one", "3", "4"],
    ["goes up by one past nine", "9", "10"],
    ["begins, after a token that was supplied", undefined, "7"],
    ["ends, with a token that is supplied", "7", undefined],
    ["never was", undefined, undefined],
  ])("that %s is let through", (_what, before, after) => {
    expect(() => check(before, after)).not.toThrow();
  });

  it.each([
    ["skips one", "3", "5"],
    ["goes back", "3", "2"],
    ["goes back to the start", "10", "1"],
  ])("that %s is refused, with the ones that are allowed", (_what, before, after) => {
    expect(() => check(before, after)).toThrow(
      new Error(
        `cloudflare.tokenSerial goes from ${before} to ${after}; allowed: ${before}, or ${Number(before) + 1} for a new token. The token in use stays valid for one serial more, so that one that is skipped could leave the cluster with a deleted one`,
      ),
    );
  });

  it("is looked at in previews too", () => {
    expect(inPreviews).toBe(true);
  });
});

describe("a name that is taken", () => {
  const TAKEN = 'gateways.networking.istio.io "edge" already exists';
  type Failure = Partial<pulumi.ErrorHookArgs>;
  /** The hooks of what is registered, by name. */
  const hooks = new Map<string, pulumi.ErrorHook[]>();

  beforeAll(async () => {
    await record(
      async () => {
        explainTakenNames();
        void pulumi.runtime.registerStackTransformation(({ name, opts }) => {
          hooks.set(name, (opts.hooks?.onError ?? []) as pulumi.ErrorHook[]);
          return undefined;
        });
        const provider = new Provider("kubernetes", {});
        const parent = new pulumi.ComponentResource("oke-platform:platform:Edge", "edge");
        const metadata = { name: "edge", namespace: "istio-system" };
        new CustomResource(
          "edge",
          { apiVersion: "networking.istio.io/v1", kind: "Gateway", metadata },
          { parent, provider },
        );
        new Mount("kv", { path: "team/kv", type: "kv" });
        return {};
      },
      "prod",
      { values: {}, secrets: [] },
      { newResource: async ({ name, inputs }) => ({ id: name, state: inputs }), call: async () => ({}) },
    );
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  const gateway = {
    type: "kubernetes:networking.istio.io/v1:Gateway",
    name: "edge",
    newInputs: { metadata: { name: "edge", namespace: "istio-system" } },
  };

  /** What is said of a failure, and whether the operation is tried again. */
  async function said(failure: Failure): Promise<{ told: unknown[]; again: unknown }> {
    const error = vi.spyOn(pulumi.log, "error").mockResolvedValue(undefined);
    const [hook] = hooks.get("kv") ?? [];
    const again = await hook?.callback({
      failedOperation: "create",
      errors: [TAKEN],
      ...gateway,
      ...failure,
    } as pulumi.ErrorHookArgs);
    return { told: error.mock.calls.map(([message]) => message), again };
  }
  const advice = (id: string, type: string, name: string, parent: string, provider: string) => {
    const stack = "urn:pulumi:prod::oke-platform";
    const file = {
      nameTable: { parent, provider: `${stack}::pulumi:providers:${provider}::${provider}` },
      resources: [{ type, name, id, parent: "parent", provider: "provider" }],
    };
    const [namespace, release] = id.split("/");
    const unfinished =
      type === "kubernetes:helm.sh/v3:Release"
        ? `If helm --namespace ${namespace} status ${release} says pending-install, run helm --namespace ${namespace} uninstall ${release}, and up again. `
        : "";
    return (
      `${id} (${type}) is there already, and not in this stack's state. If somebody else made it, remove it first. ${unfinished}` +
      "If a run of this stack that was interrupted made it, take it over and run up again: " +
      `echo '${JSON.stringify(file)}' | pulumi import --file /dev/stdin --protect=false --generate-code=false`
    );
  };

  it("is looked for in the cluster and in Vault, where names are identities", () => {
    expect(Object.fromEntries([...hooks].map(([name, { length }]) => [name, length]))).toMatchObject({
      kubernetes: 0,
      edge: 1,
      kv: 1,
    });
  });

  it("is told with the command that takes the object over, in its component", async () => {
    const parent = "urn:pulumi:prod::oke-platform::oke-platform:platform:Edge::edge";
    expect(await said({})).toEqual({
      told: [advice("istio-system/edge", gateway.type, "edge", parent, "kubernetes")],
      again: false,
    });
  });

  it.each([
    ["a Namespace", "kubernetes:core/v1:Namespace", { metadata: { name: "istio-system" } }, "istio-system"],
    [
      "a release",
      "kubernetes:helm.sh/v3:Release",
      { name: "istiod", namespace: "istio-system" },
      "istio-system/istiod",
    ],
    ["a mount in Vault", "vault:index/mount:Mount", { path: "team/kv" }, "team/kv"],
    ["a policy in Vault", "vault:index/policy:Policy", { name: "reader" }, "reader"],
  ])("is %s by the name that an import takes", async (_what, type, newInputs, id) => {
    const stack = "urn:pulumi:prod::oke-platform::pulumi:pulumi:Stack::oke-platform-prod";
    const { told } = await said({ type, name: "other", newInputs });
    expect(told).toEqual([advice(id, type, "other", stack, type.split(":")[0] ?? "")]);
  });

  it.each([
    "cannot re-use a name that is still in use",
    'namespaces "vault" already exists',
    "path is already in use at secret/",
  ])("is recognised in %j", async (error) => {
    expect((await said({ errors: ["a first error", error] })).told).toHaveLength(1);
  });

  it.each<[string, Failure]>([
    ["another error", { errors: ["connection refused"] }],
    ["an update", { failedOperation: "update" }],
    ["an object without a name", { newInputs: { metadata: {} } }],
    ["an object without inputs", { newInputs: undefined }],
  ])("is not seen in %s, and nothing is tried again", async (_what, failure) => {
    expect(await said(failure)).toEqual({ told: [], again: false });
  });
});
