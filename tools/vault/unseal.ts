import {
  awaitActive,
  awaitAnswer,
  demand,
  isAutoUnsealed,
  type SealStatus,
  sealStatus,
  type VaultApi,
  VaultRefusal,
} from "./api.ts";
import type { KeyStore, Keys } from "./keys.ts";
import type { Servers } from "./servers.ts";

/** Unseals every server that is sealed. */
export async function unsealVault(servers: Servers, keys: KeyStore, log: (line: string) => void): Promise<void> {
  const kept = await keys.read();
  if (kept === undefined) throw new Error(`${keys.place} holds no keys`);
  for (const server of [servers.first, ...servers.others]) {
    const { sealed } = await awaitAnswer(server);
    if (sealed) await unsealIfNeeded(server, kept, keys, log);
    else log(`Vault at ${server.address} is not sealed`);
  }
}

/**
 * Unseals one server with key shares.
 *
 * @throws when a service should have done it, or the shares are not its own
 */
export async function unsealIfNeeded(
  vault: VaultApi,
  { keys_base64: shares = [] }: Keys,
  { place, options }: KeyStore,
  log: (line: string) => void,
): Promise<void> {
  const status = await awaitAnswer(vault);
  if (!status.sealed) return;
  if (isAutoUnsealed(status)) {
    await awaitUnsealed(vault, status.type);
    return;
  }
  // A replica that has not joined is initialised by the active one.
  if (!status.initialized)
    throw new Error(`Vault at ${vault.address} is not initialised; run npm run vault:init with ${options}`);
  // Shares that somebody has begun to enter would count with these.
  await demand(vault, "unsealing", "PUT", "sys/unseal", { body: { reset: true } });
  for (const key of shares) {
    const answer = await vault.ask<SealStatus>("PUT", "sys/unseal", { body: { key } });
    if (answer.status !== 200) throw new VaultRefusal(`unsealing with the key shares in ${place}`, answer);
    if (answer.body?.sealed === false) {
      log(`unsealed Vault at ${vault.address}`);
      return;
    }
  }
  throw new Error(
    `Vault at ${vault.address} is sealed still: ${place} has ${shares.length} key shares, and ${status.t} are needed`,
  );
}

/** @throws when the service does not unseal it in time */
async function awaitUnsealed(vault: VaultApi, type: string): Promise<void> {
  try {
    await awaitActive(vault);
  } catch (error) {
    if ((await sealStatus(vault)).sealed) {
      throw new Error(
        `Vault at ${vault.address} is sealed, and its seal is ${type}, which should open it: the key must be enabled, and ` +
          "the IAM policy must let Vault's pods use it. Its log says why",
      );
    }
    throw error;
  }
}
