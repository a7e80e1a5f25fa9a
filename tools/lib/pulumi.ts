import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { projectDirectory } from "../../project/stack.ts";
import { END_SIGNALS, runInForeground } from "./foreground.ts";

/** The Pulumi CLI. */
export interface PulumiCli {
  /** Runs it, and takes what it prints. */
  read(args: string[]): Promise<{ code: number; stdout: string; stderr: string }>;
  /**
   * Runs it for the operator to see; the exit code.
   *
   * @param env variables beside those of this process. @default - none
   */
  show(args: string[], env?: Readonly<Record<string, string>>): Promise<number>;
}

/** `pulumi` on PATH, for the project in a directory. */
export function pulumiCli(directory = projectDirectory): PulumiCli {
  return {
    async read(args) {
      try {
        return { code: 0, ...(await promisify(execFile)("pulumi", args, { cwd: directory })) };
      } catch (error) {
        const { code, stdout = "", stderr = "" } = error as { code: number | string; stdout?: string; stderr?: string };
        if (code === "ENOENT") throw new Error("pulumi is not on PATH; https://www.pulumi.com/docs/install/");
        return { code: typeof code === "number" ? code : 1, stdout, stderr };
      }
    },
    show: (args, env) => runInForeground("pulumi", args, { cwd: directory, env: { ...process.env, ...env } }),
  };
}

/** One value of a stack's configuration. */
export interface Setting {
  readonly stack: string;
  /** Its path, such as `oke-platform:acme.server`. */
  readonly path: string;
}

/**
 * What a stack's file says, as text; undefined when it leaves the value to its default.
 *
 * @throws with Pulumi's own words when the configuration cannot be read
 */
export async function configured(pulumi: PulumiCli, { stack, path }: Setting): Promise<string | undefined> {
  const { code, stdout, stderr } = await pulumi.read(["config", "get", "--path", path, "--stack", stack]);
  if (code === 0) return stdout.replace(/\n$/, "");
  if (/configuration key .* not found/.test(stderr)) return undefined;
  throw new Error(`the configuration of stack ${stack} cannot be read: ${stderr.trim()}`);
}

/**
 * Writes a value into a stack's file.
 *
 * @param value undefined to leave it to its default
 * @throws with Pulumi's own words, and the command to run oneself
 */
export async function configure(pulumi: PulumiCli, { stack, path }: Setting, value: string | undefined): Promise<void> {
  const change = value === undefined ? ["rm", "--path", path] : ["set", "--path", path, value];
  const args = ["config", ...change, "--stack", stack];
  const { code, stderr } = await pulumi.read(args);
  if (code === 0) return;
  throw new Error(
    `the stack's configuration cannot be written: ${stderr.trim()}\nRun this yourself:\n  pulumi ${args.join(" ")}`,
  );
}

/** A change of a stack, until somebody has said yes to what it does. */
export interface Proposal {
  readonly stack: string;
  /** The value that changes. @default - the stack's file stays as it is */
  readonly change?: { readonly path: string; readonly value: string };
  /** Asks the operator, who has seen the preview. */
  readonly approve: () => Promise<boolean>;
  readonly log: (line: string) => void;
}

/**
 * Sets a value, previews and asks. Unless the answer is yes, the stack's file says afterwards what it said before, also
 * when the preview fails, and when this process is told to end meanwhile.
 *
 * @returns whether the answer is yes
 * @throws when the preview fails, or the file cannot be written, with what to do
 */
export async function propose(pulumi: PulumiCli, { stack, change, approve, log }: Proposal): Promise<boolean> {
  if (change === undefined) return previewed(pulumi, stack, approve);
  const setting = { stack, path: change.path };
  const name = change.path.replace(/^.*:/, "");
  const before = await configured(pulumi, setting);
  if (before === change.value) return previewed(pulumi, stack, approve);
  // With the value may come the map that it is in, which is empty where Pulumi.yaml alone has it.
  const map = { stack, path: change.path.replace(/\.[^.]*$/, "") };
  const isMapNew = before === undefined && ["{}", undefined].includes(await configured(pulumi, map));
  let isApproved = false;
  let isTold = false;
  const told = () => {
    isTold = true;
  };
  for (const signal of END_SIGNALS) process.on(signal, told);
  try {
    await configure(pulumi, setting, change.value);
    log(`${name} is ${change.value}, before ${before ?? "its default"}`);
    isApproved = await previewed(pulumi, stack, async () => !isTold && (await approve()) && !isTold);
  } finally {
    if (!isApproved) {
      await configure(pulumi, isMapNew ? map : setting, before);
      log(`${name} is ${before ?? "its default"} again`);
    }
    for (const signal of END_SIGNALS) process.off(signal, told);
  }
  return isApproved;
}

async function previewed(pulumi: PulumiCli, stack: string, approve: () => Promise<boolean>): Promise<boolean> {
  if ((await pulumi.show(["preview", "--stack", stack])) !== 0)
    throw new Error("pulumi preview has failed; nothing is changed");
  return approve();
}
