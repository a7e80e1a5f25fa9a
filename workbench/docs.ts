import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { projectDirectory } from "../project/stack.ts";
import { configurationPage } from "./docs/configuration.ts";
import { withDescriptions } from "./docs/project-file.ts";
import { stackSchema } from "./docs/stack-schema.ts";

const USAGE = `Usage: npm run docs [-- --check]

Writes what is made from the settings' own fields: docs/configuration.md, stack.schema.json and the descriptions in
Pulumi.yaml. With --check it writes nothing, and fails when one of them is stale.`;

/** What each file that is made holds, made of what it holds now. */
const made: Readonly<Record<string, (now: string) => string>> = {
  "docs/configuration.md": configurationPage,
  "Pulumi.yaml": withDescriptions,
  "stack.schema.json": () => `${JSON.stringify(stackSchema, null, 2)}\n`,
};

/** The files that are not as they are made, with what they should hold. */
export async function staleDocuments(directory = projectDirectory): Promise<{ file: string; content: string }[]> {
  const all = await Promise.all(
    Object.entries(made).map(async ([file, make]) => {
      const now = await readFile(`${directory}/${file}`, "utf8").catch(() => "");
      return { file, now, content: make(now) };
    }),
  );
  return all.filter(({ now, content }) => now !== content).map(({ file, content }) => ({ file, content }));
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { check: { type: "boolean" }, help: { type: "boolean", short: "h" } } });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  for (const { file, content } of await staleDocuments()) {
    if (values.check) {
      console.error(`${file} is stale; npm run docs writes it`);
      process.exitCode = 1;
    } else {
      await writeFile(`${projectDirectory}/${file}`, content);
      console.log(`wrote ${file}`);
    }
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
