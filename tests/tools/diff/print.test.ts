import { expect, it } from "vitest";
import type { StackDiff } from "../../../tools/diff/diff.ts";
import { diffMarkdown, diffText } from "../../../tools/diff/print.ts";
import { registrationOf } from "./registration.ts";

/** A diff of one stack, with a sentence about a change of each of these values. */
function diffTo(values: string[], risk?: string): StackDiff {
  const statements = values.map((after) => {
    const resource = registrationOf("thing", "acme:index/thing:Thing", {});
    const fields = [{ path: "note", before: undefined, after }];
    return {
      text: "`thing` changes",
      risk,
      changes: [{ what: "changed" as const, resource, before: resource, after: resource, fields }],
    };
  });
  return { stack: "prod", summary: `${values.length} changed`, statements };
}

it("is Markdown that no value can break out of", () => {
  const markdown = diffMarkdown("base", [diffTo(["`````\n<script>alert(1)</script>\n````"])]);
  expect(markdown.match(/^ *````/gm)).toHaveLength(2);
  expect(markdown).not.toMatch(/^\s*<script>/m);
});

it("fits into a comment: without the fields where they are many, and cut where the sentences are", () => {
  const fields = diffMarkdown("base", [diffTo(Array(400).fill("x".repeat(150)))]);
  expect(fields.length).toBeLessThan(45_000);
  expect(fields).toContain("- `thing` changes\n");
  expect(fields).not.toContain("xxx");
  expect(fields).toMatch(/\nThe fields are left out here, for want of room; .*\n$/);
  const sentences = diffMarkdown("base", [diffTo(Array(4000).fill("x"))]);
  expect(sentences.length).toBeLessThan(45_000);
});

it("folds many lines, and says why a risk is one", () => {
  const many = diffTo(["x"], "It is old.");
  const [statement] = many.statements;
  const lines = Array.from({ length: 20 }, (_, at) => ({ path: `field${at}`, before: undefined, after: "x" }));
  const changes = statement?.changes.map((change) => ({ ...change, fields: lines })) ?? [];
  const markdown = diffMarkdown("base", [
    { ...many, statements: [{ text: "`thing` changes", risk: "It is old.", changes }] },
  ]);
  expect(markdown).toContain("**Look at these first**\n\n- ⚠️ `thing` changes. **Why it matters:** It is old.\n");
  expect(markdown).toContain("<details><summary>21 lines</summary>");
});

it("is plain text at a terminal, mistakes with all their lines", () => {
  const broken = { stack: "lab", summary: "wrong", error: "1 mistake:\n  port", statements: [] };
  expect(diffText("base", [diffTo(["x"], "It is old."), broken])).toBe(
    [
      "compared with base",
      "",
      "prod: 1 changed",
      "  RISK thing changes",
      "       It is old.",
      "      ! thing (Thing)",
      "      +   note: x",
      "",
      "lab: wrong",
      "  1 mistake:",
      "    port",
      "",
    ].join("\n"),
  );
});
