import { code } from "./statement.ts";

// What of a review goes into a comment that has no room for all of it.

/** A part of a review, which is there as a whole or not at all. */
export interface Part {
  readonly stack: string;
  readonly kind: "heading" | "error" | "risk" | "sentence" | "riskFields" | "fields";
  /** Markdown without an empty line at its ends. */
  readonly text: string;
  /** Whether it stands before all stacks. */
  readonly isFirst: boolean;
  /** How many lines of fields it has. */
  readonly lines: number;
}

/** What goes in before what, whatever stack it is of. */
const RANKS: readonly Part["kind"][] = ["error", "risk", "heading", "sentence", "riskFields", "fields"];

/** Characters for the sentence that says what is left out. */
const NOTE = 2_500;

/** Stacks that it names; the others are counted. */
const NAMED_STACKS = 8;

/**
 * The parts that fit, in their order. Of the same kind the first of each stack goes in before the second of any, so that
 * no stack takes all the room. Below a heading nothing stands without it, and fields only with their sentence, which comes
 * right before them.
 */
export function fitting(parts: readonly Part[], limit: number): Part[] {
  const seen = new Map<string, number>();
  const ranked = parts.map((part, at) => {
    const key = `${part.kind} ${part.stack}`;
    const turn = seen.get(key) ?? 0;
    seen.set(key, turn + 1);
    const needed = part.lines > 0 ? parts[at - 1] : undefined;
    return { part, needed, rank: RANKS.indexOf(part.kind), turn };
  });
  ranked.sort((one, other) => one.rank - other.rank || one.turn - other.turn);
  const sizeOf = ({ text }: Part) => text.length + 2;
  const isWhole = parts.reduce((sum, part) => sum + sizeOf(part), 0) <= limit - 100;
  if (isWhole) return [...parts];
  const [kept, headed] = [new Set<Part>(), new Set<string>()];
  let room = limit - NOTE;
  for (const { part, needed } of ranked) {
    const stands = part.isFirst || part.kind === "heading" || headed.has(part.stack);
    if (sizeOf(part) > room || !stands || (needed !== undefined && !kept.has(needed))) continue;
    if (part.kind === "heading") headed.add(part.stack);
    kept.add(part);
    room -= sizeOf(part);
  }
  return parts.filter((part) => kept.has(part));
}

/** What is not among the kept parts, by stack, and where it can be read. */
export function leftOut(parts: readonly Part[], kept: readonly Part[], ref: string): string[] {
  const there = new Set(kept);
  const missing = Map.groupBy(
    parts.filter((part) => !there.has(part)),
    ({ stack }) => stack,
  );
  if (missing.size === 0) return [];
  const told = [...missing].slice(0, NAMED_STACKS).map(([stack, gone]) => `of ${code(stack)} ${amounts(gone)}`);
  const others = missing.size > NAMED_STACKS ? [`and something of ${missing.size - NAMED_STACKS} other stacks`] : [];
  const all = code(`npm run plan -- --diff ${ref}`);
  return [`**Left out here, for want of room:** ${[...told, ...others].join("; ")}. ${all} prints all of it.`];
}

/** How much a stack's missing parts are, in words. */
function amounts(gone: readonly Part[]): string {
  const count = (...kinds: Part["kind"][]) => gone.filter(({ kind }) => kinds.includes(kind)).length;
  const [risks, sentences] = [count("risk"), count("sentence")];
  const lines = gone.reduce((sum, part) => sum + part.lines, 0);
  const words = [
    ...(count("error") > 0 ? ["what is wrong"] : []),
    ...(risks > 0 ? [`**${risks} risk${risks > 1 ? "s" : ""}**`] : []),
    ...(sentences > 0 ? [`${sentences} sentence${sentences > 1 ? "s" : ""}`] : []),
    ...(lines > 0 ? [`${lines} line${lines > 1 ? "s" : ""} of fields`] : []),
  ];
  return words.length > 0 ? words.join(" and ") : "all";
}
