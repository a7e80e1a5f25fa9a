import { execFile } from "node:child_process";
import { createInterface } from "node:readline/promises";
import { pathToFileURL } from "node:url";
import { parseArgs, promisify } from "node:util";
import { CoreV1Api, CustomObjectsApi, type KubeConfig, setHeaderOptions } from "@kubernetes/client-node";
import { KV_VERSION, TOKEN_SECRET } from "../components/token-secret.ts";
import { projectDirectory } from "../project/stack.ts";
import { runInForeground } from "./lib/foreground.ts";
import { watchUntil } from "./lib/watch.ts";
import { kubeConfigOf, settingsOf } from "./stack.ts";

// Rotates the Cloudflare token: an `up` with the next serial, and the proof that the cluster has the new token.

const usage = `usage: npm run rotate -- --stack <name> [--yes]

Replaces the Cloudflare token: raises cloudflare.tokenSerial by one, previews, asks, runs up, and waits until the cluster
holds the new token. The token before stays valid until the next rotation. A run that was stopped goes on with the serial
that it had raised. With cloudflare.token "supplied", the new value is the one that is set as cloudflareApiToken.

  --stack <name>  the stack of Pulumi.<name>.yaml
  --yes           does not ask

With Vault inside the cluster: npm run vault -- run --stack <name> <keys> -- npm run rotate -- --stack <name>`;

/** The Pulumi CLI. */
export interface PulumiCli {
  /** Runs it, and takes what it prints. */
  read(args: string[]): Promise<{ code: number; stdout: string; stderr: string }>;
  /** Runs it for the operator to see; the exit code. */
  show(args: string[]): Promise<number>;
}

/** `pulumi` on PATH, for the project in a directory. */
export function pulumiCli(directory = projectDirectory): PulumiCli {
  return {
    async read(args) {
      try {
        return { code: 0, ...(await promisify(execFile)("pulumi", args, { cwd: directory })) };
      } catch (error) {
        const { code, stdout = "", stderr = "" } = error as { code: number | string; stdout?: string; stderr?: string };
        if (code === "ENOENT") throw new Error("pulumi is not on PATH; https://www.pulumi.com/docs/install/");
        return { code: typeof code === "number" ? code : 1, stdout, stderr };
      }
    },
    show: (args) => runInForeground("pulumi", args, { cwd: directory }),
  };
}

/** What a rotation works on. */
export interface RotateOptions {
  readonly stack: string;
  /** `cloudflare.token` of the stack. */
  readonly token: "scoped" | "supplied";
  readonly pulumi: PulumiCli;
  readonly kubeConfig: KubeConfig;
  /** Asks the operator, who has seen the preview. */
  readonly approve: () => Promise<boolean>;
  /** Seconds for the new token to reach the cluster, which takes less than one. @default 120 */
  readonly arrivalSeconds?: number;
  readonly log: (line: string) => void;
}

/** What tells that a token is in the cluster. */
interface Arrival {
  /** Version of the write in Vault that the Secret's value is from; 0 when none is told. */
  readonly version: number;
  readonly resourceVersion: string;
}

/** A rotation that is done. */
export interface Rotation {
  /** Serials before and after; undefined for a supplied token. */
  readonly serials?: readonly [number, number];
  /** Versions of the write in Vault before and after. */
  readonly versions: readonly [number, number];
  /** The Secret's `resourceVersion` before and after; undefined before when it was not there. */
  readonly resourceVersions: readonly [string | undefined, string];
  /** When External Secrets last read Vault. */
  readonly syncedAt: string;
}

const SERIAL = "oke-platform:cloudflare.tokenSerial";
const SECRET = { namespace: "cert-manager", name: TOKEN_SECRET };
const EXTERNAL_SECRETS = { group: "external-secrets.io", version: "v1", plural: "externalsecrets" };

/**
 * Rotates a stack's Cloudflare token.
 *
 * @returns undefined when the operator has said no
 * @throws when a rotation would leave the cluster with a token that is deleted, or a step fails, with what to do
 */
