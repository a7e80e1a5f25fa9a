import { describe, expect, it } from "vitest";
import { lastName } from "../../project/registration.ts";
import { declaredEdges, meritOf } from "../../workbench/edges.ts";
import { setUp, variants } from "../variants.ts";

describe("every declared dependency", () => {
  it("is one that something goes wrong without, in one way of setting the program up", async () => {
    const useless = new Set<string>();
    const useful = new Set<string>();
    for (const variant of variants) {
      const { graph, surroundings } = await setUp(variant);
      for (const edge of declaredEdges(graph)) {
        const name = `${lastName(edge.from)} → ${lastName(edge.to)}`;
        if (useful.has(name)) continue;
        (meritOf(graph, edge, 60, surroundings) === undefined ? useless : useful).add(name);
      }
    }
    expect([...useless].filter((name) => !useful.has(name))).toEqual([]);
    expect(useful.size).toBeGreaterThan(15);
  });
});
