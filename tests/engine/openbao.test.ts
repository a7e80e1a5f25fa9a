import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { readerPolicy } from "../../components/vault/access.ts";
import { projectDirectory } from "../../project/stack.ts";
import { demand, sealStatus, type VaultApi } from "../../tools/vault/api.ts";
import { type Bootstrap, bootstrap } from "../../tools/vault/bootstrap.ts";
import { type KeyStore, type Keys, keysFile } from "../../tools/vault/keys.ts";
import { deployPolicy } from "../../tools/vault/policy.ts";
import { unsealVault } from "../../tools/vault.ts";
import { type Listener, listening } from "../e2e/cloudflare.ts";
import { certificateOfThisMachine } from "../vault-cluster.ts";
import { findOpenBao, type OpenBao, startOpenBao } from "./openbao.ts";

// The helper, its policies and the program's requests on a real server.

const places = { mount: "secret", path: "prod/cert-manager", role: "external-secrets", authPath: "kubernetes" };
const installed = deployPolicy({ ...places, managed: true, install: true });

let bao: OpenBao;
let reviewer: Listener | undefined;
const { cert: ca } = await certificateOfThisMachine();
const begin = async (seal?: string) => {
  bao = await startOpenBao(seal);
  return bao;
};

beforeAll(async () => {
  await findOpenBao();
});
afterEach(async () => {
  await bao.stop();
  await reviewer?.close();
  reviewer = undefined;
});

/** A bootstrap of the server, its keys in a file, and what it said and recorded. */
function work(changes: Partial<Bootstrap> = {}) {
  const file = join(bao.directory, "keys.json");
  const lines: string[] = [];
  let records = 0;
  const keys = keysFile(file);
  const rescue = keysFile(join(bao.directory, "rescue.json"));
  const it: Bootstrap = {
    vault: bao.api,
    others: [],
    keys,
    rescue,
    policy: installed,
    anew: ["kubectl scale", "kubectl delete"],
    log: (line) => lines.push(line),
    record: async () => {
      records += 1;
    },
    ...changes,
  };
  return {
    run: () => bootstrap(it),
    file,
    rescue: join(bao.directory, "rescue.json"),
    lines,
    records: () => records,
    keys,
  };
}

const kept = async (file: string): Promise<Keys> => JSON.parse(await readFile(file, "utf8"));

/** A place for keys that remembers what was written, and fails from the nth write on. */
function failingFrom(store: KeyStore, nth: number): KeyStore & { readonly written: Keys[] } {
  const written: Keys[] = [];
  return {
    ...store,
    written,
    async write(keys) {
      if (written.length + 1 >= nth) throw new Error("no space left");
      written.push(keys);
      await store.write(keys);
    },
  };
}

/** A place for keys that makes itself a root token before the first one is revoked. */
function copyingRoot(store: KeyStore): KeyStore & { root: string } {
  const copying = {
    ...store,
    root: "",
    async write(keys: Keys) {
      const { root_token: token, deploy_token } = keys;
      if (token !== undefined && deploy_token !== undefined) {
        const body = { policies: ["root"] };
        copying.root = await tokenBy(token, "auth/token/create-orphan", body);
      }
      await store.write(keys);
    },
  };
  return copying;
}

async function tokenBy(token: string, path: string, body: object): Promise<string> {
  const made = await demand<{ auth: { client_token: string } }>(bao.api, path, "PUT", path, { token, body });
  return made.auth.client_token;
}

const status = async (method: "GET" | "PUT" | "DELETE" | "LIST", path: string, token: string, body?: unknown) =>
  (await bao.api.ask(method, path, { token, body })).status;

