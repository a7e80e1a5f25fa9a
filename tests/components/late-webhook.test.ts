import { describe, expect, it } from "vitest";
import { secondsToRetry } from "../../components/late-webhook.ts";
import { registrationsOf } from "../harness.ts";

const UNTRUSTED =
  'failed calling webhook "webhook.cert-manager.io": failed to call webhook: tls: failed to verify certificate: x509: certificate signed by unknown authority';

describe("what a webhook refuses", () => {
  const timesOf = (error: string, count: number) =>
    Array.from({ length: count }, (_, at) => secondsToRetry(Array(at + 1).fill(error)));

  it.each([UNTRUSTED, "no endpoints available for service", 'failed calling webhook "x": connection refused'])(
    "is tried again for a minute, and no longer: %s",
    (error) => {
      const waits = timesOf(error, 8);
      expect(waits).toEqual([1, 2, 4, 8, 15, 30, undefined, undefined]);
      expect(waits.reduce((sum: number, wait) => sum + (wait ?? 0), 0)).toBe(60);
    },
  );

  it("is not tried again for what it says itself", () => {
    expect(secondsToRetry(['admission webhook "webhook.cert-manager.io" denied the request: spec.acme is wrong'])).toBe(
      undefined,
    );
  });

  it("is judged by the newest of its errors", () => {
    expect([secondsToRetry(["already exists", UNTRUSTED]), secondsToRetry([UNTRUSTED, "503"])]).toEqual([undefined, 2]);
  });
});

it("everything of cert-manager and External Secrets has the hook, and nothing else", async () => {
  const registrations = await registrationsOf("prod", {
    vault: { install: true, initialized: true },
  });
  const having = registrations.filter(({ options }) => options.errorHooks.includes("late-webhook"));
  expect(having.map(({ name }) => name).sort()).toEqual([
    "certificate",
    "issuer",
    "secret-store",
    "token-secret",
    "vault-tls-ca",
    "vault-tls-ca-root",
    "vault-tls-ca-root-certificate",
    "vault-tls-client",
    "vault-tls-server",
  ]);
});
