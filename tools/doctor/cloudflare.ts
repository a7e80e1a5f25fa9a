import { letsEncrypt } from "../../settings/acme.ts";
import type { Settings } from "../../settings/settings.ts";
import {
  found,
  given,
  lacking,
  type Outcome,
  ok,
  problem,
  Stop,
  skipped,
  unless,
  type Verdict,
  warning,
} from "../lib/checks.ts";
import { type AskCloudflare, cloudflareApi } from "../lib/cloudflare-api.ts";
import { caaVerdicts, type DnsRecord } from "./caa.ts";
import type { Installed } from "./cluster.ts";
import type { Examination } from "./examination.ts";

// What the zone has, and what the run's token may do.

interface Zone {
  readonly id: string;
  readonly status: string;
}

/**
 * Examines the zone, and what the run's token may do.
 *
 * @param url base URL of the API, up to its version
 * @param installed what is in the cluster already; undefined when that is not known
 */
export async function examineCloudflare(
  { settings, env, limits, run }: Examination,
  url: string,
  installed: Promise<Installed | undefined>,
): Promise<Outcome[]> {
  const token = env.CLOUDFLARE_API_TOKEN;
  const isScoped = settings.vault?.token.kind === "scoped";
  const api =
    settings.vault === undefined
      ? lacking('cloudflare.token is "none"')
      : token
        ? given(cloudflareApi(url, token, limits.callMs))
        : lacking("CLOUDFLARE_API_TOKEN is not set", "set it to the token of the run");
  const zone = await run({ name: "cloudflare: zone", without: "the zone cannot be seen" }, [api], (cloudflare) =>
    judgeZone(settings.domain, cloudflare),
  );
  return Promise.all([
    run("cloudflare: token", [api], (cloudflare) => judgeToken(isScoped, cloudflare)),
    run("cloudflare: API tokens", [api], async (cloudflare) =>
      isScoped
        ? judgePermissionGroups(cloudflare)
        : skipped('cloudflare.token is "supplied": the program makes no token'),
    ),
    zone,
    run("cloudflare: records", [api, zone], async (cloudflare, { id }) => {
      if (settings.records === undefined) return skipped("no records are made without loadBalancer");
      const queries = settings.hosts.map((host) => `name.exact=${encodeURIComponent(host)}`);
      const answers = await Promise.all(queries.map((query) => recordsOf(cloudflare, id, query)));
      return recordVerdicts(answers.flat(), await installed);
    }),
    run("cloudflare: CAA", [api, zone], async (cloudflare, { id }) =>
      isLetsEncrypt(settings)
        ? caaVerdicts(settings, await recordsOf(cloudflare, id, "type=CAA"))
        : skipped("the ACME server is not Let's Encrypt"),
    ),
  ]);
}

const isLetsEncrypt = ({ issuer }: Settings) =>
  issuer.kind === "acme" && Object.values<string>(letsEncrypt).includes(issuer.directory);

async function judgeToken(isScoped: boolean, cloudflare: AskCloudflare): Promise<Verdict> {
  const answer = await cloudflare<{ status: string }>("/user/tokens/verify");
  const action = "make one at Cloudflare, My Profile > API Tokens, and set CLOUDFLARE_API_TOKEN";
  if ("result" in answer && answer.result.status === "active") return ok("active");
  const reason = "refusal" in answer ? answer.refusal : `the token is ${answer.result.status}`;
  // An account's own token is not verified here, and is good for everything but making a user's token.
  return isScoped ? problem(reason, action) : warning(`${reason}; it is no user's token, or no token`, action);
}

async function judgePermissionGroups(cloudflare: AskCloudflare): Promise<Verdict | readonly Verdict[]> {
  const answer = await cloudflare<{ name: string; scopes: string[] }[]>("/user/tokens/permission_groups");
  const action = "add the permission User > API Tokens > Edit to the run's token, or set cloudflare.token to supplied";
  if ("refusal" in answer) return problem(`may not list permission groups: ${answer.refusal}`, action);
  const zones = answer.result.filter(({ scopes }) => scopes.includes("com.cloudflare.api.account.zone"));
  const lacking = ["DNS Write", "Zone Read"].filter((wanted) => !zones.some(({ name }) => name === wanted));
  return unless(
    lacking.map((name) => problem(`Cloudflare lists no permission group "${name}" for zones`, action)),
    "may list permission groups",
  );
}

async function judgeZone(domain: string, cloudflare: AskCloudflare) {
  const answer = await cloudflare<Zone[]>(`/zones?name=${encodeURIComponent(domain)}`);
  if ("refusal" in answer) return problem(answer.refusal, "add the permission Zone > Zone > Read to the run's token");
  const zone = answer.result[0];
  if (zone === undefined)
    return problem(
      `the token sees no zone ${domain}`,
      "correct domain, add the zone at Cloudflare, or let the token see it (Zone > Zone > Read)",
    );
  if (zone.status === "active") return found(zone, ok(`${domain} is active`));
  const reason = `the zone ${domain} is ${zone.status}: the world does not ask Cloudflare for it`;
  return found(zone, problem(reason, "set the name servers that Cloudflare names at the domain's registrar"));
}

/** @throws {Stop} where the token may not read them */
async function recordsOf(cloudflare: AskCloudflare, zone: string, query: string): Promise<DnsRecord[]> {
  const answer = await cloudflare<DnsRecord[]>(`/zones/${zone}/dns_records?${query}&per_page=100`);
  if ("result" in answer) return answer.result;
  throw new Stop(
    problem(`may not read DNS records: ${answer.refusal}`, "add the permission Zone > DNS > Edit to the run's token"),
  );
}

/** A record is this stack's when it has the address of the gateway's Service. */
function recordVerdicts(records: readonly DnsRecord[], installed: Installed | undefined): readonly Verdict[] {
  const rivals = records.filter(({ type }) => ["A", "AAAA", "CNAME"].includes(type));
  const address = installed?.gateway?.address;
  const faults = rivals.flatMap(({ type, name, content }) => {
    if (type === "A" && address !== undefined && content === address) return [];
    const reason = `${name} has a record already: ${type} ${content}`;
    const action = "delete it at Cloudflare, or take it over: npm run repair has the command for an A record";
    const mayBeOurs = type === "A" && (installed === undefined || (installed.any && address === undefined));
    return [
      mayBeOurs ? warning(`${reason}, and whether it is this stack's is not known`, action) : problem(reason, action),
    ];
  });
  return unless(faults, rivals.length > 0 ? `this stack's, to ${address}` : "none in the way");
}
