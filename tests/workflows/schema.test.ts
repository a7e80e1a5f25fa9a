import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { steps, workflow, workflows } from "./workflows.ts";

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

// What the schema does not know: GitHub makes an empty text of a name that nothing has.
describe("names nothing that is not there", () => {
  const named = (value: unknown, context: string) =>
    [...JSON.stringify(value ?? "").matchAll(new RegExp(`\\b${context}\\.([\\w-]+)`, "g"))].map(([, name]) => name);

  it.each(workflows)("in $file", ({ on, jobs }) => {
    const inputs = Object.keys((on as { workflow_call?: { inputs?: object } }).workflow_call?.inputs ?? {});
    expect(inputs).toEqual(expect.arrayContaining(named(jobs, "inputs")));
    for (const { needs = [], strategy, steps = [], ...job } of Object.values(jobs)) {
      expect([needs].flat()).toEqual(expect.arrayContaining(named({ job, steps }, "needs")));
      expect(Object.keys(jobs)).toEqual(expect.arrayContaining([needs].flat()));
      expect(Object.keys(strategy?.matrix ?? {})).toEqual(expect.arrayContaining(named({ job, steps }, "matrix")));
      // A step knows those before it.
      for (const [at, step] of steps.entries())
        expect(steps.slice(0, at).map(({ id }) => id)).toEqual(expect.arrayContaining(named(step, "steps")));
    }
  });
});

it.each(steps.filter(({ run }) => run !== undefined))(
  "has a script that bash can read: $file $job $name",
  ({ run = "" }) => {
    expect(spawnSync("bash", ["-n", "-c", run], { encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
  },
);
