import { readFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { projectDirectory } from "../project/stack.ts";

// README.ko.md says what README.md says, as far as a machine can compare them: the same blocks in the same order, and
// in each the same code, links and numbers. Whether the sentences mean the same, only a reader knows.

type Kind = "heading" | "paragraph" | "item" | "row" | "code" | "generated";

interface Block {
  readonly kind: Kind;
  /** Of a heading its level, of a code block its language, of a generated part its name. */
  readonly label: string;
  readonly text: string;
  /** Of the first line, from 1. */
  readonly line: number;
}

/** The blocks of a page in the Markdown that the READMEs are written in. A fence that is not closed fails. */
function blocksOf(page: string): Block[] {
  const lines = page.split("\n");
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; ) {
    const start = at;
    const first = lines[at++] ?? "";
    const upTo = (last: string): string => {
      const end = lines.indexOf(last, at);
      if (end < 0) throw new Error(`line ${start + 1}: ${first} is opened and not closed by a line ${last}`);
      const inside = lines.slice(at, end).join("\n");
      at = end + 1;
      return inside;
    };
    const add = (kind: Kind, label: string, text: string) => blocks.push({ kind, label, text, line: start + 1 });

    const [, generated] = /^<!-- (\w+):begin -->$/.exec(first) ?? [];
    const [, fence, language = ""] = /^(```+)(.*)$/.exec(first) ?? [];
    const [, hashes, title = ""] = /^(#+) (.*)$/.exec(first) ?? [];
    const [, item] = /^- (.*)$/.exec(first) ?? [];
    if (generated) add("generated", generated, upTo(`<!-- ${generated}:end -->`));
    else if (fence) add("code", language, upTo(fence));
    else if (hashes) add("heading", `${hashes.length}`, title);
    else if (item !== undefined) add("item", "", item);
    else if (first.startsWith("|")) add("row", "", first);
    else if (first.trim() !== "") {
      const rest = lines.slice(at).findIndex((line) => /^($|[#|]|- |```|<!-- )/.test(line));
      const end = rest < 0 ? lines.length : at + rest;
      add("paragraph", "", [first, ...lines.slice(at, end)].join("\n"));
      at = end;
    }
  }
  return blocks;
}

const codeSpan = /`[^`]+`/g;
const linkTarget = /\]\(([^)]+)\)|(https?:\/\/[^\s)]*[^\s).,;:])/g;

const codeSpansOf = (text: string): string[] => text.match(codeSpan) ?? [];

const linksOf = (text: string): string[] =>
  [...text.replaceAll(codeSpan, "").matchAll(linkTarget)].map(([, inBrackets, bare]) => inBrackets ?? bare ?? "");

/** Numbers written in digits, outside of code and links. */
const numbersOf = (text: string): string[] =>
  text
    .replaceAll(codeSpan, "")
    .replaceAll(linkTarget, "")
    .match(/\d+([.,]\d+)*/g) ?? [];

/** A row's cells. A `|` inside of one is written `\|`. */
const cellsOf = (row: string): string[] =>
  row
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim());

/** What of a code block is the same in each language: all but comments, and of a picture its nodes and arrows. */
function codeOf({ label, text }: Block): string {
  const bare =
    label === "mermaid"
      ? text.replaceAll(/(\[\(|\(\[|\[)[^\])]*(\)\]|\]\)|\])/g, "$1$2").replaceAll(/-\. .* \.->/g, "-. .->")
      : text.replaceAll(/(^|[ \t])#.*$/gm, "");
  return bare.replaceAll(/[ \t]+$/gm, "");
}

/** The comments of a code block. */
const commentsOf = ({ label, text }: Block): string[] =>
  label === "mermaid" ? [] : [...text.matchAll(/(?:^|[ \t])(#.*)$/gm)].map(([, comment]) => comment ?? "");

/** Whether each pair of `**` is bold in CommonMark: a mark between punctuation and a letter, as before a Korean
 * particle, stays on the page as two stars. */
function isBold(text: string): boolean {
  const marks = [...text.replaceAll(codeSpan, (code) => `\`${"x".repeat(code.length - 2)}\``).matchAll(/\*\*/g)];
  if (marks.length % 2 === 1) return false;
  return marks.every(({ index, input }, count) => {
    const [before, after] = [input[index - 1] ?? " ", input[index + 2] ?? " "];
    const [inside, outside] = count % 2 === 0 ? [after, before] : [before, after];
    return !/\s/.test(inside) && (!/[\p{P}\p{S}]/u.test(inside) || /[\s\p{P}\p{S}]/u.test(outside));
  });
}

const page = async (file: string): Promise<Block[]> => blocksOf(await readFile(`${projectDirectory}${file}`, "utf8"));
const english = await page("README.md");
const korean = await page("README.ko.md");

/** The blocks from each heading up to the next one, the heading with them. */
function sectionsOf(blocks: Block[]): Block[][] {
  const starts = blocks.flatMap(({ kind }, index) => (kind === "heading" ? [index] : []));
  return starts.map((start, index) => blocks.slice(start, starts[index + 1]));
}

