import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { type Registration, recordStack } from "../project/record.ts";
import { isSecret, lastName } from "../project/registration.ts";
import { projectDirectory } from "../project/stack.ts";
import { edgesTable, graphOfStack } from "../workbench/edges.ts";
import { diffMarkdown, diffOf, diffText, type Revision } from "./diff.ts";
import { type Planner, pairsAgainst, planInChild, sealedIn } from "./revision.ts";

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

/**
 * The order by component, as a Mermaid flowchart: an arrow for each declared dependency from what is waited for to what
 * waits, a dotted one where a value flows.
 */
export function planMermaid({ resources }: Plan): string {
  const byUrn = new Map(resources.map((resource) => [resource.urn, resource]));
  const isComponent = ({ type }: PlannedResource) => type.startsWith("oke-platform:");
  const componentOf = (urn: string | null): PlannedResource | undefined => {
    const resource = urn === null ? undefined : byUrn.get(urn);
    return resource === undefined || isComponent(resource) ? resource : componentOf(resource.parent);
  };
  const arrows = new Map<string, string>();
  const draw = (from: string, to: PlannedResource, arrow: string) => {
    const [source, target] = [componentOf(from)?.name, componentOf(to.urn)?.name];
    if (source === undefined || target === undefined || source === target) return;
    const key = `${source} ${target}`;
    // Where both are, the declared dependency is the one to see.
    if (arrows.get(key) === undefined || arrow === "-->") arrows.set(key, arrow);
  };
  for (const resource of resources) {
    for (const urn of resource.dependsOn) draw(urn, resource, "-->");
    for (const urn of resource.dataDependsOn) draw(urn, resource, "-.->");
  }
  const id = (name: string) => name.replace(/\W/g, "_");
  const components = resources.filter(isComponent).map(({ name }) => name);
  return [
    "```mermaid",
    "flowchart LR",
    ...components.sort().map((name) => `  ${id(name)}[${name}]`),
    ...[...arrows].sort().map(([key, arrow]) => `  ${key.split(" ").map(id).join(` ${arrow} `)}`),
    "```",
  ].join("\n");
}

/** Registrations whose inputs a person may read. */
export const withoutSecrets = (registrations: Registration[]): Registration[] =>
  registrations.map((it) => ({ ...it, inputs: readable(it.inputs) as Registration["inputs"] }));

/** Plans stacks of a directory; mistakes are part of the answer. */
export async function revisionsIn(directory: string, stacks: string[]): Promise<Revision[]> {
  const revisions: Revision[] = [];
  for (const stack of stacks) {
    try {
      const registrations = withoutSecrets(await recordStack(stack, { directory }));
      revisions.push({ registrations, sealed: await sealedIn(directory, stack) });
    } catch (error) {
      revisions.push({ error: error instanceof Error ? error.message : String(error) });
    }
  }
  return revisions;
}

const planned = (print: (plan: Plan) => string) => async (stack: string) =>
  print(planOf(stack, await recordStack(stack)));

const formats = {
  text: planned(planText),
  json: planned((plan) => JSON.stringify(plan, null, 2)),
  mermaid: planned(planMermaid),
  edges: async (stack: string) => edgesTable(await graphOfStack(stack)),
} as const;
const diffFormats = { text: diffText, markdown: diffMarkdown } as const;

/** @throws when there is no such format, naming those that there are */
function formatOf<Formats extends object>(formats: Formats, name: string): Formats[keyof Formats] {
  const format = Object.entries(formats).find(([known]) => known === name)?.[1];
  if (format === undefined) {
    throw new pulumi.RunError(`--format is "${name}"; allowed: ${Object.keys(formats).join(", ")}`);
  }
  return format;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: process.argv.includes("--record"),
    options: {
      stack: { type: "string" },
      format: { type: "string", default: "text" },
      diff: { type: "string" },
      // For planInChild alone: plans the stacks named after it, and sends them to the parent.
      record: { type: "string" },
    },
  });
  const { stack, format, diff, record: directory } = values;
  if (directory !== undefined) {
    process.send?.(await revisionsIn(directory, positionals));
  } else if (diff !== undefined) {
    const print = formatOf(diffFormats, format);
    // The other revision in a process of its own, so that it cannot touch this one.
    const planner: Planner = (place, stacks) =>
      place === projectDirectory ? revisionsIn(place, stacks) : planInChild(place, stacks);
    const pairs = await pairsAgainst(diff, projectDirectory, planner, stack === undefined ? undefined : [stack]);
    const diffs = pairs.map(diffOf);
    process.stdout.write(print(diff, diffs));
    if (diffs.some(({ error }) => error !== undefined)) process.exitCode = 1;
  } else {
    const print = formatOf(formats, format);
    console.log(await print(stack ?? "prod"));
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
