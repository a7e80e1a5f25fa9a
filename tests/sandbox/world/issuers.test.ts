import { describe, expect, it } from "vitest";
import { type Request, sha256 } from "../../../sandbox/world/state.ts";
import type { World } from "../../../sandbox/world/world.ts";
import { certificate, certManager, issuer, reflector, reflectTo, type Spec, selfSigned } from "./requests.ts";
import {
  fresh,
  having,
  keyOfRequest,
  pass,
  READY,
  readyAfter,
  stateOf,
  triesOf,
  without,
  withToken,
} from "./worlds.ts";

describe("rule 6: an ACME issuer and the Secrets of its solvers", () => {
  const MISSING = { ready: false, reason: 'failed to get secret "token": secrets "token" not found' };
  const at = (version: string) => fresh({ ...certManager, spec: { ...certManager.spec, version } });
  const putSecret = (world: World, data: object, name = "token", namespace = "cert-manager") =>
    world.put({ kind: "Secret", namespace, name, spec: { data } });

  it.each(["v1.20.0", "1.20.3", "v1.9.1"])("is Ready without them with %s", (version) => {
    const world = at(version);
    expect(readyAfter(world, world.create(issuer()))).toBe(3);
  });

  it.each(["v1.21.0", "1.21.2", "v1.22.0", "v2.0.0"])(
    "waits for them with %s, and asks for nothing again",
    (version) => {
      const world = at(version);
      const item = world.create(issuer());
      expect(triesOf(world, "register", 10_000)).toEqual([3]);
      expect(stateOf(item)).toEqual(MISSING);
    },
  );

  it("is Ready in 3 s when they are there", () => {
    const world = withToken(at("v1.21.2"));
    expect(readyAfter(world, world.create(issuer()))).toBe(3);
  });

  it("is Ready 14 s after the last of them has come, and so its certificate goes on", () => {
    const world = at("v1.21.2");
    const item = world.create(issuer());
    const waiting = world.create(certificate());
    pass(world, 100);
    withToken(world);
    expect(readyAfter(world, item)).toBe(14);
    expect(readyAfter(world, waiting)).toBe(124);
  });

  it("is not Ready by a Secret of another name, of another namespace, or without the key", () => {
    const world = at("v1.21.2");
    const item = world.create(issuer());
    pass(world, 10);
    putSecret(world, { "api-token": "digest" }, "other");
    putSecret(world, { "api-token": "digest" }, "token", "default");
    expect(world.nextEvent).toBeUndefined();
    expect(stateOf(item)).toEqual(MISSING);
    putSecret(world, { other: "digest" });
    pass(world, 14);
    expect(stateOf(item)).toEqual({ ready: false, reason: 'the secret "token" does not have key "api-token"' });
    putSecret(world, { "api-token": sha256("token") });
    expect(readyAfter(world, item)).toBe(14);
  });

  it("is looked at again when it is changed, without waiting for an event", () => {
    const world = at("v1.21.2");
    const item = world.create(issuer());
    pass(world, 10);
    world.update(keyOfRequest(issuer()), { acme: { server: "https://acme.example/directory", solvers: [] } });
    pass(world, 3);
    expect(stateOf(item)).toEqual(READY);
  });

  it("is not asked of an issuer of another kind", () => {
    const world = at("v1.21.2");
    expect(readyAfter(world, world.create(selfSigned))).toBe(3);
  });
});

describe("rule 6: the Issuer of a namespace", () => {
  const root = certificate({
    ...{ secretName: "ca", isCA: true, commonName: "ca", dnsNames: undefined },
    issuerRef: { kind: "ClusterIssuer", name: "self-signed" },
    secretTemplate: reflectTo("vault"),
  });
  const authority: Request = { kind: "Issuer", namespace: "vault", name: "ca", spec: { ca: { secretName: "ca" } } };
  const signed = (namespace: string, changes: Spec = {}): Request => ({
    ...certificate({ secretName: "server", issuerRef: { name: "ca" }, dnsNames: ["vault.vault"], ...changes }),
    namespace,
    name: "server",
  });
  const withCa = (...more: Request[]) => having(fresh(certManager, reflector, selfSigned), root, ...more);

  it("is Ready when its CA is beside it, and as soon as that comes", () => {
    const world = fresh(certManager, reflector, selfSigned);
    const item = world.create(authority);
    pass(world, 10);
    expect(stateOf(item)).toEqual({ ready: false, reason: "Error getting keypair for CA issuer: secret not found" });
    having(world, root);
    expect(readyAfter(world, item)).toBe(1);
  });

  it("signs for its namespace, by the CA that was copied, and for no other", () => {
    const world = withCa(authority, signed("vault"));
    const { issuer, issuerKind, signedBy } = world.item("Secret vault/server")?.spec ?? {};
    expect([issuer, issuerKind, signedBy]).toEqual(["ca", "Issuer", world.item("Secret cert-manager/ca")?.spec.serial]);
    for (const kind of ["Issuer", "ClusterIssuer"]) {
      const other = world.create(signed("default", { issuerRef: { kind, name: "ca" }, secretName: kind }));
      pass(world, 1000);
      expect(stateOf(other)).toEqual({ ready: false, reason: `Referenced "${kind}" not ready: ca` });
      world.drop(other);
    }
  });

  it("has what a ClusterIssuer of its name has issued issued anew, and not what says nothing of who did", () => {
    const ofCluster: Request = { kind: "ClusterIssuer", name: "ca", spec: authority.spec };
    const world = withCa(ofCluster, authority, signed("vault", { issuerRef: { kind: "ClusterIssuer", name: "ca" } }));
    const serial = () => world.item("Secret vault/server")?.spec.serial;
    const before = serial();
    const item = world.update("Certificate vault/server", signed("vault").spec);
    expect([readyAfter(world, item), Number(serial()) - Number(before)]).toEqual([0.2, 1]);
    const { issuer: _, issuerKind: __, ...anonymous } = world.item("Secret vault/server")?.spec ?? {};
    world.put({ kind: "Secret", namespace: "vault", name: "server", spec: anonymous });
    without(world, signed("vault"));
    having(world, signed("vault"));
    expect(Number(serial()) - Number(before)).toBe(1);
  });
});
