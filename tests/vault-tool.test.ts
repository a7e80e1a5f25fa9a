import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { KubeConfig } from "@kubernetes/client-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseSettings } from "../config.ts";
import { projectDirectory } from "../project/stack.ts";
import { watchUntil } from "../tools/lib/watch.ts";
import { vaultApi } from "../tools/vault/api.ts";
import { keysFile, ociKeys } from "../tools/vault/keys.ts";
import { deployPolicy } from "../tools/vault/policy.ts";
import { forward, readyPod } from "../tools/vault/port-forward.ts";
import {
  commandsToBeginAnew,
  initializeVault,
  keyStoreOf,
  runWithVault,
  serversInside,
  type Target,
  unsealVault,
} from "../tools/vault.ts";
import { listening } from "./e2e/cloudflare.ts";
import { certificateOfThisMachine, type Kept, VaultCluster, vaultPod } from "./vault-cluster.ts";

const PODS = "/api/v1/namespaces/vault/pods";
const DEPLOY_TOKEN = "the-deploy-token";
const certificate = await certificateOfThisMachine();

let cluster: VaultCluster;
let kubeConfig: KubeConfig;
let directory: string;
let closing: (() => Promise<unknown>)[];

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

/** A server of Vault, as far as the helper asks it without a real one. */
class FakeVault {
  readonly requests: string[] = [];
  readonly tokens: (string | undefined)[] = [];
  initialized = true;
  sealed = false;
  readonly shares = ["share-1", "share-2", "share-3", "share-4", "share-5"];
  readonly #entered = new Set<string>();

