import { spawnSync } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectDirectory } from "../project/stack.ts";
import { main, type Terminal, toolCommand } from "../tools/lib/command.ts";
import { type Mutation, mutations } from "./mutations.ts";

// Whether the tests notice what is broken: each mutation is made in a copy of the tree, and the tests are run until the
// first one fails. One that survives is a test that is missing.

/** What is mutated. */
const SOURCES = /^(index|versions)\.ts$|^(settings|components|sandbox)\/.*\.ts$/;

/** Where a mutation is most likely to be noticed, as parts of the test files' paths. */
const firstTests: Record<Mutation["area"], string[]> = {
  program: ["stacks", "laws", "order", "settings-arrive", "components/"].map((name) => `tests/${name}`),
  world: ["tests/sandbox/"],
  settings: ["tests/settings", "tests/versions"],
};

/** One place of the sources. */
interface Place {
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

/** Where a mutation's text stands; its blanks are any white space, so that it survives another indentation. */
export function placesOf({ find }: Mutation, sources: ReadonlyMap<string, string>): Place[] {
  const words = find.split(/\s+/).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const pattern = new RegExp(words.join("\\s+(?:// )?"), "g");
  return [...sources].flatMap(([file, text]) =>
    [...text.matchAll(pattern)].map(({ index, 0: found }) => ({ file, start: index, end: index + found.length })),
  );
}

/** The sources that are mutated, by their files. */
export async function sourcesIn(directory: string, files: readonly string[]): Promise<Map<string, string>> {
  const sources = files.filter((file) => SOURCES.test(file));
  return new Map(
    await Promise.all(sources.map(async (file) => [file, await readFile(join(directory, file), "utf8")] as const)),
  );
}

function git(directory: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("git", args, { cwd: directory, encoding: "utf8" });
  if (status !== 0) throw new Error(`git ${args.join(" ")} failed: ${stderr.trim()}`);
  return stdout;
}

/** Copies the tree as it stands, with its history, which some tests read; the files that are in it. */
async function copyTree(copy: string): Promise<string[]> {
  git(projectDirectory, "clone", "--quiet", "--shared", "--no-checkout", projectDirectory, copy);
  const list = (...which: string[]) => git(projectDirectory, "ls-files", "-z", ...which).split("\0");
  const deleted = new Set(["", ...list("--deleted")]);
  const files = list("--cached", "--others", "--exclude-standard").filter((file) => !deleted.has(file));
  for (const file of files) await cp(join(projectDirectory, file), join(copy, file));
  git(copy, "reset", "--quiet");
  await symlink(join(projectDirectory, "node_modules"), join(copy, "node_modules"));
  return files;
}

interface Report {
  readonly numFailedTests: number;
  readonly testResults: {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: { readonly status: string; readonly fullName: string }[];
  }[];
}

/** The first test that fails in the copy, or undefined when none of these does. */
async function firstFailure(copy: string, tests: string[]): Promise<string | undefined> {
  const report = join(copy, "node_modules.json");
  const vitest = join("node_modules", "vitest", "vitest.mjs");
  // Not "house", which reads the sources: to it, a change that breaks nothing is as red as any.
  const args = ["run", "--project=unit", "--project=schedules", "--bail=1", "--passWithNoTests"];
  args.push("--reporter=json", `--outputFile=${report}`, ...tests);
  await rm(report, { force: true });
  const { status, stderr } = spawnSync(process.execPath, [vitest, ...args], { cwd: copy, encoding: "utf8" });
  if (status === 0) return undefined;
  const { testResults } = JSON.parse(await readFile(report, "utf8").catch(() => "{}")) as Partial<Report>;
  for (const { name, assertionResults } of testResults ?? []) {
    const failing = assertionResults.find((test) => test.status === "failed");
    if (failing) return `${name.replace(/^.*\/tests\//, "tests/")}: ${failing.fullName}`;
  }
  // A file that cannot be loaded proves nothing of what it tests.
  const messages = (testResults ?? []).map(({ message }) => message).filter(Boolean);
  throw new Error(`no test fails, but their run does: ${messages.join("\n") || stderr}`);
}

/** Makes a mutation in the copy, and takes it back; the test that notices it, or undefined when it survives. */
async function tryOut(mutation: Mutation, copy: string, sources: ReadonlyMap<string, string>) {
  const places = placesOf(mutation, sources);
  const [place] = places;
  if (place === undefined || places.length > 1)
    throw new Error(`its text stands in ${places.length} places of the sources, not in one`);
  const file = join(copy, place.file);
  const text = sources.get(place.file) ?? "";
  await writeFile(file, text.slice(0, place.start) + mutation.replace + text.slice(place.end));
  try {
    return (await firstFailure(copy, firstTests[mutation.area])) ?? (await firstFailure(copy, []));
  } finally {
    await writeFile(file, text);
  }
}

/** Tries the mutations that have this in their name; whether all are noticed. */
async function tryAll(only: string): Promise<boolean> {
  const chosen = mutations.filter(({ name }) => name.includes(only));
  if (chosen.length === 0) throw new Error(`no mutation is called "${only}"`);
  const directory = await mkdtemp(join(tmpdir(), "oke-mutants-"));
  const copy = join(directory, "tree");
  const start = performance.now();
  let red = 0;
  try {
    const sources = await sourcesIn(copy, await copyTree(copy));
    // Or else every mutation would seem to be noticed.
    const already = await firstFailure(copy, []);
    if (already !== undefined) throw new Error(`this fails before anything is broken: ${already}`);
    for (const mutation of chosen) {
      const failure = await tryOut(mutation, copy, sources).catch((error: Error) => error);
      const isRed = typeof failure === "string";
      if (isRed) red += 1;
      const verdict = isRed ? "red     " : failure === undefined ? "SURVIVED" : "UNFIT   ";
      console.log(
        `${verdict}  ${mutation.name}\n          ${failure instanceof Error ? failure.message : (failure ?? "")}`,
      );
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  console.log(`${red} of ${chosen.length} red, in ${((performance.now() - start) / 60_000).toFixed(1)} minutes`);
  return red === chosen.length;
}

/** `npm run mutants`. */
const mutantsCommand = (terminal: Terminal) =>
  toolCommand("mutants", "Plants forty faults, one at a time, and sees whether the tests notice each.", terminal)
    .option("--only <name>", "a part of the mutation's name", "")
    .action(async ({ only }: { only: string }) => {
      if (!(await tryAll(only))) terminal.exitCode = 1;
    });

await main(import.meta, mutantsCommand);
