import { describe, expect, it } from "vitest";
import { caaVerdicts } from "../../../tools/doctor/caa.ts";
import { ok, problem } from "../../../tools/lib/checks.ts";

const names = { domain: "example.com", baseDomain: "cluster.example.com" };

/** A CAA record as Cloudflare tells of it. */
const caa = (name: string, tag: string, value: string) => ({
  type: "CAA",
  name,
  content: `0 ${tag} "${value}"`,
  data: { tag, value },
});

const refused = (host: string, at: string, tag: string, values: string) =>
  problem(
    `the CAA records of ${at} do not let Let's Encrypt issue ${host} by DNS: ${tag} ${values}`,
    `add at Cloudflare: ${at} CAA 0 ${tag} "letsencrypt.org"`,
  );
const WILDCARD = "*.cluster.example.com";
const BASE = "cluster.example.com";

describe("CAA records", () => {
  it.each([
    { what: "none", records: [], found: [ok("none")] },
    {
      what: "Let's Encrypt's among others, and its own way of validation",
      records: [
        caa("example.com", "issue", "digicert.com"),
        caa("example.com", "issue", "letsencrypt.org; validationmethods=dns-01"),
        // Of another name, and below.
        caa("www.example.com", "issue", ";"),
        caa("vault.cluster.example.com", "issue", ";"),
      ],
      found: [ok("those of example.com allow letsencrypt.org")],
    },
    {
      what: "a contact alone",
      records: [caa("example.com", "iodef", "mailto:a@example.com")],
      found: [ok("those of example.com allow letsencrypt.org")],
    },
    {
      what: "content alone, in capitals",
      records: [{ type: "CAA", name: "Example.com", content: '0 ISSUE "LetsEncrypt.org"' }],
      found: [ok("those of example.com allow letsencrypt.org")],
    },
    {
      what: "other CAs",
      records: [caa("example.com", "issue", "digicert.com"), caa("example.com", "issue", "sectigo.com")],
      found: [WILDCARD, BASE].map((host) => refused(host, "example.com", "issue", '"digicert.com", "sectigo.com"')),
    },
    {
      what: "none for the wildcard",
      records: [caa("example.com", "issue", "letsencrypt.org"), caa("example.com", "issuewild", ";")],
      found: [refused(WILDCARD, "example.com", "issuewild", '";"')],
    },
    {
      what: "those closer by, which decide",
      records: [
        caa("example.com", "issue", "letsencrypt.org"),
        caa("cluster.example.com", "issue", "sectigo.com"),
        caa("cluster.example.com", "issuewild", "letsencrypt.org"),
      ],
      found: [refused(BASE, "cluster.example.com", "issue", '"sectigo.com"')],
    },
    {
      what: "another validation only",
      records: [caa("example.com", "issue", "letsencrypt.org; validationmethods=http-01,tls-alpn-01")],
      found: [WILDCARD, BASE].map((host) =>
        refused(host, "example.com", "issue", '"letsencrypt.org; validationmethods=http-01,tls-alpn-01"'),
      ),
    },
  ])("of $what are judged as a CA judges them", ({ records, found }) => {
    expect(caaVerdicts(names, records)).toEqual(found);
  });
});
