import { linesOf, type Outcome, type Verdict } from "../lib/checks.ts";

/** One thing that the doctor tells; a check that finds several faults tells one for each. */
export interface Finding extends Verdict {
  /** The check that it is of. */
  readonly check: string;
}

/** What checks came to. */
export const findingsOf = (outcomes: readonly Outcome[]): Finding[] =>
  outcomes.flatMap(({ subject, verdicts }) => verdicts.map((verdict) => ({ check: subject.name, ...verdict })));

const LABELS = { ok: "ok", warning: "warning", problem: "PROBLEM", skipped: "skipped" };

/** The findings as a table, what to do below each, and how many there are. */
export function findingsText(findings: readonly Finding[]): string {
  const rows = findings.map(({ check, level, ...rest }) => ({ label: LABELS[level], title: check, ...rest }));
  const count = (wanted: Finding["level"]) => findings.filter(({ level }) => level === wanted).length;
  return [
    ...linesOf(rows),
    "",
    `${count("problem")} problem(s), ${count("warning")} warning(s), ${count("ok")} ok, ${count("skipped")} skipped`,
  ].join("\n");
}
