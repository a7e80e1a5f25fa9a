import { describe, expect, it } from "vitest";
import { worldWithBareVault, worldWithoutVault } from "../../../sandbox/world/beginnings.ts";
import type { Request } from "../../../sandbox/world/state.ts";
import { openWorld } from "../../../sandbox/world/systems.ts";
import { initialiseVault, unsealVault } from "../../../sandbox/world/vault.ts";
import type { World } from "../../../sandbox/world/world.ts";
import {
  asAccount,
  backend,
  backendConfig,
  certManager,
  externalSecret,
  externalSecrets,
  mount,
  policy,
  renewed,
  role,
  type Spec,
  store,
  storeWith,
  vaultServer,
} from "./requests.ts";
import { having, keyOfRequest, pass, READY, readyAfter, setVault, stateOf, triesOf, vaulted } from "./worlds.ts";

describe("rule 5: a ClusterSecretStore", () => {
  /** From 1 s, doubling, up to 420 s, after a first try at 2 s. */
  const TRIES = [2, 3, 5, 9, 17, 33, 65, 129, 257, 513, 933, 1353];

  it("makes a store Ready in a second", () => {
    const world = vaulted();
    expect(readyAfter(world, world.create(store()))).toBe(1);
  });

  it.each<[string, Spec, Request, string]>([
    ["is out of reach", { reachable: false }, store(), "dial tcp: connect: connection refused"],
    ["is sealed", { sealed: true }, store(), "Vault is sealed"],
    ["is not initialised", { initialized: false }, store(), "Vault is not initialized"],
    [
      "has the role on another path",
      {},
      storeWith(asAccount({ mountPath: "k8s" })),
      "unable to log in to Vault: permission denied",
    ],
    [
      "gives the role to another namespace",
      {},
      storeWith(asAccount({ serviceAccountRef: { namespace: "default", name: "external-secrets" } })),
      "unable to log in to Vault: permission denied",
    ],
    ["has no such role", {}, store("other"), "unable to log in to Vault: permission denied"],
    [
      "gives the role to another account",
      {},
      store("external-secrets", "default"),
      "unable to log in to Vault: permission denied",
    ],
  ])("has no store Ready when Vault %s, and tries again from 1 s to 420 s", (_, vault, request, reason) => {
    const world = vaulted();
    setVault(world, vault);
    const item = world.create(request);
    expect(triesOf(world, "validateStore", 1353)).toEqual(TRIES.map((at) => at - 1));
    expect(stateOf(item)).toEqual({ ready: false, reason });
  });

  it.each([backendConfig, role()])("lets nobody in while %o is missing or still being written", (request) => {
    const world = having(openWorld(worldWithBareVault()), certManager, externalSecrets, mount, backend);
    for (const it of [backendConfig, role()]) if (it.kind !== request.kind) having(world, it);
    const item = world.create(store());
    pass(world, 1.5);
    expect(stateOf(item)).toEqual({ ready: false, reason: "unable to log in to Vault: permission denied" });
    // Tries at 1, 2 and 4 s.
    world.create(request);
    pass(world, 0.5);
    expect(item.ready).toBe(false);
    expect(readyAfter(world, item)).toBe(2);
  });

  it("keeps the logins of two auth backends apart", () => {
    const at = (path: string): [Request, Request, Request] => [
      { ...backend, name: path },
      { ...backendConfig, name: path },
      { ...role(), name: `${path}/external-secrets` },
    ];
    const [other, itsConfig, itsRole] = at("k8s");
    const login = storeWith(asAccount({ mountPath: "k8s" }));
    for (const request of [itsConfig, itsRole]) {
      const world = having(vaulted(), other, request);
      const item = world.create(login);
      pass(world, 1);
      expect(stateOf(item)).toEqual({ ready: false, reason: "unable to log in to Vault: permission denied" });
    }
    const world = having(openWorld(worldWithBareVault()), certManager, externalSecrets, ...at("k8s"));
    expect(readyAfter(world, world.create(login))).toBe(1);
  });

  it("looks at a store again every 300 s, and brings it back when Vault does", () => {
    const world = vaulted();
    const item = world.create(store());
    expect(triesOf(world, "validateStore", 1000)).toEqual([1, 301, 601, 901]);
    setVault(world, { sealed: true });
    pass(world, 200);
    expect(stateOf(item)).toEqual(READY);
    pass(world, 1);
    expect(stateOf(item)).toEqual({ ready: false, reason: "Vault is sealed" });
    expect(triesOf(world, "validateStore", 20)).toEqual([1, 3, 7, 15]);
    setVault(world, { sealed: false });
    // The next try is at 31 s.
    expect(readyAfter(world, item)).toBe(11);
    expect(triesOf(world, "validateStore", 600)).toEqual([300, 600]);
  });

  describe("with a login from outside of the cluster", () => {
    const secret = { namespace: "default", name: "login", key: "value" };
    const appRole = { path: "approle", roleId: "role", secretRef: secret };
    /** A Vault that knows these logins, and the Secret to log in with. */
    function outside(logins: Record<string, string[]>): World {
      const world = vaulted();
      setVault(world, { logins });
      world.put({ kind: "Secret", namespace: "default", name: "login", spec: { data: { value: "digest" } } });
      return world;
    }
    const known = { digest: ["external-secrets"], "approle/role/digest": ["external-secrets"] };

    it.each<[string, Spec]>([
      ["token", { tokenSecretRef: secret }],
      ["AppRole", { appRole }],
    ])("lets a %s in, and lets it read", (_, auth) => {
      const world = outside(known);
      expect(readyAfter(world, world.create(storeWith(auth)))).toBe(1);
      expect(readyAfter(world, world.create(externalSecret()))).toBe(2);
    });

    it.each<[string, Spec, Record<string, string[]>]>([
      ["a token that it does not know", { tokenSecretRef: secret }, { other: ["external-secrets"] }],
      ["a token of another key", { tokenSecretRef: { ...secret, key: "other" } }, known],
      ["a token of another namespace", { tokenSecretRef: { ...secret, namespace: "argocd" } }, known],
      ["another role id", { appRole: { ...appRole, roleId: "other" } }, known],
      ["another path", { appRole: { ...appRole, path: "other" } }, known],
      ["a secret id that is not there", { appRole: { ...appRole, secretRef: { ...secret, name: "other" } } }, known],
      ["no login at all", {}, known],
    ])("refuses %s", (_, auth, logins) => {
      const world = outside(logins);
      const item = world.create(storeWith(auth));
      pass(world, 1);
      expect(stateOf(item)).toEqual({ ready: false, reason: "unable to log in to Vault: permission denied" });
    });

    it("lets a login in without a policy, and lets it read nothing", () => {
      const world = having(outside({ digest: [] }), storeWith({ tokenSecretRef: secret }));
      const item = world.create(externalSecret());
      pass(world, 2);
      expect(stateOf(item)).toEqual({
        ready: false,
        reason: "cannot read secret/prod/cert-manager: permission denied",
      });
    });
  });

  it("looks at it anew, and only so, when External Secrets starts anew", () => {
    const world = vaulted();
    setVault(world, { sealed: true });
    world.create(store());
    pass(world, 900);
    world.update(keyOfRequest(externalSecrets), renewed(externalSecrets));
    // The new revision runs after 14 s.
    expect(triesOf(world, "validateStore", 80)).toEqual([15, 16, 18, 22, 30, 46, 78]);
  });

  it("makes the store Ready at its next try when Vault is unsealed", () => {
    const world = vaulted();
    setVault(world, { sealed: true });
    const item = world.create(store());
    pass(world, 20);
    setVault(world, { sealed: false });
    // Tries at 1, 2, 4, 8, 16 and 32 s.
    expect(readyAfter(world, item)).toBe(12);
  });
});

