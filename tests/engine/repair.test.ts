import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { examples } from "../../project/placeholders.ts";
import type { Registration } from "../../project/record.ts";
import { projectDirectory, readStack } from "../../project/stack.ts";
import { openSandbox, type Sandbox } from "../../sandbox/sandbox.ts";
import { emptyWorld } from "../../sandbox/world/beginnings.ts";
import { addressOf } from "../../sandbox/world/oci.ts";
import { keyOf, nextRandom } from "../../sandbox/world/state.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import type { World } from "../../sandbox/world/world.ts";
import { parseSettings, type Settings } from "../../settings/settings.ts";
import { settingsOf } from "../../tools/stack.ts";
import { registrationsOf } from "../harness.ts";
import { changesIn, problemsIn, settingOf, withSettings } from "./harness.ts";
import { killedAt, repaired } from "./repairing.ts";

// An engine that is killed inside a create, wherever: one repair and one `up`, and all is as if nothing had been.

/** Real seconds for each second of the world: it is over before the engine has started. */
const SCALE = 0.001;

let directory: string;
let known: { settings: Settings; registrations: Registration[] };
beforeAll(async () => {
  known = {
    settings: await settingsOf("prod", projectDirectory, examples),
    registrations: await registrationsOf("prod"),
  };
});
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** Once for all tests. */
let wholeOne: ReturnType<typeof undisturbed> | undefined;
const whole = () => {
  wholeOne ??= undisturbed();
  return wholeOne;
};

const open = () => openSandbox({ directory, stack: "prod", scale: SCALE });
const look = async ({ cloud }: Sandbox) => openWorld(await cloud.look());

/** What there is, without what only tells how it came about. */
const everythingIn = (world: World): string[] =>
  Object.values(world.state.items)
    .map((item) => `${keyOf(item)} ${item.ready ? "ready" : item.reason}`)
    .sort();

/** What the program asks the clouds for; the rest is made by charts and controllers. */
const ASKED_FOR = new Set(
  [
    "Namespace",
    "NamespacePatch",
    "Release",
    "PublicIp",
    "NetworkSecurityGroup",
    "NetworkSecurityGroupRule",
    "DnsRecord",
    "ApiToken",
  ].concat([
    "KvSecret",
    "ClusterSecretStore",
    "ExternalSecret",
    "ClusterIssuer",
    "Certificate",
    "Gateway",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "VirtualService",
  ]),
);

/** What an undisturbed `up` comes to, one resource after the other, and the keys of its creates. */
async function undisturbed(): Promise<{ expected: string[]; creates: string[] }> {
  const elsewhere = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
  const sandbox = await openSandbox({ directory: elsewhere, stack: "prod", scale: SCALE });
  const before = Object.keys((await sandbox.cloud.look()).items);
  const events: EngineEvent[] = [];
  await sandbox.stack.up({ parallel: 1, onEvent: (event) => void events.push(event) });
  expect(await problemsIn(sandbox)).toEqual([]);
  const world = await look(sandbox);
  const creates = Object.values(world.state.items)
    .filter((item) => ASKED_FOR.has(item.kind))
    .map(keyOf)
    // Its labels are asked for, and make it.
    .filter((key) => !before.includes(key) && key !== "Namespace /cert-manager");
  expect(creates).toHaveLength(changesIn(events).length);
  await rm(elsewhere, { recursive: true, force: true });
  return { expected: everythingIn(world), creates };
}

/** Repairs, and sees that nothing of the clouds goes but what is of no use to anybody. */
async function repairedOnce(sandbox: Sandbox): Promise<string[]> {
  const before = Object.keys((await sandbox.cloud.look()).items);
  const { findings, isWhole } = await repaired(directory, sandbox, known);
  expect(isWhole, JSON.stringify(findings, null, 2)).toBe(true);
  const after = new Set(Object.keys((await sandbox.cloud.look()).items));
  expect(before.filter((key) => !after.has(key) && !/^(Release|ApiToken) /.test(key))).toEqual([]);
  return findings.map(({ subject, steps }) => `${subject}: ${steps.map((step) => step.do).join(", ") || "forget"}`);
}

/** All is up, with one certificate issued, and the state knows it. */
async function expectWhole(sandbox: Sandbox, expected: string[]): Promise<void> {
  await sandbox.stack.up({ expectNoChanges: true });
  expect(await problemsIn(sandbox)).toEqual([]);
  const world = await look(sandbox);
  expect(everythingIn(world)).toEqual(expected);
  expect(world.state.acme).toHaveLength(1);
}

