import { beforeAll, describe, expect, it } from "vitest";
import {
  complaints,
  type Graph,
  graphOf,
  type Happening,
  latenciesFor,
  leftovers,
  replayDestroy,
  replayUp,
  timedCloud,
} from "../sandbox/replay.ts";
import { lastName } from "../sandbox/resources.ts";
import { emptyWorld, type State, usualLatencies } from "../sandbox/world.ts";
import { leastSeconds, waveSeconds } from "../tools/bench.ts";
import { declaredEdges, isImplied, meritOf } from "../tools/edges.ts";
import { registrationsOf, variants } from "./harness.ts";

// The order of things, proven against a world that refuses: the recorded program is played on its virtual clock.
// What the world's rules leave out is not proven here.

/** The tables of latencies to play; `SEED=<n>` plays that one alone. */
const seeds = (count: number) =>
  process.env.SEED === undefined ? Array.from({ length: count }, (_, at) => at + 1) : [Number(process.env.SEED)];

/** Why an `up` and the `destroy` after it went wrong under a seed; empty when they did not. */
function faultsUnder(graph: Graph, seed: number, worldOf: (seed?: number) => State): string[] {
  const up = replayUp(graph, { state: worldOf(seed), latencies: latenciesFor(seed) });
  const faults = [...up.failures.map(({ name, reason }) => `${name}: ${reason}`), ...complaints(graph, up.world)];
  if (faults.length > 0) return faults;
  const down = replayDestroy(graph, up.world);
  return [
    ...down.failures.map(({ name, reason }) => `destroy ${name}: ${reason}`),
    ...leftovers(down.world, worldOf().items),
  ];
}

describe.each(variants)("$name", ({ name, stack, changes, secrets, worldOf = emptyWorld }) => {
  let graph: Graph;

  beforeAll(async () => {
    graph = graphOf(await registrationsOf(stack, changes, secrets));
  });

  it("comes up and goes down under every seed, served at the end and never wrongly", () => {
    const [failing] = seeds(["prod", "lab"].includes(name) ? 2000 : 300).flatMap((seed) => {
      const faults = faultsUnder(graph, seed, worldOf);
      return faults.length > 0 ? [{ run: `SEED=${seed} npx vitest run tests/order.test.ts`, faults }] : [];
    });
    expect(failing).toBeUndefined();
  }, 30_000);

  it("has no dependency that nothing would go wrong without", () => {
    const useless = declaredEdges(graph).filter((edge) => meritOf(graph, edge, 60, worldOf) === undefined);
    expect(useless.map(({ from, to }) => `${lastName(from)} → ${lastName(to)}`)).toEqual([]);
  });

  it("has no dependency that others imply", () => {
    const implied = declaredEdges(graph).filter((edge) => isImplied(graph, edge));
    expect(implied.map(({ from, to }) => `${lastName(from)} → ${lastName(to)}`)).toEqual([]);
  });
});

describe("the replay", () => {
  /** Events of one moment have no order of their own. */
  const inOrder = (happenings: readonly Happening[]) =>
    happenings
      .map(({ at, what, name }) => `${at.toFixed(3)} ${what} ${name}`)
      .sort((a, b) => Number.parseFloat(a) - Number.parseFloat(b) || (a < b ? -1 : 1));

  it.each([1, 7, 42, 1234])("tells what the whole program does under mocks, with seed %i", async (seed) => {
    const replayed = replayUp(graphOf(await registrationsOf("prod")), {
      state: emptyWorld(seed),
      latencies: latenciesFor(seed),
    });
    const cloud = timedCloud(emptyWorld(seed), latenciesFor(seed));
    await cloud.run(registrationsOf("prod", {}, {}, cloud.mocks));
    expect(inOrder(cloud.happenings)).toEqual(inOrder(replayed.happenings));
    expect(cloud.happenings.length).toBeGreaterThan(50);
  });
});

describe("the order of prod", () => {
  it("is this, in the place of sync waves", async () => {
    const edges = declaredEdges(graphOf(await registrationsOf("prod")));
    expect(edges.map(({ from, to }) => `${lastName(from)} waits for ${lastName(to)}`).sort()).toEqual([
      "certificate waits for issuer",
      "certificate waits for token-secret",
      "ingress-gateway waits for istio",
      "issuer waits for cert-manager",
      "istio-istiod waits for istio-base",
      "routes waits for istio",
      "secret-store waits for external-secrets",
      "tls-gateway waits for certificate",
      "tls-gateway waits for istio",
      "token-secret waits for cert-manager",
      "token-secret waits for secret-store",
      "token-secret waits for vault-secret",
    ]);
  });
});

describe("the time it takes", () => {
  it("is what the world's rules allow, and never more than the article's waves, whatever takes how long", async () => {
    const graph = graphOf(await registrationsOf("lab"));
    const slow = [undefined, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20].flatMap((seed) => {
      const [state, latencies] = [emptyWorld(seed), seed === undefined ? usualLatencies : latenciesFor(seed)];
      const least = leastSeconds(graph, state, latencies);
      const { seconds } = replayUp(graph, { state, latencies });
      return seconds <= least * 1.05 && seconds <= waveSeconds(latencies) ? [] : [{ seed, seconds, least }];
    });
    expect(slow).toEqual([]);
  });
});

describe("a thousand services", () => {
  it("are planned, and come up", async () => {
    const services = Array.from({ length: 1000 }, (_, at) => ({
      name: `service-${at}`,
      namespace: "default",
      port: 8080,
    }));
    const graph = graphOf(await registrationsOf("prod", { services }));
    const up = replayUp(graph);
    expect([...graph.values()].filter(({ inputs }) => inputs.kind === "VirtualService")).toHaveLength(1000);
    expect(up.failures).toEqual([]);
    expect(complaints(graph, up.world)).toEqual([]);
  }, 30_000);
});