describe("the bootstrap", () => {
  it("initialises a Vault once, keeps its keys, makes a token for runs and revokes the root token", async () => {
    await begin();
    const { run, file, lines, records, keys } = work();
    const remembered = failingFrom(keys, 99);
    const log = (line: string) => lines.push(line);
    await work({ keys: remembered, log }).run();

    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const first = await kept(file);
    expect(first.keys_base64).toHaveLength(5);
    expect(Object.keys(first).sort()).toEqual(["deploy_token", "keys", "keys_base64"]);
    expect(await sealStatus(bao.api)).toMatchObject({ initialized: true, sealed: false, t: 3, n: 5 });
    const root = remembered.written[0]?.root_token ?? "";
    expect(root).not.toBe("");
    expect(await status("GET", "auth/token/lookup-self", root)).toBe(403);
    const held = await demand<{ data: object }>(bao.api, "lookup", "GET", "auth/token/lookup-self", {
      token: first.deploy_token,
    });
    expect(held.data).toMatchObject({ orphan: true, period: 768 * 3600, policies: ["oke-platform"], renewable: true });

    await run();
    expect(await kept(file)).toEqual(first);
    expect(records()).toBe(1);
    expect(lines).toContain("Vault is initialised already");
    const secrets = [
      root,
      first.deploy_token,
      ...(first.keys_base64 ?? []),
      ...(remembered.written[0] as { keys: string[] }).keys,
    ];
    for (const secret of secrets) expect(lines.join("\n")).not.toContain(secret);
  });

  it("unseals with the keys that it kept", async () => {
    await begin();
    const { run, lines, records, keys } = work();
    await run();
    await bao.restart();
    expect(await sealStatus(bao.api)).toMatchObject({ sealed: true });
    await run();
    expect(await sealStatus(bao.api)).toMatchObject({ sealed: false });
    expect(records()).toBe(2);

    await bao.restart();
    // Somebody has begun, and with a share that is wrong.
    await bao.api.ask("PUT", "sys/unseal", { body: { key: randomBytes(33).toString("base64") } });
    const servers = { first: bao.api, others: [], close: async () => {} };
    await unsealVault(servers, keys, (line) => lines.push(line));
    expect(await sealStatus(bao.api)).toMatchObject({ sealed: false });
    await unsealVault(servers, keys, (line) => lines.push(line));
    expect(lines.at(-1)).toMatch(/is not sealed$/);
  });

  it("says so when the keys are another Vault's", async () => {
    await begin();
    const { run, file, records } = work();
    await run();
    const keys = await kept(file);
    const others = keys.keys_base64?.map(() => randomBytes(33).toString("base64"));
    await writeFile(file, JSON.stringify({ ...keys, keys_base64: others }));
    await bao.restart();
    const error: Error = await run().catch((reason) => reason);
    expect(error.message).toMatch(/unsealing with the key shares in the keys file .*: Vault answers 400/);
    for (const share of others ?? []) expect(error.message).not.toContain(share);
    await writeFile(file, JSON.stringify({ ...keys, keys_base64: keys.keys_base64?.slice(0, 2) }));
    await expect(run()).rejects.toThrow("has 2 key shares, and 3 are needed");
    expect(records()).toBe(1);
  });

  it("has recovery keys, and unseals nothing, where a service unseals Vault", async () => {
    await begin(`seal "static" {
  current_key_id = "one"
  current_key    = "${randomBytes(32).toString("hex")}"
}`);
    const { run, file, records } = work();
    await run();
    const first = await kept(file);
    expect(first.recovery_keys_base64).toHaveLength(5);
    expect(first.keys_base64 ?? []).toEqual([]);
    await bao.restart();
    await run();
    expect(await kept(file)).toEqual(first);
    expect(records()).toBe(2);
  });

  it("begins anew after it was killed between Vault's answer and the keys' place", async () => {
    await begin();
    const { run, file, records } = work();
    const program = `
      import { bootstrap } from "${projectDirectory}/tools/vault/bootstrap.ts";
      import { vaultApi } from "${projectDirectory}/tools/vault/api.ts";
      import { keysFile } from "${projectDirectory}/tools/vault/keys.ts";
      const keys = { ...keysFile(process.env.FILE), write: () => process.kill(process.pid, "SIGKILL") };
      await bootstrap({ vault: vaultApi(process.env.ADDRESS), others: [], keys, rescue: keys, policy: "", anew: [], log() {} });`;
    const env = { ...process.env, FILE: file, ADDRESS: bao.api.address };
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { env, stdio: "inherit" });
    expect((await once(child, "exit"))[1]).toBe("SIGKILL");
    expect(await sealStatus(bao.api)).toMatchObject({ initialized: true, sealed: true });
    expect(await readFile(file, "utf8")).toBe("");

    await expect(run()).rejects.toThrow(
      /holds no keys.*no data are lost.*To begin anew:\n {2}kubectl scale\n {2}kubectl delete/s,
    );
    expect(records()).toBe(0);
    await bao.empty();
    await run();
    expect((await kept(file)).keys_base64).toHaveLength(5);
    expect(records()).toBe(1);
  });

  it.each([
    ["before the deploy token is kept", 2],
    ["before the root token is forgotten", 3],
  ])("goes on after it was stopped %s", async (_when, nth) => {
    await begin();
    const { run, file, records, keys } = work();
    await expect(work({ keys: failingFrom(keys, nth) }).run()).rejects.toThrow("no space left");
    expect((await kept(file)).root_token).toBeDefined();
    await run();
    const { root_token, deploy_token = "" } = await kept(file);
    expect(root_token).toBeUndefined();
    expect(await status("GET", "auth/token/lookup-self", deploy_token)).toBe(200);
    expect(records()).toBe(1);
  });

  it("keeps the keys elsewhere when their place fails, and continues with that", async () => {
    await begin();
    const { keys } = work();
    const { run, file, rescue } = work({ keys: failingFrom(keys, 1) });
    await expect(run()).rejects.toThrow(
      /cannot be written: no space left\nIts keys are in the keys file .*rescue.json. Continue with --keys-file /,
    );
    expect(await readFile(file, "utf8")).toBe("");
    expect((await stat(rescue)).mode & 0o777).toBe(0o600);
    await work({ keys: keysFile(rescue) }).run();
    expect((await kept(rescue)).deploy_token).toBeDefined();
  });

  it("refuses before it initialises when the keys would overwrite something, or another replica has data", async () => {
    await begin();
    const { run, file } = work();
    await writeFile(file, "{}");
    await expect(run()).rejects.toThrow("is there already, and is not overwritten");
    const other: VaultApi = {
      address: "http://vault-1",
      ask: async () => ({
        status: 200,
        body: { initialized: true, sealed: false, type: "shamir" } as never,
        errors: "",
      }),
    };
    await expect(work({ keys: keysFile(join(bao.directory, "other.json")), others: [other] }).run()).rejects.toThrow(
      "another replica of it is",
    );
    expect(await sealStatus(bao.api)).toMatchObject({ initialized: false });
  });

  it("asks for a root token when the policy must change, and gives the token in use the new one", async () => {
    await begin();
    const unmanaged = deployPolicy({ ...places, managed: false, install: true });
    const { run, file, keys } = work({ policy: unmanaged });
    const copying = copyingRoot(keys);
    await work({ policy: unmanaged, keys: copying }).run();
    const { root } = copying;
    await run();
    const first = await kept(file);
    expect(await status("GET", "sys/mounts/secret", first.deploy_token ?? "")).toBe(403);

    await expect(work().run()).rejects.toThrow("has a policy of another version of this program");
    await work({ rootToken: root }).run();
    expect(await kept(file)).toEqual(first);
    expect(await status("GET", "sys/mounts/secret", first.deploy_token ?? "")).not.toBe(403);

    await demand(bao.api, "revoke", "PUT", "auth/token/revoke", { token: root, body: { token: first.deploy_token } });
    await expect(work().run()).rejects.toThrow("has ended");
    await work({ rootToken: root }).run();
    expect((await kept(file)).deploy_token).not.toBe(first.deploy_token);
  });
});

