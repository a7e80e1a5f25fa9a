import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { projectDirectory } from "../../project/stack.ts";

// Each command as it is started, in a process of its own: that it starts, and what it loads.

/** Prints every file of the project that is loaded, as a line of its own on stderr. */
const LOADED = "loaded: ";
const HOOK = `
import { registerHooks } from "node:module";
registerHooks({
  load(url, context, next) {
    if (!url.includes("node_modules")) process.stderr.write("${LOADED}" + url + "\\n");
    return next(url, context);
  },
});`;

async function start(tool: string, ...args: string[]) {
  const hook = `data:text/javascript,${encodeURIComponent(HOOK)}`;
  const command = ["--import", hook, `tools/${tool}.ts`, ...args];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, command, { cwd: projectDirectory }).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  const files = stderr
    .split("\n")
    .filter((line) => line.startsWith(`${LOADED}file:`))
    .map((line) => fileURLToPath(line.slice(LOADED.length)).slice(projectDirectory.length));
  return { stdout, files };
}

it.each([
  ["vault", ["run", "--help"], "Usage: npm run vault -- run [options] [command...]"],
  ["rotate", ["--help"], "Usage: npm run rotate -- [options]"],
  ["promote", ["--help"], "Usage: npm run promote -- [options]"],
  ["plan", ["--stack", "lab"], "lab: "],
])("%s starts, and loads nothing of the sandbox", async (tool, args, begins) => {
  const { stdout, files } = await start(tool, ...args);
  expect(stdout.slice(0, begins.length)).toBe(begins);
  expect(files).toContain(`tools/${tool}.ts`);
  expect(files.filter((file) => /^(sandbox|workbench|tests)\//.test(file))).toEqual([]);
});

it("plan loads it for the table of edges alone", async () => {
  const { files } = await start("plan", "--stack", "nowhere", "--format", "edges");
  expect(files.filter((file) => file.startsWith("workbench/"))).toEqual(["workbench/edges.ts"]);
});
