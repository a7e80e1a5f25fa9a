import { caaFaults, upToZone, type ZoneRecord } from "../../components/caa.ts";
import { challengeFaults, decidingNames } from "../../components/challenge.ts";
import { isLetsEncrypt, letsEncrypt } from "../../settings/acme.ts";
import type { Settings } from "../../settings/settings.ts";
import { ok, problem, Stop, skipped, unless, type Verdict, warning } from "../lib/checks.ts";
import type { AskCloudflare } from "../lib/cloudflare-api.ts";
import type { Installed } from "./cluster.ts";

// What is in the zone that decides whether the certificate is issued, and the hosts are served.

/** A zone that can be asked. */
export interface AskedZone {
  readonly id: string;
  readonly cloudflare: AskCloudflare;
}

/** @throws {Stop} where the token may not read them */
async function recordsAt(
  { id, cloudflare }: AskedZone,
  names: readonly string[],
  type?: string,
): Promise<ZoneRecord[]> {
  const answers = await Promise.all(
    names.map((name) => {
      const query = new URLSearchParams({ "name.exact": name, ...(type !== undefined && { type }), per_page: "100" });
      return cloudflare<ZoneRecord[]>(`/zones/${id}/dns_records?${query}`);
    }),
  );
  return answers.flatMap((answer) => {
    if ("result" in answer) return answer.result;
    throw new Stop(
      problem(`may not read DNS records: ${answer.refusal}`, "add the permission Zone > DNS > Edit to the run's token"),
    );
  });
}

/** Whether the hosts have room for the records. A record is this stack's when it has the address of the gateway's Service. */
export async function judgeRecords(
  { records, hosts }: Settings,
  zone: AskedZone,
  installed: Installed | undefined,
): Promise<Verdict | readonly Verdict[]> {
  if (records === undefined) return skipped("no records are made without loadBalancer");
  const rivals = (await recordsAt(zone, hosts)).filter(({ type }) => ["A", "AAAA", "CNAME"].includes(type));
  const address = installed?.gateway?.address;
  const faults = rivals.flatMap(({ type, name, content }) => {
    if (type === "A" && address !== undefined && content === address) return [];
    const reason = `${name} has a record already: ${type} ${content}`;
    const takeOver = "npm run repair has the command for an A record";
    const isPerhapsOurs = type === "A" && (installed === undefined || (installed.any && address === undefined));
    if (isPerhapsOurs)
      return [
        warning(
          `${reason}, and whether it is this stack's is not known`,
          `where pulumi preview does not refuse it, it is: leave it; else delete it at Cloudflare, or take it over: ${takeOver}`,
        ),
      ];
    // One that somebody changed is still in this stack's state, which would miss it.
    if (type === "A" && address !== undefined)
      return [
        problem(
          `${reason}, and the gateway is at ${address}`,
          `pulumi up --refresh puts this stack's own right; one that it leaves is somebody else's: delete that at Cloudflare`,
        ),
      ];
    return [problem(reason, `delete it at Cloudflare; ${takeOver}`)];
  });
  return unless(faults, rivals.length > 0 ? `this stack's, to ${address}` : "none in the way");
}

/** Whether the challenge's TXT record can be written, and is seen. */
export async function judgeChallenge(settings: Settings, zone: AskedZone): Promise<Verdict | readonly Verdict[]> {
  if (settings.issuer.kind === "ca") return skipped('acme.server is "ca", which sets no challenge');
  const faults = challengeFaults(settings, await recordsAt(zone, decidingNames(settings)));
  return unless(
    faults.map(({ reason, action }) => problem(reason, action)),
    "neither alias nor delegation in its way",
  );
}

/** Whether the zone's CAA records let Let's Encrypt issue. */
export async function judgeCaa(
  settings: Settings,
  zone: AskedZone,
  installed: Installed | undefined,
): Promise<Verdict | readonly Verdict[]> {
  const { issuer } = settings;
  if (issuer.kind === "ca" || !isLetsEncrypt(issuer.directory)) return skipped("the ACME server is not Let's Encrypt");
  const records = await recordsAt(zone, upToZone(settings), "CAA");
  const { name, faults } = caaFaults(settings, records, installed?.account);
  return unless(
    faults.map(({ reason, action, isCertain }) => (isCertain ? problem : warning)(reason, action)),
    name === undefined ? "none" : `those of ${name} allow letsencrypt.org`,
  );
}

/** What can be done where the zone's mode does not suit. */
const MODES = "set SSL/TLS > Overview of the zone to Full (strict), or a Configuration Rule for these hosts";

/**
 * How Cloudflare comes to the gateway for a host that it proxies:
 * https://developers.cloudflare.com/ssl/origin-configuration/ssl-modes/
 */
export async function judgeSslMode(
  { records, issuer, hosts }: Settings,
  { id, cloudflare }: AskedZone,
): Promise<Verdict> {
  if (records === undefined || !records.proxied) return skipped("cloudflare.proxied is false: visitors come directly");
  const answer = await cloudflare<{ value: string }>(`/zones/${id}/settings/ssl`);
  if ("refusal" in answer)
    return skipped(
      `may not read the zone's SSL mode: ${answer.refusal}`,
      "add the permission Zone > Zone Settings > Read to the run's token, or see SSL/TLS > Overview: it is to be Full or Full (strict)",
    );
  const mode = answer.result.value;
  switch (mode) {
    case "off":
    case "flexible":
      return problem(
        `the zone's SSL mode is ${mode}: Cloudflare comes to the gateway over HTTP, which redirects to HTTPS, for ever`,
        `${MODES}; with such a rule there is nothing to do`,
      );
    case "strict":
    case "origin_pull":
      // With a server of somebody's own it depends on who trusts it.
      if (issuer.kind === "acme" && issuer.directory !== letsEncrypt.staging) break;
      return warning(
        `the zone's SSL mode is ${mode}: Cloudflare does not trust the certificate of acme.server, and answers 526 for ${hosts.join(" and ")}`,
        "set acme.server to production, or the mode to Full while this is a test",
      );
  }
  return ok(mode);
}
