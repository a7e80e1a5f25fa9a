import { afterEach, expect, it } from "vitest";
import { examineAcme } from "../../../tools/doctor/acme.ts";
import { answering, closeAll, closedPort, type Reply } from "../../loopback.ts";
import { settingsFrom } from "../settings.ts";
import { examination, type Raw, told, wholeStack } from "./examination.ts";

afterEach(closeAll);

const directory = (meta: object): Reply => ({ body: { newAccount: "https://acme.example/new-account", meta } });
const account = (server: string, more: Raw = {}): Raw => ({
  ...wholeStack(),
  acme: { email: "a@example.com", server, ...more },
});
const eab = { eab: { keyId: "kid-1" } };

/** What is found of a server, with a URL that the settings take. */
async function findingOf(address: string, more: Raw = {}) {
  const raw = account("https://acme.example/directory", more);
  const { issuer } = settingsFrom({ ...raw, ...("eab" in more && { acmeEabHmacKey: "c2Ft" }) }, ["acmeEabHmacKey"]);
  const given = examination(account("https://acme.example/directory"));
  const settings = { ...given.settings, issuer: { ...issuer, directory: address } as typeof issuer };
  return told(await examineAcme({ ...given, settings }))["certificates: ACME server"];
}

it.each<[string, object, Raw, (at: string) => string]>([
  ["takes every account", {}, {}, () => "ok: takes every account"],
  [
    "takes bound accounts, as the settings have it",
    { externalAccountRequired: true },
    eab,
    () => "ok: is to bind the account to acme.eab.keyId",
  ],
  [
    "takes bound accounts alone",
    { externalAccountRequired: true },
    {},
    (at) =>
      `problem: ${at} takes only accounts that are bound, and acme.eab is not set → set acme.eab.keyId and the secret acmeEabHmacKey to what the server's maker gives out`,
  ],
])("a server %s", async (_, meta, more, finding) => {
  const at = await answering(() => directory(meta));
  expect(await findingOf(at, more)).toBe(finding(at));
});

it("a server that cannot be asked from here, and one that is none", async () => {
  const action = "correct acme.server, or see whether the cluster reaches what this machine does not";
  const nowhere = `http://127.0.0.1:${await closedPort()}`;
  expect(await findingOf(nowhere)).toBe(`warning: ${nowhere}: nothing listens there (ECONNREFUSED) → ${action}`);
  const other = await answering(() => ({ status: 200, body: { hello: "world" } }));
  expect(await findingOf(other)).toBe(`warning: ${other}: it answers 200, and no ACME directory → ${action}`);
});

it("is asked nothing of Let's Encrypt's, or of a CA in the cluster", async () => {
  expect(await examineAcme(examination(wholeStack()))).toEqual([]);
  expect(await examineAcme(examination({ ...wholeStack(), acme: { server: "ca" } }))).toEqual([]);
});
