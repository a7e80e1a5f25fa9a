import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openSandbox, type Sandbox } from "../../sandbox/sandbox.ts";
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

const CONTROLLER = "external-secrets-cert-controller";

/** A world in which a predecessor of External Secrets keeps its lease. */
function leased() {
  const world = openWorld(emptyWorld());
  world.put({ kind: "Lease", namespace: "kube-system", name: CONTROLLER, spec: { free: 1e9 } });
  return world.state;
}

/** Ends the predecessor's lease. */
const endLease = ({ cloud }: Sandbox) =>
  cloud.visit((world) => {
    const [lease, controller] = [`Lease kube-system/${CONTROLLER}`, `Deployment external-secrets/${CONTROLLER}`].map(
      (key) => world.item(key),
    );
    if (lease) lease.spec = { ...lease.spec, since: world.now };
    if (controller) world.seen(controller);
  });

it("is tried again in words until it answers", async () => {
  const sandbox = await openSandbox({ directory, stack: "prod", scale: SCALE, world: leased() });
  const said = "External Secrets' webhook does not answer for secret-store yet; the next try is in 1 s";
  let ended: Promise<unknown> | undefined;
  await sandbox.stack.up({
    onOutput(text) {
      if (text.includes(said)) ended ??= endLease(sandbox);
    },
  });
  expect(ended).toBeDefined();
  expect(await problemsIn(sandbox)).toEqual([]);
}, 120_000);

it("is given up after a minute, with the way to its pods", async () => {
  const sandbox = await openSandbox({ directory, stack: "prod", scale: SCALE, world: leased() });
  const failure = await sandbox.stack.up().then(
    () => "",
    (error: Error) => error.message,
  );
  expect(failure).toContain("External Secrets' webhook has not answered for secret-store for a minute.");
  expect(failure).toContain("x509: certificate signed by unknown authority");
}, 240_000);