  async start(tls = false): Promise<number> {
    const answer = (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response);
    const server = tls ? createTlsServer(certificate, answer) : createServer(answer);
    const it = await listening(server);
    closing.push(it.close);
    return it.port;
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

function targetOf(vault: object = {}, size: "small" | "production" = "small"): Target {
  const settings = parseSettings({ ...minimal, size, vault: { install: true, ...vault } }, () => false);
  if (settings.vault === undefined) throw new Error("the settings have no vault");
  const replicas = size === "production" ? 3 : 1;
  return { stack: "prod", vault: settings.vault, replicas, kubeConfig: async () => kubeConfig };
}
const minimal = {
  domain: "example.com",
  cluster: { context: "kind" },
  acme: { email: "platform@example.com" },
};
const kms = {
  kmsVaultId: "ocid1.vault.oc1.eu-frankfurt-1.aaaa.bbbb",
  kmsKeyId: "ocid1.key.oc1.eu-frankfurt-1.aaaa.bbbb",
};

/** A port that is free now, for the setting that names one. */
async function freePort(): Promise<number> {
  const it = await listening(createTcpServer());
  await it.close();
  return it.port;
}

describe("a port-forward", () => {
  it("carries requests to a pod, many at once, and each to its end", async () => {
    const vault = new FakeVault();
    cluster.podPorts.set("vault-0", await vault.start());
    const way = await forward(kubeConfig, { namespace: "vault", pod: "vault-0", port: 8200 });
    closing.push(way.close);
    const api = vaultApi(`http://127.0.0.1:${way.port}`);
    const body = { text: "x".repeat(300_000) };
    const answers = await Promise.all(Array.from({ length: 8 }, () => api.ask("PUT", "secret/data/x", { body })));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(204));
    expect(vault.requests).toHaveLength(8);
    expect(cluster.requests).toContain("UPGRADE /api/v1/namespaces/vault/pods/vault-0/portforward?ports=8200");
    await expect.poll(() => cluster.channels.size).toBe(0);
  });

  it("ends with its connections", async () => {
    const silent = await listening(createTcpServer());
    closing.push(silent.close);
    cluster.podPorts.set("vault-0", silent.port);
    const way = await forward(kubeConfig, { namespace: "vault", pod: "vault-0", port: 8200 });
    const asked = expect(vaultApi(`http://127.0.0.1:${way.port}`).ask("GET", "sys/health")).rejects.toThrow(
      "does not answer GET sys/health",
    );
    await expect.poll(() => cluster.channels.size).toBe(1);
    await way.close();
    await asked;
    await expect.poll(() => cluster.channels.size).toBe(0);
  });

  it.each([
    ["the kubelet's words", "vault-0", "dial tcp4 127.0.0.1:8200: connect: connection refused", /connection refused/],
    ["the API server's status", "vault-9", "", /port-forward to pod vault-9: .*404/],
  ])("says in %s why it cannot", async (_whose, pod, words, expected) => {
    cluster.podPorts.set("vault-0", words);
    const way = await forward(kubeConfig, { namespace: "vault", pod, port: 8200 });
    closing.push(way.close);
    const api = vaultApi(`http://127.0.0.1:${way.port}`, undefined, way.failure);
    await expect(api.ask("GET", "sys/health")).rejects.toThrow(expected);
  });

  it("fails when the local port is taken, with another to try", async () => {
    const other = await listening(createTcpServer());
    closing.push(other.close);
    await expect(forward(kubeConfig, { namespace: "vault", pod: "vault-0", port: 8200 }, other.port)).rejects.toThrow(
      `port ${other.port} of 127.0.0.1 is taken; end what listens there, or give vault.address another`,
    );
  });
});

describe("the pod that answers for Vault", () => {
  it("is the active one, else one that is ready", async () => {
    cluster.put(`${PODS}/vault-1`, vaultPod("vault-1", { ready: true }));
    cluster.put(`${PODS}/vault-0`, vaultPod("vault-0"));
    expect(await readyPod(kubeConfig, "vault", "prod")).toBe("vault-1");
    cluster.put(`${PODS}/vault-2`, vaultPod("vault-2", { ready: true, labels: { "vault-active": "true" } }));
    expect(await readyPod(kubeConfig, "vault", "prod")).toBe("vault-2");
    expect(cluster.requests.every((it) => it.startsWith(`GET ${PODS}`))).toBe(true);
  });

  it("is missed with what to do", async () => {
    await expect(readyPod(kubeConfig, "vault", "prod")).rejects.toThrow("has no pod with app.kubernetes.io/name=vault");
    cluster.put(`${PODS}/vault-0`, vaultPod("vault-0"));
    cluster.put(`${PODS}/vault-1`, vaultPod("vault-1", { running: false }));
    await expect(readyPod(kubeConfig, "vault", "prod")).rejects.toThrow(
      "vault-0 (running, sealed or not initialised), vault-1 (Pending); initialise it with npm run vault:init, or unseal it " +
        "with npm run vault -- unseal --stack prod",
    );
  });
});

describe("a watch", () => {
  const collection = PODS;
  it("finds what changes after it began, and not before", async () => {
    const seen: unknown[] = [];
    const found = watchUntil(kubeConfig, { collection, name: "vault-0" }, 30, async () => {
      const pod = cluster.objects.get(`${PODS}/vault-0`) as { step?: number } | undefined;
      seen.push(pod?.step);
      return pod?.step === 2 ? "second" : undefined;
    });
    await expect.poll(() => cluster.requests.length).toBe(1);
    cluster.put(`${PODS}/vault-0`, { ...vaultPod("vault-0"), step: 1 });
    await expect.poll(() => seen).toContain(1);
    cluster.put(`${PODS}/vault-0`, { ...vaultPod("vault-0"), step: 2 });
    expect(await found).toBe("second");
  });

  it("ends with nothing when the time is over, and with an error when looking fails", async () => {
    expect(await watchUntil(kubeConfig, { collection, name: "x" }, 0.2, async () => undefined)).toBeUndefined();
    const broken = watchUntil(kubeConfig, { collection, name: "x" }, 30, () => Promise.reject(new Error("no access")));
    await expect(broken).rejects.toThrow("no access");
    cluster.forbidden.add(collection);
    await expect(watchUntil(kubeConfig, { collection, name: "x" }, 30, async () => undefined)).rejects.toThrow(
      `refuses to watch ${PODS}: status 403`,
    );
  });
});

describe("vault:init", () => {
  it("waits for the pod, initialises it through a port-forward, and says what comes next", async () => {
    const vault = new FakeVault();
    vault.initialized = false;
    cluster.podPorts.set("vault-0", await vault.start());
    const target = targetOf();
    const file = join(directory, "keys.json");
    const lines: string[] = [];
    cluster.put(`${PODS}/vault-0`, vaultPod("vault-0", { running: false }));
    const opening = serversInside(target);
    await expect.poll(() => cluster.requests.filter((it) => it.includes(PODS)).length).toBeGreaterThan(1);
    cluster.put(`${PODS}/vault-0`, vaultPod("vault-0"));
    const servers = await opening;
    closing.push(servers.close);
    let recorded = 0;
    const record = async () => {
      recorded += 1;
    };
    const options = { keys: keysFile(file), record, log: (line: string) => lines.push(line) };
    await initializeVault(target, servers, options);
    expect(recorded).toBe(1);
    expect(vault.requests.filter((it) => it === "PUT sys/init")).toHaveLength(1);
    expect(vault).toMatchObject({ initialized: true, sealed: false });
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual({
      keys: vault.shares,
      keys_base64: vault.shares,
      deploy_token: DEPLOY_TOKEN,
    });
    const said = lines.join("\n");
    expect(said).toContain(
      "vault.initialized is true in stack prod\nnext: npm run vault -- run --stack prod --keys-file",
    );
    for (const secret of [...vault.shares, DEPLOY_TOKEN, "the-root-token"]) expect(said).not.toContain(secret);
  });

  it("begins anew with commands for each volume", () => {
    expect(commandsToBeginAnew(targetOf({ ...kms }, "production").vault, 3)).toEqual([
      "kubectl --namespace vault scale statefulset vault --replicas 0",
      "kubectl --namespace vault delete persistentvolumeclaim data-vault-0 audit-vault-0 data-vault-1 audit-vault-1 data-vault-2 audit-vault-2",
      "kubectl --namespace vault scale statefulset vault --replicas 3",
    ]);
  });

  it("asks the other replicas too whether they are initialised", async () => {
    const [empty, full] = [new FakeVault(), new FakeVault()];
    empty.initialized = false;
    cluster.podPorts.set("vault-0", await empty.start());
    cluster.podPorts.set("vault-1", await full.start());
    for (const name of ["vault-0", "vault-1"]) cluster.put(`${PODS}/${name}`, vaultPod(name));
    cluster.put(`${PODS}/vault-2`, vaultPod("vault-2", { running: false }));
    const servers = await serversInside(targetOf());
    closing.push(servers.close);
    expect(servers.others).toHaveLength(1);
    const options = { keys: keysFile(join(directory, "keys.json")), record: async () => {}, log: () => {} };
    await expect(initializeVault(targetOf(), servers, options)).rejects.toThrow("another replica of it is");
    expect(empty.initialized).toBe(false);
    expect(await readdir(directory)).toEqual([]);
  });

  it("records in the stack's configuration with the Pulumi CLI, and says what to do when that fails", async () => {
    const vault = new FakeVault();
    const address = `http://127.0.0.1:${await vault.start()}`;
    const servers = { first: vaultApi(address), others: [], close: async () => {} };
    const keys = keysFile(join(directory, "keys.json"));
    await keys.write({ keys_base64: vault.shares, deploy_token: DEPLOY_TOKEN });
    const init = () => initializeVault(targetOf(), servers, { keys, log: () => {} });
    await withCommand("pulumi", 'echo "$@" > "$LOG"', init);
    expect(await readFile(join(directory, "log"), "utf8")).toBe(
      "config set --path oke-platform:vault.initialized true --stack prod\n",
    );
    await expect(withCommand("pulumi", "echo 'error: no stack' >&2; exit 1", init)).rejects.toThrow(
      /error: no stack\nRun this yourself:\n {2}pulumi config set --path oke-platform:vault.initialized true --stack prod$/,
    );
  });
});

/** Puts a command of a shell script on PATH while something runs; `$LOG` is a file in the test's directory. */
async function withCommand<T>(name: string, script: string, work: () => Promise<T>): Promise<T> {
  const { PATH, LOG, TMPDIR } = process.env;
  const bin = join(directory, "bin");
  const temporary = join(directory, "tmp");
  await mkdir(bin, { recursive: true });
  await mkdir(temporary, { recursive: true });
  await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, name), 0o755);
  Object.assign(process.env, { PATH: `${bin}${delimiter}${PATH}`, LOG: join(directory, "log"), TMPDIR: temporary });
  try {
    return await work();
  } finally {
    Object.assign(process.env, { PATH, LOG, TMPDIR });
    if (LOG === undefined) delete process.env.LOG;
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    expect(await readdir(temporary)).toEqual([]);
  }
}

