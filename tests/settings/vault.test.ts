import { describe, expect, it } from "vitest";
import {
  elsewhere,
  ids,
  installed,
  itJudges,
  itRefuses,
  mistakesIn,
  ocidOf,
  oke,
  PEM,
  type Raw,
  settingsOf,
  there,
} from "./stacks.ts";

const innerPathWords =
  "without slashes at its ends, and without spaces, control characters, *, +, ?, #, %, quotes, backslashes, braces, and parts that are . or ..";
const mountPath = `a mount path ${innerPathWords}`;
const keys =
  "a map with keys of address, clusterAddress, namespace, audiences, mount, path, role, authPath, auth, caBundle, access, install, kmsVaultId, kmsKeyId, initialized";

describe("Vault's fields", () => {
  const url = (who: string) => `the http or https URL at which ${who} reaches Vault`;
  itJudges([
    ["vault.namespace", `a namespace ${innerPathWords}`, ["/team", "team/", 5], [undefined, "team", "admin/team"]],
    [
      "vault.audiences",
      "a list of audiences",
      ["vault", { a: "b" }],
      [undefined, [], ["vault"], ["vault", "https://other"]],
    ],
    ["vault.audiences", "each audience once", [["vault", "vault"]], []],
    ["vault", keys, ["https://vault.example.com", [1]], []],
    ["vault.address", url("this program"), ["vault:8200", "ftp://vault", 5], ["http://vault", "https://vault:8200"]],
    ["vault.clusterAddress", url("External Secrets"), ["vault:8200"], [undefined, "https://vault.example.org"]],
    ["vault.mount", mountPath, ["/secret", "secret/", "a//b", "a b"], [undefined, "team/kv"]],
    [
      "vault.path",
      "a path without slashes at its ends, and without spaces, control characters, *, +, ?, #, %, quotes, backslashes, braces, and parts that are . or ..",
      [
        ...["/a", "a/", "a//b", "/", "..", "a/../b", "a/..", "./a", "a/.", "a/*", "*", "+", "a/+/b", "a+"],
        ...[
          "a%2Fb",
          "%2e%2e/b",
          "a?list=true",
          "a#b",
          "a\\b",
          'a"b',
          "a\nb",
          "a\u0000b",
          "a\u0085b",
          "{{identity.id}}",
        ],
      ],
      [undefined, "a/b", "...", "a/.b", "team:a/é"],
    ],
    [
      "vault.role",
      "the name of a role of the Kubernetes auth backend: letters, digits, _, - and ., the last two not at its ends",
      ["a/b", "a b", ".", "..", ".a", "a.", "-a", "a-", "a*"],
      [undefined, "A_b-c.1", "a", "default", "root", "oke-platform"],
    ],
    ["vault.authPath", mountPath, ["a/"], [undefined, "k8s/eu"]],
    ["vault.caBundle", "PEM, one or more -----BEGIN CERTIFICATE----- blocks", ["AAAA"], [undefined, PEM]],
    ["vault.access", '"existing" or "managed"', ["mine"], [undefined, "existing", "managed"]],
    ["vault.install", "true or false", ["no", 1], [undefined, false]],
    ["vault.initialized", "true or false", ["no", 1], [undefined, false]],
    ["vault.kmsVaultId", ocidOf("vault"), [ids.kmsKey], [undefined]],
    ["vault.kmsKeyId", ocidOf("key"), [ids.kmsVault], [undefined]],
  ]);
});

it.each(["a b", "*", "https://vault*"])("an audience that a policy reads in another way is refused: %s", (audience) => {
  expect(mistakesIn({ ...oke, ...there({ audiences: ["vault", audience] }) })).toEqual([
    `vault.audiences[1] is ${JSON.stringify(audience)}; allowed: an audience: text without spaces and *`,
  ]);
});

describe("names that are others'", () => {
  const words =
    "another name with access \"managed\", which names a policy so, too: default, root, response-wrapping, control-group are Vault's own, and oke-platform, with or without more after a -, is that of a run's token";
  const token = "the mount path of a Kubernetes auth backend; token is Vault's own";
  const managed = (changes: Raw) => there({ access: "managed", ...changes });
  itRefuses([
    ...[
      "default",
      "root",
      "Root",
      "response-wrapping",
      "control-group",
      "oke-platform",
      "OKE-Platform",
      "oke-platform-prod",
    ].map((role): [string, Raw, string] => [
      `a role that is managed and named ${role}`,
      managed({ role }),
      `vault.role is "${role}"; allowed: ${words}`,
    ]),
    ["one of an installed Vault", installed({ role: "default" }), `vault.role is "default"; allowed: ${words}`],
    ["the backend of tokens", there({ authPath: "token" }), `vault.authPath is "token"; allowed: ${token}`],
    ["what is below it", managed({ authPath: "token/a" }), `vault.authPath is "token/a"; allowed: ${token}`],
  ]);
});

