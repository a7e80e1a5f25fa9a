import type * as v from "valibot";
import { addressAdvice, hasCredentials } from "./addresses.ts";
import { isDate, isRecord } from "./fields.ts";

// YAML reads `1.30` as a number, `true` as yes and `2026-11-27` as a date. What was meant is not what is wrong then, but how
// it is written: a sentence more says so.

type Issue = Pick<v.BaseIssue<unknown>, "type" | "expected" | "input">;

/** What to write in the place of a value of another kind than its field's; undefined where nothing is known. */
export function kindAdvice({ type, expected, input: value }: Issue): string | undefined {
  switch (wantedBy(type, expected)) {
    case "text":
      return typeof value === "string" ? textAdvice(value) : quotesAdvice(value);
    case "number":
      return typeof value === "string" && /^\s*-?\d+(\.\d+)?\s*$/.test(value) ? "write it without quotes" : undefined;
    case "flag":
      return typeof value === "string" ? flagAdvice(value) : undefined;
    case "list":
      if (isRecord(value)) return "this is a map: write each item with a dash before it";
      return typeof value === "string" ? "write a list, each item with a dash before it" : undefined;
    case "map":
      if (Array.isArray(value)) return "this is a list: write its keys without dashes";
      return typeof value === "string" ? "write its keys on lines of their own, below it and indented" : undefined;
    default:
      return undefined;
  }
}

/** The kind that a field wants, by what valibot says of it. */
function wantedBy(type: string, expected: string | null) {
  switch (type) {
    case "string":
    case "regex":
    case "check":
      return "text";
    case "picklist":
      return expected?.includes('"') ? "text" : "number";
    case "number":
      return "number";
    case "boolean":
      return "flag";
    case "array":
    case "union":
      return "list";
    case "custom":
      return "map";
    default:
      return undefined;
  }
}

function quotesAdvice(value: unknown): string | undefined {
  const kinds: Record<string, string> = { number: "a number", boolean: "yes or no" };
  const kind = kinds[typeof value];
  if (kind === undefined) return undefined;
  const shortened = typeof value === "number" ? ", as all of it stands in your file" : "";
  return `without quotes YAML reads it as ${kind}: write it in quotes${shortened}`;
}

function textAdvice(value: string): string | undefined {
  if (isDate(value)) return `without quotes YAML reads it as a date: write "${value.slice(0, 10)}", in quotes`;
  if (hasCredentials(value)) return "no user name and no password belong in an address";
  return addressAdvice(value);
}

function flagAdvice(value: string): string | undefined {
  const [, yes, no] = /^(true|yes|on|y)$|^(false|no|off|n)$/i.exec(value) ?? [];
  if (yes === undefined && no === undefined) return undefined;
  return `write ${yes === undefined ? "false" : "true"}, without quotes`;
}
