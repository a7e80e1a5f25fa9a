import { examples } from "../../project/placeholders.ts";
import type { State } from "./state.ts";
import { openWorld } from "./systems.ts";
import { isInsideVault } from "./vault.ts";

// Worlds to begin with.

const example = (placeholder: string) => examples[placeholder] ?? placeholder;

/**
 * A world with a cluster, a zone, a network and a Vault, and nothing of the platform in it; and with attackers, of a team that
 * has no service and of one that has.
 */
export function emptyWorld(seed = 1): State {
  const world = openWorld({
    now: 0,
    random: seed,
    items: {},
    timers: [],
    acme: [],
    violations: [],
    keyMayBeIn: ["cert-manager", "istio-system"],
    broken: [],
    faults: [],
  });
  for (const name of ["default", "kube-system", "vault", "argocd", "evil"])
    world.put({ kind: "Namespace", name, spec: {} });
  for (const namespace of ["evil", "argocd"]) world.put({ kind: "Attacker", namespace, name: "attacker", spec: {} });
  world.put({ kind: "Zone", name: example("<zone>"), spec: {} }, "zone0000000000000000000000sandbox");
  world.put({ kind: "Cluster", name: "cluster", spec: {} }, example("<OKE cluster OCID>"));
  world.put({ kind: "Vcn", name: "vcn", spec: {} }, example("<VCN OCID>"));
  world.put({ kind: "NetworkSecurityGroup", name: "nodes", spec: { nodes: true } }, example("<node NSG OCID>"));
  world.put({ kind: "Vault", name: "vault", spec: { reachable: true, initialized: true, sealed: false } });
  world.put({ kind: "Mount", name: "secret", spec: { type: "kv", version: "2" } });
  world.put({ kind: "AuthBackend", name: "kubernetes", spec: { type: "kubernetes" } });
  world.put({ kind: "AuthBackendConfig", name: "kubernetes", spec: { host: "https://kubernetes.default.svc" } });
  world.put({
    kind: "Policy",
    name: "external-secrets",
    spec: { policy: 'path "secret/data/prod/cert-manager" { capabilities = ["read"] }' },
  });
  world.put({
    kind: "AuthBackendRole",
    name: "kubernetes/external-secrets",
    spec: { accounts: ["external-secrets"], namespaces: ["external-secrets"], policies: ["external-secrets"] },
  });
  return world.state;
}

/** A world in which nobody wants what is not theirs. */
export function peaceful(state: State): State {
  for (const [key, { kind }] of Object.entries(state.items)) if (kind === "Attacker") delete state.items[key];
  return state;
}

/** {@link emptyWorld} with a Vault that holds nothing. */
export function worldWithBareVault(seed?: number): State {
  const state = emptyWorld(seed);
  for (const [key, { kind }] of Object.entries(state.items)) if (isInsideVault(kind)) delete state.items[key];
  return state;
}

/** {@link emptyWorld} without a Vault, and without its namespace. */
export function worldWithoutVault(seed?: number): State {
  const state = worldWithBareVault(seed);
  delete state.items["Vault /vault"];
  delete state.items["Namespace /vault"];
  return state;
}
