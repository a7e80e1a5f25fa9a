import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runInForeground } from "../lib/foreground.ts";
import { type VaultApi, vaultApi } from "./api.ts";
import type { KeyStore } from "./keys.ts";
import { forward, readyPod, VAULT_PORT } from "./port-forward.ts";
import { caOf, namespaceOf, type Target } from "./servers.ts";

/**
 * Runs a command while Vault is reachable at `vault.address`.
 *
 * @param keys where a deploy token is, for a command that has no VAULT_TOKEN
 * @returns the command's exit code; that of a signal is 128 and the signal's number, as in a shell
 * @throws when there is no way to Vault, or the deploy token has ended
 */
export async function runWithVault(
  target: Target,
  [command, ...args]: string[],
  keys: KeyStore | undefined,
  env: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  if (command === undefined) throw new Error("run needs a command after --, such as: -- pulumi up");
  const { vault, stack } = target;
  const { protocol, port } = new URL(vault.address);
  if (!isHere(vault.address)) {
    throw new Error(
      `vault.address is ${vault.address}, which is not on this machine: there is nothing to forward, run the command itself`,
    );
  }
  const kubeConfig = await target.kubeConfig();
  const namespace = namespaceOf(vault);
  const pod = await readyPod(kubeConfig, namespace, stack);
  const ca = await caOf(vault, kubeConfig);
  const localPort = Number(port || (protocol === "https:" ? 443 : 80));
  const way = await forward(kubeConfig, { namespace, pod, port: VAULT_PORT }, localPort);
  const directory = await mkdtemp(join(tmpdir(), "oke-platform-"));
  try {
    const token =
      env.VAULT_TOKEN || (await deployToken(vaultApi(vault.address, ca, way.failure, vault.namespace), keys));
    const caFile = join(directory, "ca.crt");
    if (ca !== undefined) await writeFile(caFile, ca, { mode: 0o600 });
    const found = {
      VAULT_ADDR: vault.address,
      ...(ca !== undefined && { VAULT_CACERT: caFile }),
      ...(token !== undefined && { VAULT_TOKEN: token }),
      ...(vault.namespace !== undefined && { VAULT_NAMESPACE: vault.namespace }),
    };
    return await runInForeground(command, args, { env: { ...env, ...found } });
  } finally {
    await rm(directory, { recursive: true });
    await way.close();
  }
}

/** Whether an address is of this machine, where a port-forward brings a Vault inside the cluster. */
export const isHere = (address: string) => ["127.0.0.1", "localhost"].includes(new URL(address).hostname);

/** The deploy token, its end put off. */
async function deployToken(vault: VaultApi, keys: KeyStore | undefined): Promise<string | undefined> {
  if (keys === undefined) return undefined;
  const { deploy_token: token } = (await keys.read()) ?? {};
  if (token === undefined) throw new Error(`${keys.place} holds no deploy token; npm run vault:init puts one there`);
  const { status, errors } = await vault.ask("PUT", "auth/token/renew-self", { token, body: {} });
  if (status !== 200) {
    throw new Error(
      `the deploy token in ${keys.place} cannot be renewed: Vault answers ${status}, ${errors}. One that no run has renewed for ` +
        `32 days has ended: run npm run vault:init again with ${keys.options}`,
    );
  }
  return token;
}
