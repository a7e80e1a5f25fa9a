import type { Settings } from "../../../settings/settings.ts";
import { type Outcome, runner } from "../../../tools/lib/checks.ts";
import type { Asked } from "../../../tools/verify/asked.ts";
import { checksOf } from "../../../tools/verify/check.ts";
import type { TlsPair } from "../../pki.ts";
import { settingsFrom } from "../settings.ts";
import { dnsServer, type EnvoyAnswer, httpGateway, httpsGateway } from "./gateway.ts";

// What a deployed platform looks like, all well but for what a test changes.

/** The load balancer's address. */
export const ADDRESS = "203.0.113.7";
export const BASE = "cluster.example.com";
export const VAULT = "vault.cluster.example.com";
export const ARGOCD = "argocd.cluster.example.com";
export const HOSTS = [BASE, VAULT, ARGOCD];
/** What the certificate is for. */
export const NAMES = ["*.cluster.example.com", BASE];

/** Settings by their keys, as a stack's file has them. */
export type Raw = Readonly<Record<string, unknown>>;

export const stack = {
  domain: "example.com",
  cluster: { id: "ocid1.cluster.oc1.eu-frankfurt-1.aaaacluster" },
  acme: { email: "platform@example.com", server: "production" },
  loadBalancer: { compartmentId: "ocid1.compartment.oc1..aaaacompartment", rules: "SL-All" },
  vault: { address: "http://127.0.0.1:8200" },
  services: [
    { name: "vault", namespace: "vault", port: 8200 },
    { name: "argocd", namespace: "argocd", service: "argocd-server", port: 80 },
  ],
};

/** The stack's settings, with changes. */
export const settingsWith = (changes: Raw = {}): Settings => settingsFrom({ ...stack, ...changes });

/** What each part of the verification is told. */
export const askedOf = (asked: Partial<Asked> & Pick<Asked, "settings">): Asked => ({
  kubeConfig: new Promise<never>(() => {}),
  // Far more than a busy machine takes.
  timeoutMs: 20_000,
  run: runner(20_000, "problem"),
  ...asked,
});

/** Each check in a line, and what is to be done about it. */
export const linesOf = (outcomes: readonly Outcome[]): string[] =>
  checksOf(outcomes).map(
    ({ name, host, status, reason, action }) =>
      `${status} ${name}${host === undefined ? "" : ` ${host}`}: ${reason}${action === undefined ? "" : ` → ${action}`}`,
  );

/** What did not pass. */
export const troublesIn = (outcomes: readonly Outcome[]) =>
  linesOf(outcomes).filter((line) => !line.startsWith("pass "));

// What a visitor meets.

/** How the way in differs from one that is right. */
export interface WayIn {
  /** Versions that the gateway accepts. */
  readonly versions?: {
    readonly minVersion?: "TLSv1";
    readonly maxVersion?: "TLSv1.1" | "TLSv1.2";
    readonly ciphers?: string;
  };
  readonly answers?: Readonly<Record<string, EnvoyAnswer>>;
  readonly redirect?: (host: string) => { status: number; location?: string };
  readonly records?: Readonly<Record<string, readonly string[]>>;
}

/** Starts DNS and the gateway. */
export async function startWayIn(presented: TlsPair, { versions, answers, redirect, records }: WayIn = {}) {
  const tls = { ...presented, minVersion: "TLSv1.2", ...versions } as const;
  const right = {
    [VAULT]: { status: 307, isUpstreams: true },
    // An app may well say so itself.
    [ARGOCD]: { status: 404, isUpstreams: true },
  };
  const toHttps = (host: string) => ({ status: 301, location: `https://${host}/` });
  return {
    resolver: await dnsServer({ ...Object.fromEntries(HOSTS.map((host) => [host, [ADDRESS]])), ...records }),
    https: { ip: "127.0.0.1", port: await httpsGateway(tls, HOSTS, { ...right, ...answers }) },
    http: { ip: "127.0.0.1", port: await httpGateway(redirect ?? toHttps) },
  };
}
