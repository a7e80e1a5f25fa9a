import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setInterval } from "node:timers/promises";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { StackConfig } from "../../project/stack.ts";
import { openSandbox } from "../../sandbox/sandbox.ts";
import { emptyWorld } from "../../sandbox/world/beginnings.ts";
import { sha256 } from "../../sandbox/world/state.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import { everythingIn, SCALE, withSettings } from "./harness.ts";

// Where a secret could come to light: everything that runs leave behind, searched for every secret that was in play.

/** Credentials of the run, which no part of the program reads. */
const CREDENTIALS = { CLOUDFLARE_API_TOKEN: "canary-of-cloudflare", VAULT_TOKEN: "canary-of-vault" };
/** At the charts' source. */
const PASSWORD = "canary-at-the-charts-source";
const SUPPLIED = ["first-canary-that-was-supplied", "second-canary-that-was-supplied", "third-canary with a blank"];

let directory: string;
const environment = { ...process.env };
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "oke-leaks-"));
  Object.assign(process.env, CREDENTIALS, { TMPDIR: directory });
});
afterAll(async () => {
  process.env = environment;
  await rm(directory, { recursive: true, force: true });
});

/** The arguments of every process of this machine, for as long as it is not stopped. */
async function watchArguments(stop: AbortSignal, seen: Set<string>): Promise<void> {
  const watch = async () => {
    const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
    const lines = ids.map((id) => readFile(`/proc/${id}/cmdline`, "utf8").catch(() => ""));
    for (const line of await Promise.all(lines)) seen.add(line);
  };
  try {
    for await (const _ of setInterval(50, undefined, { signal: stop })) await watch();
  } catch (error) {
    if (!stop.aborted) throw error;
  }
}

it("is none of state, output at verbosity 5, event log, plan, errors, arguments, temporary files and the world's file", async () => {
  const seen: string[] = [];
  const secrets = new Set([...SUPPLIED, PASSWORD, ...Object.values(CREDENTIALS)]);
  const options = {
    logToStdErr: true,
    logFlow: true,
    logVerbosity: 5,
    color: "never" as const,
    onOutput: (text: string) => void seen.push(text),
    onError: (text: string) => void seen.push(text),
    onEvent: (event: EngineEvent) => void seen.push(JSON.stringify(event)),
  };
  const world = emptyWorld();
  for (const [index, token] of SUPPLIED.entries()) {
    const permissions = ["DNS Write", "Zone Read"];
    const spec = { valueHash: sha256(token), zones: ["zone0000000000000000000000sandbox"], permissions };
    openWorld(world).put({ kind: "ApiToken", name: `supplied ${index}`, spec });
  }
  const open = (settings: Record<string, unknown>, token?: string) =>
    openSandbox({
      directory: join(directory, "sandbox"),
      stack: "prod",
      scale: SCALE,
      world,
      configure(config: StackConfig) {
        const charts = { mirror: "oci://registry.example.com/charts", username: "robot" };
        const { values, secrets } = withSettings({ ...settings, charts })(config);
        const sealed = {
          "oke-platform:chartsPassword": PASSWORD,
          ...(token !== undefined && { "oke-platform:cloudflareApiToken": token }),
        };
        return { values: { ...values, ...sealed }, secrets: [...secrets, ...Object.keys(sealed)] };
      },
    });
  const stop = new AbortController();
  const processes = new Set<string>();
  const watching = watchArguments(stop.signal, processes);

  const supplied = { cloudflare: { token: "supplied" } };
  for (const [settings, token, fault] of [
    [{}, undefined, undefined],
    [{ cloudflare: { tokenSerial: 2 } }, undefined, "update KvSecret"],
    [{ cloudflare: { tokenSerial: 2 } }, undefined, undefined],
    [supplied, SUPPLIED[0], "update KvSecret"],
    [supplied, SUPPLIED[0], undefined],
    [supplied, SUPPLIED[1], undefined],
    // A mistake in the secret itself.
    [supplied, SUPPLIED[2], "anything"],
  ] as const) {
    const { stack, cloud } = await open(settings, token);
    await cloud.visit((it) => {
      it.state.faults = fault === undefined ? [] : [fault];
    });
    const plan = join(directory, "plan.json");
    if (fault === undefined) await stack.preview({ ...options, plan, diff: true });
    const failed = await stack.up({ ...options, diff: true }).then(
      () => false,
      (error: Error) => {
        seen.push(String(error.stack), JSON.stringify(error));
        return true;
      },
    );
    expect(failed).toBe(fault !== undefined);
    for (const made of JSON.stringify(await stack.exportStack()).match(/sandbox-[0-9a-f]{40}/g) ?? [])
      secrets.add(made);
  }
  await (await open(supplied, SUPPLIED[1])).stack.destroy(options);
  stop.abort();
  await watching;

  await writeFile(join(directory, "arguments"), [...processes].join("\n"));
  const left = `${await everythingIn(directory)}\n${seen.join("\n")}`;
  // What is searched is really there.
  expect([...processes].some((line) => line.includes("pulumi\0up"))).toBe(true);
  expect(left).toContain('"ciphertext"');
  expect(left).toContain('"level":"INFO"');
  expect(secrets.size).toBe(8);
  const places = (secret: string) => {
    const at = left.indexOf(secret);
    return at < 0 ? [] : [left.slice(Math.max(0, at - 200), at).replaceAll(secret, "[it]")];
  };
  expect([...secrets].flatMap(places)).toEqual([]);
});
