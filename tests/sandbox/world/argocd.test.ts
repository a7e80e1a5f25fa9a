import { describe, expect, it } from "vitest";
import { type ApplicationSpec, operate, operates } from "../../../sandbox/world/argocd.ts";
import type { Request } from "../../../sandbox/world/state.ts";
import type { World } from "../../../sandbox/world/world.ts";
import { namespace, reflector, renewed } from "./requests.ts";
import { fresh, keyOfRequest, pass, readyAfter } from "./worlds.ts";

const application = (name: string, spec: Partial<ApplicationSpec> = {}): Request => ({
  kind: "Application",
  namespace: "argocd",
  name,
  spec: { automated: true, cascades: true, tracks: [], ...spec },
});
const SHOP = "Application argocd/shop";
const PODS = "Deployment kube-system/reflector";
/** Seconds until ArgoCD has noticed a change. */
const NOTICED = 20;

const stopped = (world: World, key: string) => world.update(key, { ...world.item(key)?.spec, automated: false });
const syncs = (world: World, key: string) => world.item(key)?.spec.automated;

describe("an Application", () => {
  it("syncs no more when it was told so, and stays so", () => {
    const world = fresh();
    world.put(application("shop"));
    stopped(world, SHOP);
    pass(world, 600);
    expect(syncs(world, SHOP)).toBe(false);
  });

  it("is put back by one that has it in its Git, as long as that syncs by itself", () => {
    const world = fresh();
    world.put(application("shop"));
    const parent = world.put(application("root", { tracks: [SHOP] }));
    stopped(world, SHOP);
    pass(world, NOTICED - 1);
    expect(syncs(world, SHOP)).toBe(false);
    pass(world, 1);
    expect(syncs(world, SHOP)).toBe(true);
    world.update("Application argocd/root", { ...parent.spec, automated: false });
    stopped(world, SHOP);
    pass(world, 600);
    expect(syncs(world, SHOP)).toBe(false);
  });

  it("goes with what it made, unless it lost its finalizer", () => {
    const world = fresh(namespace("shop"));
    const web = { kind: "Deployment", namespace: "shop", name: "web", spec: { chart: "web" } };
    for (const cascades of [false, true]) {
      world.put(web);
      world.put(application("shop", { cascades, tracks: [keyOfRequest(web)] }));
      world.remove(SHOP);
      pass(world, 1);
      expect([world.item(SHOP), world.item(keyOfRequest(web)) === undefined]).toEqual([undefined, cascades]);
    }
  });

  it("is made again by one that has it in its Git", () => {
    const world = fresh();
    world.put(application("shop", { automated: false }));
    world.put(application("root", { tracks: [SHOP] }));
    world.remove(SHOP);
    pass(world, 1);
    expect(syncs(world, SHOP)).toBe(true);
  });

  it("is at work for a while", () => {
    const world = fresh();
    const item = world.put(application("shop"));
    operate(world, item);
    pass(world, NOTICED - 1);
    expect(operates(world, item)).toBe(true);
    pass(world, 1);
    expect(operates(world, item)).toBe(false);
  });

  it("may not sync what a release has", () => {
    const world = fresh(reflector);
    world.put(application("reflector", { automated: false, tracks: [PODS] }));
    pass(world, 1);
    expect(world.state.violations).toEqual([]);
    world.update("Application argocd/reflector", { ...application("reflector", { tracks: [PODS] }).spec });
    expect(world.state.violations).toEqual([`Application reflector syncs ${PODS}, which release reflector has`]);
  });
});

describe("pods", () => {
  const rolls = (world: World) => world.item(PODS)?.status.rolls ?? 0;

  it("stay where an upgrade changes nothing in them, and are replaced where it does", () => {
    const world = fresh(reflector);
    const key = keyOfRequest(reflector);
    const values = { priorityClassName: "not-in-this-chart" };
    readyAfter(world, world.update(key, { ...reflector.spec, values }));
    expect(rolls(world)).toBe(0);
    readyAfter(world, world.update(key, renewed(reflector)));
    expect(rolls(world)).toBe(1);
    readyAfter(world, world.update(key, { ...reflector.spec, version: "next" }));
    expect(rolls(world)).toBe(2);
  });

  it("cannot be taken over by a release of another name", () => {
    const world = fresh(reflector);
    const old = world.item(keyOfRequest(reflector));
    if (old) world.drop(old);
    const pods = world.item(PODS);
    const mark = { "meta.helm.sh/release-name": "my-reflector", "meta.helm.sh/release-namespace": "kube-system" };
    world.put({
      kind: "Deployment",
      namespace: "kube-system",
      name: "my-reflector",
      spec: { ...pods?.spec, annotations: mark },
    });
    expect(() => world.create({ ...reflector, name: "my-reflector" })).toThrow(
      'cannot patch "my-reflector" with kind Deployment: Deployment.apps "my-reflector" is invalid: spec.selector: Invalid value: field is immutable',
    );
  });
});

describe("a create that may take over", () => {
  it("adds and overwrites, removes nothing, and leaves alone what is as it should be", () => {
    const world = fresh();
    const ours = (spec: Request["spec"]) => ({ kind: "Secret", namespace: "default", name: "it", spec });
    world.put(ours({ theirs: 1, both: 1 }));
    expect(() => world.create(ours({ both: 1 }))).toThrow('secrets "it" already exists');
    const same = world.create(ours({ both: 1 }), true);
    expect([same.ready, same.generation]).toEqual([true, 0]);
    const changed = world.create(ours({ both: 2, ours: 2 }), true);
    expect([changed.generation, changed.spec]).toEqual([1, { theirs: 1, both: 2, ours: 2 }]);
  });

  it("takes nothing over from a cloud", () => {
    const world = fresh();
    const mount = { kind: "Mount", name: "secret", spec: {} };
    expect(() => world.create(mount, true)).toThrow("already in use");
  });
});
