import { afterEach, describe, expect, it } from "vitest";
import { examineVault } from "../../../tools/doctor/vault.ts";
import { deployPolicy } from "../../../tools/vault/policy.ts";
import { closeAll } from "../../loopback.ts";
import { settingsFrom } from "../settings.ts";
import { examination, type Raw, tokens, told, wholeStack } from "./examination.ts";
import { healthyVault, startVault, type VaultState } from "./vault-stand-in.ts";

afterEach(closeAll);

const managed = { address: "http://127.0.0.1:8200", access: "managed" };

/** The policy that a stack needs, with these settings of Vault. */
function policyFor(vault: Raw): string {
  const { vault: settings } = settingsFrom({ ...wholeStack(), vault });
  if (settings === undefined) throw new Error("no Vault");
  return deployPolicy(settings);
}

const fits =
  "whoever holds root writes the policy that fits, npm run --silent vault -- policy --stack live | vault policy write oke-platform - (where this program installs Vault: VAULT_TOKEN=<root token> npm run vault:init -- --stack live and where the keys are)";
const well = "ok: may write secret/data/prod/cert-manager";
const another = `warning: Vault's policy oke-platform is not the one that this stack needs: an up that writes what it does not allow is refused, or it allows more than an up writes → ${fits}`;

describe("the policy of the run's token", () => {
  it.each<[what: string, policies: VaultState["policies"], vault: Raw, said: string]>([
    ["is the one that the stack needs", { "oke-platform": policyFor(managed).trim() }, {}, well],
    ["is of other settings", { "oke-platform": policyFor({ ...managed, role: "reader" }) }, {}, another],
    [
      "is of an older version, which it may not read",
      { "oke-platform": undefined },
      {},
      `warning: Vault's policy oke-platform is of an older version of this program: who has such a token can make itself root → ${fits}`,
    ],
    ["is not asked where it has another name", { root: undefined }, {}, well],
    ["is not asked where access is others'", { "oke-platform": undefined }, { access: "existing" }, well],
  ])("%s", async (_what, policies, vault, said) => {
    const address = await startVault({ ...healthyVault(), ...(policies && { policies }) });
    const raw = { ...wholeStack(), vault: { ...managed, ...vault, address } };
    const nowhere = () => Promise.reject(new Error("no cluster"));
    expect(told(await examineVault(examination(raw, { VAULT_TOKEN: tokens.vault }), nowhere))).toMatchObject({
      "vault: token": said,
    });
  });
});
