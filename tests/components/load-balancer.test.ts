import { describe, expect, it } from "vitest";
import { examples } from "../../project/placeholders.ts";
import { graphOf } from "../../sandbox/schedule/graph.ts";
import { replayUp } from "../../sandbox/schedule/up.ts";
import { emptyWorld } from "../../sandbox/world/beginnings.ts";
import { answers } from "../../sandbox/world/load-balancer.ts";
import { problemsOf } from "../../sandbox/world/served.ts";
import { type Changes, named, registrationsOf } from "../harness.ts";

const NODES = examples["<node NSG OCID>"];
const nodeRules = ["at-nodes-health", "at-nodes-traffic", "to-nodes-health", "to-nodes-traffic"].map(
  (rule) => `${rule}-aaaasandboxnodes`,
);

const base = { compartmentId: examples["<compartment OCID>"], vcnId: examples["<VCN OCID>"], nodeNsgIds: [NODES] };
const balancer = (changes: Record<string, unknown>): Changes => ({ loadBalancer: { ...base, ...changes } });

describe("the backends", () => {
  /** What a user sees of a stack whose firewall lacks something. */
  async function seen(
    changes: Changes,
    without: (name: string) => boolean,
  ): Promise<{ answers: boolean; problems: string[] }> {
    const registrations = await registrationsOf("prod", changes);
    const { world } = replayUp(graphOf(registrations.filter(({ name }) => !without(name))), { state: emptyWorld() });
    world.advance(world.now + world.seconds("reflection"));
    const [balancer] = world.items("LoadBalancer");
    return {
      answers: balancer !== undefined && answers(world, balancer),
      problems: problemsOf(world, "vault.cluster.example.com"),
    };
  }
  const red = { answers: false, problems: ["vault.cluster.example.com: the load balancer's backends are red"] };
  const green = { answers: true, problems: [] };

  it("are green with all rules", async () => {
    expect(await seen({}, () => false)).toEqual(green);
  });

  it.each([...nodeRules, "listener-443-0.0.0.0/0", "listener-80-0.0.0.0/0"])("are red without %s", async (rule) => {
    expect(await seen({}, (name) => name === `load-balancer-${rule}`)).toEqual(red);
  });

  it("need no way to kube-proxy's port when only nodes with a gateway pod are asked", async () => {
    expect(await seen(balancer({ rules: "None", externalTrafficPolicy: "Local" }), () => false)).toEqual(green);
  });
});

describe("the PROXY protocol", () => {
  it("is spoken by both sides or by none: with one alone no request is answered", async () => {
    /** With what the pods are told, changed past the program. */
    const problemsWith = async (podAnnotations: object, values: object = {}) => {
      const changes = {
        ...balancer({ rules: "SL-All", proxyProtocol: 1 }),
        charts: { istio: { values: { gateway: values } } },
      };
      const told = (await registrationsOf("prod", changes)).map((it) => {
        const values = it.inputs.values as Record<string, object> | undefined;
        const pods = { podAnnotations: { ...values?.podAnnotations, ...podAnnotations } };
        return it.name === "ingress-gateway" ? { ...it, inputs: { ...it.inputs, values: { ...values, ...pods } } } : it;
      });
      const { world } = replayUp(graphOf(told));
      world.advance(world.now + world.seconds("reflection"));
      return problemsOf(world, "vault.cluster.example.com");
    };
    const trusting = "gatewayTopology: { numTrustedProxies: 1 }";
    expect(await problemsWith({})).toEqual([]);
    expect(await problemsWith({}, { podAnnotations: { "proxy.istio.io/config": trusting } })).toEqual([]);
    expect(await problemsWith({ "proxy.istio.io/config": trusting })).toEqual([
      "vault.cluster.example.com: the load balancer speaks the PROXY protocol and the gateway does not expect it",
    ]);
  });
});

describe("a load balancer's own address", () => {
  it("is in no reserved IP, and the records follow it", async () => {
    const all = await registrationsOf("prod", balancer({ rules: "SL-All", ownAddress: true }));
    expect(all.filter(({ type }) => type.includes("PublicIp"))).toEqual([]);
    expect((named(all, "ingress-gateway").inputs.values as { service: object }).service).not.toHaveProperty(
      "loadBalancerIP",
    );
    const { world } = replayUp(graphOf(all));
    world.advance(world.now + world.seconds("reflection"));
    expect(problemsOf(world, "vault.cluster.example.com")).toEqual([]);
    const address = world.items("LoadBalancer")[0]?.status.address;
    expect(world.items("DnsRecord").map(({ spec }) => spec.content)).toEqual([address, address]);
    expect(address).toMatch(/^198\.51\.100\.\d+$/);
  });
});
