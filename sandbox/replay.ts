import type * as pulumi from "@pulumi/pulumi";
import { plain } from "../project/registration.ts";
import { deadlineOf, invoke, modelOf, outputsOf } from "./resources.ts";
import {
  addressOf,
  emptyWorld,
  initialiseVault,
  keyOf,
  type Latencies,
  privateAddressOf,
  problemsOf,
  Refusal,
  type State,
  unsealVault,
  usualLatencies,
  World,
} from "./world.ts";

// A recorded program, played on the world's virtual clock as the engine would play it: thousands of times in a minute.

/** What is read of a recorded resource. */
export interface Recorded {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly parent: string | undefined;
  readonly custom: boolean;
  readonly dependsOn: readonly string[];
  readonly dataDependsOn: readonly string[];
  readonly inputs: Record<string, unknown>;
  readonly options: {
    readonly retainOnDelete: boolean;
    readonly createSeconds: number | undefined;
    readonly importId: string | undefined;
  };
}

/** A declared dependency, `from` waits for `to`. */
export interface Edge {
  readonly from: string;
  readonly to: string;
}

interface Node extends Recorded {
  readonly children: Node[];
  /** The providers' resources at and below it. */
  readonly made: Node[];
}

/** Resources by URN, linked with their children. */
export type Graph = ReadonlyMap<string, Node>;

export function graphOf(recorded: readonly Recorded[]): Graph {
  const nodes = new Map<string, Node>();
  for (const it of recorded) nodes.set(it.urn, { ...it, inputs: plain(it.inputs), children: [], made: [] });
  for (const node of nodes.values()) {
    nodes.get(node.parent ?? "")?.children.push(node);
    for (let above: Node | undefined = node; above !== undefined && node.custom; above = nodes.get(above.parent ?? ""))
      above.made.push(node);
  }
  return nodes;
}

/** What a resource asks of the world; its name stands for a secret that the cloud makes. */
const requestOf = ({ type, inputs, name }: Recorded) => modelOf(type).request(inputs, name, name);

export interface Happening {
  /** Virtual seconds since the operation began. */
  readonly at: number;
  readonly what: "begins" | "done" | "failed" | "gone";
  readonly name: string;
  /** Why it failed. */
  readonly reason?: string;
}

export interface Outcome {
  readonly happenings: Happening[];
  /** What failed, in order; an operation without any has succeeded. */
  readonly failures: Happening[];
  /** Virtual seconds from the first create to the last. */
  readonly seconds: number;
  readonly world: World;
}

export interface ReplayOptions {
  readonly state?: State;
  readonly latencies?: Latencies;
  /** A declared dependency to leave out. */
  readonly without?: Edge;
  /** A resource that never gets ready, by URN. */
  readonly broken?: string;
  /** URNs of the resources that an `up` before has made. @default none */
  readonly made?: ReadonlySet<string>;
  /** The program's first phase, after which Vault is initialised and unsealed. @default - one phase is all */
  readonly bootstrap?: Graph;
}

/** Whether the world has a part in a resource; providers and components are the engine's alone. */
const isWorlds = ({ custom, type }: Recorded) => custom && !type.startsWith("pulumi:");

/**
 * Plays an `up`: what waits for what is the engine's rule, when a thing is ready or refused is the world's.
 *
 * As the engine does, it begins nothing more after a failure, and lets end what has begun.
 */
export function replayUp(graph: Graph, options: ReplayOptions = {}): Outcome {
  const { bootstrap, ...rest } = options;
  if (bootstrap !== undefined) {
    const first = replayUp(bootstrap, rest);
    if (first.failures.length > 0) return first;
    bootstrapVault(first.world);
    const second = replayUp(graph, { ...rest, state: first.world.state, made: new Set(bootstrap.keys()) });
    const happenings = [...first.happenings, ...second.happenings];
    return { ...second, happenings, seconds: first.seconds + second.seconds };
  }
  const world = new World(options.state ?? emptyWorld(), options.latencies ?? usualLatencies);
  const start = world.now;
  const happenings: Happening[] = [];
  const registered = new Set<string>();
  const running = new Map<Node, { key: string; deadline: number }>();
  const waiting = new Set(graph.values());
  const tell = (what: Happening["what"], { name }: Node, reason?: string) =>
    happenings.push({ at: world.now - start, what, name, ...(reason !== undefined && { reason }) });
  const broken = graph.get(options.broken ?? "");
  if (broken) world.state.broken.push(keyOf(requestOf(broken)));

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
      options.made?.has(node.urn) || (node.options.importId !== undefined && world.item(keyOf(requestOf(node))));
    if (!isWorlds(node) || node.type === "kubernetes:core/v1:Service" || isThere) {
      registered.add(node.urn);
      return;
    }
    tell("begins", node);
    try {
      const item = world.create(requestOf(node));
      const seconds = deadlineOf(node.type, node.inputs, node.options.createSeconds) ?? Infinity;
      running.set(node, { key: keyOf(item), deadline: world.now + seconds });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      tell("failed", node, error.message);
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
      if (happenings.some(({ what }) => what === "failed")) break;
      for (const node of waiting) if (mayBegin(node)) begin(node);
    }
    if (running.size === 0) break;
    const deadlines = [...running.values()].map(({ deadline }) => deadline);
    world.advance(Math.min(world.nextEvent ?? Infinity, ...deadlines));
  }
  const seconds = (happenings.at(-1)?.at ?? 0) - (happenings[0]?.at ?? 0);
  return { happenings, failures: happenings.filter(({ what }) => what === "failed"), seconds, world };
}

