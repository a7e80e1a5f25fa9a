import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KubeConfig } from "@kubernetes/client-node";
import { afterEach, beforeEach } from "vitest";
import type { Target } from "../../../tools/vault/servers.ts";
import { listening } from "../../e2e/cloudflare.ts";
import { settingsFrom } from "../settings.ts";
import { certificateOfThisMachine, VaultCluster, vaultPod } from "../vault-cluster.ts";

// A cluster with pods of Vault, and the servers in them; each test has its own.

export const PODS = "/api/v1/namespaces/vault/pods";
export const DEPLOY_TOKEN = "the-deploy-token";
export const certificate = await certificateOfThisMachine();

export let cluster: VaultCluster;
export let kubeConfig: KubeConfig;
/** For the test's files. */
export let directory: string;
let closing: (() => Promise<unknown>)[];

/** Makes a cluster and a directory for each test of the file. */
export function setUpVault(): void {
  beforeEach(async () => {
    closing = [];
    cluster = new VaultCluster();
    kubeConfig = await cluster.start();
    directory = await mkdtemp(join(tmpdir(), "vault-tool-"));
  });
  afterEach(async () => {
    for (const close of closing) await close();
    await cluster.stop();
    await rm(directory, { recursive: true });
  });
}

/** Closes something when the test is over. */
export function closedLater<T extends { close(): Promise<unknown> }>(it: T): T {
  closing.push(() => it.close());
  return it;
}

/** A server of Vault, as far as the helper asks it without a real one. */
export class FakeVault {
  readonly requests: string[] = [];
  readonly tokens: (string | undefined)[] = [];
  initialized = true;
  sealed = false;
  readonly shares = ["share-1", "share-2", "share-3", "share-4", "share-5"];
  readonly #entered = new Set<string>();

  async start(tls = false): Promise<number> {
    const answer = (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response);
    const server = tls ? createTlsServer(certificate, answer) : createServer(answer);
    return closedLater(await listening(server)).port;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const chunk of request) text += chunk;
    const body = text === "" ? {} : JSON.parse(text);
    const path = (request.url ?? "").replace("/v1/", "");
    this.requests.push(`${request.method} ${path}`);
    this.tokens.push(request.headers["x-vault-token"] as string | undefined);
    const [status, answer] = this.#answerTo(path, body, request.headers["x-vault-token"]);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(answer === undefined ? "" : JSON.stringify(answer));
  }

  #answerTo(path: string, body: { key?: string; reset?: boolean }, token: unknown): [number, object?] {
    const { initialized, sealed } = this;
    const seal = { type: "shamir", initialized, sealed, t: 3, n: 5 };
    if (path === "sys/seal-status") return [200, seal];
    if (path === "sys/health") return [initialized ? (sealed ? 503 : 200) : 501];
    if (path === "sys/init") {
      this.initialized = true;
      this.sealed = true;
      return [200, { keys: this.shares, keys_base64: this.shares, root_token: "the-root-token" }];
    }
    if (path === "sys/unseal") {
      if (body.reset) this.#entered.clear();
      else this.#entered.add(body.key ?? "");
      this.sealed = this.#entered.size < 3;
      return [200, { ...seal, sealed: this.sealed }];
    }
    if (path === "auth/token/renew-self")
      return token === DEPLOY_TOKEN ? [200, {}] : [403, { errors: ["permission denied"] }];
    if (path === "auth/token/create-orphan") return [200, { auth: { client_token: DEPLOY_TOKEN } }];
    if (path === "auth/token/lookup-self") return [200, {}];
    return [204];
  }
}

/** Puts a Vault into a pod that runs. */
export async function inPod(name: string, vault: FakeVault, { ready = false, tls = false } = {}): Promise<FakeVault> {
  cluster.podPorts.set(name, await vault.start(tls));
  cluster.put(`${PODS}/${name}`, vaultPod(name, { ready }));
  return vault;
}

/** A stack that installs Vault, with these settings of it. */
export function targetOf(vault: object = {}, size: "small" | "production" = "small"): Target {
  const settings = settingsFrom({ ...minimal, size, vault: { install: true, ...vault } });
  if (settings.vault === undefined) throw new Error("the settings have no vault");
  const replicas = size === "production" ? 3 : 1;
  return { stack: "prod", vault: settings.vault, replicas, kubeConfig: async () => kubeConfig };
}
const minimal = {
  domain: "example.com",
  cluster: { context: "kind" },
  acme: { email: "platform@example.com" },
};
export const kms = {
  kmsVaultId: "ocid1.vault.oc1.eu-frankfurt-1.aaaa.bbbb",
  kmsKeyId: "ocid1.key.oc1.eu-frankfurt-1.aaaa.bbbb",
};

/** A port that is free now, for the setting that names one. */
export async function freePort(): Promise<number> {
  const it = await listening(createTcpServer());
  await it.close();
  return it.port;
}
