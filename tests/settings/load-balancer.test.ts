import { describe, expect, it } from "vitest";
import type { LoadBalancerSettings } from "../../settings/load-balancer.ts";
import { balanced, ids, itJudges, itMakes, itRefuses, ocidOf, type Raw, settingsOf } from "./stacks.ts";

const bandwidth = "a whole number from 10 to 8192 (Mbps)";
const nodeNsgRequired =
  'loadBalancer.nodeNsgIds is missing; allowed: a list with the OCID of each of the worker nodes\' networksecuritygroups, required with rules "NSG" and "None"';
const vcnRequired = 'loadBalancer.vcnId is missing; allowed: the OCID of the vcn, required with rules "None"';
const minAtMost = (min: number) =>
  `loadBalancer.minMbps is ${min}; allowed: at most maxMbps; lower minMbps or raise maxMbps`;
const missing = "loadBalancer is missing; allowed: a map with compartmentId and rules, required on OKE";
const compartment =
  "the OCID of a compartment or tenancy, ocid1.compartment.<realm>.<region>.<id> or ocid1.tenancy.<realm>.<region>.<id>";
const nsgs = (count: number) => Array.from({ length: count }, (_, at) => `${ids.nodeNsg}${at}`);
const shownNsgs = (count: number) => `${JSON.stringify(nsgs(count)).slice(0, 100)}…`;
const none = { rules: "None", vcnId: ids.vcn, nodeNsgIds: [ids.nodeNsg] };

