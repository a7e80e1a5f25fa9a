import type { State, Timer } from "./state.ts";

/** Puts a timer behind those of the same moment: what was begun first happens first. */
export function schedule({ timers }: Pick<State, "timers">, timer: Timer): void {
  const place = timers.findIndex((other) => other.at > timer.at);
  timers.splice(place < 0 ? timers.length : place, 0, timer);
}

/**
 * Takes an object's timers away.
 *
 * @param what what is not to happen. @default - nothing is
 */
export function cancel({ timers }: Pick<State, "timers">, key: string, what?: string): void {
  for (let at = timers.length - 1; at >= 0; at--) {
    const timer = timers[at];
    if (timer?.key === key && (what === undefined || timer.what === what)) timers.splice(at, 1);
  }
}
