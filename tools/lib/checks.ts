import { failureOf } from "./http.ts";

// How `doctor` and `verify` run checks, and tell what came of them.

/** What a check came to. */
export interface Verdict {
  /** `skipped`: there was nothing to ask, or no way to, so it says nothing of how things are. */
  readonly level: "ok" | "warning" | "problem" | "skipped";
  readonly reason: string;
  /** What to do about it. */
  readonly action?: string;
}

export const ok = (reason: string): Verdict => ({ level: "ok", reason });
export const warning = (reason: string, action: string): Verdict => ({ level: "warning", reason, action });
export const problem = (reason: string, action: string): Verdict => ({ level: "problem", reason, action });
export const skipped = (reason: string, action?: string): Verdict => ({
  level: "skipped",
  reason,
  ...(action !== undefined && { action }),
});

/** The faults, or that all is well when there are none. */
export const unless = (faults: readonly Verdict[], reason: string): readonly Verdict[] =>
  faults.length > 0 ? faults : [ok(reason)];

/** Ends a check from wherever it is thrown in it. */
export class Stop extends Error {
  readonly verdict: Verdict;

  constructor(verdict: Verdict) {
    super(verdict.reason);
    this.verdict = verdict;
  }
}

/** What a check is about. */
interface Subject {
  readonly name: string;
  /** Absent where it is about no host, or about all. */
  readonly host?: string;
  /** What is said of the checks that need it when it has failed. @default - that they need it */
  readonly without?: string;
}

/** A check that is over, with what it found for the checks that need it. */
export interface Outcome<T = unknown> {
  readonly subject: Subject;
  readonly verdicts: readonly Verdict[];
  /** Undefined where the checks that need it cannot run. */
  readonly value?: T;
}

interface Found<T> {
  readonly verdicts: readonly Verdict[];
  readonly value: T;
}

/** What a check found for the checks that need it, and what it came to. */
export const found = <T>(value: T, ...verdicts: Verdict[]): Found<T> => ({ verdicts, value });

/** What checks have found, of which each has found something. */
type Values<Needs extends readonly Outcome[]> = {
  [Index in keyof Needs]: Needs[Index] extends Outcome<infer T> ? T : never;
};

/** Runs one check, if those that it needs have found what they look for. */
export type Run = <T, const Needs extends readonly Outcome[]>(
  about: string | Subject,
  needs: Needs,
  judge: (...values: Values<Needs>) => Promise<Verdict | readonly Verdict[] | Found<T>>,
) => Promise<Outcome<T>>;

/**
 * How checks are run.
 *
 * @param limitMs milliseconds for a whole check, after which it is given up, as a credential plugin that hangs must be
 * @param unforeseen what a check comes to that throws: `skipped` for who only warns, `problem` for who must prove
 */
export const runner =
  (limitMs: number, unforeseen: "skipped" | "problem"): Run =>
  async (about, needs, judge) => {
    const subject = typeof about === "string" ? { name: about } : about;
    const missing = needs.find(({ value }) => value === undefined);
    if (missing !== undefined) return { subject, verdicts: [withoutIt(missing)] };
    try {
      // Each is there, by the line above.
      const values = needs.map(({ value }) => value) as unknown as Values<typeof needs>;
      const judged = await within(limitMs, judge(...values));
      return "value" in judged ? { subject, ...judged } : { subject, verdicts: [judged].flat() };
    } catch (error) {
      const unasked: Verdict = { level: unforeseen, reason: `could not be asked: ${failureOf(error)}` };
      return { subject, verdicts: [error instanceof Stop ? error.verdict : unasked] };
    }
  };

/** The first of a row of skipped checks knows why; the others repeat it. */
function withoutIt({ subject, verdicts }: Outcome): Verdict {
  const first = verdicts.find(({ level }) => level === "skipped");
  return first ?? skipped(subject.without ?? `needs the check "${subject.name}", which failed`);
}

/**
 * The answer, if it comes in time.
 *
 * @throws when it does not, or as it does
 */
export async function within<T>(limitMs: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${limitMs / 1000} s`)), limitMs);
  });
  return Promise.race([answer, limit]).finally(() => clearTimeout(timer));
}

/** What need not be found out. */
export const given = <T>(value: T): Outcome<T> => ({ subject: { name: "given" }, verdicts: [], value });

/** What there is no use in looking for. */
export const lacking = (...reason: Parameters<typeof skipped>): Outcome<never> => ({
  subject: { name: "lacking" },
  verdicts: [skipped(...reason)],
});

/** What follows from what a check found. */
export const derived = <T, U>({ value, ...outcome }: Outcome<T>, derive: (value: T) => U): Outcome<U> =>
  value === undefined ? outcome : { ...outcome, value: derive(value) };

/** A row of the table that users read. */
export interface Row {
  readonly label: string;
  readonly title: string;
  readonly reason: string;
  readonly action?: string;
}

/** The rows as lines, and what to do below each. */
export function linesOf(rows: readonly Row[]): string[] {
  const width = Math.max(...rows.map(({ title }) => title.length));
  const indent = " ".repeat(LABEL_WIDTH + 2 + width + 2);
  return rows.flatMap(({ label, title, reason, action }) => [
    `${label.padEnd(LABEL_WIDTH)}  ${title.padEnd(width)}  ${reason.replaceAll("\n", `\n${indent}`)}`,
    ...(action === undefined ? [] : [`${indent}→ ${action}`]),
  ]);
}

/** Of the longest labels, "PROBLEM" and "skipped". */
const LABEL_WIDTH = 7;
