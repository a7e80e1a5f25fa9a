import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { projectDirectory } from "../../../project/stack.ts";
import { diffOf, type Revision, type StackPair } from "../../../tools/diff/diff.ts";
import { diffMarkdown } from "../../../tools/diff/print.ts";
import { revisionsIn } from "../../../tools/diff/record.ts";

// What a reviewer is told of pull requests, of which the text is in tests/golden;
// `vitest run tests/tools/diff/golden.test.ts -u` writes it anew.

const STACKS = ["lab", "prod"];

let directory: string;
/** The plans of the base, which is the same for all. */
let planned: Revision[];

beforeAll(async () => {
  // The program in a place where its stack files can be edited.
  directory = await mkdtemp(join(tmpdir(), "oke-golden-"));
  for (const name of await readdir(projectDirectory))
    await symlink(join(projectDirectory, name), join(directory, name));
  planned = await revisionsIn(directory, STACKS);
});
afterAll(() => rm(directory, { recursive: true }));

const fileOf = (stack: string) => `Pulumi.${stack}.yaml`;

/** Edits stack files, as a pull request would, and says what it does. */
async function pullRequest(edits: Record<string, (text: string) => string>): Promise<string> {
  const pairs: StackPair[] = [];
  for (const [at, stack] of STACKS.entries()) {
    const [edit, before] = [edits[fileOf(stack)], planned[at]];
    const after = edit === undefined ? before : await edited(stack, edit);
    pairs.push({ stack, before, after });
  }
  return diffMarkdown("main", pairs.map(diffOf));
}

async function edited(stack: string, edit: (text: string) => string): Promise<Revision | undefined> {
  const text = await readFile(join(projectDirectory, fileOf(stack)), "utf8");
  expect(edit(text), `the edit of ${fileOf(stack)} does something`).not.toBe(text);
  await rm(join(directory, fileOf(stack)));
  await writeFile(join(directory, fileOf(stack)), edit(text));
  return (await revisionsIn(directory, [stack]))[0];
}

const prod = (edit: (text: string) => string) => ({ "Pulumi.prod.yaml": edit });

it.each([
  {
    name: "a changed port",
    edits: prod((text) => text.replace("port: 8200", "port: 8201")),
  },
  {
    name: "a new service",
    edits: prod((text) => `${text}    - name: grafana\n      namespace: monitoring\n      port: 3000\n`),
  },
  {
    name: "a removed service",
    edits: prod((text) => text.replace(/ {4}- name: argocd\n( {6}.*\n)+/, "")),
  },
  {
    name: "a chart update",
    // Of the stack that pins its charts, so that newer defaults leave this test alone.
    edits: { "Pulumi.lab.yaml": (text: string) => text.replace("version: 1.26.4", "version: 1.27.8") },
  },
  {
    name: "a bandwidth change",
    edits: prod((text) => text.replace("minMbps: 100", "minMbps: 200").replace("maxMbps: 1000", "maxMbps: 2000")),
  },
  {
    name: "a changed certificate name",
    edits: prod((text) =>
      text.replace("domain: <zone>", "domain: <zone>\n  oke-platform:baseDomain: apps.example.com"),
    ),
  },
  {
    name: "a broken configuration",
    edits: prod((text) => text.replace("maxMbps: 1000", "maxMbps: 9000").replace("port: 8200", "port: 0")),
  },
])("$name reads as in its golden file", async ({ name, edits }) => {
  const file = join(projectDirectory, "tests/golden", `${name.replaceAll(" ", "-")}.md`);
  await expect(await pullRequest(edits)).toMatchFileSnapshot(file);
});

it("has a golden file for each of them, and for nothing else", async () => {
  expect(await readdir(join(projectDirectory, "tests/golden"))).toHaveLength(7);
});
