import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { CoreV1Api, type KubeConfig } from "@kubernetes/client-node";
import { TLS_SECRET } from "../components/certificate.ts";
import { projectDirectory } from "../project/stack.ts";
import { letsEncrypt } from "../settings/acme.ts";
import type { Settings } from "../settings/settings.ts";
import { certificateBudget } from "./doctor/certificates.ts";
import { runInForeground } from "./lib/foreground.ts";
import { kubeConfigOf, settingsOf } from "./stack.ts";
import { type Check, checksText, verify } from "./verify/verify.ts";

const usage = `npm run promote -- --stack <name> [--roots <file>] [--ignore-budget] [--yes]

From Let's Encrypt's staging to production: verifies what is up, counts the certificates of this week, sets
acme.server, previews, asks, runs up, and verifies again with a certificate that was really issued.

  --roots          PEM of Let's Encrypt's staging roots; without it, whether they are trusted is left out
  --ignore-budget  go on when the certificate logs cannot be asked
  --yes            do not ask`;

/** Certificates for the same names that Let's Encrypt issues in seven days: https://letsencrypt.org/docs/rate-limits/ */
const DUPLICATES = 5;

/** Seconds for the gateway to present a new certificate; its copy comes within a second or two. */
const ARRIVAL_SECONDS = 60;

/** A certificate that the cluster holds. */
export interface Issued {
  /** SHA-256 of the certificate. */
  readonly fingerprint: string;
  /** Who signed it. */
  readonly issuer: string;
}

/** What a promotion works with. */
export interface Promotion {
  readonly stack: string;
  readonly settings: Settings;
  /** Checks what is up, with the roots of that server. */
  readonly verify: (server: "staging" | "production") => Promise<Check[]>;
  /** Whether the checks can tell if staging's roots are trusted. */
  readonly hasStagingRoots: boolean;
  /** How many certificates for the stack's names were issued in seven days; throws when nobody can say. */
  readonly issuedThisWeek: () => Promise<number>;
  readonly ignoreBudget: boolean;
  readonly certificate: () => Promise<Issued>;
  /** Runs the Pulumi CLI; true when it succeeded. */
  readonly pulumi: (args: string[]) => Promise<boolean>;
  /** Asks the operator; true to go on. */
  readonly confirm: () => Promise<boolean>;
  /** Waits before the next look at what is up. */
  readonly pause: () => Promise<void>;
  readonly log: (line: string) => void;
}

/**
 * Brings a stack from Let's Encrypt's staging to production. A run after one that failed goes on where that stopped.
 *
 * @throws when a guard says no, or a step fails, with what to do
 */
export async function promote(work: Promotion): Promise<void> {
  const { settings, stack, log } = work;
  const before = await work.certificate();
  const isResumed = settings.acme?.directory === letsEncrypt.production;
  if (settings.acme?.directory !== letsEncrypt.staging && !(isResumed && isStaging(before))) {
    throw new Error(
      isResumed
        ? `stack ${stack} has a certificate of Let's Encrypt's production already; there is nothing to do`
        : `acme.server is ${settings.acme?.directory ?? "ca"}; allowed: "staging", which is what this comes from`,
    );
  }

  log("1. what is up, with staging");
  const wrong = failures(await work.verify("staging")).filter(({ name }) => name !== "trust" || work.hasStagingRoots);
  if (wrong.length > 0) throw new Error(`not promoted: what is up fails with staging already\n${checksText(wrong)}`);
  if (!work.hasStagingRoots) log("   all passes; trust was left out, for want of --roots");

  log("2. the certificates of this week");
  await guardBudget(work);

  if (isResumed) log("3. acme.server is production already: going on where a run before stopped");
  else {
    log("3. acme.server becomes production");
    await must(work, ["config", "set", "--path", "acme.server", "production"]);
  }
  const takeBack = async (why: string) => {
    if (!isResumed) await must(work, ["config", "set", "--path", "acme.server", "staging"]);
    throw new Error(`not promoted: ${why}${isResumed ? "" : "; acme.server is staging again"}`);
  };
  if (!(await work.pulumi(["preview", "--stack", stack]))) await takeBack("the preview failed");
  if (!(await work.confirm())) await takeBack("nobody said yes");

  log("4. up, and a certificate of production's");
  if (!(await work.pulumi(["up", "--yes", "--skip-preview", "--stack", stack])))
    throw new Error(
      "up failed. The certificate of before is still served. When the reason is gone, run this command again; it goes on from here",
    );
  const after = await work.certificate();
  if (after.fingerprint === before.fingerprint || isStaging(after))
    throw new Error(
      `no other certificate was issued: the cluster holds ${after.fingerprint}, signed by ${after.issuer}; look at ` +
        "kubectl -n cert-manager describe certificate,order,challenge",
    );
  log(`   ${after.fingerprint}, signed by ${after.issuer}`);

  log("5. what is up, with production");
  const left = await untilFine(work);
  if (left.length > 0) throw new Error(`the new certificate is there, and something is wrong:\n${checksText(left)}`);
  log(`done: stack ${stack} is served with a certificate that browsers trust; commit Pulumi.${stack}.yaml`);
}