/** What the operator does between the two phases. */
function bootstrapVault(world: World): void {
  initialiseVault(world);
  unsealVault(world);
}

/**
 * Plays a `destroy` of what an `up` left: a resource goes when all that waits for it, and all below it, is gone.
 */
export function replayDestroy(graph: Graph, world: World, without?: Edge): Outcome {
  const start = world.now;
  const happenings: Happening[] = [];
  const gone = new Set<string>();
  const running = new Map<Node, string>();
  const waiting = new Set(graph.values());
  const tell = (what: Happening["what"], { name }: Node, reason?: string) =>
    happenings.push({ at: world.now - start, what, name, ...(reason !== undefined && { reason }) });

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
    if (!isWorlds(node) || node.type === "kubernetes:core/v1:Service" || node.options.retainOnDelete) {
      gone.add(node.urn);
      return;
    }
    const key = keyOf(requestOf(node));
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
      if (happenings.some(({ what }) => what === "failed")) break;
      for (const node of waiting) if (mayGo(node)) begin(node);
    }
    if (running.size === 0) break;
    world.advance(world.nextEvent ?? world.now + 1);
  }
  return {
    happenings,
    failures: happenings.filter(({ what }) => what === "failed"),
    seconds: world.now - start,
    world,
  };
}

/** What is wrong for users a second after an `up`, when the last copy is made; empty when all is well. */
export function complaints(graph: Graph, world: World): string[] {
  world.advance(world.now + world.latencies.reflection);
  const hosts = [...graph.values()]
    .filter(({ inputs }) => inputs.kind === "VirtualService")
    .flatMap(({ inputs }) => (inputs.spec as { hosts: string[] }).hosts);
  return [...world.state.violations, ...hosts.flatMap((host) => problemsOf(world, host))];
}

/** What a destroy leaves because it is dear to get again, or may hold what others have put there. */
const KEPT = [
  "Namespace /cert-manager",
  "Secret cert-manager/",
  "PublicIp ",
  ...["Namespace /vault", "Secret vault/", "PersistentVolumeClaim vault/", "Vault ", "KmsVault ", "Key "],
  ...["Mount ", "AuthBackend ", "AuthBackendConfig "],
];

/** What is there after a destroy that was not before, and that nothing asked to keep. */
export function leftovers(world: World, before: State["items"] = emptyWorld().items): string[] {
  const kept = (key: string) => KEPT.some((start) => key.startsWith(start));
  return Object.keys(world.state.items).filter((key) => !(key in before) && !kept(key));
}

/** Numbers from 0 to 1 for a seed; mulberry32, in the public domain. */
function randomFrom(seed: number): () => number {
  const world = new World({ ...emptyWorld(seed) });
  return () => world.random();
}

/**
 * A table of latencies for a seed: everything between a third and three times as long as usual, and in most tables
 * something far slower, as it happens: a chart twenty times, OCI eight times, a challenge of minutes.
 */
