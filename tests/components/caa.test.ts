import { describe, expect, it } from "vitest";
import { type AccountUri, caaFaults, upToZone } from "../../components/caa.ts";

const names = { domain: "example.com", baseDomain: "cluster.example.com" };
const WILDCARD = "*.cluster.example.com";
const BASE = "cluster.example.com";
const OURS = "https://acme-v02.api.letsencrypt.org/acme/acct/1234";
const OTHERS = "https://acme-v02.api.letsencrypt.org/acme/acct/9";

/** A CAA record as Cloudflare tells of it. */
const caa = (name: string, tag: string, value: string, flags = 0) => ({
  type: "CAA",
  name,
  content: `${flags} ${tag} "${value}"`,
  data: { flags, tag, value },
});

const refused = (host: string, at: string, tag: string, values: string) => ({
  reason: `the CAA records of ${at} do not let Let's Encrypt issue ${host} by DNS: ${tag} ${values}`,
  action: `add at Cloudflare: ${at} CAA 0 ${tag} "letsencrypt.org"`,
  isCertain: true,
});
const both = (at: string, values: string) => [WILDCARD, BASE].map((host) => refused(host, at, "issue", values));

/** What is found with records of the zone's own name. */
const found = (...faults: object[]) => ({ name: "example.com", faults });

describe("CAA records", () => {
  it.each([
    { what: "none", records: [], found: { faults: [] } },
    {
      what: "Let's Encrypt's among others, and its own way of validation",
      records: [
        caa("example.com", "issue", "digicert.com"),
        caa("example.com", "issue", "letsencrypt.org; validationmethods=dns-01"),
        // Of another name, and below.
        caa("www.example.com", "issue", ";"),
        caa("vault.cluster.example.com", "issue", ";"),
      ],
      found: found(),
    },
    {
      what: "a contact alone",
      records: [caa("example.com", "iodef", "mailto:a@example.com")],
      found: found(),
    },
    {
      what: "content alone, with the name and tag in capitals",
      records: [{ type: "CAA", name: "Example.com", content: '0 ISSUE "letsencrypt.org"' }],
      found: found(),
    },
    {
      what: "Let's Encrypt in capitals, which it does not take for itself",
      records: [caa("example.com", "issue", "LetsEncrypt.org")],
      found: found(...both("example.com", '"LetsEncrypt.org"')),
    },
    {
      what: "other CAs",
      records: [caa("example.com", "issue", "digicert.com"), caa("example.com", "issue", "sectigo.com")],
      found: found(...both("example.com", '"digicert.com", "sectigo.com"')),
    },
    {
      what: "none for the wildcard",
      records: [caa("example.com", "issue", "letsencrypt.org"), caa("example.com", "issuewild", ";")],
      found: found(refused(WILDCARD, "example.com", "issuewild", '";"')),
    },
    {
      what: "those closer by, which decide",
      records: [
        caa("example.com", "issue", "letsencrypt.org"),
        caa("cluster.example.com", "issue", "sectigo.com"),
        caa("cluster.example.com", "issuewild", "letsencrypt.org"),
      ],
      found: { name: BASE, faults: [refused(BASE, BASE, "issue", '"sectigo.com"')] },
    },
    {
      what: "another validation only",
      records: [caa("example.com", "issue", "letsencrypt.org; validationmethods=http-01,tls-alpn-01")],
      found: found(...both("example.com", '"letsencrypt.org; validationmethods=http-01,tls-alpn-01"')),
    },
    {
      what: "what is malformed, and the same parameter twice, which nobody meets",
      records: [
        caa("example.com", "issue", "letsencrypt.org; dns-01"),
        caa("example.com", "issue", "letsencrypt.org;;"),
        caa("example.com", "issue", "letsencrypt.org; validationmethods=dns-01; validationmethods=dns-01"),
      ],
      found: found(
        ...both(
          "example.com",
          '"letsencrypt.org; dns-01", "letsencrypt.org;;", "letsencrypt.org; validationmethods=dns-01; validationmethods=dns-01"',
        ),
      ),
    },
    {
      what: "a parameter that nobody knows",
      records: [
        caa("example.com", "issue", "letsencrypt.org;"),
        caa("example.com", "issuewild", "letsencrypt.org; x=1=2"),
      ],
      found: found(),
    },
    {
      what: "a critical property that Let's Encrypt knows, and one that is not critical",
      records: [
        caa("example.com", "iodef", "mailto:a@example.com", 128),
        caa("example.com", "issuemail", ";", 128),
        caa("example.com", "contactemail", "a@example.com", 2),
      ],
      found: found(),
    },
    ...[128, 1].map((flags) => ({
      what: `a critical property that it does not know, by the flags ${flags}`,
      records: [caa("example.com", "issue", "letsencrypt.org"), caa("example.com", "tbs", "unknown", flags)],
      found: found({
        reason:
          "the CAA records of example.com have the critical property tbs, which Let's Encrypt does not know: it issues nothing",
        action: "delete that record at Cloudflare, or set its flags to 0",
        isCertain: true,
      }),
    })),
  ])("of $what are judged as a CA judges them", ({ records, found }) => {
    expect(caaFaults(names, records, null)).toEqual(found);
  });

  const judge = (account: AccountUri, ...values: string[]) =>
    caaFaults(
      names,
      values.map((value) => caa("example.com", "issue", value)),
      account,
    ).faults;
  const forAccount = (uri: string) => `letsencrypt.org; validationmethods=dns-01; accounturi=${uri}`;

  it("allow the account that they name, and every one beside it that is named by none", () => {
    expect(judge(OURS, forAccount(OTHERS), forAccount(OURS))).toEqual([]);
    for (const account of [OURS, null, undefined])
      expect(judge(account, forAccount(OTHERS), "letsencrypt.org")).toEqual([]);
  });

  it.each<[string, AccountUri, string, string, string, boolean]>([
    ["another", OURS, "do not", `this stack's account is ${OURS}`, `; accounturi=${OURS}`, true],
    ["one, and ours is not registered", null, "do not", "this stack's account is yet to be registered", "", true],
    [
      "one, and ours is not known",
      undefined,
      "may not",
      "whether that account is this stack's is not known",
      "",
      false,
    ],
  ])("that name %s say so", (_, account, verb, whose, parameter, isCertain) => {
    const value = forAccount(OTHERS);
    expect(judge(account, value, "digicert.com")).toEqual(
      [WILDCARD, BASE].map((host) => ({
        reason: `the CAA records of example.com ${verb} let Let's Encrypt issue ${host} by DNS: issue "${value}", "digicert.com"; ${whose}`,
        action: `add at Cloudflare: example.com CAA 0 issue "letsencrypt.org${parameter}"`,
        isCertain,
      })),
    );
  });
});

it("climbs from the base domain to the zone, and no further", () => {
  expect(upToZone({ domain: "example.com", baseDomain: "a.b.example.com" })).toEqual([
    "a.b.example.com",
    "b.example.com",
    "example.com",
  ]);
  expect(upToZone({ domain: "example.com", baseDomain: "example.com" })).toEqual(["example.com"]);
});
