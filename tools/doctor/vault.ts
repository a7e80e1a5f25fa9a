import type { KubeConfig } from "@kubernetes/client-node";
import type { Settings } from "../../settings/settings.ts";
import type { VaultSettings } from "../../settings/vault.ts";
import {
  found,
  given,
  lacking,
  type Outcome,
  ok,
  problem,
  Stop,
  unless,
  type Verdict,
  warning,
} from "../lib/checks.ts";
import { refusalOf } from "../lib/cluster-api.ts";
import { type Answer, failureOf } from "../lib/http.ts";
import { type Forward, forward, readyPod, VAULT_PORT } from "../vault/port-forward.ts";
import { isHere } from "../vault/run.ts";
import { caOf, namespaceOf } from "../vault/servers.ts";
import type { Env, Examination } from "./examination.ts";
import { type AskVault, vaultApiOf } from "./vault-api.ts";
import { policyFaults } from "./vault-policy.ts";

// What Vault has, and what the run's token may do in it.

/**
 * Examines Vault, and what the run's token may do.
 *
 * @param kubeConfig the way into the cluster, for a Vault that only a port-forward reaches
 */
export async function examineVault(
  examination: Examination,
  kubeConfig: () => Promise<KubeConfig>,
): Promise<Outcome[]> {
  const forwards: Forward[] = [];
  try {
    return await examine(examination, kubeConfig, forwards);
  } finally {
    await Promise.all(forwards.map((way) => way.close()));
  }
}

async function examine(
  { stack, settings, env, limits, run }: Examination,
  kubeConfig: () => Promise<KubeConfig>,
  forwards: Forward[],
): Promise<Outcome[]> {
  const awaited = settingsOf(settings);
  const advice = adviceFor(stack, settings);
  const health = await run(
    { name: "vault: reachable", without: "Vault does not answer, or is not ready" },
    [awaited],
    async (vault) => {
      const api = vaultApiOf(vault, env, limits.callMs);
      const answer = await api<Health>("sys/health").catch((error: unknown) => failed(error));
      if (!("failure" in answer)) return judgeHealth(vault.address, api, answer, advice);
      if (!answer.isClosed || !isHere(vault.address))
        return problem(
          `${vault.address}: ${answer.failure}`,
          "correct vault.address; a private CA goes into VAULT_CACERT",
        );
      const forwarded = await openForward({ stack, vault, kubeConfig, env, callMs: limits.callMs }, forwards);
      const through = await forwarded<Health>("sys/health");
      return judgeHealth(`the pod behind ${vault.address}`, forwarded, through, advice);
    },
  );
  const token = env.VAULT_TOKEN ? given(env.VAULT_TOKEN) : lacking("VAULT_TOKEN is not set", advice.token);
  const rights = await run(
    { name: "vault: token", without: "Vault does not take the token" },
    [awaited, health, token],
    async (vault, api) => judgeRights(vault, api, advice, await policyFaults(vault, api, stack)),
  );
  return [
    health,
    rights,
    await run("vault: KV mount", [awaited, health, token, rights], (vault, api) => judgeMount(vault, api)),
    ...(env.VAULT_NAMESPACE
      ? [
          await run("vault: namespace", [awaited], async ({ namespace }) =>
            judgeNamespace(namespace, env.VAULT_NAMESPACE),
          ),
        ]
      : []),
  ];
}

/** Of a Vault that is to be there. */
function settingsOf({ vault }: Settings): Outcome<VaultSettings> {
  if (vault === undefined) return lacking('cloudflare.token is "none"');
  return vault.kind === "installed" && vault.phase === "bootstrap"
    ? lacking("vault.initialized is false: an up installs Vault, and then npm run vault:init sets it up")
    : given(vault);
}

