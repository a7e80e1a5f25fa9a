import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { projectDirectory } from "../../project/stack.ts";

// Each command as it is started, in a process of its own; everything else of it is tried in this one.

it.each([
  ["vault", "tools/vault.ts"],
  ["rotate", "tools/rotate.ts"],
  ["promote", "tools/promote.ts"],
  ["plan", "tools/plan.ts"],
  ["adopt", "tools/adopt/adopt.ts"],
])("%s starts", async (script, file) => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [file, "--help"], { cwd: projectDirectory });
  expect(stdout).toMatch(new RegExp(`^Usage: npm run ${script} -- `));
  expect(stderr).toBe("");
});
