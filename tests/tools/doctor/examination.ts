import type { Installed } from "../../../tools/doctor/cluster.ts";
import type { Env, Examination, Limits } from "../../../tools/doctor/examination.ts";
import { type Outcome, runner } from "../../../tools/lib/checks.ts";
import { settingsFrom } from "../settings.ts";
import { ADDRESS, ids } from "./oci-stand-in.ts";

// What the parts of the doctor are told in the tests, and how the tests read what they tell.

/** A stack's settings as its file has them. */
export type Raw = Record<string, unknown>;

/** Tokens that the systems take, and that no finding may show. */
export const tokens = {
  kubernetes: "kubernetes-token-of-the-test",
  cloudflare: "cloudflare-token-of-the-test",
  vault: "vault-token-of-the-test",
};

/** Settings that use all that there is. */
export const wholeStack = (): Raw & { loadBalancer: Raw; vault: Raw } => ({
  domain: "example.com",
  cluster: { id: ids.cluster },
  size: "production",
  acme: { email: "platform@example.com", server: "production" },
  loadBalancer: {
    compartmentId: ids.compartment,
    vcnId: ids.vcn,
    subnetId: ids.subnet,
    minMbps: 100,
    maxMbps: 1000,
    rules: "None",
    nodeNsgIds: [ids.nsg],
    additionalNsgIds: [ids.extraNsg],
    reservedIp: ids.ip,
  },
  vault: { address: "http://127.0.0.1:8200" },
  services: [
    { name: "vault", namespace: "vault", port: 8200 },
    { name: "argocd", namespace: "argocd", service: "argocd-server", port: 80 },
  ],
});

/** Far more than a busy machine takes. */
export const AMPLE: Limits = { callMs: 20_000, ociMs: 20_000, logMs: 20_000, checkMs: 20_000 };

export const examination = (raw: Raw, env: Env = {}, limits: Partial<Limits> = {}): Examination => {
  const all = { ...AMPLE, ...limits };
  const settings = settingsFrom(raw, ["cloudflareApiToken"]);
  return { stack: "live", settings, env, limits: all, run: runner(all.checkMs, "skipped") };
};

/** What is told, by check: the level, the reason and, after an arrow, what to do; a list where it is more than one. */
export const told = (outcomes: readonly Outcome[]): Record<string, string | string[]> =>
  Object.fromEntries(
    outcomes.map(({ subject, verdicts }) => {
      const lines = verdicts.map(
        ({ level, reason, action }) => `${level}: ${reason}${action === undefined ? "" : ` → ${action}`}`,
      );
      return [subject.name, lines.length === 1 ? (lines[0] ?? "") : lines];
    }),
  );

/** A cluster with nothing of the platform in it. */
export const nothing: Installed = { any: false, account: null, hasCertificate: false };

/** One in which the platform runs. */
export const running: Installed = {
  any: true,
  gateway: { address: ADDRESS },
  account: "https://acme-v02.api.letsencrypt.org/acme/acct/1234",
  hasCertificate: true,
};

/** The same for several checks. */
export const each = (checks: readonly string[], line: string): Record<string, string> =>
  Object.fromEntries(checks.map((check) => [check, line]));
