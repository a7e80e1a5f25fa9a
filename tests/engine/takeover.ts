import type { Sandbox } from "../../sandbox/sandbox.ts";
import { keyOf, type Spec } from "../../sandbox/world/state.ts";
import type { World } from "../../sandbox/world/world.ts";
import type { MergePatch } from "../../tools/adopt/cluster.ts";
import type { PulumiCli } from "../../tools/lib/pulumi.ts";
import type { ObjectName } from "../../tools/repair/kubernetes.ts";
import type { MemoryCluster } from "../tools/adopt/memory-cluster.ts";
import { cliOf } from "./repairing.ts";

// The article's cluster as `adopt` sees and changes it, with a sandbox's world behind it.

/** Has every change of a cluster in memory happen in the world, too. */
export function mirrored(memory: MemoryCluster, { cloud }: Sandbox): MemoryCluster {
  return {
    ...memory,
    async patch(name, patch) {
      await memory.patch(name, patch);
      await cloud.visit((world) => patchIn(world, name, patch));
    },
    async remove(name, uid) {
      await memory.remove(name, uid);
      await cloud.visit((world) => world.remove(keyOf(name)));
    },
  };
}

interface Patched {
  readonly metadata?: {
    readonly labels?: Readonly<Record<string, unknown>>;
    readonly annotations?: Readonly<Record<string, unknown>>;
    readonly finalizers?: readonly string[] | null;
  };
  readonly spec?: { readonly syncPolicy?: { readonly automated?: unknown } };
}

function patchIn(world: World, name: ObjectName, patch: MergePatch): void {
  const item = world.item(keyOf(name));
  if (item === undefined) return;
  const { metadata = {}, spec } = patch as Patched;
  if (item.kind === "Application") {
    const { automated } = spec?.syncPolicy ?? {};
    world.update(keyOf(item), {
      ...item.spec,
      ...(automated !== undefined && { automated: automated !== null }),
      ...(metadata.finalizers !== undefined && { cascades: (metadata.finalizers ?? []).length > 0 }),
    });
    return;
  }
  for (const part of ["labels", "annotations"] as const) {
    const all = Object.entries({ ...(item.spec[part] as Spec | undefined), ...metadata[part] });
    const left = all.filter(([, value]) => value !== null);
    if (left.length > 0) item.spec = { ...item.spec, [part]: Object.fromEntries(left) };
    else delete item.spec[part];
  }
}

/** The CLI of a sandbox; its `up` is the program in this process, with the variables that it is given. */
export const cliWithUp = (
  directory: string,
  { stack }: Pick<Sandbox, "stack">,
  up: () => Promise<unknown>,
): PulumiCli => ({
  ...cliOf(directory, stack.workspace),
  async show(_args, env = {}) {
    Object.assign(process.env, env);
    try {
      await up();
      return 0;
    } finally {
      for (const name of Object.keys(env)) delete process.env[name];
    }
  },
});
