import { readFile, writeFile } from "node:fs/promises";
import { projectDirectory } from "../project/stack.ts";
import { main, type Terminal, toolCommand } from "../tools/lib/command.ts";
import { configurationPage } from "./docs/configuration.ts";
import { withDescriptions } from "./docs/project-file.ts";
import { stackSchema } from "./docs/stack-schema.ts";

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

/** `npm run docs`. */
const docsCommand = (terminal: Terminal) =>
  toolCommand(
    "docs",
    "Writes what is made from the settings' own fields: docs/configuration.md, stack.schema.json and the descriptions in Pulumi.yaml.",
    terminal,
  )
    .option("--check", "writes nothing, and fails when one of them is stale")
    .action(async ({ check }: { check?: true }) => {
      for (const { file, content } of await staleDocuments()) {
        if (check) {
          terminal.stderr.write(`${file} is stale; npm run docs writes it\n`);
          terminal.exitCode = 1;
        } else {
          await writeFile(`${projectDirectory}/${file}`, content);
          terminal.stdout.write(`wrote ${file}\n`);
        }
      }
    });

await main(import.meta, docsCommand);
