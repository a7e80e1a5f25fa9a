import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { recordStack } from "../../project/record.ts";
import { projectDirectory } from "../../project/stack.ts";
import { planOf } from "../../tools/plan/plan.ts";
import { planMermaid } from "../../tools/plan/print.ts";

// The picture that the plan prints; its table of edges is compared in tests/schedules.

it("has the picture of the order", async () => {
  const page = await readFile(join(projectDirectory, "docs/architecture.md"), "utf8");
  const [, embedded] = /<!-- order:begin -->\n(.*)\n<!-- order:end -->/s.exec(page) ?? [];
  expect(embedded).toBe(planMermaid(planOf("prod", await recordStack("prod"))));
});