/** What to do, by who runs Vault. */
function adviceFor(stack: string, { vault }: Settings) {
  const policy = `npm run vault -- policy --stack ${stack} prints the policy that it needs`;
  return vault?.kind === "installed"
    ? {
        initialise: `npm run vault:init -- --stack ${stack} --keys-file <file>, then pulumi up --refresh`,
        unseal: `npm run vault -- unseal --stack ${stack} --keys-file <file>`,
        token: `npm run vault -- run --stack ${stack} --keys-file <file> -- npm run doctor -- --stack ${stack} sets VAULT_TOKEN`,
        policy: `npm run vault:init -- --stack ${stack} --keys-file <file> makes another; ${policy}`,
      }
    : {
        initialise: "vault operator init, then vault operator unseal",
        unseal: "vault operator unseal",
        token: `set VAULT_TOKEN to a token of the run; ${policy}`,
        policy: `add it to the token's policy; ${policy}`,
      };
}

type Advice = ReturnType<typeof adviceFor>;

/** Why there is no answer, and whether that is because nothing listens. */
const failed = (error: unknown) => ({
  failure: failureOf(error),
  isClosed: (error as { code?: unknown }).code === "ECONNREFUSED",
});

interface ForwardOptions {
  readonly stack: string;
  readonly vault: VaultSettings;
  readonly kubeConfig: () => Promise<KubeConfig>;
  readonly env: Env;
  readonly callMs: number;
}

/**
 * The way to Vault's pod that `npm run vault -- run` opens, on a port that is free.
 *
 * @throws {Stop} when there is none
 */
async function openForward({ stack, vault, kubeConfig, env, callMs }: ForwardOptions, forwards: Forward[]) {
  const namespace = namespaceOf(vault);
  try {
    const config = await kubeConfig();
    const pod = await readyPod(config, namespace, stack);
    const ca = await caOf(vault, config);
    const way = await forward(config, { namespace, pod, port: VAULT_PORT });
    forwards.push(way);
    const address = `${new URL(vault.address).protocol}//127.0.0.1:${way.port}`;
    return vaultApiOf({ ...vault, address }, env, callMs, ca);
  } catch (error) {
    throw new Stop(
      problem(
        `nothing listens at ${vault.address}, and there is no port-forward: ${refusalOf(error)}`,
        `kubectl -n ${namespace} get pods; or correct vault.address`,
      ),
    );
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

/** https://developer.hashicorp.com/vault/api-docs/system/health */
type Health = Readonly<Record<string, unknown>>;

/** Each state has a status of its own, and the same body. */
function judgeHealth(at: string, api: AskVault, { status, body }: Answer<Health>, advice: Advice) {
  const { initialized, sealed, version } = body ?? {};
  if (typeof initialized !== "boolean")
    return problem(
      `${at} answers ${status}, and not as Vault does`,
      "correct vault.address, or end what listens there",
    );
  if (!initialized) return problem("Vault is not initialised", advice.initialise);
  if (sealed) return problem("Vault is sealed", advice.unseal);
  return found(api, ok(`Vault ${version} is unsealed`));
}

/** What the policy of a run gives: https://developer.hashicorp.com/vault/api-docs/system/capabilities-self */
async function judgeRights(
  { mount, path }: VaultSettings,
  api: AskVault,
  advice: Advice,
  ofPolicy: readonly Verdict[],
) {
  const needed = [
    { at: `${mount}/data/${path}`, rights: ["create", "update", "read"], why: "to write the Cloudflare token" },
    { at: "auth/token/create", rights: ["update"], why: "for the short-lived token of Pulumi's provider" },
    { at: `${mount}/metadata/${path}`, rights: ["delete"], why: "to delete the secret on destroy" },
  ];
  const paths = needed.map(({ at }) => at);
  const answer = await api<{ data: Record<string, string[]> }>("sys/capabilities-self", { paths });
  if (answer.status !== 200 || answer.body === undefined)
    return problem(`Vault does not take the token: ${wordsOf(answer)}`, `log in anew; ${advice.token}`);
  const { data } = answer.body;
  const faults = needed.flatMap(({ at, rights, why }) => {
    const held = data[at] ?? [];
    const lacking = held.includes("root") ? [] : rights.filter((right) => !held.includes(right));
    if (lacking.length === 0) return [];
    const reason = `the token has no ${lacking.join(", ")} on ${at}, needed ${why}`;
    return [(at.startsWith(`${mount}/metadata/`) ? warning : problem)(reason, advice.policy)];
  });
  return found(true, ...unless([...faults, ...ofPolicy], `may write ${mount}/data/${path}`));
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
