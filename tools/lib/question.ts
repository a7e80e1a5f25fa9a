import { createInterface } from "node:readline";
import type { Terminal } from "./command.ts";
import { END_SIGNALS } from "./foreground.ts";

/** Asks the operator something, and tells whether the answer is yes. */
export type Ask = (question: string) => Promise<boolean>;

/**
 * How a command asks.
 *
 * @param yes whether `--yes` was given, which answers every question
 * @throws when there is nobody to ask; before anything is done, so that nothing is half done
 */
export function operator(terminal: Terminal, yes: boolean | undefined): Ask {
  if (yes) return async () => true;
  if (!terminal.stdin.isTTY) throw new Error("there is no terminal to ask on; --yes goes on without a question");
  return (question) => ask(question, terminal);
}

/** One question. Only `y` and `yes` are yes; Ctrl-C, Ctrl-D, the end of the input and being told to end are no. */
function ask(question: string, { stdin, stdout }: Pick<Terminal, "stdin" | "stdout">): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const terminal = createInterface({ input: stdin, output: stdout, terminal: stdin.isTTY ?? false });
  const no = () => terminal.close();
  let isAnswered = false;
  terminal
    .once("close", () => {
      for (const signal of END_SIGNALS) process.off(signal, no);
      // What is said next begins on a line of its own.
      if (!isAnswered) stdout.write("\n");
      resolve(false);
    })
    .question(`${question} [y/N] `, (answer) => {
      isAnswered = true;
      resolve(/^y(es)?$/i.test(answer.trim()));
      terminal.close();
    });
  for (const signal of END_SIGNALS) process.on(signal, no);
  return promise;
}
