import { describe, expect, it } from "vitest";
import { complaints } from "../../sandbox/schedule/complaints.ts";
import { graphOf } from "../../sandbox/schedule/graph.ts";
import { replayUp } from "../../sandbox/schedule/up.ts";
import { registrationsOf } from "../harness.ts";

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
