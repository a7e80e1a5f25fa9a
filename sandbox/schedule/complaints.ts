import { problemsOf } from "../world/served.ts";
import type { World } from "../world/world.ts";
import type { Graph } from "./graph.ts";

/** What is wrong for users a second after an `up`, when the last copy is made; empty when all is well. */
export function complaints(graph: Graph, world: World): string[] {
  world.advance(world.now + world.seconds("reflection"));
  const hosts = [...graph.values()]
    .filter(({ inputs }) => inputs.kind === "VirtualService")
    .flatMap(({ inputs }) => (inputs.spec as { hosts: string[] }).hosts);
  return [...world.state.violations, ...hosts.flatMap((host) => problemsOf(world, host))];
}
