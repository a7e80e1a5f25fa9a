import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSandbox, type Sandbox } from "../../sandbox/sandbox.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import { changesIn, problemsIn, SCALE, tokensOf, withSettings } from "./harness.ts";

// A rotation of the token in which something goes wrong, at each of its steps, through the real engine.

describe("a rotation", () => {
  let directory: string;
  let sandbox: Sandbox;
  let events: EngineEvent[];
  let serial = 2;

  const up = async () => {
    events = [];
    const configure = withSettings({ cloudflare: { tokenSerial: serial } });
    sandbox = await openSandbox({ directory, stack: "prod", scale: SCALE, configure });
    return sandbox.stack.up({ onEvent: (event) => void events.push(event) });
  };
  const look = async () => openWorld(await sandbox.cloud.look());

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
    await up();
  });
  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  it.each([
    { step: "the new token is made", fault: "create ApiToken", fails: true },
    { step: "it is written to Vault", fault: "update KvSecret", fails: true },
    { step: "the cluster is told", fault: "update ExternalSecret", fails: true },
    { step: "the cluster reads it", fault: "sync ExternalSecret", fails: false },
    { step: "the oldest token is deleted", fault: "remove ApiToken", fails: true },
  ])(
    "that fails when $step ends with a second run, and leaves the cluster no moment without a token",
    async ({ fault, fails }) => {
      const { inCluster: before } = await tokensOf(await look());
      serial += 1;
      await sandbox.cloud.visit((world) => {
        world.state.faults = [fault];
      });
      expect(
        await up().then(
          () => "done",
          (error: Error) => /503: [^\n]*/.exec(error.message)?.[0] ?? error.message,
        ),
      ).toBe(fails ? `503: the service is unavailable (${fault})` : "done");
      const between = await tokensOf(await look());
      expect(between.valid).toContain(between.inCluster);

      await up();
      const after = await tokensOf(await look());
      expect(after.inCluster).not.toBe(before);
      expect(after.valid).toEqual(expect.arrayContaining([before, after.inCluster]));
      expect(after.valid).toHaveLength(2);
      expect((await look()).state.faults).toEqual([]);
      expect(await problemsIn(sandbox)).toEqual([]);
    },
  );

  it("by more than one serial, or backwards, is refused in the preview", async () => {
    const now = serial;
    for (const wanted of [now + 2, now - 1]) {
      serial = wanted;
      const configure = withSettings({ cloudflare: { tokenSerial: serial } });
      sandbox = await openSandbox({ directory, stack: "prod", scale: SCALE, configure });
      const message = await sandbox.stack.preview().then(
        () => "no refusal",
        (error: Error) => /cloudflare\.tokenSerial goes[^\n]*/.exec(error.message)?.[0] ?? error.message,
      );
      expect(message).toBe(
        `cloudflare.tokenSerial goes from ${now} to ${wanted}; allowed: ${now}, or ${now + 1} for a new token. The token in ` +
          "use stays valid for one serial more, so that one that is skipped could leave the cluster with a deleted one",
      );
    }
    serial = now;
    await up();
    expect(changesIn(events)).toEqual([]);
  });
});
