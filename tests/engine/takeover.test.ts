import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openSandbox, type Sandbox } from "../../sandbox/sandbox.ts";
import type { State } from "../../sandbox/world/state.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import { isPreparing } from "../../tools/adopt/actions.ts";
import type { LiveObject } from "../../tools/adopt/cluster.ts";
import { type Takeover, takeOver, undo } from "../../tools/adopt/takeover.ts";
import { type Article, articlePlan, articleState, HOSTS, othersIn, said } from "../article.ts";
import { differing, rolledIn } from "../takeover.ts";
import { type MemoryCluster, memoryCluster } from "../tools/adopt/memory-cluster.ts";
import { problemsIn, SCALE } from "./harness.ts";
import { killedAt, repaired } from "./repairing.ts";
import { cliWithUp, mirrored } from "./takeover.ts";

// The takeover of the article's cluster through the real engine: cut off at each of its steps and run again, and given back
// once before its `up`. Each test goes on from where the one before has left it.

let article: Article;
let directory: string;
let sandbox: Sandbox;
let memory: MemoryCluster;
/** The world and the cluster as they were at first. */
let before: State;
let objects: ReadonlyMap<string, LiveObject>;

beforeAll(async () => {
  article = await articlePlan("prod");
  directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
  const world = openWorld(articleState(article, 1));
  // Records of a zone elsewhere: to take those of ours over, pulumi import loads a language host that is not always there.
  for (const record of world.items("DnsRecord")) {
    world.drop(record);
    world.put({ ...record, name: `elsewhere ${record.name}`, spec: { ...record.spec, zoneId: "elsewhere" } });
  }
  before = structuredClone(world.state);
  sandbox = await openSandbox({ directory, stack: "prod", scale: SCALE, world: world.state, configure: () => said });
  memory = memoryCluster(article.live);
  objects = new Map([...memory.objects].map(([key, object]) => [key, structuredClone(object)]));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** The world, when what was begun has ended. */
const look = async (): Promise<State> =>
  (
    await sandbox.cloud.visit((world) => {
      world.advance(world.now + 1);
      return structuredClone(world.state);
    })
  ).result;

class CutOff extends Error {}

/** Where a run is cut off. */
interface Cut {
  /** Before this change of the cluster, by its number from 1. */
  readonly change?: number;
  /** In the `up` of this number, by the death of the engine or before it begins. */
  readonly up?: { readonly at: number; readonly crash?: NonNullable<State["crash"]> };
}

/** A run of the command. */
function run(cut: Cut = {}): Takeover {
  let [changes, ups] = [0, 0];
  memory.before = () => {
    changes += 1;
    if (changes === cut.change) throw new CutOff();
  };
  const up = async () => {
    ups += 1;
    if (cut.up?.at !== ups) return sandbox.stack.up();
    const { crash } = cut.up;
    if (crash !== undefined) expect(await killedAt(directory, sandbox, crash)).toBe(true);
    throw new CutOff();
  };
  const { settings, registrations } = article.reproduction;
  return {
    ...{ stack: "prod", cluster: mirrored(memory, sandbox), pulumi: cliWithUp(directory, sandbox, up) },
    plan: async () => article.plan,
    repair: async () => {
      await sandbox.stack.cancel();
      const { findings } = await repaired(directory, sandbox, { settings, registrations });
      expect(findings.filter(({ kind }) => kind === "refuse")).toEqual([]);
    },
    verify: async () =>
      (await problemsIn(sandbox, HOSTS)).map((reason) => ({ name: "served", status: "FAIL" as const, reason })),
    pause: async () => {},
    approve: async () => true,
    say: () => {},
    log: () => {},
  };
}

/** Changes of the cluster until `up` begins: the journal's, and one for each action that changes something. */
const preparing = () => {
  const quiet = ["write-settings", "wait-for-no-operation"];
  return 1 + article.plan.actions.filter((it) => isPreparing(it) && !quiet.includes(it.do)).length;
};

it("is cut off before each kind of change that prepares, and goes on", async () => {
  const kinds = article.plan.actions.filter((it) => isPreparing(it) && it.do !== "write-settings").map((it) => it.do);
  const firstMark = 2 + kinds.indexOf("mark");
  // Before the journal, the first Application, the last, the first object, one amidst, and the last.
  const last = preparing();
  for (const change of [1, 2, firstMark - 1, firstMark, Math.floor((firstMark + last) / 2), last])
    await expect(takeOver(run({ change })), `at change ${change} of ${last}`).rejects.toThrow(CutOff);
  expect((await look()).violations).toEqual([]);
});

/** Objects as an API server stores them, which has no empty maps. */
const stored = (all: ReadonlyMap<string, LiveObject>) =>
  [...all].map(([key, { metadata = {}, ...rest }]) => {
    const filled = Object.entries(metadata).filter(
      ([, value]) => typeof value !== "object" || Object.keys(value).length > 0,
    );
    return [key, { ...rest, metadata: Object.fromEntries(filled) }];
  });

it("is given back", async () => {
  expect(await undo(run())).toBe(true);
  const state = await look();
  expect(differing(before, state)).toEqual([]);
  expect(stored(memory.objects)).toEqual(stored(objects));
  expect(state.violations).toEqual([]);
});

it("is not given back once up has begun, and serves on when the engine dies in it", async () => {
  const crash = { at: "Release istio-system/istio-ingressgateway", inside: true };
  await expect(takeOver(run({ up: { at: 1, crash } }))).rejects.toThrow(CutOff);
  await expect(undo(run())).rejects.toThrow("up has begun, and what it has taken over cannot be given back");
  expect((await look()).violations).toEqual([]);
});

it("goes on after that, and is cut off before its second up", async () => {
  await expect(takeOver(run({ up: { at: 2 } }))).rejects.toThrow(CutOff);
  const state = await look();
  expect([state.violations, await problemsIn(sandbox, HOSTS)]).toEqual([[], []]);
});

it("is cut off where the first Application goes, and ends when it is run again", async () => {
  // The marks once more, and then the finalizer of the first.
  await expect(takeOver(run({ change: preparing() + 1 }))).rejects.toThrow(CutOff);
  expect(await takeOver(run())).toBe(true);
});

it("has taken over all, with one certificate, the pods that it named, and nothing of others", async () => {
  const state = await look();
  const world = openWorld(state);
  expect([state.violations, state.acme.length, await problemsIn(sandbox, HOSTS)]).toEqual([[], 1, []]);
  expect(othersIn(state)).toEqual(othersIn(before));
  expect(world.items("Application").map(({ name }) => name)).toEqual(["vault", "platform", "shop"]);
  expect(
    world
      .items("Release")
      .map(({ name, ready }) => `${name} ${ready}`)
      .sort(),
  ).toEqual(
    ["cert-manager", "external-secrets", "istio-base", "istio-ingressgateway", "istiod", "reflector"].map(
      (name) => `${name} true`,
    ),
  );
  const named = article.plan.rows.filter(({ kind }) => kind === "roll").map(({ subject }) => subject.slice(8));
  expect(rolledIn(state)).toEqual(named.sort());
});

it("changes nothing in the next up", async () => {
  await sandbox.stack.up({ expectNoChanges: true });
});
