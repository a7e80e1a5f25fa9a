import { describe, expect, it } from "vitest";
import { problemsOf } from "../../../sandbox/world/served.ts";
import type { Item, Request } from "../../../sandbox/world/state.ts";
import type { World } from "../../../sandbox/world/world.ts";
import {
  certificate,
  certManager,
  destinationRule,
  gateway,
  HOSTS,
  ISTIO,
  ingressGateway,
  issuer,
  MODE,
  record,
  reflector,
  route,
  service,
  vaultServer,
} from "./requests.ts";
import { fresh, HOST, having, keyOfRequest, meshed, served, without, withToken } from "./worlds.ts";

describe("rule 9: what a user sees", () => {
  it("is a host served over TLS, and nothing that must never be", () => {
    const world = served();
    expect(problemsOf(world, HOST)).toEqual([]);
    expect(world.state.violations).toEqual([]);
  });

  it("is every problem of a world in which nothing is", () => {
    expect(problemsOf(fresh(), HOST)).toEqual([
      `${HOST}: no VirtualService routes it`,
      `${HOST}: no Gateway listens for it`,
      `${HOST}: no ingress gateway runs`,
      `${HOST}: no certificate for it is in the gateway's namespace`,
    ]);
  });

  const NO_CERTIFICATE = `${HOST}: no certificate for it is in the gateway's namespace`;
  it.each<[string, (world: World) => void, string[]]>([
    ["the copy is missing", (world) => world.removeNow(`Secret ${ISTIO}/tls`), [NO_CERTIFICATE]],
    [
      "the copy is of an older certificate",
      (world) => {
        without(world, reflector);
        (world.item("Secret cert-manager/tls") as Item).spec.serial = 2;
      },
      [`${HOST}: the gateway's copy is not the newest certificate`],
    ],
    [
      "the route is gone",
      (world) => without(world, route()),
      [`${HOST}: no VirtualService routes it`, `${HOST}: no Gateway listens for it`, NO_CERTIFICATE],
    ],
    [
      "the Gateway is gone",
      (world) => without(world, gateway()),
      [`${HOST}: no Gateway listens for it`, NO_CERTIFICATE],
    ],
    [
      "the record is gone",
      (world) => without(world, record("a")),
      [`${HOST}: DNS does not answer with the load balancer's address`],
    ],
    [
      "the record leads elsewhere",
      (world) => world.update("DnsRecord /a", record("a").spec),
      [`${HOST}: DNS does not answer with the load balancer's address`],
    ],
    [
      "the load balancer reaches no node",
      (world) => world.update(keyOfRequest(ingressGateway()), ingressGateway(service({ [MODE]: "None" })).spec),
      [`${HOST}: the load balancer's backends are red`],
    ],
  ])("is this when %s", (_, change, expected) => {
    const world = served();
    change(world);
    expect(problemsOf(world, HOST)).toEqual(expected);
  });

  it.each([
    ["app.cluster.example.com", true],
    ["cluster.example.com", true],
    ["a.b.cluster.example.com", false],
    ["example.com", false],
  ])("is a certificate that covers %s: %s", (host, covered) => {
    const world = served();
    world.update(keyOfRequest(route()), route(host).spec);
    const problem = `${host}: no certificate for it is in the gateway's namespace`;
    expect(problemsOf(world, host).includes(problem)).toBe(!covered);
  });

  it("is the Secret in the namespace of the gateway's pod, not of the Gateway", () => {
    const world = served();
    having(without(world, gateway(), route()), gateway(HOSTS, "default"), route(HOST, "default/gateway"));
    expect(problemsOf(world, HOST)).toEqual([]);
    world.put({ kind: "Secret", namespace: "default", name: "tls", spec: {} });
    world.removeNow(`Secret ${ISTIO}/tls`);
    expect(problemsOf(world, HOST)).toContain(NO_CERTIFICATE);
  });

  it("needs no copy of a certificate that was issued where the gateway's pod is", () => {
    const world = withToken(meshed());
    having(world, certManager, issuer(), { ...certificate(), namespace: ISTIO });
    having(world, ingressGateway({ type: "ClusterIP" }), gateway(), route());
    expect([problemsOf(world, HOST), world.state.violations]).toEqual([[], []]);
  });
});

describe("rule 9b: a route to Vault", () => {
  const speaks = (how: string) => `${HOST}: the gateway speaks ${how} to a Service that speaks https`;
  const PLAIN = speaks("http");
  const UNTRUSTED = speaks("https it does not trust");
  const destination = { host: "vault", port: { number: 8200 } };
  const toVault: Request = {
    ...route(),
    namespace: "vault",
    spec: { ...route().spec, http: [{ route: [{ destination }] }] },
  };
  const trust: Request = { kind: "Secret", namespace: ISTIO, name: "vault-ca", spec: { signedBy: 1 } };

  it.each<[string, Request, Request[], string[]]>([
    ["with all that it needs", vaultServer("", false), [toVault, trust, destinationRule()], []],
    ["without a rule", vaultServer("", false), [toVault, trust], [PLAIN]],
    ["with a rule of another host", vaultServer("", false), [toVault, trust, destinationRule({ host: "x" })], [PLAIN]],
    [
      "with a rule beside Vault that is for its own namespace alone",
      vaultServer("", false),
      [toVault, trust, destinationRule({}, "vault")],
      [PLAIN],
    ],
    [
      "with a rule beside Vault that is for all",
      vaultServer("", false),
      [toVault, trust, destinationRule({ exportTo: ["*"] }, "vault")],
      [],
    ],
    ["without the CA", vaultServer("", false), [toVault, destinationRule()], [UNTRUSTED]],
    [
      "with the CA beside Vault",
      vaultServer("", false),
      [toVault, { ...trust, namespace: "vault" }, destinationRule()],
      [UNTRUSTED],
    ],
    [
      "with another CA",
      vaultServer("", false),
      [toVault, { ...trust, spec: { signedBy: 2 } }, destinationRule()],
      [UNTRUSTED],
    ],
    ["that speaks no TLS", vaultServer(), [toVault], []],
    ["elsewhere, and a route to another Service", vaultServer("", false), [route()], []],
  ])("%s", (_, server, requests, problems) => {
    const world = without(served(), route());
    having(world, server);
    world.put({ kind: "Secret", namespace: "vault", name: "vault-tls", spec: { signedBy: 1 } });
    for (const request of requests) {
      if (request.kind === "Secret") world.put(request);
      else having(world, request);
    }
    expect(problemsOf(world, HOST)).toEqual(problems);
  });

  it("tells of a rule that stands in the mesh's root namespace and holds for all of the mesh", () => {
    const world = having(served(), destinationRule({ exportTo: undefined }));
    expect(world.state.violations).toEqual(["DestinationRule vault holds for every pod of the mesh"]);
  });

  it("needs no rule where no Vault is installed", () => {
    expect(problemsOf(having(without(served(), route()), toVault), HOST)).toEqual([]);
  });
});
