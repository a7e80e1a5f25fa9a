import { X509Certificate } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { examples } from "../../../project/placeholders.ts";
import { letsEncrypt } from "../../../settings/acme.ts";
import type { Settings } from "../../../settings/settings.ts";
import { certificateIn, type Issued, type Promotion, promote } from "../../../tools/promote/promotion.ts";
import { settingsOf } from "../../../tools/stack.ts";
import type { Check } from "../../../tools/verify/check.ts";
import { closeAll } from "../../loopback.ts";
import { issue, newIssuer } from "../../pki.ts";
import { ClusterApi, tlsSecret } from "../cluster-api.ts";
import { FakePulumi } from "../fake-pulumi.ts";
import { answeredWith, NOES } from "../terminal.ts";

// The guards and the order of a promotion. What Pulumi, Let's Encrypt and the cluster do is played.

const STAGING: Issued = {
  fingerprint: "AA",
  issuer: "C=US, O=(STAGING) Let's Encrypt, CN=(STAGING) Wannabe Watercress R11",
};
const OTHERS: Issued = { fingerprint: "DD", issuer: "CN=a CA of before" };
const PRODUCTION: Issued = { fingerprint: "BB", issuer: "C=US, O=Let's Encrypt, CN=R11" };
const pass: Check = { name: "handshake", host: "vault.example.com", status: "pass", reason: "it is fine" };
const untrusted: Check = { name: "trust", status: "FAIL", reason: "staging is not trusted", action: "--roots" };
const broken: Check = { name: "DNS", status: "FAIL", reason: "another address", action: "wait" };
const settings = await settingsOf("fresh", undefined, examples);

/** A Pulumi CLI whose `up` has production issue a certificate. */
class Pulumi extends FakePulumi {
  certificate = STAGING;
  override up = () => {
    this.certificate = PRODUCTION;
    return 0;
  };
}

/** A promotion that goes well, but for these; and what it did. */
async function played(changes: Partial<Promotion> = {}, pulumi = new Pulumi()) {
  pulumi.calls.length = 0;
  const note = (what: string) => pulumi.calls.push(what);
  const work: Promotion = {
    stack: "live",
    settings,
    verify: async (server) => {
      note(`verify ${server}`);
      return [pass];
    },
    hasStagingRoots: true,
    issuedThisWeek: async () => 4,
    certificate: async () => pulumi.certificate,
    pulumi,
    approve: async () => {
      note("ask");
      return true;
    },
    pause: async () => void note("pause"),
    log: () => undefined,
    ...changes,
  };
  const result = await promote(work).then(
    () => "promoted",
    (error: Error) => error.message,
  );
  // To read the stack's file changes nothing.
  return { did: pulumi.calls.filter((call) => !call.startsWith("config get")), result };
}

const SET = (server: string) => `config set --path oke-platform:acme.server ${server} --stack live`;
const PREVIEW = "preview --stack live";
const UP = "up --yes --skip-preview --stack live";
const asProduction: Settings = {
  ...settings,
  issuer: { kind: "acme", directory: letsEncrypt.production, email: "platform@example.com" },
};