export function latenciesFor(seed: number): Latencies {
  const random = randomFrom(seed);
  const vary = (usual: number) => usual * 3 ** (2 * random() - 1);
  const table: Latencies = {
    ...(Object.fromEntries(
      Object.entries(usualLatencies).map(([key, value]) => [key, typeof value === "number" ? vary(value) : value]),
    ) as Latencies),
    charts: Object.fromEntries(Object.entries(usualLatencies.charts).map(([chart, value]) => [chart, vary(value)])),
  };
  // The validation's wait is the operator's; a self-check is not shorter than a TTL.
  table.challenge = Math.max(table.challenge, usualLatencies.challenge / 2);
  const slow = [
    "cert-manager",
    "reflector",
    "base",
    "istiod",
    "external-secrets",
    "gateway",
    "challenge",
    "ApiToken",
    "KvSecret",
    "PublicIp",
  ];
  for (let count = Math.floor(random() * 3); count > 0; count--) {
    const which = slow[Math.floor(random() * slow.length)] ?? "";
    if (which in table.charts)
      table.charts[which] = (usualLatencies.charts[which] ?? 1) * (which === "gateway" ? 8 : 20);
    else table[which as "challenge"] = usualLatencies[which as "challenge"] * (which === "challenge" ? 5 : 20);
  }
  return table;
}

/**
 * Answers a program under mocks as the clouds would, at once and without asking whether they would take it: what a
 * graph is recorded with, so that addresses and identifiers stand in its inputs as they will.
 */
export function willingCloud(state: State = emptyWorld()): pulumi.runtime.Mocks {
  const world = new World(structuredClone(state));
  // One that is yet to be installed answers here, too.
  world.put({ kind: "Vault", name: "vault", spec: { reachable: true, initialized: true, sealed: false } });
  return {
    async newResource({ type, name, inputs, id, custom }) {
      if (!custom || type.startsWith("pulumi:")) return { id: custom ? name : undefined, state: inputs };
      if (type === "kubernetes:core/v1:Service") {
        return {
          id,
          state: {
            metadata: { uid: `uid-${name}` },
            status: { loadBalancer: { ingress: [{ ip: privateAddressOf(String(id).split("/")[1] ?? "") }] } },
          },
        };
      }
      // The name stands for the secret that the cloud makes.
      const item = world.put(modelOf(type).request(plain(inputs), name, name));
      item.generation = 1;
      if (item.kind === "PublicIp") item.status.ipAddress = addressOf(item.name);
      return { id: item.id, state: { ...inputs, ...outputsOf(type, inputs, item, name) } };
    },
    async call({ token, inputs }) {
      if (token === "oci:Core/getPublicIp:getPublicIp") return { ipAddress: addressOf("adopted") };
      try {
        return invoke(world, token, inputs);
      } catch (error) {
        // The SDK reads the reason where gRPC puts it.
        throw Object.assign(error as Error, { details: (error as Error).message });
      }
    },
  };
}

/** A program under mocks that is answered when the world's virtual clock says so. */
export interface TimedCloud {
  readonly mocks: pulumi.runtime.Mocks;
  /** Runs the clock until the program asks for nothing more. */
  run(program: Promise<unknown>): Promise<void>;
  readonly happenings: Happening[];
  readonly world: World;
}

/** Answers a program under mocks from a world, each resource when it is ready. */
export function timedCloud(state: State, latencies: Latencies): TimedCloud {
  const world = new World(state, latencies);
  const willing = willingCloud(state);
  const happenings: Happening[] = [];
  const waiting = new Map<string, { name: string; answer: () => void }>();
  let activity = 0;
  return {
    world,
    happenings,
    mocks: {
      call: willing.call,
      async newResource(args) {
        const { type, name, custom } = args;
        const answer = await willing.newResource(args);
        activity += 1;
        if (!custom || type.startsWith("pulumi:") || type === "kubernetes:core/v1:Service") return answer;
        happenings.push({ at: world.now, what: "begins", name });
        const key = keyOf(world.create(modelOf(type).request(plain(args.inputs), name, name)));
        return new Promise((resolve) => waiting.set(key, { name, answer: () => resolve(answer) }));
      },
    },
    async run(program) {
      let over = false;
      const ended = program.finally(() => {
        over = true;
      });
      while (!over) {
        // The program is at rest when it has asked for nothing in so many turns of the event loop.
        for (let before = -1, turns = 0; turns < 20 && !over; turns++) {
          if (before !== activity) [before, turns] = [activity, 0];
          await new Promise((resolve) => setImmediate(resolve));
        }
        const ready = [...waiting].filter(([key]) => world.item(key)?.ready);
        for (const [key, { name, answer }] of ready) {
          waiting.delete(key);
          happenings.push({ at: world.now, what: "done", name });
          activity += 1;
          answer();
        }
        if (ready.length === 0 && world.nextEvent !== undefined && waiting.size > 0) world.advance(world.nextEvent);
      }
      await ended;
    },
  };
}