/** OpenBao does not run in a pod here, so that it must be told what it finds there. */
const backendConfig = (kubernetes_host: string) => ({
  kubernetes_host,
  kubernetes_ca_cert: ca,
  token_reviewer_jwt: tokenOf("vault", "vault"),
  disable_local_ca_jwt: true,
});

type Request = [method: "GET" | "PUT" | "DELETE" | "LIST", path: string, body?: object];

/**
 * The requests of Terraform's Vault provider for the program's resources, in the order of a run, as its source has them:
 * https://github.com/hashicorp/terraform-provider-vault/blob/31447510c5c6/vault
 */
const role = {
  bound_service_account_names: ["external-secrets"],
  bound_service_account_namespaces: ["external-secrets"],
  token_policies: ["external-secrets"],
  token_ttl: 600,
};
const secretRequests: Request[] = [
  ["PUT", "secret/data/prod/cert-manager", { data: { "cf-api-token": "one" } }],
  ["GET", "secret/data/prod/cert-manager"],
  ["GET", "secret/metadata/prod/cert-manager"],
  ["PUT", "secret/data/prod/cert-manager", { data: { "cf-api-token": "two" } }],
];
const accessRequests: Request[] = [
  ["PUT", "sys/mounts/secret", { type: "kv", options: { version: "2" } }],
  ["GET", "sys/mounts/secret"],
  ["PUT", "sys/auth/kubernetes", { type: "kubernetes" }],
  ["GET", "sys/mounts/auth/kubernetes"],
  ["GET", "sys/mounts/auth/kubernetes/tune"],
  ["PUT", "auth/kubernetes/config", backendConfig("http://127.0.0.1:1")],
  ["GET", "auth/kubernetes/config"],
  ["PUT", "auth/kubernetes/config", backendConfig("http://127.0.0.1:2")],
  ["PUT", "sys/policies/acl/external-secrets", { policy: readerPolicy(places.mount, places.path) }],
  ["GET", "sys/policies/acl/external-secrets"],
  ["PUT", "auth/kubernetes/role/external-secrets", role],
  ["GET", "auth/kubernetes/role/external-secrets"],
  ["PUT", "auth/kubernetes/role/external-secrets", { ...role, token_ttl: 300 }],
];
const removals: Request[] = [
  ["DELETE", "secret/metadata/prod/cert-manager"],
  ["DELETE", "auth/kubernetes/role/external-secrets"],
  ["DELETE", "sys/policies/acl/external-secrets"],
];
/** What no run does. */
const never: Request[] = [
  ["GET", "secret/data/prod/other"],
  ["GET", "secret/data/prod"],
  ["PUT", "secret/data/prod/other", { data: {} }],
  ["PUT", "secret/data/prod/cert-manager/below", { data: {} }],
  ["LIST", "secret/metadata/prod"],
  ["PUT", "secret/metadata/prod/cert-manager", { max_versions: 1 }],
  ["DELETE", "secret/data/prod/cert-manager"],
  ["PUT", "secret/destroy/prod/cert-manager", { versions: [1] }],
  ["GET", "secret/config"],
  ["GET", "sys/mounts"],
  ["PUT", "sys/mounts/another", { type: "kv" }],
  ["DELETE", "sys/mounts/secret"],
  ["PUT", "sys/remount", { from: "secret", to: "elsewhere" }],
  ["GET", "sys/auth"],
  ["PUT", "sys/auth/another", { type: "userpass" }],
  ["DELETE", "sys/auth/kubernetes"],
  ["PUT", "auth/kubernetes/role/another", role],
  ["LIST", "auth/kubernetes/role"],
  ["LIST", "sys/policies/acl"],
  ["GET", "sys/policies/acl/default"],
  ["PUT", "sys/policies/acl/oke-platform", { policy: 'path "*" { capabilities = ["sudo"] }' }],
  ["PUT", "sys/policies/acl/default", { policy: "" }],
  ["PUT", "auth/token/create-orphan", { policies: ["oke-platform"] }],
  ["LIST", "auth/token/accessors"],
  ["PUT", "auth/token/revoke", { token: "x" }],
  ["PUT", "sys/seal", {}],
  ["PUT", "sys/rotate", {}],
  ["PUT", "identity/entity", { name: "x" }],
  ["GET", "cubbyhole/x"],
  ["PUT", "sys/audit/another", { type: "file", options: { file_path: "/vault/audit/another.log" } }],
];

