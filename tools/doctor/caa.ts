import type { Settings } from "../../settings/settings.ts";
import { problem, unless, type Verdict } from "../lib/checks.ts";

/** A record of a zone, as Cloudflare tells of it: https://developers.cloudflare.com/api/resources/dns/subresources/records/ */
export interface DnsRecord {
  readonly type: string;
  readonly name: string;
  readonly content: string;
  /** The parts of a CAA record's content. */
  readonly data?: { readonly tag?: string; readonly value?: string };
}

/**
 * Whether the zone's CAA records let Let's Encrypt issue both names: the records of the closest name that has any
 * decide, and for the wildcard `issuewild` comes before `issue`. Names above the zone are not asked.
 * https://www.rfc-editor.org/rfc/rfc8659 and, for the parameters, https://www.rfc-editor.org/rfc/rfc8657
 *
 * @param records all CAA records of the zone
 */
export function caaVerdicts(
  { baseDomain, domain }: Pick<Settings, "baseDomain" | "domain">,
  records: readonly DnsRecord[],
): readonly Verdict[] {
  let name = baseDomain;
  const at = (host: string) => records.filter((record) => record.name.toLowerCase() === host);
  while (at(name).length === 0 && name !== domain) name = name.slice(name.indexOf(".") + 1);
  const deciding = at(name).map(({ data, content }) => {
    const [, tag = "", value = ""] = /^\d+\s+(\S+)\s+"?(.*?)"?$/.exec(content) ?? [];
    return { tag: (data?.tag ?? tag).toLowerCase(), value: data?.value ?? value };
  });
  const issue = deciding.filter(({ tag }) => tag === "issue");
  const issuewild = deciding.filter(({ tag }) => tag === "issuewild");
  const asked = [
    { host: `*.${baseDomain}`, rule: issuewild.length > 0 ? issuewild : issue },
    { host: baseDomain, rule: issue },
  ];
  const faults = asked.flatMap(({ host, rule }) => {
    if (rule.length === 0 || rule.some(({ value }) => allowsLetsEncrypt(value))) return [];
    const tag = rule[0]?.tag ?? "issue";
    const values = rule.map(({ value }) => `"${value}"`).join(", ");
    return [
      problem(
        `the CAA records of ${name} do not let Let's Encrypt issue ${host} by DNS: ${tag} ${values}`,
        `add at Cloudflare: ${name} CAA 0 ${tag} "letsencrypt.org"`,
      ),
    ];
  });
  return unless(faults, deciding.length > 0 ? `those of ${name} allow letsencrypt.org` : "none");
}

function allowsLetsEncrypt(value: string): boolean {
  const [issuer = "", ...parameters] = value.split(";").map((part) => part.trim());
  const methods = parameters.find((parameter) => /^validationmethods\s*=/i.test(parameter))?.split("=")[1];
  return (
    issuer.toLowerCase() === "letsencrypt.org" && (methods?.split(",").some((it) => it.trim() === "dns-01") ?? true)
  );
}
