import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { examples } from "../../project/placeholders.ts";
import { projectDirectory } from "../../project/stack.ts";
import { openSandbox, type Sandbox } from "../../sandbox/sandbox.ts";
import { keyOf, type State } from "../../sandbox/world/state.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import type { World } from "../../sandbox/world/world.ts";
import { settingsOf } from "../../tools/stack.ts";
import { initialise } from "../../workbench/bootstrap.ts";
import { changesIn, problemsIn, SCALE } from "./harness.ts";
import { killedAt, repaired } from "./repairing.ts";

// An engine that is killed during the bootstrap, at every point, and run again.

const HOST = ["vault.cluster.example.com"];

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const open = () => openSandbox({ directory, stack: "fresh", scale: SCALE });
/** One resource after the other; the operator has made sure that nothing runs. */
async function killed(sandbox: Sandbox, crash: NonNullable<State["crash"]>): Promise<boolean> {
  const isKilled = await killedAt(directory, sandbox, crash, 1);
  if (isKilled) await sandbox.stack.cancel();
  return isKilled;
}
const look = async ({ cloud }: Sandbox) => openWorld(await cloud.look());

/** What there is, without what only tells how it came about: identities, times and chances. */
function everythingIn(world: World): string[] {
  return Object.values(world.state.items)
    .map((item) => `${keyOf(item)} ${item.ready ? "ready" : item.reason}`)
    .sort();
}

describe("the bootstrap", () => {
  it("ends in the same world when the engine is killed before each of its creates, one after the other", async () => {
    const whole = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
    const creates: number[] = [];
    const upIn = async (sandbox: Sandbox) => {
      const events: EngineEvent[] = [];
      await sandbox.stack.up({ onEvent: (event) => void events.push(event) });
      creates.push(changesIn(events).length);
      return sandbox;
    };
    const openWhole = () => openSandbox({ directory: whole, stack: "fresh", scale: SCALE });
    await initialise(await upIn(await openWhole()), "fresh", whole);
    const undisturbed = await upIn(await openWhole());
    expect(await problemsIn(undisturbed, HOST)).toEqual([]);
    const expected = everythingIn(await look(undisturbed));
    await rm(whole, { recursive: true, force: true });

    // Each run makes one thing and dies before the next, so that there is a run for every point.
    const runToTheEnd = async () => {
      let kills = 0;
      const sandbox = await open();
      for (let first = true; await killed(sandbox, { at: first ? 1 : 2, inside: false }); first = false) kills += 1;
      return kills;
    };
    const kills = [await runToTheEnd()];
    const between = await open();
    await initialise(between, "fresh", directory);
    kills.push(await runToTheEnd());
    const last = await open();
    await last.stack.up({ expectNoChanges: true });
    expect(await problemsIn(last, HOST)).toEqual([]);
    expect(everythingIn(await look(last))).toEqual(expected);
    // As many as there are creates, so that no point was left out.
    expect(kills).toEqual(creates);
    expect(Math.min(...kills)).toBeGreaterThan(10);
  });
});

describe("an engine that is killed inside a create", () => {
  const up = (sandbox: Sandbox) =>
    sandbox.stack.up().then(
      () => "",
      (error: Error) => error.message,
    );
  it.each([
    {
      key: "Namespace /external-secrets",
      said: "external-secrets (kubernetes:core/v1:Namespace) is there already",
    },
    {
      key: "Release cert-manager/cert-manager",
      said: "cert-manager/cert-manager (kubernetes:helm.sh/v3:Release) is there already",
    },
    {
      key: "Issuer vault/vault-ca",
      said: "vault/vault-ca (kubernetes:cert-manager.io/v1:Issuer) is there already",
    },
  ])("leaves $key, which the next run names, with the command that takes it over", async ({ key, said }) => {
    const sandbox = await open();
    expect(await killed(sandbox, { at: key, inside: true })).toBe(true);
    const message = await up(sandbox);
    expect(message).toContain(
      `${said}, and not in this stack's state. If a run of this stack made it and was cut off:`,
    );
    expect(message).toContain("npm run repair -- --stack fresh, and up again");
    const settings = await settingsOf("fresh", projectDirectory, examples);
    expect((await repaired(directory, sandbox, { settings, registrations: [] })).isWhole).toBe(true);
    expect(await up(sandbox)).toBe("");
  });

  it("leaves a mount in Vault, which the next run takes over by itself", async () => {
    const first = await open();
    await first.stack.up();
    await initialise(first, "fresh", directory);
    const sandbox = await open();
    expect(await killed(sandbox, { at: "Mount /secret", inside: true })).toBe(true);
    expect(await up(sandbox)).toBe("");
    expect(await problemsIn(sandbox, HOST)).toEqual([]);
  });
});
