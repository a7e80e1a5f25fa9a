import { DnsRecord } from "@pulumi/cloudflare/dnsRecord.js";
import { getDnsRecords } from "@pulumi/cloudflare/getDnsRecords.js";
import * as pulumi from "@pulumi/pulumi";
import type { RecordsSettings } from "../settings/cloudflare.ts";
import { leftOver } from "./adoption.ts";
import { previewHook } from "./hooks.ts";
import { zoneIdOf } from "./zone.ts";

export interface DnsRecordsArgs extends RecordsSettings {
  /** IPv4 address of the load balancer. */
  readonly address: pulumi.Input<string>;
}

const TYPE = "oke-platform:platform:DnsRecords";

/** Cloudflare's word for a TTL of its own choice, the only one that a proxied record may have. */
const AUTOMATIC_TTL = 1;

/** The A records of the wildcard and of the name it stands on. Two, because a wildcard does not answer for its own base. */
export class DnsRecords extends pulumi.ComponentResource {
  constructor(name: string, args: DnsRecordsArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPE, name, {}, opts);

    const zoneId = zoneIdOf(args.zone, this);
    const free = previewHook(`${name}-free`, refuseTaken);
    const record = (child: string, host: string) =>
      new DnsRecord(
        child,
        {
          zoneId,
          name: host,
          type: "A",
          content: args.address,
          proxied: args.proxied,
          ttl: args.proxied ? AUTOMATIC_TTL : args.ttlSeconds,
        },
        { parent: this, hooks: { beforeCreate: [free] } },
      );
    record(`${name}-wildcard`, `*.${args.baseDomain}`);
    record(`${name}-base`, args.baseDomain);

    this.registerOutputs();
  }
}

/** Types of records that answer for a host in the place of ours, or beside it. */
const RIVALS = ["A", "AAAA", "CNAME"];

/**
 * Refuses to make a record for a host that has one: Cloudflare would answer with both addresses in turn, and half of
 * the visitors would land elsewhere. A hook, because only what is new must be free.
 *
 * @throws with what is there, and the way to it
 */
async function refuseTaken({ newInputs }: pulumi.ResourceHookArgs): Promise<void> {
  const { zoneId, name: host } = newInputs as { zoneId: unknown; name: string };
  // A zone that is not known yet has no records.
  if (typeof zoneId !== "string") return;
  const { results } = await getDnsRecords({ zoneId, name: { exact: host } });
  const taken = results.find(({ type }) => RIVALS.includes(type));
  if (taken === undefined) return;
  throw new Error(
    `${host} has a record already: ${taken.type} ${taken.content}. ` +
      (taken.type === "A"
        ? leftOver(pulumi.getStack())
        : "Delete it at Cloudflare, and run up again; an A record cannot be made of it"),
  );
}
