import { lastName } from "../../project/registration.ts";
import type { Plan, PlannedResource } from "./plan.ts";

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