export async function rotate(options: RotateOptions): Promise<Rotation | undefined> {
  const { stack, token, pulumi, kubeConfig, log, arrivalSeconds = 120 } = options;
  const before = await outputsOf(pulumi, stack);
  if (before.kvVersion === undefined)
    throw new Error(`stack ${stack} has no token in Vault yet; run \`pulumi up\` until its phase is complete`);
  const arrivedBefore = await arrivalIn(kubeConfig);
  const raise = token === "scoped" ? await nextSerial(options, before, before.kvVersion, arrivedBefore) : undefined;

  if (!(await approved(options, raise))) return undefined;
  if ((await pulumi.show(["up", "--yes", "--skip-preview", "--stack", stack])) !== 0) {
    throw new Error(
      "pulumi up has failed. The token that the cluster holds is valid; run this again when the cause is gone, and it goes on" +
        (raise === undefined ? "" : ` with serial ${raise.to}`),
    );
  }

  const after = await outputsOf(pulumi, stack);
  if (raise !== undefined && after.tokenSerial !== raise.to)
    throw new Error(
      `the up is done with tokenSerial ${after.tokenSerial}, not ${raise.to}; another run has changed the stack`,
    );
  const wanted = after.kvVersion;
  if (wanted === undefined || (raise !== undefined && wanted <= before.kvVersion))
    throw new Error(`the up is done, but nothing was written to Vault: its version is ${wanted}, as before`);
  if (wanted === before.kvVersion) log(`Vault had this value already, in version ${wanted}: nothing was to be rotated`);
  const arrived = await awaitArrival(kubeConfig, wanted, arrivalSeconds);
  return {
    serials: raise && [raise.from, raise.to],
    versions: [before.kvVersion, wanted],
    resourceVersions: [arrivedBefore?.resourceVersion, arrived.resourceVersion],
    syncedAt: arrived.syncedAt,
  };
}

interface Outputs {
  /** Undefined unless the token is made by the program. */
  readonly tokenSerial?: number;
  /** Undefined before the first write. */
  readonly kvVersion?: number;
}

/** What the last `up` has done. */
async function outputsOf(pulumi: PulumiCli, stack: string): Promise<Outputs> {
  const { code, stdout, stderr } = await pulumi.read(["stack", "output", "--json", "--stack", stack]);
  if (code !== 0) throw new Error(`the outputs of stack ${stack} cannot be read: ${stderr.trim()}`);
  const { tokenSerial, kvVersion } = JSON.parse(stdout) as { tokenSerial?: number | null; kvVersion?: string | null };
  return { tokenSerial: tokenSerial ?? undefined, kvVersion: kvVersion ? Number(kvVersion) : undefined };
}

/** A step from one serial to the next. */
interface Raise {
  readonly from: number;
  readonly to: number;
  /** What the configuration has: undefined when it leaves the serial to its default. */
  readonly configured: number | undefined;
}

/** @throws when the token in use would be deleted by the next serial */
async function nextSerial(
  { stack, pulumi, log }: RotateOptions,
  { tokenSerial: deployed }: Outputs,
  kvVersion: number,
  arrived: Arrival | undefined,
): Promise<Raise> {
  if (deployed === undefined)
    throw new Error(
      `stack ${stack} has no token of its own yet, and cloudflare.token is "scoped"; run \`pulumi up\` first`,
    );
  const configured = await configuredSerial(pulumi, stack);
  const serial = configured ?? 1;
  if (serial !== deployed && serial !== deployed + 1) {
    throw new Error(
      `cloudflare.tokenSerial is ${serial}, and the last up was with ${deployed}; allowed: ${deployed}, or ${deployed + 1} to go on ` +
        `with a rotation. Run pulumi config set --path ${SERIAL} ${deployed} --stack ${stack}`,
    );
  }
  if (arrived === undefined || arrived.version < kvVersion) {
    const held = arrived === undefined ? "is not there" : `holds version ${arrived.version}`;
    throw new Error(
      `the token with serial ${deployed} has not reached the cluster: Secret ${SECRET.namespace}/${SECRET.name} ${held}, and Vault ` +
        `has version ${kvVersion}. A next one would delete the token that the cluster holds. See why with kubectl --namespace ` +
        `${SECRET.namespace} describe externalsecret ${SECRET.name}, and run \`pulumi up\``,
    );
  }
  if (serial > deployed)
    log(`an earlier rotation from serial ${deployed} to ${serial} was stopped; this goes on with it`);
  return { from: deployed, to: deployed + 1, configured };
}

async function configuredSerial(pulumi: PulumiCli, stack: string): Promise<number | undefined> {
  const { code, stdout, stderr } = await pulumi.read(["config", "get", "--path", SERIAL, "--stack", stack]);
  if (code === 0) return Number(stdout);
  if (/configuration key .* not found/.test(stderr)) return undefined;
  throw new Error(`the configuration of stack ${stack} cannot be read: ${stderr.trim()}`);
}

/** Raises the serial, previews and asks; puts the serial back when it is not to be. */
async function approved({ stack, pulumi, approve, log }: RotateOptions, raise: Raise | undefined): Promise<boolean> {
  const isRaised = raise !== undefined && raise.configured !== raise.to;
  const configure = async (...change: string[]) => {
    const args = ["config", ...change, "--stack", stack];
    const { code, stderr } = await pulumi.read(args);
    if (code !== 0) throw new Error(`pulumi ${args.join(" ")} failed: ${stderr.trim()}`);
  };
  const putBack = async () => {
    if (!isRaised) return;
    const { configured } = raise;
    await (configured === undefined
      ? configure("rm", "--path", SERIAL)
      : configure("set", "--path", SERIAL, String(configured)));
    log(`cloudflare.tokenSerial is ${raise.from} again`);
  };
  if (isRaised) {
    await configure("set", "--path", SERIAL, String(raise.to));
    log(`cloudflare.tokenSerial is ${raise.to}, before ${raise.from}`);
  }
  let isApproved = false;
  try {
    if ((await pulumi.show(["preview", "--stack", stack])) !== 0)
      throw new Error("pulumi preview has failed; nothing is changed");
    isApproved = await approve();
  } finally {
    if (!isApproved) await putBack();
  }
  return isApproved;
}

