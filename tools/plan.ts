import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { isSecret } from "../sandbox/resources.ts";
import { readStack } from "../sandbox/stack.ts";
import { type Registration, record } from "./record.ts";

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
  if (typeof value === "string") return value.includes(pulumi.runtime.unknownValue) ? "[known after up]" : value;
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value !== "object" || value === null) return value;
  if (isSecret(value)) return "[secret]";
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, readable(item)]),
  );
}

const lastName = (urn: string) => urn.split("::").at(-1) ?? urn;

/** The plan as a tree, in the order of the URNs, each resource with what it waits for. */
export function planText({ stack, resources }: Plan): string {
  const lines = [`${stack}: ${resources.filter((resource) => resource.parent !== null).length} resources`];
  const print = (parent: string, depth: number) => {
    for (const resource of resources.filter((candidate) => candidate.parent === parent)) {
      const kind = resource.type.split(":").at(-1);
      const indent = "  ".repeat(depth);
      lines.push(`${indent}${resource.name} (${kind})`);
      if (resource.dependsOn.length > 0)
        lines.push(`${indent}    after ${resource.dependsOn.map(lastName).join(", ")}`);
      if (resource.dataDependsOn.length > 0) {
        lines.push(`${indent}    with values of ${resource.dataDependsOn.map(lastName).join(", ")}`);
      }
      print(resource.urn, depth + 1);
    }
  };
  for (const root of resources.filter((resource) => resource.parent === null)) print(root.urn, 1);
  return lines.join("\n");
}

/** Records a stack of the working tree; its configuration may hold the examples' placeholders. */
export async function recordStack(stack: string): Promise<Registration[]> {
  return record(() => import("../index.ts"), stack, await readStack(stack));
}

const formats = { text: planText, json: (plan: Plan) => JSON.stringify(plan, null, 2) } as const;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { stack: { type: "string", default: "prod" }, format: { type: "string", default: "text" } },
  });
  const format = formats[values.format as keyof typeof formats];
  if (format === undefined) {
    throw new pulumi.RunError(`--format is "${values.format}"; allowed: ${Object.keys(formats).join(", ")}`);
  }
  console.log(format(planOf(values.stack, await recordStack(values.stack))));
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
