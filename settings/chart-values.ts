import { load } from "js-yaml";
import { type ChartName, chartOwnership } from "./chart-ownership.ts";
import type { ChartsGiven } from "./charts.ts";
import { isDate, isEmpty, isRecord } from "./fields.ts";
import type { LoadBalancerGiven } from "./load-balancer.ts";
import type { Merged, Owned, Ownership, ValuePath } from "./ownership.ts";
import { type Refusal, type Sound, spelled } from "./rule.ts";

/** A value that is no map, by the keys and indices that lead to it. */
interface Leaf {
  readonly path: readonly string[];
  readonly value: unknown;
}

type Given = ChartsGiven & LoadBalancerGiven;

/** Where a stack says the values of each chart. */
const places: Readonly<Record<ChartName, readonly string[]>> = {
  "cert-manager": ["certManager", "values"],
  reflector: ["reflector", "values"],
  base: ["istio", "values", "base"],
  istiod: ["istio", "values", "istiod"],
  gateway: ["istio", "values", "gateway"],
  "external-secrets": ["externalSecrets", "values"],
  vault: ["vault", "values"],
};

/** What the operator's values for a chart may not say, by its name in its repository. */
export const ownershipOf = (chart: string): Ownership => chartOwnership[chart as ChartName];

/** What is the program's of a chart's values at a place; nothing of a chart that only another revision installs. */
export const ownedAt = (chart: string, path: readonly string[]): readonly Owned[] =>
  (Object.hasOwn(chartOwnership, chart) ? ownershipOf(chart).owned : []).filter(
    ({ at, having }) => having === undefined && at.length <= path.length && reaches(at, path),
  );

/** What of the operator's values would undo the program, or is no value that a chart can use. */
export function* refusedValues(given: Given, sound: Sound): Generator<Refusal> {
  for (const [chart, place] of Object.entries(places)) {
    const keys = ["charts", ...place];
    if (!sound(keys.join("."), "loadBalancer", "loadBalancer.alwaysFree")) continue;
    const values = place.reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], given.charts);
    for (const { path, value, allowed } of refusedIn(chart, leavesOf(values), given))
      yield { key: spelled([...keys, ...path.map(indexed)]), value: value ?? null, allowed };
  }
}

/** What of values for a chart the program would refuse, with the places and what is allowed there. */
export const refusedOf = (chart: ChartName, values: unknown, loadBalancer: Given["loadBalancer"]) => [
  ...refusedIn(chart, leavesOf(values), { loadBalancer }),
];

const indexed = (part: string) => (/^\d+$/.test(part) ? Number(part) : part);

function* refusedIn(
  chart: string,
  leaves: readonly Leaf[],
  { loadBalancer }: LoadBalancerGiven,
): Generator<Leaf & { allowed: string }> {
  const { owned, merged = [], alsoBelow = [] } = ownershipOf(chart);
  const ours = owned.filter((row) => loadBalancer !== undefined || row.balanced !== true);
  for (const leaf of leaves) {
    const { path, value } = leaf;
    const refuse = (allowed: string) => ({ ...leaf, allowed });
    const isBelow = alsoBelow.includes(path[0] ?? "");
    for (const at of [path, ...(isBelow ? [path.slice(1)] : [])]) {
      const mix = merged.find((candidate) => candidate.at.length <= at.length && reaches(candidate.at, at));
      const isWhole = (row: Owned) => mix === undefined || row.at.length <= mix.at.length || at.length > mix.at.length;
      const row = ours.find((candidate) => isWhole(candidate) && undoes(candidate, { path: at, value }));
      if (row)
        yield refuse(`nothing: ${row.because}; ${row.setting === undefined ? "remove it" : `use ${row.setting}`}`);
      if (mix !== undefined && at !== path) yield refuse(`nothing here; write it as ${spelled(mix.at)}`);
      if (mix !== undefined) yield* refusedMix(mix, { path: at, value }, ours).map(refuse);
    }
    if (loadBalancer && typeof value === "string" && /\bLoadBalancer\b/.test(value))
      yield refuse(secondDoor(loadBalancer));
    // What the SDK sends of it are its keys, in the place of those around it.
    if (path.includes("__proto__")) yield refuse("no key of this name");
    if (isDate(value)) yield refuse("a text in quotes: without them YAML reads it as a date");
    if (path.slice(0, -1).some((key) => /(annotations|labels)$/i.test(key)) && /^(number|boolean)$/.test(typeof value))
      yield refuse("text: annotations and labels hold nothing else; write it in quotes");
  }
}

const secondDoor = ({ alwaysFree }: NonNullable<Given["loadBalancer"]>) =>
  alwaysFree
    ? "no Service of type LoadBalancer with loadBalancer.alwaysFree, whose one load balancer is the gateway's"
    : "no Service of type LoadBalancer: the cloud controller would make a second one, open to everybody; route it through services";

/** What in a value that is merged cannot be, each as what is allowed instead. */
function refusedMix({ at, as }: Merged, { path, value }: Leaf, ours: readonly Owned[]): string[] {
  if (as === "list") {
    const isList = path.length > at.length ? /^\d+$/.test(path[at.length] ?? "") : Array.isArray(value);
    return isList || (path.length === at.length && isEmpty(value))
      ? []
      : ["a list, which comes after the program's own"];
  }
  const map = mapIn(value);
  if (map === undefined) return ["a map in text, as YAML or JSON, which is merged with the program's own"];
  return ours
    .filter((row) => leavesOf(map).some((inner) => undoes(row, { ...inner, path: [...at, ...inner.path] })))
    .map(
      ({ because, at: where, setting }) =>
        `nothing in its ${where.slice(at.length).join(".")}: ${because}; use ${setting}`,
    );
}

/** The map that a text holds as YAML, of which JSON is a part; undefined when it is none. */
export function mapIn(text: unknown): Record<string, unknown> | undefined {
  try {
    const map: unknown = typeof text === "string" ? load(text) : undefined;
    return isRecord(map) ? map : undefined;
  } catch {
    return undefined;
  }
}

/** Every value that is no map, in maps and in lists; a list is one, too. */
function leavesOf(value: unknown, path: readonly string[] = []): Leaf[] {
  if (value === undefined) return [];
  const own = isRecord(value) && !isEmpty(value) ? [] : [{ path, value }];
  if (typeof value !== "object" || value === null) return own;
  return [...own, ...Object.entries(value).flatMap(([key, item]) => leavesOf(item, [...path, key]))];
}

/** Whether a value takes the place of what is the program's, of a part of it, or of what it is a part of. */
function undoes({ at, is, having }: Owned, { path, value }: Leaf): boolean {
  if (!reaches(at, path) || value === is) return false;
  // A map or list with nothing in it, where parts of it are the program's, changes none of them.
  if (path.length < at.length) return !(isRecord(value) && isEmpty(value)) && having === undefined;
  return having === undefined || (/^(string|number)$/.test(typeof value) && having.test(String(value)));
}

/** Whether one of two places is the other one or a part of it. */
const reaches = (at: ValuePath, path: readonly string[]) =>
  at
    .slice(0, path.length)
    .every((part, index) => (typeof part === "string" ? part === path[index] : part.test(path[index] ?? "")));
