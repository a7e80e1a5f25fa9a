import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { type MakeCommand, run } from "../../tools/lib/command.ts";

/** Runs a command line in this process: what it prints, and the code that it would end with. */
export async function ran(make: MakeCommand, ...args: string[]) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const terminal = { stdin: new PassThrough(), stdout, stderr, exitCode: undefined as number | undefined };
  await run(make, args, terminal);
  stdout.end();
  stderr.end();
  return { exitCode: terminal.exitCode ?? 0, stdout: await text(stdout), stderr: await text(stderr) };
}
