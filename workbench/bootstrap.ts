import { join } from "node:path";
import { placeholdersOf } from "../project/placeholders.ts";
import { projectDirectory } from "../project/stack.ts";
import { recordInitialised, type Sandbox } from "../sandbox/sandbox.ts";
import { serveVault } from "../sandbox/vault-api.ts";
import { settingsOf } from "../tools/stack.ts";
import { initializeVault } from "../tools/vault/init.ts";
import { keysFile } from "../tools/vault/keys.ts";
import { serverAt } from "../tools/vault/servers.ts";

/**
 * What the operator does between the two phases: `npm run vault:init` itself, with the world's Vault in the place of
 * the real one.
 *
 * @param directory the sandbox's, where the keys file is made too
 * @throws when the stack installs no Vault, or as `npm run vault:init` does
 */
export async function initialise(
  { cloud }: Sandbox,
  stack: string,
  directory: string,
  log: (line: string) => void = () => undefined,
): Promise<void> {
  const { vault } = await settingsOf(stack, projectDirectory, placeholdersOf(stack));
  if (vault?.kind !== "installed")
    throw new Error(`stack ${stack} has no vault.install; allowed: one that installs Vault`);
  const api = await serveVault(cloud);
  // Its cluster is not there to be asked, and not needed beside the server.
  const kubeConfig = () => Promise.reject(new Error("the sandbox has no API server"));
  try {
    await initializeVault({ stack, vault, replicas: 1, kubeConfig }, await serverAt(api.address, undefined), {
      keys: keysFile(join(directory, "vault-keys.json")),
      record: () => recordInitialised(directory),
      log,
    });
  } finally {
    await api.close();
  }
}
