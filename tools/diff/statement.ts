import type { Registration } from "../../project/record.ts";
import { type Change, type Field, isOrder } from "./compare.ts";

// The words of a review: sentences, and what each stands for.

export interface Statement {
  /** Markdown, in which only code is marked up. */
  readonly text: string;
  /** Why to look twice. @default - no more reason than for any change */
  readonly risk?: string | undefined;
  /** The fields that it stands for. */
  readonly changes: Change[];
}

/** What statements are made from. */
export interface Story {
  readonly untold: Untold;
  readonly before: readonly Registration[];
  readonly after: readonly Registration[];
}

/** Changes that no sentence stands for yet. */
export class Untold {
  private changes: Change[];

  constructor(changes: Change[]) {
    this.changes = changes;
  }

  /**
   * Takes changes out, so that one sentence stands for them.
   *
   * @param fields the fields to take, of what stays and only changes. @default - all of them
   */
  take(which: (resource: Registration, change: Change) => boolean, fields?: (path: string) => boolean): Change[] {
    const taken: Change[] = [];
    this.changes = this.changes.flatMap((change) => {
      if (!which(change.resource, change)) return [change];
      const isPart = fields !== undefined && change.before && change.after;
      const mine = isPart ? change.fields.filter(({ path }) => fields(path)) : change.fields;
      if (mine.length === 0 && change.fields.length > 0) return [change];
      taken.push({ ...change, fields: mine });
      const rest = change.fields.filter((field) => !mine.includes(field));
      return rest.length > 0 ? [{ ...change, fields: rest }] : [];
    });
    return taken;
  }
}

export const has = (change: Change, ...what: Change["what"][]): boolean => what.includes(change.what);

/** The last word of a resource's type. */
export const kindOf = ({ type }: Registration): string => type.split(":").at(-1) ?? type;

export const isKind =
  (kind: string) =>
  (resource: Registration): boolean =>
    kindOf(resource) === kind;

/** What a reader would not see, or would see in another order, such as the marks that turn the direction of writing. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Text that stays on its line and in its place; what would leave them is written as its code point. */
export const visible = (text: string): string =>
  text.replace(
    UNSEEN,
    (it) => ({ "\n": "\\n", "\r": "\\r", "\t": "\\t" })[it] ?? `\\u{${it.codePointAt(0)?.toString(16)}}`,
  );

/** Text as Markdown code, whatever is in it. All that a revision has written stands in code: a name could mention people. */
export function code(value: unknown): string {
  const text = short(value);
  const fence = "`".repeat(longestRun(text) + 1);
  return fence.length === 1 ? `\`${text}\`` : `${fence} ${text} ${fence}`;
}

/** The longest row of backticks in a text: a fence of one more holds it. */
export const longestRun = (text: string): number => Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));

/** A type's own word as it stands, such as A or DnsRecord. */
export const word = (value: unknown): string =>
  typeof value === "string" && /^[A-Z][A-Za-z0-9]{0,60}$/.test(value) ? value : code(value);

/** A value on one line; what is longer is cut. */
export function short(value: unknown): string {
  // Two backticks without anything between them would be the beginning of code.
  const isPlain = typeof value === "string" && value !== "" && !/[\n\r]/.test(value);
  const text = (isPlain ? value : JSON.stringify(value)) ?? "";
  return visible(text.length > 160 ? `${text.slice(0, 160)}… (${text.length} characters)` : text);
}

/** Names in a sentence that has no room for more; the fields below it have them all. */
const MOST_NAMES = 12;

export function codes(values: readonly unknown[]): string {
  const marked = values.slice(0, MOST_NAMES).map(code);
  if (values.length > MOST_NAMES) return `${marked.join(", ")} and ${values.length - MOST_NAMES} more`;
  return marked.length < 2 ? marked.join("") : `${marked.slice(0, -1).join(", ")} and ${marked.at(-1)}`;
}

/** Fields in one line, or their paths where the line would be long. */
export function briefly(fields: readonly Field[]): string {
  const plain = fields.filter(({ path }) => !isOrder(path));
  if (plain.length > 3) return `${plain.length} fields, such as ${codes(plain.slice(0, 3).map(({ path }) => path))}`;
  return plain.map(({ path, before, after }) => `${code(path)} ${arrow(before, after)}`).join(", ");
}

export function arrow(before: unknown, after: unknown): string {
  if (before === undefined) return `becomes ${code(after)}`;
  return after === undefined ? `is no longer ${code(before)}` : `${code(before)} → ${code(after)}`;
}
