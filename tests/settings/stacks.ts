import { expect, it } from "vitest";
import type { StackConfig } from "../../settings/config.ts";
import { parseSettings, type Settings, SettingsError } from "../../settings/settings.ts";
import { charts as pinned } from "../../versions.ts";

// What the tests of the settings share: stacks to begin with, and tables of what is refused and what is made of them.

/** A stack's values by key below `oke-platform:`; what is undefined is not set. */
export type Raw = Record<string, unknown>;

export const ids = {
  cluster: "ocid1.cluster.oc1.eu-frankfurt-1.aaaacluster",
  compartment: "ocid1.compartment.oc1..aaaacompartment",
  vcn: "ocid1.vcn.oc1.eu-frankfurt-1.aaaavcn",
  subnet: "ocid1.subnet.oc1.eu-frankfurt-1.aaaasubnet",
  nodeNsg: "ocid1.networksecuritygroup.oc1.eu-frankfurt-1.aaaansg",
  publicIp: "ocid1.publicip.oc1.eu-frankfurt-1.aaaaip",
  kmsVault: "ocid1.vault.oc1.eu-frankfurt-1.aaaavault.abcdefgh",
  kmsKey: "ocid1.key.oc1.eu-frankfurt-1.aaaavault.abcdefgi",
};
export const PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

/** The smallest stack of all: no OCI, no Cloudflare, no Vault. */
export const smallest: Raw = {
  domain: "example.com",
  cluster: { context: "kind" },
  acme: { server: "ca" },
  cloudflare: { token: "none" },
};

/** The smallest stack on OKE. */
export const oke: Raw = {
  domain: "example.com",
  cluster: { id: ids.cluster },
  acme: { email: "platform@example.com" },
  loadBalancer: { compartmentId: ids.compartment, rules: "SL-All" },
  vault: { address: "https://vault.example.com" },
};

/** No cloud but Cloudflare's. */
export const elsewhere: Raw = { cluster: { context: "kind" }, loadBalancer: undefined };

export const account = (changes: Raw) => ({ acme: { email: "platform@example.com", ...changes } });
export const balanced = (changes: Raw) => ({
  loadBalancer: { compartmentId: ids.compartment, rules: "SL-All", ...changes },
});
/** A Vault that is there. */
export const there = (changes: Raw) => ({ vault: { address: "https://vault.example.com", ...changes } });
/** A Vault that is installed. */
export const installed = (changes: Raw = {}) => ({ vault: { install: true, ...changes } });

/** As the engine hands a stack over. The token is a secret. */
export const configOf = (raw: Raw, secrets: string[] = ["cloudflareApiToken"]): StackConfig => ({
  values: Object.fromEntries(
    Object.entries(raw)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [`oke-platform:${key}`, typeof value === "string" ? value : JSON.stringify(value)]),
  ),
  secrets: secrets.map((key) => `oke-platform:${key}`),
});

/** What becomes of the smallest stack on OKE with changes. */
export const settingsOf = (changes: Raw = {}): Settings => parseSettings(configOf({ ...oke, ...changes }));

/** The mistakes in a stack, without the project's name. */
export function mistakesIn(raw: Raw, secrets?: string[]): string[] {
  try {
    parseSettings(configOf(raw, secrets));
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    const [heading, ...lines] = error.message.split("\n  oke-platform:");
    expect(heading).toBe(`${lines.length} mistake(s) in the stack's configuration:`);
    return lines;
  }
  return [];
}

/** The smallest stack on OKE with these changes has these mistakes and no other. */
export const itRefuses = (rows: [what: string, changes: Raw, ...mistakes: string[]][]) =>
  it.each(rows)("refuses %s", (_what, changes, ...mistakes) => {
    expect(mistakesIn({ ...oke, ...changes })).toEqual(mistakes);
  });

/** The smallest stack on OKE with these changes becomes what it was without, but for these parts. */
export const itMakes = (rows: [what: string, changes: Raw, parts: Partial<Settings>][]) =>
  it.each(rows)("makes of %s", (_what, changes, parts) => {
    expect(settingsOf(changes)).toEqual({ ...settingsOf(), ...parts });
  });

/** A sentence about what to write in the place of a value of another kind. */
const ADVICE =
  /; (without quotes YAML reads it|write it without quotes|this is a (map|list):|write a list,|write its keys|write (true|false),|no user name|one address is|IPv6 is out|a name with other letters).*$/;

/** Each wrong value of a key gets its one line, each right one none. */
export const itJudges = (
  rows: [key: string, allowed: string, wrong: unknown[], right: unknown[]][],
  around: Raw = {},
) =>
  it.each(rows)("%s is %s", (key, allowed, wrong, right) => {
    const lines = (value: unknown) => mistakesIn(withValue({ ...oke, ...around }, key, value));
    for (const value of wrong) {
      const json = JSON.stringify(value);
      const is = json === undefined ? "missing" : json.length > 100 ? `${json.slice(0, 100)}…` : json;
      // What to write in its place may follow; tests/settings/wrong-kinds.test.ts has the sentences.
      expect(lines(value).map((line) => line.replace(ADVICE, ""))).toEqual([`${key} is ${is}; allowed: ${allowed}`]);
    }
    for (const value of right) expect(lines(value)).toEqual([]);
  });

/** A stack with another value at a key such as `services[0].port`. */
export function withValue(raw: Raw, key: string, value: unknown): Raw {
  const changed: Raw = structuredClone(raw);
  const path = key.match(/[^.[\]]+/g) ?? [];
  const last = path.pop() ?? "";
  let at = changed;
  for (const part of path) {
    at[part] ??= {};
    at = at[part] as Raw;
  }
  at[last] = value;
  return changed;
}

export const aLabel = 'at most 63 lower-case letters, digits and "-", with a letter or digit at both ends';
export const aSubdomain =
  'at most 253 lower-case letters, digits, "-" and ".", with a letter or digit at both ends of each part';
export const ocidOf = (type: string) => `the OCID of a ${type}, ocid1.${type}.<realm>.<region>.<id>`;
export const LONGEST_LABEL = "a".repeat(63);

/** The charts as they are without a setting: from their makers, in the versions that are pinned, under the usual names. */
export const usualCharts = {
  certManager: { ...pinned.certManager, releaseName: "cert-manager" },
  reflector: { ...pinned.reflector, releaseName: "reflector" },
  istio: { ...pinned.istio, releaseNames: { base: "istio-base", istiod: "istiod" } },
  externalSecrets: { ...pinned.externalSecrets, releaseName: "external-secrets" },
  vault: pinned.vault,
};
