import { describe, expect, it } from "vitest";
import type { Request } from "../../../sandbox/world/state.ts";
import { admitByPolicy } from "../../../sandbox/world/vault-policy.ts";
import { deployPolicy } from "../../../tools/vault/policy.ts";

const login = {
  method: "kubernetes",
  path: "k8s/eu",
  role: "reader",
  serviceAccount: { name: "eso", namespace: "secrets" },
  audiences: ["vault"],
} as const;
const places = { mount: "team/kv", path: "a/b", role: "reader", authPath: "k8s/eu", login };
const policy = deployPolicy({ ...places, access: "managed", kind: "installed" });

const text = 'path "team/kv/data/a/b" { capabilities = ["read"] }\n';
const role = { accounts: ["eso"], namespaces: ["secrets"], policies: ["reader"], audience: "vault" };
const allowed: Request[] = [
  { kind: "Mount", name: "team/kv", spec: { type: "kv", version: "2" } },
  { kind: "AuthBackend", name: "k8s/eu", spec: { type: "kubernetes" } },
  { kind: "AuthBackendConfig", name: "k8s/eu", spec: { host: "https://kubernetes.default.svc" } },
  { kind: "AuthBackendRole", name: "k8s/eu/reader", spec: role },
  { kind: "Policy", name: "reader", spec: { policy: text } },
  { kind: "Audit", name: "file", spec: { type: "file", options: { file_path: "/vault/audit/audit.log" } } },
  { kind: "KvSecret", name: "team/kv/a/b", spec: { mount: "team/kv", data: { "cf-api-token": "digest" } } },
];
const [mount, backend, config, , , audit, secret] = allowed as [
  Request,
  Request,
  Request,
  Request,
  Request,
  Request,
  Request,
];
const withRole = (changes: object): Request => ({
  kind: "AuthBackendRole",
  name: "k8s/eu/reader",
  spec: { ...role, ...changes },
});

describe("what the policy of the run lets be written", () => {
  it.each(allowed)("is what the program writes: $kind", (request) => {
    expect(() => admitByPolicy(policy, request)).not.toThrow();
  });

  it.each<[string, Request]>([
    ["a mount elsewhere", { ...mount, name: "kv" }],
    ["another engine", { ...mount, spec: { type: "pki" } }],
    ["the older version", { ...mount, spec: { type: "kv", version: "1" } }],
    ["another backend", { ...backend, spec: { type: "userpass" } }],
    ["another judge of logins", { ...config, spec: { host: "https://evil.example.org" } }],
    ["another service account", withRole({ accounts: ["eso", "default"] })],
    ["another namespace", withRole({ namespaces: ["evil"] })],
    ["more policies", withRole({ policies: ["reader", "oke-platform"] })],
    ["another audience", withRole({ audience: "evil" })],
    ["another role", { ...withRole({}), name: "k8s/eu/other" }],
    ["another policy", { kind: "Policy", name: "reader", spec: { policy: `${text}${text}` } }],
    ["the policy of somebody else", { kind: "Policy", name: "default", spec: { policy: text } }],
    ["the policy of the run", { kind: "Policy", name: "oke-platform", spec: { policy } }],
    ["another log", { ...audit, spec: { type: "file", options: { file_path: "/vault/data/x" } } }],
    ["another secret", { ...secret, name: "team/kv/a/c" }],
  ])("is not %s", (_what, request) => {
    expect(() => admitByPolicy(policy, request)).toThrow(
      /^error writing to Vault: .*Code: 403\..*permission denied\n\n$/s,
    );
  });

  it("is what is in it, and no more than that, where access is others'", () => {
    const narrow = deployPolicy({ ...places, access: "existing", kind: "there" });
    const refused = allowed.filter((request) => {
      try {
        admitByPolicy(narrow, request);
        return false;
      } catch {
        return true;
      }
    });
    expect(refused.map(({ kind }) => kind)).toEqual(allowed.slice(0, -1).map(({ kind }) => kind));
  });
});
