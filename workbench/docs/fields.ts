import type * as v from "valibot";
import { mayBeEmpty } from "../../settings/fields.ts";
import { fields } from "../../settings/schema.ts";

// What a stack may say, read from the fields that say it.

/** A setting as documents show it. */
export interface Field {
  /** What it is; every setting has one, the items of a list need none. */
  readonly sentence: string | undefined;
  readonly isRequired: boolean;
  /** Whether it may be left empty, and is then as if it were not set. */
  readonly mayBeEmpty: boolean;
  /** What stands in its place without it; undefined where nothing does. */
  readonly byDefault: unknown;
  /** What happens without it, where no default says so. */
  readonly unset: string | undefined;
  readonly isSecret: boolean;
  /** In the words of the mistakes. */
  readonly allowed: string;
  readonly type: Type;
}

export type Type =
  | { readonly kind: "text"; readonly pattern: string | undefined; readonly not: unknown }
  | { readonly kind: "whole"; readonly min: number; readonly max: number }
  | { readonly kind: "choice"; readonly values: readonly (string | number)[] }
  | { readonly kind: "flag" }
  | { readonly kind: "map"; readonly entries: Readonly<Record<string, Field>> }
  /** A map with any keys to values of one kind. */
  | { readonly kind: "record"; readonly item: Field }
  /** A map with any keys. */
  | { readonly kind: "values" }
  | { readonly kind: "list"; readonly item: Field; readonly isOnce: boolean; readonly isFilled: boolean }
  | { readonly kind: "either"; readonly options: readonly Field[] };

/** What of valibot's schemas and actions is read: https://valibot.dev/api/ */
interface Part {
  readonly type: string;
  readonly pipe?: readonly Part[];
  readonly wrapped?: Part;
  readonly default?: unknown;
  readonly message?: unknown;
  readonly requirement?: unknown;
  readonly description?: string;
  readonly metadata?: { readonly unset?: string; readonly secret?: boolean };
  readonly entries?: Readonly<Record<string, v.GenericSchema>>;
  readonly item?: v.GenericSchema;
  readonly value?: v.GenericSchema;
  readonly options?: readonly unknown[];
  readonly literal?: string;
}

/** A schema and all that is piped to it, those inside of it first. */
function partsOf(part: Part): Part[] {
  if (part.pipe) return part.pipe.flatMap(partsOf);
  return part.wrapped ? [...partsOf(part.wrapped), part] : [part];
}

/** What a field says of itself. */
function fieldOf(schema: v.GenericSchema): Field {
  const parts = partsOf(schema as unknown as Part);
  const optional = parts.find(({ type }) => type === "optional");
  const metadata = Object.assign({}, ...parts.map((part) => part.metadata)) as NonNullable<Part["metadata"]>;
  return {
    sentence: parts.findLast(({ type }) => type === "description")?.description,
    isRequired: optional === undefined,
    mayBeEmpty: mayBeEmpty(schema),
    byDefault: optional?.default,
    unset: metadata.unset,
    isSecret: metadata.secret === true,
    allowed: String(parts[0]?.message),
    type: typeOf(parts),
  };
}

function typeOf(parts: readonly Part[]): Type {
  const found = (type: string) => parts.find((part) => part.type === type);
  const map = found("object_with_rest");
  if (map?.entries) return { kind: "map", entries: fieldsOf(map.entries) };
  const record = found("record");
  if (record?.value) return { kind: "record", item: fieldOf(record.value) };
  const { type, item, options = [] } = parts[0] as Part;
  switch (type) {
    case "string":
      return { kind: "text", pattern: patternOf(found("regex")?.requirement), not: found("not_value")?.requirement };
    case "number":
      return {
        kind: "whole",
        min: found("min_value")?.requirement as number,
        max: found("max_value")?.requirement as number,
      };
    case "picklist":
      return { kind: "choice", values: options as (string | number)[] };
    case "literal":
      return { kind: "choice", values: [(parts[0] as Part).literal as string] };
    case "boolean":
      return { kind: "flag" };
    case "custom":
      return { kind: "values" };
    case "array":
      return {
        kind: "list",
        item: fieldOf(item as v.GenericSchema),
        isOnce: found("check") !== undefined,
        isFilled: found("non_empty") !== undefined,
      };
    case "union":
      return { kind: "either", options: (options as v.GenericSchema[]).map(fieldOf) };
    default:
      throw new Error(`a field of type ${type} has no place in the documents yet`);
  }
}

/** As JSON schema spells it, which knows no flags. */
const patternOf = (expression: unknown) =>
  expression instanceof RegExp && expression.flags === "" ? expression.source : undefined;

const fieldsOf = (entries: Readonly<Record<string, v.GenericSchema>>) =>
  Object.fromEntries(Object.entries(entries).map(([key, schema]) => [key, fieldOf(schema)]));

/** All that a stack may say, by its top-level keys. */
export const settings: Readonly<Record<string, Field>> = fieldsOf(fields);
