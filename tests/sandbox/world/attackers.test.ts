import { beforeAll, describe, expect, it } from "vitest";
import { complaints } from "../../../sandbox/schedule/complaints.ts";
import { replayDestroy } from "../../../sandbox/schedule/destroy.ts";
import { type Graph, graphOf, type Node } from "../../../sandbox/schedule/graph.ts";
import { replayUp } from "../../../sandbox/schedule/up.ts";
import { emptyWorld, peaceful } from "../../../sandbox/world/beginnings.ts";
import { leftovers } from "../../../sandbox/world/leftovers.ts";
import type { Spec } from "../../../sandbox/world/state.ts";
import { registrationsOf } from "../../harness.ts";

// Those who want what is the platform's: what the program registers keeps them from it, and each part of that is missed
// when it is gone.

let prod: Graph;
beforeAll(async () => {
  prod = graphOf(await registrationsOf("prod"));
});

type Change = (inputs: Spec) => Spec;

/** The program, with other inputs of one resource. */
const having = (name: string, change: Change): Graph =>
  new Map(
    [...prod].map(([urn, node]): [string, Node] => [
      urn,
      node.name === name && node.custom ? { ...node, inputs: { ...node.inputs, ...change(node.inputs) } } : node,
    ]),
  );
const without = (name: string): Graph => new Map([...prod].filter(([, node]) => !node.name.startsWith(name)));

/** What the attackers get in an `up` and a `destroy`; the platform is served all the same. */
function taken(graph: Graph, state = emptyWorld()): string[] {
  const { world, failures } = replayUp(graph, { state });
  expect(failures).toEqual([]);
  const found = complaints(graph, world);
  expect(replayDestroy(graph, world).failures).toEqual([]);
  return [...new Set([...found, ...world.state.violations])].filter((it) => !it.startsWith("Secret "));
}

const spec =
  (change: Change): Change =>
  ({ spec: was }) => ({ spec: change(was as Spec) });
const plainHosts = spec(({ servers, ...rest }) => ({
  ...rest,
  servers: (servers as Spec[]).map((server) => ({
    ...server,
    hosts: ["*.cluster.example.com", "cluster.example.com"],
  })),
}));

describe("attackers", () => {
  it("get nothing, and leave nothing that is anybody's but theirs", () => {
    expect(taken(prod)).toEqual([]);
    const { world } = replayUp(prod);
    expect(leftovers(replayDestroy(prod, world).world.state)).toEqual([]);
  });

  it("get nothing of what was there before the first of them", () => {
    expect(taken(prod, peaceful(emptyWorld()))).toEqual([]);
  });

  it("answer for hosts without the policy, where the Gateway lets their namespace", () => {
    expect(taken(without("route-policy"))).toEqual([
      "argocd answers for * at Gateway istio-gateway",
      "argocd answers for vault.cluster.example.com at Gateway istio-gateway",
    ]);
  });

  it("answer for them from everywhere, where it lets every namespace", () => {
    const open = new Map(
      [...without("route-policy")].map(([urn, node]) => [urn, having("tls-gateway", plainHosts).get(urn) ?? node]),
    );
    expect(taken(open)).toEqual([
      "evil answers for * at Gateway istio-gateway",
      "argocd answers for * at Gateway istio-gateway",
      "evil answers for vault.cluster.example.com at Gateway istio-gateway",
      "argocd answers for vault.cluster.example.com at Gateway istio-gateway",
    ]);
  });

  it("are refused hosts by the policy alone, too", () => {
    expect(taken(having("tls-gateway", plainHosts))).toEqual([]);
  });

  it.each<[what: string, resource: string, change: Change]>([
    ["a policy that warns", "route-policy-binding", spec((was) => ({ ...was, validationActions: ["Warn"] }))],
    [
      "a policy that judges other kinds",
      "route-policy",
      spec((was) => ({ ...was, matchConstraints: { resourceRules: [] } })),
    ],
    [
      "a policy that allows all",
      "route-policy",
      spec((was) => ({ ...was, validations: [{ expression: "true", messageExpression: '""' }] })),
    ],
  ])("answer for hosts with %s", (_what, resource, change) => {
    expect(taken(having(resource, change))).toContain("argocd answers for * at Gateway istio-gateway");
  });

  it("answer through Gateways of their own, where istiod takes those of every namespace", () => {
    const open = having("istio-istiod", ({ values }) => ({ values: { ...(values as Spec), env: {} } }));
    expect(taken(open)).toEqual(
      expect.arrayContaining(["evil answers for * at Gateway stolen", "argocd answers for * at Gateway stolen"]),
    );
  });

  it("get a certificate of the zone without the policy", () => {
    expect(taken(without("certificate-policy"))).toEqual([
      "the certificate's key is in namespace evil",
      "the certificate's key is in namespace argocd",
    ]);
  });

  it("get the DNS token without the store's conditions", () => {
    const open = having(
      "secret-store",
      spec(({ conditions: _, ...rest }) => rest),
    );
    expect(taken(open)).toEqual(["the DNS token is in namespace evil", "the DNS token is in namespace argocd"]);
  });
});
