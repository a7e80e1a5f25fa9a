import { spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { projectDirectory } from "../../project/stack.ts";
import { steps } from "./workflows.ts";

/** A runner's machine: runs scripts of the workflows word by word, with stand-ins for programs that must not do their work. */
export interface Runner {
  /** A directory that goes with it. */
  readonly root: string;
  /** Puts a program in the place of the real one. */
  stub(name: string, script: string): Promise<void>;
  /** What the stand-ins were called with since the last time, one call a line. */
  calls(): Promise<string>;
  /** Runs the step of a workflow whose script has a text in it, in a directory, with the variables that it sets. */
  run(
    file: string,
    text: string,
    cwd: string,
    env?: Record<string, string>,
  ): Promise<{ status: unknown; output: string }>;
  close(): Promise<void>;
}

/** Set by the runner itself, and by no step. */
const RUNNERS = /^(GITHUB_|ACTIONS_|RUNNER_|HOME$)/;

export async function makeRunner(): Promise<Runner> {
  const root = await mkdtemp(join(tmpdir(), "oke-workflows-"));
  const [bin, ran] = [join(root, "bin"), join(root, "ran")];
  await mkdir(bin);
  await writeFile(ran, "");
  const path = [join(projectDirectory, "node_modules/.bin"), process.env.PATH].join(delimiter);
  return {
    root,
    async stub(name, script) {
      await writeFile(join(bin, name), `#!/usr/bin/env bash\necho "${name} $*" >> '${ran}'\n${script}\n`);
      await chmod(join(bin, name), 0o755);
    },
    async calls() {
      const calls = await readFile(ran, "utf8");
      await writeFile(ran, "");
      return calls;
    },
    async run(file, text, cwd, env = {}) {
      const step = steps.find((candidate) => candidate.file === file && candidate.run?.includes(text));
      if (step?.run === undefined) throw new Error(`no step of ${file} runs ${text}`);
      const [given, set] = [Object.keys(env).filter((name) => !RUNNERS.test(name)), Object.keys(step.env ?? {})];
      if (given.sort().join() !== set.sort().join()) throw new Error(`the step sets ${set}, and is given ${given}`);
      const script = join(root, "script.sh");
      await writeFile(script, step.run);
      // https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell
      const child = spawn("bash", ["--noprofile", "--norc", "-eo", "pipefail", script], {
        cwd,
        env: { HOME: root, ...env, REAL_PATH: path, PATH: [bin, path].join(delimiter) },
      });
      let output = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (chunk) => {
          output += chunk;
        });
      }
      return { status: await new Promise((resolve) => child.on("close", resolve)), output };
    },
    close: () => rm(root, { recursive: true, force: true }),
  };
}
