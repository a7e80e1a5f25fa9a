import { recordStack } from "../project/record.ts";
import { lastName } from "../project/registration.ts";
import type { StackConfig } from "../project/stack.ts";
import { complaints } from "../sandbox/schedule/complaints.ts";
import { replayDestroy } from "../sandbox/schedule/destroy.ts";
import { type Edge, type Graph, graphOf } from "../sandbox/schedule/graph.ts";
import { latenciesFor } from "../sandbox/schedule/latencies.ts";
import type { Outcome } from "../sandbox/schedule/outcome.ts";
import { replayUp } from "../sandbox/schedule/up.ts";
import { willingCloud } from "../sandbox/schedule/willing-cloud.ts";
import { emptyWorld } from "../sandbox/world/beginnings.ts";
import { leftovers } from "../sandbox/world/leftovers.ts";
import type { State } from "../sandbox/world/state.ts";

// Which dependency is there for what: each declared one is taken out of the recorded program, which is then played
// against the world until something goes wrong.

/** How an edge earns its place, the plainest first. */
const MERITS = ["refused", "times out", "not served", "slower", "destroy", "fails elsewhere", "taken"] as const;

export interface EarnedEdge extends Edge {
  readonly merit: (typeof MERITS)[number];
  /** What happens without it. */
  readonly without: string;
  /** The seed of the latencies under which it happens; undefined where any will do. */
  readonly seed: number | undefined;
}

/** Every declared dependency, in the order of registration. */
export const declaredEdges = (graph: Graph): Edge[] =>
  [...graph.values()].flatMap(({ urn, dependsOn }) => dependsOn.map((to) => ({ from: urn, to })));

/** What a stack comes up in. */
export interface Surroundings {
  /** The world to begin with, for a seed. @default - an empty one */
  readonly worldOf?: (seed?: number) => State;
  /** The program's first phase, where it has two. */
  readonly bootstrap?: Graph | undefined;
}

/**
 * What an edge is good for, or undefined when nothing goes wrong without it under any of the seeds.
 *
 * @param seeds how many tables of latencies to try
 */
export function meritOf(
  graph: Graph,
  edge: Edge,
  seeds: number,
  { worldOf = emptyWorld, bootstrap }: Surroundings = {},
): EarnedEdge | undefined {
  const inPhases = bootstrap && { bootstrap };
  let best: EarnedEdge | undefined;
  for (let seed = 1; seed <= seeds; seed++) {
    const latencies = latenciesFor(seed);
    const play = (without?: Edge) =>
      replayUp(graph, { state: worldOf(seed), latencies, ...inPhases, ...(without && { without }) });
    const found = whatWentWrong(graph, edge, play(edge), () => play(), worldOf().items);
    if (found === undefined || (best && MERITS.indexOf(found.merit) >= MERITS.indexOf(best.merit))) continue;
    best = { ...edge, ...found, seed };
    if (found.merit === MERITS[0]) return best;
  }
  const broken = best === undefined ? whenItFails(graph, edge, { worldOf, ...inPhases }) : undefined;
  return broken === undefined ? best : { ...edge, ...broken, seed: undefined };
}

function whatWentWrong(
  graph: Graph,
  edge: Edge,
  outcome: Outcome,
  play: () => Outcome,
  before: State["items"],
): Pick<EarnedEdge, "merit" | "without"> | undefined {
  const [failure] = outcome.failures;
  if (failure?.reason?.startsWith("timed out"))
    return { merit: "times out", without: `${failure.name}: ${failure.reason}` };
  if (failure) return { merit: "refused", without: `${failure.name}: ${failure.reason}` };
  const [complaint] = complaints(graph, outcome.world);
  if (complaint) return { merit: "not served", without: complaint };
  const [stuck] = replayDestroy(graph, outcome.world, edge).failures;
  if (stuck) return { merit: "destroy", without: `${stuck.name}: ${stuck.reason}` };
  const [left] = leftovers(outcome.world.state, before);
  if (left) return { merit: "destroy", without: `${left} is left behind` };
  const slower = outcome.seconds / play().seconds;
  return slower > 1.1
    ? { merit: "slower", without: `up takes ${((slower - 1) * 100).toFixed(0)} % longer` }
    : undefined;
}

/** Breaks what the edge points at, and looks whether anything but it fails, or is anybody's then. */
function whenItFails(
  graph: Graph,
  edge: Edge,
  { worldOf = emptyWorld, bootstrap }: Surroundings,
): Pick<EarnedEdge, "merit" | "without"> | undefined {
  for (const { urn: broken, name } of graph.get(edge.to)?.made ?? []) {
    const play = (without?: Edge) =>
      replayUp(graph, {
        state: worldOf(),
        broken,
        ...(bootstrap && { bootstrap }),
        ...(without && { without }),
      });
    const [withIt, withoutIt] = [play(), play(edge)];
    const isNew = (failure: string) => !withIt.failures.some((it) => it.name === failure);
    const moved = withoutIt.failures.map((failure) => failure.name).find(isNew);
    if (moved) return { merit: "fails elsewhere", without: `a failure of ${name} also shows at ${moved}` };
    const taken = withoutIt.world.state.violations.find((it) => !withIt.world.state.violations.includes(it));
    if (taken) return { merit: "taken", without: `when ${name} fails, ${taken}` };
  }
  return undefined;
}

/** Whether the other dependencies already put `to` before `from`. */
export function isImplied(graph: Graph, { from, to }: Edge): boolean {
  const before = new Set<string>();
  const visit = (urn: string) => {
    const node = graph.get(urn);
    if (node === undefined || before.has(urn)) return;
    before.add(urn);
    for (const target of node.dependsOn) {
      if (urn === from && target === to) continue;
      for (const { urn: made } of graph.get(target)?.made ?? []) visit(made);
    }
    for (const source of node.dataDependsOn) visit(source);
    if (node.parent !== undefined) visit(node.parent);
  };
  visit(from);
  return (graph.get(to)?.made ?? []).every(({ urn }) => before.has(urn));
}

/** The graph of a stack as recorded from the program, with the values that the clouds would give. */
export async function graphOfStack(stack: string, configure?: (config: StackConfig) => StackConfig): Promise<Graph> {
  return graphOf(await recordStack(stack, { cloud: willingCloud(), ...(configure && { configure }) }));
}

/** The table of a stack's declared dependencies, as Markdown. */
export function edgesTable(graph: Graph, seeds = 300): string {
  const rows = declaredEdges(graph).map((edge) => {
    const earned = meritOf(graph, edge, seeds);
    const { merit = "nothing", without = "nothing goes wrong", seed } = earned ?? {};
    return `| ${lastName(edge.from)} | ${lastName(edge.to)} | ${merit} | ${without} | ${seed ?? "any"} |`;
  });
  return ["| waits | for | without it | what happens | seed |", "|---|---|---|---|---|", ...rows.sort()].join("\n");
}
