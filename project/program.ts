import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { projectDirectory } from "./stack.ts";

let imports = 0;

/**
 * Runs the program: registers what its top level registers, below the stack that is there.
 *
 * @param directory where the program is. @default - the working tree
 * @returns the stack's outputs
 * @throws what the program throws
 */
export async function runProgram(directory = projectDirectory): Promise<Record<string, unknown>> {
  // Another query is another module: what was imported once would not run again.
  const program = `${pathToFileURL(join(directory, "index.ts")).href}?run=${imports++}`;
  return { ...(await import(/* @vite-ignore */ program)) };
}
