import { expect, it } from "vitest";
import { lastName } from "../../project/registration.ts";
import { declaredEdges, isImplied, meritOf } from "../../workbench/edges.ts";
import { setUp, variants } from "../variants.ts";
it("x", async () => {
  for (const name of ["Vault installed, unsealed by KMS"]) {
    const variant = variants.find((v) => v.name === name)!;
    const { graph, surroundings } = await setUp(variant);
    for (const edge of declaredEdges(graph).filter((e) => lastName(e.from).startsWith("vault-tls"))) {
      const m = meritOf(graph, edge, 20, surroundings);
      console.log(lastName(edge.from), "->", lastName(edge.to), isImplied(graph, edge), m?.merit, m?.without, m?.seed);
    }
  }
  expect(1).toBe(1);
});
