import { beforeAll, describe, expect, it } from "vitest";
import type { Registration } from "../../../project/record.ts";
import { lastName } from "../../../project/registration.ts";
import { worldWithoutVault } from "../../../sandbox/world/beginnings.ts";
import { openWorld } from "../../../sandbox/world/systems.ts";
import { named } from "../../harness.ts";
import { withOutputs } from "../../outputs.ts";
import {
  COMPARTMENT,
  labelled,
  objects,
  options,
  production,
  release,
  sealBlock,
  sealOf,
  small,
  smallValues,
  THEIRS,
  withWorld,
} from "./objects.ts";

describe("the seal of a small Vault", () => {
  it("unseals itself with a key that is there, which is asked for its addresses", async () => {
    const world = openWorld(worldWithoutVault());
    world.put({ kind: "KmsVault", name: "theirs", spec: { compartmentId: "theirs" } }, THEIRS.kmsVaultId);
    const [sealed, seen] = await withOutputs("lab", { vault: { install: true, ...THEIRS } }, world.state);
    expect(objects(sealed, "vault-s")).toEqual({
      ...labelled,
      "vault-server": release(smallValues(small(sealBlock(THEIRS.kmsKeyId, "abcdefgh")))),
    });
    expect(seen.vaultIamPolicy).toBe(
      `Allow dynamic-group <dynamic group> to use keys in compartment id theirs where target.key.id = '${THEIRS.kmsKeyId}'`,
    );
  });

  it("unseals itself with a new key in a KMS vault that is there", async () => {
    const world = openWorld(worldWithoutVault());
    world.put({ kind: "KmsVault", name: "theirs", spec: { compartmentId: "theirs" } }, THEIRS.kmsVaultId);
    const changed = await withWorld("lab", { install: true, kmsVaultId: THEIRS.kmsVaultId }, world.state);
    expect(objects(changed, "vault-seal")).toEqual({
      "vault-seal-key": expect.objectContaining({
        managementEndpoint: "https://abcdefgh-management.kms.eu-frankfurt-1.oraclecloud.com",
        displayName: "oke-platform-lab",
      }),
    });
    expect(named(changed, "vault-server").inputs).toEqual(
      release(smallValues(small(sealBlock(sealOf(changed).keyId, "abcdefgh")))),
    );
  });
});

describe("the seal of one for production", () => {
  let all: Registration[];
  beforeAll(async () => {
    all = await withWorld("prod", { install: true, initialized: true }, worldWithoutVault());
  });

  it("has a KMS vault and a key of its own, which outlive a destroy", () => {
    expect(objects(all, "vault-seal")).toEqual({
      "vault-seal-kms": { compartmentId: COMPARTMENT, displayName: "oke-platform-prod", vaultType: "DEFAULT" },
      "vault-seal-key": {
        compartmentId: COMPARTMENT,
        displayName: "oke-platform-prod",
        managementEndpoint: `https://${sealOf(all).endpoint}-management.kms.eu-frankfurt-1.oraclecloud.com`,
        keyShape: { algorithm: "AES", length: 32 },
        protectionMode: "SOFTWARE",
      },
    });
    expect(options(all, "vault-seal")).toEqual({
      "vault-seal-kms": { retainOnDelete: true },
      "vault-seal-key": { retainOnDelete: true },
    });
    expect(named(all, "vault-server").dataDependsOn.map(lastName)).toEqual([
      "vault-seal-key",
      "vault-seal-kms",
      "vault-server-namespace",
    ]);
  });

  it("makes no key in OCI where it is given one", async () => {
    const world = openWorld(worldWithoutVault());
    world.put({ kind: "KmsVault", name: "theirs", spec: { compartmentId: "theirs" } }, THEIRS.kmsVaultId);
    const changed = await withWorld("prod", { install: true, ...THEIRS }, world.state);
    expect(objects(changed, "vault-seal")).toEqual({});
    expect(named(changed, "vault-server").inputs.values).toMatchObject({
      server: { ha: { raft: { config: production(sealBlock(THEIRS.kmsKeyId, "abcdefgh")) } } },
    });
  });
});
