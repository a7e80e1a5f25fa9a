import { afterEach, describe, expect, it } from "vitest";
import { closeAll } from "../../loopback.ts";
import { caa, examine, healthy, unauthorized } from "./cloudflare-checks.ts";
import { freshZone, record, runningZone } from "./cloudflare-stand-in.ts";
import { nothing, type Raw, running, wholeStack } from "./examination.ts";
import { ADDRESS } from "./oci-stand-in.ts";

afterEach(closeAll);

describe("two zones of one name", () => {
  const twice = () => ({ ...freshZone(), elsewhere: [{ name: "theirs", status: "pending" }] });
  const where = "example.com is active in account ours, and 1 more account(s) have a zone of that name";

  it("are told apart by the one that is active", async () => {
    expect(await examine(twice(), wholeStack(), nothing)).toEqual({ ...healthy, "cloudflare: zone": `ok: ${where}` });
  });

  it("are not told apart by cert-manager, with a token that sees both", async () => {
    const raw = { ...wholeStack(), cloudflare: { token: "supplied" }, cloudflareApiToken: "[secret]" };
    expect((await examine(twice(), raw, nothing))["cloudflare: zone"]).toBe(
      `warning: ${where}: cert-manager writes to the first that cloudflareApiToken sees → let that token see the zone of account ours alone`,
    );
  });
});

describe("CAA records for one account", () => {
  const value = "letsencrypt.org; accounturi=https://acme-v02.api.letsencrypt.org/acme/acct/1234";
  const zone = () => ({ ...freshZone(), records: [caa("cluster.example.com", "issue", value)] });
  const refused = (verb: string, whose: string) =>
    ["*.cluster.example.com", "cluster.example.com"].map(
      (host) =>
        `the CAA records of cluster.example.com ${verb} let Let's Encrypt issue ${host} by DNS: issue "${value}"; ${whose} → add at Cloudflare: cluster.example.com CAA 0 issue "letsencrypt.org"`,
    );

  it("are right for that one", async () => {
    expect((await examine(zone(), wholeStack(), running))["cloudflare: CAA"]).toBe(
      "ok: those of cluster.example.com allow letsencrypt.org",
    );
  });

  it("are wrong for one that is yet to be registered, and may be for one that is not known", async () => {
    expect((await examine(zone(), wholeStack(), nothing))["cloudflare: CAA"]).toEqual(
      refused("do not", "this stack's account is yet to be registered").map((line) => `problem: ${line}`),
    );
    expect((await examine(zone(), wholeStack(), undefined))["cloudflare: CAA"]).toEqual(
      refused("may not", "whether that account is this stack's is not known").map((line) => `warning: ${line}`),
    );
  });
});

describe("the zone's SSL mode", () => {
  const proxied = (acme: Raw) => ({
    ...wholeStack(),
    cloudflare: { proxied: true },
    acme: { email: "a@example.com", ...acme },
  });
  const modeOf = async (sslMode: string, acme: Raw = { server: "production" }, forbidden?: RegExp) =>
    (await examine({ ...freshZone(), sslMode, forbidden }, proxied(acme), nothing))["cloudflare: SSL mode"];

  it.each(["off", "flexible"])("%s loops with the redirect", async (mode) => {
    expect(await modeOf(mode)).toBe(
      `problem: the zone's SSL mode is ${mode}: Cloudflare comes to the gateway over HTTP, which redirects to HTTPS, for ever → set SSL/TLS > Overview of the zone to Full (strict), or a Configuration Rule for these hosts; with such a rule there is nothing to do`,
    );
  });

  it.each(["full", "strict", "origin_pull"])("%s suits a certificate that is trusted", async (mode) => {
    expect(await modeOf(mode)).toBe(`ok: ${mode}`);
  });

  it("strict does not suit one that is not", async () => {
    expect(await modeOf("full", { server: "staging" })).toBe("ok: full");
    expect(await modeOf("strict", { server: "https://acme.example.org/directory" })).toBe("ok: strict");
    for (const server of ["staging", "ca"])
      expect(await modeOf("strict", { server })).toBe(
        "warning: the zone's SSL mode is strict: Cloudflare does not trust the certificate of acme.server, and answers 526 for *.cluster.example.com and cluster.example.com → set acme.server to production, or the mode to Full while this is a test",
      );
  });

  it("is not told to every token", async () => {
    expect(await modeOf("full", {}, /settings/)).toBe(
      `skipped: may not read the zone's SSL mode: ${unauthorized} → add the permission Zone > Zone Settings > Read to the run's token, or see SSL/TLS > Overview: it is to be Full or Full (strict)`,
    );
  });
});

describe("a record at one of the stack's names", () => {
  const BASE = "cluster.example.com";
  const takeOver = "npm run repair has the command for an A record";
  const inTheWay = (what: string) => `problem: ${what} → delete it at Cloudflare; ${takeOver}`;
  const unknown = (what: string) =>
    `warning: ${what}, and whether it is this stack's is not known → where pulumi preview does not refuse it, it is: leave it; else delete it at Cloudflare, or take it over: ${takeOver}`;
  const elsewhere = (what: string) =>
    `problem: ${what}, and the gateway is at ${ADDRESS} → pulumi up --refresh puts this stack's own right; one that it leaves is somebody else's: delete that at Cloudflare`;

  it.each([
    ["a CNAME", nothing, record("CNAME", `*.${BASE}`, "old.example.net"), inTheWay],
    ["an A record before there is a gateway", nothing, record("A", BASE, ADDRESS), inTheWay],
    ["an A record to another address", running, record("A", BASE, "198.51.100.9"), elsewhere],
    ["an AAAA record", running, record("AAAA", BASE, "2001:db8::1"), inTheWay],
    ["an A record that a half-made platform may have", { ...nothing, any: true }, record("A", BASE, ADDRESS), unknown],
    ["an A record beside a cluster that could not be asked", undefined, record("A", BASE, ADDRESS), unknown],
  ] as const)("%s may be in the way", async (_, installed, rival, line) => {
    const zone = freshZone();
    zone.records.push(rival);
    const found = line(`${rival.name} has a record already: ${rival.type} ${rival.content}`);
    expect(await examine(zone, wholeStack(), installed)).toEqual({ ...healthy, "cloudflare: records": found });
  });

  it("is this stack's beside one that is not", async () => {
    const zone = runningZone();
    zone.records.push(record("A", BASE, "198.51.100.9"));
    expect(await examine(zone, wholeStack(), running)).toEqual({
      ...healthy,
      "cloudflare: records": elsewhere(`${BASE} has a record already: A 198.51.100.9`),
    });
  });
});
