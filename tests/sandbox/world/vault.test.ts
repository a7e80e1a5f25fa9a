import { describe, expect, it } from "vitest";
import { emptyWorld, worldWithBareVault } from "../../../sandbox/world/beginnings.ts";
import { Refusal } from "../../../sandbox/world/state.ts";
import { openWorld, usualLatencies } from "../../../sandbox/world/systems.ts";
import { audit, backend, backendConfig, insideVault, kvSecret, mount, policy, role } from "./requests.ts";
import { fresh, having, keyOfRequest, readyAfter, setVault } from "./worlds.ts";

describe("what is inside of Vault", () => {
  it.each([mount, backend, audit])("refuses to mount in Vault what is there: %o", (request) => {
    const world = having(openWorld(worldWithBareVault()), request);
    expect(() => world.create(request)).toThrow(new Refusal(`path is already in use at ${request.name}/`));
  });

  it.each([backendConfig, policy("new"), role({ policies: [] })])("writes over what is in Vault: %o", (request) => {
    const world = having(fresh(), request);
    expect(world.items(request.kind).map(({ spec }) => spec)).toEqual([request.spec]);
  });

  it("refuses to write to a Vault that is sealed, out of reach, or has no such mount", () => {
    const world = fresh();
    expect(() => world.create(kvSecret("value", "other"))).toThrow(
      new Refusal('error writing to Vault: no handler for route "other/data/". route entry not found.'),
    );
    setVault(world, { sealed: true });
    expect(() => world.create(kvSecret("value"))).toThrow(new Refusal("error writing to Vault: Vault is sealed"));
    setVault(world, { reachable: false });
    expect(() => world.create(kvSecret("value"))).toThrow(
      new Refusal("error writing to Vault: dial tcp: connect: connection refused"),
    );
  });

  it.each([...insideVault, kvSecret("value")])(
    "refuses to make, change and remove %o while Vault does not answer",
    (request) => {
      const world = fresh();
      if (world.item(keyOfRequest(request)) === undefined) world.put(request);
      const key = keyOfRequest(request);
      const before = structuredClone(world.item(key));
      for (const [vault, reason] of [
        [{ sealed: true }, "Vault is sealed"],
        [{ initialized: false }, "Vault is not initialized"],
        [{ reachable: false }, "dial tcp: connect: connection refused"],
      ] as const) {
        setVault(world, vault);
        for (const act of [
          () => world.create({ ...request, name: `${request.name}-2` }),
          () => world.update(key, request.spec),
          () => world.remove(key),
        ])
          expect(act).toThrow(new Refusal(`error writing to Vault: ${reason}`));
      }
      expect(world.item(key)).toEqual(before);
    },
  );

  it("refuses a role and a configuration where no auth backend is mounted", () => {
    const world = openWorld(worldWithBareVault());
    for (const request of [role(), backendConfig])
      expect(() => world.create(request)).toThrow(
        new Refusal('error writing to Vault: no handler for route "auth/kubernetes". route entry not found.'),
      );
    having(world, backend, backendConfig, role());
    expect(world.items("AuthBackendRole")).toHaveLength(1);
  });

  it("refuses to write in an engine that is still being mounted", () => {
    const world = openWorld(worldWithBareVault());
    const item = world.create(mount);
    expect(() => world.create(kvSecret("value"))).toThrow(
      new Refusal('error writing to Vault: no handler for route "secret/data/". route entry not found.'),
    );
    readyAfter(world, item);
    expect(readyAfter(world, world.create(kvSecret("value")))).toBe(1);
  });

  it("takes as long for a secret and for anything else in Vault as its latencies say", () => {
    const world = openWorld(emptyWorld(), { ...usualLatencies, KvSecret: 3, Policy: 2, Audit: 2 });
    expect([kvSecret("value"), policy(), audit].map((request) => readyAfter(world, world.create(request)))).toEqual([
      3, 2, 2,
    ]);
  });

  it("writes over a secret that is there, as another version", () => {
    const world = fresh(kvSecret("first"));
    const item = world.create(kvSecret("second"));
    expect(item).toMatchObject({ generation: 2, spec: { data: { "cf-api-token": "second" } } });
    expect(world.items("KvSecret")).toEqual([item]);
  });
});
