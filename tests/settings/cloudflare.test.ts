import { describe, expect, it } from "vitest";
import { balanced, elsewhere, itJudges, itMakes, itRefuses, mistakesIn, oke, type Raw, settingsOf } from "./stacks.ts";

const kinds = '"scoped" or "supplied" or "none"';
const supplied = { cloudflare: { token: "supplied" } };
const unused =
  'cloudflareApiToken is [secret]; allowed: nothing unless cloudflare.token is "supplied"; set that, or remove the token';
const noToken = { acme: { server: "ca" }, cloudflare: { token: "none" } };

describe("Cloudflare", () => {
  itJudges([
    ["cloudflare.token", kinds, ["given"], [undefined, "scoped"]],
    ["cloudflare.tokenSerial", "a whole number from 1 to 1000000", [0, 1_000_001, "2"], [undefined, 1, 1_000_000]],
    ["cloudflare.tokenExpiresDays", "a whole number from 1 to 3650 (days)", [0, 3651], [undefined, 1, 3650]],
    ["cloudflare.proxied", "true or false", ["yes"], [undefined, true, false]],
    ["cloudflare.ttlSeconds", "a whole number from 60 to 86400 (seconds)", [59, 86_401], [undefined, 60, 86_400]],
  ]);

  itRefuses([
    [
      "its proxy before an address that it cannot reach",
      { ...balanced({ internal: true }), cloudflare: { proxied: true } },
      "cloudflare.proxied is true; allowed: false with loadBalancer.internal, whose address Cloudflare cannot reach",
    ],
    [
      "only the load balancer when the proxy would be judged by a wrong one",
      { ...balanced({ internal: "true" }), cloudflare: { proxied: true } },
      'loadBalancer.internal is "true"; allowed: true or false; write true, without quotes',
    ],
    [
      "supplied without a token",
      supplied,
      'cloudflareApiToken is missing; allowed: a secret, required with cloudflare.token "supplied"; pulumi config set --secret cloudflareApiToken',
    ],
    ["a token that scoped does not use", { cloudflareApiToken: "s3same" }, unused],
    ["a token that none does not use", { ...noToken, cloudflareApiToken: "s3same" }, unused],
    [
      "only the kind of token when other keys would be judged by a wrong one",
      { cloudflare: { token: "Supplied" }, cloudflareApiToken: "s3same", vault: undefined },
      `cloudflare.token is "Supplied"; allowed: ${kinds}`,
    ],
    [
      "a token with a blank, which is shown to nobody",
      { ...supplied, cloudflareApiToken: "two words" },
      "cloudflareApiToken is [secret]; allowed: a Cloudflare API token, set with `pulumi config set --secret`",
    ],
    [
      "a placeholder for the token",
      { ...supplied, cloudflareApiToken: "<token>" },
      "cloudflareApiToken still holds the placeholder [secret]; put your own value there",
    ],
  ]);

  const inClear =
    "cloudflareApiToken stands in clear in the stack's file; set it with pulumi config set --secret, and revoke this one where it was made";
  it.each([
    ["that is used", supplied],
    ["that nothing uses", {}],
  ])("refuses a token in clear %s", (_what, changes) => {
    expect(mistakesIn({ ...oke, ...changes, cloudflareApiToken: "s3same" }, [])).toEqual([inClear]);
  });

  it("takes an empty token for none, secret or not", () => {
    for (const secrets of [[], ["cloudflareApiToken"]])
      expect(mistakesIn({ ...oke, cloudflareApiToken: "" }, secrets)).toEqual([]);
  });

  const tokenOf = (changes: Raw) => settingsOf(changes).vault?.token;
  it("makes a token of what is set", () => {
    expect(tokenOf({})).toEqual({ kind: "scoped", serial: 1 });
    expect(tokenOf({ cloudflare: { tokenSerial: 3, tokenExpiresDays: 30 } })).toEqual({
      kind: "scoped",
      serial: 3,
      expiresDays: 30,
    });
    expect(tokenOf({ ...supplied, cloudflareApiToken: "s3same" })).toEqual({ kind: "supplied", value: "s3same" });
    // One that cannot be read here.
    expect(tokenOf({ ...supplied, cloudflareApiToken: "[secret]" })).toEqual({ kind: "supplied", value: "[secret]" });
  });

  const records = { zone: "example.com", baseDomain: "cluster.example.com", proxied: false, ttlSeconds: 300 };
  itMakes([
    ["its proxy", { cloudflare: { proxied: true } }, { records: { ...records, proxied: true } }],
    ["another TTL", { cloudflare: { ttlSeconds: 60 } }, { records: { ...records, ttlSeconds: 60 } }],
  ]);
  it.each([
    ["the smallest stack on OKE", {}, records],
    ["no load balancer", elsewhere, undefined],
    ["no token", noToken, undefined],
    ["an internal load balancer", balanced({ internal: true }), records],
  ])("makes its records for %s", (_what, changes, expected) => {
    expect(settingsOf(changes).records).toEqual(expected);
  });
});
