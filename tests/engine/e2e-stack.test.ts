import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { projectDirectory } from "../../project/stack.ts";
import { Cloud } from "../../sandbox/cloud.ts";
import { worldWithBareVault } from "../../sandbox/world/beginnings.ts";
import { sha256 } from "../../sandbox/world/state.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import { CERT_MANAGER, NAMESPACE } from "../e2e/fixtures.ts";
import { openStack, setValues, type Values, valuesOf, withIstio, withService } from "../e2e/stack.ts";
import { newIssuer } from "../pki.ts";

// The steps of the end-to-end test through the real engine, with the sandbox's providers for want of a cluster: that the
// stack's file, its changes and what is counted are right.

const ZONE = "platform.test";
const TOKEN = "0123456789abcdef0123456789abcdef01234567";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "oke-platform-e2e-"));
  const plugins = join(directory, "plugins");
  await mkdir(plugins);
  for (const name of ["kubernetes", "cloudflare", "vault"]) {
    const { version } = createRequire(import.meta.url)(`@pulumi/${name}/package.json`) as { version: string };
    const script = join(plugins, `pulumi-resource-${name}`);
    const provider = join(projectDirectory, "sandbox/plugin/provider.ts");
    await writeFile(script, `#!/bin/sh\nOKE_SANDBOX_VERSION=${version} exec '${process.execPath}' '${provider}'\n`);
    await chmod(script, 0o755);
  }
  const cloud = new Cloud(join(directory, "world.json"));
  await cloud.start(worldBefore(), 0.02);
  vi.stubEnv("OKE_SANDBOX_WORLD", cloud.file);
  // The engine takes a plugin from PATH before it looks into its own folder.
  vi.stubEnv("PATH", [plugins, process.env.PATH].join(delimiter));
  vi.stubEnv("PULUMI_HOME", join(directory, "home"));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true });
});

/** The cluster with the stand-ins, as the test makes it. */
function worldBefore() {
  const state = worldWithBareVault();
  const world = openWorld(state);
  const zone = world.items("Zone")[0];
  if (zone === undefined) throw new Error("the sandbox's world has no zone");
  delete state.items[`Zone /${zone.name}`];
  world.put({ kind: "Zone", name: ZONE, spec: {} }, zone.id);
  for (const name of [NAMESPACE, CERT_MANAGER]) world.put({ kind: "Namespace", name, spec: {} });
  world.put({ kind: "Mount", name: "secret", spec: { type: "kv", version: "2" } });
  const spec = { valueHash: sha256(TOKEN), zones: [zone.id], permissions: ["DNS Write", "Zone Read"] };
  world.put({ kind: "ApiToken", name: "stand-in's", spec });
  return state;
}

it("goes through all steps, each with the changes that are expected of it", async () => {
  const { root } = await newIssuer("e2e");
  const run = {
    cluster: { context: "e2e" },
    vaultAddress: "http://127.0.0.1:8200",
    cloudflareUrl: "http://127.0.0.1:8080/client/v4/",
    cloudflareIp: "10.96.0.10",
    token: TOKEN,
    root,
  };
  const shipped = await valuesOf(run, {});
  // The sandbox's DNS is Cloudflare's own, which takes some seconds.
  const acme = { ...(shipped["oke-platform:acme"] as Values), propagationSeconds: 30 };
  let values: Values = { ...shipped, "oke-platform:acme": acme };
  const stack = await openStack(directory, values, { token: TOKEN, vaultToken: "root" });
  const up = async (wanted = values) => {
    if (wanted !== values) await setValues(stack, wanted);
    values = wanted;
    return (await stack.up()).summary.resourceChanges;
  };

  expect(await up()).toEqual({ create: 43, import: 1 });
  expect(await up()).toEqual({ same: 44 });
  await stack.preview({ refresh: true, expectNoChanges: true });
  const more = { name: "one-more", namespace: NAMESPACE, service: "echo", port: 80 };
  expect(await up(withService(values, more))).toEqual({ same: 43, create: 1, update: 1 });
  expect(await up(withIstio(values))).toEqual({ same: 42, update: 3 });
  expect((await stack.destroy()).summary.resourceChanges).toEqual({ delete: 45 });
  expect(await up()).toEqual({ create: 42, import: 3 });
  expect((await stack.getAllConfig())["oke-platform:cloudflareApiToken"]).toEqual({ value: TOKEN, secret: true });
});
