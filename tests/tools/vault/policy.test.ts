import { expect, it } from "vitest";
import { deployPolicy } from "../../../tools/vault/policy.ts";

const places = {
  mount: "kv/team",
  path: "dns/token",
  role: "Reader",
  authPath: "k8s/prod",
  login: {
    method: "kubernetes",
    path: "k8s/prod",
    role: "Reader",
    serviceAccount: { name: "eso", namespace: "secrets" },
    audiences: ["vault", "other"],
  },
} as const;
const pathsOf = (text: string) => [...text.matchAll(/^path "([^"]+)"/gm)].map(([, path]) => path);

// What each path is good for, and that no other is needed, a real server says: tests/engine/openbao.
it("says which namespace of Vault it is for", () => {
  const policy = deployPolicy({ ...places, namespace: "admin/team", access: "existing", kind: "there" });
  expect(policy.split("\n")[0]).toBe(
    "# Of namespace admin/team: vault policy write -namespace=admin/team oke-platform -",
  );
  expect(pathsOf(policy)).toEqual(pathsOf(deployPolicy({ ...places, access: "existing", kind: "there" })));
});

it("names the stack's own places, and what its settings need", () => {
  const existing = [
    "auth/token/lookup-self",
    "auth/token/create",
    "auth/token/renew-self",
    "kv/team/data/dns/token",
    "kv/team/metadata/dns/token",
  ];
  const ofManaged = [
    ...existing,
    "sys/mounts/kv/team",
    "sys/auth/k8s/prod",
    "sys/mounts/auth/k8s/prod",
    "sys/mounts/auth/k8s/prod/tune",
    "auth/k8s/prod/config",
    "auth/k8s/prod/role/Reader",
    "sys/policies/acl/Reader",
  ];
  const ownPolicy = "sys/policies/acl/oke-platform";
  const ofInstalled = ["sys/audit", "sys/audit/file", "sys/generate-root/attempt", "sys/generate-root/update"];
  const managed = [...ofManaged, ownPolicy];
  const installed = [...ofManaged, ...ofInstalled, ownPolicy];
  expect(pathsOf(deployPolicy({ ...places, access: "existing", kind: "there" }))).toEqual(existing);
  expect(pathsOf(deployPolicy({ ...places, access: "managed", kind: "there" }))).toEqual(managed);
  expect(pathsOf(deployPolicy({ ...places, access: "managed", kind: "installed" }))).toEqual(installed);
});

/** What may be sent to a path, as the policy has it. */
const pinsOf = (text: string, path: string) =>
  new RegExp(`path "${path}" \\{\\n[^\\n]*\\n  allowed_parameters = \\{\\n(.*?)  \\}\\n\\}`, "s")
    .exec(text)?.[1]
    ?.trim()
    .split(/\n */);

it("allows the stack's own values, and no other", () => {
  const policy = deployPolicy({ ...places, access: "managed", kind: "there" });
  expect(pinsOf(policy, "auth/k8s/prod/role/Reader")).toEqual([
    '"bound_service_account_namespace_selector" = [""]',
    '"audience" = ["vault"]',
    '"token_type" = ["default"]',
    '"token_no_default_policy" = [false]',
    '"token_bound_cidrs" = [[]]',
    '"bound_service_account_names" = [["eso"]]',
    '"bound_service_account_namespaces" = [["secrets"]]',
    // As it is sent, and as Vault 2 compares it.
    '"token_policies" = [["Reader"], ["reader"]]',
    '"token_ttl" = []',
  ]);
  expect(pinsOf(policy, "sys/policies/acl/Reader")).toEqual([
    '"policy" = ["path \\"kv/team/data/dns/token\\" { capabilities = [\\"read\\"] }\\n"]',
  ]);
  expect(pinsOf(policy, "auth/k8s/prod/config")).toContain('"kubernetes_host" = ["https://kubernetes.default.svc"]');
  expect(pinsOf(policy, "sys/mounts/kv/team")).toEqual(
    expect.arrayContaining(['"type" = ["kv"]', '"options" = [{"version" = "2"}]']),
  );
});

it("pins whatever is written but what has no content of its own", () => {
  const policy = deployPolicy({ ...places, access: "managed", kind: "installed" });
  const written = [...policy.matchAll(/^path "([^"]+)" \{\n {2}capabilities = \[(.*)\]\n(.*)/gm)];
  expect(
    written.filter(([, , can = "", next]) => /create|update/.test(can) && next === "}").map(([, path]) => path),
  ).toEqual(["auth/token/renew-self", "sys/generate-root/attempt", "sys/generate-root/update"]);
});
