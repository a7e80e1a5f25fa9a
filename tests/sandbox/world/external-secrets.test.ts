import { describe, expect, it } from "vitest";
import type { Item, Request } from "../../../sandbox/world/state.ts";
import type { World } from "../../../sandbox/world/world.ts";
import {
  asAccount,
  certManager,
  externalSecret,
  externalSecrets,
  kvSecret,
  policy,
  role,
  store,
  storeWith,
} from "./requests.ts";
import {
  fresh,
  having,
  keyOfRequest,
  pass,
  READY,
  readyAfter,
  setVault,
  stateOf,
  triesOf,
  vaulted,
  without,
} from "./worlds.ts";

describe("rule 5: an ExternalSecret", () => {
  /** From 1 s, doubling, up to 420 s, after a first try at 2 s. */
  const TRIES = [2, 3, 5, 9, 17, 33, 65, 129, 257, 513, 933, 1353];
  const secretOf = (world: World) => world.item("Secret cert-manager/token")?.spec;

  it.each<[string, boolean]>([
    ['path "secret/data/prod/cert-manager" { capabilities = ["read"] }', true],
    ['path "secret/data/prod/cert-manager" {\n  capabilities = ["list", "read"]\n}', true],
    ['path "secret/data/*" { capabilities = ["read"] }', true],
    ['path "other/*" { capabilities = ["read"] }\npath "secret/data/prod/cert-*" { capabilities = ["read"] }', true],
    ['path "secret/data/prod/cert-manager" { capabilities = ["list"] }', false],
    ['path "secret/prod/cert-manager" { capabilities = ["read"] }', false],
    ['path "secret/data/prod" { capabilities = ["read"] }', false],
    ['path "secret/data/prod/cert-manager/more" { capabilities = ["read"] }', false],
    ['path "kv/data/prod/cert-manager" { capabilities = ["read"] }', false],
    ['path "secret/data/dev/*" { capabilities = ["read"] }', false],
    ["", false],
  ])("reads under the policy %j: %s", (text, readable) => {
    const world = having(vaulted(), policy(text), store());
    const item = world.create(externalSecret());
    pass(world, 2);
    expect(stateOf(item)).toEqual(
      readable ? READY : { ready: false, reason: "cannot read secret/prod/cert-manager: permission denied" },
    );
  });

  /** A Vault with the token at a path of a mount, and a store that reads it. */
  const keptAt = (mount: string, path: string, key: string) => {
    const world = vaulted();
    const text = `path "${mount}/data/${path}" { capabilities = ["read"] }`;
    having(
      world,
      ...(mount === "secret" ? [] : [{ kind: "Mount", name: mount, spec: { type: "kv", version: "2" } }]),
      policy(text),
      { kind: "KvSecret", name: `${mount}/${path}`, spec: { mount, data: { "cf-api-token": "first" } } },
      storeWith(asAccount(), { path: mount }),
    );
    const item = world.create(externalSecret("cf-api-token", key));
    pass(world, 2);
    return stateOf(item);
  };

  it.each([
    ["secret", "prod/cert-manager"],
    ["prod", "prod/cert-manager"],
    ["kv/eu", "kv/eu/token"],
    ["secret", "data/token"],
    ["data", "data/data/token"],
    ["a", "a"],
  ])("reads in mount %s at path %s, by the key with mount and data before it", (mount, path) => {
    expect(keptAt(mount, path, `${mount}/data/${path}`)).toEqual(READY);
  });

  it.each([
    ["prod", "prod/cert-manager", "prod/cert-manager", "prod/cert-manager"],
    ["secret", "data/token", "secret/data/token", "secret/token"],
  ])("takes the mount off a key that begins so, and data/ after it: %s, %s", (mount, path, key, read) => {
    expect(keptAt(mount, path, key)).toEqual({ ready: false, reason: `cannot read ${read}: permission denied` });
  });

  it("reads nothing under a policy that is not there", () => {
    const world = having(vaulted(), role({ policies: ["other", "missing"] }), store());
    world.create(externalSecret());
    pass(world, 2);
    expect(secretOf(world)).toBeUndefined();
    having(world, role({ policies: ["other", "external-secrets"] }));
    // Tries at 2, 3 and 5 s.
    pass(world, 2);
    expect(secretOf(world)).toEqual({ data: { "api-token": "first" } });
  });

  it("brings a value from Vault to a Secret in 2 s", () => {
    const world = having(vaulted(), store());
    expect(readyAfter(world, world.create(externalSecret()))).toBe(2);
    expect(secretOf(world)).toEqual({ data: { "api-token": "first" } });
  });

  it.each<[string, Request[], Request, string]>([
    ["there is no store", [], externalSecret(), "the ClusterSecretStore is not ready"],
    ["the store is not Ready", [store("other")], externalSecret(), "the ClusterSecretStore is not ready"],
    [
      "the policy does not let it read",
      [store()],
      externalSecret("x", "prod/other"),
      "cannot read secret/prod/other: permission denied",
    ],
    ["the property is missing", [store()], externalSecret("other"), 'cannot find secret data for key: "other"'],
  ])("has no ExternalSecret Ready when %s, and tries again from 1 s to 420 s", (_, before, request, reason) => {
    const world = vaulted();
    for (const it of before) world.create(it);
    pass(world, 1);
    const item = world.create(request);
    expect(triesOf(world, "sync", 1353)).toEqual(TRIES);
    expect(stateOf(item)).toEqual({ ready: false, reason });
    expect(secretOf(world)).toBeUndefined();
  });

  it("has no ExternalSecret Ready before its value is written, and has it at the next try", () => {
    const world = fresh(certManager, externalSecrets, store());
    const item = world.create(externalSecret());
    pass(world, 10);
    expect(stateOf(item)).toEqual({ ready: false, reason: "Secret does not exist: secret/prod/cert-manager" });
    world.create(kvSecret("late"));
    // Tries at 2, 3, 5, 9 and 17 s.
    expect(readyAfter(world, item)).toBe(7);
    expect(secretOf(world)).toEqual({ data: { "api-token": "late" } });
  });

  it("does not read a value that is still being written", () => {
    const world = fresh(certManager, externalSecrets, store());
    const item = world.create(externalSecret());
    pass(world, 1.5);
    world.create(kvSecret("late"));
    expect(readyAfter(world, item)).toBe(1.5);
  });

  it("syncs every hour", () => {
    const world = having(vaulted(), store());
    world.create(externalSecret());
    expect(triesOf(world, "sync", 3 * 3600)).toEqual([2, 3602, 7202]);
  });

  it("stays Ready with the older value until the next sync", () => {
    const world = having(vaulted(), store(), externalSecret());
    const item = world.item(keyOfRequest(externalSecret())) as Item;
    pass(world, 600);
    world.update(keyOfRequest(kvSecret("")), kvSecret("second").spec);
    pass(world, 2999);
    expect([stateOf(item), secretOf(world)]).toEqual([READY, { data: { "api-token": "first" } }]);
    pass(world, 1);
    expect([stateOf(item), secretOf(world)]).toEqual([READY, { data: { "api-token": "second" } }]);
  });

  it("syncs at once when an annotation changes, stays Ready meanwhile, and counts the hour from then", () => {
    const world = having(vaulted(), store(), externalSecret());
    pass(world, 600);
    world.update(keyOfRequest(kvSecret("")), kvSecret("second").spec);
    const annotated = externalSecret("cf-api-token", "prod/cert-manager", { annotations: { token: "second" } });
    const item = world.update(keyOfRequest(annotated), annotated.spec);
    expect(stateOf(item)).toEqual(READY);
    expect(triesOf(world, "sync", 3602)).toEqual([2, 3602]);
    expect([stateOf(item), secretOf(world)]).toEqual([
      READY,
      { data: { "api-token": "second" }, syncedFor: { token: "second" } },
    ]);
  });

  it("says in the Secret which annotations it was synced for, and not before the sync", () => {
    const at = (version: string) => externalSecret("cf-api-token", "prod/cert-manager", { annotations: { version } });
    const world = having(vaulted(), store(), at("1"));
    expect(secretOf(world)?.syncedFor).toEqual({ version: "1" });
    world.update(keyOfRequest(at("2")), at("2").spec);
    pass(world, 1.9);
    expect(secretOf(world)?.syncedFor).toEqual({ version: "1" });
    pass(world, 0.1);
    expect(secretOf(world)?.syncedFor).toEqual({ version: "2" });
  });

  it("keeps the Secret when a later sync fails, and is no longer Ready", () => {
    const world = having(vaulted(), store(), externalSecret());
    setVault(world, { sealed: true });
    pass(world, 3600);
    // The store was looked at before, and is not Ready any more.
    expect(stateOf(world.items("ExternalSecret")[0] as Item)).toEqual({
      ready: false,
      reason: "the ClusterSecretStore is not ready",
    });
    expect(secretOf(world)).toEqual({ data: { "api-token": "first" } });
  });

  it("has no later sync while Vault is sealed and the store does not know it yet", () => {
    const world = having(vaulted(), store(), externalSecret());
    pass(world, 3599);
    setVault(world, { sealed: true });
    pass(world, 1);
    expect(stateOf(world.items("ExternalSecret")[0] as Item)).toEqual({ ready: false, reason: "Vault is sealed" });
  });

  it("takes the Secret away with its owner", () => {
    const world = without(having(vaulted(), store(), externalSecret()), externalSecret());
    expect(secretOf(world)).toBeUndefined();
  });
});