describe("a store of an installed Vault", () => {
  const server = vaultServer("", false);
  const OVER_TLS = "https://vault.vault:8200";
  const caProvider = { type: "Secret", namespace: "vault", name: "vault-tls", key: "ca.crt" };
  const certified = (world: World) =>
    world.put({ kind: "Secret", namespace: "vault", name: "vault-tls", spec: { hosts: ["vault.vault"], signedBy: 7 } });
  /** An installed Vault that answers, and External Secrets. */
  function answering(request: Request): World {
    const world = having(openWorld(worldWithoutVault()), certManager, externalSecrets, request);
    certified(world);
    initialiseVault(world);
    unsealVault(world);
    return having(world, mount, backend, backendConfig, policy(), role());
  }

  it.each<[string, Request, Request, string]>([
    [
      "speaks HTTP to TLS",
      server,
      storeWith(asAccount(), { caProvider }),
      "Client sent an HTTP request to an HTTPS server",
    ],
    [
      "speaks TLS to HTTP",
      vaultServer(),
      storeWith(asAccount(), { server: OVER_TLS, caProvider }),
      "http: server gave HTTP response to HTTPS client",
    ],
    [
      "has no CA",
      server,
      storeWith(asAccount(), { server: OVER_TLS }),
      "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    ],
    [
      "looks for the CA where it is not",
      server,
      storeWith(asAccount(), { server: OVER_TLS, caProvider: { ...caProvider, namespace: "default" } }),
      "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    ],
  ])("has no store Ready that %s", (_, installed, request, reason) => {
    const world = answering(installed);
    const item = world.create(request);
    pass(world, 1);
    expect(stateOf(item)).toEqual({ ready: false, reason });
  });

  it("has a store Ready that has its CA, and one without TLS", () => {
    for (const [installed, request] of [
      [server, storeWith(asAccount(), { server: OVER_TLS, caProvider })],
      [vaultServer(), store()],
    ] as const) {
      const world = answering(installed);
      expect(readyAfter(world, world.create(request))).toBe(1);
    }
  });

  it("has none Ready by another CA than that which signed what Vault has read at its start", () => {
    const world = answering(server);
    const item = having(world, storeWith(asAccount(), { server: OVER_TLS, caProvider })).item(
      "ClusterSecretStore /vault-backend",
    );
    const issuedAnew = (signedBy: number) =>
      world.put({ kind: "Secret", namespace: "vault", name: "vault-tls", spec: { hosts: ["vault.vault"], signedBy } });
    for (const [signedBy, ready] of [
      [7, true],
      [8, false],
    ] as const) {
      issuedAnew(signedBy);
      pass(world, 300);
      expect(item?.ready).toBe(ready);
    }
  });

  it("asks nothing of how a Vault elsewhere is spoken to", () => {
    const world = vaulted();
    expect(readyAfter(world, world.create(storeWith(asAccount(), { server: "https://vault.example.org" })))).toBe(1);
  });
});
