import { describe, expect, it } from "vitest";
import { examples } from "../../../project/placeholders.ts";
import { worldWithoutVault } from "../../../sandbox/world/beginnings.ts";
import { type Item, Refusal, type Request } from "../../../sandbox/world/state.ts";
import { openWorld } from "../../../sandbox/world/systems.ts";
import { initialiseVault, unsealVault, vaultOutOfReach, vaultRefusal } from "../../../sandbox/world/vault.ts";
import type { World } from "../../../sandbox/world/world.ts";
import { DAY, insideVault, kmsKey, kmsVault, kvSecret, mount, namespace, sealedBy, vaultServer } from "./requests.ts";
import { fresh, having, keyOfRequest, pass, READY, readyAfter, setVault, stateOf, without } from "./worlds.ts";

// A Vault that is installed: from its pods to what unseals it.

describe("rule 5b: a Vault that is installed", () => {
  const UNREACHABLE = "dial tcp: connect: connection refused";
  const NOT_INITIALISED = "Vault is not initialized";
  const SEALED = "Vault is sealed";
  const having5b = (...requests: Request[]) => having(openWorld(worldWithoutVault()), ...requests);
  /** A KMS vault with a key, and Vault unsealed by it. */
  function withKey(): { world: World; key: Item; server: Request } {
    const world = having5b(kmsVault);
    const key = world.create(kmsKey(world.items("KmsVault")[0] as Item));
    readyAfter(world, key);
    const server = vaultServer(sealedBy(key.id));
    return { world: having(world, server), key, server };
  }

  it("is not there, and its volume neither, before its release is done", () => {
    const world = having5b();
    const item = world.create(vaultServer());
    pass(world, 39.9);
    expect([vaultRefusal(world), world.items("PersistentVolumeClaim")]).toEqual([UNREACHABLE, []]);
    pass(world, 0.1);
    // The release is done, and says nothing about what it started.
    expect([stateOf(item), vaultOutOfReach(world), vaultRefusal(world)]).toEqual([READY, undefined, NOT_INITIALISED]);
    expect(world.items("PersistentVolumeClaim").map(({ namespace: into, name }) => [into, name])).toEqual([
      ["vault", "data-vault-0"],
    ]);
    expect(world.item("Vault /vault")?.spec).toEqual({ installed: true, initialized: false, sealed: true });
    pass(world, DAY);
    expect(vaultRefusal(world)).toBe(NOT_INITIALISED);
  });

  it("is initialised once, and stays sealed until it is unsealed", () => {
    const world = having5b(vaultServer());
    initialiseVault(world);
    expect(vaultRefusal(world)).toBe(SEALED);
    expect(() => world.create(mount)).toThrow(new Refusal(`error writing to Vault: ${SEALED}`));
    expect(() => initialiseVault(world)).toThrow(new Refusal("Vault is already initialized"));
    unsealVault(world);
    expect(vaultRefusal(world)).toBeUndefined();
    having(world, ...insideVault, kvSecret("value"));
    expect(() => initialiseVault(world)).toThrow(new Refusal("Vault is already initialized"));
  });

  it("is not initialised where it is not reached", () => {
    const world = having5b();
    expect(() => initialiseVault(world)).toThrow(new Refusal(UNREACHABLE));
    world.create(vaultServer());
    expect(() => initialiseVault(world)).toThrow(new Refusal(UNREACHABLE));
    const elsewhere = fresh();
    setVault(elsewhere, { initialized: false, reachable: false });
    expect(() => initialiseVault(elsewhere)).toThrow(new Refusal(UNREACHABLE));
    setVault(elsewhere, { reachable: true });
    initialiseVault(elsewhere);
    expect(vaultRefusal(elsewhere)).toBe(SEALED);
  });

  it("unseals itself with its key as soon as it is initialised", () => {
    const { world } = withKey();
    expect(vaultRefusal(world)).toBe(NOT_INITIALISED);
    expect(world.item("Vault /vault")?.spec).toMatchObject({ initialized: false, sealed: true });
    initialiseVault(world);
    expect(vaultRefusal(world)).toBeUndefined();
  });

  it("reads the key in the configuration of three replicas too", () => {
    const { world, key, server } = withKey();
    without(world, server);
    const config = sealedBy(key.id);
    const values = { global: { tlsDisable: true }, server: { ha: { raft: { config } } } };
    having(world, { ...server, spec: { ...server.spec, values } });
    initialiseVault(world);
    expect(vaultRefusal(world)).toBeUndefined();
  });

  it("does not unseal itself with a key that is not there, or that is none", () => {
    for (const id of ["ocid1.key.nowhere", String(examples["<VCN OCID>"])]) {
      const world = having5b(vaultServer(sealedBy(id)));
      initialiseVault(world);
      expect(vaultRefusal(world)).toBe(SEALED);
    }
  });

  it("goes on through an upgrade, with its pods as they are", () => {
    const world = having5b(vaultServer());
    initialiseVault(world);
    unsealVault(world);
    const item = world.update(keyOfRequest(vaultServer()), vaultServer("other").spec);
    expect([item.ready, vaultRefusal(world)]).toEqual([false, undefined]);
    expect([readyAfter(world, item), vaultRefusal(world)]).toEqual([16, undefined]);
  });

  it("is out of reach while it is removed and after, and knows everything when it is back, sealed", () => {
    const world = having5b(vaultServer());
    initialiseVault(world);
    unsealVault(world);
    having(world, mount, kvSecret("value"));
    world.remove(keyOfRequest(vaultServer()));
    expect(vaultRefusal(world)).toBe(UNREACHABLE);
    without(world, vaultServer());
    expect(vaultRefusal(world)).toBe(UNREACHABLE);
    having(world, vaultServer());
    expect(vaultRefusal(world)).toBe(SEALED);
    unsealVault(world);
    expect([vaultRefusal(world), world.item(keyOfRequest(kvSecret("")))?.spec]).toEqual([
      undefined,
      kvSecret("value").spec,
    ]);
  });

  it("is still not initialised when it is back, where it never was", () => {
    const { world, server } = withKey();
    having(without(world, server), server);
    expect(vaultRefusal(world)).toBe(NOT_INITIALISED);
  });

  it("unseals itself when it is back, with the key that it was initialised with and no other", () => {
    const { world, server } = withKey();
    initialiseVault(world);
    having(without(world, server), server);
    expect(vaultRefusal(world)).toBeUndefined();

    const other = world.create({ ...kmsKey(world.items("KmsVault")[0] as Item), name: "other" });
    readyAfter(world, other);
    having(without(world, server), vaultServer(sealedBy(other.id)));
    expect(vaultRefusal(world)).toBe(SEALED);
    having(without(world, server), vaultServer());
    expect(vaultRefusal(world)).toBe(SEALED);
    having(without(world, server), server);
    expect(vaultRefusal(world)).toBeUndefined();
  });

  it("begins with nothing on a volume that is new", () => {
    const world = having5b(vaultServer());
    initialiseVault(world);
    unsealVault(world);
    having(world, mount, kvSecret("value"));
    having(without(world, namespace("vault")), vaultServer());
    expect(vaultRefusal(world)).toBe(NOT_INITIALISED);
    initialiseVault(world);
    unsealVault(world);
    expect([...world.items("Mount"), ...world.items("KvSecret")]).toEqual([]);
  });

  it("does not start before its certificate is there, where it speaks TLS", () => {
    const world = having5b(vaultServer("", false));
    expect([vaultOutOfReach(world), vaultRefusal(world)]).toEqual([UNREACHABLE, UNREACHABLE]);
    expect(() => initialiseVault(world)).toThrow(new Refusal(UNREACHABLE));
    world.put({ kind: "Secret", namespace: "vault", name: "vault-tls", spec: {} });
    expect([vaultOutOfReach(world), vaultRefusal(world)]).toEqual([undefined, NOT_INITIALISED]);
  });
});