const kubernetes = (path = "kubernetes", role = "external-secrets") => ({
  method: "kubernetes",
  path,
  role,
  serviceAccount: { name: "external-secrets", namespace: "external-secrets" },
});
const common = {
  mount: "secret",
  path: "prod/cert-manager",
  role: "external-secrets",
  authPath: "kubernetes",
  login: kubernetes(),
  token: { kind: "scoped", serial: 1 },
};
const isThere = {
  ...common,
  kind: "there",
  address: "https://vault.example.com",
  clusterAddress: "http://vault.vault:8200",
  access: "existing",
};
const isInstalled = {
  ...common,
  kind: "installed",
  address: "http://127.0.0.1:8200",
  clusterAddress: "http://vault.vault:8200",
  access: "managed",
  phase: "bootstrap",
  tls: false,
};
const inProduction = {
  ...isInstalled,
  address: "https://127.0.0.1:8200",
  clusterAddress: "https://vault.vault:8200",
  tls: true,
};
const { kmsVault: vaultId, kmsKey: keyId, compartment: compartmentId } = ids;

describe("Vault becomes", () => {
  const tags = { freeformTags: {}, definedTags: {} };
  it.each<[what: string, changes: Raw, made: object | undefined]>([
    ["one that is there", {}, isThere],
    [
      "one elsewhere",
      there({ access: "existing", clusterAddress: "https://vault.example.org", caBundle: PEM }),
      { ...isThere, clusterAddress: "https://vault.example.org", caBundle: PEM },
    ],
    [
      "one with every other place",
      there({ mount: "team/kv", path: "a/b", role: "reader", authPath: "k8s/eu" }),
      {
        ...isThere,
        mount: "team/kv",
        path: "a/b",
        role: "reader",
        authPath: "k8s/eu",
        login: kubernetes("k8s/eu", "reader"),
      },
    ],
    ["one whose access is managed", there({ access: "managed" }), { ...isThere, access: "managed" }],
    ["none without a token", { acme: { server: "ca" }, cloudflare: { token: "none" } }, undefined],
    ["one that is installed, unsealed by hand", installed(), isInstalled],
    [
      "one that is installed without a load balancer, unsealed by hand",
      { ...elsewhere, ...installed({ access: "managed" }) },
      isInstalled,
    ],
    [
      "one that is initialised, at an address of one's own",
      installed({ initialized: true, address: "http://127.0.0.1:9200" }),
      { ...isInstalled, phase: "complete", address: "http://127.0.0.1:9200" },
    ],
    [
      "one with a key that is made in a KMS vault that is there",
      installed({ kmsVaultId: vaultId }),
      { ...isInstalled, seal: { vaultId, compartmentId, tags } },
    ],
    [
      "one in production, with TLS and a key that is made",
      { size: "production", ...installed() },
      { ...inProduction, seal: { compartmentId, tags } },
    ],
    [
      "one in production, at an address of one's own, with a key that is there",
      {
        ...elsewhere,
        size: "production",
        ...installed({ address: "https://v.example.com", kmsVaultId: vaultId, kmsKeyId: keyId }),
      },
      { ...inProduction, address: "https://v.example.com", seal: { vaultId, keyId, tags } },
    ],
    [
      "one that a port-forward brings, which listens at 127.0.0.1 alone",
      there({ address: "http://localhost:8200" }),
      { ...isThere, address: "http://127.0.0.1:8200" },
    ],
    [
      "one that is installed, the same",
      installed({ address: "http://LocalHost" }),
      { ...isInstalled, address: "http://127.0.0.1" },
    ],
    [
      "one whose certificate may be for the name",
      there({ address: "https://localhost:8200" }),
      { ...isThere, address: "https://localhost:8200" },
    ],
    [
      "one whose name begins so",
      there({ address: "http://localhost.example.com" }),
      { ...isThere, address: "http://localhost.example.com" },
    ],
    ["one that is there in production, without a load balancer", { ...elsewhere, size: "production" }, isThere],
  ])("%s", (_what, changes, made) => {
    expect(settingsOf(changes).vault).toEqual(made);
  });

  it.each([
    ["there", {}, "complete"],
    ["not kept in at all", { acme: { server: "ca" }, cloudflare: { token: "none" } }, "complete"],
    ["installed", installed(), "bootstrap"],
    ["initialised", installed({ initialized: true }), "complete"],
  ])("the phase of the whole where it is %s", (_what, changes, phase) => {
    expect(settingsOf(changes).phase).toBe(phase);
  });
});
