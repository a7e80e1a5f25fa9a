import { describe, expect, it } from "vitest";
import { examples } from "../../../project/placeholders.ts";
import { answers } from "../../../sandbox/world/load-balancer.ts";
import type { Item, Request } from "../../../sandbox/world/state.ts";
import type { World } from "../../../sandbox/world/world.ts";
import { BACKEND_NSG, ingressGateway, MODE, NSGS, type Spec, service } from "./requests.ts";
import { having, keyOfRequest, meshed, readyAfter, without } from "./worlds.ts";

describe("traffic to the load balancer", () => {
  const NSG: Request = { kind: "NetworkSecurityGroup", name: "nsg", spec: { vcnId: examples["<VCN OCID>"] } };
  const nodes = examples["<node NSG OCID>"] ?? "";
  const KEY = keyOfRequest(ingressGateway());
  const balancerOf = (world: World) => world.item("LoadBalancer /istio-ingressgateway") as Item;
  const idOf = (world: World, request: Request) => world.item(keyOfRequest(request))?.id ?? "";
  /** The gateway with its load balancer, after a change of its Service. */
  const changed = (world: World, to: Spec) => world.update(KEY, ingressGateway(to).spec);

  const rulesFor = (nsg: string): Record<string, Spec> => ({
    http: { nsg, direction: "INGRESS", peer: "0.0.0.0/0", min: 80, max: 80 },
    https: { nsg, direction: "INGRESS", peer: "0.0.0.0/0", min: 443, max: 443 },
    "to the node ports": { nsg, direction: "EGRESS", peer: nodes, min: 30_000, max: 32_767 },
    "to the health checks": { nsg, direction: "EGRESS", peer: nodes, min: 10_256, max: 10_256 },
    "node ports": { nsg: nodes, direction: "INGRESS", peer: nsg, min: 30_000, max: 32_767 },
    "health checks": { nsg: nodes, direction: "INGRESS", peer: nsg, min: 10_256, max: 10_256 },
  });
  /** A load balancer in mode None with these rules. */
  function guarded(rules: (all: Record<string, Spec>) => Record<string, Spec>): World {
    const world = having(meshed(), NSG);
    for (const [name, spec] of Object.entries(rules(rulesFor(idOf(world, NSG)))))
      having(world, { kind: "NetworkSecurityGroupRule", name, spec });
    return having(world, ingressGateway(service({ [MODE]: "None", [NSGS]: idOf(world, NSG) })));
  }

  it("answers in mode None when every rule is there", () => {
    const world = guarded((all) => all);
    expect(answers(world, balancerOf(world))).toBe(true);
  });

  it.each(Object.keys(rulesFor("")))("does not answer in mode None without the rule %s", (missing) => {
    const world = guarded(({ [missing]: _, ...others }) => others);
    expect(answers(world, balancerOf(world))).toBe(false);
  });

  it.each<[string, string, Spec]>([
    ["misses the last node port", "node ports", { max: 32_766 }],
    ["misses the first node port", "to the node ports", { min: 30_001 }],
    ["lets another group in", "health checks", { peer: "another" }],
    ["leads elsewhere", "to the health checks", { peer: "another" }],
    ["is of the other direction", "https", { direction: "EGRESS" }],
  ])("does not answer in mode None when a rule %s", (_, name, changes) => {
    const world = guarded((all) => ({ ...all, [name]: { ...all[name], ...changes } }));
    expect(answers(world, balancerOf(world))).toBe(false);
  });

  it("does not answer in mode None before the last rule is ready, or without a group", () => {
    const world = guarded((all) => all);
    without(world, { kind: "NetworkSecurityGroupRule", name: "http", spec: {} });
    const rule = world.create({
      kind: "NetworkSecurityGroupRule",
      name: "http",
      spec: rulesFor(idOf(world, NSG)).http ?? {},
    });
    expect(answers(world, balancerOf(world))).toBe(false);
    readyAfter(world, rule);
    expect(answers(world, balancerOf(world))).toBe(true);
    readyAfter(world, changed(world, service({ [MODE]: "None" })));
    expect(answers(world, balancerOf(world))).toBe(false);
  });

  it.each<[Record<string, string>, boolean]>([
    [{}, true],
    [{ [MODE]: "SL-All" }, true],
    [{ [MODE]: "sl-all" }, true],
    [{ [MODE]: "NSG" }, false],
    [{ [MODE]: "nsg" }, false],
    [{ [MODE]: "NSG", [BACKEND_NSG]: "another" }, false],
    [{ [MODE]: "NSG", [BACKEND_NSG]: nodes }, true],
    [{ [MODE]: "nsg", [BACKEND_NSG]: nodes }, true],
    [{ [MODE]: "None" }, false],
  ])("with %j and no rule of our own, answers: %s", (annotations, expected) => {
    const world = having(meshed(), ingressGateway(service(annotations)));
    expect(answers(world, balancerOf(world))).toBe(expected);
  });
});
