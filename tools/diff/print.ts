import { type Change, isOrder } from "./compare.ts";
import type { StackDiff } from "./diff.ts";
import { fitting, leftOut, type Part } from "./fit.ts";
import { code, kindOf, longestRun, type Statement, short, visible } from "./statement.ts";

// A review as it is read: on GitHub, or at a terminal.

/** The fields of a change, one on each line, as a unified diff would have them. */
function fieldLines({ what, resource, fields }: Change): string[] {
  const sign = { added: "+", removed: "-", changed: "!", replaced: "!" }[what];
  const verb = what === "replaced" ? ", replaced" : "";
  const lines = fields.flatMap(({ path, before, after }) => {
    if (isOrder(path)) return [`${after === undefined ? "-" : "+"}   ${short(path)}`];
    return [
      ...(before === undefined ? [] : [`-   ${short(path)}: ${short(before)}`]),
      ...(after === undefined ? [] : [`+   ${short(path)}: ${short(after)}`]),
    ];
  });
  return [`${sign} ${short(resource.name)} (${short(kindOf(resource))})${verb}`, ...lines];
}

/** Lines that a statement may have below it before they are folded up. */
const OPEN_LINES = 12;

/** A line of Markdown that says of a comment whose it is, so that the next run finds it. */
const MARK = "<!-- oke-platform plan --diff -->";

/** GitHub's limit for a comment is 65,536 characters, of which the previews get what is left. */
const COMMENT_LIMIT = 40_000;

/** Characters of one stack's mistakes; more than a person reads. */
const ERROR_LIMIT = 8_000;

/**
 * The diffs as GitHub's Markdown: the risks of all stacks first, then each stack. Where it would not fit into a comment
 * fields are left out before sentences, and risks last; what is left out is said, by stack.
 *
 * @param ref the revision that they are against, as it was named
 */
export function diffMarkdown(ref: string, diffs: readonly StackDiff[]): string {
  const head = [
    `${MARK}\n## What this change does`,
    `Compared with ${code(ref)}, without any cloud: values that only a cloud knows, and secrets, are not compared.`,
  ].join("\n\n");
  const parts = diffs.flatMap(partsOf);
  const kept = fitting(parts, COMMENT_LIMIT - head.length);
  const first = kept.filter(({ isFirst }) => isFirst);
  const blocks = [
    head,
    ...leftOut(parts, kept, ref),
    ...(first.length > 0 ? ["### Look at these first", ...first.map(({ text }) => text)] : []),
    ...kept.filter(({ isFirst }) => !isFirst).map(({ text }) => text),
  ];
  return `${blocks.join("\n\n")}\n`;
}

/** A stack's mistakes, risks, heading and other sentences, each with its fields, in the order in which they are read. */
function partsOf({ stack, summary, error, statements }: StackDiff): Part[] {
  const part = (kind: Part["kind"], text: string, isFirst = false, lines = 0) => ({
    stack,
    kind,
    text,
    isFirst,
    lines,
  });
  const risky = statements.filter(({ risk }) => risk !== undefined);
  const bullet = `- ⚠️ ${code(stack)}: `;
  const mistakes = (text: string) =>
    inItem([`${bullet}${summary}`, "", ...fenced("text", cut(text.split("\n").map(visible)))]);
  const isAbove = error !== undefined || (risky.length > 0 && risky.length === statements.length);
  return [
    ...(error === undefined ? [] : [part("error", mistakes(error), true)]),
    ...risky.flatMap((statement) => told(part, statement, bullet)),
    part("heading", `### ${code(stack)}: ${summary}${isAbove ? "; see above" : ""}`),
    ...statements.filter(({ risk }) => risk === undefined).flatMap((statement) => told(part, statement, "- ")),
  ];
}

/** Lines that belong to the item of a list that the first of them begins. */
const inItem = ([first = "", ...lines]: readonly string[]) =>
  [first, ...lines.map((line) => (line === "" ? "" : `  ${line}`))].join("\n");

type MakePart = (kind: Part["kind"], text: string, isFirst: boolean, lines?: number) => Part;

function told(part: MakePart, { text, risk, changes }: Statement, bullet: string): Part[] {
  const isFirst = risk !== undefined;
  const sentence = `${bullet}${text}${isFirst ? `. **Why it matters:** ${risk}` : ""}`;
  const fields = changes.flatMap(fieldLines);
  if (fields.length === 0) return [part(isFirst ? "risk" : "sentence", sentence, isFirst)];
  const block = fenced("diff", fields);
  const folded = [`<details><summary>${fields.length} lines</summary>`, "", ...block, "", "</details>"];
  const lines = inItem(["", ...(fields.length > OPEN_LINES ? folded : block)]).slice(1);
  return [
    part(isFirst ? "risk" : "sentence", sentence, isFirst),
    part(isFirst ? "riskFields" : "fields", lines, isFirst, fields.length),
  ];
}

/** Lines up to the limit of an error, and how many more there were. */
function cut(lines: readonly string[]): string[] {
  const shown: string[] = [];
  let room = ERROR_LIMIT;
  for (const line of lines) {
    if (line.length > room)
      return [...shown, `${line.slice(0, room)}…`, `(${lines.length - shown.length} lines from here on are cut)`];
    shown.push(line);
    room -= line.length + 1;
  }
  return shown;
}

/** A block of code that no line in it can end. */
function fenced(language: string, lines: readonly string[]): string[] {
  const fence = "`".repeat(Math.max(4, longestRun(lines.join("\n")) + 1));
  return [`${fence}${language}`, ...lines, fence];
}

/** The diffs as plain text. */
export function diffText(ref: string, diffs: readonly StackDiff[]): string {
  const lines = [`compared with ${visible(ref)}`];
  const plain = (text: string) => text.replaceAll("`", "");
  for (const { stack, summary, error, statements } of diffs) {
    lines.push(
      "",
      `${short(stack)}: ${plain(summary)}`,
      ...(error === undefined ? [] : error.split("\n").map((line) => `  ${visible(line)}`)),
    );
    for (const { text, risk, changes } of statements) {
      lines.push(`  ${risk === undefined ? "" : "RISK "}${plain(text)}`);
      if (risk !== undefined) lines.push(`       ${plain(risk)}`);
      lines.push(...changes.flatMap(fieldLines).map((line) => `      ${line}`));
    }
  }
  return `${lines.join("\n")}\n`;
}
