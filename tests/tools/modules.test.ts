import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { projectDirectory } from "../../project/stack.ts";

/** The files of the project that are loaded when these are imported, in a process of their own. */
async function loadedBy(files: readonly string[]): Promise<string[]> {
  const script = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    for (const file of ${JSON.stringify(files.map((file) => pathToFileURL(join(projectDirectory, file)).href))})
      await import(file);
    console.log(JSON.stringify(loaded));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script]);
  return (JSON.parse(stdout) as string[])
    .filter((url) => url.startsWith("file:") && !url.includes("/node_modules/"))
    .map((url) => relative(projectDirectory, fileURLToPath(url)));
}

it("no tool loads a file of the sandbox", async () => {
  const { scripts } = JSON.parse(await readFile(join(projectDirectory, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  const tools = Object.values(scripts).flatMap((script) => /node (tools\/\S+\.ts)/.exec(script)?.[1] ?? []);
  expect(tools).toEqual(expect.arrayContaining(["tools/verify/verify.ts", "tools/vault.ts"]));
  const loaded = await loadedBy(tools);
  expect(loaded).toEqual(expect.arrayContaining([...tools, "components/certificate.ts"]));
  expect(loaded.filter((file) => /^(sandbox|workbench|tests)\//.test(file))).toEqual([]);
});
