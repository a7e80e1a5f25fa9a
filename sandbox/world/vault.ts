import { runs, workloadsOf } from "./kubernetes.ts";
import { type Item, keyOf, Refusal, type Request } from "./state.ts";
import { admitByPolicy } from "./vault-policy.ts";
import type { Kind, System, World } from "./world.ts";

// Vault: one that is there or one that is installed, sealed or not, and what can be written into it.

type VaultValues = {
  global: { tlsDisable: boolean };
  server: { standalone?: { config: string }; ha?: { raft: { config: string } } };
};

/** The OCID of the key that Vault is configured to unseal itself with; undefined where that takes key shares. */
function sealKeyOf({ spec }: Item): string | undefined {
  const { standalone, ha } = (spec.values as VaultValues).server;
  return /key_id\s*=\s*"([^"]*)"/.exec(ha?.raft.config ?? standalone?.config ?? "")?.[1];
}

/** The one that is installed. */
const podsOf = (world: World): Item | undefined => workloadsOf(world, "vault")[0];

/** Its pods start on what the volumes hold: nothing at first, later all that was there before. */
function startVault(world: World, pods: Item): void {
  const volume = { kind: "PersistentVolumeClaim", namespace: pods.namespace, name: "data-vault-0" };
  if (world.item(keyOf(volume)) === undefined) {
    world.put({ ...volume, spec: {} });
    for (const kind of Object.keys(content)) for (const item of world.items(kind)) world.drop(item);
    world.put({ kind: "Vault", name: "vault", spec: { installed: true, initialized: false, sealed: true } });
  }
  // A new revision leaves the pods alone, updated only on delete.
  if (pods.status.started === true) return;
  pods.status.started = true;
  const vault = world.item("Vault /vault");
  if (vault) vault.spec = { ...vault.spec, sealed: !(vault.spec.initialized === true && unsealsItself(world, pods)) };
}

/** Only with the key that it was initialised with. */
function unsealsItself(world: World, pods: Item): boolean {
  const key = sealKeyOf(pods);
  const { initialized, sealKey } = world.item("Vault /vault")?.spec ?? {};
  return world.byId(key)?.kind === "Key" && (initialized !== true || sealKey === key);
}

/** Initialises Vault, as `sys/init` does; it then unseals itself where it has a key for that. */
export function initialiseVault(world: World): void {
  const vault = world.item("Vault /vault");
  const pods = podsOf(world);
  const refusal = vaultOutOfReach(world);
  if (vault === undefined || refusal !== undefined) throw new Refusal(refusal ?? "connection refused");
  if (vault.spec.initialized === true) throw new Refusal("Vault is already initialized");
  const sealed = pods === undefined || !unsealsItself(world, pods);
  vault.spec = { ...vault.spec, initialized: true, sealed, sealKey: pods && sealKeyOf(pods) };
}

/** Unseals Vault, as enough key shares do. */
export function unsealVault(world: World): void {
  const vault = world.item("Vault /vault");
  if (vault) vault.spec = { ...vault.spec, sealed: false };
}

/** Whether an installed Vault speaks TLS; undefined where none is installed. */
export function speaksTls(world: World): boolean | undefined {
  const pods = podsOf(world);
  return pods && (pods.spec.values as VaultValues).global.tlsDisable === false;
}

const certificateOf = (world: World, { namespace }: Item) => world.item(`Secret ${namespace}/vault-tls`);

/**
 * The pods start when the Secret of their volume is there, and read it then alone: one that is issued anew is of no use to
 * those that run. https://developer.hashicorp.com/vault/docs/configuration/listener/tcp#tls_cert_file
 */
function readCertificate(world: World): void {
  const pods = podsOf(world);
  const certificate = pods && certificateOf(world, pods);
  if (certificate && runs(world, "vault")) pods.status.signedBy ??= certificate.spec.signedBy ?? "nobody";
}

/** Whether a Secret has the CA in it that signed the certificate of an installed Vault. */
export const trustsVault = (world: World, secret: Item | undefined): boolean =>
  secret !== undefined && (secret.spec.signedBy ?? "nobody") === podsOf(world)?.status.signedBy;

/** Why Vault does not answer at all; undefined when it does, sealed or not. */
export function vaultOutOfReach(world: World): string | undefined {
  const refused = "dial tcp: connect: connection refused";
  const vault = world.item("Vault /vault");
  if (vault === undefined) return refused;
  if (vault.spec.installed !== true) return vault.spec.reachable === true ? undefined : refused;
  const pods = podsOf(world);
  if (pods === undefined || !runs(world, "vault")) return refused;
  return speaksTls(world) && certificateOf(world, pods) === undefined ? refused : undefined;
}

/** Why nothing can be read or written in Vault; undefined when it can. */
export function vaultRefusal(world: World): string | undefined {
  const outOfReach = vaultOutOfReach(world);
  if (outOfReach !== undefined) return outOfReach;
  const { initialized, sealed } = world.item("Vault /vault")?.spec ?? {};
  if (initialized !== true) return "Vault is not initialized";
  return sealed === true ? "Vault is sealed" : undefined;
}

function admitToVault(world: World): void {
  const refusal = vaultRefusal(world);
  if (refusal) throw new Refusal(`error writing to Vault: ${refusal}`);
}

/** What is inside of Vault can be changed and removed only while it answers. */
const inside = (behaviour: Partial<Kind> = {}): Kind => ({
  id: ({ name }) => name,
  // https://github.com/hashicorp/vault/blob/v1.21.0/vault/mount.go
  taken: ({ name }) => `path is already in use at ${name}/`,
  seconds: 1,
  admitRemoval: admitToVault,
  ...behaviour,
  admit(world, request) {
    admitToVault(world);
    // Of the run's token; where nobody has written one, it is root's.
    const { runPolicy } = world.item("Vault /vault")?.spec ?? {};
    if (runPolicy !== undefined) admitByPolicy(String(runPolicy), request);
    behaviour.admit?.(world, request);
  },
});

const noRoute = (path: string) =>
  new Refusal(`error writing to Vault: no handler for route "${path}". route entry not found.`);

function needsBackend(world: World, { name }: Request): void {
  const path = name.split("/")[0] ?? "";
  if (world.item(`AuthBackend /${path}`) === undefined) throw noRoute(`auth/${path}`);
}

/** What is inside of Vault, with the identifiers of its imports: https://registry.terraform.io/providers/hashicorp/vault/latest/docs */
const content = {
  Mount: inside(),
  AuthBackend: inside(),
  Audit: inside(),
  Policy: inside({ overwrites: true }),
  AuthBackendConfig: inside({ overwrites: true, id: ({ name }) => `auth/${name}/config`, admit: needsBackend }),
  AuthBackendRole: inside({
    overwrites: true,
    id: ({ name }) => `auth/${name.replace("/", "/role/")}`,
    admit: needsBackend,
  }),
  KvSecret: inside({
    overwrites: true,
    admit(world, { spec }) {
      if (world.item(`Mount /${spec.mount}`)?.ready !== true) throw noRoute(`${spec.mount}/data/`);
    },
  }),
};

/** Whether an object of this kind is inside of Vault. */
export const isInsideVault = (kind: string) => kind in content;

export const vault: System = {
  kinds: { Vault: {}, ...content },
  seen(world, item) {
    if (item.kind === "StatefulSet" && item.spec.chart === "vault" && item.status.up === true) startVault(world, item);
    if (item.kind === "StatefulSet" || item.kind === "Secret") readCertificate(world);
  },
};
