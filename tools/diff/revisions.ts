import { execFile, fork } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { mkdtemp, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { stacksIn } from "../../project/stack.ts";
import { END_SIGNALS } from "../lib/foreground.ts";
import type { Revision, StackPair } from "./diff.ts";

// Another revision of the repository, taken out of git for a moment and planned by this one's tools, so that it needs
// none of its own.

const run = promisify(execFile);

/** Plans stacks of the program in a directory, in the order in which they are named. */
export type Planner = (directory: string, stacks: string[]) => Promise<Revision[]>;

/**
 * The stacks of a directory and of another revision of it, each in both.
 *
 * @param ref whatever git takes for a commit
 * @param planned the stacks to plan. @default - all that either revision has
 * @throws when git has no such commit, with the command that gets it
 */
export async function pairsAgainst(ref: string, directory: string, planner: Planner, planned?: string[]) {
  return withRevision(ref, directory, async (other) => {
    const [before, after] = await Promise.all([stacksOf(other), stacksOf(directory)]);
    const stacks = planned ?? [...new Set([...before, ...after])].sort();
    const unknown = stacks.find((stack) => !before.includes(stack) && !after.includes(stack));
    if (unknown !== undefined) {
      throw new Error(
        `--stack is "${unknown}", and neither revision has a Pulumi.${unknown}.yaml; allowed: ${[...new Set([...before, ...after])].join(", ")}`,
      );
    }
    const both = await Promise.all(
      [other, directory].map(async (place, at) => {
        const there = stacks.filter((stack) => (at === 0 ? before : after).includes(stack));
        const revisions = there.length > 0 ? await planner(place, there) : [];
        return new Map(there.map((stack, index) => [stack, revisions[index]]));
      }),
    );
    return stacks.map((stack): StackPair => ({ stack, before: both[0]?.get(stack), after: both[1]?.get(stack) }));
  });
}

/** The stacks of a program; none where there is no program. */
const stacksOf = async (directory: string): Promise<string[]> =>
  existsSync(join(directory, "index.ts")) ? stacksIn(directory) : [];

/** Takes a revision out of git into a directory that is gone afterwards, whatever happens. */
async function withRevision<T>(ref: string, directory: string, use: (other: string) => Promise<T>): Promise<T> {
  const git = (...args: string[]) => run("git", ["-C", directory, ...args], { maxBuffer: 1 << 28, encoding: "buffer" });
  const commit = await git("rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`).catch(() => {
    throw new Error(`--diff is "${ref}", which is no commit that git has here; ${howToFetch(ref)}`);
  });
  const prefix = await git("rev-parse", "--show-prefix");
  const tree = `${commit.stdout.toString().trim()}:${prefix.stdout.toString().trim()}`;

  const other = await mkdtemp(join(tmpdir(), "oke-platform-"));
  const clean = () => rmSync(other, { recursive: true, force: true });
  const stop = () => process.exit(130);
  process.once("exit", clean);
  for (const signal of END_SIGNALS) process.once(signal, stop);
  try {
    // Not a worktree: that would leave its mark in the repository when this process is killed.
    const archive = await git("archive", "--format=tar", tree);
    const tar = run("tar", ["-x", "-C", other]);
    tar.child.stdin?.end(archive.stdout);
    await tar;
    // Both revisions with the same packages, these ones: what differs is then the program. Not those that it may bring.
    rmSync(join(other, "node_modules"), { recursive: true, force: true });
    await symlink(join(directory, "node_modules"), join(other, "node_modules"));
    return await use(other);
  } finally {
    clean();
    process.off("exit", clean);
    for (const signal of END_SIGNALS) process.off(signal, stop);
  }
}

/** A shallow clone has little more than its head. */
function howToFetch(ref: string): string {
  if (/[~^@]/.test(ref)) return `a shallow clone gets more of its history with: git fetch --deepen=10`;
  const name = ref.replace(/^origin\//, "");
  return `get it with: git fetch --depth=1 origin ${name}; then --diff FETCH_HEAD`;
}

/** All that a program needs of an environment to be planned: no token, no address. */
const NEEDED = ["PATH", "HOME"];

/** Plans in a process of its own, which gets nothing of what the environment knows: it may be anybody's program. */
export const planInChild: Planner = (directory, stacks) =>
  new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL("child.ts", import.meta.url)), [directory, ...stacks], {
      env: Object.fromEntries(
        NEEDED.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
      ),
      // What the program prints is not part of the diff.
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    let printed = "";
    child.stderr?.on("data", (chunk) => {
      printed += chunk;
    });
    let revisions: Revision[] | undefined;
    child.on("message", (message) => {
      revisions = message as Revision[];
    });
    child.on("error", reject);
    child.on("close", (status) => {
      const error = `the program ended with status ${status}: ${printed.trim().slice(-2000)}`;
      resolve(revisions ?? stacks.map(() => ({ error })));
    });
  });
