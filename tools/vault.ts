import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs, promisify } from "node:util";
import { CoreV1Api, type KubeConfig } from "@kubernetes/client-node";
import { VAULT_TLS_SECRET } from "../components/vault/server.ts";
import { projectDirectory } from "../project/stack.ts";
import type { Settings } from "../settings/settings.ts";
import { runInForeground } from "./lib/foreground.ts";
import { kubeConfigOf, settingsOf } from "./stack.ts";
import { awaitAnswer, type VaultApi, vaultApi } from "./vault/api.ts";
import { bootstrap, unsealIfNeeded } from "./vault/bootstrap.ts";
import { type KeyStore, keysFile, ociKeys } from "./vault/keys.ts";
import { deployPolicy } from "./vault/policy.ts";
import {
  awaitRunning,
  type Forward,
  forward,
  isRunning,
  nameOf,
  readyPod,
  VAULT_PORT,
  vaultPods,
} from "./vault/port-forward.ts";

// What is done with a Vault inside the cluster beside Pulumi's runs: its bootstrap, its seal, and the way to it.

const usage = `usage: npm run vault:init -- --stack <name> <keys> [--address <url>] [--ca-cert <file>]
       npm run vault -- unseal --stack <name> <keys> [--address <url>] [--ca-cert <file>]
       npm run vault -- run --stack <name> [<keys>] -- <command> [<argument>...]
       npm run vault -- policy --stack <name>

init    initialises the Vault that the program installs, once, and makes the token for Pulumi's runs
unseal  unseals its pods with key shares, after a restart; one with OCI KMS unseals itself
run     runs a command with a port-forward to Vault at vault.address, and with VAULT_ADDR, VAULT_CACERT and, with
        <keys>, VAULT_TOKEN set; a deploy token is renewed
policy  prints the policy that Pulumi's runs need, in HCL

<keys>                        where the keys are: one of
  --keys-file <path>          a file, which only its owner can read
  --keys-secret <name> --keys-vault <OCID> --keys-key <OCID> --keys-compartment <OCID>
                              a secret in an OCI Vault, through the oci CLI
--address <url>               a server of Vault that is reachable without a port-forward
--ca-cert <file>              PEM of the CA that signed its certificate`;

type StackVault = NonNullable<Settings["vault"]>;

/** A stack, its Vault, and the way into its cluster. */
export interface Target {
  readonly stack: string;
  readonly vault: StackVault;
  /** Replicas that the program installs. */
  readonly replicas: number;
  readonly kubeConfig: () => Promise<KubeConfig>;
}

/** Seconds for Vault's pod to run after an `up`, its volumes attached and its image pulled. */
const POD_SECONDS = 420;

/** Namespace of a Vault inside the cluster, which is in the name of its Service. */
const namespaceOf = ({ clusterAddress }: StackVault) => new URL(clusterAddress).hostname.split(".")[1] ?? "vault";

/** A way to servers of Vault, to be closed after use. */
export interface Servers {
  readonly first: VaultApi;
  readonly others: VaultApi[];
  readonly close: () => Promise<void>;
}

/** The one server at an address. */
export async function serverAt(address: string, caFile: string | undefined): Promise<Servers> {
  const ca = caFile === undefined ? undefined : await readFile(caFile, "utf8");
  return { first: vaultApi(address, ca), others: [], close: async () => {} };
}

