import * as v from "valibot";
import { hostName, says } from "./fields.ts";
import type { Rule } from "./rule.ts";

export const domain = says(
  "The Cloudflare zone, such as example.com.",
  hostName("a DNS zone such as example.com: no wildcard, no scheme, no path"),
);

export const baseDomain = says(
  "What the wildcard certificate covers: this name and one label below it. The zone itself, or a name in it.",
  v.optional(hostName("a host name such as cluster.example.com: no wildcard, no scheme, no path")),
  "`cluster.<domain>`",
);

export interface DomainGiven {
  readonly domain: string;
  readonly baseDomain?: string | undefined;
}

export const domainRules: readonly Rule<DomainGiven>[] = [
  {
    key: "baseDomain",
    reads: ["domain"],
    when: (given) => given.baseDomain !== undefined && !`.${given.baseDomain}`.endsWith(`.${given.domain}`),
    allowed: "a name in the zone `domain`, such as cluster.<domain>",
  },
];

/** What the wildcard certificate covers: this name and one label below it. */
export const baseDomainOf = (given: DomainGiven) => given.baseDomain ?? `cluster.${given.domain}`;

/** DNS names of the certificate, and hosts of the gateway. */
export const hostsOf = (base: string) => [`*.${base}`, base];

/** Whether a certificate for the base domain and its wildcard covers the host: a wildcard stands for exactly one label. */
export const covers = (base: string, host: string) => host === base || host.slice(host.indexOf(".") + 1) === base;
