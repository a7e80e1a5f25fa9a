import { describe, expect, it } from "vitest";
import { challengeFaults, decidingNames } from "../../components/challenge.ts";

const names = { domain: "example.com", baseDomain: "a.b.example.com" };
const CHALLENGE = "_acme-challenge.a.b.example.com";
const record = (type: string, name: string, content: string) => ({ type, name, content });

it("is decided at its own name, and at those from the base domain to the zone", () => {
  expect(decidingNames(names)).toEqual([CHALLENGE, "a.b.example.com", "b.example.com", "example.com"]);
});

describe("the records of the zone", () => {
  const delegated = (host: string, servers: string, more = `, or anything else below ${host}`) => ({
    reason: `${host} is delegated to ${servers}: nobody asks this zone for the challenge's TXT record${more}`,
    action: "delete its NS records at Cloudflare, or set domain to the zone that is asked, if Cloudflare has it",
  });

  it.each([
    {
      what: "leave the challenge alone",
      records: [
        record("NS", "example.com", "ns1.cloudflare.com"),
        record("TXT", CHALLENGE, "left over"),
        record("CNAME", "_acme-challenge.b.example.com", "elsewhere.example.net"),
        record("NS", "c.example.com", "ns.example.net"),
        record("A", "a.b.example.com", "192.0.2.1"),
      ],
      found: [],
    },
    {
      what: "have an alias in its place",
      records: [record("CNAME", CHALLENGE, "challenge.example.net")],
      found: [
        {
          reason: `${CHALLENGE} is a CNAME to challenge.example.net, beside which cert-manager cannot write the challenge's TXT record`,
          action: "delete it at Cloudflare; this program delegates no challenge",
        },
      ],
    },
    {
      what: "delegate its name alone",
      records: [record("NS", CHALLENGE, "ns.example.net")],
      found: [delegated(CHALLENGE, "ns.example.net", "")],
    },
    {
      what: "delegate the base domain, and a name above it",
      records: [
        record("NS", "a.b.example.com", "ns2.example.net"),
        record("NS", "A.B.example.com", "ns1.example.net"),
        record("NS", "b.example.com", "ns.example.org"),
      ],
      found: [
        delegated("a.b.example.com", "ns1.example.net, ns2.example.net"),
        delegated("b.example.com", "ns.example.org"),
      ],
    },
  ])("$what", ({ records, found }) => {
    expect(challengeFaults(names, records)).toEqual(found);
  });

  it("delegate nothing by those of the zone itself, where it is the base domain", () => {
    const itself = { domain: "example.com", baseDomain: "example.com" };
    expect(challengeFaults(itself, [record("NS", "example.com", "ns1.cloudflare.com")])).toEqual([]);
  });
});