describe("a promotion", () => {
  it("verifies, switches, asks, has a certificate issued, and verifies again", async () => {
    expect(await played()).toEqual({
      did: ["verify staging", SET("production"), PREVIEW, "ask", UP, "verify production"],
      result: "promoted",
    });
  });

  it("goes on where one before has failed in its up", async () => {
    expect(await played({ settings: asProduction })).toEqual({
      did: ["verify staging", PREVIEW, "ask", UP, "verify production"],
      result: "promoted",
    });
  });

  it("waits until the new certificate is presented", async () => {
    let looks = 0;
    const verify: Promotion["verify"] = async (server) => [server === "production" && looks++ < 2 ? broken : pass];
    const { did, result } = await played({ verify });
    expect([did.slice(-2), result]).toEqual([["pause", "pause"], "promoted"]);
  });

  it.each<[string, Partial<Promotion>, string[], RegExp]>([
    [
      "another server than staging",
      { settings: { ...settings, issuer: { kind: "ca" } } },
      [],
      /^acme\.server is ca; allowed: "staging"/,
    ],
    [
      "a certificate of production's",
      { settings: asProduction, certificate: async () => PRODUCTION },
      [],
      /^stack live has a certificate of Let's Encrypt's production already/,
    ],
    [
      "what fails already",
      { verify: async () => [pass, broken] },
      [],
      /^not promoted: what is up fails with staging already\n.*another address/s,
    ],
    ["staging that is not trusted by its roots", { verify: async () => [untrusted] }, [], /staging is not trusted/],
    [
      "a week in which five were issued",
      { issuedThisWeek: async () => 5 },
      ["verify staging"],
      /has issued 5 certificates .* allows 5/,
    ],
    [
      "logs that do not answer",
      { issuedThisWeek: () => Promise.reject(new Error("no answer")) },
      ["verify staging"],
      /cannot be asked: no answer; .* --ignore-budget$/,
    ],
  ])("is refused with %s, before anything is changed", async (_, changes, did, message) => {
    const played_ = await played(changes);
    expect(played_.did).toEqual(did);
    expect(played_.result).toMatch(message);
  });

  it("leaves out the question of trust for want of staging's roots, and asks it of production", async () => {
    const verify: Promotion["verify"] = async () => [untrusted];
    const { did, result } = await played({ verify, hasStagingRoots: false });
    expect(did).toEqual([SET("production"), PREVIEW, "ask", UP, ...Array(60).fill("pause")]);
    expect(result).toMatch(/^the new certificate is there, and something is wrong:\n.*staging is not trusted/s);
  });

  it("may ignore logs that do not answer", async () => {
    const issuedThisWeek = () => Promise.reject(new Error("no answer"));
    expect((await played({ issuedThisWeek, ignoreBudget: true })).result).toBe("promoted");
  });

  it.each([
    ["staging", SET("staging")],
    [undefined, "config rm --path oke-platform:acme.server --stack live"],
  ])("leaves acme.server at %s when the preview fails, or the answer is no", async (server, back) => {
    const pulumi = new Pulumi();
    pulumi.config.set("oke-platform:acme.email", "platform@example.com");
    if (server !== undefined) pulumi.config.set("oke-platform:acme.server", server);
    const tried = ["verify staging", SET("production"), PREVIEW];
    expect(await played({ approve: async () => false }, pulumi)).toEqual({
      did: [...tried, back],
      result: "not promoted: nobody said yes",
    });
    pulumi.preview = 1;
    expect(await played({}, pulumi)).toEqual({
      did: [...tried, back],
      result: "pulumi preview has failed; nothing is changed",
    });
    expect(pulumi.config.get("oke-platform:acme.server")).toBe(server);
  });

  it.each(Object.entries(NOES))("is a no with %s at its question", async (_, keys) => {
    const pulumi = new Pulumi();
    pulumi.config.set("oke-platform:acme.server", "staging");
    const { result } = await played({ approve: () => answeredWith(keys) }, pulumi);
    expect([result, pulumi.config.get("oke-platform:acme.server")]).toEqual([
      "not promoted: nobody said yes",
      "staging",
    ]);
  });

  it("does not go back when up fails, and says how to go on", async () => {
    const pulumi = new Pulumi();
    pulumi.up = () => 255;
    const { result } = await played({}, pulumi);
    expect(pulumi.config.get("oke-platform:acme.server")).toBe("production");
    expect(result).toMatch(/^up failed\. The certificate of before is still served\..* run this command again/);
  });

  it.each([
    ["is the same", STAGING],
    ["is staging's again", { ...STAGING, fingerprint: "CC" }],
    ["is the same of another issuer", OTHERS, OTHERS],
  ])("fails when the certificate %s after up", async (_, after, before = STAGING) => {
    let looks = 0;
    const { result } = await played({ certificate: async () => (looks++ === 0 ? before : after) });
    expect(result).toMatch(/^no other certificate was issued: the cluster holds (AA|CC|DD), signed by /);
  });
});

describe("the certificate in the cluster", () => {
  afterEach(closeAll);

  it("is read with its fingerprint and issuer", async () => {
    const pair = await issue(await newIssuer("(STAGING) Let's Encrypt"), ["example.com"]);
    const api = new ClusterApi([tlsSecret("cert-manager-tls-wildcard-cluster", "cert-manager", pair)]);
    const { fingerprint256 } = new X509Certificate(pair.cert);
    expect(await certificateIn(await api.start())).toEqual({
      fingerprint: fingerprint256,
      issuer: "CN=(STAGING) Let's Encrypt Intermediate",
    });
  });

  it("is missing before the first up", async () => {
    const kubeConfig = await new ClusterApi([]).start();
    await expect(certificateIn(kubeConfig)).rejects.toThrow("it is not there; run up with staging first");
  });
});
