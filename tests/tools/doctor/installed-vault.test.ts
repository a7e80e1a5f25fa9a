import { createServer } from "node:https";
import { Server } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Env } from "../../../tools/doctor/examination.ts";
import { examineVault } from "../../../tools/doctor/vault.ts";
import { closeAll, closedPort, listen } from "../../loopback.ts";
import { certificateOfThisMachine, VaultCluster, vaultPod } from "../vault-cluster.ts";
import { each, examination, tokens, told, wholeStack } from "./examination.ts";
import { answerAsVault, healthyVault, startVault, type VaultState } from "./vault-stand-in.ts";

afterEach(closeAll);

const env: Env = { VAULT_TOKEN: tokens.vault };
const healthy = {
  "vault: reachable": "ok: Vault 1.21.1 is unsealed",
  "vault: token": "ok: may write secret/data/prod/cert-manager",
  "vault: KV mount": "ok: secret is KV version 2",
};
const unready = each(["vault: token", "vault: KV mount"], "skipped: Vault does not answer, or is not ready");

describe("a Vault that the program has installed", () => {
  let cluster: VaultCluster;
  beforeEach(() => {
    cluster = new VaultCluster();
  });
  afterEach(() => cluster.stop());

  /** Examines the one that a pod of the cluster is, with nothing at the local port. */
  async function examineInside(vault: VaultState, { size = "small", address = "", as = env } = {}) {
    const port = address === "" ? Number(new URL(await startVault(vault)).port) : Number(new URL(address).port);
    cluster.podPorts.set("vault-0", port);
    const scheme = size === "production" ? "https" : "http";
    const here = `${scheme}://127.0.0.1:${await closedPort()}`;
    const raw = { ...wholeStack(), size, vault: { address: here, install: true, initialized: true } };
    const config = await cluster.start();
    const opened = vi.spyOn(Server.prototype, "listen");
    const outcomes = await examineVault(examination(raw, as), async () => config);
    // The way does not outlive the examination.
    expect((opened.mock.contexts as Server[]).filter((server) => server.listening)).toEqual([]);
    await expect.poll(() => cluster.channels.size, { timeout: 20_000 }).toBe(0);
    return told(outcomes);
  }
  const pod = (options: Parameters<typeof vaultPod>[1]) =>
    cluster.put("/api/v1/namespaces/vault/pods/vault-0", vaultPod("vault-0", options));

  it("is asked through a port-forward", async () => {
    pod({ ready: true });
    expect(await examineInside(healthyVault())).toEqual(healthy);
  });

  it("is trusted by the CA that the cluster has", async () => {
    pod({ ready: true });
    const pair = await certificateOfThisMachine();
    const port = await listen(
      createServer(pair, async (request, response) => {
        let body = "";
        for await (const part of request) body += part;
        const reply = answerAsVault(healthyVault(), {
          url: new URL(request.url ?? "", "https://vault"),
          request,
          body,
        });
        response.writeHead(reply.status ?? 200).end(JSON.stringify(reply.body));
      }),
    );
    cluster.put("/api/v1/namespaces/vault/secrets/vault-tls", {
      metadata: { name: "vault-tls", namespace: "vault" },
      data: { "ca.crt": Buffer.from(pair.cert).toString("base64") },
    });
    const address = `https://127.0.0.1:${port}`;
    expect(await examineInside(healthyVault(), { size: "production", address })).toEqual(healthy);
  });

  const unset =
    "npm run vault -- run --stack live --keys-file <file> -- npm run doctor -- --stack live sets VAULT_TOKEN";

  it("needs a token, which the keys have", async () => {
    pod({ ready: true });
    expect(await examineInside(healthyVault(), { as: {} })).toEqual({
      ...healthy,
      ...each(["vault: token", "vault: KV mount"], `skipped: VAULT_TOKEN is not set → ${unset}`),
    });
  });

  it.each([
    [
      { ready: false },
      "no pod of Vault is ready in namespace vault: vault-0 (running, sealed or not initialised); initialise it with npm run vault:init, or unseal it with npm run vault -- unseal --stack live --keys-file <file>",
    ],
    [
      undefined,
      "namespace vault has no pod with app.kubernetes.io/name=vault,component=server, as Vault's chart makes them",
    ],
  ])("is not reached where its pod is %o, and says so in the words of vault -- run", async (options, why) => {
    if (options !== undefined) pod(options);
    const { "vault: reachable": line, ...rest } = await examineInside(healthyVault());
    expect(line).toMatch(/^problem: nothing listens at http:\/\/127\.0\.0\.1:\d+, and there is no port-forward: /);
    expect(line).toContain(`: ${why} → kubectl -n vault get pods; or correct vault.address`);
    expect(rest).toEqual(unready);
  });

  it.each([
    ["sealed", { sealed: true }, "Vault is sealed → npm run vault -- unseal --stack live --keys-file <file>"],
    [
      "not initialised",
      { initialized: false },
      "Vault is not initialised → npm run vault:init -- --stack live --keys-file <file>, then pulumi up --refresh",
    ],
  ])("that is %s is put right by the project's own commands", async (_, state, line) => {
    pod({ ready: true });
    expect(await examineInside({ ...healthyVault(), ...state })).toEqual({
      "vault: reachable": `problem: ${line}`,
      ...unready,
    });
  });
});
