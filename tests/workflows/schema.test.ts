import { expect, it } from "vitest";
import { workflow, workflows } from "./workflows.ts";

// The workflows by GitHub's own schema.

const { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } = await import("@actions/workflow-parser");

/** What GitHub's own parser has against a workflow, those that it calls included. */
async function mistakes(name: string, content: string): Promise<string[]> {
  const { context, value } = parseWorkflow({ name, content }, new NoOperationTraceWriter());
  const called = {
    async getFileContent(reference: { path: string }) {
      const file = reference.path.replace(/^.*\//, "");
      return { name: file, content: workflow(file).source };
    },
  };
  if (value) await convertWorkflowTemplate(context, value, called, { fetchReusableWorkflowDepth: 1 });
  return context.errors.getErrors().map(({ message }) => message);
}

it.each(workflows)("takes $file", async ({ file, source }) => {
  expect(await mistakes(file, source)).toEqual([]);
});

it("refuses what is wrong", async () => {
  const { source } = workflow("deploy.yml");
  const broken = {
    "needs: preview": "needs: review",
    "command: up": "comand: up",
    "branches: [main]": "branchs: [main]",
    "if: vars.STACKS": "if: secrets.STACKS",
  };
  for (const [right, wrong] of Object.entries(broken)) {
    expect(source).toContain(right);
    expect(await mistakes("deploy.yml", source.replace(right, wrong)), wrong).not.toEqual([]);
  }
});
