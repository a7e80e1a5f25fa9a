import { describe, expect, it } from "vitest";
import { secondsToRetry } from "../../components/late-admission.ts";
import { registrationsOf } from "../harness.ts";

const UNTRUSTED =
  'failed calling webhook "webhook.cert-manager.io": failed to call webhook: tls: failed to verify certificate: x509: certificate signed by unknown authority';

const timesOf = (hook: string, error: string, count: number) =>
  Array.from({ length: count }, (_, at) => secondsToRetry([hook], Array(at + 1).fill(error)));

describe("what a webhook refuses", () => {
  it.each([UNTRUSTED, "no endpoints available for service", 'failed calling webhook "x": connection refused'])(
    "is tried again for a minute, and no longer: %s",
    (error) => {
      const waits = timesOf("late-webhook", error, 8);
      expect(waits).toEqual([1, 2, 4, 8, 15, 30, undefined, undefined]);
      expect(waits.reduce((sum: number, wait) => sum + (wait ?? 0), 0)).toBe(60);
    },
  );

  it("is not tried again for what it says itself", () => {
    expect(
      secondsToRetry(
        ["late-webhook"],
        ['admission webhook "webhook.cert-manager.io" denied the request: spec.acme is wrong'],
      ),
    ).toBe(undefined);
  });

  it("is judged by the newest of its errors", () => {
    expect([
      secondsToRetry(["late-webhook"], ["already exists", UNTRUSTED]),
      secondsToRetry(["late-webhook"], [UNTRUSTED, "503"]),
    ]).toEqual([undefined, 2]);
  });
});

describe("what a policy refuses", () => {
  const DENIED =
    "virtualservices.networking.istio.io \"web-vs\" is forbidden: ValidatingAdmissionPolicy 'oke-platform-routes' with binding 'oke-platform-routes' denied request: web.cluster.example.com is not for namespace apps";

  it("is tried again for a minute, and no longer", () => {
    expect(timesOf("late-policy", DENIED, 7)).toEqual([1, 2, 4, 8, 15, 30, undefined]);
  });

  it.each([
    ["another policy's sentence", DENIED.replaceAll("oke-platform-routes", "team-routes")],
    ["a right that is missing", 'virtualservices.networking.istio.io "web-vs" is forbidden: User "ci" cannot create'],
    ["a webhook that does not answer", UNTRUSTED],
  ])("is not %s", (_what, error) => {
    expect(secondsToRetry(["late-policy"], [error])).toBe(undefined);
  });

  it("is no webhook's lateness", () => {
    expect(secondsToRetry(["late-webhook"], [DENIED])).toBe(undefined);
  });
});

it("every VirtualService has the hook of the policy, and nothing else", async () => {
  const registrations = await registrationsOf("prod");
  const having = registrations.filter(({ options }) => options.errorHooks.includes("late-policy"));
  expect(having.map(({ name }) => name).sort()).toEqual(["routes-argocd/argocd", "routes-vault/vault"]);
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
