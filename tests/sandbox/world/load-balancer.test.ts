import { describe, expect, it } from "vitest";
import { examples } from "../../../project/placeholders.ts";
import { ownAddressOf } from "../../../sandbox/world/load-balancer.ts";
import { addressOf } from "../../../sandbox/world/oci.ts";
import type { Item, Request } from "../../../sandbox/world/state.ts";
import type { World } from "../../../sandbox/world/world.ts";
import { DAY, INTERNAL, ISTIO, ingressGateway, MODE, NSGS, SHAPE, type Spec, service } from "./requests.ts";
import { having, keyOfRequest, meshed, pass, readyAfter, stateOf, triesOf } from "./worlds.ts";

describe("rule 8: OCI's cloud controller", () => {
  const SYNC = "Error syncing load balancer: failed to ensure load balancer: ";
  const NO_SUCH = "404-NotAuthorizedOrNotFound, Authorization failed or requested resource not found.";
  const IP: Request = { kind: "PublicIp", name: "ip", spec: {} };
  const NSG: Request = { kind: "NetworkSecurityGroup", name: "nsg", spec: { vcnId: examples["<VCN OCID>"] } };
  const nodes = examples["<node NSG OCID>"] ?? "";
  const SERVICE = `Service ${ISTIO}/istio-ingressgateway`;
  const KEY = keyOfRequest(ingressGateway());
  const balancerOf = (world: World) => world.item("LoadBalancer /istio-ingressgateway") as Item;
  const idOf = (world: World, request: Request) => world.item(keyOfRequest(request))?.id ?? "";
  /** The gateway with its load balancer, after a change of its Service. */
  const changed = (world: World, to: Spec) => world.update(KEY, ingressGateway(to).spec);

  it.each<[string, Spec, string]>([
    [
      "no bandwidth",
      service({ [`${SHAPE}-flex-max`]: "" }),
      `error parsing service annotation: ${SHAPE}=flexible requires ${SHAPE}-flex-min and ${SHAPE}-flex-max to be set`,
    ],
    [
      "a smallest bandwidth that is no number",
      service({ [`${SHAPE}-flex-min`]: "ten" }),
      `invalid format for ${SHAPE}-flex-min annotation : ten`,
    ],
    [
      "a largest bandwidth in another unit",
      service({ [`${SHAPE}-flex-max`]: "1Gbps" }),
      `invalid format for ${SHAPE}-flex-max annotation : 1Gbps`,
    ],
    [
      "a mode in other letters than None",
      service({ [MODE]: "none" }),
      `invalid value: none provided for annotation: ${MODE}`,
    ],
    ["an unknown mode", service({ [MODE]: "All" }), `invalid value: All provided for annotation: ${MODE}`],
    ["a group that is not there", service({ [NSGS]: "ocid1.nsg" }), NO_SUCH],
    [
      "six groups",
      service({
        [NSGS]: Array(6)
          .fill(nodes)
          .map((id, at) => `${id}${at}`)
          .join(","),
      }),
      `invalid number of Network Security Groups (Max: 5) provided for annotation: ${NSGS}`,
    ],
    [
      "an OCID for the address",
      service({}, { loadBalancerIP: "ocid1.publicip" }),
      'invalid value "ocid1.publicip" provided for LoadBalancerIP',
    ],
    [
      "a reserved IP for an internal load balancer",
      service({ [INTERNAL]: "true" }, { loadBalancerIP: addressOf("ip") }),
      "invalid service: cannot create a private load balancer with Reserved IP",
    ],
    ["an address that is not reserved", service({}, { loadBalancerIP: "192.0.2.9" }), NO_SUCH],
    [
      "a reserved IP that another load balancer has",
      service({}, { loadBalancerIP: "203.0.113.251" }),
      "The IP address provided is not available for use.",
    ],
  ])("refuses %s, and tries again from 5 s to 300 s", (_, to, refusal) => {
    const world = having(meshed(), IP);
    world.put({ kind: "PublicIp", name: "taken", spec: {} }).status.ipAddress = "203.0.113.251";
    const other = world.put({ kind: "LoadBalancer", name: "other", spec: { nsgs: [] } });
    other.status.address = "203.0.113.251";
    const item = world.create(ingressGateway(to));
    expect(stateOf(item)).toEqual({ ready: false, reason: SYNC + refusal });
    expect(triesOf(world, "ensureLoadBalancer", 1000)).toEqual([5, 15, 35, 75, 155, 315, 615, 915]);
    expect(stateOf(item)).toEqual({ ready: false, reason: SYNC + refusal });
    expect(world.items("LoadBalancer")).toEqual([other]);
  });

  it("takes a reserved IP at the next try when it is available", () => {
    const world = meshed();
    world.create(IP);
    const item = world.create(ingressGateway(service({}, { loadBalancerIP: addressOf("ip") })));
    // Both happen at 5 s, what was begun first before the other.
    expect(item.reason).toBe(`${SYNC}The IP address provided is not available for use.`);
    expect(readyAfter(world, item)).toBe(5 + 90);
    expect(balancerOf(world).status).toEqual({ address: addressOf("ip") });
    expect(world.item(SERVICE)?.status).toEqual({
      loadBalancer: { ingress: [{ ip: addressOf("ip") }] },
    });
  });

  it.each([
    ["10", "10", 10, 10],
    ["10Mbps", "100mbps", 10, 100],
    ["1", "5", 10, 10],
    ["9000", "9999", 8192, 8192],
    ["100", "20", 100, 100],
    ["1.5", "2,000", 15, 2000],
  ])("makes bandwidths of %s to %s be %i to %i", (min, max, minMbps, maxMbps) => {
    const world = meshed();
    world.create(ingressGateway(service({ [`${SHAPE}-flex-min`]: min, [`${SHAPE}-flex-max`]: max })));
    expect(balancerOf(world).spec).toEqual({
      mode: "SL-All",
      internal: false,
      minMbps,
      maxMbps,
      nsgs: [],
      backendNsg: "",
      sources: ["0.0.0.0/0"],
      healthPort: 10_256,
      proxyProtocol: false,
    });
  });

  it.each([true, false])("gives one without a reserved IP an address of its own, internal: %s", (internal) => {
    const world = having(meshed(), ingressGateway(service({ [INTERNAL]: String(internal) })));
    expect(balancerOf(world)).toMatchObject({
      spec: { internal },
      status: { address: ownAddressOf("istio-ingressgateway", internal) },
    });
  });

  it("changes bandwidth, sources, mode and groups in place", () => {
    const world = having(meshed(), NSG, ingressGateway(service()));
    const { status } = balancerOf(world);
    const item = changed(
      world,
      service(
        { [`${SHAPE}-flex-max`]: "50", [MODE]: "None", [NSGS]: idOf(world, NSG) },
        { loadBalancerSourceRanges: ["198.51.100.0/24"] },
      ),
    );
    expect(readyAfter(world, item)).toBe(36);
    expect(balancerOf(world).status).toBe(status);
    expect(balancerOf(world).spec).toEqual({
      mode: "None",
      internal: false,
      minMbps: 10,
      maxMbps: 50,
      nsgs: [idOf(world, NSG)],
      backendNsg: "",
      sources: ["198.51.100.0/24"],
      healthPort: 10_256,
      proxyProtocol: false,
    });
  });

  const RESERVED = "The Load Balancer service reserved IP cannot be updated after the Load Balancer is created.";
  it.each<[string, Spec, Spec, string]>([
    [
      "another reserved IP",
      service({}, { loadBalancerIP: addressOf("ip") }),
      service({}, { loadBalancerIP: addressOf("ip (2)") }),
      RESERVED,
    ],
    ["no reserved IP any more", service({}, { loadBalancerIP: addressOf("ip") }), service(), RESERVED],
    ["a reserved IP only now", service(), service({}, { loadBalancerIP: addressOf("ip") }), RESERVED],
    [
      "internal only now",
      service(),
      service({ [INTERNAL]: "true" }),
      "internal cannot be updated after the Load Balancer is created.",
    ],
    [
      "internal no more",
      service({ [INTERNAL]: "true" }),
      service(),
      "internal cannot be updated after the Load Balancer is created.",
    ],
    [
      "a mode that is none",
      service(),
      service({ [MODE]: "none" }),
      `invalid value: none provided for annotation: ${MODE}`,
    ],
  ])("refuses %s to a load balancer that is there, each time, until it is taken back", (_, before, after, refusal) => {
    const world = having(meshed(), IP, IP, ingressGateway(before));
    const { spec, status } = structuredClone(balancerOf(world));
    for (let count = 1; count <= 2; count++) {
      const item = changed(world, after);
      pass(world, DAY);
      expect(stateOf(item)).toEqual({ ready: false, reason: SYNC + refusal });
    }
    expect(balancerOf(world)).toMatchObject({ spec, status });
    expect(readyAfter(world, changed(world, before))).toBe(36);
  });

  it("does not take its own load balancer for another's while that is made", () => {
    const world = having(meshed(), IP);
    const to = (max: string) => service({ [`${SHAPE}-flex-max`]: max }, { loadBalancerIP: addressOf("ip") });
    const item = world.create(ingressGateway(to("10")));
    pass(world, 10);
    const { spec } = world.item(SERVICE) as Item;
    world.update(SERVICE, { ...spec, annotations: { ...(spec.annotations as Spec), [`${SHAPE}-flex-max`]: "20" } });
    expect(readyAfter(world, item)).toBe(90);
    expect(balancerOf(world)).toMatchObject({ spec: { maxMbps: 20 }, status: { address: addressOf("ip") } });
  });

  it("makes no load balancer for another controller's Service, or for one of another type", () => {
    const other = meshed();
    expect(readyAfter(other, other.create(ingressGateway()))).toBe(5);
    expect([other.items("LoadBalancer"), other.item(SERVICE)?.status]).toEqual([
      [],
      { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } },
    ]);
    const inside = meshed();
    expect(readyAfter(inside, inside.create(ingressGateway({ type: "ClusterIP" })))).toBe(5);
    expect([inside.items("LoadBalancer"), inside.item(SERVICE)?.status]).toEqual([
      [],
      { loadBalancer: { ingress: [] } },
    ]);
  });

  it("makes a load balancer when the type becomes LoadBalancer, and takes it away when it is no more", () => {
    const world = having(meshed(), ingressGateway({ type: "ClusterIP" }));
    readyAfter(world, changed(world, service()));
    expect(world.items("LoadBalancer").map(({ name }) => name)).toEqual(["istio-ingressgateway"]);
    readyAfter(world, changed(world, { type: "ClusterIP" }));
    expect(world.items("LoadBalancer")).toEqual([]);
  });
});
