import * as pulumi from "@pulumi/pulumi";
import { SecretV2 } from "@pulumi/vault/kv/secretV2.js";
import type { VaultSettings } from "../../settings/vault.ts";

export interface VaultSecretArgs extends Pick<VaultSettings, "mount" | "path"> {
  /** The Cloudflare API token; a secret. */
  readonly token: pulumi.Input<string>;
}

const PROPERTY = "cf-api-token";

/** The Cloudflare token in Vault, the one place that the cluster reads it from. */
export class VaultSecret extends pulumi.ComponentResource {
  /** Where the token is: mount and path, the property that holds it, and Vault's version of the newest write, a number in text. */
  readonly written: {
    readonly mount: string;
    readonly path: string;
    readonly property: string;
    readonly version: pulumi.Output<string>;
  };

  constructor(name: string, args: VaultSecretArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:VaultSecret", name, {}, opts);

    const secret = new SecretV2(
      name,
      {
        mount: args.mount,
        name: args.path,
        // Marked here too, so that a token that comes in without the mark is still encrypted in state.
        dataJson: pulumi.secret(pulumi.jsonStringify({ [PROPERTY]: args.token })),
        // Without it a destroy leaves the older versions, tokens and all, readable in Vault.
        deleteAllVersions: true,
      },
      { parent: this },
    );

    // With the token, so that a preview knows that what it does not know yet will be another version.
    const version = pulumi.unsecret(
      pulumi.all([args.token, secret.metadata]).apply(([_token, { version }]) => version ?? ""),
    );
    this.written = { mount: args.mount, path: args.path, property: PROPERTY, version };

    this.registerOutputs({ written: this.written });
  }
}
