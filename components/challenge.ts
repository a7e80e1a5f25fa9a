import { getDnsRecords } from "@pulumi/cloudflare/getDnsRecords.js";
import type * as pulumi from "@pulumi/pulumi";
import { isLetsEncrypt } from "../settings/acme.ts";
import type { RecordsSettings } from "../settings/cloudflare.ts";
import { caaFaults, type NamesInZone, recordsAt, upToZone, type ZoneRecord } from "./caa.ts";
import { previewHook } from "./hooks.ts";
import { askedZoneId, type Fault } from "./zone.ts";

// What of a zone decides whether the challenge of a certificate can be met, which else shows after half an hour.

/** Where the ACME server looks for the TXT record: https://www.rfc-editor.org/rfc/rfc8555#section-8.4 */
const challengeName = (baseDomain: string) => `_acme-challenge.${baseDomain}`;

/** The names whose records decide. */
export const decidingNames = (names: NamesInZone) => [challengeName(names.baseDomain), ...upToZone(names)];

/**
 * What keeps the TXT record of the challenge from being written, or from being seen.
 *
 * @param records those of {@link decidingNames}, of whatever types
 */
export function challengeFaults(names: NamesInZone, records: readonly ZoneRecord[]): Fault[] {
  const name = challengeName(names.baseDomain);
  const contentsAt = (host: string, type: string) => recordsAt(host, records, type).map(({ content = "?" }) => content);
  const aliases = contentsAt(name, "CNAME").map((target) => ({
    reason: `${name} is a CNAME to ${target}, beside which cert-manager cannot write the challenge's TXT record`,
    action: "delete it at Cloudflare; this program delegates no challenge",
  }));
  // The zone's own NS records delegate nothing.
  const delegations = decidingNames(names)
    .filter((host) => host !== names.domain)
    .flatMap((host) => {
      const servers = contentsAt(host, "NS");
      if (servers.length === 0) return [];
      const what = `the challenge's TXT record${host === name ? "" : `, or anything else below ${host}`}`;
      return [
        {
          reason: `${host} is delegated to ${servers.sort().join(", ")}: nobody asks this zone for ${what}`,
          action: "delete its NS records at Cloudflare, or set domain to the zone that is asked, if Cloudflare has it",
        },
      ];
    });
  return [...aliases, ...delegations];
}

/**
 * Refuses an issuance whose challenge cannot be met. It is asked where the program has to do with the zone anyway, and
 * so has a token for it; whether a CAA record's account is this stack's, only the cluster knows.
 *
 * @throws with all that is wrong
 */
export const challengeHook = (name: string, { zone, baseDomain, directory }: RecordsSettings & { directory: string }) =>
  previewHook(name, async ({ oldInputs, newInputs }) => {
    if (oldInputs !== undefined && !isIssuedAnew(oldInputs, newInputs ?? {})) return;
    const names = { domain: zone, baseDomain };
    const zoneId = await askedZoneId(zone);
    const found = await Promise.all(decidingNames(names).map((exact) => getDnsRecords({ zoneId, name: { exact } })));
    const records = found.flatMap(({ results }) => results);
    const forbidden = isLetsEncrypt(directory) ? caaFaults(names, records, undefined).faults : [];
    const faults = [...challengeFaults(names, records), ...forbidden.filter(({ isCertain }) => isCertain)];
    if (faults.length > 0) throw new Error(faults.map(({ reason, action }) => `${reason}; ${action}`).join(". "));
  });

/** Whether a Certificate asks for another one than before. */
function isIssuedAnew(...versions: [Inputs, Inputs]): boolean {
  const [before, after] = versions.map(({ spec }) => {
    const { dnsNames, issuerRef } = (spec ?? {}) as { dnsNames?: unknown; issuerRef?: unknown };
    return JSON.stringify([dnsNames, issuerRef]);
  });
  return before !== after;
}

type Inputs = NonNullable<pulumi.ResourceHookArgs["newInputs"]>;
