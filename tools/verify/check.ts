import { linesOf, type Outcome } from "../lib/checks.ts";

/** A check of what is up, and what came of it. */
export interface Check {
  readonly name: string;
  /** The host that it is about; absent where it is about all. */
  readonly host?: string;
  readonly status: "pass" | "FAIL" | "skipped";
  readonly reason: string;
  /** What to do about a failure. */
  readonly action?: string;
}

const STATUSES = { ok: "pass", warning: "pass", problem: "FAIL", skipped: "skipped" } as const;

/** What checks came to, each of which has one verdict. */
export const checksOf = (outcomes: readonly Outcome[]): Check[] =>
  outcomes.flatMap(({ subject: { name, host }, verdicts }) =>
    verdicts.map(({ level, ...rest }) => ({
      name,
      ...(host !== undefined && { host }),
      status: STATUSES[level],
      ...rest,
    })),
  );

/** The checks as a table, and how many failed. */
export function checksText(checks: readonly Check[]): string {
  const rows = checks.map(({ name, host = "", status, ...rest }) => ({
    label: status,
    title: `${name} ${host}`.trim(),
    ...rest,
  }));
  const count = (wanted: Check["status"]) => checks.filter(({ status }) => status === wanted).length;
  return [
    ...linesOf(rows),
    `${checks.length} checks: ${count("pass")} pass, ${count("FAIL")} FAIL, ${count("skipped")} skipped`,
  ].join("\n");
}
