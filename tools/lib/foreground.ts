import { type SpawnOptions, spawn } from "node:child_process";
import { constants } from "node:os";

/** The signals that tell a process to end. */
export const END_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Runs a command as if it had been started itself: with this terminal, and with the signals that are sent here.
 *
 * @returns its exit code; that of a signal is 128 and the signal's number, as in a shell
 * @throws when it cannot be started
 */
export function runInForeground(
  command: string,
  args: string[],
  options: Pick<SpawnOptions, "env" | "cwd"> = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: "inherit" });
    const pass = (signal: NodeJS.Signals) => {
      // A terminal sends Ctrl-C to both; Pulumi takes a second one for "stop at once".
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    };
    for (const signal of END_SIGNALS) process.on(signal, pass);
    const done = () => {
      for (const signal of END_SIGNALS) process.off(signal, pass);
    };
    child.on("error", (error: NodeJS.ErrnoException) => {
      done();
      reject(error.code === "ENOENT" ? new Error(`${command} is not on PATH`) : error);
    });
    child.on("exit", (code, signal) => {
      done();
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
