import { customResource, define, releaseOf, runs } from "./kubernetes.ts";
import { backoff, HOUR, type Item } from "./state.ts";
import { speaksTls, vaultRefusal } from "./vault.ts";
import type { Happening, Kind, System, World } from "./world.ts";

// External Secrets, which reads in Vault what a store lets it, and stores it in Secrets.

const GROUP = "external-secrets.io";
const externals = (plural: string, namespaced: boolean) => ({
  definition: `${plural}.${GROUP}`,
  namespaced,
  definedBy: "external-secrets",
  answeredBy: "external-secrets",
  webhook: `validate.${plural.slice(0, -1)}.${GROUP}`,
});

interface VaultProvider {
  server: string;
  path: string;
  caBundle?: string;
  caProvider?: SecretRef;
  auth: {
    kubernetes?: { mountPath: string; role: string; serviceAccountRef: { namespace: string; name: string } };
    tokenSecretRef?: SecretRef;
    appRole?: { path: string; roleId: string; secretRef: SecretRef };
  };
}

type SecretRef = { namespace: string; name: string; key: string };

const vaultProvider = (store: Item) => (store.spec.provider as { vault: VaultProvider }).vault;

/** The digest of a Secret's value. */
const valueAt = (world: World, { namespace, name, key }: SecretRef) =>
  (world.item(`Secret ${namespace}/${name}`)?.spec.data as Record<string, string> | undefined)?.[key];

/** The policies that a store's login carries; undefined when Vault does not let it in. */
function policiesOf(world: World, store: Item): string[] | undefined {
  const { kubernetes, tokenSecretRef, appRole } = vaultProvider(store).auth;
  const logins = (world.item("Vault /vault")?.spec.logins ?? {}) as Record<string, string[]>;
  if (tokenSecretRef) return logins[`${valueAt(world, tokenSecretRef)}`];
  if (appRole) return logins[`${appRole.path}/${appRole.roleId}/${valueAt(world, appRole.secretRef)}`];
  if (kubernetes === undefined) return undefined;
  const { mountPath, role: roleName, serviceAccountRef } = kubernetes;
  const config = world.item(`AuthBackendConfig /${mountPath}`);
  const role = world.item(`AuthBackendRole /${mountPath}/${roleName}`);
  if (config?.ready !== true || role?.ready !== true) return undefined;
  const { accounts, namespaces, policies } = role.spec as Record<"accounts" | "namespaces" | "policies", string[]>;
  const bound = accounts.includes(serviceAccountRef.name) && namespaces.includes(serviceAccountRef.namespace);
  return bound ? policies : undefined;
}

