import * as v from "valibot";
import type { DomainGiven } from "./domain.ts";
import { flag, oneOf, says, secret, section, whole } from "./fields.ts";
import type { LoadBalancerGiven } from "./load-balancer.ts";
import type { Rule } from "./rule.ts";

export const cloudflare = says(
  "The DNS token and the DNS records.",
  section({
    token: says(
      "Where the token for DNS-01 comes from. scoped: the program makes it, for the one zone. supplied: you do. none: no Cloudflare, Vault or External Secrets at all, and acme.server must be ca.",
      v.optional(oneOf("scoped", "supplied", "none"), "scoped"),
    ),
    tokenSerial: says("One more makes a new scoped token, and rotates it.", v.optional(whole("", 1, 1_000_000), 1)),
    tokenExpiresDays: says(
      "Days until the scoped token ends, counted from when it is made; rotate it before then.",
      v.optional(whole("days", 1, 3650)),
      "never",
    ),
    proxied: says(
      "Cloudflare's proxy in front of the load balancer; its free certificate does not cover *.cluster.<domain>. Not with loadBalancer.internal.",
      v.optional(flag, false),
    ),
    ttlSeconds: says("TTL of the A records; automatic when proxied.", v.optional(whole("seconds", 60, 86_400), 300)),
  }),
);

export const cloudflareApiToken = says(
  'The API token for cloudflare.token "supplied": it edits DNS and reads the zone. Set it with --secret.',
  secret("a Cloudflare API token, set with `pulumi config set --secret`", /^\S+$/),
  'required with cloudflare.token "supplied"',
);

export interface CloudflareGiven {
  readonly cloudflare: v.InferOutput<typeof cloudflare>;
}

interface TokenGiven extends CloudflareGiven {
  readonly cloudflareApiToken?: string | undefined;
}

export const cloudflareRules: readonly Rule<TokenGiven & LoadBalancerGiven>[] = [
  {
    key: "cloudflare.proxied",
    reads: ["loadBalancer.internal"],
    when: ({ cloudflare, loadBalancer }) => loadBalancer?.internal === true && cloudflare.proxied,
    allowed: "false with loadBalancer.internal, whose address Cloudflare cannot reach",
  },
  {
    key: "cloudflareApiToken",
    reads: ["cloudflare.token"],
    when: (given) => given.cloudflare.token === "supplied" && given.cloudflareApiToken === undefined,
    allowed: 'a secret, required with cloudflare.token "supplied"; pulumi config set --secret cloudflareApiToken',
  },
  {
    key: "cloudflareApiToken",
    reads: ["cloudflare.token"],
    when: (given) => given.cloudflare.token !== "supplied" && given.cloudflareApiToken !== undefined,
    allowed: 'nothing unless cloudflare.token is "supplied"; set that, or remove the token',
  },
];

/** The DNS token: given, or made by the program for the one zone. */
export type TokenSettings =
  | { readonly kind: "supplied"; readonly value: string }
  | { readonly kind: "scoped"; readonly serial: number; readonly expiresDays?: number | undefined };

/** The DNS token; undefined where there is none. */
export function tokenOf({ cloudflare, cloudflareApiToken }: TokenGiven): TokenSettings | undefined {
  switch (cloudflare.token) {
    case "none":
      return undefined;
    case "supplied":
      // Given, by the rule about it.
      return { kind: "supplied", value: cloudflareApiToken as string };
    case "scoped":
      return { kind: "scoped", serial: cloudflare.tokenSerial, expiresDays: cloudflare.tokenExpiresDays };
  }
}

/** The A records of the platform. */
export interface RecordsSettings {
  /** The Cloudflare zone. */
  readonly zone: string;
  readonly baseDomain: string;
  readonly proxied: boolean;
  readonly ttlSeconds: number;
}

/** The A records; undefined without a load balancer to point to, or without a token to write them with. */
export const recordsOf = (
  {
    domain,
    cloudflare: { token, proxied, ttlSeconds },
    loadBalancer,
  }: CloudflareGiven & LoadBalancerGiven & DomainGiven,
  baseDomain: string,
): RecordsSettings | undefined =>
  loadBalancer === undefined || token === "none" ? undefined : { zone: domain, baseDomain, proxied, ttlSeconds };
