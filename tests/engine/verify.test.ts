import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { verify } from "../../tools/verify/verify.ts";
import { closeAll } from "../loopback.ts";
import type { TlsPair } from "../pki.ts";
import { HOSTS, NAMES, settingsWith } from "../tools/verify/deploy.ts";
import { startDeploy } from "../tools/verify/whole.ts";
import { type Pebble, startPebble } from "./pebble.ts";

// What a real ACME server issues, as the gateway would present it.

let pebble: Pebble;
let issued: TlsPair;
beforeAll(async () => {
  pebble = await startPebble();
  issued = await pebble.issue(NAMES);
});
afterAll(() => pebble?.stop());
afterEach(closeAll);

/** What did not pass, with what to do. */
async function troublesWith(roots: string | undefined) {
  const settings = settingsWith({ acme: { server: pebble.directory, email: "platform@example.com" } });
  const checks = await verify({ ...(await startDeploy(issued, settings)), roots });
  expect(checks).toHaveLength(35);
  return checks.filter(({ status }) => status !== "pass");
}

it("is trusted, chain and all, with the server's root", async () => {
  expect(await troublesWith(pebble.root)).toEqual([]);
});

it("is not trusted without it", async () => {
  expect(await troublesWith(undefined)).toEqual(
    HOSTS.map((host) => ({
      name: "trust",
      host,
      status: "FAIL",
      reason: expect.stringMatching(
        /^not trusted by Node's roots: UNABLE_TO_GET_ISSUER_CERT_LOCALLY, issued by CN=Pebble Intermediate CA [0-9a-f]+$/,
      ),
      action: "give the root of the ACME server's certificates with --roots",
    })),
  );
});

it("is not trusted with the root of another start", async () => {
  const other = await startPebble();
  try {
    const [trouble] = await troublesWith(other.root);
    expect(trouble?.reason).toMatch(/^not trusted by the roots given: UNABLE_TO_GET_ISSUER_CERT_LOCALLY, /);
  } finally {
    await other.stop();
  }
});
