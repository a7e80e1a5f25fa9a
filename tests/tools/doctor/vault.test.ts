import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Env } from "../../../tools/doctor/examination.ts";
import { examineVault } from "../../../tools/doctor/vault.ts";
import { closeAll, closedPort, listen, silentPort } from "../../loopback.ts";
import { issue, newIssuer } from "../../pki.ts";
import { each, examination, type Raw, tokens, told, wholeStack } from "./examination.ts";
import { answerAsVault, healthyVault, startVault, type VaultState } from "./vault-stand-in.ts";

afterEach(closeAll);

const env = { VAULT_TOKEN: tokens.vault };

/** A cluster that is not to be asked. */
const nowhere = async () => {
  throw new Error("the kubeconfig has no contexts");
};

async function examine(address: string, as: Env = env, vault: Raw = {}, callMs = 20_000) {
  const raw = { ...wholeStack(), vault: { address, ...vault } };
  const outcomes = await examineVault(examination(raw, as, { callMs }), nowhere);
  expect(JSON.stringify(outcomes)).not.toContain(tokens.vault);
  return told(outcomes);
}

const healthy = {
  "vault: reachable": "ok: Vault 1.21.1 is unsealed",
  "vault: token": "ok: may write secret/data/prod/cert-manager",
  "vault: KV mount": "ok: secret is KV version 2",
};
const checks = Object.keys(healthy);
const unready = each(["vault: token", "vault: KV mount"], "skipped: Vault does not answer, or is not ready");
const setToken =
  "set VAULT_TOKEN to a token of the run; npm run vault -- policy --stack live prints the policy that it needs";
const reach = "correct vault.address; a private CA goes into VAULT_CACERT";