async function refusals(requests: Request[], token: string): Promise<string[]> {
  const refused: string[] = [];
  for (const [method, path, body] of requests) {
    if ((await status(method, path, token, body)) === 403) refused.push(`${method} ${path}`);
  }
  return refused;
}

async function failures(requests: Request[], token: string): Promise<string[]> {
  const failed: string[] = [];
  for (const [method, path, body] of requests) {
    const answer = await bao.api.ask(method, path, { token, body });
    if (answer.status > 299) failed.push(`${method} ${path}: ${answer.status} ${answer.errors}`);
  }
  return failed;
}

const names = (requests: Request[]) => requests.map(([method, path]) => `${method} ${path}`);

/** The child token with which the provider works. */
async function childOf(token: string): Promise<string> {
  await demand(bao.api, "lookup", "GET", "auth/token/lookup-self", { token });
  const body = { display_name: "terraform", ttl: "1200s", explicit_max_ttl: "1200s", renewable: false };
  return tokenBy(token, "auth/token/create", body);
}

describe("the deploy token", () => {
  it("may do what a run does for a Vault that it manages and installed, and nothing else", async () => {
    await begin();
    const { run, file } = work();
    await run();
    const { deploy_token = "" } = await kept(file);
    const child = await childOf(deploy_token);
    expect(await failures([...accessRequests, ...secretRequests], child)).toEqual([]);
    // What is there, as a run sees it before anything is registered.
    const listed = await demand<{ data: { secret: object; auth: object } }>(
      bao.api,
      "listing",
      "GET",
      "sys/internal/ui/mounts",
      { token: child },
    );
    expect(listed.data.secret).toMatchObject({ "secret/": { type: "kv", options: { version: "2" } } });
    expect(listed.data.auth).toMatchObject({ "kubernetes/": { type: "kubernetes" } });
    // OpenBao takes audit devices from its configuration alone, and says so to who may ask.
    const audit = { type: "file", options: { file_path: join(bao.directory, "audit.log") } };
    expect(await bao.api.ask("PUT", "sys/audit/file", { token: child, body: audit })).toMatchObject({ status: 400 });
    expect(await status("GET", "sys/audit", child)).toBe(200);
    expect(await status("DELETE", "sys/audit/file", child)).not.toBe(403);
    expect(await status("PUT", "auth/token/renew-self", deploy_token, {})).toBe(200);

    expect(await refusals(never, child)).toEqual(names(never));
    expect(await refusals(never, deploy_token)).toEqual(names(never));
    expect(await failures(removals, child)).toEqual([]);
  });

  it("may only write the secret of a Vault whose access is others'", async () => {
    await begin();
    const { keys, file } = work();
    const copying = copyingRoot(keys);
    await work({ keys: copying, policy: deployPolicy({ ...places, managed: false, install: false }) }).run();
    const { deploy_token = "" } = await kept(file);
    expect(await failures(accessRequests, copying.root)).toEqual([]);
    const child = await childOf(deploy_token);
    expect(await failures(secretRequests, child)).toEqual([]);
    const listed = await demand<{ data: { secret: object } }>(bao.api, "listing", "GET", "sys/internal/ui/mounts", {
      token: child,
    });
    expect(Object.keys(listed.data.secret)).toEqual(["secret/"]);
    const others = [...never, ...accessRequests, ...removals.slice(1)];
    expect(await refusals(others, child)).toEqual(names(others));
    expect(await failures(removals.slice(0, 1), child)).toEqual([]);
  });

  it("writes versions that count up", async () => {
    await begin();
    const { run, file } = work();
    await run();
    const token = await childOf((await kept(file)).deploy_token ?? "");
    expect(await failures(accessRequests, token)).toEqual([]);
    const versions: unknown[] = [];
    for (const value of ["one", "one", "two"]) {
      const body = { data: { "cf-api-token": value } };
      const path = "secret/data/prod/cert-manager";
      const written = await demand<{ data: { version: number } }>(bao.api, "write", "PUT", path, { token, body });
      const read = await demand<{ data: { metadata: { version: number } } }>(bao.api, "read", "GET", path, { token });
      versions.push([written.data.version, read.data.metadata.version]);
    }
    expect(versions).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
  });
});

