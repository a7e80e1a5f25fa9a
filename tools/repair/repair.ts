import type { KubeConfig } from "@kubernetes/client-node";
import { recordStack } from "../../project/record.ts";
import { projectDirectory } from "../../project/stack.ts";
import type { VaultSettings } from "../../settings/vault.ts";
import type { Env } from "../doctor/examination.ts";
import { ociCli } from "../doctor/oci-cli.ts";
import { vaultApiOf } from "../doctor/vault-api.ts";
import { linesOf } from "../lib/checks.ts";
import { CLOUDFLARE_URL, cloudflareApi } from "../lib/cloudflare-api.ts";
import { type MakeCommand, main, printer, stackOption, toolCommand, yesOption } from "../lib/command.ts";
import { type PulumiCli, pulumiCli } from "../lib/pulumi.ts";
import { type Ask, operator } from "../lib/question.ts";
import { kubeConfigOf, settingsOf } from "../stack.ts";
import { find, type Known, type Systems } from "./find.ts";
import { asJson, type Finding } from "./findings.ts";
import { clusterOf } from "./kubernetes.ts";
import { doMending } from "./mending.ts";
import { exportState } from "./state.ts";

// Puts right what a run has left that was killed: one of this, and one `up`.

const SUMMARY = `Puts right what a run has left that was killed, whenever it was: looks up what it was making, in the cluster, in
Vault, at Cloudflare and OCI, says what it found and what it will do, asks, and does it. Then pulumi up goes on.
What is there stays as it is: it is taken over, not made anew. What may be somebody else's is only told.`;

export interface RepairOptions extends Omit<Known, "state"> {
  readonly systems: Systems;
  readonly pulumi: PulumiCli;
  /** Asks whether to go on. @default - it says what it found, and ends there */
  readonly approve?: Ask;
  readonly say: (findings: readonly Finding[]) => void;
  readonly log: (line: string) => void;
  /** @default - now */
  readonly now?: Date;
}

/**
 * Repairs a stack.
 *
 * @returns whether there is nothing left that somebody must see to
 * @throws as {@link doMending}, or when the state cannot be read
 */
export async function repair(options: RepairOptions): Promise<boolean> {
  const { stack, settings, registrations, systems, pulumi, approve, say, log, now = new Date() } = options;
  const state = await exportState(pulumi, stack);
  const findings = await find({ stack, settings, registrations, state }, systems, now);
  say(findings);
  if (findings.some(({ kind }) => kind === "refuse")) {
    log("Nothing is changed: what is refused comes first.");
    return false;
  }
  const isWhole = findings.every(({ kind }) => kind !== "tell");
  const own = findings.filter(({ kind }) => kind === "mend" || kind === "clear");
  if (own.length === 0) {
    log("There is nothing of this stack's to put right.");
    return isWhole;
  }
  if (!(await approve?.("Do this?"))) return false;
  const { cluster, cloudflare } = systems;
  await doMending({ stack, findings: own, state, pulumi, cluster, cloudflare });
  log(`Done. Go on with pulumi up --stack ${stack}`);
  return isWhole;
}

/** Milliseconds for a call over HTTP. */
export const CALL_MS = 10_000;
/** Milliseconds for a command of the `oci` CLI, which takes some to start. */
const OCI_MS = 60_000;

/** The real systems, with the credentials of the environment. */
export function systemsOf(kubeConfig: () => Promise<KubeConfig>, vault: VaultSettings | undefined, env: Env): Systems {
  return {
    cluster: clusterOf(kubeConfig, CALL_MS),
    cloudflare() {
      const token = env.CLOUDFLARE_API_TOKEN;
      if (!token) throw new Error("CLOUDFLARE_API_TOKEN is not set; set it to the token of the run");
      return cloudflareApi(CLOUDFLARE_URL, token, CALL_MS);
    },
    vault(path, body) {
      if (vault === undefined) throw new Error("the stack has no Vault");
      return vaultApiOf(vault, env, CALL_MS)(path, body);
    },
    oci: ociCli(env, OCI_MS),
  };
}

const LABELS = { mend: "mend", clear: "forget", refuse: "REFUSED", tell: "see" } as const;

const textOf = (findings: readonly Finding[]) =>
  findings.length === 0
    ? "No run has left anything."
    : linesOf(
        findings.map(({ kind, subject, found, plan }) => ({
          label: LABELS[kind],
          title: subject,
          reason: found,
          action: plan,
        })),
      ).join("\n");

/**
 * `npm run repair`
 *
 * @param directory where `Pulumi.<stack>.yaml` is
 */
export const repairCommand =
  (directory = projectDirectory, env: Env = process.env): MakeCommand =>
  (terminal) =>
    toolCommand("repair", SUMMARY, terminal)
      .addOption(stackOption())
      .option("--json", "prints what it found as JSON, and changes nothing without --yes")
      .addOption(yesOption())
      .action(async ({ stack, json, yes }: { stack: string; json?: true; yes?: true }) => {
        const print = printer(terminal);
        const approve = json && !yes ? undefined : operator(terminal, yes);
        const settings = await settingsOf(stack, directory);
        const isWhole = await repair({
          stack,
          settings,
          registrations: await recordStack(stack, { directory }),
          systems: systemsOf(() => kubeConfigOf(settings.cluster), settings.vault, env),
          pulumi: pulumiCli(directory),
          ...(approve && { approve }),
          say: (findings) => print(json ? asJson(findings) : textOf(findings)),
          log: json ? () => {} : print,
        });
        if (!isWhole) terminal.exitCode = 1;
      });

await main(import.meta, repairCommand());
