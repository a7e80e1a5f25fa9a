import { readdir, readFile } from "node:fs/promises";
import { registerHooks } from "node:module";
import { join } from "node:path";
import { parse } from "yaml";
import { projectDirectory } from "../../project/stack.ts";

// The workflows of .github, as their tests read them.

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly id?: string;
  readonly if?: string;
  readonly "timeout-minutes"?: number;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}
export interface Job {
  readonly needs?: string | readonly string[];
  readonly if?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly concurrency?: unknown;
  readonly environment?: string;
  readonly "runs-on"?: string;
  readonly strategy?: { readonly matrix: Readonly<Record<string, unknown>> };
  readonly "timeout-minutes"?: number;
  readonly uses?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly secrets?: unknown;
  readonly env?: Readonly<Record<string, string>>;
  readonly steps?: readonly Step[];
}
interface Workflow {
  readonly on: unknown;
  readonly permissions?: unknown;
  readonly concurrency?: unknown;
  readonly defaults?: { readonly run: { readonly shell: string } };
  readonly jobs: Readonly<Record<string, Job>>;
}

/** A file of the project. */
export const read = (file: string) => readFile(join(projectDirectory, file), "utf8");

const directory = ".github/workflows";
const files = (await readdir(join(projectDirectory, directory))).sort();

/** Every workflow with its file's name and text. */
export const workflows = await Promise.all(
  files.map(async (file) => {
    const source = await read(`${directory}/${file}`);
    return { file, source, ...(parse(source) as Workflow) };
  }),
);

/** Every job, with the file that it is in. */
export const jobs = workflows.flatMap(({ file, jobs }) =>
  Object.entries(jobs).map(([id, job]) => ({ id, file, ...job })),
);

/** Every step, with the file and the job that it is in. */
export const steps = jobs.flatMap(({ file, id, steps = [] }) => steps.map((step) => ({ file, job: id, ...step })));

/** The workflow of a file. */
export function workflow(file: string) {
  const found = workflows.find((candidate) => candidate.file === file);
  if (found === undefined) throw new Error(`there is no ${directory}/${file}`);
  return found;
}

// GitHub's packages import their schema without saying that it is JSON, as a bundler lets them:
// https://github.com/actions/languageservices/blob/main/workflow-parser/src/workflows/workflow-schema.ts
registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    return specifier.endsWith(".json") ? { ...found, importAttributes: { type: "json" } } : found;
  },
});

const { data, Evaluator, Lexer, Parser } = await import("@actions/expressions");

/** What GitHub makes of an expression, by its own evaluator. */
export function evaluated(expression: string, contexts: Readonly<Record<string, unknown>>): string {
  const cancelled = { name: "cancelled", minArgs: 0, maxArgs: 0, call: () => new data.BooleanData(false) };
  const values = JSON.parse(JSON.stringify(contexts), data.reviver);
  const tree = new Parser(new Lexer(expression).lex().tokens, Object.keys(contexts), [cancelled]).parse();
  return new Evaluator(tree, values, new Map([["cancelled", cancelled]])).evaluate().coerceString();
}

/** Whether GitHub would run a job: its `if`, on an event and under the variable STACKS. */
export const runs = ({ if: condition = "true" }: Job, github: Record<string, unknown>, stacks = ""): boolean =>
  evaluated(condition, { github, vars: { STACKS: stacks } }) === "true";