const sections = sectionsOf(english).map((section, index) => ({
  english: section,
  korean: sectionsOf(korean)[index] ?? [],
}));

const shapeOf = (blocks: Block[]) => blocks.map(({ kind, label }) => `${kind} ${label}`.trim());

/** Each block of README.md with the one in its place in README.ko.md, where a section has the same blocks in both:
 * where it has not, each block would be compared with the wrong one. */
const pairs = sections
  .filter(({ english, korean }) => isDeepStrictEqual(shapeOf(english), shapeOf(korean)))
  .flatMap(({ english, korean }) =>
    english.flatMap((block, at) => {
      const same = korean[at];
      return same ? [{ english: block, korean: same }] : [];
    }),
  );

/** The blocks of these kinds in which `of` finds something else in README.ko.md. */
function differences(of: (block: Block) => unknown, ...kinds: Kind[]) {
  return pairs
    .filter(({ english }) => kinds.includes(english.kind))
    .map(({ english, korean }) => ({
      lines: [english.line, korean.line],
      english: of(english),
      korean: of(korean),
    }))
    .filter(({ english, korean }) => !isDeepStrictEqual(english, korean));
}

const prose: Kind[] = ["heading", "paragraph", "item", "row"];

describe("the Korean README", () => {
  it("is linked from README.md, and links back", () => {
    expect([english[1]?.text, korean[1]?.text]).toEqual(["[한국어](README.ko.md)", "[English](README.md)"]);
  });

  it("has the same headings, and below each the same paragraphs, items, tables and code blocks in the same order", () => {
    const found = sections.map(({ english, korean }) => ({
      lines: [english[0]?.line, korean[0]?.line],
      english: shapeOf(english),
      korean: shapeOf(korean),
    }));
    // The first one alone: after a section too many, those behind it are compared with their neighbours.
    expect(found.find(({ english, korean }) => !isDeepStrictEqual(english, korean))).toBeUndefined();
    expect(sectionsOf(korean).length).toBe(sectionsOf(english).length);
    // That they were found at all.
    for (const kind of [...prose, "code", "generated"]) {
      expect(english.filter((block) => block.kind === kind).length, kind).toBeGreaterThan(1);
    }
  });

  it("has as many cells in each row, the same empty ones, and the same code in the first", () => {
    const found = ({ text }: Block) => {
      const [first = "", ...others] = cellsOf(text);
      return { code: codeSpansOf(first).sort(), empty: others.map((cell) => cell === "") };
    };
    expect(differences(found, "row")).toEqual([]);
  });

  it("names the same code in each heading, paragraph, item and row", () => {
    expect(differences(({ text }) => [...new Set(codeSpansOf(text))].sort(), ...prose)).toEqual([]);
  });

  it("has the same links in each of them", () => {
    const isOther = (target: string) => !/^README(\.ko)?\.md$/.test(target);
    expect(differences(({ text }) => linksOf(text).filter(isOther).sort(), ...prose)).toEqual([]);
  });

  it("has every number that README.md has", () => {
    const missing = pairs.flatMap(({ english, korean }) => {
      const left = numbersOf(korean.text);
      const isMissing = (number: string) => {
        const at = left.indexOf(number);
        if (at >= 0) left.splice(at, 1);
        return at < 0;
      };
      const numbers = prose.includes(english.kind) ? numbersOf(english.text).filter(isMissing) : [];
      return numbers.map((number) => ({ lines: [english.line, korean.line], number }));
    });
    expect(missing).toEqual([]);
  });

  it("has the same code blocks, but for comments and the pictures' labels", () => {
    expect(differences(codeOf, "code")).toEqual([]);
  });

  it("has a comment wherever README.md has one", () => {
    expect(differences((block) => commentsOf(block).length, "code")).toEqual([]);
  });

  it("has the generated parts word for word", () => {
    expect(differences(({ text }) => text, "generated")).toEqual([]);
  });

  it("is in Korean: its paragraphs, items, pictures, rows and the comments in its code", () => {
    const isKorean = (text: string) => /\p{Script=Hangul}/u.test(text);
    // One word, as a setting's value or a URL, is the same in both.
    const isSentence = (comment: string) => /\S \S/.test(comment.replace(/^#\s*/, ""));
    const sentences = (block: Block): string[] => {
      const { kind, label, text } = block;
      if (kind === "code" && label !== "mermaid") return commentsOf(block).filter(isSentence);
      return kind === "heading" || kind === "generated" || /^[|-]+$/.test(text) ? [] : [text];
    };
    const left = korean.flatMap((block) => sentences(block).filter((text) => !isKorean(text)));
    // Nothing in it to translate.
    expect(left.filter((text) => text !== "[English](README.md)")).toEqual([]);
  });

  it("has bold text that is shown as bold", () => {
    expect(korean.filter(({ kind, text }) => prose.includes(kind) && !isBold(text))).toEqual([]);
  });
});
