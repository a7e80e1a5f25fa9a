import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openSandbox } from "../../sandbox/sandbox.ts";
import { emptyWorld } from "../../sandbox/world/beginnings.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import { problemsIn, SCALE } from "./harness.ts";

// A webhook without a CA, through the real engine and its hooks.

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** A world whose predecessor of External Secrets gives its lease up after so many real seconds. */
function leased(seconds: number) {
  const world = openWorld(emptyWorld());
  const spec = { free: seconds / SCALE };
  world.put({ kind: "Lease", namespace: "kube-system", name: "external-secrets-cert-controller", spec });
  return world.state;
}

it("is tried again in words until it answers", async () => {
  const sandbox = await openSandbox({ directory, stack: "prod", scale: SCALE, world: leased(14) });
  const { stdout } = await sandbox.stack.up();
  expect(stdout).toContain("External Secrets' webhook does not answer for secret-store yet; the next try is in 1 s");
  expect(await problemsIn(sandbox)).toEqual([]);
}, 60_000);

it("is given up after a minute, with the way to its pods", async () => {
  const sandbox = await openSandbox({ directory, stack: "prod", scale: SCALE, world: leased(600) });
  const failure = await sandbox.stack.up().then(
    () => "",
    (error: Error) => error.message,
  );
  expect(failure).toContain("External Secrets' webhook has not answered for secret-store for a minute.");
  expect(failure).toContain("x509: certificate signed by unknown authority");
}, 120_000);
