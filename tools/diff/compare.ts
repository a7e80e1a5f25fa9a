import { immutableInputs } from "../../project/immutable.ts";
import type { Registration } from "../../project/record.ts";
import { lastName, type Properties, same } from "../../project/registration.ts";

// What differs between two recordings of a stack, field by field.

/** A value that differs; undefined where a side has none. */
export interface Field {
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
}

export interface Change {
  readonly what: "added" | "removed" | "changed" | "replaced";
  /** As it will be; as it was, where it goes. */
  readonly resource: Registration;
  readonly before: Registration | undefined;
  readonly after: Registration | undefined;
  readonly fields: Field[];
}

/** The paths under which the fields of a change show in which order it happens, in the words of `npm run plan`. */
export const AFTER = "after ";
export const WITH_VALUES = "with values of ";

/** Whether a field is one of the order. */
export const isOrder = (path: string): boolean => path.startsWith(AFTER) || path.startsWith(WITH_VALUES);

/** Whether a path is one of these or a part of one. */
export const isUnder = (path: string, ...roots: readonly string[]): boolean =>
  roots.some((root) => path === root || path.startsWith(`${root}.`) || path.startsWith(`${root}[`));

/** What differs, by URN. */
export function changesBetween(before: readonly Registration[], after: readonly Registration[]): Change[] {
  const [old, now] = [byUrn(before), byUrn(after)];
  return [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((urn): Change[] => {
    const [was, is] = [old.get(urn), now.get(urn)];
    const resource = is ?? was;
    if (resource === undefined) return [];
    const ignored = was && is ? is.options.ignoreChanges : [];
    const fields = fieldsBetween(valuesOf(was), valuesOf(is)).filter(({ path }) => !isUnder(path, ...ignored));
    const change = (what: Change["what"]) => [{ what, resource, before: was, after: is, fields }];
    if (was === undefined) return change("added");
    if (is === undefined) return change("removed");
    if (fields.length === 0) return [];
    return change(fields.some(({ path }) => isUnder(path, ...immutableInputs(is.type))) ? "replaced" : "changed");
  });
}

const byUrn = (registrations: readonly Registration[]) => new Map(registrations.map((it) => [it.urn, it]));

/** All of a resource that can change. */
function valuesOf(resource: Registration | undefined): Properties | undefined {
  if (resource === undefined) return undefined;
  const { inputs, options, dependsOn, dataDependsOn } = resource;
  const { retainOnDelete, createSeconds, ignoreChanges } = options;
  return {
    ...inputs,
    ...(retainOnDelete && { "options.retainOnDelete": true }),
    ...(createSeconds !== undefined && { "options.createSeconds": createSeconds }),
    ...(ignoreChanges.length > 0 && { "options.ignoreChanges": ignoreChanges }),
    ...Object.fromEntries(dependsOn.map((urn) => [`${AFTER}${lastName(urn)}`, true])),
    ...Object.fromEntries(dataDependsOn.map((urn) => [`${WITH_VALUES}${lastName(urn)}`, true])),
  };
}

function fieldsBetween(before: unknown, after: unknown, path = ""): Field[] {
  if (same(before, after)) return [];
  const [old, now] = [partsOf(before), partsOf(after)];
  const steps = [...new Set([...Object.keys(old ?? {}), ...Object.keys(now ?? {})])];
  // A whole on one side and parts on the other cannot be told part by part.
  if (old === undefined || now === undefined || steps.length === 0) return [{ path, before, after }];
  return steps.flatMap((step) => fieldsBetween(old[step], now[step], `${path}${step}`.replace(/^\./, "")));
}

/** The parts of a map or of a list of maps, by their step in a path; none of nothing; undefined for any other whole. */
function partsOf(value: unknown): Properties | undefined {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null) return undefined;
  if (Array.isArray(value)) {
    if (value.some((item) => typeof item !== "object")) return undefined;
    return Object.fromEntries(value.map((item, at) => [`[${at}]`, item]));
  }
  const step = (key: string) => (/^(options\.|after |with )|^[^./]+$/.test(key) ? `.${key}` : `["${key}"]`);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [step(key), item]));
}
