import { policyAdvice } from "../../components/vault/refusal.ts";
import { DEPLOY_POLICY, type VaultSettings } from "../../settings/vault.ts";
import { type Verdict, warning } from "../lib/checks.ts";
import { deployPolicy } from "../vault/policy.ts";
import type { AskVault } from "./vault-api.ts";

/**
 * Compares the policy of the run's token with the one that the stack needs, where it is known by its name: it allows the
 * very values that an `up` writes, and older versions of this program let it write any.
 */
export async function policyFaults(vault: VaultSettings, api: AskVault, stack: string): Promise<Verdict[]> {
  if (vault.access !== "managed") return [];
  const own = await api<{ data?: { policies?: string[] } }>("auth/token/lookup-self");
  if (!own.body?.data?.policies?.includes(DEPLOY_POLICY)) return [];
  const held = await api<{ data?: { policy?: string } }>(`sys/policies/acl/${DEPLOY_POLICY}`);
  if (held.body?.data?.policy?.trim() === deployPolicy(vault).trim()) return [];
  return [
    warning(
      held.status === 200
        ? `Vault's policy ${DEPLOY_POLICY} is not the one that this stack needs: an up that writes what it does not allow is refused, or it allows more than an up writes`
        : `Vault's policy ${DEPLOY_POLICY} is of an older version of this program: who has such a token can make itself root`,
      policyAdvice(stack),
    ),
  ];
}
