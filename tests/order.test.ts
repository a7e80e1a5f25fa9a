import { beforeAll, describe, expect, it } from "vitest";
import { lastName } from "../project/registration.ts";
import { type Graph, graphOf } from "../sandbox/schedule/graph.ts";
import { latenciesFor } from "../sandbox/schedule/latencies.ts";
import type { Happening } from "../sandbox/schedule/outcome.ts";
import { timedCloud } from "../sandbox/schedule/timed-cloud.ts";
import { replayUp } from "../sandbox/schedule/up.ts";
import { emptyWorld } from "../sandbox/world/beginnings.ts";
import { usualLatencies } from "../sandbox/world/systems.ts";
import { leastSeconds, waveSeconds } from "../workbench/bench.ts";
import { declaredEdges, isImplied, type Surroundings } from "../workbench/edges.ts";
import { firstFault, seedsFrom } from "./faults.ts";
import { registrationsOf } from "./harness.ts";
import { setUp, variants } from "./variants.ts";

// The order of things, proven against a world that refuses: the recorded program is played on its virtual clock, under
// a few of the schedules in tests/schedules. What the world's rules leave out is not proven here.

const seeds = seedsFrom(1, 20);
const prod = graphOf(await registrationsOf("prod"));

describe.each(variants)("$name", (variant) => {
  let graph: Graph;
  let surroundings: Surroundings;

  beforeAll(async () => {
    ({ graph, surroundings } = await setUp(variant));
  });

  it(`comes up and goes down under the seeds from ${seeds.first} to ${seeds.last}, served at the end and never wrongly`, () => {
    expect(firstFault(graph, seeds, surroundings)).toBeUndefined();
  });

  it("has no dependency that others imply", () => {
    const implied = declaredEdges(graph).filter((edge) => isImplied(graph, edge));
    expect(implied.map(({ from, to }) => `${lastName(from)} → ${lastName(to)}`)).toEqual([]);
  });

  if (variant.bootstrap === undefined) return;
  it("registers nothing less in a second phase than in the first", () => {
    const missing = [...(surroundings.bootstrap?.keys() ?? [])].filter((urn) => !graph.has(urn));
    expect(missing).toEqual([]);
    expect(surroundings.bootstrap?.size).toBeGreaterThan(20);
  });
});

describe("the replay", () => {
  /** Events of one moment have no order of their own. */
  const inOrder = (happenings: readonly Happening[]) =>
    happenings
      .map(({ at, what, name }) => `${at.toFixed(3)} ${what} ${name}`)
      .sort((a, b) => Number.parseFloat(a) - Number.parseFloat(b) || (a < b ? -1 : 1));

  it.each([1, 7, 42, 1234])("tells what the whole program does under mocks, with seed %i", async (seed) => {
    const replayed = replayUp(prod, { state: emptyWorld(seed), latencies: latenciesFor(seed) });
    const cloud = timedCloud(emptyWorld(seed), latenciesFor(seed));
    await cloud.run(registrationsOf("prod", {}, {}, cloud.mocks));
    expect(inOrder(cloud.happenings)).toEqual(inOrder(replayed.happenings));
    expect(cloud.happenings.length).toBeGreaterThan(50);
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
