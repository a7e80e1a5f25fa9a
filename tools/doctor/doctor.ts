import type { KubeConfig } from "@kubernetes/client-node";
import { projectDirectory } from "../../project/stack.ts";
import type { Settings } from "../../settings/settings.ts";
import { warnings } from "../../settings/warnings.ts";
import { type Outcome, ok, problem, runner, skipped, unless, warning } from "../lib/checks.ts";
import { CLOUDFLARE_URL } from "../lib/cloudflare-api.ts";
import { type MakeCommand, main, printer, stackOption, toolCommand, wordsOf } from "../lib/command.ts";
import { kubeConfigOf, settingsOf } from "../stack.ts";
import { examineAcme } from "./acme.ts";
import { BUDGET, CRT_SH, examineBudget } from "./certificates.ts";
import { examineCloudflare } from "./cloudflare.ts";
import { examineCluster } from "./cluster.ts";
import type { Env, Limits } from "./examination.ts";
import { type Finding, findingsOf, findingsText } from "./findings.ts";
import { examineOci } from "./oci.ts";
import { type AskOci, ociCli } from "./oci-cli.ts";
import { examineVault } from "./vault.ts";

// Finds before an `up` what would fail late in it. It reads, and changes nothing.

/** What the doctor looks at. */
export interface DoctorOptions {
  /** The stack's name. */
  readonly stack: string;
  readonly settings: Settings;
  /** The way into the cluster. */
  readonly kubeConfig: () => Promise<KubeConfig>;
  readonly env: Env;
  /** The date that ends of support and weeks are compared with. @default - now */
  readonly today?: Date;
  /** @default - the CLI on PATH */
  readonly oci?: AskOci;
  /** Base URL of Cloudflare's API. @default - Cloudflare's own */
  readonly cloudflareUrl?: string;
  /** Base URL of the log search. @default - crt.sh */
  readonly logUrl?: string;
  /** @default {@link LIMITS} */
  readonly limits?: Limits;
}

const LIMITS: Limits = { callMs: 5000, ociMs: 30_000, logMs: CRT_SH.timeoutMs, checkMs: 60_000 };

/** Looks at everything that a stack needs; all systems at once, and each without the others. */
export async function doctor(options: DoctorOptions): Promise<Finding[]> {
  const { stack, settings, kubeConfig, env, today = new Date(), limits = LIMITS } = options;
  const { cloudflareUrl = CLOUDFLARE_URL, logUrl = CRT_SH.url } = options;
  // What cannot be asked says nothing of how things are.
  const examination = { stack, settings, env, limits, run: runner(limits.checkMs, "skipped") };
  const cluster = examineCluster(examination, kubeConfig);
  const installed = cluster.then((report) => report.installed);
  const outcomes = await Promise.all([
    [{ subject: { name: CONFIGURATION }, verdicts: [ok("valid")] }],
    [adviceOn(settings, today)],
    cluster.then((report) => report.outcomes),
    examineOci(examination, options.oci ?? ociCli(env, limits.ociMs), installed),
    examineCloudflare(examination, cloudflareUrl, installed),
    examineVault(examination, kubeConfig),
    examineAcme(examination),
    examineBudget(examination, today, logUrl, installed).then((outcome) => [outcome]),
  ]);
  return findingsOf(outcomes.flat());
}

const CONFIGURATION = "configuration";
const ADVICE = "configuration: advice";

function adviceOn(settings: Settings, today: Date): Outcome {
  const advice = warnings(settings, today).map((note) => warning(note, "change it, or leave it so knowingly"));
  return { subject: { name: ADVICE }, verdicts: unless(advice, "none; no chart is past its end") };
}

/** All that is left to say of a stack whose settings are wrong. */
const misconfigured = (error: unknown): Finding[] => [
  {
    check: CONFIGURATION,
    // Not in one line: the message has one for each mistake.
    ...problem(wordsOf(error), "correct Pulumi.<stack>.yaml, and run this again"),
  },
  ...[ADVICE, "kubernetes", "oci", "cloudflare", "vault", BUDGET].map((check) => ({
    check,
    ...skipped("the configuration has mistakes"),
  })),
];

/**
 * `npm run doctor`
 *
 * @param directory where `Pulumi.<stack>.yaml` is
 */
export const doctorCommand =
  (directory = projectDirectory, env: Env = process.env): MakeCommand =>
  (terminal) =>
    toolCommand(
      "doctor",
      "Looks for what would fail late in an up: credentials, cluster, what stands in the way, zone, OCI, Vault, certificates.\n" +
        "It changes nothing, and says what it could not ask and why. It ends with 1 when there is a problem.",
      terminal,
    )
      .addOption(stackOption())
      .option("--json", 'prints the findings as JSON: [{ "check", "level", "reason", "action"? }]')
      .action(async ({ stack, json }: { stack: string; json?: boolean }) => {
        const findings = await settingsOf(stack, directory).then(
          (settings) => doctor({ stack, settings, kubeConfig: () => kubeConfigOf(settings.cluster), env }),
          misconfigured,
        );
        printer(terminal)(json ? JSON.stringify(findings, null, 2) : findingsText(findings));
        if (findings.some(({ level }) => level === "problem")) terminal.exitCode = 1;
      });

await main(import.meta, doctorCommand());
