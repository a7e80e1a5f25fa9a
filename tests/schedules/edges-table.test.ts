import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { projectDirectory } from "../../project/stack.ts";
import { edgesTable, graphOfStack } from "../../workbench/edges.ts";

/** What stands in the page between `<!-- name:begin -->` and `<!-- name:end -->`. */
async function partOf(name: string): Promise<string> {
  const page = await readFile(`${projectDirectory}docs/architecture.md`, "utf8");
  return new RegExp(`<!-- ${name}:begin -->\n(.*)\n<!-- ${name}:end -->`, "s").exec(page)?.[1] ?? "";
}

describe("docs/architecture.md", () => {
  it("has the table of edges that the plan prints", async () => {
    expect(await partOf("edges")).toBe(edgesTable(await graphOfStack("prod")));
  });
});
