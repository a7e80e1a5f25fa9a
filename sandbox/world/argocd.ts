import { ownerOf } from "./helm.ts";
import { namespacedId } from "./kubernetes.ts";
import { type Item, keyOf, type Spec } from "./state.ts";
import type { Happening, System, World } from "./world.ts";

// ArgoCD: Applications, which put back what others change, and go with what they made.

/** An Application. */
export interface ApplicationSpec extends Spec {
  /** Whether it syncs by itself, and puts back what others change. */
  readonly automated: boolean;
  /** Whether its deletion takes what it tracks. */
  readonly cascades: boolean;
  /** Keys of the objects that it has made; Applications among them. */
  readonly tracks: readonly string[];
}

const specOf = ({ spec }: Item) => spec as ApplicationSpec;

const makerOf = (world: World, key: string): Item | undefined =>
  world.items("Application").find((it) => specOf(it).automated && specOf(it).tracks.includes(key));

/** An Application of Applications brings its children back to what its Git says: that they sync by themselves. */
const putBack: Happening = (world, child) => {
  if (makerOf(world, keyOf(child)) !== undefined) child.spec = { ...child.spec, automated: true };
};

/** Has an Application be at work for some time. */
export function operate(world: World, item: Item): void {
  item.status.operatesUntil = world.now + world.seconds("ArgoCD");
}

/** Whether it is at work. */
export const operates = (world: World, { status }: Item): boolean => Number(status.operatesUntil ?? 0) > world.now;

export const argocd: System = {
  kinds: {
    Application: {
      id: namespacedId,
      start: () => {},
      change: (world, item) => world.seen(item),
      removed(world, item) {
        if (specOf(item).cascades) for (const key of specOf(item).tracks) world.removeNow(key);
        // It would be made again, as it is in Git.
        if (makerOf(world, keyOf(item)) !== undefined)
          world.put({
            kind: item.kind,
            namespace: item.namespace,
            name: item.name,
            spec: { ...item.spec, automated: true },
          });
      },
    },
  },
  happenings: { putBack },
  durations: { ArgoCD: 20 },
  seen(world, item) {
    if (item.kind === "Application" && !specOf(item).automated && makerOf(world, keyOf(item)) !== undefined)
      world.after(world.seconds("ArgoCD"), "putBack", item);
  },
  violations: (world) =>
    world.items("Application").flatMap((application) =>
      specOf(application).automated
        ? specOf(application).tracks.flatMap((key) => {
            const item = world.item(key);
            const owner = item && ownerOf(world, item);
            return owner === undefined
              ? []
              : [`Application ${application.name} syncs ${key}, which release ${owner.name} has`];
          })
        : [],
    ),
};
