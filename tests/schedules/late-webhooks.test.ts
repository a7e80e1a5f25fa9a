import { describe, expect, it } from "vitest";
import { complaints } from "../../sandbox/schedule/complaints.ts";
import { replayDestroy } from "../../sandbox/schedule/destroy.ts";
import { type Graph, graphOf } from "../../sandbox/schedule/graph.ts";
import { latenciesFor } from "../../sandbox/schedule/latencies.ts";
import { replayUp, type UpOutcome } from "../../sandbox/schedule/up.ts";
import { emptyWorld, peaceful } from "../../sandbox/world/beginnings.ts";
import { abandonReleases, deleteRecord } from "../../sandbox/world/helm.ts";
import { seedsFrom } from "../faults.ts";
import { registrationsOf } from "../harness.ts";

// Webhooks whose CA comes late, because who puts it in waits for the lease of one that went before. Between an uninstall
// and an install both operators look themselves: only an upgrade, and External Secrets, need this program's help.

const stacks = { prod: graphOf(await registrationsOf("prod")), lab: graphOf(await registrationsOf("lab")) };
const { first, last } = seedsFrom(1, 80);
/** Where a search ends that is to find something, and does so long before. */
const FAR = 3000;

/** The program without its error hooks. */
const withoutHooks = (graph: Graph): Graph =>
  new Map([...graph].map(([urn, node]) => [urn, { ...node, options: { ...node.options, errorHooks: [] } }]));

/** The program with cert-manager's start-up check as its chart has it, after an install alone. */
const checkedOnInstall = (graph: Graph): Graph =>
  new Map(
    [...graph].map(([urn, node]) => {
      const { startupapicheck: _, ...values } = (node.inputs.values ?? {}) as Record<string, unknown>;
      return [
        urn,
        node.name === "cert-manager" && node.custom ? { ...node, inputs: { ...node.inputs, values } } : node,
      ];
    }),
  );

type Play = (graph: Graph, seed: number) => UpOutcome;

/** Seconds into an `up` at which it is interrupted: from the first release to the last of the operators'. */
const momentOf = (seed: number) => 2 + ((seed * 37) % 150);

const plays: Record<string, Play> = {
  "an up right after a destroy": (graph, seed) => {
    const latencies = latenciesFor(seed);
    // What others make before the platform is there, with definitions that a destroy has left, no policy judges.
    const { world } = replayUp(graph, { state: peaceful(emptyWorld(seed)), latencies });
    replayDestroy(graph, world);
    return replayUp(graph, { state: world.state, latencies });
  },
  "an up after one that was interrupted": (graph, seed) => {
    const latencies = latenciesFor(seed);
    const before = replayUp(graph, { state: emptyWorld(seed), latencies, interruptedAfter: momentOf(seed) });
    return replayUp(graph, { state: before.world.state, latencies, made: before.made, unready: before.unready });
  },
  "an up after one that was killed, when Helm's unfinished records are gone": (graph, seed) => {
    const latencies = latenciesFor(seed);
    const before = replayUp(graph, { state: emptyWorld(seed), latencies, interruptedAfter: momentOf(seed) });
    abandonReleases(before.world);
    const unfinished = before.world.items("Release").filter(({ ready }) => !ready);
    for (const release of unfinished) deleteRecord(before.world, release);
    // Everything else that was begun is taken over as it is.
    const releases = [...before.unready].filter((urn) => graph.get(urn)?.type.endsWith(":Release"));
    const others = [...before.unready].filter((urn) => !releases.includes(urn));
    return replayUp(graph, { state: before.world.state, latencies, made: before.made, unready: new Set(others) });
  },
};

/** The first seed under which something goes wrong, with what does. */
function firstFault(graph: Graph, play: Play, end = last) {
  for (let seed = first; seed <= end; seed++) {
    const up = play(graph, seed);
    const faults = [...up.failures.map(({ name, reason }) => `${name}: ${reason}`), ...complaints(graph, up.world)];
    if (faults.length > 0) return { seed, faults };
  }
  return undefined;
}

const UNTRUSTED = expect.stringContaining("x509: certificate signed by unknown authority");

describe.each(Object.entries(plays))("%s", (_what, play) => {
  it.each(Object.entries(stacks))(`comes up for %s under the seeds from ${first} to ${last}`, (_, graph) => {
    expect(firstFault(graph, play)).toBeUndefined();
  });
});

it.each([
  "an up after one that was interrupted",
  "an up after one that was killed, when Helm's unfinished records are gone",
])("%s fails under some without hook and check", (what) => {
  const fault = firstFault(checkedOnInstall(withoutHooks(stacks.prod)), plays[what] as Play, FAR);
  expect(fault?.faults[0]).toEqual(UNTRUSTED);
});

describe("after an interruption", () => {
  const interrupted = plays["an up after one that was interrupted"] as Play;

  it("the error hook alone is enough", () => {
    expect(firstFault(checkedOnInstall(stacks.prod), interrupted)).toBeUndefined();
  });

  it("cert-manager's check on upgrades is enough for what is its own, and not for a store of External Secrets", () => {
    expect(firstFault(withoutHooks(stacks.prod), interrupted, FAR)?.faults[0]).toBe(
      'secret-store: Internal error occurred: failed calling webhook "validate.clustersecretstore.external-secrets.io": ' +
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    );
  });
});
