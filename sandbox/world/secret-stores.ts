import { keptIn, portOf } from "./network-policies.ts";
import { backoff, type Item } from "./state.ts";
import { speaksTls, trustsVault, vaultRefusal } from "./vault.ts";
import type { Happening, World } from "./world.ts";

// How a store of External Secrets reaches Vault, and what its login may read there.

interface VaultProvider {
  server: string;
  path: string;
  namespace?: string;
  caBundle?: string;
  caProvider?: SecretRef;
  auth: {
    kubernetes?: {
      mountPath: string;
      role: string;
      serviceAccountRef: { namespace: string; name: string; audiences?: string[] };
    };
    tokenSecretRef?: SecretRef;
    appRole?: { path: string; roleId: string; secretRef: SecretRef };
  };
}

type SecretRef = { namespace: string; name: string; key: string };

export const vaultProvider = (store: Item) => (store.spec.provider as { vault: VaultProvider }).vault;

/** The digest of a Secret's value. */
const valueAt = (world: World, { namespace, name, key }: SecretRef) =>
  (world.item(`Secret ${namespace}/${name}`)?.spec.data as Record<string, string> | undefined)?.[key];

/** Who the cluster takes a token to be for that says nothing of it. */
const CLUSTER = "https://kubernetes.default.svc.cluster.local";

/**
 * Whether a role takes tokens for these audiences: those for its own, or for the cluster's where it has none.
 * https://github.com/hashicorp/vault-plugin-auth-kubernetes/blob/v0.23.0/path_login.go
 */
const isAddressed = ({ spec: { audience = CLUSTER } }: Item, audiences: readonly string[] = [CLUSTER]) =>
  audiences.includes(String(audience));

/** The policies that a store's login carries; undefined when Vault does not let it in. */
export function policiesOf(world: World, store: Item): string[] | undefined {
  const { auth, namespace } = vaultProvider(store);
  const { kubernetes, tokenSecretRef, appRole } = auth;
  // Each namespace has its own logins: https://developer.hashicorp.com/vault/docs/enterprise/namespaces
  if (namespace !== world.item("Vault /vault")?.spec.namespace) return undefined;
  const logins = (world.item("Vault /vault")?.spec.logins ?? {}) as Record<string, string[]>;
  if (tokenSecretRef) return logins[`${valueAt(world, tokenSecretRef)}`];
  if (appRole) return logins[`${appRole.path}/${appRole.roleId}/${valueAt(world, appRole.secretRef)}`];
  if (kubernetes === undefined) return undefined;
  const { mountPath, role: roleName, serviceAccountRef } = kubernetes;
  const config = world.item(`AuthBackendConfig /${mountPath}`);
  const role = world.item(`AuthBackendRole /${mountPath}/${roleName}`);
  if (config?.ready !== true || role?.ready !== true) return undefined;
  if (!isAddressed(role, serviceAccountRef.audiences)) return undefined;
  const { accounts, namespaces, policies } = role.spec as Record<"accounts" | "namespaces" | "policies", string[]>;
  const bound = accounts.includes(serviceAccountRef.name) && namespaces.includes(serviceAccountRef.namespace);
  return bound ? policies : undefined;
}

/** Whether one of the policies lets a path of a KV version 2 engine be read. */
export function mayRead(world: World, policies: string[], mount: string, path: string): boolean {
  const texts = policies.map((name) => String(world.item(`Policy /${name}`)?.spec.policy ?? ""));
  return texts.some((text) =>
    [...text.matchAll(/path\s+"([^"]+)"\s*{[^}]*capabilities\s*=\s*\[([^\]]*)\]/g)].some(
      ([, pattern = "", capabilities = ""]) =>
        capabilities.includes('"read"') &&
        (pattern.endsWith("*")
          ? `${mount}/data/${path}`.startsWith(pattern.slice(0, -1))
          : pattern === `${mount}/data/${path}`),
    ),
  );
}

/** https://github.com/external-secrets/external-secrets/blob/v2.9.0/pkg/controllers/secretstore/client_manager.go */
export function conditionRefusal(store: Item, { namespace }: Item): string | undefined {
  const conditions = store.spec.conditions as { namespaces: string[] }[] | undefined;
  return conditions === undefined || conditions.some(({ namespaces }) => namespaces.includes(namespace))
    ? undefined
    : `using cluster store "${store.name}" is not allowed from namespace "${namespace}": denied by spec.condition`;
}

/** Why a client that is set up like this cannot speak to an installed Vault. */
function transportRefusal(world: World, { server, caProvider }: VaultProvider): string | undefined {
  const tls = speaksTls(world);
  if (tls === undefined) return undefined;
  if (tls !== server.startsWith("https:"))
    return tls ? "Client sent an HTTP request to an HTTPS server" : "http: server gave HTTP response to HTTPS client";
  if (!tls) return undefined;
  const ca = caProvider && world.item(`Secret ${caProvider.namespace}/${caProvider.name}`);
  return trustsVault(world, ca)
    ? undefined
    : "tls: failed to verify certificate: x509: certificate signed by unknown authority";
}

/** Where a store's Vault is: its pods, where it is installed here, and else what its URL says. */
function placeOf(world: World, { server }: VaultProvider) {
  if (speaksTls(world) !== undefined) return { port: 8200, namespace: "vault" };
  return { port: portOf(server), namespace: /^[^.]+\.([^.]+)/.exec(new URL(server).hostname)?.[1] };
}

/** External Secrets' retries: https://github.com/external-secrets/external-secrets/blob/v2.9.0/pkg/controllers/common/common.go#L113 */
export const syncRetry = (tries: number) => backoff(1, 420, tries);

/** How often a store is looked at again: https://github.com/external-secrets/external-secrets/blob/v2.9.0/cmd/controller/root.go#L384 */
const STORE_INTERVAL = 300;

export const validateStore: Happening = (world, item, tries) => {
  // https://external-secrets.io/latest/provider/hashicorp-vault/#authentication
  item.reason =
    vaultRefusal(world) ??
    keptIn(world, "external-secrets", placeOf(world, vaultProvider(item))) ??
    transportRefusal(world, vaultProvider(item)) ??
    (policiesOf(world, item) ? "" : "unable to log in to Vault: permission denied");
  item.ready = item.reason === "";
  if (item.ready) world.after(STORE_INTERVAL, "validateStore", item);
  else world.after(syncRetry(tries), "validateStore", item, tries + 1);
};
