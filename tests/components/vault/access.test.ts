import { describe, expect, it } from "vitest";
import { readerPolicy } from "../../../components/vault/access.ts";
import { lastName } from "../../../project/registration.ts";
import { emptyWorld, worldWithBareVault } from "../../../sandbox/world/beginnings.ts";
import type { Request } from "../../../sandbox/world/state.ts";
import { named } from "../../harness.ts";
import {
  access,
  accessOptions,
  backendOptions,
  configOptions,
  mountOptions,
  objects,
  options,
  waitsFor,
  withWorld,
  worldWith,
} from "./objects.ts";

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
