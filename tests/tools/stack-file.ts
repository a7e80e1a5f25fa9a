import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { projectDirectory } from "../../project/stack.ts";

/**
 * Writes a stack's file beside the project's.
 *
 * @param settings by their keys below `oke-platform:`
 */
export async function writeStack(directory: string, stack: string, settings: Readonly<Record<string, unknown>>) {
  await copyFile(join(projectDirectory, "Pulumi.yaml"), join(directory, "Pulumi.yaml"));
  const config = Object.fromEntries(Object.entries(settings).map(([key, value]) => [`oke-platform:${key}`, value]));
  // JSON is YAML.
  await writeFile(join(directory, `Pulumi.${stack}.yaml`), JSON.stringify({ config }));
}
