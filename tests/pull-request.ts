import { execFileSync } from "node:child_process";
import { cp, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { projectDirectory } from "../project/stack.ts";

// Repositories to make pull requests in, away from this one.

/** Runs git, with nobody's settings. */
export function git(directory: string, ...args: string[]): string {
  const nobody = { GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@example.com", GIT_COMMITTER_NAME: "a" };
  return execFileSync("git", ["-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always", ...args], {
    cwd: directory,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH,
      HOME: directory,
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_COMMITTER_EMAIL: "a@example.com",
      ...nobody,
    },
  });
}

/** Makes a repository of the project's files as they are now, committed or not. */
export async function copyProject(directory: string): Promise<void> {
  await mkdir(directory);
  const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], {
    cwd: projectDirectory,
    encoding: "utf8",
  });
  for (const file of files.split("\0").filter((name) => name !== "")) {
    await mkdir(dirname(join(directory, file)), { recursive: true });
    // A file that is deleted and not committed yet is still in git's list.
    await cp(join(projectDirectory, file), join(directory, file)).catch(() => undefined);
  }
  git(directory, "init", "--quiet");
  git(directory, "add", ".");
  git(directory, "commit", "--quiet", "--message", "base");
}
