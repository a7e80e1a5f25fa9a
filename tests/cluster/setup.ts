import { findEtcd, findKubeApiserver } from "./binaries.ts";

/** Before the first test: where they must be built, it is done once, and the progress is seen. */
export async function setup(): Promise<void> {
  // One after the other: the second finds most of its packages compiled.
  await findKubeApiserver();
  await findEtcd();
}