describe("a Vault without a problem", () => {
  it("lets the token do what the program does", async () => {
    expect(await examine(`${await startVault(healthyVault())}/`)).toEqual(healthy);
  });

  it("lets a root token do all", async () => {
    const vault = healthyVault();
    for (const path of Object.keys(vault.capabilities)) vault.capabilities[path] = ["root"];
    expect(await examine(await startVault(vault))).toEqual(healthy);
  });

  it("is asked no more than for its health without a token", async () => {
    expect(await examine(await startVault(healthyVault()), { VAULT_TOKEN: "" })).toEqual({
      ...healthy,
      ...each(["vault: token", "vault: KV mount"], `skipped: VAULT_TOKEN is not set → ${setToken}`),
    });
  });

  it("is not asked before the program installs it, or where no token is kept", async () => {
    const installed = { ...wholeStack(), vault: { install: true } };
    expect(told(await examineVault(examination(installed, env), nowhere))).toEqual(
      each(checks, "skipped: vault.initialized is false: an up installs Vault, and then npm run vault:init sets it up"),
    );
    const tokenless = { ...wholeStack(), cloudflare: { token: "none" }, acme: { server: "ca" }, vault: undefined };
    expect(told(await examineVault(examination(tokenless, env), nowhere))).toEqual(
      each(checks, 'skipped: cloudflare.token is "none"'),
    );
  });

  it("is asked once it is installed and initialised", async () => {
    const address = await startVault(healthyVault());
    const raw = { ...wholeStack(), size: "small", vault: { address, install: true, initialized: true } };
    expect(told(await examineVault(examination(raw, env), nowhere))).toEqual(healthy);
  });

  it("has its mount made where the program makes it", async () => {
    const vault = { ...healthyVault(), mounts: {} };
    expect(await examine(await startVault(vault), env, { access: "managed" })).toEqual({
      ...healthy,
      "vault: KV mount": "ok: secret is not there, or not to be seen; the program makes it",
    });
  });

  it("is asked in its namespace, and by a CA of its own", async () => {
    const state = { ...healthyVault(), namespace: "team/platform" };
    const issuer = await newIssuer("Vault");
    const port = await listen(
      createServer(await issue(issuer, ["127.0.0.1"]), async (request, response) => {
        let body = "";
        for await (const part of request) body += part;
        const url = new URL(request.url ?? "", "https://loopback");
        const reply = answerAsVault(state, { url, request, body });
        response.writeHead(reply.status ?? 200).end(JSON.stringify(reply.body));
      }).on("tlsClientError", () => {}),
    );
    const address = `https://127.0.0.1:${port}`;
    const as = { ...env, VAULT_NAMESPACE: "team/platform" };
    const agreed = { "vault: namespace": "ok: team/platform, by the settings and by VAULT_NAMESPACE" };
    const within = { namespace: "team/platform" };
    expect(await examine(address, as, within)).toEqual({
      "vault: reachable": `problem: ${address}: unable to get local issuer certificate → ${reach}`,
      ...unready,
      ...agreed,
    });
    const directory = await mkdtemp(join(tmpdir(), "oke-vault-"));
    try {
      const VAULT_CACERT = join(directory, "ca.pem");
      await writeFile(VAULT_CACERT, issuer.root);
      expect(await examine(address, { ...as, VAULT_CACERT }, within)).toEqual({ ...healthy, ...agreed });
      // By the settings alone.
      expect(await examine(address, { ...env, VAULT_CACERT }, within)).toEqual(healthy);
      const elsewhere = { ...env, VAULT_NAMESPACE: "another", VAULT_CACERT };
      expect(await examine(address, elsewhere, within)).toEqual({
        ...healthy,
        "vault: namespace":
          "warning: VAULT_NAMESPACE is another, and vault.namespace, which counts, team/platform → unset VAULT_NAMESPACE",
      });
      expect(await examine(address, { ...as, VAULT_CACERT })).toEqual({
        ...healthy,
        "vault: namespace":
          "problem: VAULT_NAMESPACE is team/platform, and vault.namespace is not set: the token would be written there, and read elsewhere → set vault.namespace, or unset VAULT_NAMESPACE",
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

interface Fault {
  readonly what: string;
  readonly plant: (vault: VaultState) => void;
  readonly as?: Env;
  /** What is then told otherwise. */
  readonly found: Record<string, string | string[]>;
}

const policy = "add it to the token's policy; npm run vault -- policy --stack live prints the policy that it needs";

const faults: Fault[] = [
  {
    what: "a Vault that is sealed",
    plant: (vault) => {
      vault.sealed = true;
    },
    found: { "vault: reachable": "problem: Vault is sealed → vault operator unseal", ...unready },
  },
  {
    what: "a Vault that is not initialised",
    plant: (vault) => {
      vault.initialized = false;
    },
    found: {
      "vault: reachable": "problem: Vault is not initialised → vault operator init, then vault operator unseal",
      ...unready,
    },
  },
  {
    what: "a token that Vault does not know",
    plant: () => {},
    as: { VAULT_TOKEN: "another" },
    found: {
      "vault: token": `problem: Vault does not take the token: 403 permission denied → log in anew; ${setToken}`,
      "vault: KV mount": "skipped: Vault does not take the token",
    },
  },
  {
    what: "a token that may only read",
    plant: (vault) => {
      vault.capabilities["secret/data/prod/cert-manager"] = ["read"];
    },
    found: {
      "vault: token": `problem: the token has no create, update on secret/data/prod/cert-manager, needed to write the Cloudflare token → ${policy}`,
    },
  },
  {
    what: "a token that may make no child, and not delete the secret",
    plant: (vault) => {
      vault.capabilities["auth/token/create"] = ["deny"];
      vault.capabilities["secret/metadata/prod/cert-manager"] = ["deny"];
    },
    found: {
      "vault: token": [
        `problem: the token has no update on auth/token/create, needed for the short-lived token of Pulumi's provider → ${policy}`,
        `warning: the token has no delete on secret/metadata/prod/cert-manager, needed to delete the secret on destroy → ${policy}`,
      ],
    },
  },
  {
    what: "a mount of KV version 1",
    plant: (vault) => {
      vault.mounts = { secret: { type: "kv", options: null } };
    },
    found: {
      "vault: KV mount":
        "problem: vault.mount secret is KV version 1; allowed: KV version 2 → name another mount, or upgrade it: vault kv enable-versioning secret",
    },
  },
  {
    what: "a mount of something else",
    plant: (vault) => {
      vault.mounts = { secret: { type: "transit", options: null } };
    },
    found: {
      "vault: KV mount": "problem: vault.mount secret is of type transit; allowed: KV version 2 → name another mount",
    },
  },
  {
    what: "a mount that is not there",
    plant: (vault) => {
      vault.mounts = {};
    },
    found: {
      "vault: KV mount":
        'problem: vault.mount secret does not exist, or the token may not see it: 403 preflight capability check returned 403, please ensure client\'s policies grant access to path "secret/" → vault secrets enable -path=secret -version=2 kv',
    },
  },
];

describe("a planted fault", () => {
  it.each(faults)("$what is found, and nothing else changes", async ({ plant, as, found }) => {
    const vault = healthyVault();
    plant(vault);
    expect(await examine(await startVault(vault), as)).toEqual({ ...healthy, ...found });
  });
});

describe("a Vault that is not reached", () => {
  it("is told of in its own words", async () => {
    const [closed, silent] = [`http://127.0.0.1:${await closedPort()}`, `http://127.0.0.1:${await silentPort()}`];
    expect(await examine(closed)).toEqual({
      "vault: reachable": `problem: nothing listens at ${closed}, and there is no port-forward: the kubeconfig has no contexts → kubectl -n vault get pods; or correct vault.address`,
      ...unready,
    });
    expect(await examine(silent, env, {}, 50)).toEqual({
      "vault: reachable": `problem: ${silent}: no answer in time → ${reach}`,
      ...unready,
    });
  });
});
