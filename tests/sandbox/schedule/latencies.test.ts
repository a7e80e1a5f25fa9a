import { expect, it } from "vitest";
import { latenciesFor } from "../../../sandbox/schedule/latencies.ts";
import { usualLatencies } from "../../../sandbox/world/systems.ts";

const seeds = Array.from({ length: 1000 }, (_, at) => at + 1);
/** How many times longer than usual a thing takes under each seed. */
const times = (what: string) => seeds.map((seed) => (latenciesFor(seed)[what] ?? 0) / (usualLatencies[what] ?? 0));

it("is the same table for the same seed, of all that takes time", () => {
  expect(latenciesFor(7)).toEqual(latenciesFor(7));
  expect(Object.keys(latenciesFor(7))).toEqual(Object.keys(usualLatencies));
});

it.each([
  ["DnsRecord", 3],
  ["istiod", 20],
  ["LoadBalancer", 8],
])("has %s between a third of the usual time and %d times as long, now and then both", (what, most) => {
  const factors = times(what);
  expect([Math.min(...factors), Math.max(...factors)].map((factor) => Number(factor.toFixed(1)))).toEqual([0.3, most]);
});

it("has the self-check take half the usual time at least", () => {
  expect(Math.min(...times("challenge"))).toBe(0.5);
});

it("has something far slower in two of three tables", () => {
  const tables = seeds.filter((seed) => {
    const table = latenciesFor(seed);
    return Object.entries(usualLatencies).some(([what, usual]) => (table[what] ?? 0) > 3 * usual);
  });
  expect(tables.length / seeds.length).toBeCloseTo(2 / 3, 1);
});

it("draws each thing by itself", () => {
  const [a, b] = [times("DnsRecord"), times("ExternalSecret")];
  expect(a.filter((factor, at) => Math.abs(factor - (b[at] ?? 0)) < 0.001).length).toBeLessThan(10);
});
