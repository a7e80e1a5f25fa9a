import { mkdir, readdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { expect } from "vitest";

/**
 * Puts a command of a shell script on PATH while something runs. `$LOG` is the file `log` of the directory; what is left
 * in the directory for temporary files is a mistake.
 */
export async function withCommand<T>(
  directory: string,
  name: string,
  script: string,
  work: () => Promise<T>,
): Promise<T> {
  const before = { ...process.env };
  const [bin, temporary] = [join(directory, "bin"), join(directory, "tmp")];
  for (const made of [bin, temporary]) await mkdir(made, { recursive: true });
  await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const PATH = `${bin}${delimiter}${before.PATH}`;
  Object.assign(process.env, { PATH, LOG: join(directory, "log"), TMPDIR: temporary });
  try {
    return await work();
  } finally {
    for (const variable of ["PATH", "LOG", "TMPDIR"]) {
      if (before[variable] === undefined) delete process.env[variable];
      else process.env[variable] = before[variable];
    }
    expect(await readdir(temporary)).toEqual([]);
  }
}
