import { beforeAll, describe, expect, it } from "vitest";
import { latenciesFor } from "../../sandbox/schedule/latencies.ts";
import { operate } from "../../sandbox/world/argocd.ts";
import { problemsOf } from "../../sandbox/world/served.ts";
import { nextRandom, type State } from "../../sandbox/world/state.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import { type Article, articlePlan, articleState, HOSTS, othersIn } from "../article.ts";
import { seedsFrom } from "../faults.ts";
import { CutOff, differing, rolledIn, Takeover } from "../takeover.ts";

// The takeover of the article's cluster, its actions replayed under many tables of latencies, each cut off somewhere and run
// again: served at every moment, with the one certificate, and nothing of others touched.

let article: Article;
beforeAll(async () => {
  article = await articlePlan();
});

const seeds = seedsFrom(1, 300);

/** Pods that the plan says are replaced. */
const announced = () =>
  article.plan.rows
    .filter(({ kind }) => kind === "roll")
    .map(({ subject }) => subject.replace("pods of ", ""))
    .sort();

/** A takeover of the article's cluster, of which ArgoCD is at work at first. */
function begun(seed: number): { takeover: Takeover; before: State } {
  const latencies = latenciesFor(seed);
  const state = articleState(article, seed, latencies);
  const before = structuredClone(state);
  const world = openWorld(state, latencies);
  const busy = world.item("Application argocd/istiod");
  if (busy) operate(world, busy);
  return { takeover: new Takeover(article, state, latencies), before };
}

/** Where a seed cuts its takeover off: anywhere before an action, or some time into the `up` that takes over. */
function cutOf(seed: number) {
  const random = { random: seed };
  const { actions } = article.plan;
  const upsert = actions.findIndex((action) => action.do === "up-with-upsert");
  if (nextRandom(random) < 0.5) return { at: upsert, seconds: nextRandom(random) * 60 };
  return { at: Math.floor(nextRandom(random) * actions.length) };
}

/** What is wrong after a takeover that was cut off and run again; empty when all is well. */
function faultsOf(seed: number): string[] {
  const { takeover, before } = begun(seed);
  try {
    takeover.play(cutOf(seed));
  } catch (error) {
    if (!(error instanceof CutOff)) return [String(error)];
  }
  try {
    takeover.play();
  } catch (error) {
    return [String(error)];
  }
  const { world } = takeover;
  const { state } = world;
  world.advance(world.now + 600);
  const left = world.items("Application").map(({ name }) => name);
  const releases = world.items("Release").filter(({ ready }) => !ready);
  return [
    ...state.violations,
    ...HOSTS.flatMap((host) => problemsOf(world, host)),
    ...(state.acme.length === 1 ? [] : [`${state.acme.length} certificates were issued`]),
    ...(JSON.stringify(othersIn(state)) === JSON.stringify(othersIn(before)) ? [] : ["what is others' was touched"]),
    ...(String(left) === "vault,platform,shop" ? [] : [`the Applications that are left: ${left}`]),
    ...releases.map(({ name }) => `release ${name} is not deployed`),
    ...(world.items("Release").length === 6 ? [] : [`${world.items("Release").length} releases`]),
    ...(String(rolledIn(state)) === String(announced())
      ? []
      : [`pods rolled: ${rolledIn(state)}; said: ${announced()}`]),
  ];
}

describe("a takeover of the article's cluster", () => {
  it("has a plan that refuses nothing", () => {
    expect(article.plan.rows.filter(({ kind }) => kind === "refuse")).toEqual([]);
    expect(article.plan.actions.length).toBeGreaterThan(50);
  });

  it("begins served, with one certificate", () => {
    const { takeover } = begun(1);
    expect(HOSTS.flatMap((host) => problemsOf(takeover.world, host))).toEqual([]);
    expect([takeover.world.state.acme.length, takeover.world.state.violations]).toEqual([1, []]);
  });

  it(`goes on to its end under the seeds from ${seeds.first} to ${seeds.last}, cut off once, served all the time`, () => {
    for (let seed = seeds.first; seed <= seeds.last; seed++)
      expect({ seed, faults: faultsOf(seed) }).toEqual({ seed, faults: [] });
  });

  it("gives everything back from wherever it is, until up begins", () => {
    const { actions } = article.plan;
    const upsert = actions.findIndex((action) => action.do === "up-with-upsert");
    for (let at = 0; at <= upsert; at++) {
      const { takeover, before } = begun(at + 1);
      expect(() => takeover.play({ at })).toThrow(CutOff);
      takeover.undo();
      expect({ at, differ: differing(before, takeover.world.state) }).toEqual({ at, differ: [] });
      expect(takeover.world.state.violations).toEqual([]);
    }
  });
});

describe("the replay sees", () => {
  /** What goes wrong with other actions. */
  function with_(change: (actions: Article["plan"]["actions"]) => Article["plan"]["actions"], seed = 7): string[] {
    const { takeover } = begun(seed);
    const changed = { ...article, plan: { ...article.plan, actions: change(article.plan.actions) } };
    const other = new Takeover(changed, takeover.world.state, latenciesFor(seed));
    try {
      other.play();
    } catch (error) {
      return [String(error), ...other.world.state.violations];
    }
    other.world.advance(other.world.now + 600);
    return other.world.state.violations;
  }

  it("two owners where ArgoCD goes on to sync", () => {
    const [first] = with_((actions) =>
      actions.filter((action) => action.do !== "stop-sync" && action.do !== "wait-for-no-operation"),
    );
    expect(first).toMatch(/^Application .* syncs .*, which release .* has$/);
  });

  it("a parent that was not stopped first", () => {
    const isParent = (action: Article["plan"]["actions"][number]) =>
      action.do === "stop-sync" && action.application.name === "platform";
    const found = with_((actions) => actions.filter((action) => !isParent(action)));
    expect(found[0]).toMatch(/sync by themselves again|syncs .*, which release/);
  });

  it("an object that was not marked", () => {
    const isGateway = (action: Article["plan"]["actions"][number]) =>
      action.do === "mark" && action.object.kind === "Deployment" && action.object.name === "istio-ingressgateway";
    const [first] = with_((actions) => actions.filter((action) => !isGateway(action)));
    expect(first).toContain(
      'Deployment "istio-ingressgateway" in namespace "istio-system" exists and cannot be imported',
    );
  });

  it("Applications that go with what they made", () => {
    const { takeover } = begun(3);
    takeover.play();
    const { world } = takeover;
    const before = new Takeover(article, articleState(article, 3, latenciesFor(3)), latenciesFor(3));
    before.world.remove("Application argocd/istio-ingressgateway");
    before.world.advance(before.world.now + 60);
    expect(before.world.state.violations).toContain("vault.cluster.example.com: no ingress gateway runs");
    expect(world.state.violations).toEqual([]);
  });
});
