import type { Fault } from "./zone.ts";

/** A record of a zone, as Cloudflare tells of it: https://developers.cloudflare.com/api/resources/dns/subresources/records/ */
export interface ZoneRecord {
  readonly type: string;
  readonly name: string;
  readonly content?: string;
  /** The parts of a CAA record's content. */
  readonly data?: { readonly flags?: unknown; readonly tag?: string; readonly value?: string };
}

/** A base domain, and the zone that it is in. */
export interface NamesInZone {
  readonly domain: string;
  readonly baseDomain: string;
}

/** The base domain and the names above it, up to the zone. */
export function upToZone({ baseDomain, domain }: NamesInZone): string[] {
  if (baseDomain === domain) return [domain];
  return [baseDomain, ...upToZone({ baseDomain: baseDomain.slice(baseDomain.indexOf(".") + 1), domain })];
}

export const recordsAt = (name: string, records: readonly ZoneRecord[], type: string): ZoneRecord[] =>
  records.filter((record) => record.type === type && record.name.toLowerCase() === name);

/** The ACME account that asks: its URI, or null when it is yet to be registered; undefined when it is not known. */
export type AccountUri = string | null | undefined;

/** What CAA records forbid, or may forbid to an account that is not known. */
interface CaaFault extends Fault {
  readonly isCertain: boolean;
}

/**
 * What of a zone's CAA records keeps Let's Encrypt from issuing both names: the records of the closest name that has
 * any decide, and for the wildcard `issuewild` comes before `issue`. Names above the zone are not asked.
 *
 * As Let's Encrypt reads them: https://github.com/letsencrypt/boulder/blob/802d4fed9d5341f17ef695862d8d76f159e9721e/va/caa.go, by
 * https://www.rfc-editor.org/rfc/rfc8659 and, for the parameters, https://www.rfc-editor.org/rfc/rfc8657
 *
 * @param records those of the names of {@link upToZone}, of whatever types
 * @returns the name that decides, undefined where none has any, and what is wrong there
 */
export function caaFaults(
  names: NamesInZone,
  records: readonly ZoneRecord[],
  account: AccountUri,
): { readonly name?: string; readonly faults: readonly CaaFault[] } {
  const name = upToZone(names).find((it) => recordsAt(it, records, "CAA").length > 0);
  if (name === undefined) return { faults: [] };
  const deciding = recordsAt(name, records, "CAA").map(propertyOf);
  const unknown = deciding.find(({ flags, tag }) => !KNOWN.includes(tag) && (flags & CRITICAL) !== 0);
  if (unknown !== undefined)
    return {
      name,
      faults: [
        {
          reason: `the CAA records of ${name} have the critical property ${unknown.tag}, which Let's Encrypt does not know: it issues nothing`,
          action: "delete that record at Cloudflare, or set its flags to 0",
          isCertain: true,
        },
      ],
    };
  const issue = deciding.filter(({ tag }) => tag === "issue");
  const issuewild = deciding.filter(({ tag }) => tag === "issuewild");
  const asked = [
    { host: `*.${names.baseDomain}`, rule: issuewild.length > 0 ? issuewild : issue },
    { host: names.baseDomain, rule: issue },
  ];
  const faults = asked.flatMap(({ host, rule }) => {
    const answers = rule.map(({ value }) => answerOf(value, account));
    if (rule.length === 0 || answers.includes("yes")) return [];
    const tag = rule[0]?.tag ?? "issue";
    const values = rule.map(({ value }) => `"${value}"`).join(", ");
    const isCertain = !answers.includes("perhaps");
    const whose = rule.some(({ value }) => /accounturi/.test(value)) ? `; ${whoseAccount(account)}` : "";
    return [
      {
        reason: `the CAA records of ${name} ${isCertain ? "do not" : "may not"} let Let's Encrypt issue ${host} by DNS: ${tag} ${values}${whose}`,
        action: `add at Cloudflare: ${name} CAA 0 ${tag} "letsencrypt.org${account ? `; accounturi=${account}` : ""}"`,
        isCertain,
      },
    ];
  });
  return { name, faults };
}

/** Tags that Let's Encrypt knows, though two of them mean nothing to it. */
const KNOWN = ["issue", "issuewild", "iodef", "issuemail"];
/** The bit of the flags, and the one that many take for it, and Let's Encrypt with them. */
const CRITICAL = 128 | 1;

function propertyOf({ content = "", data }: ZoneRecord) {
  const [, flags = "0", tag = "", value = ""] = /^(\d+)\s+(\S+)\s+"?(.*?)"?$/.exec(content) ?? [];
  return {
    flags: Number(data?.flags ?? flags),
    tag: (data?.tag ?? tag).toLowerCase(),
    value: data?.value ?? value,
  };
}

function whoseAccount(account: AccountUri): string {
  if (account === undefined) return "whether that account is this stack's is not known";
  return account === null ? "this stack's account is yet to be registered" : `this stack's account is ${account}`;
}

/** Whether a property lets Let's Encrypt issue by DNS for an account. A value that is malformed allows nothing. */
function answerOf(value: string, account: AccountUri): "yes" | "no" | "perhaps" {
  const [issuer = "", ...rest] = value.split(";").map((part) => part.trim());
  if (issuer !== "letsencrypt.org") return "no";
  const parameters =
    rest.length === 1 && rest[0] === "" ? [] : rest.map((part) => /^([a-z\d]*)\s*=\s*([!-:<-~]*)$/i.exec(part));
  if (parameters.includes(null)) return "no";
  const given = (tag: string) =>
    parameters.flatMap((parameter) => (parameter?.[1] === tag ? [parameter[2] ?? ""] : []));
  // Twice the same is never met.
  const [methods, ...otherMethods] = given("validationmethods");
  const [uri, ...otherUris] = given("accounturi");
  if (otherMethods.length > 0 || otherUris.length > 0) return "no";
  if (methods !== undefined && !methods.split(",").includes("dns-01")) return "no";
  if (uri === undefined || uri === account) return "yes";
  return account === undefined ? "perhaps" : "no";
}
