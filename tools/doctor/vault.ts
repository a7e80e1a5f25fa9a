import { readFile } from "node:fs/promises";
import type { Settings } from "../../settings/settings.ts";
import type { VaultSettings } from "../../settings/vault.ts";
import { found, given, lacking, type Outcome, ok, problem, unless, type Verdict, warning } from "../lib/checks.ts";
import { type Answer, ask, failureOf } from "../lib/http.ts";
import type { Env, Examination } from "./examination.ts";

// What Vault has, and what the run's token may do in it.

/** Asks Vault's API for a path below `v1`. */
type AskVault = <Body>(path: string, body?: unknown) => Promise<Answer<Body>>;

/** Examines Vault, and what the run's token may do. */
export async function examineVault({ settings, env, limits, run }: Examination): Promise<Outcome[]> {
  const awaited = settingsOf(settings);
  const health = await run(
    { name: "vault: reachable", without: "Vault does not answer, or is not ready" },
    [awaited],
    (vault) => judgeHealth(vault, env, limits.callMs),
  );
  const token = env.VAULT_TOKEN
    ? given(env.VAULT_TOKEN)
    : lacking("VAULT_TOKEN is not set", "set it to a token with the policy that npm run vault -- policy prints");
  return Promise.all([
    health,
    run("vault: token", [awaited, health, token], (vault, api) => judgeRights(vault, api)),
    run("vault: KV mount", [awaited, health, token], (vault, api) => judgeMount(vault, api)),
    ...(env.VAULT_NAMESPACE
      ? [run("vault: namespace", [awaited], async ({ namespace }) => judgeNamespace(namespace, env.VAULT_NAMESPACE))]
      : []),
  ]);
}

/** Of a Vault that is to be there. */
function settingsOf({ vault }: Settings): Outcome<VaultSettings> {
  if (vault === undefined) return lacking('cloudflare.token is "none"');
  return vault.kind === "installed" && vault.phase === "bootstrap"
    ? lacking("vault.install: the program installs Vault, which is set up after that")
    : given(vault);
}

/** As Pulumi's provider takes them: https://www.pulumi.com/registry/packages/vault/installation-configuration/ */
function apiOf(address: string, env: Env, timeoutMs: number, namespace?: string): AskVault {
  const headers = {
    ...(namespace && { "x-vault-namespace": namespace }),
    ...(env.VAULT_TOKEN && { "x-vault-token": env.VAULT_TOKEN }),
  };
  return async (path, body) => {
    const ca = env.VAULT_CACERT ? await readFile(env.VAULT_CACERT, "utf8") : undefined;
    const method = body === undefined ? "GET" : "POST";
    return ask(`${address.replace(/\/+$/, "")}/v1/${path}`, { method, headers, ca, body, timeoutMs });
  };
}

async function judgeHealth({ address, namespace }: VaultSettings, env: Env, timeoutMs: number) {
  // Of the whole server, and asked in no namespace: https://developer.hashicorp.com/vault/docs/enterprise/namespaces#root-only-api-paths
  const api = apiOf(address, env, timeoutMs);
  const reach = "start the port-forward, or correct vault.address; a private CA goes into VAULT_CACERT";
  try {
    // Each state has a status of its own, and the same body: https://developer.hashicorp.com/vault/api-docs/system/health
    const { status, body } = await api<Record<string, unknown>>("sys/health");
    const { initialized, sealed, version } = body ?? {};
    if (typeof initialized !== "boolean") return problem(`${address} answers ${status}, and not as Vault does`, reach);
    if (!initialized) return problem("Vault is not initialised", "vault operator init, then vault operator unseal");
    if (sealed) return problem("Vault is sealed", "vault operator unseal");
    return found(apiOf(address, env, timeoutMs, namespace ?? env.VAULT_NAMESPACE), ok(`Vault ${version} is unsealed`));
  } catch (error) {
    return problem(`${address}: ${failureOf(error)}`, reach);
  }
}

/** Pulumi's provider goes by the environment where the stack says nothing, and External Secrets does not. */
function judgeNamespace(namespace: string | undefined, inEnvironment: string | undefined): Verdict {
  if (inEnvironment === namespace) return ok(`${namespace}, by the settings and by VAULT_NAMESPACE`);
  return namespace === undefined
    ? problem(
        `VAULT_NAMESPACE is ${inEnvironment}, and vault.namespace is not set: the token would be written there, and read elsewhere`,
        "set vault.namespace, or unset VAULT_NAMESPACE",
      )
    : warning(
        `VAULT_NAMESPACE is ${inEnvironment}, and vault.namespace, which counts, ${namespace}`,
        "unset VAULT_NAMESPACE",
      );
}

/** What the policy of `npm run vault -- policy` gives: https://developer.hashicorp.com/vault/api-docs/system/capabilities-self */
async function judgeRights({ mount, path }: VaultSettings, api: AskVault): Promise<Verdict | readonly Verdict[]> {
  const needed = [
    { at: `${mount}/data/${path}`, rights: ["create", "update", "read"], why: "to write the Cloudflare token" },
    { at: "auth/token/create", rights: ["update"], why: "for the short-lived token of Pulumi's provider" },
    { at: `${mount}/metadata/${path}`, rights: ["delete"], why: "to delete the secret on destroy" },
  ];
  const paths = needed.map(({ at }) => at);
  const answer = await api<{ data: Record<string, string[]> }>("sys/capabilities-self", { paths });
  if (answer.status !== 200 || answer.body === undefined)
    return problem(
      `Vault does not take the token: ${wordsOf(answer)}`,
      "log in anew, and set VAULT_TOKEN to a token that is still good",
    );
  const { data } = answer.body;
  const faults = needed.flatMap(({ at, rights, why }) => {
    const held = data[at] ?? [];
    const lacking = held.includes("root") ? [] : rights.filter((right) => !held.includes(right));
    if (lacking.length === 0) return [];
    const reason = `the token has no ${lacking.join(", ")} on ${at}, needed ${why}`;
    const action = "add it to the token's policy, as npm run vault -- policy has it";
    return [at.startsWith(`${mount}/metadata/`) ? warning(reason, action) : problem(reason, action)];
  });
  return unless(faults, `may write ${mount}/data/${path}`);
}

async function judgeMount({ mount, access }: VaultSettings, api: AskVault): Promise<Verdict> {
  const answer = await api<{ data: { type: string; options?: { version?: string } | null } }>(
    `sys/internal/ui/mounts/${mount}`,
  );
  if (answer.status !== 200 || answer.body === undefined)
    return access === "managed"
      ? ok(`${mount} is not there, or not to be seen; the program makes it`)
      : problem(
          `vault.mount ${mount} does not exist, or the token may not see it: ${wordsOf(answer)}`,
          `vault secrets enable -path=${mount} -version=2 kv`,
        );
  const { type, options } = answer.body.data;
  const version = options?.version ?? "1";
  if (type === "kv" && version === "2") return ok(`${mount} is KV version 2`);
  return problem(
    `vault.mount ${mount} is ${type === "kv" ? `KV version ${version}` : `of type ${type}`}; allowed: KV version 2`,
    `name another mount${type === "kv" ? `, or upgrade it: vault kv enable-versioning ${mount}` : ""}`,
  );
}

/** Vault's own words. */
function wordsOf({ status, body }: Answer): string {
  const { errors = [] } = Object(body) as { errors?: string[] };
  return [status, ...errors].join(" ").trim();
}
