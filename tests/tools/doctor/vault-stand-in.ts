import { answering, type Call, type Reply } from "../../loopback.ts";
import { tokens } from "./examination.ts";

// Vault's API as the doctor asks it, refusals included.

/** How Vault is; a test plants its fault here. */
export interface VaultState {
  initialized: boolean;
  sealed: boolean;
  capabilities: Record<string, string[]>;
  mounts: Record<string, { type: string; options: { version: string } | null }>;
  /** The namespace that is asked of Vault Enterprise. */
  namespace: string | undefined;
  /** Of the token, each with its text; undefined where the token may not read it. */
  policies?: Record<string, string | undefined>;
}

/** All well. */
export const healthyVault = (): VaultState => ({
  initialized: true,
  sealed: false,
  capabilities: {
    "secret/data/prod/cert-manager": ["create", "read", "update"],
    "secret/metadata/prod/cert-manager": ["delete"],
    "auth/token/create": ["update"],
  },
  mounts: { secret: { type: "kv", options: { version: "2" } } },
  namespace: undefined,
});

/** Starts Vault's API. */
export const startVault = (state: VaultState): Promise<string> => answering((call) => answerAsVault(state, call));

/** What Vault answers. */
export function answerAsVault(state: VaultState, { url, request, body }: Call): Reply {
  const path = url.pathname.replace("/v1/", "");
  if (path === "sys/health") {
    // Of the root alone: https://developer.hashicorp.com/vault/docs/enterprise/namespaces#root-only-api-paths
    if (request.headers["x-vault-namespace"] !== undefined)
      return { status: 404, body: { errors: ["unsupported path"] } };
    // https://developer.hashicorp.com/vault/api-docs/system/health
    const status = !state.initialized ? 501 : state.sealed ? 503 : 200;
    const { initialized, sealed } = state;
    return { status, body: { initialized, sealed: sealed || !initialized, standby: false, version: "1.21.1" } };
  }
  if (state.sealed) return { status: 503, body: { errors: ["Vault is sealed"] } };
  const permissionDenied = { status: 403, body: { errors: ["permission denied"] } };
  if (request.headers["x-vault-token"] !== tokens.vault) return permissionDenied;
  if (request.headers["x-vault-namespace"] !== state.namespace) return permissionDenied;
  if (path === "sys/capabilities-self" && request.method === "POST") {
    const { paths } = JSON.parse(body) as { paths: string[] };
    const data = Object.fromEntries(paths.map((path) => [path, state.capabilities[path] ?? ["deny"]]));
    return { body: { ...data, data, lease_id: "", renewable: false } };
  }
  if (path === "auth/token/lookup-self")
    return { body: { data: { policies: ["default", ...Object.keys(state.policies ?? {})] } } };
  const [, policyName = ""] = /^sys\/policies\/acl\/(.+)$/.exec(path) ?? [];
  const policy = state.policies?.[policyName];
  if (policy !== undefined) return { body: { data: { name: policyName, policy } } };
  const [, name = ""] = /^sys\/internal\/ui\/mounts\/(.+)$/.exec(path) ?? [];
  const mount = state.mounts[name];
  if (mount !== undefined) return { body: { data: { accessor: "kv_1", path: `${name}/`, ...mount } } };
  const denied = `preflight capability check returned 403, please ensure client's policies grant access to path "${name}/"`;
  return { status: 403, body: { errors: [denied] } };
}
