import { complaints } from "../sandbox/schedule/complaints.ts";
import { replayDestroy } from "../sandbox/schedule/destroy.ts";
import type { Graph } from "../sandbox/schedule/graph.ts";
import { latenciesFor } from "../sandbox/schedule/latencies.ts";
import { replayUp } from "../sandbox/schedule/up.ts";
import { emptyWorld } from "../sandbox/world/beginnings.ts";
import { leftovers } from "../sandbox/world/leftovers.ts";
import type { Surroundings } from "../workbench/edges.ts";

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

/** Tables of latencies to play, both ends included. */
export interface Seeds {
  readonly first: number;
  readonly last: number;
}

/** The seeds from one to another; `SEED=<n>` in the environment plays that one alone. */
export function seedsFrom(first: number, last: number): Seeds {
  const only = process.env.SEED;
  return only === undefined ? { first, last } : { first: Number(only), last: Number(only) };
}

/** The first schedule that goes wrong, and how to play it alone; undefined when none does. */
export function firstFault(graph: Graph, { first, last }: Seeds, surroundings: Surroundings) {
  for (let seed = first; seed <= last; seed++) {
    const faults = faultsUnder(graph, seed, surroundings);
    if (faults.length > 0) return { run: `SEED=${seed} npx vitest run tests/order.test.ts`, faults };
  }
  return undefined;
}
