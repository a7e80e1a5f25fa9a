import { DnsRecord } from "@pulumi/cloudflare/dnsRecord.js";
import * as pulumi from "@pulumi/pulumi";

export interface DnsRecordsArgs {
  readonly zoneId: pulumi.Input<string>;
  /** The name that the wildcard stands on, and that is served itself. */
  readonly baseDomain: string;
  /** IPv4 address of the load balancer. */
  readonly address: pulumi.Input<string>;
  /** Whether Cloudflare's proxy answers in the load balancer's place. */
  readonly proxied: boolean;
  /** Time to live; Cloudflare sets its own for proxied records. */
  readonly ttlSeconds: number;
}

/** Cloudflare's word for a TTL of its own choice, the only one that a proxied record may have. */
const AUTOMATIC_TTL = 1;

/** The A records of the wildcard and of the name it stands on. Two, because a wildcard does not answer for its own base. */
export class DnsRecords extends pulumi.ComponentResource {
  constructor(name: string, args: DnsRecordsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:DnsRecords", name, {}, opts);

    const record = (child: string, host: string) =>
      new DnsRecord(
        child,
        {
          zoneId: args.zoneId,
          name: host,
          type: "A",
          content: args.address,
          proxied: args.proxied,
          ttl: args.proxied ? AUTOMATIC_TTL : args.ttlSeconds,
        },
        { parent: this },
      );
    record(`${name}-wildcard`, `*.${args.baseDomain}`);
    record(`${name}-base`, args.baseDomain);

    this.registerOutputs();
  }
}
