import { beforeAll, describe, expect, it } from "vitest";
import { lastName } from "../project/registration.ts";
import { type Edge, type Graph, graphOf } from "../sandbox/schedule/graph.ts";
import { latenciesFor } from "../sandbox/schedule/latencies.ts";
import type { Happening } from "../sandbox/schedule/outcome.ts";
import { timedCloud } from "../sandbox/schedule/timed-cloud.ts";
import { replayUp } from "../sandbox/schedule/up.ts";
import { emptyWorld } from "../sandbox/world/beginnings.ts";
import { declaredEdges, isImplied, type Surroundings } from "../workbench/edges.ts";
import { edgesOf } from "./edges.ts";
import { firstFault, seedsFrom } from "./faults.ts";
import { registrationsOf } from "./harness.ts";
import { setUp, variants } from "./variants.ts";

// The order of things, proven against a world that refuses: the recorded program is played on its virtual clock, under
// a few of the schedules in tests/schedules. What the world's rules leave out is not proven here.

const seeds = seedsFrom(1, 20);
const prod = graphOf(await registrationsOf("prod"));

const named = (edges: readonly Edge[]) => edges.map(({ from, to }) => `${lastName(from)} → ${lastName(to)}`).sort();

describe.each(variants)("$name", (variant) => {
  let graph: Graph;
  let surroundings: Surroundings;

  beforeAll(async () => {
    ({ graph, surroundings } = await setUp(variant));
  });

  it(`comes up and goes down under the seeds from ${seeds.first} to ${seeds.last}, served at the end and never wrongly`, () => {
    expect(firstFault(graph, seeds, surroundings)).toBeUndefined();
  });

  it("has the edges of the table, and none that others imply", () => {
    expect(named(declaredEdges(graph))).toEqual(edgesOf(variant.name, "last"));
    expect(named(declaredEdges(graph).filter((edge) => isImplied(graph, edge)))).toEqual([]);
  });

  if (variant.bootstrap === undefined) return;
  it("has the edges of the table in its first phase, and registers nothing less in the second", () => {
    const first: Graph = surroundings.bootstrap ?? new Map();
    expect([...first.keys()].filter((urn) => !graph.has(urn))).toEqual([]);
    expect(first.size).toBeGreaterThan(20);
    expect(named(declaredEdges(first))).toEqual(edgesOf(variant.name, "first"));
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
