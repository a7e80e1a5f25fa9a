import type { Item, Spec } from "./state.ts";
import type { System, World } from "./world.ts";

// Pod Security admission: what a namespace's labels let its pods do, and who writes them to one that is not its own.

const LEVELS = ["privileged", "baseline", "restricted"];

/** Writes what a patch says to its namespace. */
function label(world: World, { name }: Item, labels: unknown): void {
  const there = world.item(`Namespace /${name}`) ?? world.put({ kind: "Namespace", name, spec: {} });
  const { labels: _, ...spec } = there.spec;
  there.spec = { ...spec, ...(labels !== undefined && { labels }) };
}

/**
 * Why the API server does not take the pods of a workload; undefined when it does. Pods that are there stay.
 * https://kubernetes.io/docs/concepts/security/pod-security-admission/
 */
function podRefusal(world: World, { namespace, name, spec: { fits = "restricted" } }: Item): string | undefined {
  const { labels = {} } = (world.item(`Namespace /${namespace}`)?.spec ?? {}) as { labels?: Spec };
  const { "pod-security.kubernetes.io/enforce": level = "privileged" } = labels;
  return LEVELS.indexOf(String(fits)) < LEVELS.indexOf(String(level))
    ? `pods "${name}" is forbidden: violates PodSecurity "${level}:latest"`
    : undefined;
}

export const podSecurity: System = {
  kinds: {
    // It makes a namespace that is missing, and leaves it when it goes.
    // https://github.com/pulumi/pulumi-kubernetes/blob/v4.34.2/provider/pkg/await/await.go (Creation, Deletion)
    NamespacePatch: {
      id: ({ name }) => name,
      overwrites: true,
      seconds: 0.5,
      start(world, patch) {
        label(world, patch, patch.spec.labels);
        world.after(world.seconds("NamespacePatch"), "done", patch);
      },
      removed: (world, patch) => label(world, patch, undefined),
    },
  },
  podRefusal,
};
