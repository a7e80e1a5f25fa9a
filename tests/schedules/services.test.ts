import { describe, expect, it } from "vitest";
import { complaints } from "../../sandbox/schedule/complaints.ts";
import { graphOf } from "../../sandbox/schedule/graph.ts";
import { replayUp } from "../../sandbox/schedule/up.ts";
import { named, registrationsOf } from "../harness.ts";

describe("a thousand services", () => {
  it("are planned, and come up", async () => {
    const services = Array.from({ length: 1000 }, (_, at) => ({
      name: `service-${at}`,
      namespace: "default",
      port: 8080,
    }));
    const graph = graphOf(await registrationsOf("prod", { services }));
    const up = replayUp(graph);
    expect([...graph.values()].filter(({ inputs }) => inputs.kind === "VirtualService")).toHaveLength(1000);
    expect(up.failures).toEqual([]);
    expect(complaints(graph, up.world)).toEqual([]);
  });
});

describe("the policy of routes", () => {
  it("fits what an expression may hold, with two thousand services of the longest names, and has a line for each host", async () => {
    const longest = Array.from({ length: 2000 }, (_, at) => ({
      name: `s${String(at).padStart(59, "0")}`,
      namespace: `n${String(at).padStart(62, "0")}`,
      port: 80,
    }));
    const registrations = await registrationsOf("prod", { services: longest });
    const { spec } = named(registrations, "route-policy").inputs as {
      spec: { variables: { name: string; expression: string }[] };
    };
    expect(Math.max(...spec.variables.map(({ expression }) => expression.length))).toBeLessThan(100_000);
    const lines = spec.variables
      .filter(({ name }) => /^hosts\d+$/.test(name))
      .flatMap(({ expression }) => expression.split("\n"));
    expect(lines.filter((line) => line.includes(": "))).toHaveLength(2000);
    // Together, as etcd stores an object: https://etcd.io/docs/v3.5/dev-guide/limit/
    expect(JSON.stringify(spec).length).toBeLessThan(1_500_000);
  });
});
