import { describe, expect, it } from "vitest";
import { examples } from "../../../project/placeholders.ts";
import { addressOf, managementEndpointOf } from "../../../sandbox/world/oci.ts";
import { type Item, Refusal, type Request } from "../../../sandbox/world/state.ts";
import type { World } from "../../../sandbox/world/world.ts";
import { ingressGateway, kmsKey, kmsVault, MODE, NSGS, service } from "./requests.ts";
import { fresh, having, keyOfRequest, meshed, pass, readyAfter, without } from "./worlds.ts";

describe("rule 8: the network around the cluster", () => {
  const NO_SUCH = "404-NotAuthorizedOrNotFound, Authorization failed or requested resource not found.";
  const IP: Request = { kind: "PublicIp", name: "ip", spec: {} };
  const NSG: Request = { kind: "NetworkSecurityGroup", name: "nsg", spec: { vcnId: examples["<VCN OCID>"] } };

  const KEY = keyOfRequest(ingressGateway());

  const idOf = (world: World, request: Request) => world.item(keyOfRequest(request))?.id ?? "";

  it("deletes no reserved IP and no group that a load balancer uses, and both when it is gone", () => {
    const world = having(meshed(), IP, NSG);
    const to = service({ [MODE]: "None", [NSGS]: idOf(world, NSG) }, { loadBalancerIP: addressOf("ip") });
    having(world, ingressGateway(to));
    const refusal = (request: Request) =>
      new Refusal(
        `409-IncorrectState, ${request.kind} ${idOf(world, request)} is in use by load balancer istio-ingressgateway`,
      );
    const remove = (request: Request) => () => world.remove(keyOfRequest(request));
    for (const used of [IP, NSG]) expect(remove(used)).toThrow(refusal(used));
    world.remove(KEY);
    pass(world, 19.9);
    for (const used of [IP, NSG]) expect(remove(used)).toThrow(refusal(used));
    pass(world, 0.1);
    expect(world.items("LoadBalancer")).toEqual([]);
    without(world, IP, NSG);
    expect([world.items("PublicIp"), world.items("NetworkSecurityGroup").map(({ name }) => name)]).toEqual([
      [],
      ["nodes"],
    ]);
  });

  it("refuses a group in a network that is not there, and a rule in a group that is not there", () => {
    const world = fresh();
    expect(() => world.create({ ...NSG, spec: { vcnId: "ocid1.vcn" } })).toThrow(new Refusal(NO_SUCH));
    expect(() => world.create({ kind: "NetworkSecurityGroupRule", name: "rule", spec: { nsg: "ocid1.nsg" } })).toThrow(
      new Refusal(NO_SUCH),
    );
  });
});

describe("objects that share a name", () => {
  it("makes a second reserved IP, group or token of the same name", () => {
    const world = fresh();
    const ip: Request = { kind: "PublicIp", name: "ip", spec: {} };
    const made = [world.create(ip), world.create(ip)];
    expect(made.map(({ name, status }) => [name, status.ipAddress])).toEqual([
      ["ip", addressOf("ip")],
      ["ip (2)", addressOf("ip (2)")],
    ]);
    expect(new Set(made.map(({ id }) => id)).size).toBe(2);
  });

  it("makes a second KMS vault and key of the same name", () => {
    const world = fresh(kmsVault, kmsVault);
    const [first, second] = world.items("KmsVault") as [Item, Item];
    having(world, kmsKey(first), kmsKey(second));
    expect(world.items("Key").map(({ name }) => name)).toEqual(["key", "key (2)"]);
    expect(managementEndpointOf(first)).not.toBe(managementEndpointOf(second));
  });
});

describe("KMS", () => {
  it("makes a key in a KMS vault in 10 s", () => {
    const world = fresh(kmsVault);
    expect(readyAfter(world, world.create(kmsKey(world.items("KmsVault")[0] as Item)))).toBe(10);
  });

  it("refuses a key in a KMS vault that is not there", () => {
    expect(() =>
      fresh(kmsVault).create({ kind: "Key", name: "key", spec: { managementEndpoint: "https://x" } }),
    ).toThrow(new Refusal("404-NotAuthorizedOrNotFound, Authorization failed or requested resource not found."));
  });
});
