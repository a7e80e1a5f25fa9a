import { ApiToken } from "@pulumi/cloudflare/apiToken.js";
import { getApiTokenPermissionGroupsListOutput } from "@pulumi/cloudflare/getApiTokenPermissionGroupsList.js";
import * as pulumi from "@pulumi/pulumi";
import type { TokenSettings } from "../settings/cloudflare.ts";
import { zoneIdOf } from "./zone.ts";

type ScopedToken = Extract<TokenSettings, { kind: "scoped" }>;

interface DnsTokenArgs extends ScopedToken {
  /** Name of the one zone that the token may edit. */
  readonly zone: string;
  /** Starts the token's name at Cloudflare, where all stacks of an account share one list. */
  readonly displayName: string;
}

/**
 * The DNS token that a stack asks for: made here, or somebody else's.
 *
 * @returns its value, a secret, and the serial of one that is made here
 */
export function dnsToken(
  name: string,
  args: TokenSettings & Pick<DnsTokenArgs, "zone" | "displayName">,
): { value: pulumi.Output<string>; serial?: number } {
  if (args.kind === "supplied") return { value: pulumi.secret(args.value) };
  return { value: new DnsToken(name, args).value, serial: args.serial };
}

/** What cert-manager needs to write challenge records: https://cert-manager.io/docs/configuration/acme/dns01/cloudflare/ */
const PERMISSIONS = ["DNS Write", "Zone Read"];
/** Both permissions come in flavours for zones and accounts; this is the zones'. */
const SCOPE = "com.cloudflare.api.account.zone";

/**
 * A Cloudflare API token for cert-manager, good for one zone.
 *
 * The token of the serial before stays valid until the next serial, so that at no moment of a rotation
 * does the cluster hold only a token that is gone.
 */
class DnsToken extends pulumi.ComponentResource {
  /** The newest token; a secret. */
  readonly value: pulumi.Output<string>;

  constructor(name: string, args: DnsTokenArgs, opts?: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:DnsToken", name, {}, opts);

    const expiresOn = args.expiresDays === undefined ? undefined : daysFromToday(args.expiresDays);
    const policies = [
      {
        effect: "allow",
        permissionGroups: permissionGroups({ parent: this }),
        resources: zoneIdOf(args.zone, this).apply((id) => JSON.stringify({ [`${SCOPE}.${id}`]: "*" })),
      },
    ];
    const token = (serial: number) =>
      new ApiToken(
        `${name}-${serial}`,
        { name: `${args.displayName}-${serial}`, policies, expiresOn },
        {
          parent: this,
          // Counted from today, it would be another date in each run.
          ignoreChanges: ["expiresOn"],
        },
      );
    if (args.serial > 1) token(args.serial - 1);
    this.value = token(args.serial).value;

    this.registerOutputs({ value: this.value });
  }
}

/** RFC 3339, as Cloudflare wants it. */
const daysFromToday = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString();

/** Looks the permission groups up by name; their ids are nowhere documented as fixed. */
const permissionGroups = (opts: pulumi.InvokeOutputOptions) =>
  getApiTokenPermissionGroupsListOutput({ scope: SCOPE }, opts).results.apply((groups) =>
    PERMISSIONS.map((name) => {
      const group = groups.find((candidate) => candidate.name === name);
      if (group === undefined) {
        throw new pulumi.RunError(
          `Cloudflare lists no permission group "${name}" for zones; the credentials of this run must be allowed to ` +
            "edit API tokens (User > API Tokens > Edit), or set cloudflare.token to supplied",
        );
      }
      return { id: group.id };
    }),
  );
