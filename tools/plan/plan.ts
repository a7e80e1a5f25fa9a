import * as pulumi from "@pulumi/pulumi";
import type { Registration } from "../../project/record.ts";
import { isSecret } from "../../project/registration.ts";
import { withoutCredentials } from "../../settings/addresses.ts";

/** What the program would register for a stack, without engine, cloud or credentials. */
export interface Plan {
  readonly stack: string;
  /** Sorted by URN. */
  readonly resources: PlannedResource[];
}

export interface PlannedResource {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  /** URN of the parent; null for the stack itself. */
  readonly parent: string | null;
  /** URNs as the program declared them: the component where a component was given. */
  readonly dependsOn: string[];
  /** URNs of the resources whose outputs flow into the inputs. */
  readonly dataDependsOn: string[];
  /** Secrets are "[secret]", and what only the cloud knows "[known after up]". */
  readonly inputs: unknown;
}

/** Plans a recorded stack. */
export function planOf(stack: string, registrations: Registration[]): Plan {
  const resources = registrations.map(({ urn, type, name, parent, dependsOn, dataDependsOn, inputs }) => ({
    urn,
    type,
    name,
    parent: parent ?? null,
    dependsOn,
    dataDependsOn,
    inputs: readable(inputs),
  }));
  return { stack, resources: resources.sort((a, b) => (a.urn < b.urn ? -1 : 1)) };
}

/** Inputs as a person may read them. */
function readable(value: unknown): unknown {
  // An unknown in the middle of a text makes the whole text unknown.
  if (typeof value === "string")
    return value.includes(pulumi.runtime.unknownValue) ? "[known after up]" : withoutCredentials(value);
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value !== "object" || value === null) return value;
  if (isSecret(value)) return "[secret]";
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, readable(item)]),
  );
}

/** Registrations whose inputs a person may read. */
export const withoutSecrets = (registrations: Registration[]): Registration[] =>
  registrations.map((it) => ({ ...it, inputs: readable(it.inputs) as Registration["inputs"] }));
