import { retryAfter } from "../../project/retries.ts";
import { deadlineOf } from "../plugin/models.ts";
import { emptyWorld } from "../world/beginnings.ts";
import { interruptReleases } from "../world/helm.ts";
import { keyOf, Refusal, type State } from "../world/state.ts";
import { openWorld, usualLatencies } from "../world/systems.ts";
import { initialiseVault, unsealVault } from "../world/vault.ts";
import type { Latencies, World } from "../world/world.ts";
import { asked, type Edge, type Graph, isMade, type Node } from "./graph.ts";
import { chronicle, type Outcome } from "./outcome.ts";

// A recorded program's `up`, played on the world's virtual clock as the engine would play it: thousands of times in a
// minute.

export interface ReplayOptions {
  readonly state?: State;
  readonly latencies?: Latencies;
  /** A declared dependency to leave out. */
  readonly without?: Edge;
  /** A resource that never gets ready, by URN. */
  readonly broken?: string;
  /** Whether the provider takes over what is there in the cluster. @default false */
  readonly upsert?: boolean;
  /** URNs of the resources that an `up` before has made. @default none */
  readonly made?: ReadonlySet<string>;
  /** URNs of those that were not ready when it was interrupted, and are updated now. @default none */
  readonly unready?: ReadonlySet<string>;
  /** Virtual seconds after which somebody interrupts it, with Ctrl-C. @default - nobody does */
  readonly interruptedAfter?: number;
  /** The program's first phase, after which Vault is initialised and unsealed. @default - one phase is all */
  readonly bootstrap?: Graph;
}

export interface UpOutcome extends Outcome {
  /** URNs of what is made and ready. */
  readonly made: ReadonlySet<string>;
  /** URNs of what was begun and is not ready, where it was interrupted. */
  readonly unready: ReadonlySet<string>;
}

/**
 * Plays an `up`: what waits for what is the engine's rule, when a thing is ready or refused is the world's.
 *
 * As the engine does, it begins nothing more after a failure, and lets end what has begun.
 */
export function replayUp(graph: Graph, options: ReplayOptions = {}): UpOutcome {
  const { bootstrap, ...rest } = options;
  if (bootstrap !== undefined) {
    const first = replayUp(bootstrap, rest);
    if (first.failures.length > 0) return first;
    bootstrapVault(first.world);
    const second = replayUp(graph, { ...rest, state: first.world.state, made: new Set(bootstrap.keys()) });
    const happenings = [...first.happenings, ...second.happenings];
    return { ...second, happenings, seconds: first.seconds + second.seconds };
  }
  const world = openWorld(options.state ?? emptyWorld(), options.latencies ?? usualLatencies);
  const { happenings, tell, failures } = chronicle(world);
  const end = world.now + (options.interruptedAfter ?? Infinity);
  const registered = new Set<string>();
  const refused = new Map<Node, { errors: string[]; next: number }>();
  const running = new Map<Node, { key: string; deadline: number }>();
  const waiting = new Set(graph.values());
  const broken = graph.get(options.broken ?? "");
  if (broken) world.state.broken.push(keyOf(asked(broken)));

  const isDone = (node: Node) => node.made.every(({ urn }) => registered.has(urn));
  const mayBegin = ({ urn, parent, dependsOn, dataDependsOn }: Node) =>
    (parent === undefined || registered.has(parent)) &&
    dataDependsOn.every((source) => registered.has(source)) &&
    dependsOn.every((to) => {
      const target = graph.get(to);
      return target === undefined || isDone(target) || (options.without?.from === urn && options.without.to === to);
    });
  const begin = (node: Node) => {
    waiting.delete(node);
    const isThere =
      options.made?.has(node.urn) || (node.options.importId !== undefined && world.item(keyOf(asked(node))));
    if (!isMade(node) || isThere) {
      registered.add(node.urn);
      return;
    }
    tell("begins", node);
    attempt(node);
  };
  const attempt = (node: Node) => {
    const request = asked(node);
    const there = options.unready?.has(node.urn) ? world.item(keyOf(request)) : undefined;
    try {
      const item =
        there === undefined ? world.create(request, options.upsert) : world.update(keyOf(there), request.spec);
      const seconds = deadlineOf(node.type, node.inputs, node.options.createSeconds);
      running.set(node, { key: keyOf(item), deadline: world.now + seconds });
      refused.delete(node);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const errors = [error.message, ...(refused.get(node)?.errors ?? [])];
      const seconds = retryAfter(node.options.errorHooks, errors);
      if (seconds === undefined) {
        refused.delete(node);
        tell("failed", node, error.message);
      } else refused.set(node, { errors, next: world.now + seconds });
    }
  };
  const settle = (node: Node, { key, deadline }: { key: string; deadline: number }) => {
    const item = world.item(key);
    if (item?.ready) {
      registered.add(node.urn);
      tell("done", node);
    } else if (world.now >= deadline) {
      tell("failed", node, `timed out waiting for the condition: ${item?.reason}`);
    } else return;
    running.delete(node);
  };

  for (;;) {
    for (let before = -1; before !== registered.size; ) {
      before = registered.size;
      for (const [node, awaited] of running) settle(node, awaited);
      for (const [node, { next }] of refused) if (next <= world.now) attempt(node);
      if (failures().length > 0) break;
      for (const node of waiting) if (mayBegin(node)) begin(node);
    }
    if (running.size + refused.size === 0) break;
    const dues = [
      ...[...running.values()].map(({ deadline }) => deadline),
      ...[...refused.values()].map(({ next }) => next),
    ];
    const next = Math.min(world.nextEvent ?? Infinity, ...dues);
    world.advance(Math.min(next, end));
    if (next < end) continue;
    interruptReleases(world);
    break;
  }
  const seconds = (happenings.at(-1)?.at ?? 0) - (happenings[0]?.at ?? 0);
  const unready = new Set([...running.keys()].map(({ urn }) => urn));
  return { happenings, failures: failures(), seconds, world, made: registered, unready };
}

/** What the operator does between the two phases. */
function bootstrapVault(world: World): void {
  initialiseVault(world);
  unsealVault(world);
}
