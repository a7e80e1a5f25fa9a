import { type Change, isOrder } from "./compare.ts";
import type { StackDiff } from "./diff.ts";
import { code, kindOf, short } from "./statement.ts";

// A review as it is read: on GitHub, or at a terminal.

/** The fields of a change, one on each line, as a unified diff would have them. */
function fieldLines({ what, resource, fields }: Change): string[] {
  const sign = { added: "+", removed: "-", changed: "!", replaced: "!" }[what];
  const verb = what === "replaced" ? ", replaced" : "";
  const lines = fields.flatMap(({ path, before, after }) => {
    if (isOrder(path)) return [`${after === undefined ? "-" : "+"}   ${path}`];
    return [
      ...(before === undefined ? [] : [`-   ${path}: ${short(before)}`]),
      ...(after === undefined ? [] : [`+   ${path}: ${short(after)}`]),
    ];
  });
  return [`${sign} ${resource.name} (${kindOf(resource)})${verb}`, ...lines];
}

/** Lines that a statement may have below it before they are folded up. */
const OPEN_LINES = 12;

/** A line of Markdown that says of a comment whose it is, so that the next run finds it. */
const MARK = "<!-- oke-platform plan --diff -->";

/** GitHub's limit for a comment is 65,536 characters, of which the previews get some too. */
const COMMENT_LIMIT = 40_000;

/**
 * The diffs as GitHub's Markdown. Where it would not fit into a comment the fields are left out.
 *
 * @param ref the revision that they are against, as it was named
 */
export function diffMarkdown(ref: string, diffs: StackDiff[], withFields = true): string {
  const lines = [
    MARK,
    "## What this change does",
    "",
    `Compared with ${code(ref)}, without any cloud: values that only a cloud knows, and secrets, are not compared.`,
  ];
  for (const { stack, summary, error, statements } of diffs) {
    lines.push("", `### ${code(stack)}: ${summary}`);
    if (error !== undefined) lines.push("", ...fenced("text", error.split("\n")));
    const risky = statements.filter(({ risk }) => risk).length;
    for (const [at, { text, risk, changes }] of statements.entries()) {
      if (at === 0 && risky > 0) lines.push("", "**Look at these first**");
      if (at === risky && risky > 0) lines.push("", "**And**");
      lines.push("", risk === undefined ? `- ${text}` : `- ⚠️ ${text}. **Why it matters:** ${risk}`);
      const fields = changes.flatMap(fieldLines);
      if (!withFields || fields.length === 0) continue;
      const block = fenced("diff", fields);
      const folded = [`<details><summary>${fields.length} lines</summary>`, "", ...block, "", "</details>"];
      lines.push("", ...(fields.length > OPEN_LINES ? folded : block).map((line) => (line === "" ? "" : `  ${line}`)));
    }
  }
  const text = `${lines.join("\n")}\n`;
  if (text.length <= COMMENT_LIMIT) return text;
  const note = "\nThe fields are left out here, for want of room; `npm run plan -- --diff` prints them.\n";
  return withFields ? diffMarkdown(ref, diffs, false) + note : `${text.slice(0, COMMENT_LIMIT)}…\n`;
}

/** A block of code; a line in it cannot end it. */
const fenced = (language: string, lines: string[]) => [`\`\`\`\`${language}`, ...lines, "````"];

/** The diffs as plain text. */
export function diffText(ref: string, diffs: StackDiff[]): string {
  const lines = [`compared with ${ref}`];
  const plain = (text: string) => text.replaceAll("`", "");
  for (const { stack, summary, error, statements } of diffs) {
    lines.push(
      "",
      `${stack}: ${summary}`,
      ...(error === undefined ? [] : error.split("\n").map((line) => `  ${line}`)),
    );
    for (const { text, risk, changes } of statements) {
      lines.push(`  ${risk === undefined ? "" : "RISK "}${plain(text)}`);
      if (risk !== undefined) lines.push(`       ${risk}`);
      lines.push(...changes.flatMap(fieldLines).map((line) => `      ${line}`));
    }
  }
  return `${lines.join("\n")}\n`;
}