describe("an engine that is killed", () => {
  it("inside of each create, one after the other, is repaired each time", async () => {
    const { expected, creates } = await whole();
    const sandbox = await open();
    const mended: string[] = [];
    // Their order is not the same in each run: whichever comes first of those that are left.
    for (let left = creates; left.length > 0; ) {
      expect(await killedAt(directory, sandbox, { at: left, inside: true }, 1), left.join()).toBe(true);
      const { items } = await sandbox.cloud.look();
      const [key, ...others] = left.filter((it) => it in items);
      expect(others).toEqual([]);
      const found = await repairedOnce(sandbox);
      expect(found, key).toHaveLength(1);
      mended.push(...found.map((line) => line.replace(/^.*: /, "")));
      left = left.filter((it) => it !== key);
    }
    // Releases are installed once more, and take over what is there; the token, the
    // secret in Vault and a namespace's labels are made again.
    const releases = creates.filter((key) => key.startsWith("Release ")).length;
    const counts = Object.groupBy(mended, (what) => what);
    expect(Object.fromEntries(Object.entries(counts).map(([what, all]) => [what, all?.length]))).toEqual({
      "delete-records": releases,
      "delete-token": 1,
      forget: 2,
      import: creates.length - releases - 3,
    });
    await sandbox.stack.up();
    await expectWhole(sandbox, expected);
  });

  const seeds = Array.from({ length: 10 }, (_, index) => index + 1);
  it.each(seeds)("three times over, before or inside of any create, is repaired each time (seed %i)", async (seed) => {
    const chance = { random: seed };
    const sandbox = await open();
    for (let kill = 0; kill < 3; kill++) {
      const crash = { at: 1 + Math.floor(nextRandom(chance) * 9), inside: nextRandom(chance) < 0.7 };
      if (await killedAt(directory, sandbox, crash)) await repairedOnce(sandbox);
    }
    await sandbox.stack.up();
    await expectWhole(sandbox, (await whole()).expected);
  });

  it("inside of the gateway that has an adopted address, which it holds then", async () => {
    const world = openWorld(emptyWorld());
    const { id } = world.put({ kind: "PublicIp", name: "own", spec: {} });
    const reserved = world.item("PublicIp /own");
    if (reserved) reserved.status.ipAddress = addressOf("own");
    const change = { loadBalancer: { ...(await settingOf("prod", "loadBalancer")), reservedIp: id } };
    const settings = parseSettings(withSettings(change)(await readStack("prod")));
    const configure = withSettings(change);
    const sandbox = await openSandbox({ directory, stack: "prod", scale: SCALE, world: world.state, configure });
    expect(
      await killedAt(directory, sandbox, { at: "Release istio-system/istio-ingressgateway", inside: true }, 1),
    ).toBe(true);
    await sandbox.stack.cancel();
    await expect(sandbox.stack.up()).rejects.toThrow("npm run repair -- --stack prod");
    const { findings, isWhole } = await repaired(directory, sandbox, { ...known, settings });
    expect(isWhole).toBe(true);
    expect(findings.map(({ subject, steps }) => [subject, steps.map((step) => step.do)])).toEqual([
      ["Helm release istio-ingressgateway in istio-system", ["fail-record", "import"]],
    ]);
    await sandbox.stack.up();
    await sandbox.stack.up({ expectNoChanges: true });
    expect(await problemsIn(sandbox)).toEqual([]);
  });
});

describe("a stack with its own Vault", () => {
  const openFresh = () => openSandbox({ directory, stack: "fresh", scale: SCALE });
  const ofFresh = async () => ({
    settings: await settingsOf("fresh", projectDirectory, examples),
    registrations: [],
  });

  it.each(["KmsVault /oke-platform-fresh", "Key /oke-platform-fresh", "ClusterIssuer /vault-ca-root"])(
    "is repaired when the engine is killed inside of %s",
    async (key) => {
      const sandbox = await openFresh();
      expect(await killedAt(directory, sandbox, { at: key, inside: true }, 1)).toBe(true);
      const { findings, isWhole } = await repaired(directory, sandbox, await ofFresh());
      expect([isWhole, findings.map(({ steps }) => steps.map((step) => step.do))]).toEqual([true, [["import"]]]);
      await sandbox.stack.up();
      await sandbox.stack.up({ expectNoChanges: true });
      expect((await look(sandbox)).items(key.split(" ")[0] ?? "").filter(({ name }) => name.includes("(2)"))).toEqual(
        [],
      );
    },
  );
});
