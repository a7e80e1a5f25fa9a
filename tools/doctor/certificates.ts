import { CERT_MANAGER_NAMESPACE } from "../../components/cert-manager.ts";
import { TLS_SECRET } from "../../components/certificate.ts";
import { letsEncrypt } from "../../settings/acme.ts";
import type { Settings } from "../../settings/settings.ts";
import { type Outcome, problem, skipped, unless, type Verdict, warning } from "../lib/checks.ts";
import { ask } from "../lib/http.ts";
import type { Installed } from "./cluster.ts";
import type { Examination } from "./examination.ts";

// How many certificates Let's Encrypt issued of late, and how many it issues.

/** How many certificates Let's Encrypt issued in the last seven days. */
export interface CertificateBudget {
  /** For just these names. */
  readonly sameNames: number;
  /** For any name at or below the base domain. */
  readonly any: number;
}

/**
 * How many certificates Let's Encrypt issues in seven days, for the same names and for a registered domain:
 * https://letsencrypt.org/docs/rate-limits/
 */
export const CERTIFICATE_LIMITS = { sameNames: 5, registeredDomain: 50 } as const;

/** How the certificate logs are asked. */
export interface LogSearch {
  /** Base URL of a search that answers as crt.sh does. */
  readonly url: string;
  /** Milliseconds for one search, of a large database. */
  readonly timeoutMs: number;
}

/** The search that covers all logs. */
export const CRT_SH: LogSearch = { url: "https://crt.sh", timeoutMs: 20_000 };

interface LogEntry {
  readonly issuer_name: string;
  /** Those names of the certificate that have the searched one in them, one a line. */
  readonly name_value: string;
  /** UTC, without saying so. */
  readonly entry_timestamp: string;
  readonly serial_number: string;
}

const DAY_MS = 86_400_000;

/**
 * Counts what Let's Encrypt issued for a domain, as the certificate transparency logs have it. The logs are behind by
 * minutes to hours, so there may be more; and a certificate with names outside of the domain counts as one without.
 *
 * @throws when the log search cannot be asked
 */
export async function certificateBudget(
  { baseDomain, hosts }: Pick<Settings, "baseDomain" | "hosts">,
  today = new Date(),
  { url, timeoutMs } = CRT_SH,
): Promise<CertificateBudget> {
  const query = new URLSearchParams({ q: baseDomain, output: "json", exclude: "expired" });
  const { status, body } = await ask<LogEntry[]>(`${url}/?${query}`, { timeoutMs });
  if (status !== 200 || !Array.isArray(body)) throw new Error(`the log search answers ${status}, and no list`);
  const weekAgo = today.getTime() - 7 * DAY_MS;
  // A certificate is logged twice, the second time with the logs' own receipts in it.
  const issued = new Map<string, string[]>();
  for (const entry of body) {
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

/** Examines how near the stack is to Let's Encrypt's limits. */
export const examineBudget = (
  { settings, limits, run }: Examination,
  today: Date,
  url: string,
  installed: Promise<Installed | undefined>,
): Promise<Outcome> =>
  run(BUDGET, [], async () => {
    const { issuer } = settings;
    if (issuer.kind !== "acme" || issuer.directory !== letsEncrypt.production)
      return skipped("acme.server is not production");
    const budget = await certificateBudget(settings, today, { url, timeoutMs: limits.logMs });
    return budgetVerdicts(settings, budget, (await installed)?.hasCertificate ?? false);
  });

/** The check's name. */
export const BUDGET = "certificates: Let's Encrypt's limits";

/** @param isThere whether the next `up` has a certificate to use again */
function budgetVerdicts(
  { baseDomain, hosts }: Settings,
  { sameNames, any }: CertificateBudget,
  isThere: boolean,
): readonly Verdict[] {
  const { sameNames: limit, registeredDomain } = CERTIFICATE_LIMITS;
  const fault = isThere ? warning : problem;
  const wait = `${
    isThere
      ? `keep Secret ${CERT_MANAGER_NAMESPACE}/${TLS_SECRET}, which the next up uses again`
      : "wait, or work with acme.server staging"
  }; one more is allowed every 34 hours`;
  const faults: Verdict[] = [];
  const same = `${sameNames} certificate(s) for ${hosts.join(" and ")} in seven days, of ${limit}`;
  if (sameNames >= limit) faults.push(fault(same, wait));
  else if (sameNames >= 3) faults.push(warning(same, wait));
  if (any >= registeredDomain)
    faults.push(
      fault(
        `${any} certificates below ${baseDomain} in seven days; a registered domain gets ${registeredDomain}`,
        "wait: one more is allowed every 202 minutes",
      ),
    );
  return unless(faults, same);
}
