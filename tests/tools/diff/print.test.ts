import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Registration } from "../../../project/record.ts";
import { diffOf, type StackDiff } from "../../../tools/diff/diff.ts";
import { diffMarkdown, diffText } from "../../../tools/diff/print.ts";
import { proseOf } from "./prose.ts";
import { registrationOf } from "./registration.ts";

/** A diff of one stack, with a sentence about a change of each of these values. */
function diffTo(values: string[], risk?: string, stack = "prod"): StackDiff {
  const statements = values.map((after, at) => {
    const resource = registrationOf("thing", "acme:index/thing:Thing", {});
    const fields = [{ path: "note", before: undefined, after }];
    return {
      text: `\`thing ${at}\` changes`,
      risk,
      changes: [{ what: "changed" as const, resource, before: resource, after: resource, fields }],
    };
  });
  return { stack, summary: `${values.length} changed`, statements };
}

describe("no text of a revision is markup", () => {
  /** In every text below, and nowhere else: whatever shows it outside of code has let the text out. */
  const MARK = "Ω";
  const pieces = [
    "`",
    "``",
    "````",
    "\n",
    "\r",
    "<img src=x>",
    "</details>",
    "<!--",
    "@all",
    "#1",
    "~~~",
    "- ",
    "    ",
    "\u202e",
    " ",
    "x",
  ];
  const hostile = fc
    .array(fc.constantFrom(...pieces), { maxLength: 8 })
    .map((parts) => parts.join("") + MARK + parts.toReversed().join(""));
  const texts = fc.array(hostile, { minLength: 12, maxLength: 12 });

  /** Something of each kind that a sentence is about, with such a text wherever one can stand. */
  function resourcesOf(text: (at: number) => string): Registration[] {
    const metadata = { name: text(0), namespace: text(1) };
    const route = { destination: { host: text(2), port: { number: 80 } } };
    const chart = { chart: text(3), version: text(4), repositoryOpts: { repo: text(5) }, namespace: text(1) };
    return [
      registrationOf("route", "kubernetes:networking.istio.io/v1:VirtualService", {
        metadata,
        spec: { hosts: [text(6)], http: [{ route: [route] }] },
      }),
      registrationOf("release", "kubernetes:helm.sh/v3:Release", {
        ...chart,
        values: { [text(7)]: text(8), a: text(9) },
      }),
      // What is the program's own of a chart's values is told by its path.
      registrationOf("vault", "kubernetes:helm.sh/v3:Release", {
        chart: "vault",
        values: { server: { standalone: { [text(7)]: text(8) } } },
      }),
      registrationOf("record", "cloudflare:index/dnsRecord:DnsRecord", { name: text(6), type: text(9), ttl: text(8) }),
      registrationOf("token", "cloudflare:index/apiToken:ApiToken", { name: text(10) }),
      registrationOf("address", "oci:Core/publicIp:PublicIp", { [text(7)]: text(8) }),
      registrationOf("certificate", "kubernetes:cert-manager.io/v1:Certificate", {
        metadata,
        spec: { dnsNames: [text(6), text(7)], secretName: "wildcard-tls", issuerRef: { name: text(0) } },
      }),
      registrationOf(
        "gone",
        `x:y:${text(11)}`,
        { [text(7)]: { [text(8)]: [text(9)] } },
        { dependsOn: [`urn::${text(3)}`] },
      ),
      registrationOf(text(0), "x:y:Thing", { a: text(1) }),
    ];
  }

  it("whatever the names, values, paths, kinds, stacks and errors are", () => {
    fc.assert(
      fc.property(texts, texts, hostile, (before, after, name) => {
        const revision = (list: string[]) => ({
          registrations: resourcesOf((at) => list[at] ?? ""),
          sealed: { [list[10] ?? ""]: "x" },
        });
        const pairs = [
          { stack: name, before: revision(before), after: revision(after) },
          { stack: `${name}2`, before: undefined, after: revision(after) },
          { stack: `${name}3`, before: { error: name }, after: revision(after) },
          { stack: `${name}4`, before: revision(before), after: undefined },
          { stack: `${name}5`, before: revision(before), after: { error: `${before.join("\n")}\n${name}` } },
        ];
        const diffs = pairs.map(diffOf);
        const markdown = diffMarkdown(name, diffs);
        const prose = proseOf(markdown);
        expect(prose).not.toContain(MARK);
        // What is ours is all that is left.
        const ours = /<!-- oke-platform plan --diff -->|<\/?details>|<summary>\d+ lines<\/summary>/g;
        expect(prose.replace(ours, "")).not.toMatch(/[<>@~\u202e]|FENCE IS OPEN/);
        for (const text of [markdown, diffText(name, diffs)]) expect(text).not.toMatch(/[\r\u202e]/);
      }),
      { numRuns: 200 },
    );
  });

  it("and what a reader would not see is written out", () => {
    const markdown = diffMarkdown("base", [diffTo(["a\u202eb\u001b[2Jc\u200bd", ""])]);
    expect(markdown).toContain("+   note: a\\u{202e}b\\u{1b}[2Jc\\u{200b}d\n");
    expect(markdown).toContain('+   note: ""\n');
  });
});

