import { mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { projectDirectory } from "../../../project/stack.ts";
import type { Revision } from "../../../tools/diff/diff.ts";
import { pairsAgainst, planInChild } from "../../../tools/diff/revisions.ts";
import { git } from "../../pull-request.ts";

const here = { "index.ts": "x", "Pulumi.yaml": "name: oke-platform\n", "Pulumi.prod.yaml": "x" };
/** A planner that says which directories it was given, and what was in them. */
const seen: string[] = [];
const planner = async (directory: string, stacks: string[]): Promise<Revision[]> => {
  seen.push(directory);
  return stacks.map((stack) => ({ error: `${stack} of ${directory === repository ? "head" : "base"}` }));
};
let root: string;
let repository: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "oke-revisions-"));
  repository = join(root, "small");
  git(root, "init", "--quiet", "--initial-branch=main", repository);
  await writeFile(join(repository, "README.md"), "nothing yet\n");
  git(repository, "add", ".");
  git(repository, "commit", "--quiet", "--message", "no program");
  for (const [file, text] of Object.entries(here)) await writeFile(join(repository, file), text);
  git(repository, "add", ".");
  git(repository, "commit", "--quiet", "--message", "a program");
});

afterAll(() => rm(root, { recursive: true }));

it("without a program makes every stack a new one", async () => {
  expect(await pairsAgainst("HEAD^", repository, planner)).toEqual([
    { stack: "prod", before: undefined, after: { error: "prod of head" } },
  ]);
});

it("is gone when it has been planned, also when that fails", async () => {
  seen.length = 0;
  const fails = async (directory: string) => {
    seen.push(directory);
    throw new Error("no plan today");
  };
  await pairsAgainst("HEAD", repository, planner);
  await expect(pairsAgainst("HEAD", repository, fails)).rejects.toThrow("no plan today");
  const others = seen.filter((directory) => directory !== repository);
  expect(others).toHaveLength(2);
  for (const other of others) await expect(readdir(other)).rejects.toThrow("ENOENT");
  expect(git(repository, "worktree", "list").trim().split("\n")).toHaveLength(1);
  expect(git(repository, "status", "--porcelain")).toBe("");
});

it("that git does not have is named, with the command that gets it", async () => {
  await expect(pairsAgainst("origin/main", repository, planner)).rejects.toThrow(
    '--diff is "origin/main", which is no commit that git has here; get it with: git fetch --depth=1 origin main; then --diff FETCH_HEAD',
  );
  await expect(pairsAgainst("HEAD^2", repository, planner)).rejects.toThrow("git fetch --deepen=10");
  await expect(pairsAgainst("--output=x", repository, planner)).rejects.toThrow("no commit that git has here");
});

it("and no stack of the name asked for is an error that names those that there are", async () => {
  await expect(pairsAgainst("HEAD", repository, planner, ["staging"])).rejects.toThrow("allowed: prod");
});

it("has these packages, and not what it brought in their place", async () => {
  const brings = join(root, "brings");
  git(root, "clone", "--quiet", repository, brings);
  await mkdir(join(brings, "node_modules"));
  await writeFile(join(brings, "node_modules/its-own.js"), "x");
  git(brings, "add", ".");
  git(brings, "commit", "--quiet", "--message", "packages");
  let packages = "";
  const looks: typeof planner = async (directory, stacks) => {
    if (directory !== brings) packages = await readlink(join(directory, "node_modules"));
    return stacks.map(() => ({ error: "" }));
  };
  await pairsAgainst("HEAD", brings, looks);
  expect(packages).toBe(join(brings, "node_modules"));
});

it("runs without anything of the environment but PATH and HOME, what the program prints is nobody's, and it is planned", async () => {
  const other = join(root, "other");
  await mkdir(other);
  for (const name of [
    "node_modules",
    "package.json",
    "tsconfig.json",
    "Pulumi.yaml",
    "components",
    "settings",
    "project",
    "versions.ts",
  ])
    await symlink(join(projectDirectory, name), join(other, name));
  for (const name of ["Pulumi.prod.yaml", "index.ts"])
    await writeFile(join(other, name), await readFile(join(projectDirectory, name), "utf8"));
  vi.stubEnv("VAULT_TOKEN", "hvs.secret");
  const [revision] = await planInChild(other, ["prod"]);
  expect(revision).toHaveProperty("registrations");
  await writeFile(
    join(other, "index.ts"),
    "console.log(1); throw new Error(Object.keys(process.env).sort().join());\n",
  );
  const [refused] = await planInChild(other, ["prod"]);
  const names = refused !== undefined && "error" in refused ? refused.error.split(",") : [];
  // The rest is what Node's channel to its parent and the program's own run put there.
  expect(names).toEqual(expect.arrayContaining(["HOME", "PATH"]));
  expect(names.filter((name) => !/^(HOME|PATH|NODE_CHANNEL_|PULUMI_)/.test(name))).toEqual([]);
});
