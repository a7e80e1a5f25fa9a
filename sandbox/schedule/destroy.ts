import { keyOf, Refusal } from "../world/state.ts";
import type { World } from "../world/world.ts";
import { asked, type Edge, type Graph, isMade, type Node } from "./graph.ts";
import { chronicle, type Outcome } from "./outcome.ts";

/**
 * Plays a `destroy` of what an `up` left: a resource goes when all that waits for it, and all below it, is gone.
 */
export function replayDestroy(graph: Graph, world: World, without?: Edge): Outcome {
  const start = world.now;
  const { happenings, tell, failures } = chronicle(world);
  const gone = new Set<string>();
  const running = new Map<Node, string>();
  const waiting = new Set(graph.values());

  // In the state, a dependency on a component is one on each resource in it.
  const dependents = new Map<string, Node[]>();
  for (const node of graph.values()) {
    const targets = node.dependsOn.filter((to) => without?.from !== node.urn || without.to !== to);
    const urns = [...targets.flatMap((to) => graph.get(to)?.made.map(({ urn }) => urn) ?? []), ...node.dataDependsOn];
    for (const urn of urns) dependents.set(urn, [...(dependents.get(urn) ?? []), node]);
  }
  const mayGo = (node: Node) =>
    node.children.every(({ urn }) => gone.has(urn)) &&
    (dependents.get(node.urn) ?? []).every(({ urn }) => gone.has(urn));
  const begin = (node: Node) => {
    waiting.delete(node);
    if (!isMade(node) || node.options.retainOnDelete) {
      gone.add(node.urn);
      return;
    }
    const key = keyOf(asked(node));
    try {
      world.remove(key);
      running.set(node, key);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      tell("failed", node, error.message);
    }
  };

  for (;;) {
    for (let before = -1; before !== gone.size; ) {
      before = gone.size;
      for (const [node, key] of running) {
        if (world.item(key) !== undefined) continue;
        gone.add(node.urn);
        running.delete(node);
        tell("gone", node);
      }
      if (failures().length > 0) break;
      for (const node of waiting) if (mayGo(node)) begin(node);
    }
    if (running.size === 0) break;
    world.advance(world.nextEvent ?? world.now + 1);
  }
  return {
    happenings,
    failures: failures(),
    seconds: world.now - start,
    world,
  };
}
