import { describe, expect, it } from "vitest";
import { account, balanced, ids, installed, itRefuses, mistakesIn, oke, type Raw, smallest } from "./stacks.ts";

const cidrs = (count: number) => Array.from({ length: count }, (_, at) => `10.0.${at}.0/24`);
const ruled = (rules: string, changes: Raw) =>
  balanced({ rules, nodeNsgIds: [ids.nodeNsg], ...(rules === "None" && { vcnId: ids.vcn }), ...changes });

describe("an NSG has 120 rules at most", () => {
  // Two for each CIDR; and the way to the nodes: traffic and health, traffic alone with Local, or each node port and health; for each of the nodes' NSGs.
  it.each([
    ["None", {}, 59],
    ["None", { externalTrafficPolicy: "Local" }, 59],
    ["NSG", {}, 58],
    ["None", { nodeNsgIds: [ids.nodeNsg, `${ids.nodeNsg}b`] }, 58],
  ])("rules %s %j: %i CIDRs", (rules, changes, most) => {
    expect(mistakesIn({ ...oke, ...ruled(rules, { ...changes, allowedCidrs: cidrs(most) }) })).toEqual([]);
    expect(mistakesIn({ ...oke, ...ruled(rules, { ...changes, allowedCidrs: cidrs(most + 1) }) })).toEqual([
      expect.stringMatching(
        new RegExp(
          `^loadBalancer\\.allowedCidrs is .*; allowed: at most ${most} CIDRs with rules "${rules}": each is 2 rules, and OCI allows 120 in an NSG; `,
        ),
      ),
    ]);
  });

  it("which security lists have not", () => {
    expect(mistakesIn({ ...oke, ...balanced({ allowedCidrs: cidrs(100) }) })).toEqual([]);
  });
});

describe("Always Free", () => {
  itRefuses([
    [
      "three servers of Vault's, whose volumes it has no room for",
      { ...balanced({ alwaysFree: true }), ...installed(), size: "production" },
      'vault.install is true; allowed: only with size "small" and alwaysFree: three servers take 6 volumes of 50 GB, and the tier has 200 GB in all',
    ],
  ]);

  it("has room for one", () => {
    expect(mistakesIn({ ...oke, ...balanced({ alwaysFree: true }), ...installed() })).toEqual([]);
  });
});

describe("names", () => {
  /** A name in the zone of a length. */
  const named = (length: number, zone = "example.com") => {
    const labels = `${"a".repeat(60)}.`.repeat(5);
    return `${labels.slice(-(length - zone.length))}${zone}`.replace(/^\./, "a");
  };
  const own = account({ server: "https://acme.example.org/directory" });

  it("leave room for the challenge's part where an ACME server looks", () => {
    expect(mistakesIn({ ...oke, ...own, baseDomain: named(237) })).toEqual([]);
    expect(mistakesIn({ ...oke, ...own, baseDomain: named(238) })).toEqual([
      expect.stringContaining("; allowed: a name that has at most 253 characters with _acme-challenge. before it"),
    ]);
  });

  it("leave room for the wildcard, and the zone is told where it alone is said", () => {
    expect(mistakesIn({ ...smallest, domain: named(251), baseDomain: named(251) })).toEqual([]);
    expect(mistakesIn({ ...smallest, domain: named(252), baseDomain: named(252) })).toEqual([
      expect.stringMatching(/^baseDomain is .*; allowed: a name whose wildcard, with \*\. before it, has at most 253/),
    ]);
    expect(mistakesIn({ ...smallest, domain: named(244) })).toEqual([
      expect.stringMatching(/^domain is .*; allowed: a name whose wildcard/),
    ]);
  });

  const labels = "at most 10 labels with Let's Encrypt, and none with -- in the third and fourth place but for xn--";
  itRefuses([
    [
      "an eleventh label with Let's Encrypt",
      { baseDomain: "a.b.c.d.e.f.g.h.i.example.com" },
      `baseDomain is "a.b.c.d.e.f.g.h.i.example.com"; allowed: ${labels}`,
    ],
    [
      "a reserved label with Let's Encrypt",
      { baseDomain: "ab--c.example.com" },
      `baseDomain is "ab--c.example.com"; allowed: ${labels}`,
    ],
  ]);

  it.each(["a.b.c.d.e.f.g.h.example.com", "xn--bcher-kva.example.com"])(
    "are signed by Let's Encrypt: %s",
    (baseDomain) => {
      expect(mistakesIn({ ...oke, baseDomain })).toEqual([]);
      expect(mistakesIn({ ...oke, ...own, baseDomain: `ab--c.d.${baseDomain}` })).toEqual([]);
    },
  );

  it("of hosts by default are as long as DNS allows", () => {
    const services = [{ name: "a".repeat(30), namespace: "b", port: 80 }];
    expect(mistakesIn({ ...smallest, domain: named(214), services })).toEqual([]);
    expect(mistakesIn({ ...smallest, domain: named(215), services })).toEqual([
      expect.stringMatching(/^services\[0\]\.host is .*; allowed: at most 253 characters, as DNS allows in a name/),
    ]);
  });
});

it("namespaces fit into the annotations of a Secret", () => {
  const namespaces = (count: number) => Array.from({ length: count }, (_, at) => `${at}`.padStart(63, "n"));
  expect(mistakesIn({ ...oke, reflector: { namespaces: namespaces(2000) } })).toEqual([]);
  expect(mistakesIn({ ...oke, reflector: { namespaces: namespaces(2050) } })).toEqual([
    expect.stringMatching(
      /^reflector\.namespaces is .*; allowed: fewer namespaces: they are written twice, and all annotations of a Secret have 262144 bytes/,
    ),
  ]);
});
