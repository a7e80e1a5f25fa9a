import { getZoneOutput } from "@pulumi/cloudflare/getZone.js";
import type * as pulumi from "@pulumi/pulumi";

/** Cloudflare's id of the zone of that name. */
export const zoneIdOf = (name: string, parent: pulumi.Resource): pulumi.Output<string> =>
  getZoneOutput({ filter: { name } }, { parent }).zoneId;
