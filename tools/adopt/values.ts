import { same } from "../../project/registration.ts";
import type { ChartName } from "../../settings/chart-ownership.ts";
import { ownedAt, ownershipOf, refusedOf } from "../../settings/chart-values.ts";
import type { ChartValues } from "../../settings/charts.ts";
import { isRecord } from "../../settings/fields.ts";
import type { Balanced } from "../../settings/load-balancer.ts";
import { spelled } from "../../settings/rule.ts";
import type { Installation } from "./found.ts";
import { type Row, row } from "./plan.ts";
import { type Workload, workloadsOf } from "./workloads.ts";

// Values by which a chart's objects come out as they are: what was said to the chart before, as far as the program does not
// say it itself; and where the program says what was left to the chart, what the pods have.

/** Values that reproduce an installation, and what they cannot. */
export interface Reproduced {
  readonly values: ChartValues;
  readonly rows: readonly Row[];
}

/**
 * @param ours what the program itself says to the chart
 * @param workloads the chart's Deployments as they are
 */
export function reproduced(
  { chart, values: theirs }: Installation,
  ours: ChartValues,
  workloads: readonly Workload[],
  loadBalancer: Balanced | undefined,
): Reproduced {
  const said = withoutOurs(chart, theirs, ours);
  const refused = refusedOf(chart, said, loadBalancer);
  const kept = refused.reduce((all, { path }) => without(all, path), said);
  const rows = refused.flatMap(({ path, value, allowed }) => {
    const settled = ownedAt(chart, path).some(({ setting }) => setting !== undefined) || isHarmless(chart, path, value);
    return settled
      ? []
      : [row("change", `values of ${chart}`, `${spelled(path)} is ${shown(value)}; ${reasonOf(allowed)}`)];
  });
  const live = workloadsOf(chart, workloads, merged(ours, kept));
  return { values: merged(kept, live.values), rows: [...rows, ...live.rows] };
}

const shown = (value: unknown) => JSON.stringify(value) ?? "nothing";
/** A mistake's "nothing: because; remove it", without its command. */
const reasonOf = (allowed: string) =>
  `the program decides it: ${allowed.replace(/^nothing(:|,| )\s*/, "").replace(/; (remove it|use .*)$/, "")}`;

/** What means what the program says in other words. */
const isHarmless = (chart: ChartName, path: readonly string[], value: unknown) =>
  chart === "cert-manager" && path.join(".") === "installCRDs" && value === true;

/** What is not said by the program already; of a list that is merged, the items. */
function withoutOurs(
  chart: ChartName,
  theirs: ChartValues,
  ours: ChartValues,
  at: readonly string[] = [],
): ChartValues {
  const entries = Object.entries(theirs).flatMap(([key, value]) => {
    const mine = ours[key];
    const path = [...at, key];
    if (same(value, mine)) return [];
    if (isRecord(value) && isRecord(mine)) {
      const inside = withoutOurs(chart, value, mine, path);
      return Object.keys(inside).length === 0 ? [] : [[key, inside] as const];
    }
    const isList = ownershipOf(chart).merged?.some((mix) => mix.as === "list" && same(mix.at, path)) === true;
    if (isList && Array.isArray(value) && Array.isArray(mine)) {
      const more = value.filter((item) => !mine.some((own) => isPartOf(item, own)));
      return more.length === 0 ? [] : [[key, more] as const];
    }
    return [[key, value] as const];
  });
  return Object.fromEntries(entries);
}

/** Whether a map says nothing that another does not say. */
const isPartOf = (part: unknown, whole: unknown) =>
  isRecord(part) && isRecord(whole) && Object.entries(part).every(([key, value]) => same(value, whole[key]));

/** Values without what is at a path; an item of a list goes whole. */
function without(values: ChartValues, path: readonly string[]): ChartValues {
  const [key = "", ...rest] = path;
  const inside = values[key];
  if (rest.length > 0 && isRecord(inside)) {
    const left = without(inside, rest);
    if (Object.keys(left).length > 0) return { ...values, [key]: left };
  }
  if (rest.length > 0 && Array.isArray(inside)) {
    const left = inside.filter((_, index) => String(index) !== rest[0]);
    if (left.length > 0) return { ...values, [key]: left };
  }
  const { [key]: _, ...others } = values;
  return others;
}

/** Maps key by key; of everything else the second. */
export function merged(first: ChartValues, second: ChartValues): ChartValues {
  const keys = [...new Set([...Object.keys(first), ...Object.keys(second)])];
  return Object.fromEntries(
    keys.map((key) => {
      const [a, b] = [first[key], second[key]];
      if (b === undefined) return [key, a];
      return [key, isRecord(a) && isRecord(b) ? merged(a, b) : b];
    }),
  );
}
