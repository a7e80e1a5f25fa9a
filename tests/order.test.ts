import { beforeAll, describe, expect, it } from "vitest";
import { lastName } from "../project/registration.ts";
import { complaints } from "../sandbox/schedule/complaints.ts";
import { replayDestroy } from "../sandbox/schedule/destroy.ts";
import { type Graph, graphOf } from "../sandbox/schedule/graph.ts";
import { latenciesFor } from "../sandbox/schedule/latencies.ts";
import type { Happening } from "../sandbox/schedule/outcome.ts";
import { timedCloud } from "../sandbox/schedule/timed-cloud.ts";
import { replayUp } from "../sandbox/schedule/up.ts";
import { willingCloud } from "../sandbox/schedule/willing-cloud.ts";
import { emptyWorld } from "../sandbox/world/beginnings.ts";
import { leftovers } from "../sandbox/world/leftovers.ts";
import { usualLatencies } from "../sandbox/world/systems.ts";
import { leastSeconds, waveSeconds } from "../workbench/bench.ts";
import { declaredEdges, isImplied, meritOf, type Surroundings } from "../workbench/edges.ts";
import { type Changes, registrationsOf, variants } from "./harness.ts";

// The order of things, proven against a world that refuses: the recorded program is played on its virtual clock.
// What the world's rules leave out is not proven here.

/** The tables of latencies to play; `SEED=<n>` plays that one alone. */
const seeds = (count: number) =>
  process.env.SEED === undefined ? Array.from({ length: count }, (_, at) => at + 1) : [Number(process.env.SEED)];

/** Why an `up` and the `destroy` after it went wrong under a seed; empty when they did not. */
function faultsUnder(graph: Graph, seed: number, { worldOf = emptyWorld, bootstrap }: Surroundings): string[] {
  const state = worldOf(seed);
  const up = replayUp(graph, { state, latencies: latenciesFor(seed), ...(bootstrap && { bootstrap }) });
  const faults = [...up.failures.map(({ name, reason }) => `${name}: ${reason}`), ...complaints(graph, up.world)];
  if (faults.length > 0) return faults;
  const down = replayDestroy(graph, up.world);
  return [
    ...down.failures.map(({ name, reason }) => `destroy ${name}: ${reason}`),
    ...leftovers(down.world.state, worldOf().items),
  ];
}

/** A way of setting the program up, recorded with the values that its clouds would give. */
async function setUp({ stack, changes, secrets, worldOf = emptyWorld, ...phases }: (typeof variants)[number]) {
  const record = async (settings?: Changes) =>
    graphOf(await registrationsOf(stack, settings, secrets, willingCloud(worldOf())));
  const bootstrap = phases.bootstrap && (await record({ ...changes, ...phases.bootstrap }));
  return { graph: await record(changes), surroundings: { worldOf, bootstrap } };
}

describe.each(variants)("$name", (variant) => {
  let graph: Graph;
  let surroundings: Surroundings;

  beforeAll(async () => {
    ({ graph, surroundings } = await setUp(variant));
  });

  it("comes up and goes down under every seed, served at the end and never wrongly", () => {
    const [failing] = seeds(["prod", "lab"].includes(variant.name) ? 2000 : 300).flatMap((seed) => {
      const faults = faultsUnder(graph, seed, surroundings);
      return faults.length > 0 ? [{ run: `SEED=${seed} npx vitest run tests/order.test.ts`, faults }] : [];
    });
    expect(failing).toBeUndefined();
  }, 30_000);

  it.runIf(variant.bootstrap)("registers nothing less in a second phase than in the first", () => {
    const missing = [...(surroundings.bootstrap?.keys() ?? [])].filter((urn) => !graph.has(urn));
    expect(missing).toEqual([]);
    expect(surroundings.bootstrap?.size).toBeGreaterThan(20);
  });

  it("has no dependency that others imply", () => {
    const implied = declaredEdges(graph).filter((edge) => isImplied(graph, edge));
    expect(implied.map(({ from, to }) => `${lastName(from)} → ${lastName(to)}`)).toEqual([]);
  });
});

describe("every declared dependency", () => {
  it("is one that something goes wrong without, in one way of setting the program up", async () => {
    const useless = new Set<string>();
    const useful = new Set<string>();
    for (const variant of variants) {
      const { graph, surroundings } = await setUp(variant);
      for (const edge of declaredEdges(graph)) {
        const name = `${lastName(edge.from)} → ${lastName(edge.to)}`;
        if (useful.has(name)) continue;
        (meritOf(graph, edge, 60, surroundings) === undefined ? useless : useful).add(name);
      }
    }
    expect([...useless].filter((name) => !useful.has(name))).toEqual([]);
    expect(useful.size).toBeGreaterThan(15);
  }, 120_000);
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

      "ingress-gateway waits for istio",
      "issuer waits for token-secret",
      "istio-istiod waits for istio-base",
      "routes waits for istio",
      "secret-store waits for external-secrets",
      "tls-gateway waits for certificate",
      "tls-gateway waits for istio",
      "token-secret waits for cert-manager",
      "token-secret waits for secret-store",
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
