import { type GetZonesResult, getZones, getZonesOutput } from "@pulumi/cloudflare/getZones.js";
import * as pulumi from "@pulumi/pulumi";

/** A zone, as Cloudflare tells of it: https://developers.cloudflare.com/dns/zone-setups/reference/domain-status/ */
export interface Zone {
  readonly id: string;
  readonly status: string;
  readonly account: { readonly name?: string };
}

/** What is wrong, and what to do about it. */
export interface Fault {
  readonly reason: string;
  readonly action: string;
}

/**
 * Of the zones of one name, which several accounts may have, the one that the world asks Cloudflare for: one alone is
 * active.
 */
export const activeZone = (zones: readonly Zone[]): Zone | undefined => zones.find(({ status }) => status === "active");

/** Why none of the zones of a name can be used. */
export function zoneFault(name: string, zones: readonly Zone[]): Fault {
  if (zones.length === 0)
    return {
      reason: `the token sees no zone ${name}`,
      action: "correct domain, add the zone at Cloudflare, or let the token see it (Zone > Zone > Read)",
    };
  const states = zones.map(
    ({ status, account }) => `${status}${zones.length > 1 ? ` in account ${account.name}` : ""}`,
  );
  return {
    reason: `the zone ${name} is ${states.join(" and ")}: the world does not ask Cloudflare for it`,
    action: "set the name servers that Cloudflare names at the domain's registrar",
  };
}

/**
 * Cloudflare's id of the active zone of that name.
 *
 * @throws {pulumi.RunError} when there is none
 */
export const zoneIdOf = (name: string, parent: pulumi.Resource): pulumi.Output<string> =>
  getZonesOutput({ name }, { parent }).apply((found) => idIn(name, found));

/** The same, for a hook, which cannot wait for an output. */
export const askedZoneId = async (name: string): Promise<string> => idIn(name, await getZones({ name }));

function idIn(name: string, { results }: Pick<GetZonesResult, "results">): string {
  const zone = activeZone(results);
  if (zone !== undefined) return zone.id;
  const { reason, action } = zoneFault(name, results);
  throw new pulumi.RunError(`${reason}; ${action}`);
}
