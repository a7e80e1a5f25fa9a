import { DEPLOY_POLICY } from "../../settings/vault.ts";
import { undisturbed } from "../lib/undisturbed.ts";
import {
  awaitActive,
  awaitAnswer,
  demand,
  isAutoUnsealed,
  type SealStatus,
  type VaultApi,
  VaultRefusal,
  VaultUnreachable,
} from "./api.ts";
import type { KeyStore, Keys } from "./keys.ts";
import { unsealIfNeeded } from "./unseal.ts";

// The bootstrap of a Vault: initialised once, its keys kept first, then a token for Pulumi's runs.

/** Shares of Shamir's key, or of the recovery key, and how many of them are needed. */
const SHARES = { shares: 5, threshold: 3 };

/** The longest period that Vault allows without a setting: 32 days. Each `vault run` begins it anew. */
const PERIOD = "768h";

/** What a bootstrap works on. */
export interface Bootstrap {
  /** The server to initialise. */
  readonly vault: VaultApi;
  /** The other servers of the same Vault; a service unseals them, and they join by themselves. */
  readonly others: VaultApi[];
  readonly keys: KeyStore;
  /** Where keys go that `keys` cannot take. */
  readonly rescue: KeyStore;
  /** HCL of the policy that the deploy token carries. */
  readonly policy: string;
  /** A root token, for a Vault whose own was revoked. */
  readonly rootToken?: string;
  /** Commands that make a Vault empty again. */
  readonly anew: string[];
  /** Records that the phase is over. */
  readonly record: () => Promise<void>;
  readonly log: (line: string) => void;
}

/**
 * Initialises a Vault if nobody has, unseals it, and makes the token with which Pulumi's runs work in it.
 *
 * Each step looks first whether it is done, so that a run after one that was stopped continues.
 *
 * The root token is revoked when the deploy token is kept: it never ends and may do everything, and who needs one can
 * have a new one from a quorum of the keys.
 *
 * @throws when Vault is initialised and nobody has its keys, with the way to begin anew
 */
export async function bootstrap(work: Bootstrap): Promise<void> {
  const { vault, keys, log } = work;
  const status = await awaitAnswer(vault);
  if (status.initialized) log("Vault is initialised already");
  else await initialize(work, status);

  const kept = await keptKeys(work);
  await unsealIfNeeded(vault, kept, keys, log);
  await awaitActive(vault);
  log("Vault is active");
  // A token that is made and not kept would be nobody's.
  await undisturbed(() => provideDeployToken(work, kept), log);
  await work.record();
}

/** Initialises Vault, where no other replica of it is initialised. */
async function initialize(work: Bootstrap, status: SealStatus): Promise<void> {
  const { vault, others, log } = work;
  for (const other of others) {
    const { initialized } = await awaitAnswer(other);
    if (initialized)
      throw new Error(
        `Vault at ${vault.address} is not initialised, but another replica of it is: this one has lost its volume, or has ` +
          "not joined yet; wait until it has, or look into its log",
      );
  }
  // Keys that Vault has told, and nobody has kept, are lost.
  await undisturbed((isTold) => obtainKeys(work, status, isTold), log);
}

/** Makes sure of a place for the keys, initialises, and fills the place. */
async function obtainKeys(work: Bootstrap, status: SealStatus, isTold: () => boolean): Promise<void> {
  const { vault, keys, log } = work;
  const isAuto = isAutoUnsealed(status);
  await keys.reserve();
  log(`made ${keys.place}`);
  // Until here nothing has happened to Vault.
  if (isTold()) return;
  const { shares, threshold } = SHARES;
  const body = isAuto
    ? { recovery_shares: shares, recovery_threshold: threshold }
    : { secret_shares: shares, secret_threshold: threshold };
  const answer = await demand<Keys>(vault, "initialising", "PUT", "sys/init", { body }).catch((error: Error) => {
    if (!(error instanceof VaultUnreachable)) throw error;
    throw new Error(`${error.message}\nIf it is initialised by now, nobody has its keys. ${beginAnew(work)}`);
  });
  await keys.write(answer).catch((error: Error) => rescued(work, answer, error));
  const kind = isAuto ? "recovery keys" : "key shares";
  log(
    `Vault is initialised (seal ${status.type}): ${shares} ${kind}, of which ${threshold} are needed, are in ${keys.place}`,
  );
}

