import { readdir, stat, unlink } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import type { PulumiCli } from "../lib/pulumi.ts";

// Where Pulumi keeps the state: its lock, and what a kill leaves of it.

/** Has the providers say how resources are, and nothing else. */
export const refreshOf = (urns: readonly string[]) => [
  ...["refresh", "--yes", "--skip-preview", "--skip-pending-creates", "--non-interactive"],
  ...urns.flatMap((urn) => ["--target", urn]),
];

/**
 * Makes sure that no other run is at work: takes the stack's lock and gives it back, with a refresh of the stack alone,
 * which has nothing to read. A lock that a process of this machine has left is taken away.
 *
 * @param root URN of the stack itself
 * @throws when a run may still be alive, with what to do
 */
export async function refuseOtherRuns(pulumi: PulumiCli, stack: string, root: string): Promise<void> {
  const lockOf = async () => {
    const { code, stdout, stderr } = await pulumi.read([...refreshOf([root]), "--stack", stack]);
    return code === 0 ? undefined : `${stdout}\n${stderr}`;
  };
  const said = await lockOf();
  if (said === undefined) return;
  if (isLeftHere(said)) {
    await told(pulumi, "the lock of the run that was killed cannot be taken away", ["cancel", "--yes"], stack);
    const again = await lockOf();
    if (again === undefined) return;
  }
  throw new Error(
    `another run may still be at work, and nothing is changed: ${wordsOf(said)}\n` +
      `Wait for its end. If it was killed, run pulumi cancel --stack ${stack}, and this again.`,
  );
}

/** The holders of a backend's lock: https://github.com/pulumi/pulumi/blob/v3.259.0/pkg/backend/diy/lock.go */
const HOLDER = /created by \S*@(\S+) \(pid (\d+)\)/g;

/** Whether every holder of the lock was a process of this machine that is no more. */
function isLeftHere(said: string): boolean {
  const holders = [...said.matchAll(HOLDER)];
  return holders.length > 0 && holders.every(([, host, pid]) => host === hostname() && !isAlive(Number(pid)));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process may not be signalled, and is one.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/**
 * Removes what a kill in the middle of a write has left beside the state of a backend in a directory: an empty sidecar, on
 * which every read fails with "EOF". Without it, all is as it should be.
 *
 * Source: setAttrs and getAttrs, https://github.com/google/go-cloud/blob/v0.46.0/blob/fileblob/attrs.go
 *
 * @returns whether there were any
 */
export async function removeEmptySidecars(pulumi: PulumiCli): Promise<boolean> {
  const { code, stdout } = await pulumi.read(["whoami", "--json"]);
  const { url = "" } = code === 0 ? (JSON.parse(stdout) as { url?: string }) : {};
  if (!url.startsWith("file://")) return false;
  const directory = decodeURI(url.replace("file://", "").replace(/\?.*$/, "")).replace(/^~(?=\/|$)/, homedir);
  const files = await readdir(join(directory, ".pulumi"), { recursive: true });
  const sidecars = files.filter((file) => file.endsWith(".attrs")).map((file) => join(directory, ".pulumi", file));
  const sizes = await Promise.all(sidecars.map(async (file) => ({ file, size: (await stat(file)).size })));
  const empty = sizes.filter(({ size }) => size === 0);
  await Promise.all(empty.map(({ file }) => unlink(file)));
  return empty.length > 0;
}

const wordsOf = (said: string) =>
  said
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => /^error: |created by |[Cc]onflict/.test(line))
    .join(" ") || said.trim();

/** Runs the CLI. @throws with what has failed, and Pulumi's own words */
export async function told(pulumi: PulumiCli, failure: string, args: string[], stack: string): Promise<void> {
  const { code, stdout, stderr } = await pulumi.read([...args, "--stack", stack]);
  if (code !== 0) throw new Error(`${failure}: ${wordsOf(`${stdout}\n${stderr}`)}`);
}
