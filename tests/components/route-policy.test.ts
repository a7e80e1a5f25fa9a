import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type RouteTable, refusedRoute, routeTableOf } from "../../components/route-policy.ts";
import { plain } from "../../project/registration.ts";
import { policyRefusal } from "../../sandbox/world/admission.ts";
import { emptyWorld } from "../../sandbox/world/beginnings.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import { type Changes, named, registrationsOf } from "../harness.ts";
import { settingsOf } from "../settings/stacks.ts";

// Which hosts the API server lets whom have, as the policy says it and as the tools do; a real API server reads the same
// policy in tests/cluster.

const BASE = "cluster.example.com";
const services = [
  { name: "vault", namespace: "vault", port: 8200 },
  { name: "argocd", namespace: "argocd", service: "argocd-server", port: 80 },
];
const ours = "istio-system/istio-gateway";

const route = (namespace: string, hosts: string[], gateways: string[] = [ours]) => ({
  metadata: { name: "web", namespace },
  spec: { hosts, gateways },
});
type Route = ReturnType<typeof route>;

const taken = (host: string, namespace: string, owner: string) =>
  `${host} is not for namespace ${namespace}: services gives it to namespace ${owner}. Take another host, or have whoever runs the platform change its entry in services`;
const notGiven = (host: string, namespace: string) =>
  `${host} is not for namespace ${namespace}: on this Gateway every host below ${BASE} is the platform's, and services gives this one to nobody. Have whoever runs the platform add an entry to services, or ${namespace} to tenancy.routes`;

/** What the policy of the prod stack with changes says of a VirtualService, once it is in force. */
async function policyOf(changes: Changes = {}): Promise<(route: Route) => string | undefined> {
  const registrations = await registrationsOf("prod", { services, ...changes });
  const world = openWorld(emptyWorld());
  for (const [kind, name] of [
    ["ValidatingAdmissionPolicy", "route-policy"],
    ["ValidatingAdmissionPolicyBinding", "route-policy-binding"],
  ] as const) {
    const { metadata, spec } = plain(named(registrations, name).inputs) as { metadata: { name: string }; spec: object };
    world.create({ kind, name: metadata.name, spec: { ...spec } });
  }
  world.advance(5);
  return ({ metadata, spec }) => {
    const request = { kind: "VirtualService", ...metadata, spec };
    const refusal = policyRefusal(world, "virtualservices.networking.istio.io", request);
    const start =
      "virtualservices.networking.istio.io \"web\" is forbidden: ValidatingAdmissionPolicy 'oke-platform-routes' with binding 'oke-platform-routes' denied request: ";
    if (refusal !== undefined) expect(refusal.startsWith(start)).toBe(true);
    return refusal?.slice(start.length);
  };
}

const tableOf = (changes: Changes = {}) => routeTableOf(settingsOf({ services, ...changes })) as RouteTable;

const guests: Changes = { tenancy: { routes: ["guest", "vault"] } };

