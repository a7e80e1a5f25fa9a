import { admitNamespace, namespacedId } from "./kubernetes.ts";
import type { Item } from "./state.ts";
import type { Happening, System, World } from "./world.ts";

// Helm: releases, from the download of a chart to its uninstallation.

/** An upgrade rolls what an install starts: three Istio releases took 61 s, against 125 s for an install. */
export const UPGRADE = 0.4;

/** The part of an install that is the download of the chart. */
const FETCH = 0.05;

export const secondsOf = (world: World, release: Item) => world.seconds(String(release.spec.chart));

/** Usual seconds of an install by chart. */
const charts = {
  "cert-manager": 45,
  reflector: 15,
  base: 5,
  istiod: 30,
  /** OCI making the load balancer. */
  gateway: 90,
  "external-secrets": 35,
  vault: 40,
};

/** How the workloads of a chart start that need more than the time for it. */
export type Start = (world: World, release: Item) => void;

function install(world: World, item: Item, starts: Readonly<Record<string, Start>>): void {
  item.reason = "its workloads are not ready";
  const start = starts[String(item.spec.chart)];
  if (start) start(world, item);
  else world.after(secondsOf(world, item), "installed", item);
}

const installed: Happening = (world, item) => {
  item.ready = true;
  item.reason = "";
  item.status.installed = true;
  world.seen(item);
};

const makeNamespace: Happening = (world, { namespace }) => {
  if (world.item(`Namespace /${namespace}`) === undefined) world.put({ kind: "Namespace", name: namespace, spec: {} });
};

/**
 * @param starts by chart, how its workloads start
 * @param rolls by chart, how a new revision of one that is installed is rolled out
 */
export const helm = (starts: Readonly<Record<string, Start>>, rolls: Readonly<Record<string, Start>>): System => ({
  kinds: {
    Release: {
      id: namespacedId,
      taken: () => "cannot re-use a name that is still in use",
      admit(world, request) {
        if (request.spec.createNamespace !== true) admitNamespace(world, request);
      },
      start(world, item) {
        item.status.since = world.now;
        // Helm fetches and renders the chart before it makes the namespace.
        if (world.item(`Namespace /${item.namespace}`) === undefined)
          world.after(secondsOf(world, item) * FETCH, "makeNamespace", item);
        install(world, item, starts);
      },
      change(world, item) {
        item.ready = false;
        item.reason = "the new revision is not rolled out";
        const roll = rolls[String(item.spec.chart)];
        if (item.status.installed !== true) install(world, item, starts);
        else if (roll) roll(world, item);
        else world.after(secondsOf(world, item) * UPGRADE, "installed", item);
      },
      removalSeconds: ({ spec }) => (spec.chart === "gateway" ? 20 : 3),
    },
  },
  happenings: { installed, makeNamespace },
  durations: charts,
});