/** What the Secret tells of the token in it; its data are not asked for. */
async function arrivalIn(kubeConfig: KubeConfig): Promise<Arrival | undefined> {
  const metadataOnly = setHeaderOptions("Accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
  const secret = await kubeConfig
    .makeApiClient(CoreV1Api)
    .readNamespacedSecret(SECRET, metadataOnly)
    .catch((error: { code?: number; message?: string }) => {
      if (error.code === 404) return undefined;
      throw new Error(
        `Secret ${SECRET.namespace}/${SECRET.name} cannot be read: ${error.code ?? ""} ${error.message ?? error}`,
      );
    });
  if (secret === undefined) return undefined;
  const { annotations = {}, resourceVersion = "" } = secret.metadata ?? {};
  return { version: Number(annotations[KV_VERSION] ?? 0), resourceVersion };
}

interface ExternalSecret {
  readonly status?: {
    readonly refreshTime?: string;
    readonly conditions?: { readonly type: string; readonly message?: string }[];
  };
}

/** @throws when the cluster does not hold that version in time, with what External Secrets says */
async function awaitArrival(
  kubeConfig: KubeConfig,
  version: number,
  seconds: number,
): Promise<Arrival & { syncedAt: string }> {
  const { namespace, name } = SECRET;
  const api = kubeConfig.makeApiClient(CustomObjectsApi);
  const { group, version: apiVersion, plural } = EXTERNAL_SECRETS;
  let status: ExternalSecret["status"];
  const collection = `/apis/${group}/${apiVersion}/namespaces/${namespace}/${plural}`;
  // The Secret is written first, then the ExternalSecret's status: the one to watch without seeing a token.
  const found = await watchUntil(kubeConfig, { collection, name }, seconds, async () => {
    const object = { group, version: apiVersion, namespace, plural, name };
    ({ status } = (await api.getNamespacedCustomObject(object)) as ExternalSecret);
    const arrival = await arrivalIn(kubeConfig);
    if (arrival === undefined || arrival.version < version || status?.refreshTime === undefined) return undefined;
    return { ...arrival, syncedAt: status.refreshTime };
  });
  if (found !== undefined) return found;
  const message = status?.conditions?.find(({ type }) => type === "Ready")?.message ?? "nothing";
  throw new Error(
    `version ${version} has not reached Secret ${namespace}/${name} within ${seconds} s; External Secrets says: ${message}. The ` +
      "token that the cluster holds is valid until the next serial. The rotation is done when the Secret has that version in " +
      `its annotation ${KV_VERSION}; no other begins before`,
  );
}

/** The proof, line by line. */
export function proofText({ serials, versions, resourceVersions, syncedAt }: Rotation): string {
  const [before = "none", after] = resourceVersions;
  return [
    ...(serials ? [`serial           ${serials[0]} -> ${serials[1]}`] : []),
    `Vault's version  ${versions[0]} -> ${versions[1]}`,
    `Secret           ${SECRET.namespace}/${SECRET.name} holds version ${versions[1]}, resourceVersion ${before} -> ${after}`,
    `synced           ${syncedAt}`,
    ...(serials ? [`The token with serial ${serials[0]} is valid until the next rotation.`] : []),
  ].join("\n");
}

/** @throws without a terminal */
async function askOperator(): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const closed = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
    // Ctrl-C at the question is a no.
    terminal.once("SIGINT", () => terminal.close());
    const answer = await Promise.race([terminal.question("Rotate the token? [y/N] ").catch(() => ""), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { stack: { type: "string" }, yes: { type: "boolean", default: false }, help: { type: "boolean" } },
  });
  const { stack, yes, help } = values;
  if (help) {
    console.log(usage);
    return;
  }
  if (stack === undefined) throw new Error("--stack is missing: the <name> of Pulumi.<name>.yaml");
  if (!yes && !process.stdin.isTTY) throw new Error("there is no terminal to ask on; --yes rotates without a question");
  const { cloudflare, cluster } = await settingsOf(stack);
  const { token } = cloudflare;
  if (token === "none") throw new Error(`cloudflare.token is "none" in stack ${stack}: there is no token to rotate`);
  const rotation = await rotate({
    stack,
    token,
    pulumi: pulumiCli(),
    kubeConfig: await kubeConfigOf(cluster),
    approve: yes ? async () => true : askOperator,
    log: console.log,
  });
  if (rotation === undefined) console.log("nothing is rotated");
  else console.log(proofText(rotation));
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
