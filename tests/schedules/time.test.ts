import { describe, expect, it } from "vitest";
import { graphOf } from "../../sandbox/schedule/graph.ts";
import { latenciesFor } from "../../sandbox/schedule/latencies.ts";
import { replayUp } from "../../sandbox/schedule/up.ts";
import { emptyWorld } from "../../sandbox/world/beginnings.ts";
import { usualLatencies } from "../../sandbox/world/systems.ts";
import { leastSeconds, waveSeconds } from "../../workbench/bench.ts";
import { registrationsOf } from "../harness.ts";

describe("the time it takes", () => {
  it("is what the world's rules allow, and never more than the article's waves, whatever takes how long", async () => {
    const graph = graphOf(await registrationsOf("lab"));
    const slow = [undefined, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20].flatMap((seed) => {
      const [state, latencies] = [emptyWorld(seed), seed === undefined ? usualLatencies : latenciesFor(seed)];
      const least = leastSeconds(graph, state, latencies);
      const { seconds } = replayUp(graph, { state, latencies });
      return seconds <= least * 1.05 && seconds <= waveSeconds(latencies) ? [] : [{ seed, seconds, least }];
    });
    expect(slow).toEqual([]);
  });
});
