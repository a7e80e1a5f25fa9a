import { activeZone, type Zone, zoneFault } from "../../components/zone.ts";
import type { Settings } from "../../settings/settings.ts";
import {
  found,
  given,
  lacking,
  type Outcome,
  ok,
  problem,
  skipped,
  unless,
  type Verdict,
  warning,
} from "../lib/checks.ts";
import { type AskCloudflare, cloudflareApi } from "../lib/cloudflare-api.ts";
import type { Installed } from "./cluster.ts";
import type { Examination } from "./examination.ts";
import { judgeCaa, judgeChallenge, judgeRecords, judgeSslMode } from "./zone.ts";

// What the run's token may do at Cloudflare, and the zone.

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
    judgeZone(settings, cloudflare),
  );
  return Promise.all([
    run("cloudflare: token", [api], (cloudflare) => judgeToken(isScoped, cloudflare)),
    run("cloudflare: API tokens", [api], async (cloudflare) =>
      isScoped
        ? judgePermissionGroups(cloudflare)
        : skipped('cloudflare.token is "supplied": the program makes no token'),
    ),
    zone,
    run("cloudflare: records", [zone], async (asked) => judgeRecords(settings, asked, await installed)),
    run("cloudflare: challenge", [zone], (asked) => judgeChallenge(settings, asked)),
    run("cloudflare: CAA", [zone], async (asked) => judgeCaa(settings, asked, await installed)),
    run("cloudflare: SSL mode", [zone], (asked) => judgeSslMode(settings, asked)),
  ]);
}

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

async function judgeZone({ domain, vault }: Settings, cloudflare: AskCloudflare) {
  const answer = await cloudflare<Zone[]>(`/zones?name=${encodeURIComponent(domain)}`);
  if ("refusal" in answer) return problem(answer.refusal, "add the permission Zone > Zone > Read to the run's token");
  const zones = answer.result;
  const active = activeZone(zones);
  const zone = active ?? zones[0];
  const { reason, action } = zoneFault(domain, zones);
  if (zone === undefined) return problem(reason, action);
  const asked = { id: zone.id, cloudflare };
  if (active === undefined) return found(asked, problem(reason, action));
  if (zones.length === 1) return found(asked, ok(`${domain} is active`));
  const where = `${domain} is active in account ${zone.account.name}, and ${zones.length - 1} more account(s) have a zone of that name`;
  // cert-manager takes the first that its token sees, and a token that the program makes sees the one.
  return found(
    asked,
    vault?.token.kind === "supplied"
      ? warning(
          `${where}: cert-manager writes to the first that cloudflareApiToken sees`,
          `let that token see the zone of account ${zone.account.name} alone`,
        )
      : ok(where),
  );
}