describe("a route on the platform's Gateway", async () => {
  const policies = { closed: await policyOf(), guests: await policyOf(guests), none: await policyOf({ services: [] }) };
  const tables = { closed: tableOf(), guests: tableOf(guests), none: tableOf({ services: [] }) };

  it.each<[what: string, route: Route, refusal?: string, which?: keyof typeof policies]>([
    ["its own host", route("vault", ["vault.cluster.example.com"])],
    ["two of its own", route("vault", ["vault.cluster.example.com", "VAULT.cluster.example.com."])],
    [
      "another's host",
      route("evil", ["vault.cluster.example.com"]),
      taken("vault.cluster.example.com", "evil", "vault"),
    ],
    [
      "another's host, with a service of its own",
      route("argocd", ["argocd.cluster.example.com", "vault.cluster.example.com"]),
      taken("vault.cluster.example.com", "argocd", "vault"),
    ],
    [
      "another's in capitals",
      route("evil", ["Vault.Cluster.example.com"]),
      taken("vault.cluster.example.com", "evil", "vault"),
    ],
    [
      "another's with a dot",
      route("evil", ["vault.cluster.example.com."]),
      taken("vault.cluster.example.com", "evil", "vault"),
    ],
    ["a host of nobody", route("vault", ["new.cluster.example.com"]), notGiven("new.cluster.example.com", "vault")],
    ["one far below", route("evil", ["a.b.cluster.example.com"]), notGiven("a.b.cluster.example.com", "evil")],
    ["the base domain", route("evil", [BASE]), notGiven(BASE, "evil")],
    ["all hosts", route("vault", ["*"]), notGiven("*", "vault")],
    ["the platform's wildcard", route("argocd", [`*.${BASE}`]), notGiven(`*.${BASE}`, "argocd")],
    ["a wildcard above", route("evil", ["*.example.com"]), notGiven("*.example.com", "evil")],
    ["a wildcard that ends in its name", route("evil", ["*-luster.example.com", "*.com"]), notGiven("*.com", "evil")],
    ["a host elsewhere", route("evil", ["example.org", "*.example.org", "xcluster.example.com"])],
    ["no host", route("evil", [])],
    [
      "another Gateway",
      route("evil", ["vault.cluster.example.com", "*"], ["evil/istio-gateway", "mesh", "istio-gateway"]),
    ],
    [
      "nothing, without an entry",
      route("vault", ["vault.cluster.example.com"]),
      notGiven("vault.cluster.example.com", "vault"),
      "none",
    ],
    ["a guest's host", route("guest", ["new.cluster.example.com", "*", BASE]), undefined, "guests"],
    [
      "another's host for a guest",
      route("guest", ["argocd.cluster.example.com"]),
      taken("argocd.cluster.example.com", "guest", "argocd"),
      "guests",
    ],
    [
      "a host of nobody beside a guest",
      route("argocd", ["new.cluster.example.com"]),
      notGiven("new.cluster.example.com", "argocd"),
      "guests",
    ],
  ])("may have or is refused %s", (_what, asked, refusal, which = "closed") => {
    expect(policies[which](asked)).toBe(refusal);
    expect(refusedRoute(asked, tables[which])).toBe(refusal);
  });

  it.each([
    ["evil", ours],
    ["evil", "istio-gateway.istio-system"],
    ["evil", "istio-gateway.istio-system.svc.cluster.local"],
    ["istio-system", "istio-gateway"],
    ["istio-system", "./istio-gateway"],
  ])("is one for %s by the name %s", (namespace, gateway) => {
    const asked = route(namespace, ["vault.cluster.example.com"], ["mesh", gateway]);
    expect(policies.closed(asked)).toBe(taken("vault.cluster.example.com", namespace, "vault"));
    expect(refusedRoute(asked, tables.closed)).toBe(taken("vault.cluster.example.com", namespace, "vault"));
  });

  it("is judged alike by the policy and by the tools, whatever it is", () => {
    const label = fc.constantFrom("vault", "argocd", "new", "a.b", "*", "*-x", "Vault", "");
    const suffix = fc.constantFrom(BASE, `${BASE}.`, "example.com", "com", "org", "xcluster.example.com", "");
    const host = fc.tuple(label, suffix).map((parts) => parts.filter((part) => part !== "").join(".") || "*");
    const gateway = fc.constantFrom(
      ours,
      "istio-gateway.istio-system",
      "istio-gateway",
      "./istio-gateway",
      "mesh",
      "istio-gateway.evil",
    );
    const namespace = fc.constantFrom("vault", "argocd", "evil", "guest", "istio-system");
    fc.assert(
      fc.property(
        namespace,
        fc.array(host, { maxLength: 4 }),
        fc.array(gateway, { maxLength: 2 }),
        (at, hosts, gateways) => {
          const asked = route(at, hosts, gateways);
          for (const which of ["closed", "guests", "none"] as const)
            expect(policies[which](asked)).toBe(refusedRoute(asked, tables[which]));
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe("the policy of routes", () => {
  it("is not there where everybody may have every host", async () => {
    const registrations = await registrationsOf("prod", { tenancy: { routes: "all" } });
    expect(registrations.map(({ name }) => name).filter((name) => name.startsWith("route-policy"))).toEqual([]);
    expect(routeTableOf(settingsOf({ tenancy: { routes: "all" } }))).toBe(undefined);
    expect(named(registrations, "tls-gateway").inputs.spec).toMatchObject({
      servers: [{ hosts: [`*.${BASE}`, BASE] }, { hosts: [`*.${BASE}`, BASE] }],
    });
    for (const closing of ["env", "meshConfig"])
      expect(named(registrations, "istio-istiod").inputs.values).not.toHaveProperty(closing);
  });
});
