import { describe, expect, it } from "vitest";
import {
  base,
  certificate,
  certManager,
  HOSTS,
  ISTIO,
  namespace,
  REFLECTION,
  reflector,
  reflectTo,
  type Spec,
  selfSigned,
} from "./requests.ts";
import { copies, fresh, having, pass, reflecting, reissued, without } from "./worlds.ts";

describe("rule 7: Reflector copies what the annotations allow", () => {
  const EVERYWHERE = ["argocd", "default", "evil", "kube-system", "vault"];

  it.each<[string, Spec, string[]]>([
    ["to the namespaces of an exact list", reflectTo("default,vault"), ["default", "vault"]],
    ["with spaces in the list", reflectTo("default, vault"), ["default", "vault"]],
    ["by a regular expression that matches the whole name", reflectTo("kube-.*"), ["kube-system"]],
    ["not by one that matches a part", reflectTo("kube,ault,vaul,vaul|x"), []],
    ["to either side of an alternative", reflectTo("vault|argocd"), ["argocd", "vault"]],
    ["everywhere with empty lists", reflectTo(""), EVERYWHERE],
    [
      "everywhere without lists",
      reflectTo("", {
        [`${REFLECTION}allowed-namespaces`]: undefined,
        [`${REFLECTION}auto-namespaces`]: undefined,
      }),
      EVERYWHERE,
    ],
    [
      "only where both lists agree",
      reflectTo("default,vault", { [`${REFLECTION}auto-namespaces`]: "vault,argocd" }),
      ["vault"],
    ],
    ["nowhere without permission", reflectTo("vault", { [`${REFLECTION}allowed`]: "false" }), []],
    ["nowhere by itself without auto", reflectTo("vault", { [`${REFLECTION}auto-enabled`]: undefined }), []],
    ["nowhere without annotations", {}, []],
  ])("%s", (_, template, expected) => {
    expect(copies(reflecting(template))).toEqual(expected);
  });

  it("copies within a second, without the annotations, and says where from", () => {
    const world = reflecting(reflectTo("vault"));
    pass(world, 0.9);
    expect(world.item("Secret vault/tls")).toBeUndefined();
    pass(world, 0.1);
    expect(world.item("Secret vault/tls")?.spec).toEqual({
      hosts: HOSTS,
      serial: 1,
      signedBy: 1,
      reflects: "cert-manager/tls",
    });
  });

  it("leaves an object alone that it did not make, now and at every renewal", () => {
    const world = fresh(certManager, reflector, selfSigned);
    world.put({ kind: "Secret", namespace: "vault", name: "tls", spec: { foreign: true } });
    having(
      world,
      certificate({
        issuerRef: { kind: "ClusterIssuer", name: "self-signed" },
        secretTemplate: reflectTo("vault,default"),
      }),
    );
    expect(copies(world)).toEqual(["default", "vault"]);
    expect(world.item("Secret vault/tls")?.spec).toEqual({ foreign: true });
    world.update("Certificate cert-manager/tls", reissued({}));
    expect(copies(world)).toEqual(["vault"]);
  });

  it("deletes the copies when the annotation is withdrawn, and moves them when the list changes", () => {
    const world = reflecting(reflectTo("vault,default"));
    expect(copies(world)).toEqual(["default", "vault"]);
    world.update("Certificate cert-manager/tls", reissued(reflectTo("default,argocd")));
    expect(copies(world)).toEqual(["argocd", "default"]);
    world.update("Certificate cert-manager/tls", reissued({}));
    expect(copies(world)).toEqual([]);
  });

  it("brings a new certificate to the copies", () => {
    const world = reflecting(reflectTo("vault"));
    copies(world);
    world.update("Certificate cert-manager/tls", { ...reissued(reflectTo("vault")), dnsNames: ["a.example.com"] });
    copies(world);
    expect(world.item("Secret vault/tls")?.spec).toMatchObject({ hosts: ["a.example.com"], serial: 2 });
  });

  it("copies to a namespace a second after it is there", () => {
    const world = reflecting(reflectTo("later"));
    pass(world, 1);
    world.create(namespace("later"));
    pass(world, 1.4);
    expect(world.item("Secret later/tls")).toBeUndefined();
    pass(world, 0.1);
    expect(world.item("Secret later/tls")?.spec.reflects).toBe("cert-manager/tls");
  });

  it("copies to a namespace that is new, whoever made it", () => {
    const world = having(reflecting(reflectTo("later,istio-system")), namespace("later"));
    expect(copies(world)).toEqual(["later"]);
    having(world, base);
    expect(copies(world)).toEqual([ISTIO, "later"]);
  });

  it("copies what it finds when it is installed, and nothing while it is not there", () => {
    const world = fresh(certManager, selfSigned);
    having(
      world,
      certificate({ issuerRef: { kind: "ClusterIssuer", name: "self-signed" }, secretTemplate: reflectTo("vault") }),
    );
    expect(copies(world)).toEqual([]);
    having(world, reflector);
    expect(copies(world)).toEqual(["vault"]);
    without(world, reflector);
    having(world, namespace("later"));
    world.update("Certificate cert-manager/tls", reissued(reflectTo("")));
    expect(copies(world)).toEqual(["vault"]);
  });

  it("deletes the copies when the source is gone with its namespace", () => {
    const world = reflecting(reflectTo("vault"));
    expect(copies(world)).toEqual(["vault"]);
    without(world, namespace("cert-manager"));
    expect(copies(world)).toEqual([]);
  });
});
