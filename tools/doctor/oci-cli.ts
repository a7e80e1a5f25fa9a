import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { failureOf } from "../lib/http.ts";
import type { Env } from "./examination.ts";

// What the doctor asks of OCI, through OCI's own CLI, which knows how its user logs in.

/** The CLI's answers, by its own names: https://docs.oracle.com/iaas/tools/oci-cli/latest/oci_cli_docs/ */
interface OciAnswers {
  cluster: { "lifecycle-state": string; "kubernetes-version": string; "vcn-id": string };
  addOns: { name: string; "lifecycle-state": string }[];
  subnet: {
    "vcn-id": string;
    "lifecycle-state": string;
    "availability-domain": string | null;
    "prohibit-public-ip-on-vnic": boolean;
  };
  nsg: { "vcn-id": string; "lifecycle-state": string; "display-name": string };
  publicIp: {
    id: string;
    "ip-address": string;
    "lifecycle-state": string;
    lifetime: string;
    "assigned-entity-id": string | null;
  };
  availability: { available: number | null };
  tagNamespaces: { id: string; name: string; "is-retired": boolean }[];
  tags: { name: string; "is-retired": boolean }[];
  publicIps: Named[];
  nsgs: Named[];
  rules: SecurityRule[];
  kmsVaults: Named[];
  keys: Named[];
}

/** What OCI lists, whose names need not be unique. */
export interface Named {
  readonly id: string;
  readonly "display-name": string;
  readonly "lifecycle-state": string;
  /** RFC 3339. */
  readonly "time-created": string;
}

/** A rule of a network security group. */
export interface SecurityRule {
  readonly id: string;
  readonly description: string | null;
  readonly direction: string;
  readonly protocol: string;
  readonly source: string | null;
  readonly destination: string | null;
  readonly "tcp-options": { readonly "destination-port-range": { readonly min: number; readonly max: number } } | null;
}

/** Asks OCI by the arguments of its CLI. */
export type AskOci = <Kind extends keyof OciAnswers>(...args: string[]) => Promise<OciAnswers[Kind]>;

/** OCI has said no, or the CLI could not ask it. */
export class OciError extends Error {
  /** Of OCI's answer; undefined where there is none. */
  readonly status: number | undefined;

  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

const run = promisify(execFile);

/**
 * The `oci` CLI on `env.PATH`, which throws an {@link OciError} for each question that has no answer.
 *
 * @param limitMs milliseconds for each question
 */
export const ociCli =
  (env: Env, limitMs: number): AskOci =>
  async <T>(...args: string[]): Promise<T> => {
    try {
      const { stdout } = await run("oci", [...args, "--output", "json"], { env: { ...env }, timeout: limitMs });
      // Where a list is empty the CLI prints nothing.
      return stdout.trim() === "" ? ([] as T) : (JSON.parse(stdout) as { data: T }).data;
    } catch (error) {
      const { code, killed, stderr = "" } = error as { code?: unknown; killed?: boolean; stderr?: string };
      if (code === "ENOENT") throw new OciError("the oci CLI is not on PATH");
      if (killed) throw new OciError(`oci ${args.slice(0, 3).join(" ")} gave no answer in ${limitMs / 1000} s`);
      // "ServiceError:" and the service's answer as JSON, or the CLI's own words.
      const [, answer] = /^ServiceError:\s*(\{.*\})/ms.exec(stderr) ?? [];
      if (answer === undefined) throw new OciError(stderr.trim().replaceAll(/\s*\n\s*/g, " ") || failureOf(error));
      const { code: name, message, status } = JSON.parse(answer) as { code: string; message: string; status: number };
      throw new OciError(`OCI answers ${status} ${name}: ${message}`, status);
    }
  };

/** The tenancy's OCID as the CLI has it: of its environment, else of the profile of its configuration. */
export async function tenancyOf(env: Env): Promise<string | undefined> {
  if (env.OCI_CLI_TENANCY) return env.OCI_CLI_TENANCY;
  const file = env.OCI_CLI_CONFIG_FILE ?? join(env.HOME ?? homedir(), ".oci", "config");
  const profile = env.OCI_CLI_PROFILE ?? "DEFAULT";
  const source = await readFile(file, "utf8").catch(() => "");
  const section = source.split(/^(?=\[)/m).find((part) => part.startsWith(`[${profile}]`));
  return /^\s*tenancy\s*=\s*(\S+)/m.exec(section ?? "")?.[1];
}

/** How OKE's add-on goes: https://docs.oracle.com/iaas/tools/oci-cli/latest/oci_cli_docs/cmdref/ce/cluster/disable-addon.html */
export const disableAddOn = (name: string, cluster = "<OCID>") =>
  `oci ce cluster disable-addon --cluster-id ${cluster} --addon-name ${name} --is-remove-existing-add-on true`;
