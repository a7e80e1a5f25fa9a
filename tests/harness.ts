import type * as pulumi from "@pulumi/pulumi";
import { vi } from "vitest";
import { type Registration, record } from "../project/record.ts";
import { readStack } from "../project/stack.ts";
import { willingCloud } from "../sandbox/schedule/willing-cloud.ts";

/** Settings to change, by key below `oke-platform:`; undefined removes one. */
export type Changes = Readonly<Record<string, unknown>>;

/** Secrets to set, by key below `oke-platform:`. */
export type Secrets = Readonly<Record<string, string>>;

/** What the program registers for a stack, with the values that the clouds would give. */
export async function registrationsOf(
  stack: string,
  changes: Changes = {},
  secrets: Secrets = {},
  cloud: pulumi.runtime.Mocks = willingCloud(),
): Promise<Registration[]> {
  const { values: shipped, secrets: secretKeys } = await readStack(stack);
  const values = { ...shipped };
  for (const [key, value] of Object.entries({ ...changes, ...secrets })) {
    if (value === undefined) delete values[`oke-platform:${key}`];
    else values[`oke-platform:${key}`] = typeof value === "string" ? value : JSON.stringify(value);
  }
  const config = { values, secrets: [...secretKeys, ...Object.keys(secrets).map((key) => `oke-platform:${key}`)] };
  // Imported afresh: the program's top level is what is recorded.
  vi.resetModules();
  const { stackTraceLimit } = Error;
  // The SDK writes a stack out for each promise, which is half of what a recording costs.
  Error.stackTraceLimit = 0;
  try {
    return await record(() => import("../index.ts"), stack, config, cloud);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** The resource of a name, of the providers' where a component has the same. */
export function named(registrations: Registration[], name: string): Registration {
  const found = registrations.filter((registration) => registration.name === name);
  const one = found.find((registration) => registration.custom) ?? found[0];
  if (one === undefined)
    throw new Error(`no resource is named ${name}; there are ${registrations.map((r) => r.name).join(", ")}`);
  return one;
}
