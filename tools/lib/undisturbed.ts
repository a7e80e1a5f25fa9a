import { END_SIGNALS } from "./foreground.ts";

/** How many of them are under way, one within the other. */
let acts = 0;
/** The first signal since the outermost began. */
let told: NodeJS.Signals | undefined;

/**
 * Keeps from an act that must not be left half done what would end the process: Ctrl-C, `kill`, a closed terminal, and an
 * error that nobody waits for. It is obeyed when the act is over, or before if the act asks. Nothing keeps SIGKILL off.
 *
 * @param act is told how to ask whether the process is to end
 * @param log says so to whoever tells it to end
 * @throws when the process was told to end, and the act did not fail itself
 */
export async function undisturbed<T>(
  act: (isTold: () => boolean) => Promise<T>,
  log: (line: string) => void = () => {},
): Promise<T> {
  const isTold = () => told !== undefined;
  if (acts > 0) return act(isTold);
  const listeners = process.rawListeners("uncaughtException") as NodeJS.UncaughtExceptionListener[];
  const stray: unknown[] = [];
  const note = (signal: NodeJS.Signals) => {
    told ??= signal;
    log(`${signal}: in a moment, when what must not be left half done is over`);
  };
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => void stray.push(error));
  for (const signal of END_SIGNALS) process.on(signal, note);
  outliveTheTerminal();
  acts += 1;
  try {
    const result = await act(isTold);
    if (told !== undefined) throw new Error(`stopped by ${told}, with nothing left half done; run it again to go on`);
    if (stray.length > 0) throw stray[0];
    return result;
  } finally {
    acts -= 1;
    told = undefined;
    for (const signal of END_SIGNALS) process.off(signal, note);
    process.removeAllListeners("uncaughtException");
    for (const listener of listeners) process.on("uncaughtException", listener);
  }
}

let outlives = false;

/** What is written to a terminal that is gone is an error, which comes when it likes, and would end the process. */
function outliveTheTerminal(): void {
  if (outlives) return;
  outlives = true;
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
}
