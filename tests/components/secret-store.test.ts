import { describe, expect, it } from "vitest";
import { emptyWorld } from "../../sandbox/world/beginnings.ts";
import { named } from "../harness.ts";
import { asAccount, awaited, options, store, withWorld } from "./vault/objects.ts";

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
    expect(options(all, "secret-store")).toEqual({ "secret-store": { ...awaited, hooks: ["keep-serving"] } });
    expect(named(all, "vault").inputs).toMatchObject({ address: "https://vault.example.org" });
    expect(all.filter(({ name }) => /^vault-(access|server|seal|tls)/.test(name))).toEqual([]);
  });
});