/** Whether one of the policies lets a path of a KV version 2 engine be read. */
function mayRead(world: World, policies: string[], mount: string, path: string): boolean {
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

/** Why a client that is set up like this cannot speak to an installed Vault. */
function transportRefusal(world: World, { server, caProvider }: VaultProvider): string | undefined {
  const release = releaseOf(world, "vault");
  if (release === undefined) return undefined;
  if (speaksTls(release) !== server.startsWith("https:"))
    return speaksTls(release)
      ? "Client sent an HTTP request to an HTTPS server"
      : "http: server gave HTTP response to HTTPS client";
  if (!speaksTls(release)) return undefined;
  const ca = caProvider && world.item(`Secret ${caProvider.namespace}/${caProvider.name}`);
  return ca ? undefined : "tls: failed to verify certificate: x509: certificate signed by unknown authority";
}

/** External Secrets' retries: https://github.com/external-secrets/external-secrets/blob/v2.9.0/pkg/controllers/common/common.go#L113 */
const storeRetry = (tries: number) => backoff(1, 420, tries);

/** How often a store is looked at again: https://github.com/external-secrets/external-secrets/blob/v2.9.0/cmd/controller/root.go#L384 */
const STORE_INTERVAL = 300;

const validateStore: Happening = (world, item, tries) => {
  // https://external-secrets.io/latest/provider/hashicorp-vault/#authentication
  item.reason =
    vaultRefusal(world) ??
    transportRefusal(world, vaultProvider(item)) ??
    (policiesOf(world, item) ? "" : "unable to log in to Vault: permission denied");
  item.ready = item.reason === "";
  if (item.ready) world.after(STORE_INTERVAL, "validateStore", item);
  else world.after(storeRetry(tries), "validateStore", item, tries + 1);
};

const targetOf = (item: Item) => (item.spec.target as { name: string }).name;

/**
 * What is left of a key in a version 2 store: the mount in front is taken off, and then `data/`.
 * https://github.com/external-secrets/external-secrets/blob/v2.9.0/providers/v1/vault/client_get.go#L289
 */
function pathIn(mount: string, key: string): string {
  if (!key.startsWith(`${mount}/`)) return key;
  const rest = key.slice(mount.length + 1);
  return rest.startsWith("data/") ? rest.slice("data/".length) : rest;
}

const sync: Happening = (world, item, tries) => {
  const store = world.item(`ClusterSecretStore /${(item.spec.secretStoreRef as { name: string }).name}`);
  const data: Record<string, string> = {};
  item.reason = store?.ready !== true ? "the ClusterSecretStore is not ready" : (vaultRefusal(world) ?? "");
  if (world.fails("sync", item.kind)) item.reason = "503: the service is unavailable";
  for (const { secretKey, remoteRef } of item.spec.data as {
    secretKey: string;
    remoteRef: { key: string; property: string };
  }[]) {
    if (item.reason !== "" || store === undefined) break;
    const { path: mount } = vaultProvider(store);
    const inMount = pathIn(mount, remoteRef.key);
    const path = `${mount}/${inMount}`;
    const secret = world.item(`KvSecret /${path}`);
    const value = (secret?.spec.data as Record<string, string> | undefined)?.[remoteRef.property];
    if (!mayRead(world, policiesOf(world, store) ?? [], mount, inMount))
      item.reason = `cannot read ${path}: permission denied`;
    else if (secret === undefined || !secret.ready) item.reason = `Secret does not exist: ${path}`;
    else if (value === undefined) item.reason = `cannot find secret data for key: "${remoteRef.property}"`;
    else data[secretKey] = value;
  }
  item.ready = item.reason === "";
  if (!item.ready) {
    world.after(storeRetry(tries), "sync", item, tries + 1);
    return;
  }
  const { annotations } = item.spec;
  world.put({
    kind: "Secret",
    namespace: item.namespace,
    name: targetOf(item),
    spec: { data, syncedFor: annotations },
  });
  world.after(HOUR, "sync", item);
};

/** The controller has its first look some time after it runs. */
const looked =
  (what: string): NonNullable<Kind["start"]> =>
  (world, item) => {
    if (runs(world, "external-secrets")) world.after(world.seconds(item.kind), what, item);
  };

export const externalSecrets: System = {
  kinds: {
    ClusterSecretStore: customResource(externals("clustersecretstores", false), {
      seconds: 1,
      start: looked("validateStore"),
    }),
    ExternalSecret: customResource(externals("externalsecrets", true), {
      seconds: 2,
      start: looked("sync"),
      // creationPolicy Owner: the garbage collector takes the Secret with its owner.
      removed: (world, item) => world.removeNow(`Secret ${item.namespace}/${targetOf(item)}`),
    }),
  },
  happenings: { validateStore, sync },
  seen(world, item) {
    if (item.kind !== "Release" || item.spec.chart !== "external-secrets" || !item.ready) return;
    define(world, [externals("externalsecrets", true)]);
    for (const kind of ["ClusterSecretStore", "ExternalSecret"])
      for (const waiting of world.items(kind)) if (!waiting.ready) world.start(waiting);
  },
  gone(world, item) {
    if (item.kind !== "Release" || item.spec.chart !== "external-secrets") return;
    // This chart does not keep its definitions, and with them go all objects: https://github.com/external-secrets/external-secrets/tree/v2.9.0/deploy/charts/external-secrets
    world.state.definitions = world.state.definitions.filter((group) => group !== GROUP);
    for (const kind of ["ExternalSecret", "ClusterSecretStore"]) for (const it of world.items(kind)) world.drop(it);
  },
};
