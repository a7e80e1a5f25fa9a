import type { Command } from "commander";
import { recordStack } from "../project/record.ts";
import { projectDirectory } from "../project/stack.ts";
import { diffOf } from "./diff/diff.ts";
import { diffMarkdown, diffText } from "./diff/print.ts";
import { revisionsIn } from "./diff/record.ts";
import { type Planner, pairsAgainst, planInChild } from "./diff/revisions.ts";
import { main, type Terminal, toolCommand } from "./lib/command.ts";
import { type Plan, planOf } from "./plan/plan.ts";
import { planMermaid, planText } from "./plan/print.ts";

// What the program would register, and what another revision of it would change, without engine, cloud or credentials.

const planned = (print: (plan: Plan) => string) => async (stack: string) =>
  print(planOf(stack, await recordStack(stack)));

const formats = {
  text: planned(planText),
  json: planned((plan) => JSON.stringify(plan, null, 2)),
  mermaid: planned(planMermaid),
  async edges(stack: string) {
    // The one tool that looks into the sandbox; no other run of any tool loads it.
    const { edgesTable, graphOfStack } = await import("../workbench/edges.ts");
    return edgesTable(await graphOfStack(stack));
  },
} as const;
const diffFormats = { text: diffText, markdown: diffMarkdown } as const;

/** @throws when there is no such format, naming those that there are */
function formatOf<Formats extends object>(formats: Formats, name: string): Formats[keyof Formats] {
  const format = Object.entries(formats).find(([known]) => known === name)?.[1];
  if (format === undefined) throw new Error(`--format is "${name}"; allowed: ${Object.keys(formats).join(", ")}`);
  return format;
}

interface PlanOptions {
  readonly stack?: string;
  readonly format: string;
  readonly diff?: string;
}

/** `npm run plan`. */
export const planCommand = (terminal: Terminal): Command =>
  toolCommand("plan", "Every resource, its parent, edges and inputs, without engine, cloud or credentials.", terminal)
    .option("--stack <name>", "the stack of Pulumi.<name>.yaml (default: prod; with --diff, all of them)")
    .option(
      "--format <name>",
      `${Object.keys(formats).join(", ")}; with --diff, ${Object.keys(diffFormats).join(", ")}`,
      "text",
    )
    .option("--diff <revision>", "what the working tree changes, in words, against a revision of git")
    .action(async ({ stack, format, diff }: PlanOptions) => {
      if (diff === undefined) {
        terminal.stdout.write(`${await formatOf(formats, format)(stack ?? "prod")}\n`);
        return;
      }
      const print = formatOf(diffFormats, format);
      // The other revision in a process of its own, so that it cannot touch this one.
      const planner: Planner = (place, stacks) =>
        place === projectDirectory ? revisionsIn(place, stacks) : planInChild(place, stacks);
      const pairs = await pairsAgainst(diff, projectDirectory, planner, stack === undefined ? undefined : [stack]);
      const diffs = pairs.map(diffOf);
      terminal.stdout.write(print(diff, diffs));
      if (diffs.some(({ error }) => error !== undefined)) terminal.exitCode = 1;
    });

await main(import.meta, planCommand);
