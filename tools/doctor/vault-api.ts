import { readFile } from "node:fs/promises";
import type { VaultSettings } from "../../settings/vault.ts";
import { type Answer, ask } from "../lib/http.ts";
import type { Env } from "./examination.ts";

/** Asks Vault's API for a path below `v1`. */
export type AskVault = <Body>(path: string, body?: unknown) => Promise<Answer<Body>>;

/** As Pulumi's provider takes them: https://www.pulumi.com/registry/packages/vault/installation-configuration/ */
export function vaultApiOf(
  { address, namespace }: Pick<VaultSettings, "address" | "namespace">,
  env: Env,
  timeoutMs: number,
  clusterCa?: string,
): AskVault {
  const within = namespace ?? env.VAULT_NAMESPACE;
  return async (path, body) => {
    // Health is the whole server's: https://developer.hashicorp.com/vault/docs/enterprise/namespaces#root-only-api-paths
    const headers = {
      ...(within && path !== "sys/health" && { "x-vault-namespace": within }),
      ...(env.VAULT_TOKEN && { "x-vault-token": env.VAULT_TOKEN }),
    };
    const ca = clusterCa ?? (env.VAULT_CACERT ? await readFile(env.VAULT_CACERT, "utf8") : undefined);
    const method = body === undefined ? "GET" : "POST";
    return ask(`${address.replace(/\/+$/, "")}/v1/${path}`, { method, headers, ca, body, timeoutMs });
  };
}
