import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type { KubeConfig } from "@kubernetes/client-node";
import { type Settings, warnings } from "../config.ts";
import { letsEncrypt } from "../settings/acme.ts";
import { examineCloudflare, examineOci, examineVault } from "./doctor/clouds.ts";
import { examineCluster } from "./doctor/cluster.ts";
import { ask, check, type Finding, forAll, ok, problem, reasonOf, skipped, unless, warning } from "./doctor/finding.ts";
import { kubeConfigOf, settingsOf } from "./stack.ts";

// Finds before an `up` what would fail late in it. It reads, and changes nothing.

const usage = `usage: npm run doctor -- [--stack <name>] [--json]

Looks for what would fail late in an up: credentials, cluster, what stands in the way, zone, OCI, Vault, certificates.
It changes nothing, and says what it could not ask and why. It ends with 1 when there is a problem.

  --stack <name>  the stack of Pulumi.<name>.yaml (prod)
  --json          the findings as JSON: [{ "check", "level", "reason", "action"? }]`;

/** What the doctor looks at. */
export interface DoctorOptions {
  readonly settings: Omit<Settings, "cloudflareApiToken">;
  /** The way into the cluster. */
  readonly kubeConfig: () => Promise<KubeConfig>;
  /** The environment of the run: tokens, and the PATH with the `oci` CLI. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The date that ends of support and weeks are compared with. @default - now */
  readonly today?: Date;
  /** Base URL of Cloudflare's API. @default - Cloudflare's own */
  readonly cloudflareUrl?: string;
  /** Base URL of the log search. @default - crt.sh */
  readonly logUrl?: string;
}

/** Looks at everything that a stack needs; all systems at once, and each without the others. */
export async function doctor(options: DoctorOptions): Promise<Finding[]> {
  const { settings, kubeConfig, env, today = new Date(), logUrl } = options;
  const cluster = examineCluster(settings, kubeConfig);
  const installed = cluster.then((report) => report.installed);
  const [inCluster, ...elsewhere] = await Promise.all([
    cluster,
    examineOci(settings, env, installed),
    examineCloudflare(settings, env, installed, options.cloudflareUrl ?? "https://api.cloudflare.com/client/v4"),
    examineVault(settings, env),
    check(BUDGET, () => budgetVerdicts(settings, today, logUrl)),
  ]);
  return [
    { check: CONFIGURATION, ...ok("valid") },
    ...configurationFindings(settings, today),
    ...inCluster.findings,
    ...elsewhere.flat(),
  ];
}

const CONFIGURATION = "configuration";
const ADVICE = "configuration: advice";
const BUDGET = "certificates: Let's Encrypt's limits";

const configurationFindings = (settings: DoctorOptions["settings"], today: Date): Finding[] => {
  const advice = warnings(settings, today).map((note) => warning(note, "change it, or leave it so knowingly"));
  return unless(advice, "none; no chart is past its end").map((verdict) => ({ check: ADVICE, ...verdict }));
};

/** How many certificates Let's Encrypt issued in the last seven days. */
export interface CertificateBudget {
  /** For just these names; Let's Encrypt issues five. */
  readonly sameNames: number;
  /** For any name at or below the base domain; Let's Encrypt issues fifty for a registered domain. */
  readonly any: number;
}

/** Certificates in seven days, for the same names and for a registered domain: https://letsencrypt.org/docs/rate-limits/ */
const CERTIFICATE_LIMITS = { sameNames: 5, registeredDomain: 50 } as const;

/** crt.sh searches a large database, and takes its time. */
const LOG_SECONDS = 20;

interface LogEntry {
  readonly issuer_name: string;
  /** Those names of the certificate that have the searched one in them, one a line. */
  readonly name_value: string;
  /** UTC, without saying so. */
  readonly entry_timestamp: string;
  readonly serial_number: string;
}

/**
 * Counts what Let's Encrypt issued for a domain, as the certificate transparency logs have it. The logs are behind by
 * minutes to hours, so there may be more; and a certificate with names outside of the domain counts as one without.
 *
 * @param hosts the names whose duplicates are counted. @default - the wildcard and the domain itself
 * @param logUrl base URL of the log search, which answers as crt.sh does
 * @throws when the log search cannot be asked
 */