const failures = (checks: readonly Check[]) => checks.filter(({ status }) => status === "FAIL");

/** Staging says so in its issuers' names: https://letsencrypt.org/docs/staging-environment/ */
const isStaging = ({ issuer }: Issued) => issuer.includes("(STAGING)");

async function guardBudget({ issuedThisWeek, ignoreBudget, log }: Promotion): Promise<void> {
  const issued = await issuedThisWeek().catch((error: Error) => {
    if (ignoreBudget) return undefined;
    throw new Error(
      `how many certificates are left cannot be asked: ${error.message}; try later, or go on with --ignore-budget`,
    );
  });
  if (issued === undefined) log("   not known, and ignored");
  else if (issued >= DUPLICATES)
    throw new Error(
      `not promoted: Let's Encrypt has issued ${issued} certificates for these names within a week, and allows ` +
        `${DUPLICATES}; one more is allowed every 34 hours`,
    );
  else log(`   ${issued} of ${DUPLICATES} are used up`);
}

async function must({ pulumi, stack }: Promotion, args: string[]): Promise<void> {
  if (!(await pulumi([...args, "--stack", stack]))) throw new Error(`pulumi ${args.join(" ")} --stack ${stack} failed`);
}

/** The failures that are left when the new certificate has had time to arrive. */
async function untilFine({ verify, pause }: Promotion): Promise<Check[]> {
  for (let second = 0; ; second++) {
    const wrong = failures(await verify("production"));
    if (wrong.length === 0 || second === ARRIVAL_SECONDS) return wrong;
    await pause();
  }
}

/** The certificate in cert-manager's namespace, without a look at its key. */
export async function certificateIn(kubeConfig: KubeConfig): Promise<Issued> {
  const [name, namespace] = [TLS_SECRET, "cert-manager"];
  const { data } = await kubeConfig
    .makeApiClient(CoreV1Api)
    .readNamespacedSecret({ name, namespace })
    .catch((error: { code?: number; message?: string }) => {
      const why = error.code === 404 ? "it is not there; run up with staging first" : error.message;
      throw new Error(`Secret ${name} in namespace ${namespace} cannot be read: ${why}`);
    });
  const { fingerprint256, issuer } = new X509Certificate(Buffer.from(data?.["tls.crt"] ?? "", "base64"));
  return { fingerprint: fingerprint256, issuer: issuer.split("\n").join(", ") };
}

async function ask(): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question("Go on, and have production issue a certificate? [y/N] ");
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      stack: { type: "string" },
      roots: { type: "string" },
      "ignore-budget": { type: "boolean", default: false },
      yes: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  const { stack, roots, yes } = values;
  if (stack === undefined) throw new Error(`--stack is missing; allowed:\n${usage}`);
  if (!yes && !process.stdin.isTTY) throw new Error("there is no terminal to ask on; run it with --yes");
  const settings = await settingsOf(stack);
  const kubeConfig = await kubeConfigOf(settings.cluster);
  const staging = roots === undefined ? undefined : await readFile(roots, "utf8");
  await promote({
    stack,
    settings,
    verify: (server) => verify({ settings, kubeConfig, ...(server === "staging" && { roots: staging }) }),
    hasStagingRoots: roots !== undefined,
    issuedThisWeek: async () => (await certificateBudget(settings)).sameNames,
    ignoreBudget: values["ignore-budget"],
    certificate: () => certificateIn(kubeConfig),
    pulumi: async (args) => (await runInForeground("pulumi", args, { cwd: projectDirectory })) === 0,
    confirm: yes ? async () => true : ask,
    pause: () => new Promise((resolve) => setTimeout(resolve, 1000)),
    log: (line) => console.log(line),
  });
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
