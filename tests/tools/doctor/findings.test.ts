import { expect, it } from "vitest";
import { findingsText } from "../../../tools/doctor/findings.ts";

it("shows what to do below what it is about, and counts", () => {
  const text = findingsText([
    { check: "a", level: "ok", reason: "fine" },
    { check: "longer", level: "problem", reason: "first\nsecond", action: "do this" },
    { check: "longer", level: "warning", reason: "third", action: "do that" },
    { check: "b", level: "skipped", reason: "not set" },
  ]);
  expect(text).toBe(
    [
      "ok       a       fine",
      "PROBLEM  longer  first",
      "                 second",
      "                 → do this",
      "warning  longer  third",
      "                 → do that",
      "skipped  b       not set",
      "",
      "1 problem(s), 1 warning(s), 1 ok, 1 skipped",
    ].join("\n"),
  );
});
