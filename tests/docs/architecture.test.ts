import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { recordStack } from "../../project/record.ts";
import { projectDirectory } from "../../project/stack.ts";
import { planMermaid, planOf } from "../../tools/plan.ts";
import { edgesTable, graphOfStack } from "../../workbench/edges.ts";

// The parts of docs/architecture.md that the plan prints are what it prints.

/** What stands in the page between `<!-- name:begin -->` and `<!-- name:end -->`. */
async function partOf(name: string): Promise<string> {
  const page = await readFile(join(projectDirectory, "docs/architecture.md"), "utf8");
  return new RegExp(`<!-- ${name}:begin -->\n(.*)\n<!-- ${name}:end -->`, "s").exec(page)?.[1] ?? "";
}

it("has the picture of the order", async () => {
  expect(await partOf("order")).toBe(planMermaid(planOf("prod", await recordStack("prod"))));
});

it("has the table of what each edge is good for", async () => {
  expect(await partOf("edges")).toBe(edgesTable(await graphOfStack("prod")));
}, 60_000);
