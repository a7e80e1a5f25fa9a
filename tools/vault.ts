import type { Command } from "commander";
import { main, printer, stackOption, type Terminal, toolCommand } from "./lib/command.ts";
import { kubeConfigOf, settingsOf } from "./stack.ts";
import { initializeVault } from "./vault/init.ts";
import { type KeyStore, keysFile } from "./vault/keys.ts";
import { ociKeys } from "./vault/oci-keys.ts";
import { deployPolicy } from "./vault/policy.ts";
import { runWithVault } from "./vault/run.ts";
import { type Servers, serverAt, serversInside, type Target } from "./vault/servers.ts";
import { unsealVault } from "./vault/unseal.ts";

// What is done with a Vault inside the cluster beside Pulumi's runs: its bootstrap, its seal, and the way to it.

interface StackOptions {
  readonly stack: string;
}

interface KeyOptions {
  readonly keysFile?: string;
  readonly keysSecret?: string;
  readonly keysVault?: string;
  readonly keysKey?: string;
  readonly keysCompartment?: string;
}

interface ServerOptions {
  readonly address?: string;
  readonly caCert?: string;
}

const withKeys = (command: Command): Command =>
  command
    .option("--keys-file <path>", "where the keys are: a file, which only its owner can read")
    .option("--keys-secret <name>", "or a secret in an OCI Vault, through the oci CLI")
    .option("--keys-vault <OCID>", "the OCI Vault of that secret")
    .option("--keys-key <OCID>", "the key that encrypts the secret, to make it")
    .option("--keys-compartment <OCID>", "the compartment that the secret goes to, to make it");

const withServer = (command: Command): Command =>
  command
    .option("--address <url>", "a server of Vault that is reachable without a port-forward")
    .option("--ca-cert <file>", "PEM of the CA that signed its certificate");

/** `npm run vault`. */
export function vaultCommand(terminal: Terminal): Command {
  const log = printer(terminal);
  const vault = toolCommand("vault", "A Vault inside the cluster, beside Pulumi's runs.", terminal);
  const verb = (name: string, summary: string) => vault.command(name).description(summary).addOption(stackOption());

  withServer(
    withKeys(
      verb("init", "initialises the Vault that the program installs, once, and makes the token for Pulumi's runs"),
    ),
  ).action(async (options: StackOptions & KeyOptions & ServerOptions) => {
    const { stack } = options;
    const target = await targetOf(stack);
    if (target.vault.kind !== "installed") {
      throw new Error(
        `vault.install is false in stack ${stack}: a Vault that is there is initialised by whoever runs it; ` +
          `what Pulumi's runs need in it says npm run vault -- policy --stack ${stack}`,
      );
    }
    const keys = neededKeys(options);
    const rootToken = process.env.VAULT_TOKEN || undefined;
    await withServers(target, options, log, (servers) => initializeVault(target, servers, { keys, rootToken, log }));
  });

  withServer(
    withKeys(verb("unseal", "unseals its pods with key shares, after a restart; one with OCI KMS unseals itself")),
  ).action(async (options: StackOptions & KeyOptions & ServerOptions) => {
    const keys = neededKeys(options);
    await withServers(await targetOf(options.stack), options, log, (servers) => unsealVault(servers, keys, log));
  });

  withKeys(
    verb(
      "run",
      "runs a command with a port-forward to Vault at vault.address, and with VAULT_ADDR, VAULT_CACERT and, where the " +
        "keys are named, VAULT_TOKEN set; a deploy token is renewed",
    ),
  )
    .argument("[command...]", "what to run, after --, such as: -- pulumi up")
    .action(async (command: string[], options: StackOptions & KeyOptions) => {
      terminal.exitCode = await runWithVault(await targetOf(options.stack), command, keyStoreOf(options));
    });

  verb("policy", "prints the policy that Pulumi's runs need, in HCL").action(async ({ stack }: StackOptions) => {
    terminal.stdout.write(deployPolicy((await targetOf(stack)).vault));
  });
  return vault;
}

/** @throws when the options name no place for keys, or two */
export function keyStoreOf(options: KeyOptions): KeyStore | undefined {
  const { keysFile: file, keysSecret: name, keysVault: vault, keysKey: key, keysCompartment: compartment } = options;
  const ofSecret = [name, vault, key, compartment].some((value) => value !== undefined);
  if (file !== undefined && ofSecret) throw new Error("--keys-file and --keys-secret are two places; name one");
  if (file !== undefined) return keysFile(file);
  if (!ofSecret) return undefined;
  if (name === undefined || vault === undefined) throw new Error("--keys-secret and --keys-vault are needed together");
  return ociKeys({ name, vault, key, compartment });
}

function neededKeys(options: KeyOptions): KeyStore {
  const keys = keyStoreOf(options);
  if (keys !== undefined) return keys;
  throw new Error("where the keys are is missing: --keys-file <path>, or --keys-secret and its options");
}

async function targetOf(stack: string): Promise<Target> {
  const { vault, cluster, size } = await settingsOf(stack);
  if (vault === undefined) throw new Error(`stack ${stack} has no vault; there is nothing to do`);
  return { stack, vault, replicas: size === "production" ? 3 : 1, kubeConfig: () => kubeConfigOf(cluster) };
}

async function withServers(
  target: Target,
  { address, caCert }: ServerOptions,
  log: (line: string) => void,
  work: (servers: Servers) => Promise<void>,
): Promise<void> {
  const servers = await (address === undefined ? serversInside(target) : serverAt(address, caCert, log));
  try {
    await work(servers);
  } finally {
    await servers.close();
  }
}

await main(import.meta, vaultCommand);
