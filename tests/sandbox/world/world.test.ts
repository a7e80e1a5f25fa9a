import { describe, expect, it } from "vitest";
import { examples } from "../../../project/placeholders.ts";
import { emptyWorld, peaceful } from "../../../sandbox/world/beginnings.ts";
import { Refusal, type Request, type State, sha256 } from "../../../sandbox/world/state.ts";
import { openWorld } from "../../../sandbox/world/systems.ts";
import type { World } from "../../../sandbox/world/world.ts";
import {
  apiToken,
  audit,
  backend,
  backendConfig,
  base,
  certificate,
  certManager,
  DAY,
  externalSecret,
  externalSecrets,
  gateway,
  ISTIO,
  ingressGateway,
  issuer,
  istiod,
  kmsVault,
  kvSecret,
  mount,
  namespace,
  policy,
  record,
  reflector,
  reflectTo,
  role,
  route,
  SHAPE,
  service,
  store,
  vaultServer,
} from "./requests.ts";
import { fresh, having, keyOfRequest, pass, readyAfter, setVault, stateOf, vaulted, without } from "./worlds.ts";

// The clock, the objects on it, and what is common to all systems.

describe("the world", () => {
  it.each([
    [certManager, 45],
    [reflector, 15],
    [base, 5],
    [externalSecrets, 35],
    [namespace("here"), 0.5],
    [{ kind: "PublicIp", name: "ip", spec: {} }, 5],
    [{ kind: "NetworkSecurityGroup", name: "nsg", spec: { vcnId: examples["<VCN OCID>"] } }, 3],
    [record("a"), 2],
    [apiToken(), 1],
    [kvSecret("value"), 1],
    [vaultServer(), 40],
    [kmsVault, 60],
    ...[mount, backend, policy(), role(), audit].map((request): [Request, number] => [
      { ...request, name: request.name.replace(/[^/]+$/, "new") },
      1,
    ]),
    [backendConfig, 1],
  ])("makes %o in %d s", (request, seconds) => {
    const world = fresh();
    const item = world.create(request);
    expect(item.ready).toBe(false);
    expect(readyAfter(world, item)).toBe(seconds);
  });

  it("never makes ready what is broken, but lets go of it", () => {
    const world = fresh();
    world.state.broken.push(keyOfRequest(certManager));
    const item = world.create(certManager);
    pass(world, DAY);
    expect(stateOf(item)).toEqual({ ready: false, reason: "its workloads are not ready" });
    without(world, certManager);
    expect(world.items("Release")).toEqual([]);
  });

  it.each<[string, (world: World) => unknown, (world: World) => unknown, unknown]>([
    [
      "create KvSecret",
      (world) => world.create(kvSecret("value")),
      (world) => world.items("KvSecret").map(({ spec }) => spec),
      [kvSecret("value").spec],
    ],
    [
      "update Policy",
      (world) => world.update("Policy /external-secrets", { policy: "other" }),
      (world) => world.item("Policy /external-secrets")?.spec,
      { policy: "other" },
    ],
    [
      "remove Namespace",
      (world) => world.remove("Namespace /argocd"),
      (world) => world.item("Namespace /argocd")?.removing,
      true,
    ],
  ])("refuses once to %s when a test asks for it, and has touched nothing", (fault, act, seen, after) => {
    const world = fresh();
    world.state.faults.push(fault, "create Zone");
    const before = structuredClone(world.state.items);
    expect(() => act(world)).toThrow(new Refusal(`503: the service is unavailable (${fault})`));
    expect([world.state.items, world.state.timers, world.state.faults]).toEqual([before, [], ["create Zone"]]);
    act(world);
    expect(seen(world)).toEqual(after);
  });

  it("refuses as often as it is asked, and only that", () => {
    const world = fresh();
    world.state.faults.push("create ApiToken", "create ApiToken", "update ApiToken");
    const again = () => world.create(apiToken());
    expect(again).toThrow(Refusal);
    expect(again).toThrow(Refusal);
    expect(again().name).toBe("dns-token");
    expect(world.state.faults).toEqual(["update ApiToken"]);
  });

  it("refuses to change what is not there, and takes its removal as done", () => {
    const world = fresh();
    expect(() => world.update("Release x/y", {})).toThrow(new Refusal("Release x/y not found"));
    world.remove("Release x/y");
    expect(world.state).toEqual(peaceful(emptyWorld()));
  });

  it("gives nothing to the successor of what was removed half-way", () => {
    const world = fresh(namespace("cert-manager"));
    world.create(certManager);
    pass(world, 40);
    without(world, certManager);
    // But for the lease that cainjector holds from its start, for which the start-up check waits.
    expect(readyAfter(world, world.create(certManager))).toBe(60);
  });

  it.each([
    [mount, "secret"],
    [backend, "kubernetes"],
    [backendConfig, "auth/kubernetes/config"],
    [policy(), "external-secrets"],
    [role(), "auth/kubernetes/role/external-secrets"],
    [audit, "file"],
    [kvSecret(""), "secret/prod/cert-manager"],
    [kmsVault, expect.stringMatching(/^ocid1\.vault\.oc1\.eu-frankfurt-1\.aaaa[0-9a-f]{32}$/)],
    [
      { kind: "Key", name: "key", spec: {} },
      expect.stringMatching(/^ocid1\.key\.oc1\.eu-frankfurt-1\.aaaa[0-9a-f]{32}$/),
    ],
  ])("names %o as an import does: %o", (request, id) => {
    expect(fresh().put(request).id).toEqual(id);
  });
});

