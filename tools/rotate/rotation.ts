import type { KubeConfig } from "@kubernetes/client-node";
import { configured, type PulumiCli, propose } from "../lib/pulumi.ts";
import { type Arrival, arrivalIn, awaitArrival, lastSync, SECRET } from "./arrival.ts";

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

/**
 * Rotates a stack's Cloudflare token.
 *
 * @returns undefined when the operator has said no
 * @throws when a rotation would leave the cluster with a token that is deleted, or a step fails, with what to do
 */
export async function rotate(options: RotateOptions): Promise<Rotation | undefined> {
  const { stack, token, pulumi, kubeConfig, approve, log, arrivalSeconds = 120 } = options;
  const before = await outputsOf(pulumi, stack);
  if (before.kvVersion === undefined)
    throw new Error(`stack ${stack} has no token in Vault yet; run \`pulumi up\` until its phase is complete`);
  const arrivedBefore = await arrivalIn(kubeConfig);
  const syncedBefore = await lastSync(kubeConfig);
  const raise = token === "scoped" ? await nextSerial(options, before, before.kvVersion, arrivedBefore) : undefined;

  const change = raise && { path: SERIAL, value: String(raise.to) };
  if (!(await propose(pulumi, { stack, change, approve, log }))) return undefined;
  if ((await pulumi.show(["up", "--yes", "--skip-preview", "--stack", stack])) !== 0) {
    throw new Error(
      "pulumi up has failed. The token that the cluster holds is valid; run this again when the cause is gone, and it goes on" +
        (raise === undefined ? "" : ` with serial ${raise.to}`),
    );
  }

  const outputs = await outputsOf(pulumi, stack);
  if (raise !== undefined && outputs.tokenSerial !== raise.to)
    throw new Error(
      `the up is done with tokenSerial ${outputs.tokenSerial}, not ${raise.to}; another run has changed the stack`,
    );
  const wanted = outputs.kvVersion;
  if (wanted === undefined || (raise !== undefined && wanted <= before.kvVersion))
    throw new Error(`the up is done, but nothing was written to Vault: its version is ${wanted}, as before`);
  if (wanted === before.kvVersion) log(`Vault had this value already, in version ${wanted}: nothing was to be rotated`);
  const after = (arrivedBefore?.version ?? 0) < wanted ? syncedBefore : undefined;
  const arrived = await awaitArrival(kubeConfig, { version: wanted, after }, arrivalSeconds);
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
  const serial = Number((await configured(pulumi, { stack, path: SERIAL })) ?? 1);
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
  return { from: deployed, to: deployed + 1 };
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