/** A service account's token as far as Vault looks into it itself. */
function tokenOf(namespace: string, name: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const subject = `system:serviceaccount:${namespace}:${name}`;
  const claims = {
    iss: "kubernetes/serviceaccount",
    sub: subject,
    "kubernetes.io": { namespace, serviceaccount: { name, uid: "1" } },
  };
  return `${part({ alg: "RS256" })}.${part({ ...claims, nbf: 1_600_000_000, iat: 1_600_000_000, exp: 4_102_444_800 })}.${Buffer.from("signature").toString("base64url")}`;
}

/** Reviews tokens as the API server does: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/ */
async function tokenReviewer(): Promise<{ host: string; reviewers: (string | undefined)[] }> {
  const reviewers: (string | undefined)[] = [];
  reviewer = await listening(
    createServer((request, response) => {
      let text = "";
      request.on("data", (chunk) => {
        text += chunk;
      });
      request.on("end", () => {
        reviewers.push(request.headers.authorization);
        const review = JSON.parse(text) as { spec: { token: string } };
        const { sub } = JSON.parse(Buffer.from(review.spec.token.split(".")[1] ?? "", "base64url").toString("utf8"));
        const state = { authenticated: true, user: { username: sub, uid: "1", groups: [] } };
        response.writeHead(201, { "content-type": "application/json" });
        response.end(JSON.stringify({ ...review, status: state }));
      });
    }),
  );
  return { host: `http://127.0.0.1:${reviewer.port}`, reviewers };
}

