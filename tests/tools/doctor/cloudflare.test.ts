import { afterEach, describe, expect, it } from "vitest";
import { examineCloudflare } from "../../../tools/doctor/cloudflare.ts";
import type { Env } from "../../../tools/doctor/examination.ts";
import { closeAll, silentPort } from "../../loopback.ts";
import { caa, checks, env, examine, healthy, unauthorized } from "./cloudflare-checks.ts";
import { type CloudflareState, freshZone, record, runningZone } from "./cloudflare-stand-in.ts";
import { each, examination, nothing, type Raw, running, told, wholeStack } from "./examination.ts";
import { ADDRESS } from "./oci-stand-in.ts";

afterEach(closeAll);

describe("a zone without a problem", () => {
  it("has room for the records", async () => {
    expect(await examine(freshZone(), wholeStack(), nothing)).toEqual(healthy);
  });

  it("has this stack's records once the platform runs", async () => {
    const own = { "cloudflare: records": `ok: this stack's, to ${ADDRESS}` };
    expect(await examine(runningZone(), wholeStack(), running)).toEqual({ ...healthy, ...own });
  });

  it("is not asked without a token, and is told why", async () => {
    const nobody = "http://127.0.0.1:1";
    const tokenless = { ...wholeStack(), cloudflare: { token: "none" }, acme: { server: "ca" }, vault: undefined };
    const asked = async (raw: Raw, as: Env) =>
      told(await examineCloudflare(examination(raw, as), nobody, Promise.resolve(nothing)));
    expect(await asked(tokenless, env)).toEqual(each(checks, 'skipped: cloudflare.token is "none"'));
    expect(await asked(wholeStack(), {})).toEqual(
      each(checks, "skipped: CLOUDFLARE_API_TOKEN is not set → set it to the token of the run"),
    );
  });

  it("needs less of the run's token where the DNS token is supplied", async () => {
    const raw = { ...wholeStack(), cloudflare: { token: "supplied" }, cloudflareApiToken: "[secret]" };
    const zone = freshZone();
    zone.status = undefined;
    expect(await examine(zone, raw, nothing)).toEqual({
      ...healthy,
      "cloudflare: token":
        "warning: Cloudflare answers 401: Invalid API Token (1000); it is no user's token, or no token → make one at Cloudflare, My Profile > API Tokens, and set CLOUDFLARE_API_TOKEN",
      "cloudflare: API tokens": 'skipped: cloudflare.token is "supplied": the program makes no token',
    });
  });

  it("gets no records without a load balancer", async () => {
    const raw = { ...wholeStack(), cluster: { context: "kind" }, loadBalancer: undefined };
    expect(await examine(runningZone(), raw, nothing)).toEqual({
      ...healthy,
      "cloudflare: records": "skipped: no records are made without loadBalancer",
    });
  });

  it("may name any CA in its CAA records but for Let's Encrypt", async () => {
    const raw = { ...wholeStack(), acme: { email: "a@example.com", server: "https://acme.example.org/directory" } };
    const zone = freshZone();
    zone.records.push(caa("example.com", "issue", "digicert.com"));
    expect(await examine(zone, raw, nothing)).toEqual({
      ...healthy,
      "cloudflare: CAA": "skipped: the ACME server is not Let's Encrypt",
    });
  });
});

interface Fault {
  readonly what: string;
  readonly plant: (zone: CloudflareState) => void;
  /** What is then told otherwise. */
  readonly found: Record<string, string | string[]>;
}

const makeToken = "make one at Cloudflare, My Profile > API Tokens, and set CLOUDFLARE_API_TOKEN";
const addEdit = "add the permission User > API Tokens > Edit to the run's token, or set cloudflare.token to supplied";
const ofZone = ["cloudflare: records", "cloudflare: challenge", "cloudflare: CAA"];
const unseen = each([...ofZone, "cloudflare: SSL mode"], "skipped: the zone cannot be seen");

