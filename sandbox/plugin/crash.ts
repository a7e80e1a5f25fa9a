import { abandonReleases } from "../world/helm.ts";
import { keyOf, type Request } from "../world/state.ts";
import type { World } from "../world/world.ts";

// How the engine dies at a create, as the world's state asks for it.

/** Makes an object, unless the engine is to die before it. */
export function makeOrDie(world: World, request: Request): { key?: string; dies: boolean } {
  const { crash } = world.state;
  if (typeof crash?.at === "number") crash.at -= 1;
  const dies = crash !== undefined && (crash.at === 0 || [crash.at].flat().includes(keyOf(request)));
  if (dies) delete world.state.crash;
  const key = dies && !crash.inside ? undefined : keyOf(world.create(request));
  // The providers end with the engine, and with them every Helm that waits.
  if (dies) abandonReleases(world);
  return { ...(key !== undefined && { key }), dies };
}

/** The engine as a machine that loses power leaves it. */
export function killEngine(): Promise<never> {
  process.kill(process.ppid, "SIGKILL");
  return new Promise(() => undefined);
}
