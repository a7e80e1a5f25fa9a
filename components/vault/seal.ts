import { getVaultOutput } from "@pulumi/oci/kms/getVault.js";
import { Key } from "@pulumi/oci/kms/key.js";
import { Vault as KmsVault } from "@pulumi/oci/kms/vault.js";
import * as pulumi from "@pulumi/pulumi";
import type { SealSettings } from "../../settings/vault.ts";
import { ociTags } from "../tags.ts";

export interface VaultSealArgs extends SealSettings {
  /** Name in the OCI console of what is made here. */
  readonly displayName: string;
}

/** The OCI KMS key with which Vault unseals itself: https://developer.hashicorp.com/vault/docs/configuration/seal/ocikms */
export class VaultSeal extends pulumi.ComponentResource {
  /** OCID of the OCI KMS vault. */
  readonly vaultId: pulumi.Output<string>;
  /** OCID of the key. */
  readonly keyId: pulumi.Output<string>;
  readonly cryptoEndpoint: pulumi.Output<string>;
  readonly managementEndpoint: pulumi.Output<string>;
  /** The IAM statements that let Vault's pods use the key; `<dynamic group>` holds the worker nodes. */
  readonly iamPolicy: pulumi.Output<string>;
  /** What a destroy leaves. */
  readonly kept: pulumi.Input<string>[];

  constructor(name: string, args: VaultSealArgs, opts?: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:VaultSeal", name, {}, opts);

    const vault = this.kmsVault(name, args);
    this.vaultId = vault.id;
    this.cryptoEndpoint = vault.cryptoEndpoint;
    this.managementEndpoint = vault.managementEndpoint;
    this.keyId = pulumi.output(args.keyId ?? this.key(name, args, vault.managementEndpoint).id);
    this.iamPolicy = pulumi.interpolate`Allow dynamic-group <dynamic group> to use keys in compartment id ${vault.compartmentId} where target.key.id = '${this.keyId}'`;
    this.kept =
      args.keyId === undefined
        ? [
            pulumi.interpolate`the key that unseals Vault; set vault.kmsVaultId to ${this.vaultId} and vault.kmsKeyId to ${this.keyId} before the next up`,
          ]
        : [];

    this.registerOutputs({ keyId: this.keyId, iamPolicy: this.iamPolicy });
  }

  private kmsVault(name: string, args: VaultSealArgs) {
    if (args.vaultId !== undefined) return getVaultOutput({ vaultId: args.vaultId }, { parent: this });
    return new KmsVault(
      `${name}-kms`,
      {
        compartmentId: requireCompartment(args),
        displayName: args.displayName,
        // Shared hardware: no charge, where a private partition has one.
        vaultType: "DEFAULT",
        ...ociTags(args.tags),
      },
      // Without its key, what Vault has stored can never be read again.
      { parent: this, retainOnDelete: true },
    );
  }

  private key(name: string, args: VaultSealArgs, managementEndpoint: pulumi.Output<string>): Key {
    return new Key(
      `${name}-key`,
      {
        compartmentId: requireCompartment(args),
        displayName: args.displayName,
        managementEndpoint,
        // AES with 256 bits; in software, which has no charge.
        keyShape: { algorithm: "AES", length: 32 },
        protectionMode: "SOFTWARE",
        ...ociTags(args.tags),
      },
      // Without it, what Vault has stored can never be read again.
      { parent: this, retainOnDelete: true },
    );
  }
}

function requireCompartment({ compartmentId }: VaultSealArgs): string {
  if (compartmentId === undefined) throw new pulumi.RunError("a KMS vault or key that is made needs a compartmentId");
  return compartmentId;
}
