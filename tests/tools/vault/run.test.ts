import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { keysFile } from "../../../tools/vault/keys.ts";
import { forward } from "../../../tools/vault/port-forward.ts";
import { runWithVault } from "../../../tools/vault/run.ts";
import type { Target } from "../../../tools/vault/servers.ts";
import type { Kept } from "../vault-cluster.ts";
import {
  certificate,
  cluster,
  DEPLOY_TOKEN,
  directory,
  FakeVault,
  freePort,
  inPod,
  kms,
  kubeConfig,
  setUpVault,
  targetOf,
} from "./scene.ts";

setUpVault();

/** A program that writes down what it was started with, and ends with 7. */
const WITNESS = `
import { readFileSync, statSync, writeFileSync } from "node:fs";
const { VAULT_ADDR, VAULT_TOKEN, VAULT_CACERT } = process.env;
const ca = VAULT_CACERT && { text: readFileSync(VAULT_CACERT, "utf8"), mode: statSync(VAULT_CACERT).mode & 0o777 };
const { request } = await import(VAULT_ADDR.startsWith("https") ? "node:https" : "node:http");
const status = await new Promise((resolve, reject) =>
  request(VAULT_ADDR + "/v1/sys/health", { ca: ca?.text, agent: false }, (answer) => resolve(answer.statusCode)).on("error", reject).end());
writeFileSync(process.argv[1], JSON.stringify({ VAULT_TOKEN, VAULT_CACERT, ca, status }));
process.exitCode = 7;`;

async function witness(target: Target, keys = keysFile(join(directory, "keys.json")), env: NodeJS.ProcessEnv = {}) {
  const seen = join(directory, "seen.json");
  const command = [process.execPath, "--input-type=module", "--eval", WITNESS, seen];
  const code = await runWithVault(target, command, keys, { PATH: process.env.PATH, ...env });
  return { code, ...JSON.parse(await readFile(seen, "utf8")) };
}

async function ready(tls = false) {
  const vault = await inPod("vault-0", new FakeVault(), { ready: true, tls });
  await keysFile(join(directory, "keys.json")).write({ deploy_token: DEPLOY_TOKEN });
  return vault;
}
const caSecret: Kept = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "vault-tls", namespace: "vault" },
  data: { "ca.crt": Buffer.from(certificate.cert).toString("base64") },
};

it("gives a command the way to Vault, its CA and the deploy token, and ends as it ends", async () => {
  const vault = await ready(true);
  cluster.put("/api/v1/namespaces/vault/secrets/vault-tls", caSecret);
  const port = await freePort();
  const target = targetOf({ ...kms, address: `https://127.0.0.1:${port}` }, "production");
  const { code, status, ca, VAULT_TOKEN, VAULT_CACERT } = await witness(target);
  expect({ code, status, ca, VAULT_TOKEN }).toEqual({
    code: 7,
    status: 200,
    ca: { text: certificate.cert, mode: 0o600 },
    VAULT_TOKEN: DEPLOY_TOKEN,
  });
  await expect(stat(VAULT_CACERT)).rejects.toThrow("ENOENT");
  expect(vault.requests).toEqual(["PUT auth/token/renew-self", "GET sys/health"]);
  // The port is free again, and nothing is forwarded.
  const again = await forward(kubeConfig, { namespace: "vault", pod: "vault-0", port: 8200 }, port);
  await again.close();
  await expect.poll(() => cluster.channels.size).toBe(0);
});

it("leaves a VAULT_TOKEN as it is, and has no CA without TLS", async () => {
  const vault = await ready();
  const target = targetOf({ address: `http://127.0.0.1:${await freePort()}` });
  const given = await witness(target, undefined, { VAULT_TOKEN: "the operator's own" });
  expect(given).toEqual({ code: 7, status: 200, VAULT_TOKEN: "the operator's own" });
  expect(vault.requests).toEqual(["GET sys/health"]);
});

it.each<[string, object, string | undefined, RegExp]>([
  [
    "Vault is elsewhere",
    { install: false, address: "https://vault.example.com" },
    undefined,
    /which is not on this machine/,
  ],
  ["no deploy token is kept", {}, "{}", /keys.json holds no deploy token; npm run vault:init puts one there/],
  [
    "the deploy token has ended",
    {},
    '{"deploy_token":"ended"}',
    /cannot be renewed: Vault answers 403, permission denied/,
  ],
  ["the keys are none", {}, "ended", /holds no keys of Vault: it is no JSON object/],
])("runs nothing when %s", async (_why, vault, keys, expected) => {
  await ready();
  const port = await freePort();
  if (keys !== undefined) await writeFile(join(directory, "keys.json"), keys);
  const target = targetOf({ address: `http://127.0.0.1:${port}`, ...vault });
  const error: Error = await witness(target).catch((reason) => reason);
  expect(error.message).toMatch(expected);
  expect(error.message).not.toMatch(/"ended"|: ended/);
  expect(await readdir(directory)).toEqual(["keys.json"]);
  const again = await forward(kubeConfig, { namespace: "vault", pod: "vault-0", port: 8200 }, port);
  await again.close();
});

it("says so when the command is not there, and hides nothing of a signal", async () => {
  await ready();
  const keys = keysFile(join(directory, "keys.json"));
  const target = targetOf({ address: `http://127.0.0.1:${await freePort()}` });
  await expect(runWithVault(target, ["no-such-command"], keys)).rejects.toThrow("no-such-command is not on PATH");
  await expect(runWithVault(target, [], keys)).rejects.toThrow("run needs a command after --");
  expect(await runWithVault(target, ["sh", "-c", "kill -TERM $$"], keys)).toBe(143);
});
