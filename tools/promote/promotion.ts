import { X509Certificate } from "node:crypto";
import { CoreV1Api, type KubeConfig } from "@kubernetes/client-node";
import { CERT_MANAGER_NAMESPACE } from "../../components/cert-manager.ts";
import { TLS_SECRET } from "../../components/certificate.ts";
import { letsEncrypt } from "../../settings/acme.ts";
import type { Settings } from "../../settings/settings.ts";
import { CERTIFICATE_LIMITS } from "../doctor/certificates.ts";
import { type PulumiCli, propose } from "../lib/pulumi.ts";
import { type Check, checksText } from "../verify/check.ts";

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
  readonly ignoreBudget?: boolean | undefined;
  readonly certificate: () => Promise<Issued>;
  readonly pulumi: PulumiCli;
  /** Asks the operator, who has seen the preview. */
  readonly approve: () => Promise<boolean>;
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
  const { settings, stack, pulumi, approve, log } = work;
  const before = await work.certificate();
  const server = settings.issuer.kind === "acme" ? settings.issuer.directory : settings.issuer.kind;
  const isResumed = server === letsEncrypt.production;
  if (server !== letsEncrypt.staging && !(isResumed && isStaging(before))) {
    throw new Error(
      isResumed
        ? `stack ${stack} has a certificate of Let's Encrypt's production already; there is nothing to do`
        : `acme.server is ${server}; allowed: "staging", which is what this comes from`,
    );
  }

  log("1. what is up, with staging");
  const wrong = failures(await work.verify("staging")).filter(({ name }) => name !== "trust" || work.hasStagingRoots);
  if (wrong.length > 0) throw new Error(`not promoted: what is up fails with staging already\n${checksText(wrong)}`);
  if (!work.hasStagingRoots) log("   all passes; trust was left out, for want of --roots");

  log("2. the certificates of this week");
  await guardBudget(work);

  const change = isResumed ? undefined : { path: "oke-platform:acme.server", value: "production" };
  log(
    isResumed
      ? "3. acme.server is production already: going on where a run before stopped"
      : "3. acme.server becomes production",
  );
  if (!(await propose(pulumi, { stack, change, approve, log }))) throw new Error("not promoted: nobody said yes");

  log("4. up, and a certificate of production's");
  if ((await pulumi.show(["up", "--yes", "--skip-preview", "--stack", stack])) !== 0)
    throw new Error(
      "up failed. The certificate of before is still served. When the reason is gone, run this command again; it goes on from here",
    );
  const after = await work.certificate();
  if (after.fingerprint === before.fingerprint || isStaging(after))
    throw new Error(
      `no other certificate was issued: the cluster holds ${after.fingerprint}, signed by ${after.issuer}; look at ` +
        `kubectl -n ${CERT_MANAGER_NAMESPACE} describe certificate,order,challenge`,
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
  else if (issued >= CERTIFICATE_LIMITS.sameNames)
    throw new Error(
      `not promoted: Let's Encrypt has issued ${issued} certificates for these names within a week, and allows ` +
        `${CERTIFICATE_LIMITS.sameNames}; one more is allowed every 34 hours`,
    );
  else log(`   ${issued} of ${CERTIFICATE_LIMITS.sameNames} are used up`);
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
  const [name, namespace] = [TLS_SECRET, CERT_MANAGER_NAMESPACE];
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