/** Every server whose pod runs, through port-forwards; the first pod comes first, and is waited for. */
export async function serversInside({ vault, kubeConfig }: Target): Promise<Servers> {
  const config = await kubeConfig();
  const namespace = namespaceOf(vault);
  await awaitRunning(config, namespace, FIRST_POD, POD_SECONDS);
  const pods = (await vaultPods(config, namespace)).filter(isRunning).map(nameOf);
  const ca = await caOf(vault, config);
  const scheme = new URL(vault.address).protocol;
  const forwards: Forward[] = [];
  const close = async () => void (await Promise.all(forwards.map((it) => it.close())));
  try {
    const [first, ...others] = await Promise.all(
      [FIRST_POD, ...pods.filter((name) => name !== FIRST_POD)].map(async (pod) => {
        const way = await forward(config, { namespace, pod, port: VAULT_PORT });
        forwards.push(way);
        return vaultApi(`${scheme}//127.0.0.1:${way.port}`, ca, way.failure);
      }),
    );
    if (first === undefined) throw new Error("no port-forward");
    return { first, others, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The one that is initialised; replicas join it. */
const FIRST_POD = "vault-0";

/** PEM of the CA of Vault's certificate; undefined without TLS, and for the system's trusted roots. */
async function caOf(vault: StackVault, kubeConfig: KubeConfig): Promise<string | undefined> {
  if (!vault.address.startsWith("https:")) return undefined;
  if (!vault.install) return vault.caBundle;
  const [name, namespace] = [VAULT_TLS_SECRET, namespaceOf(vault)];
  const { data } = await kubeConfig
    .makeApiClient(CoreV1Api)
    .readNamespacedSecret({ name, namespace })
    .catch((error: { code?: number; message?: string }) => {
      const why = error.code === 404 ? "it is not there; it is made by `pulumi up`" : (error.message ?? error);
      throw new Error(`Vault's CA cannot be read from Secret ${name} in namespace ${namespace}: ${why}`);
    });
  const ca = data?.["ca.crt"];
  if (ca === undefined)
    throw new Error(`Secret ${name} in namespace ${namespace} has no ca.crt; cert-manager puts it there`);
  return Buffer.from(ca, "base64").toString("utf8");
}

/** The commands that make an installed Vault empty again, so that it can be initialised anew. */
export function commandsToBeginAnew(vault: StackVault, replicas: number): string[] {
  const claims = Array.from({ length: replicas }, (_, index) => `data-vault-${index} audit-vault-${index}`).join(" ");
  const kubectl = `kubectl --namespace ${namespaceOf(vault)}`;
  return [
    // First the pods: a volume that is in use is not deleted.
    `${kubectl} scale statefulset vault --replicas 0`,
    `${kubectl} delete persistentvolumeclaim ${claims}`,
    `${kubectl} scale statefulset vault --replicas ${replicas}`,
  ];
}

/** Puts `vault.initialized: true` into the stack's configuration. */
async function recordInitialized(stack: string): Promise<void> {
  const args = ["config", "set", "--path", "oke-platform:vault.initialized", "true", "--stack", stack];
  await promisify(execFile)("pulumi", args, { cwd: projectDirectory }).catch(
    (error: { stderr?: string; message: string }) => {
      throw new Error(
        `all is done in Vault, but the stack's configuration cannot be written: ${(error.stderr ?? "").trim() || error.message}\n` +
          `Run this yourself:\n  pulumi ${args.join(" ")}`,
      );
    },
  );
}

/** Everything that is needed beside the servers to initialise a stack's Vault. */
export interface InitOptions {
  readonly keys: KeyStore;
  /** A root token, for a Vault whose own is revoked. */
  readonly rootToken?: string;
  /** Puts `vault.initialized: true` into the stack's configuration. @default - with the Pulumi CLI */
  readonly record?: () => Promise<void>;
  readonly log: (line: string) => void;
}

/** Initialises a stack's Vault, or continues where a run before was stopped. */
export async function initializeVault(target: Target, servers: Servers, options: InitOptions): Promise<void> {
  const { stack, vault, replicas } = target;
  const { keys, log, rootToken, record = () => recordInitialized(stack) } = options;
  await bootstrap({
    vault: servers.first,
    others: servers.others,
    keys,
    rescue: keysFile(`vault-keys-${stack}-${Date.now()}.json`),
    policy: deployPolicy({ ...vault, managed: vault.access === "managed" }),
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

/** Unseals every server that is sealed. */
export async function unsealVault(servers: Servers, keys: KeyStore, log: (line: string) => void): Promise<void> {
  const kept = await keys.read();
  if (kept === undefined) throw new Error(`${keys.place} holds no keys`);
  for (const server of [servers.first, ...servers.others]) {
    const { sealed } = await awaitAnswer(server, 60);
    if (sealed) await unsealIfNeeded(server, kept, keys, log);
    else log(`Vault at ${server.address} is not sealed`);
  }
}

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
  const { protocol, hostname, port } = new URL(vault.address);
  if (!["127.0.0.1", "localhost"].includes(hostname)) {
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
    const token = env.VAULT_TOKEN || (await deployToken(vaultApi(vault.address, ca, way.failure), keys));
    const caFile = join(directory, "ca.crt");
    if (ca !== undefined) await writeFile(caFile, ca, { mode: 0o600 });
    const found = {
      VAULT_ADDR: vault.address,
      ...(ca !== undefined && { VAULT_CACERT: caFile }),
      ...(token !== undefined && { VAULT_TOKEN: token }),
    };
    return await runInForeground(command, args, { env: { ...env, ...found } });
  } finally {
    await rm(directory, { recursive: true });
    await way.close();
  }
}

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

const keyOptions = {
  "keys-file": { type: "string" },
  "keys-secret": { type: "string" },
  "keys-vault": { type: "string" },
  "keys-key": { type: "string" },
  "keys-compartment": { type: "string" },
} as const;

/** @throws when the options name no place for keys, or two */
export function keyStoreOf(values: { [option in keyof typeof keyOptions]?: string }): KeyStore | undefined {
  const { "keys-file": file, "keys-secret": name, "keys-vault": vault } = values;
  const { "keys-key": key, "keys-compartment": compartment } = values;
  const ofSecret = [name, vault, key, compartment].some((value) => value !== undefined);
  if (file !== undefined && ofSecret) throw new Error("--keys-file and --keys-secret are two places; name one");
  if (file !== undefined) return keysFile(file);
  if (!ofSecret) return undefined;
  if (name === undefined || vault === undefined) throw new Error("--keys-secret and --keys-vault are needed together");
  return ociKeys({ name, vault, key, compartment });
}

const needsKeys = (keys: KeyStore | undefined): KeyStore => {
  if (keys === undefined)
    throw new Error("where the keys are is missing: --keys-file <path>, or --keys-secret and its options");
  return keys;
};

async function targetOf(stack: string): Promise<Target> {
  const { vault, cluster, size } = await settingsOf(stack);
  if (vault === undefined) throw new Error(`stack ${stack} has no vault; there is nothing to do`);
  return { stack, vault, replicas: size === "production" ? 3 : 1, kubeConfig: () => kubeConfigOf(cluster) };
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      ...keyOptions,
      stack: { type: "string" },
      address: { type: "string" },
      "ca-cert": { type: "string" },
      help: { type: "boolean" },
    },
  });
  const [verb, ...command] = positionals;
  if (values.help || verb === undefined) {
    console.log(usage);
    return 0;
  }
  const { stack, address } = values;
  if (stack === undefined) throw new Error("--stack is missing: the <name> of Pulumi.<name>.yaml");
  if (!["init", "unseal", "run", "policy"].includes(verb)) throw new Error(`"${verb}" is unknown\n${usage}`);
  if (verb !== "run" && command.length > 0) throw new Error(`"${command[0]}" is too much\n${usage}`);
  const target = await targetOf(stack);
  const keys = keyStoreOf(values);
  const open = () => (address === undefined ? serversInside(target) : serverAt(address, values["ca-cert"]));
  switch (verb) {
    case "policy":
      process.stdout.write(deployPolicy({ ...target.vault, managed: target.vault.access === "managed" }));
      return 0;
    case "run":
      return runWithVault(target, command, keys);
    case "unseal":
      return use(await open(), (servers) => unsealVault(servers, needsKeys(keys), console.log));
    default: {
      if (!target.vault.install) {
        throw new Error(
          `vault.install is false in stack ${stack}: a Vault that is there is initialised by whoever runs it; ` +
            `what Pulumi's runs need in it says npm run vault -- policy --stack ${stack}`,
        );
      }
      const options = { keys: needsKeys(keys), rootToken: process.env.VAULT_TOKEN || undefined, log: console.log };
      return use(await open(), (servers) => initializeVault(target, servers, options));
    }
  }
}

async function use(servers: Servers, work: (servers: Servers) => Promise<void>): Promise<number> {
  try {
    await work(servers);
    return 0;
  } finally {
    await servers.close();
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    process.exitCode = await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
