import type { World } from "../world/world.ts";
import type { Node } from "./graph.ts";

// What a replayed operation tells.

export interface Happening {
  /** Virtual seconds since the operation began. */
  readonly at: number;
  readonly what: "begins" | "done" | "failed" | "gone";
  readonly name: string;
  /** Why it failed. */
  readonly reason?: string;
}

export interface Outcome {
  readonly happenings: Happening[];
  /** What failed, in order; an operation without any has succeeded. */
  readonly failures: Happening[];
  /** Virtual seconds from the first create to the last. */
  readonly seconds: number;
  readonly world: World;
}

/** Notes what happens, on the world's clock from now. */
export function chronicle(world: World) {
  const start = world.now;
  const happenings: Happening[] = [];
  return {
    happenings,
    tell(what: Happening["what"], { name }: Node, reason?: string): void {
      happenings.push({ at: world.now - start, what, name, ...(reason !== undefined && { reason }) });
    },
    /** What failed until now. */
    failures: () => happenings.filter(({ what }) => what === "failed"),
  };
}