describe("a world's story", () => {
  /** Everything at once, with a wait that is too short now and then; then changes, and an end. */
  const steps: [number, (world: World) => void][] = [
    [0, (world) => [certManager, reflector, base, externalSecrets, apiToken()].map((it) => world.create(it))],
    [1, (world) => world.create(kvSecret(sha256("token")))],
    [6, (world) => world.create(istiod)],
    [20, (world) => world.create(ingressGateway(service({ [`${SHAPE}-flex-min`]: "ten" })))],
    [40, (world) => world.create(store())],
    [46, (world) => world.create(issuer("6s"))],
    [46, (world) => world.create(certificate({ secretTemplate: reflectTo(ISTIO) }))],
    [50, (world) => world.create(externalSecret())],
    [60, (world) => [gateway(), route()].map((it) => world.create(it))],
    [400, (world) => world.update(keyOfRequest(ingressGateway()), ingressGateway(service()).spec)],
    [9000, (world) => setVault(world, { sealed: true })],
    [20_000, (world) => world.remove(keyOfRequest(gateway()))],
  ];

  /** Plays it; between any two moments, and before each step, the world may be put aside. */
  function played(seed: number, putAside: (world: World) => World = (world) => world): State {
    let world = openWorld(peaceful(emptyWorld(seed)));
    for (const [at, step] of [...steps, [60_000, () => {}] as const]) {
      while (world.nextEvent !== undefined && world.nextEvent <= at) {
        world.advance(world.nextEvent);
        world = putAside(world);
      }
      world.advance(at);
      world = putAside(world);
      step(world);
    }
    return putAside(world).state;
  }

  it("is the same for the same seed, and another for another", () => {
    expect(played(3)).toEqual(played(3));
    const stories = Array.from({ length: 20 }, (_, seed) => JSON.stringify(played(seed + 1).acme));
    expect(new Set(stories).size).toBeGreaterThan(3);
  });

  it("survives being put aside as JSON at any moment", () => {
    for (let seed = 1; seed <= 10; seed++) {
      let times = 0;
      const aside = (world: World) => {
        times += 1;
        return openWorld(JSON.parse(JSON.stringify(world.state)));
      };
      expect(played(seed, aside)).toEqual(played(seed));
      expect(times).toBeGreaterThan(80);
    }
  });

  it("is the same whether the clock goes in one step or in many", () => {
    const at = (advance: (world: World) => void) => {
      const world = having(vaulted(), store());
      for (const request of [externalSecret(), issuer("2s"), certificate()]) world.create(request);
      advance(world);
      return world.state;
    };
    const many = at((world) => {
      for (let count = 0; count < 20_000; count++) pass(world, 0.5);
    });
    expect(many).toEqual(at((world) => pass(world, 10_000)));
    expect(many.now).toBeGreaterThan(10_000);
  });

  it("has no number twice in a while, all from 0 to 1", () => {
    const world = fresh();
    const numbers = Array.from({ length: 1000 }, () => world.random());
    expect(new Set(numbers).size).toBe(1000);
    expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
    expect(openWorld(emptyWorld()).random()).toBe(numbers[0]);
  });
});
