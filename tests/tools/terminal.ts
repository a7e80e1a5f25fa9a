import { PassThrough } from "node:stream";
import type { Terminal } from "../../tools/lib/command.ts";
import { operator } from "../../tools/lib/question.ts";

// A command's terminal without a terminal: what is typed, and what was printed.

export interface TestTerminal extends Terminal {
  readonly stdin: PassThrough & { readonly isTTY: boolean };
  /** Everything on stdout and stderr so far. */
  printed(): string;
}

export function testTerminal({ isTTY = false } = {}): TestTerminal {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let text = "";
  for (const stream of [stdout, stderr]) stream.on("data", (chunk) => (text += chunk));
  return { stdin: Object.assign(new PassThrough(), { isTTY }), stdout, stderr, printed: () => text };
}

/** What an operator types who does not want it, by its name. */
export const NOES = { "Ctrl-C": "\x03", "Ctrl-D": "\x04", "a no": "n\r", "a bare return": "\r" } as const;

/** What comes of a command's question when these keys are pressed. */
export function answeredWith(keys: string): Promise<boolean> {
  const terminal = testTerminal({ isTTY: true });
  const answer = operator(terminal, undefined)("Go on?");
  terminal.stdin.write(keys);
  return answer;
}
