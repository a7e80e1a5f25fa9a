import { abandonReleases } from "../world/helm.ts";
import { keyOf, type Request } from "../world/state.ts";
import type { World } from "../world/world.ts";

// How the engine dies at a create, as the world's state asks for it.

/**
 * Makes an object, unless the engine is to die before it.
 *
 * @param upsert whether what is there is taken over
 */
export function makeOrDie(world: World, request: Request, upsert: boolean): { key?: string; dies: boolean } {
  const { crash } = world.state;
  if (typeof crash?.at === "number") crash.at -= 1;
  const dies = crash !== undefined && (crash.at === 0 || [crash.at].flat().includes(keyOf(request)));
  if (dies) delete world.state.crash;
  const key = dies && !crash.inside ? undefined : keyOf(world.create(request, upsert));
  // The providers end with the engine, and with them every Helm that waits.
  if (dies) abandonReleases(world);
  return { ...(key !== undefined && { key }), dies };
}

/** The engine that has started this provider; init, where it was killed before this line. */
const engine = process.ppid;

/** Whether the engine is still there. */
const engineRuns = () => process.ppid === engine && engine !== 1;

/** The engine as a machine that loses power leaves it. */
export function killEngine(): Promise<never> {
  // One that has ended by itself has left its provider to another process, which is none of this.
  if (engineRuns()) process.kill(engine, "SIGKILL");
  return new Promise(() => undefined);
}

/** Ends this provider with its engine: one that was killed cannot stop it. */
export const endWithEngine = () => setInterval(() => engineRuns() || process.exit(), 500).unref();
