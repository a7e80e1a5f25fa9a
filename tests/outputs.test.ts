import { describe, expect, it } from "vitest";
import { emptyWorld, worldWithBareVault, worldWithoutVault } from "../sandbox/world/beginnings.ts";
import type { State } from "../sandbox/world/state.ts";
import { COMPARTMENT } from "./components/vault/objects.ts";
import type { Changes } from "./harness.ts";
import { withOutputs } from "./outputs.ts";

describe("the outputs", () => {
  const always = [
    "namespace cert-manager: the certificate with its key, and the key of the ACME account or CA",
    "custom resource definitions of cert-manager",
    "custom resource definitions of Istio",
    "custom resource definitions of External Secrets",
  ];
  const ip = expect.stringMatching(
    /^reserved IP ocid1\.publicip\.[^;]*; set loadBalancer\.reservedIp to it before the next up$/,
  );
  const volumes =
    "namespace vault: the volumes with all that Vault holds; set vault.initialized to false before the next up";
  const inVault = "Vault's mount secret and its auth backend kubernetes";
  const key = expect.stringMatching(
    /^the key that unseals Vault; set vault\.kmsVaultId to ocid1\.vault\.oc1\S+ and vault\.kmsKeyId to ocid1\.key\.oc1\S+ before the next up$/,
  );
  const policy = expect.stringMatching(
    new RegExp(
      `^Allow dynamic-group <dynamic group> to use keys in compartment id ${COMPARTMENT} where target\\.key\\.id = 'ocid1\\.key\\.oc1\\.\\S+'$`,
    ),
  );
  const first = { phase: "bootstrap", tokenSerial: null, kvVersion: null };
  const last = { phase: "complete", tokenSerial: 1, kvVersion: "1" };

  it.each<
    [what: string, stack: string, vault: Changes | undefined, worldOf: () => State, more: Changes, expected: object]
  >([
    [
      "of a Vault that is there",
      "prod",
      { address: "http://127.0.0.1:8200" },
      emptyWorld,
      {},
      { ...last, vaultIamPolicy: null, keptOnDestroy: [...always, ip] },
    ],
    [
      "of managed access",
      "prod",
      { address: "http://127.0.0.1:8200", access: "managed", mount: "kv", authPath: "k8s" },
      worldWithBareVault,
      {},
      { ...last, vaultIamPolicy: null, keptOnDestroy: [...always, ip, "Vault's mount kv and its auth backend k8s"] },
    ],
    [
      "of an installed Vault's first phase",
      "prod",
      { install: true },
      worldWithoutVault,
      {},
      { ...first, vaultIamPolicy: policy, keptOnDestroy: [...always, ip, volumes, key] },
    ],
    [
      "of its second",
      "prod",
      { install: true, initialized: true },
      worldWithoutVault,
      {},
      { ...last, vaultIamPolicy: policy, keptOnDestroy: [...always, ip, volumes, key, inVault] },
    ],
    [
      "of the first phase of one that is unsealed by hand",
      "lab",
      { install: true },
      worldWithoutVault,
      {},
      { ...first, vaultIamPolicy: null, keptOnDestroy: [...always, ip, volumes] },
    ],
    [
      "of a rotated token",
      "prod",
      { address: "http://127.0.0.1:8200" },
      emptyWorld,
      { cloudflare: { tokenSerial: 7 } },
      { ...last, tokenSerial: 7, vaultIamPolicy: null, keptOnDestroy: [...always, ip] },
    ],
    [
      "without a token",
      "prod",
      undefined,
      emptyWorld,
      { cloudflare: { token: "none" }, acme: { server: "ca" } },
      {
        phase: "complete",
        tokenSerial: null,
        kvVersion: null,
        vaultIamPolicy: null,
        keptOnDestroy: [...always.filter((it) => !it.endsWith("External Secrets")), ip],
      },
    ],
  ])("%s say so", async (_what, stack, vault, worldOf, more, expected) => {
    const [, { phase, tokenSerial, kvVersion, vaultIamPolicy, keptOnDestroy }] = await withOutputs(
      stack,
      { vault, ...more },
      worldOf(),
    );
    expect({ phase, tokenSerial, kvVersion, vaultIamPolicy, keptOnDestroy }).toEqual(expected);
  });

  it("of a supplied token name no serial, but the write", async () => {
    const [, { tokenSerial, kvVersion }] = await withOutputs(
      "prod",
      { cloudflare: { token: "supplied", tokenSerial: 4 } },
      emptyWorld(),
      { cloudflareApiToken: "the-supplied-token" },
    );
    expect({ tokenSerial, kvVersion }).toEqual({ tokenSerial: null, kvVersion: "1" });
  });
});