describe("where there is no room for all", () => {
  const left = (markdown: string) => /^\*\*Left out here, for want of room:\*\* (.*)$/m.exec(markdown)?.[1];

  it("says nothing of it where there is", () => {
    expect(left(diffMarkdown("base", [diffTo(["x"])]))).toBeUndefined();
  });

  it("leaves out fields before sentences, and says how many of which stack", () => {
    const markdown = diffMarkdown("base", [
      diffTo(Array(400).fill("x".repeat(150))),
      diffTo(["y".repeat(150)], undefined, "lab"),
    ]);
    expect(markdown.length).toBeLessThanOrEqual(40_000);
    expect(markdown.match(/^- `thing \d+` changes$/gm)).toHaveLength(401);
    // The small stack has its turn before the large one has all of its own.
    expect(markdown).toContain("y".repeat(150));
    const shown = markdown.match(/note: xxx/g)?.length ?? 0;
    expect(shown).toBeGreaterThan(50);
    expect(left(markdown)).toBe(
      `of \`prod\` ${2 * (400 - shown)} lines of fields. \`npm run plan -- --diff base\` prints all of it.`,
    );
  });

  it("has the risks of all stacks before anything else", () => {
    const [risky, plain] = [
      diffTo(["r"], "It is old.", "zoo"),
      diffTo(Array(3000).fill("x".repeat(150)), undefined, "lab"),
    ];
    const markdown = diffMarkdown("base", [plain, risky]);
    expect(markdown.length).toBeLessThanOrEqual(40_000);
    const [first] = markdown.match(/^(- |### ).*$/gm)?.slice(1) ?? [];
    expect(first).toBe("- ⚠️ `zoo`: `thing 0` changes. **Why it matters:** It is old.");
    expect(left(markdown)).toMatch(/^of `lab` \d+ sentences and 6000 lines of fields; of `zoo` 2 lines of fields\. /);
  });

  it("shows some risks of each stack where they are too many, and counts the others", () => {
    const diffs = ["a", "b"].map((stack, at) => diffTo(Array(at === 0 ? 4000 : 3).fill("x"), "It is old.", stack));
    const markdown = diffMarkdown("base", diffs);
    expect(markdown.length).toBeLessThanOrEqual(40_000);
    expect(markdown.match(/^- ⚠️ `b`:/gm)).toHaveLength(3);
    const shown = markdown.match(/^- ⚠️ `a`:/gm)?.length ?? 0;
    expect(left(markdown)).toContain(`of \`a\` **${4000 - shown} risks** and 8000 lines of fields; of \`b\` 6 lines`);
  });

  it("has no fields without the sentence that they are of", () => {
    const [{ statements, ...diff }] = [diffTo(["x"])];
    const markdown = diffMarkdown("base", [
      { ...diff, statements: statements.map((it) => ({ ...it, text: "x".repeat(50_000) })) },
    ]);
    expect(left(markdown)).toMatch(/^of `prod` 1 sentence and 2 lines of fields\. /);
    expect(markdown).not.toContain("note:");
  });

  it("fits with thousands of stacks, long names and long mistakes", () => {
    const diffs = Array.from({ length: 2000 }, (_, at) => ({
      ...diffTo(["x"], "It is old.", `${"s".repeat(150)}${at}`),
      ...(at === 0 && { error: "e".repeat(100_000) }),
      ...(at === 1 && { error: "e\n".repeat(100_000) }),
    }));
    const markdown = diffMarkdown("b".repeat(10_000), diffs);
    expect(markdown.length).toBeLessThanOrEqual(40_000);
    expect(markdown).toContain("lines from here on are cut)");
    expect(left(markdown)).toMatch(/ and something of \d+ other stacks\. /);
    expect(proseOf(markdown)).not.toContain("FENCE IS OPEN");
  });
});

it("folds many lines, and says why a risk is one", () => {
  const many = diffTo(["x"], "It is old.");
  const [statement] = many.statements;
  const lines = Array.from({ length: 20 }, (_, at) => ({ path: `field${at}`, before: undefined, after: "x" }));
  const changes = statement?.changes.map((change) => ({ ...change, fields: lines })) ?? [];
  const markdown = diffMarkdown("base", [
    { ...many, statements: [{ text: "`thing` changes", risk: "It is old.", changes }] },
  ]);
  expect(markdown).toContain(
    "### Look at these first\n\n- ⚠️ `prod`: `thing` changes. **Why it matters:** It is old.\n\n  <details><summary>21 lines</summary>",
  );
  expect(markdown.endsWith("### `prod`: 1 changed; see above\n")).toBe(true);
});

it("is plain text at a terminal, mistakes with all their lines", () => {
  const broken = { stack: "lab", summary: "wrong", error: "1 mistake:\n  port", statements: [] };
  expect(diffText("base", [diffTo(["x"], "It is old."), broken])).toBe(
    [
      "compared with base",
      "",
      "prod: 1 changed",
      "  RISK thing 0 changes",
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
