import { readdir } from "node:fs/promises";

/** The names of the stacks whose `Pulumi.<name>.yaml` is in a directory, sorted. */
export const stacksIn = async (directory: string): Promise<string[]> =>
  (await readdir(directory)).flatMap((file) => /^Pulumi\.(.+)\.yaml$/.exec(file)?.[1] ?? []).sort();
