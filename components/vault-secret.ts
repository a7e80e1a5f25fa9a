import * as pulumi from "@pulumi/pulumi";
import { SecretV2 } from "@pulumi/vault/kv/secretV2.js";

export interface VaultSecretArgs {
  /** Mount of the KV version 2 engine. */
  readonly mount: string;
  /** Path of the secret in the mount. */
  readonly path: string;
  /** The Cloudflare API token; a secret. */
  readonly token: pulumi.Input<string>;
}

/** The Cloudflare token in Vault, the one place that the cluster reads it from. */
export class VaultSecret extends pulumi.ComponentResource {
  /** The property that holds the token. */
  readonly property = "cf-api-token";
  /** Vault's version of the newest write, a number in text. */
  readonly version: pulumi.Output<string>;

  constructor(name: string, args: VaultSecretArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:VaultSecret", name, {}, opts);

    const secret = new SecretV2(
      name,
      {
        mount: args.mount,
        name: args.path,
        // Marked here too, so that a token that comes in without the mark is still encrypted in state.
        dataJson: pulumi.secret(pulumi.jsonStringify({ [this.property]: args.token })),
        // Without it a destroy leaves the older versions, tokens and all, readable in Vault.
        deleteAllVersions: true,
      },
      { parent: this },
    );

    // With the token, so that a preview knows that what it does not know yet will be another version.
    this.version = pulumi.unsecret(
      pulumi.all([args.token, secret.metadata]).apply(([_token, { version }]) => version ?? ""),
    );

    this.registerOutputs({ property: this.property, version: this.version });
  }
}
