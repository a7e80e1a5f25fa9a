import { describe, expect, it } from "vitest";
import { covers } from "../../settings/domain.ts";
import { itJudges, itMakes, itRefuses, mistakesIn, oke } from "./stacks.ts";

const aZone = "a DNS zone such as example.com: no wildcard, no scheme, no path";
const aBaseDomain = "a host name such as cluster.example.com: no wildcard, no scheme, no path";
const inTheZone = "a name in the zone `domain`, such as cluster.<domain>";
const hosts = (baseDomain: string) => [`*.${baseDomain}`, baseDomain];

describe("the zone and what the wildcard covers", () => {
  const noHosts = ["*.example.com", "https://example.com", "localhost", "192.0.2.1", "a..b", "-a.com"];
  itJudges([
    ["domain", aZone, [...noHosts, undefined, `${"a.".repeat(125)}comm`], ["example.com"]],
    ["baseDomain", aBaseDomain, noHosts, [undefined, "example.com", `${"a".repeat(63)}.example.com`]],
  ]);

  itRefuses([
    [
      "a base domain outside of the zone",
      { baseDomain: "cluster.example.org" },
      `baseDomain is "cluster.example.org"; allowed: ${inTheZone}`,
    ],
    // It ends like the zone, but not at a dot.
    [
      "a base domain that looks like one in the zone",
      { baseDomain: "notexample.com" },
      `baseDomain is "notexample.com"; allowed: ${inTheZone}`,
    ],
    [
      "only the zone when the base domain would be judged by a wrong one",
      { domain: "example", baseDomain: "cluster.example.org" },
      `domain is "example"; allowed: ${aZone}`,
    ],
  ]);

  it("refuses an empty zone as one that is missing", () => {
    expect(mistakesIn({ ...oke, domain: "" })).toEqual([`domain is missing; allowed: ${aZone}`]);
  });

  itMakes([
    ["no base domain", { baseDomain: undefined }, { hosts: hosts("cluster.example.com") }],
    ...["apps.eu.example.com", "example.com"].map((baseDomain): Parameters<typeof itMakes>[0][number] => [
      baseDomain,
      { baseDomain },
      {
        baseDomain,
        hosts: hosts(baseDomain),
        records: { zone: "example.com", baseDomain, proxied: false, ttlSeconds: 300 },
      },
    ]),
  ]);

  it.each([
    ["the base domain", "example.com", true],
    ["one label below it", "a.example.com", true],
    ["two labels below it", "a.b.example.com", false],
    ["a name that ends like it", "aexample.com", false],
    ["the name above it", "com", false],
  ])("covers %s: %s, %s", (_what, host, expected) => {
    expect(covers("example.com", host)).toBe(expected);
  });
});