/** @throws always, with where the keys are now */
async function rescued(work: Bootstrap, answer: Keys, { message }: Error): Promise<never> {
  const { keys, rescue } = work;
  try {
    await rescue.reserve();
    await rescue.write(answer);
  } catch (error) {
    throw new Error(
      `Vault is initialised, but neither ${keys.place} nor ${rescue.place} can be written, and nobody has its keys: ` +
        `${message}; ${(error as Error).message}. ${beginAnew(work)}`,
    );
  }
  throw new Error(
    `Vault is initialised, but ${keys.place} cannot be written: ${message}\n` +
      `Its keys are in ${rescue.place}. Continue with ${rescue.options}, and move them to a safe place`,
  );
}

/** @throws when there are none for a Vault that has some */
async function keptKeys(work: Bootstrap): Promise<Keys> {
  const kept = await work.keys.read();
  if (kept !== undefined) return kept;
  throw new Error(
    `Vault is initialised, and ${work.keys.place} holds no keys. If another place holds them, name that one. If a run was ` +
      `stopped between initialising and keeping the keys, nobody has them; no data are lost, Vault holds nothing yet. ${beginAnew(work)}`,
  );
}

const beginAnew = ({ anew }: Bootstrap) => `To begin anew:\n${anew.map((line) => `  ${line}`).join("\n")}`;

/** Makes sure of a token for Pulumi's runs that works, and of a policy that is what the program needs now. */
async function provideDeployToken(work: Bootstrap, kept: Keys): Promise<void> {
  const { vault, keys, policy, log } = work;
  const { deploy_token: token, root_token: ownRoot } = kept;
  const works = token !== undefined && (await vault.ask("GET", "auth/token/lookup-self", { token })).status === 200;
  const held = works ? await policyOf(vault, token) : undefined;
  if (works && (held === undefined || held === policy.trim())) {
    log("the deploy token is good");
    if (ownRoot !== undefined) await retireRoot(work, kept, ownRoot);
    return;
  }
  const root = ownRoot ?? work.rootToken;
  if (root === undefined) {
    throw new Error(
      `the deploy token in ${keys.place} ${works ? "has the policy of other settings or of another version of this program" : "has ended"}, and Vault's ` +
        "first root token is revoked. Make a new one from the keys, as docs/vault.md says, and run this again with it in VAULT_TOKEN",
    );
  }
  const body = { policy };
  await demand(vault, "writing the policy", "PUT", `sys/policies/acl/${DEPLOY_POLICY}`, { token: root, body });
  log(`the policy ${DEPLOY_POLICY} is written`);
  // A token's power is its policy's: one that works has the new policy too.
  let filled = kept;
  if (!works) {
    filled = { ...kept, deploy_token: await createDeployToken(vault, root) };
    await keys.write(filled);
    log(`a deploy token is in ${keys.place}; it ends when no run renews it for 32 days`);
  }
  if (ownRoot !== undefined) await retireRoot(work, filled, ownRoot);
}

/** The policy that Vault has for the deploy token; undefined when the token may not see it. */
async function policyOf(vault: VaultApi, token: string): Promise<string | undefined> {
  const { body } = await vault.ask<{ data?: { policy: string } }>("GET", `sys/policies/acl/${DEPLOY_POLICY}`, {
    token,
  });
  return body?.data?.policy.trim();
}

async function createDeployToken(vault: VaultApi, root: string): Promise<string> {
  const body = { display_name: DEPLOY_POLICY, policies: [DEPLOY_POLICY], no_default_policy: true, period: PERIOD };
  // An orphan: with its parent revoked, any other token ends.
  const path = "auth/token/create-orphan";
  const answer = await demand<{ auth: { client_token: string } }>(vault, "making the deploy token", "PUT", path, {
    token: root,
    body,
  });
  return answer.auth.client_token;
}

/** Revokes the root token, and forgets it. */
async function retireRoot({ vault, keys, log }: Bootstrap, kept: Keys, token: string): Promise<void> {
  const answer = await vault.ask("PUT", "auth/token/revoke-self", { token });
  // A run that was stopped here has revoked it already.
  if (answer.status !== 204 && answer.status !== 403) throw new VaultRefusal("revoking the root token", answer);
  const { root_token: _revoked, ...rest } = kept;
  await keys.write(rest);
  log("the root token is revoked");
}
