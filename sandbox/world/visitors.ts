import { problemsOf } from "./served.ts";
import type { System } from "./world.ts";

/** Visitors, who come at every moment. */
export const visitors: System = {
  kinds: {},
  violations: (world) => (world.state.alwaysServed ?? []).flatMap((host) => problemsOf(world, host)),
};