describe("the role of External Secrets", () => {
  it("is for its one service account, and reads just the one path", async () => {
    await begin();
    const { run, file } = work();
    await run();
    const deploy = await childOf((await kept(file)).deploy_token ?? "");
    expect(await failures([...accessRequests, ...secretRequests], deploy)).toEqual([]);
    const { host, reviewers } = await tokenReviewer();
    const config = backendConfig(host);
    await demand(bao.api, "config", "PUT", "auth/kubernetes/config", { token: deploy, body: config });

    const login = (namespace: string, name: string) =>
      bao.api.ask<{ auth: { client_token: string; policies: string[]; lease_duration: number } }>(
        "PUT",
        "auth/kubernetes/login",
        { body: { role: "external-secrets", jwt: tokenOf(namespace, name) } },
      );
    const { body } = await login("external-secrets", "external-secrets");
    expect(body?.auth).toMatchObject({ policies: ["default", "external-secrets"], lease_duration: 300 });
    expect(reviewers).toEqual([`Bearer ${config.token_reviewer_jwt}`]);
    for (const [namespace, name] of [
      ["external-secrets", "default"],
      ["default", "external-secrets"],
    ] as const) {
      expect((await login(namespace, name)).status).toBe(403);
    }

    const token = body?.auth.client_token ?? "";
    const read = await demand<{ data: { data: object } }>(bao.api, "read", "GET", "secret/data/prod/cert-manager", {
      token,
    });
    expect(read.data.data).toEqual({ "cf-api-token": "two" });
    const refused: Request[] = [
      ...never.filter(([, path]) => !path.startsWith("cubbyhole/")),
      ...accessRequests,
      ...removals,
      ["PUT", "secret/data/prod/cert-manager", { data: {} }],
      ["GET", "secret/metadata/prod/cert-manager"],
      ["LIST", "secret/metadata/prod/cert-manager"],
      ["PUT", "auth/token/create", {}],
      ["GET", "sys/audit"],
    ];
    expect(await refusals(refused, token)).toEqual(names(refused));
  });
});
