import * as pulumi from "@pulumi/pulumi";
import { DEPLOY_POLICY } from "../../settings/vault.ts";
import { errorHook, hookAll } from "../hooks.ts";

/** What Vault says of what a policy does not allow, and not of a token that has ended. */
const isForbidden = (error: string) => /\bCode: 403\b/.test(error) && !/invalid token/.test(error);

/**
 * Lets the error of a write that Vault refuses say what to do: the run's policy allows the very values of the settings that
 * it was printed for, and Vault tells nothing but `permission denied`.
 */
export function explainVaultRefusals(): void {
  const explain = async ({ type, name, errors }: pulumi.ErrorHookArgs) => {
    if (errors.some(isForbidden))
      await pulumi.log.error(
        `Vault refuses ${name} (${type}): the policy of VAULT_TOKEN allows what it was written for, and no other value. ` +
          `If a setting, or a new version of this program, changes what is written there: ${policyAdvice(pulumi.getStack())}; then up again`,
      );
    // Another try would meet the same policy.
    return false;
  };
  hookAll({ onError: errorHook("vault-refusal", explain) }, (type) => type.startsWith("vault:"));
}

/** How the run's policy becomes the one that a stack needs. */
export const policyAdvice = (stack: string): string =>
  `whoever holds root writes the policy that fits, npm run --silent vault -- policy --stack ${stack} | vault policy write ` +
  `${DEPLOY_POLICY} - (where this program installs Vault: VAULT_TOKEN=<root token> npm run vault:init -- --stack ${stack} and where the keys are)`;
