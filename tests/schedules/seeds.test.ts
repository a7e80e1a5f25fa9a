import { describe, expect, it } from "vitest";
import { firstFault, seedsFrom } from "../faults.ts";
import { setUp, variants } from "../variants.ts";

// The schedules that tests/order.test.ts leaves out, by far the most.

describe.each(variants)("$name", (variant) => {
  const seeds = seedsFrom(21, ["prod", "lab"].includes(variant.name) ? 2000 : 300);

  it(`comes up and goes down under the seeds from ${seeds.first} to ${seeds.last}, served at the end and never wrongly`, async () => {
    const { graph, surroundings } = await setUp(variant);
    expect(firstFault(graph, seeds, surroundings)).toBeUndefined();
  });
});