export async function certificateBudget(
  baseDomain: string,
  today: Date = new Date(),
  hosts: readonly string[] = [`*.${baseDomain}`, baseDomain],
  logUrl = "https://crt.sh",
): Promise<CertificateBudget> {
  const query = new URLSearchParams({ q: baseDomain, output: "json", exclude: "expired" });
  const { status, body } = await ask(`${logUrl}/?${query}`, { seconds: LOG_SECONDS });
  if (status !== 200 || !Array.isArray(body)) throw new Error(`the log search answers ${status}, and no list`);
  const weekAgo = today.getTime() - 7 * 86_400_000;
  // A certificate is logged twice, the second time with the logs' own receipts in it.
  const issued = new Map<string, string[]>();
  for (const entry of body as LogEntry[]) {
    const names = entry.name_value.toLowerCase().split("\n");
    const isBelow = names.some((name) => `.${name}`.endsWith(`.${baseDomain}`));
    const logged = Date.parse(`${entry.entry_timestamp.replace(/Z$/, "")}Z`);
    if (isBelow && logged > weekAgo && /O=Let's Encrypt/.test(entry.issuer_name))
      issued.set(entry.serial_number, names);
  }
  const key = (names: readonly string[]) => [...new Set(names)].sort().join(" ");
  const same = [...issued.values()].filter((names) => key(names) === key(hosts));
  return { sameNames: same.length, any: issued.size };
}

async function budgetVerdicts({ acme, baseDomain, hosts }: DoctorOptions["settings"], today: Date, logUrl?: string) {
  if (acme?.directory !== letsEncrypt.production) return skipped("acme.server is not production");
  const { sameNames, any } = await certificateBudget(baseDomain, today, hosts, logUrl);
  const { sameNames: limit, registeredDomain } = CERTIFICATE_LIMITS;
  const wait =
    "keep the namespace cert-manager, whose certificate is used again, or work with acme.server staging; one more is allowed every 34 hours";
  const faults = [];
  const same = `${sameNames} certificate(s) for ${hosts.join(" and ")} in seven days, of ${limit}`;
  if (sameNames >= limit) faults.push(problem(same, wait));
  else if (sameNames >= 3) faults.push(warning(same, wait));
  if (any >= registeredDomain) {
    faults.push(
      problem(
        `${any} certificates below ${baseDomain} in seven days; a registered domain gets ${registeredDomain}`,
        "wait: one more is allowed every 202 minutes",
      ),
    );
  }
  return unless(faults, same);
}

/** All that is left to say of a stack whose settings are wrong. */
const misconfigured = (error: unknown): Finding[] => [
  {
    check: CONFIGURATION,
    // Not in one line: the message has one for each mistake.
    ...problem(
      error instanceof Error ? error.message : String(error),
      "correct Pulumi.<stack>.yaml, and run this again",
    ),
  },
  ...forAll([ADVICE, "kubernetes", "oci", "cloudflare", "vault", BUDGET], skipped("the configuration has mistakes")),
];

/** The findings as a table, and what to do below each. */
export function findingsText(findings: Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const labels = { ok: "ok", warning: "warning", problem: "PROBLEM", skipped: "skipped" };
  const lines = findings.flatMap(({ check, level, reason, action }) => [
    `${labels[level].padEnd(7)}  ${check.padEnd(width)}  ${reason.replaceAll("\n", `\n${" ".repeat(width + 11)}`)}`,
    ...(action === undefined ? [] : [`${" ".repeat(width + 11)}→ ${action}`]),
  ]);
  const count = (wanted: Finding["level"]) => findings.filter(({ level }) => level === wanted).length;
  return [
    ...lines,
    "",
    `${count("problem")} problem(s), ${count("warning")} warning(s), ${count("ok")} ok, ${count("skipped")} skipped`,
  ].join("\n");
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      stack: { type: "string", default: "prod" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  const findings = await settingsOf(values.stack).then(
    (settings) => doctor({ settings, kubeConfig: () => kubeConfigOf(settings.cluster), env: process.env }),
    misconfigured,
  );
  const text = values.json ? JSON.stringify(findings, null, 2) : findingsText(findings);
  await new Promise((resolve) => process.stdout.write(`${text}\n`, resolve));
  // Not exitCode alone: a credential plugin that hangs would keep the process.
  process.exit(findings.some(({ level }) => level === "problem") ? 1 : 0);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    await main();
  } catch (error) {
    console.error(`${reasonOf(error)}\n\n${usage}`);
    process.exitCode = 1;
  }
}
