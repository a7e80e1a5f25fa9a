import { expect, it } from "vitest";
import { type Check, checksText } from "../../../tools/verify/check.ts";

it("shows what to do below each failure, and counts", () => {
  const action = "mend it";
  const checks: Check[] = [
    { name: "API server", status: "pass", reason: "Kubernetes v1.34.1" },
    { name: "DNS", host: "cluster.example.com", status: "FAIL", reason: "gone", action },
    { name: "trust", host: "cluster.example.com", status: "skipped", reason: "not asked" },
  ];
  expect(checksText(checks)).toBe(
    [
      "pass     API server                 Kubernetes v1.34.1",
      "FAIL     DNS cluster.example.com    gone",
      "                                    → mend it",
      "skipped  trust cluster.example.com  not asked",
      "3 checks: 1 pass, 1 FAIL, 1 skipped",
    ].join("\n"),
  );
});
