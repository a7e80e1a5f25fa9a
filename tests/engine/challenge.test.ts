import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openSandbox } from "../../sandbox/sandbox.ts";
import { emptyWorld } from "../../sandbox/world/beginnings.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import { refusalOf, SCALE, withSettings } from "./harness.ts";

// What of a zone keeps the certificate from being issued, and what the preview says of it, through the real engine.

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** What the preview says, of a zone with these records, each `<type> <name> <content>`. */
async function previewWith(records: readonly string[], changes: Record<string, unknown> = {}): Promise<string> {
  const world = openWorld(emptyWorld());
  const zoneId = world.items("Zone")[0]?.id;
  for (const [at, record] of records.entries()) {
    const [, type, name, content] = /^(\S+) (\S+) (.*)$/.exec(record) ?? [];
    world.put({ kind: "DnsRecord", name: `somebody's ${at}`, spec: { zoneId, type, name, content } }, `record${at}`);
  }
  const configure = withSettings(changes);
  return refusalOf(await openSandbox({ directory, stack: "prod", scale: SCALE, world: world.state, configure }));
}

it("is refused in the preview, all at once", async () => {
  const refusal = await previewWith([
    "CNAME _acme-challenge.cluster.example.com challenge.example.net",
    "NS cluster.example.com ns.example.net",
    'CAA example.com 0 issue "letsencrypt.org; validationmethods=http-01"',
    'CAA example.com 0 issuewild "letsencrypt.org"',
  ]);
  expect(refusal.split(". ")).toEqual([
    "_acme-challenge.cluster.example.com is a CNAME to challenge.example.net, beside which cert-manager cannot write the challenge's TXT record; delete it at Cloudflare; this program delegates no challenge",
    "cluster.example.com is delegated to ns.example.net: nobody asks this zone for the challenge's TXT record, or anything else below cluster.example.com; delete its NS records at Cloudflare, or set domain to the zone that is asked, if Cloudflare has it",
    'the CAA records of example.com do not let Let\'s Encrypt issue cluster.example.com by DNS: issue "letsencrypt.org; validationmethods=http-01"; add at Cloudflare: example.com CAA 0 issue "letsencrypt.org"',
  ]);
});

it("is not refused for what may be right, or is no affair of the ACME server's", async () => {
  const nothing = "nothing was refused";
  // Whose account it is, the zone does not say.
  const one = 'CAA example.com 0 issue "letsencrypt.org; accounturi=https://acme-v02.api.letsencrypt.org/acme/acct/1"';
  expect(await previewWith([one])).toBe(nothing);
  const acme = { server: "https://acme.example.org/directory", email: "platform@example.com" };
  expect(await previewWith(['CAA example.com 0 issue "example.org"'], { acme })).toBe(nothing);
});

it("is refused where Cloudflare shows no such zone", async () => {
  expect(await previewWith([], { domain: "example.net" })).toContain(
    "the token sees no zone example.net; correct domain, add the zone at Cloudflare, or let the token see it (Zone > Zone > Read)",
  );
});
