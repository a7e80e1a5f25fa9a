import { ApiToken } from "@pulumi/cloudflare/apiToken.js";
import { getApiTokenPermissionGroupsListOutput } from "@pulumi/cloudflare/getApiTokenPermissionGroupsList.js";
import * as pulumi from "@pulumi/pulumi";

export interface DnsTokenArgs {
  /** The one zone that the token may edit. */
  readonly zoneId: pulumi.Input<string>;
  /** Starts the token's name at Cloudflare, where all stacks of an account share one list. */
  readonly displayName: string;
  /** One more than before makes a new token. */
  readonly serial: number;
  /** When the token ends, RFC 3339; fixed when it is made. @default - never */
  readonly expiresOn?: string;
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
export class DnsToken extends pulumi.ComponentResource {
  /** The newest token; a secret. */
  readonly value: pulumi.Output<string>;

  constructor(name: string, args: DnsTokenArgs, opts?: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:DnsToken", name, {}, opts);

    const policies = [
      {
        effect: "allow",
        permissionGroups: permissionGroups({ parent: this }),
        resources: pulumi.output(args.zoneId).apply((id) => JSON.stringify({ [`${SCOPE}.${id}`]: "*" })),
      },
    ];
    const token = (serial: number) =>
      new ApiToken(
        `${name}-${serial}`,
        { name: `${args.displayName}-${serial}`, policies, expiresOn: args.expiresOn },
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