const faults: Fault[] = [
  {
    what: "a token that Cloudflare does not know",
    plant: (zone) => {
      zone.status = undefined;
    },
    found: { "cloudflare: token": `problem: Cloudflare answers 401: Invalid API Token (1000) → ${makeToken}` },
  },
  {
    what: "a token that has ended",
    plant: (zone) => {
      zone.status = "expired";
    },
    found: { "cloudflare: token": `problem: the token is expired → ${makeToken}` },
  },
  {
    what: "a token that may make none",
    plant: (zone) => {
      zone.forbidden = /permission_groups/;
    },
    found: { "cloudflare: API tokens": `problem: may not list permission groups: ${unauthorized} → ${addEdit}` },
  },
  {
    what: "a permission group that is only an account's",
    plant: (zone) => {
      zone.groups = [
        { id: "g1", name: "DNS Write", scopes: ["com.cloudflare.api.account"] },
        { id: "g2", name: "Zone Read", scopes: ["com.cloudflare.api.account.zone"] },
      ];
    },
    found: {
      "cloudflare: API tokens": `problem: Cloudflare lists no permission group "DNS Write" for zones → ${addEdit}`,
    },
  },
  {
    what: "a zone that is not there",
    plant: (zone) => {
      zone.zones = ["example.net"];
    },
    found: {
      "cloudflare: zone":
        "problem: the token sees no zone example.com → correct domain, add the zone at Cloudflare, or let the token see it (Zone > Zone > Read)",
      ...unseen,
    },
  },
  {
    what: "a zone that the world does not ask Cloudflare for",
    plant: (zone) => {
      zone.zoneStatus = "pending";
    },
    found: {
      "cloudflare: zone":
        "problem: the zone example.com is pending: the world does not ask Cloudflare for it → set the name servers that Cloudflare names at the domain's registrar",
    },
  },
  {
    what: "a token that may not see zones",
    plant: (zone) => {
      zone.forbidden = /^\/zones$/;
    },
    found: {
      "cloudflare: zone": `problem: ${unauthorized} → add the permission Zone > Zone > Read to the run's token`,
      ...unseen,
    },
  },
  {
    what: "a token that may not read records",
    plant: (zone) => {
      zone.forbidden = /dns_records/;
    },
    found: each(
      ofZone,
      `problem: may not read DNS records: ${unauthorized} → add the permission Zone > DNS > Edit to the run's token`,
    ),
  },
  {
    what: "CAA records that name another CA",
    plant: (zone) => {
      zone.records.push(caa("example.com", "issuewild", ";"));
    },
    found: {
      "cloudflare: CAA":
        'problem: the CAA records of example.com do not let Let\'s Encrypt issue *.cluster.example.com by DNS: issuewild ";" → add at Cloudflare: example.com CAA 0 issuewild "letsencrypt.org"',
    },
  },
  {
    what: "an alias in the challenge's place",
    plant: (zone) => {
      zone.records.push(record("CNAME", "_acme-challenge.cluster.example.com", "acme.example.net"));
    },
    found: {
      "cloudflare: challenge":
        "problem: _acme-challenge.cluster.example.com is a CNAME to acme.example.net, beside which cert-manager cannot write the challenge's TXT record → delete it at Cloudflare; this program delegates no challenge",
    },
  },
  {
    what: "a delegation of the base domain",
    plant: (zone) => {
      zone.records.push(record("NS", "cluster.example.com", "ns.example.net"));
    },
    found: {
      "cloudflare: challenge":
        "problem: cluster.example.com is delegated to ns.example.net: nobody asks this zone for the challenge's TXT record, or anything else below cluster.example.com → delete its NS records at Cloudflare, or set domain to the zone that is asked, if Cloudflare has it",
    },
  },
];

describe("a planted fault", () => {
  it.each(faults)("$what is found, and nothing else changes", async ({ plant, found }) => {
    const zone = freshZone();
    plant(zone);
    expect(await examine(zone, wholeStack(), nothing)).toEqual({ ...healthy, ...found });
  });

  it("is not taken for one where Cloudflare does not answer", async () => {
    const url = `http://127.0.0.1:${await silentPort()}`;
    const asked = examineCloudflare(examination(wholeStack(), env, { callMs: 50 }), url, Promise.resolve(nothing));
    expect(told(await asked)).toEqual(each(checks, "skipped: could not be asked: no answer in time"));
  });
});
