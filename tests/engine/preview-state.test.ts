import { watch } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalWorkspace, PulumiCommand, type Stack } from "@pulumi/pulumi/automation/index.js";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findEngine } from "../../sandbox/engine.ts";

// A preview's key to the state needs to read alone: docs/ci.md gives it no more, so that it cannot write what a deploy trusts.

let directory: string;
let state: string;
let stack: Stack;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "oke-preview-state-"));
  state = join(directory, "state");
  const { path } = await findEngine();
  // The Automation API looks for `bin/pulumi` below a root.
  await mkdir(join(directory, "bin"));
  await mkdir(state);
  await symlink(path, join(directory, "bin/pulumi"));
  await writeFile(join(directory, "Pulumi.yaml"), "name: oke-platform\nruntime: nodejs\n");
  stack = await LocalWorkspace.createOrSelectStack(
    { stackName: "test", projectName: "oke-platform", program: async () => ({ served: "yes" }) },
    {
      workDir: directory,
      pulumiCommand: await PulumiCommand.get({ root: directory }),
      envVars: {
        PULUMI_BACKEND_URL: `file://${state}`,
        PULUMI_CONFIG_PASSPHRASE: "test",
        PULUMI_HOME: join(directory, "home"),
        PULUMI_SKIP_UPDATE_CHECK: "true",
      },
    },
  );
  await stack.up();
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Every file of the backend, and when it was written. */
async function files(): Promise<string[]> {
  const entries = await readdir(state, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(paths.sort().map(async (path) => `${path} ${(await stat(path, { bigint: true })).mtimeNs}`));
}

/** What is written in the backend meanwhile, also what is gone at the end, such as a lock. */
async function written(run: () => Promise<unknown>): Promise<string[]> {
  const [before, seen] = [await files(), new Set<string>()];
  const watcher = watch(state, { recursive: true }, (_, name) => seen.add(String(name)));
  await run();
  // Events come after what they tell of.
  await writeFile(join(state, "end"), "");
  await expect.poll(() => seen.has("end")).toBe(true);
  watcher.close();
  await rm(join(state, "end"));
  seen.delete("end");
  const after = await files();
  return [...seen, ...after.filter((file) => !before.includes(file))];
}

it("a preview writes nothing into the state's backend, with a refresh neither; a deploy does", async () => {
  expect(await written(() => stack.preview())).toEqual([]);
  expect(await written(() => stack.preview({ refresh: true, expectNoChanges: true }))).toEqual([]);
  const deployed = await written(() => stack.up());
  expect(deployed.some((name) => name.includes("locks/"))).toBe(true);
});
