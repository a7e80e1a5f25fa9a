import { END_SIGNALS } from "./foreground.ts";

/** How many of them are under way, one within the other. */
let acts = 0;
/** The first signal since the outermost began, and the first error that nobody waited for. */
let told: NodeJS.Signals | undefined;
let stray: Error | undefined;

/**
 * Keeps from an act that must not be left half done what would end the process: Ctrl-C, `kill`, a closed terminal, and an
 * error that nobody waits for, such as that of a word to a terminal that is gone. It is obeyed when the act is over, or
 * before if the act asks. Nothing keeps SIGKILL off.
 *
 * @param act is told how to ask whether the process is to end
 * @param log says so to whoever tells it to end
 * @throws when the process was told to end, and the act did not fail itself
 */
export async function undisturbed<T>(
  act: (isTold: () => boolean) => Promise<T>,
  log: (line: string) => void = () => {},
): Promise<T> {
  const isTold = () => told !== undefined || stray !== undefined;
  if (acts > 0) return act(isTold);
  const listeners = process.rawListeners("uncaughtException") as NodeJS.UncaughtExceptionListener[];
  const note = (signal: NodeJS.Signals) => {
    told ??= signal;
    log(`${signal}: in a moment, when what must not be left half done is over`);
  };
  const keep = (error: Error) => {
    stray ??= error;
  };
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", keep);
  for (const signal of END_SIGNALS) process.on(signal, note);
  acts += 1;
  try {
    const result = await act(isTold);
    if (told !== undefined) throw new Error(`stopped by ${told}, with nothing left half done; run it again to go on`);
    if (stray !== undefined) throw stray;
    return result;
  } finally {
    acts -= 1;
    told = undefined;
    stray = undefined;
    for (const signal of END_SIGNALS) process.off(signal, note);
    process.off("uncaughtException", keep);
    for (const listener of listeners) process.on("uncaughtException", listener);
  }
}