describe("unseal", () => {
  it("unseals each pod that is sealed, and no other", async () => {
    const [sealed, open] = [new FakeVault(), new FakeVault()];
    sealed.sealed = true;
    cluster.podPorts.set("vault-0", await open.start());
    cluster.podPorts.set("vault-1", await sealed.start());
    for (const name of ["vault-0", "vault-1"]) cluster.put(`${PODS}/${name}`, vaultPod(name));
    const servers = await serversInside(targetOf());
    closing.push(servers.close);
    const keys = keysFile(join(directory, "keys.json"));
    await expect(unsealVault(servers, keys, () => {})).rejects.toThrow("keys.json holds no keys");
    await keys.write({ keys_base64: sealed.shares });
    const lines: string[] = [];
    await unsealVault(servers, keys, (line) => lines.push(line));
    expect(sealed.sealed).toBe(false);
    expect(open.requests).not.toContain("PUT sys/unseal");
    expect(lines).toEqual([expect.stringMatching(/is not sealed$/), expect.stringMatching(/^unsealed Vault at /)]);
  });
});

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

describe("run", () => {
  async function witness(target: Target, keys = keysFile(join(directory, "keys.json")), env: NodeJS.ProcessEnv = {}) {
    const seen = join(directory, "seen.json");
    const command = [process.execPath, "--input-type=module", "--eval", WITNESS, seen];
    const code = await runWithVault(target, command, keys, { PATH: process.env.PATH, ...env });
    return { code, ...JSON.parse(await readFile(seen, "utf8")) };
  }

  async function ready(tls = false) {
    const vault = new FakeVault();
    cluster.podPorts.set("vault-0", await vault.start(tls));
    cluster.put(`${PODS}/vault-0`, vaultPod("vault-0", { ready: true }));
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

  it("passes signals on, from the command line to the command", async () => {
    await ready();
    const port = await freePort();
    const server = kubeConfig.getCurrentCluster()?.server;
    const user = kubeConfig.getCurrentUser()?.token;
    const program = `
      import { KubeConfig } from "@kubernetes/client-node";
      import { runWithVault } from "${projectDirectory}/tools/vault.ts";
      const config = new KubeConfig();
      config.loadFromClusterAndUser({ name: "l", server: "${server}", skipTLSVerify: true }, { name: "o", token: "${user}" });
      const vault = { address: "http://127.0.0.1:${port}", clusterAddress: "http://vault.vault:8200", install: true };
      const target = { stack: "prod", vault, replicas: 1, kubeConfig: async () => config };
      const command = [process.execPath, "--eval", process.argv[1]];
      process.exitCode = await runWithVault(target, command, undefined);`;
    const command =
      'process.on("SIGTERM", () => process.exit(9)); setInterval(() => {}, 1000); console.log("started");';
    const tool = spawn(process.execPath, ["--input-type=module", "--eval", program, command], {
      cwd: projectDirectory,
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(tool.stdout, "data");
    tool.kill("SIGTERM");
    expect(await once(tool, "exit")).toEqual([9, null]);
  });
});

describe("the keys file", () => {
  it("is made for its owner alone, and overwrites nothing", async () => {
    const file = join(directory, "keys.json");
    const keys = keysFile(file);
    expect(await keys.read()).toBeUndefined();
    await keys.reserve();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await keys.read()).toBeUndefined();
    await chmod(file, 0o644);
    await keys.reserve();
    await keys.write({ deploy_token: "one" });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await keys.write({ deploy_token: "two" });
    expect(await keys.read()).toEqual({ deploy_token: "two" });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(["keys.json"]);
    await expect(keys.reserve()).rejects.toThrow(
      "is there already, and is not overwritten; name one that is not there",
    );
    await expect(keysFile(join(directory, "no", "keys.json")).reserve()).rejects.toThrow("ENOENT");
  });
});

/** An `oci` that keeps one secret in `$LOG`, and writes down its arguments in `$LOG.args`. */
const OCI = `
echo "$@" >> "$LOG.args"
value() { sed 's/.*"'$1'":"\\([^"]*\\)".*/\\1/' "$2"; }
for last; do :; done
input="\${last#file://}"
case "$1 $2 $3" in
  "vault secret list")
    if [ -f "$LOG" ]; then echo '{"data":[{"id":"ocid1.secret","lifecycle-state":"ACTIVE"}]}'; fi ;;
  "vault secret create-base64" | "vault secret update-base64")
    stat -c %a "$input" >> "$LOG.modes"
    value secretContentContent "$input" > "$LOG" ;;
  "secrets secret-bundle get-secret-bundle-by-name")
    printf '{"data":{"secret-bundle-content":{"content":"%s"}}}' "$(cat "$LOG")" ;;
esac`;

describe("keys in an OCI Vault", () => {
  const secret = { name: "vault-keys", vault: "ocid1.vault", key: "ocid1.key", compartment: "ocid1.compartment" };

  it("are written and read through the oci CLI, and never among its arguments", async () => {
    const keys = ociKeys(secret);
    await withCommand("oci", OCI, async () => {
      expect(await keys.read()).toBeUndefined();
      await keys.reserve();
      expect(await keys.read()).toBeUndefined();
      await keys.reserve();
      await keys.write({ keys_base64: ["share-1"], deploy_token: DEPLOY_TOKEN });
      expect(await keys.read()).toEqual({ keys_base64: ["share-1"], deploy_token: DEPLOY_TOKEN });
      expect(await ociKeys({ name: secret.name, vault: secret.vault }).read()).toMatchObject({
        deploy_token: DEPLOY_TOKEN,
      });
      await expect(keys.reserve()).rejects.toThrow(
        "the secret vault-keys of the OCI Vault ocid1.vault is there already (ACTIVE)",
      );
    });
    const calls = await readFile(join(directory, "log.args"), "utf8");
    expect(calls).not.toContain(DEPLOY_TOKEN);
    expect(calls).not.toContain(Buffer.from(DEPLOY_TOKEN).toString("base64").slice(4, 12));
    expect(calls).toContain(
      "vault secret list --compartment-id ocid1.compartment --all --vault-id ocid1.vault --name vault-keys",
    );
    expect(await readFile(join(directory, "log.modes"), "utf8")).toBe("600\n600\n");
  });

  it("say what the CLI says, and nothing of the keys", async () => {
    const keys = ociKeys(secret);
    const fails = 'echo "NotAuthorizedOrNotFound" >&2; exit 1';
    await expect(withCommand("oci", fails, () => keys.reserve())).rejects.toThrow(
      "oci vault secret list failed: NotAuthorizedOrNotFound",
    );
    await expect(ociKeys({ name: "x", vault: "ocid1.vault" }).reserve()).rejects.toThrow(
      "--keys-compartment is needed",
    );
  });

  it("are named by options that fit together", () => {
    expect(keyStoreOf({})).toBeUndefined();
    expect(keyStoreOf({ "keys-file": "a.json" })?.options).toBe("--keys-file a.json");
    const named = { "keys-secret": "n", "keys-vault": "v", "keys-key": "k", "keys-compartment": "c" };
    expect(keyStoreOf(named)?.options).toBe("--keys-secret n --keys-vault v --keys-key k --keys-compartment c");
    expect(() => keyStoreOf({ "keys-file": "a", "keys-secret": "n" })).toThrow("are two places; name one");
    expect(() => keyStoreOf({ "keys-secret": "n" })).toThrow("--keys-vault are needed together");
  });
});

describe("the policy for Pulumi's runs", () => {
  const places = { mount: "kv/team", path: "dns/token", role: "reader", authPath: "k8s/prod" };
  const paths = (text: string) => [...text.matchAll(/^path "([^"]+)"/gm)].map(([, path]) => path);

  it("names the stack's own places, and what its settings need", () => {
    const existing = [
      "auth/token/lookup-self",
      "auth/token/create",
      "auth/token/renew-self",
      "kv/team/data/dns/token",
      "kv/team/metadata/dns/token",
    ];
    const managed = [
      ...existing,
      "sys/mounts/kv/team",
      "sys/auth/k8s/prod",
      "sys/mounts/auth/k8s/prod",
      "sys/mounts/auth/k8s/prod/tune",
      "auth/k8s/prod/config",
      "auth/k8s/prod/role/reader",
      "sys/policies/acl/reader",
    ];
    expect(paths(deployPolicy({ ...places, managed: false, install: false }))).toEqual(existing);
    expect(paths(deployPolicy({ ...places, managed: true, install: false }))).toEqual(managed);
    const installed = paths(deployPolicy({ ...places, managed: true, install: true }));
    expect(installed.slice(0, managed.length)).toEqual(managed);
    expect(installed.slice(managed.length)).toContain("sys/audit/file");
  });
});

describe("the command line", () => {
  async function tool(...args: string[]) {
    const child = spawn(process.execPath, [join(projectDirectory, "tools/vault.ts"), ...args], {
      cwd: projectDirectory,
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
    const [code] = await once(child, "close");
    return { code, output };
  }

  it.each<[string[], string]>([
    [["init"], "--stack is missing"],
    [["open", "--stack", "lab"], '"open" is unknown\nusage: npm run vault:init'],
    [["policy", "now", "--stack", "lab"], '"now" is too much'],
    [["policy", "--stack", "nowhere"], "Pulumi.nowhere.yaml is not in"],
  ])("refuses %s", async (args, expected) => {
    const { code, output } = await tool(...args);
    expect(code).toBe(1);
    expect(output).toContain(expected);
  });

  it("explains itself", async () => {
    expect(await tool()).toMatchObject({ code: 0, output: expect.stringContaining("run     runs a command with") });
  });
});
