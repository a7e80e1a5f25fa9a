// What of a Markdown text is not code, by CommonMark's rules: https://spec.commonmark.org/0.31.2/

/** The text without its fenced blocks and code spans, which are the only places where nothing is markup. */
export function proseOf(markdown: string): string {
  const lines: string[] = [];
  let fence: string | undefined;
  for (const line of markdown.split(/\r\n|\n|\r/)) {
    const [, mark = "", info = ""] = /^ {0,5}(`{3,})(.*)$/.exec(line) ?? [];
    if (fence !== undefined) {
      // Only a row as long, with nothing behind it, is the end.
      if (mark.length >= fence.length && info.trim() === "") fence = undefined;
    } else if (mark !== "" && !info.includes("`")) fence = mark;
    else lines.push(line);
  }
  // A span does not go on behind the end of its paragraph.
  const paragraphs = lines.join("\n").split(/\n(?=\s*\n)|\n(?=\s*- )/);
  return paragraphs.map(withoutSpans).join("\n") + (fence === undefined ? "" : "\nA FENCE IS OPEN");
}

function withoutSpans(paragraph: string): string {
  const runs = [...paragraph.matchAll(/`+/g)];
  let [prose, at] = ["", 0];
  for (const [index, run] of runs.entries()) {
    if (run.index < at) continue;
    const end = runs.slice(index + 1).find(({ 0: text }) => text.length === run[0].length);
    // A row without its like is only backticks.
    if (end === undefined) continue;
    prose += paragraph.slice(at, run.index);
    at = end.index + end[0].length;
  }
  return prose + paragraph.slice(at);
}