describe("the load balancer", () => {
  itJudges(
    [
      ["loadBalancer.compartmentId", compartment, [ids.vcn, undefined], [ids.compartment, "ocid1.tenancy.oc1..aaaa"]],
      ["loadBalancer.vcnId", ocidOf("vcn"), [ids.subnet], [undefined, ids.vcn]],
      ["loadBalancer.subnetId", ocidOf("subnet"), [ids.vcn], [undefined, ids.subnet]],
      [
        "loadBalancer.nodeNsgIds",
        "a list of OCIDs of networksecuritygroups",
        [ids.nodeNsg, { a: "b" }],
        [undefined, [ids.nodeNsg]],
      ],
      ["loadBalancer.nodeNsgIds", "each OCID once", [[ids.nodeNsg, ids.nodeNsg]], [[ids.nodeNsg, `${ids.nodeNsg}b`]]],
      ["loadBalancer.reservedIp", ocidOf("publicip"), [ids.vcn, "203.0.113.7"], [undefined, ids.publicIp]],
      ["loadBalancer.rules", '"SL-All" or "NSG" or "None"', ["nsg", undefined], ["SL-All"]],
      ["loadBalancer.internal", "true or false", ["no", 1], [undefined, true, false]],
      ["loadBalancer.ownAddress", "true or false", ["no", 1], [undefined, true, false]],
      ["loadBalancer.alwaysFree", "true or false", ["no"], [undefined, true, false]],
      ["loadBalancer.minMbps", bandwidth, [9, 8193, 10.5, "10"], [undefined, 10]],
      ["loadBalancer.maxMbps", bandwidth, [9, 8193, 10.5, "10"], [undefined, 10, 8192]],
      ["loadBalancer.idleTimeoutSeconds", "a whole number from 1 to 7200 (seconds)", [0, 7201], [undefined, 1, 7200]],
      ["loadBalancer.proxyProtocol", "1 or 2, the version of the PROXY protocol", [0, 3, true, "1"], [undefined, 1, 2]],
      ["loadBalancer.externalTrafficPolicy", '"Cluster" or "Local"', ["local"], [undefined, "Cluster", "Local"]],
      ["loadBalancer.healthCheckRetries", "a whole number from 1 to 100", [0, 101], [undefined, 1, 100]],
      ["loadBalancer.healthCheckTimeoutMs", "a whole number from 1 to 600000 (ms)", [0, 600_001, "3s"], [1, 600_000]],
      [
        "loadBalancer.healthCheckIntervalMs",
        "a whole number from 1000 to 1800000 (ms)",
        [999, 1_800_001],
        [1000, 1_800_000],
      ],
      ["loadBalancer.allowedCidrs", "a list of IPv4 CIDRs", ["10.0.0.0/8", {}], [undefined]],
      [
        "loadBalancer.allowedCidrs",
        'at least one CIDR; "0.0.0.0/0" is everybody',
        [[]],
        [["10.0.0.0/8", "11.0.0.0/8"]],
      ],
      ["loadBalancer.allowedCidrs", "each CIDR once", [["10.0.0.0/8", "10.0.0.0/8"]], []],
      [
        "loadBalancer.additionalNsgIds",
        "a list of OCIDs of networksecuritygroups",
        [ids.nodeNsg],
        [undefined, [], nsgs(5)],
      ],
      ["loadBalancer.additionalNsgIds", "each OCID once", [[ids.nodeNsg, ids.nodeNsg]], []],
      ["loadBalancer.additionalNsgIds[0]", ocidOf("networksecuritygroup"), [ids.vcn], [ids.nodeNsg]],
    ],
    balanced({ additionalNsgIds: [ids.nodeNsg] }),
  );

  itRefuses([
    ["none on OKE", { loadBalancer: undefined }, missing],
    ["an empty one on OKE", { loadBalancer: {} }, missing],
    [
      "unknown keys, each on its own line",
      balanced({ shape: "flexible", 2: "x" }),
      ...["2", "shape"].map(
        (key) =>
          `loadBalancer.${key} is no setting; allowed: a map with no other keys than compartmentId, vcnId, subnetId, minMbps, maxMbps, rules, nodeNsgIds, allowedCidrs, reservedIp, ownAddress, internal, additionalNsgIds, idleTimeoutSeconds, proxyProtocol, externalTrafficPolicy, healthCheckRetries, healthCheckTimeoutMs, healthCheckIntervalMs, alwaysFree`,
      ),
    ],
    ["a lowest bandwidth above the highest", balanced({ minMbps: 101, maxMbps: 100 }), minAtMost(101)],
    ["a lowest bandwidth above the highest by default", balanced({ minMbps: 11 }), minAtMost(11)],
    [
      "only the highest bandwidth when the lowest would be judged by a wrong one",
      balanced({ minMbps: 50, maxMbps: "10" }),
      `loadBalancer.maxMbps is "10"; allowed: ${bandwidth}; write it without quotes`,
    ],
    [
      "more than 10 Mbps with alwaysFree",
      balanced({ alwaysFree: true, maxMbps: 11 }),
      "loadBalancer.maxMbps is 11; allowed: 10 with alwaysFree: the tier has one flexible load balancer of 10 Mbps; lower it or remove alwaysFree",
    ],
    ["NSG without the nodes' NSG", balanced({ rules: "NSG" }), nodeNsgRequired],
    ["None without the nodes' NSG", balanced({ rules: "None", vcnId: ids.vcn }), nodeNsgRequired],
    ["None without the VCN", balanced({ rules: "None", nodeNsgIds: [ids.nodeNsg] }), vcnRequired],
    [
      "only who opens the firewall when other keys would be judged by a wrong answer",
      balanced({ rules: "none", additionalNsgIds: nsgs(6) }),
      'loadBalancer.rules is "none"; allowed: "SL-All" or "NSG" or "None"',
    ],
    [
      "a reserved IP for an internal one",
      balanced({ reservedIp: ids.publicIp, internal: true }),
      `loadBalancer.reservedIp is "${ids.publicIp}"; allowed: nothing with internal: true, whose load balancer has no public IP; remove one of the two`,
    ],
    ...[{ internal: true }, { reservedIp: ids.publicIp }].map((other): [string, Raw, string] => [
      `an own address with ${Object.keys(other)}`,
      balanced({ ...other, ownAddress: true }),
      "loadBalancer.ownAddress is true; allowed: nothing with internal: true or reservedIp, which say where the address is from; remove one of the two",
    ]),
    [
      "only what is no answer where other keys would be judged by it",
      balanced({ alwaysFree: "x", maxMbps: 11, internal: "x", reservedIp: ids.publicIp }),
      'loadBalancer.alwaysFree is "x"; allowed: true or false',
      'loadBalancer.internal is "x"; allowed: true or false',
    ],
    [
      "a sixth NSG",
      balanced({ additionalNsgIds: nsgs(6) }),
      `loadBalancer.additionalNsgIds is ${shownNsgs(6)}; allowed: at most 5 with rules "SL-All": OCI attaches five to a load balancer`,
    ],
    ...[none, { rules: "NSG", nodeNsgIds: [ids.nodeNsg] }].map((firewall): [string, Raw, string] => [
      `a fifth NSG beside the listeners' own with rules ${firewall.rules}`,
      balanced({ ...firewall, additionalNsgIds: nsgs(5) }),
      `loadBalancer.additionalNsgIds is ${shownNsgs(5)}; allowed: at most 4 with rules "${firewall.rules}": OCI attaches five to a load balancer, and one is the listeners' own`,
    ]),
  ]);

  const accepted: LoadBalancerSettings = {
    compartmentId: ids.compartment,
    tags: { freeformTags: {}, definedTags: {} },
    minMbps: 10,
    maxMbps: 10,
    firewall: { rules: "SL-All" },
    address: { kind: "reserved" },
    allowedCidrs: ["0.0.0.0/0"],
    externalTrafficPolicy: "Cluster",
    alwaysFree: false,
  };

  it("makes of the smallest one all that it needs", () => {
    expect(settingsOf(balanced({})).loadBalancer).toEqual(accepted);
  });

  const rest: Partial<LoadBalancerSettings> = {
    subnetId: ids.subnet,
    allowedCidrs: ["10.0.0.0/8"],
    additionalNsgIds: nsgs(4),
    idleTimeoutSeconds: 60,
    proxyProtocol: 2,
    externalTrafficPolicy: "Local",
    healthCheckRetries: 2,
    healthCheckTimeoutMs: 2000,
    healthCheckIntervalMs: 5000,
    maxMbps: 100,
  };
  itMakes([
    ["all other settings", balanced(rest), { loadBalancer: { ...accepted, ...rest } }],
    ["10 Mbps with alwaysFree", balanced({ alwaysFree: true }), { loadBalancer: { ...accepted, alwaysFree: true } }],
    [
      "NSG with the nodes' NSG, and a VCN that it has no use for",
      balanced({ ...none, rules: "NSG" }),
      { loadBalancer: { ...accepted, firewall: { rules: "NSG", nodeNsgIds: [ids.nodeNsg] } } },
    ],
    ["None", balanced(none), { loadBalancer: { ...accepted, firewall: { ...none, rules: "None" } } }],
    ["SL-All with what it has no use for", balanced({ ...none, rules: "SL-All" }), { loadBalancer: accepted }],
    [
      "a reserved IP",
      balanced({ reservedIp: ids.publicIp }),
      { loadBalancer: { ...accepted, address: { kind: "reserved", id: ids.publicIp } } },
    ],
    ["its own address", balanced({ ownAddress: true }), { loadBalancer: { ...accepted, address: { kind: "own" } } }],
    ["an internal one", balanced({ internal: true }), { loadBalancer: { ...accepted, address: { kind: "internal" } } }],
  ]);
});
