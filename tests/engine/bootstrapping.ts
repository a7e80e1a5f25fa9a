import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeAll } from "vitest";
import { demand } from "../../tools/vault/api.ts";
import { type Bootstrap, bootstrap } from "../../tools/vault/bootstrap.ts";
import { type KeyStore, type Keys, keysFile } from "../../tools/vault/keys.ts";
import { deployPolicy } from "../../tools/vault/policy.ts";
import { findOpenBao, type OpenBao, startOpenBao } from "./openbao.ts";

// A bootstrap of a real server, and what is asked of it afterwards.

/** Where everything is in Vault. */
export const places = {
  mount: "secret",
  path: "prod/cert-manager",
  role: "external-secrets",
  authPath: "kubernetes",
  login: {
    method: "kubernetes",
    path: "kubernetes",
    role: "external-secrets",
    serviceAccount: { name: "external-secrets", namespace: "external-secrets" },
  },
} as const;
const installed = deployPolicy({ ...places, access: "managed", kind: "installed" });

export let bao: OpenBao;

/** Finds the server's binary, and stops each test's server after it. */
export function setUpOpenBao(): void {
  beforeAll(async () => {
    await findOpenBao();
  });
  afterEach(() => bao.stop());
}

/** Starts a server, empty. */
export async function begin(seal?: string): Promise<void> {
  bao = await startOpenBao(seal);
}

/** A bootstrap of the server, its keys in a file, and what it said and recorded. */
export function work(changes: Partial<Bootstrap> = {}) {
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

/** What a keys file holds. */
export const kept = async (file: string): Promise<Keys> => JSON.parse(await readFile(file, "utf8"));

/** A place for keys that makes itself a root token before the first one is revoked. */
export function copyingRoot(store: KeyStore): KeyStore & { root: string } {
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

/** A token that another one makes. */
export async function tokenBy(token: string, path: string, body: object): Promise<string> {
  const made = await demand<{ auth: { client_token: string } }>(bao.api, path, "PUT", path, { token, body });
  return made.auth.client_token;
}

export const status = async (method: "GET" | "PUT" | "DELETE" | "LIST", path: string, token: string, body?: unknown) =>
  (await bao.api.ask(method, path, { token, body })).status;
