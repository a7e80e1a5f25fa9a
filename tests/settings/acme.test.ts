import { describe, expect, it } from "vitest";
import { letsEncrypt } from "../../settings/acme.ts";
import { parseSettings } from "../../settings/settings.ts";
import {
  account,
  configOf,
  itJudges,
  itMakes,
  itRefuses,
  mistakesIn,
  oke,
  PEM,
  type Raw,
  settingsOf,
} from "./stacks.ts";

const anEmail = "an e-mail address such as platform@example.com";
const noEmail = `acme.email is missing; allowed: ${anEmail}; the ACME server asks for a contact`;
const onlyCa = '"ca" with cloudflare.token "none": without a DNS token no public server can validate';
const onlyWithUrl = "only with the URL of an ACME directory in acme.server; remove it";
const tenSeconds = "10 or more with Let's Encrypt, where a validation that comes too early counts against five an hour";
const noSetWait =
  "nothing with cert-manager below v1.21, which cannot wait a set time; remove it or raise charts.certManager.version";
const other = "https://acme.example.com/dir";
const noToken = { cloudflare: { token: "none" } };
const certManager = (version: string) => ({ charts: { certManager: { version } } });

describe("who signs", () => {
  itJudges([
    ["acme", "a map with keys of email, server, issuerName, caBundle, propagationSeconds, eab", ["x", ["x"]], []],
    ["acme.email", anEmail, ["platform", 5], ["platform@example.com"]],
    [
      "acme.server",
      '"staging", "production", "ca" or the https URL of an ACME directory',
      ["live", "http://acme.example.com/", "acme.example.com"],
      [undefined, "staging", "production", "ca", other],
    ],
    [
      "acme.issuerName",
      'a ClusterIssuer: at most 253 lower-case letters, digits, "-" and ".", with a letter or digit at both ends of each part',
      ["Issuer", "a_b", 5],
      ["letsencrypt", "letsencrypt.dns"],
    ],
    ["acme.propagationSeconds", "a whole number from 0 to 3600 (seconds)", [3601, -1, 30.5, "30"], [10, 3600]],
  ]);
  itJudges(
    [["acme.caBundle", "PEM, one or more -----BEGIN CERTIFICATE----- blocks", ["AAAA"], [PEM, PEM.repeat(2)]]],
    account({ server: other }),
  );

  const eab = { keyId: "kid-1" };
  const zeroSsl = "https://acme.zerossl.com/v2/DV90";
  const bound = (server: string | undefined, hmacKey?: string): Raw => ({
    ...account({ server, eab }),
    acmeEabHmacKey: hmacKey,
  });
  const HMAC =
    "the HMAC key as base64url without padding (letters, digits, - and _, no = at its end), set with `pulumi config set --secret`";

  // The last two would be repeated by what is advised of an address and of a date.
  it.each([
    ...["c2FtZQ==", "c2F+ZQ", "c2F/ZQ", "abcde", "a", "with space"],
    ...["10.1.2.3", "2026-11-27 00:00:00 +0000 UTC"],
  ])("refuses %s as an HMAC key, unseen", (key) => {
    expect(mistakesIn({ ...oke, ...bound(zeroSsl, key) }, ["acmeEabHmacKey"])).toEqual([
      `acmeEabHmacKey is [secret]; allowed: ${HMAC}`,
    ]);
  });

  it("binds the account of a server that asks for it", () => {
    const { issuer } = parseSettings(configOf({ ...oke, ...bound(zeroSsl, "c2Ft-_ZQ") }, ["acmeEabHmacKey"]));
    expect(issuer).toEqual({
      kind: "acme",
      directory: zeroSsl,
      email: "platform@example.com",
      eab: { keyId: "kid-1", hmacKey: "c2Ft-_ZQ" },
    });
  });

  it.each([
    [
      "without its key",
      bound(zeroSsl),
      "acmeEabHmacKey is missing; allowed: a secret, required with acme.eab; pulumi config set --secret acmeEabHmacKey",
    ],
    ...["staging", "https://acme-v02.api.letsencrypt.org/directory"].map(
      (server) =>
        [
          `at ${server}`,
          bound(server, "c2Ft"),
          `acme.eab is {"keyId":"kid-1"}; allowed: only with the URL of an ACME directory that asks for it in acme.server; Let's Encrypt takes every account; remove it`,
        ] as const,
    ),
    [
      "that nothing names",
      { acmeEabHmacKey: "c2Ft" },
      "acmeEabHmacKey is [secret]; allowed: nothing without acme.eab; set acme.eab.keyId, or remove the key",
    ],
  ] satisfies (readonly [string, Raw, string])[])("refuses a binding %s", (_what, changes, mistake) => {
    expect(mistakesIn({ ...oke, ...changes }, ["acmeEabHmacKey"])).toEqual([mistake]);
  });

  itRefuses([
    ["no e-mail for Let's Encrypt", { acme: { server: "production" } }, noEmail],
    ["no acme at all", { acme: undefined }, noEmail],
    ["an empty acme", { acme: {} }, noEmail],
    [
      "Let's Encrypt without a DNS token",
      { ...noToken, ...account({ server: "production" }) },
      `acme.server is "production"; allowed: ${onlyCa}`,
    ],
    [
      "another server without a DNS token",
      { ...noToken, ...account({ server: other }) },
      `acme.server is "${other}"; allowed: ${onlyCa}`,
    ],
    // "staging" stands where a stack does not say, and a contact would be no help.
    [
      "no server, and that alone, without a DNS token",
      { ...noToken, acme: undefined },
      `acme.server is missing; allowed: ${onlyCa}`,
    ],
    ...["staging", "production", "ca"].map((server): [string, Raw, string] => [
      `a CA bundle with the server ${server}`,
      account({ server, caBundle: PEM }),
      `acme.caBundle is ${JSON.stringify(PEM)}; allowed: ${onlyWithUrl}`,
    ]),
    [
      "a CA bundle without a server",
      account({ caBundle: PEM }),
      `acme.caBundle is ${JSON.stringify(PEM)}; allowed: ${onlyWithUrl}`,
    ],
    [
      "a wait with the CA in the cluster",
      account({ server: "ca", propagationSeconds: 30 }),
      'acme.propagationSeconds is 30; allowed: nothing with acme.server "ca", which asks no DNS; remove it',
    ],
    [
      "a wait below ten seconds without a server",
      account({ propagationSeconds: 9 }),
      `acme.propagationSeconds is 9; allowed: ${tenSeconds}`,
    ],
    ...[
      "staging",
      "production",
      ...Object.values(letsEncrypt),
      "https://ACME-v02.api.letsencrypt.org:443/directory",
    ].map((server): [string, Raw, string] => [
      `no wait with ${server}`,
      account({ server, propagationSeconds: 0 }),
      `acme.propagationSeconds is 0; allowed: ${tenSeconds}`,
    ]),
    ...["v1.20.9", "v0.99.0"].map((version): [string, Raw, string] => [
      `a wait with cert-manager ${version}`,
      { ...account({ propagationSeconds: 30 }), ...certManager(version) },
      `acme.propagationSeconds is 30; allowed: ${noSetWait}`,
    ]),
    [
      "only cert-manager's version when the wait would be judged by a wrong one",
      { ...account({ propagationSeconds: 30 }), ...certManager("1.20") },
      'charts.certManager.version is "1.20"; allowed: one exact version such as 1.31.4, no range',
    ],
    [
      "only the server when the rest would be judged by a wrong one",
      { acme: { server: "live", caBundle: PEM, propagationSeconds: 0 } },
      'acme.server is "live"; allowed: "staging", "production", "ca" or the https URL of an ACME directory',
    ],
    [
      "only the kind of token when the server would be judged by a wrong one",
      { cloudflare: { token: "given" }, acme: { server: "production" } },
      'cloudflare.token is "given"; allowed: "scoped" or "supplied" or "none"',
    ],
  ]);

  it("refuses a CA bundle and a server without a DNS token, each on its line", () => {
    expect(mistakesIn({ ...oke, ...noToken, ...account({ server: "staging", caBundle: PEM }) })).toHaveLength(2);
  });

  const issuer = { kind: "acme", email: "platform@example.com" } as const;
  itMakes([
    ["no server", account({}), { issuer: { ...issuer, directory: letsEncrypt.staging } }],
    ["staging", account({ server: "staging" }), { issuer: { ...issuer, directory: letsEncrypt.staging } }],
    ["production", account({ server: "production" }), { issuer: { ...issuer, directory: letsEncrypt.production } }],
    [
      "another server with its CA, without a wait",
      account({ server: other, caBundle: PEM, propagationSeconds: 0 }),
      { issuer: { ...issuer, directory: other, caBundle: PEM, propagationSeconds: 0 } },
    ],
    ["ca, though an e-mail is given", account({ server: "ca" }), { issuer: { kind: "ca" } }],
    [
      "a wait of ten seconds with Let's Encrypt",
      account({ propagationSeconds: 10 }),
      { issuer: { ...issuer, directory: letsEncrypt.staging, propagationSeconds: 10 } },
    ],
  ]);

  it.each(["v1.21.0", "1.100.0", "v2.0.0"])("makes a wait with cert-manager %s", (version) => {
    const { issuer: made } = settingsOf({ ...account({ propagationSeconds: 30 }), ...certManager(version) });
    expect(made).toEqual({ ...issuer, directory: letsEncrypt.staging, propagationSeconds: 30 });
  });

  it("knows Let's Encrypt's directories", () => {
    expect(letsEncrypt).toEqual({
      production: "https://acme-v02.api.letsencrypt.org/directory",
      staging: "https://acme-staging-v02.api.letsencrypt.org/directory",
    });
  });
});
