import type { VaultSettings } from "../../settings/vault.ts";
import { wordsOf } from "../lib/command.ts";
import { configure, type PulumiCli, pulumiCli } from "../lib/pulumi.ts";
import { bootstrap } from "./bootstrap.ts";
import { type KeyStore, keysFile } from "./keys.ts";
import { deployPolicy } from "./policy.ts";
import { namespaceOf, type Servers, type Target } from "./servers.ts";

/** Everything that is needed beside the servers to initialise a stack's Vault. */
export interface InitOptions {
  readonly keys: KeyStore;
  /** A root token, for a Vault whose own is revoked. */
  readonly rootToken?: string;
  /** Puts `vault.initialized: true` into the stack's configuration. @default {@link recordInitialized} */
  readonly record?: () => Promise<void>;
  readonly log: (line: string) => void;
}

/** Initialises a stack's Vault, or continues where a run before was stopped. */
export async function initializeVault(target: Target, servers: Servers, options: InitOptions): Promise<void> {
  const { stack, vault, replicas } = target;
  const { keys, log, rootToken, record = () => recordInitialized(stack, pulumiCli()) } = options;
  await bootstrap({
    vault: servers.first,
    others: servers.others,
    keys,
    rescue: keysFile(`vault-keys-${stack}-${Date.now()}.json`),
    policy: deployPolicy(vault),
    rootToken,
    anew: commandsToBeginAnew(vault, replicas),
    log,
    async record() {
      await record();
      log(`vault.initialized is true in stack ${stack}`);
    },
  });
  const command = `npm run vault -- run --stack ${stack} ${keys.options} -- pulumi up --stack ${stack}`;
  log(`next: ${command}\nthen keep a copy of ${keys.place} where this machine's end is not its end`);
}

/** Puts `vault.initialized: true` into the stack's configuration, with the Pulumi CLI. */
export async function recordInitialized(stack: string, pulumi: PulumiCli): Promise<void> {
  try {
    await configure(pulumi, { stack, path: "oke-platform:vault.initialized" }, "true");
  } catch (error) {
    throw new Error(`all is done in Vault, but ${wordsOf(error)}`);
  }
}

/** The commands that make an installed Vault empty again, so that it can be initialised anew. */
export function commandsToBeginAnew(vault: VaultSettings, replicas: number): string[] {
  const claims = Array.from({ length: replicas }, (_, index) => `data-vault-${index} audit-vault-${index}`).join(" ");
  const kubectl = `kubectl --namespace ${namespaceOf(vault)}`;
  return [
    // First the pods: a volume that is in use is not deleted.
    `${kubectl} scale statefulset vault --replicas 0`,
    `${kubectl} delete persistentvolumeclaim ${claims}`,
    `${kubectl} scale statefulset vault --replicas ${replicas}`,
  ];
}
