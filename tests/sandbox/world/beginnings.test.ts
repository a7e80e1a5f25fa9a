import { describe, expect, it } from "vitest";
import { emptyWorld, peaceful, worldWithBareVault, worldWithoutVault } from "../../../sandbox/world/beginnings.ts";
import type { State } from "../../../sandbox/world/state.ts";
import { ISTIO } from "./requests.ts";

describe("an empty world", () => {
  it("has a cluster, a zone, a network, a Vault and attackers, and nothing happens in it by itself", () => {
    const { items, ...rest } = emptyWorld(7);
    expect(Object.keys(items)).toEqual([
      "Namespace /default",
      "Namespace /kube-system",
      "Namespace /vault",
      "Namespace /argocd",
      "Namespace /evil",
      "Attacker evil/attacker",
      "Attacker argocd/attacker",
      "Zone /example.com",
      "Cluster /cluster",
      "Vcn /vcn",
      "NetworkSecurityGroup /nodes",
      "Vault /vault",
      "Mount /secret",
      "AuthBackend /kubernetes",
      "AuthBackendConfig /kubernetes",
      "Policy /external-secrets",
      "AuthBackendRole /kubernetes/external-secrets",
    ]);
    expect(rest).toEqual({
      now: 0,
      random: 7,
      timers: [],
      acme: [],
      violations: [],
      keyMayBeIn: ["cert-manager", ISTIO],
      broken: [],
      faults: [],
    });
  });

  it("may have no attackers", () => {
    const { items } = peaceful(emptyWorld(7));
    expect(Object.keys(emptyWorld(7).items).filter((key) => !(key in items))).toEqual([
      "Attacker evil/attacker",
      "Attacker argocd/attacker",
    ]);
  });

  it("may have a Vault that holds nothing, or none and no namespace for one", () => {
    const missing = (state: State) => Object.keys(emptyWorld(7).items).filter((key) => !(key in state.items));
    const inside = [
      "Mount /secret",
      "AuthBackend /kubernetes",
      "AuthBackendConfig /kubernetes",
      "Policy /external-secrets",
      "AuthBackendRole /kubernetes/external-secrets",
    ];
    expect(missing(worldWithBareVault(7))).toEqual(inside);
    expect(missing(worldWithoutVault(7))).toEqual(["Namespace /vault", "Vault /vault", ...inside]);
    expect([worldWithBareVault(7).random, worldWithoutVault(8).random]).toEqual([7, 8]);
  });
});
