import { ask } from "../../tools/lib/http.ts";

// A Vault as the article assumes it: its engine, a role for External Secrets, and the token that somebody wrote there.

/** Milliseconds for a call. */
const CALL_MS = 10_000;

/**
 * Sets up a Vault in dev mode, whose KV engine is mounted already.
 *
 * @param token Cloudflare's, which the cluster is to read
 * @throws when Vault refuses something
 */
export async function setUpVault(address: string, vaultToken: string, token: string): Promise<void> {
  const write = async (path: string, body: object) => {
    const headers = { "x-vault-token": vaultToken };
    const { status } = await ask(`${address}/v1/${path}`, { method: "POST", timeoutMs: CALL_MS, headers, body });
    if (status >= 300) throw new Error(`Vault answers ${status} to ${path}`);
  };
  await write("sys/auth/kubernetes", { type: "kubernetes" });
  await write("auth/kubernetes/config", { kubernetes_host: "https://kubernetes.default.svc" });
  await write("sys/policies/acl/external-secrets", {
    policy: 'path "secret/data/prod/cert-manager" { capabilities = ["read"] }',
  });
  await write("auth/kubernetes/role/external-secrets", {
    bound_service_account_names: "external-secrets",
    bound_service_account_namespaces: "external-secrets",
    token_policies: "external-secrets",
  });
  await write("secret/data/prod/cert-manager", { data: { "cf-api-token": token } });
}
