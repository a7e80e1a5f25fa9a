import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { projectDirectory } from "../project/stack.ts";

// README.ko.md is README.md in Korean, and the tour from ArgoCD is in both, as far as a machine can compare them. Whether the
// sentences mean the same, only a reader knows.

const read = (file: string) => readFile(`${projectDirectory}${file}`, "utf8");
const pairs = await Promise.all(
  ["README", "docs/from-argocd"].map(async (name) => ({
    name,
    file: name.replace("docs/", ""),
    english: await read(`${name}.md`),
    korean: await read(`${name}.ko.md`),
  })),
);

/** The blocks between fences, without comments, and of pictures their nodes and arrows alone. */
const codeOf = (page: string) =>
  [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language, code = ""]) =>
    language === "mermaid"
      ? code.replaceAll(/(\[\(|\(\[|\[)[^\])]*(\)\]|\]\)|\])/g, "$1$2").replaceAll(/-\. .* \.->/g, "-. .->")
      : code.replaceAll(/(^|[ \t]+)#.*$/gm, ""),
  );

/** The rest, line by line, without the line that leads to the other language. */
const proseOf = (page: string) =>
  page
    .replaceAll(/^```[\s\S]*?^```$/gm, "")
    .split("\n")
    .filter((line) => line !== "" && !/^\[\S+\]\(\S+\.md\)$/.test(line));

const spansOf = (line: string) => [...new Set(line.match(/`[^`]+`/g))].sort();
/** A heading has another name in the other language. */
const linksOf = (line: string) =>
  [...line.matchAll(/\]\(([^)]+)\)/g)]
    .map(([, target = ""]) => target.replace(".ko.md", ".md").replace(/README\.md(#.*)?$/, "README"))
    .sort();
const kindOf = (line: string) => /^(#+|-|\|)(?= |-)/.exec(line)?.[0] ?? "text";

describe.each(pairs)("the Korean $name", ({ file, english, korean }) => {
  it("is linked from the English one, and links back", () => {
    const linkOf = (page: string) => page.split("\n").find((line) => /^\[\S+\]\(\S+\.md\)$/.test(line));
    expect([linkOf(english), linkOf(korean)]).toEqual([`[한국어](${file}.ko.md)`, `[English](${file}.md)`]);
  });

  it("has the same headings, paragraphs, items and rows, with the same code and links in each", () => {
    const outline = (page: string) =>
      proseOf(page).map((line) => ({ kind: kindOf(line), code: spansOf(line), links: linksOf(line) }));
    expect(outline(korean)).toEqual(outline(english));
  });

  it("has the same commands and pictures", () => {
    expect(codeOf(korean)).toEqual(codeOf(english));
  });

  it("is in Korean", () => {
    const sentences = proseOf(korean).filter((line) => !/^# |^\|-/.test(line));
    expect(sentences.filter((line) => !/\p{Script=Hangul}/u.test(line))).toEqual([]);
  });
});
