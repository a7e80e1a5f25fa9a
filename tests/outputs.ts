import * as pulumi from "@pulumi/pulumi";
import type { Registration } from "../project/record.ts";
import { willingCloud } from "../sandbox/schedule/willing-cloud.ts";
import type { State } from "../sandbox/world/state.ts";
import { type Changes, registrationsOf, type Secrets } from "./harness.ts";

/** Runs the program, and gives what it registered and what it puts out. */
export async function withOutputs(
  stack: string,
  changes: Changes,
  state: State,
  secrets: Secrets = {},
): Promise<[Registration[], Record<string, unknown>]> {
  const all = await registrationsOf(stack, changes, secrets, willingCloud(state));
  // The module that was run: nothing is registered anew.
  const outputs = await import("../index.ts");
  const known = await new Promise<Record<string, unknown>>((resolve) => {
    pulumi.output({ ...outputs }).apply((values) => resolve(values));
  });
  return [all, known];
}
