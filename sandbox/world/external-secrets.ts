import { customResource, lookAgain, runs, startsWith } from "./kubernetes.ts";
import { conditionRefusal, mayRead, policiesOf, syncRetry, validateStore, vaultProvider } from "./secret-stores.ts";
import { fails, HOUR, type Item } from "./state.ts";
import { vaultRefusal } from "./vault.ts";
import type { Happening, Kind, System } from "./world.ts";

// External Secrets, which reads in Vault what a store lets it, and stores it in Secrets.

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
  item.reason =
    store?.ready !== true
      ? "the ClusterSecretStore is not ready"
      : (conditionRefusal(store, item) ?? vaultRefusal(world) ?? "");
  if (fails(world.state, "sync", item.kind)) item.reason = "503: the service is unavailable";
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
    world.after(syncRetry(tries), "sync", item, tries + 1);
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
    ClusterSecretStore: customResource("clustersecretstores.external-secrets.io", {
      namespaced: false,
      seconds: 1,
      start: looked("validateStore"),
    }),
    ExternalSecret: customResource("externalsecrets.external-secrets.io", {
      namespaced: true,
      seconds: 2,
      start: looked("sync"),
      // creationPolicy Owner: the garbage collector takes the Secret with its owner.
      removed: (world, item) => world.removeNow(`Secret ${item.namespace}/${targetOf(item)}`),
    }),
  },
  happenings: { validateStore, sync },
  seen(world, item) {
    if (startsWith(world, item, "external-secrets")) lookAgain(world, "ClusterSecretStore", "ExternalSecret");
  },
};
