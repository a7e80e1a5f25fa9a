import { describe, expect, it } from "vitest";
import { certificate, certManager, reflector, reflectTo, selfSigned } from "./requests.ts";
import { copies, fresh, HOST, having, pass, reflecting } from "./worlds.ts";

describe("where the certificate's key is", () => {
  it("tells of the key in a namespace where it must not be", () => {
    const world = reflecting(reflectTo("default,istio-system"));
    pass(world, 2);
    expect(world.state.violations).toEqual(["the certificate's key is in namespace default"]);
  });

  it("takes the certificates of the cluster's own authorities for no secret of the platform's", () => {
    const world = fresh(certManager, selfSigned);
    const internal = {
      secretName: "internal",
      issuerRef: { kind: "ClusterIssuer", name: "self-signed" },
      dnsNames: ["vault.vault.svc"],
    };
    having(world, { ...certificate(internal), namespace: "vault", name: "internal" });
    expect(world.item("Secret vault/internal")?.spec.hosts).toEqual(["vault.vault.svc"]);
    expect(world.state.violations).toEqual([]);
    having(world, { ...certificate({ ...internal, dnsNames: ["vault.vault.svc", HOST] }), namespace: "vault" });
    expect(world.state.violations).toEqual(["the certificate's key is in namespace vault"]);
  });

  it("lets the key be where it was said that it may", () => {
    const world = fresh(certManager, reflector, selfSigned);
    world.state.keyMayBeIn.push("default");
    having(
      world,
      certificate({ issuerRef: { kind: "ClusterIssuer", name: "self-signed" }, secretTemplate: reflectTo("default") }),
    );
    expect(copies(world)).toEqual(["default"]);
    expect(world.state.violations).toEqual([]);
  });
});
