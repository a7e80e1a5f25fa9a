import { expect, it } from "vitest";
import { deployPolicy } from "../../../tools/vault/policy.ts";

const places = { mount: "kv/team", path: "dns/token", role: "reader", authPath: "k8s/prod" };
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
  const managed = [
    ...existing,
    "sys/mounts/kv/team",
    "sys/auth/k8s/prod",
    "sys/mounts/auth/k8s/prod",
    "sys/mounts/auth/k8s/prod/tune",
    "auth/k8s/prod/config",
    "auth/k8s/prod/role/reader",
    "sys/policies/acl/reader",
  ];
  const installed = [
    ...managed,
    "sys/audit",
    "sys/audit/file",
    "sys/policies/acl/oke-platform",
    "sys/generate-root/attempt",
    "sys/generate-root/update",
  ];
  expect(pathsOf(deployPolicy({ ...places, access: "existing", kind: "there" }))).toEqual(existing);
  expect(pathsOf(deployPolicy({ ...places, access: "managed", kind: "there" }))).toEqual(managed);
  expect(pathsOf(deployPolicy({ ...places, access: "managed", kind: "installed" }))).toEqual(installed);
});
