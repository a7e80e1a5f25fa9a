import { expect, it } from "vitest";
import { forbiddenIstioStep } from "../../settings/istio-step.ts";
import { charts, support } from "../../versions.ts";

const skipped = (from: string, to: string, next: string) => ({
  why: `Istio would go from ${from} to ${to}, and goes one minor version at a time`,
  next,
});

it.each([
  ["1.26.4", "1.31.4", "1.27.9"],
  ["1.26.4", "1.28.0", "1.27.9"],
  ["1.30.3", "1.32.0", "1.31.0"],
  // Of versions that the table does not know, the first.
  ["1.40.1", "1.42.0", "1.41.0"],
  ["v1.29.0", "v1.31.0", "1.30.5"],
])("goes from %s to %s by %s", (from, to, next) => {
  expect(forbiddenIstioStep(from, to)).toEqual(skipped(from, to, next));
});

it.each([
  ["1.31.4", "1.30.5"],
  ["2.0.0", "1.31.4"],
])("does not go from %s back to %s", (from, to) => {
  expect(forbiddenIstioStep(from, to)).toEqual({
    why: `Istio would go back from ${from} to ${to}: what the newer minor version wrote may be unknown to the older`,
    next: from,
  });
});

it.each([
  ["1.30.3", "1.31.4"],
  ["1.31.4", "1.31.0"],
  ["1.31.4", "1.31.4"],
  // What a major version of Istio asks for, nobody knows yet.
  ["1.31.4", "2.0.0"],
  ["undefined", "1.31.4"],
])("goes from %s to %s", (from, to) => {
  expect(forbiddenIstioStep(from, to)).toBeUndefined();
});

it("knows a late patch of each minor version that an upgrade passes through", () => {
  const [, ...passed] = Object.entries(support.Istio).slice(0, -1);
  expect(passed.map(([minor, { newest }]) => newest?.startsWith(`${minor}.`))).toEqual(passed.map(() => true));
  expect(Object.keys(support.Istio).at(-1)).toBe(charts.istio.version.split(".").slice(0, 2).join("."));
});
