import * as v from "valibot";
import { cidr } from "./cidr.ts";
import type { ClusterGiven } from "./cluster.ts";
import { flag, map, ocid, once, oneOf, says, whole } from "./fields.ts";
import type { Rule } from "./rule.ts";
import type { TagsSettings } from "./tags.ts";

const controllers = (what: string) => `the cloud controller's ${what}`;

const nsgs = v.pipe(
  v.array(ocid("networksecuritygroup"), "a list of OCIDs of networksecuritygroups"),
  once("each OCID once"),
);

export const loadBalancer = says(
  "The OCI load balancer: its address, bandwidth and firewall. The cloud controller makes it from the gateway's Service.",
  v.optional(
    map({
      compartmentId: says("Compartment of the reserved IP and the NSG.", ocid("compartment", "tenancy")),
      vcnId: says("VCN of the NSG.", v.optional(ocid("vcn")), 'required with rules "None"'),
      subnetId: says("Regional subnet of the load balancer.", v.optional(ocid("subnet")), "the cluster's choice"),
      minMbps: says("Bandwidth that is always there; at most maxMbps.", v.optional(whole("Mbps", 10, 8192), 10)),
      maxMbps: says("Bandwidth that it grows to.", v.optional(whole("Mbps", 10, 8192), 10)),
      rules: says(
        "Who opens the firewall. SL-All: the cloud controller, in the subnets' security lists. NSG: the cloud controller, in an NSG of its own and in the nodes'. None: this program.",
        oneOf("SL-All", "NSG", "None"),
      ),
      nodeNsgIds: says(
        "NSGs of the worker nodes: all of them, for a node in none of these gets no traffic.",
        v.optional(nsgs),
        'required with rules "NSG" and "None"',
      ),
      allowedCidrs: says(
        "Who may connect to ports 80 and 443: IPv4 CIDRs without host bits, each once.",
        v.optional(
          v.pipe(
            v.array(cidr, "a list of IPv4 CIDRs"),
            v.nonEmpty('at least one CIDR; "0.0.0.0/0" is everybody'),
            once("each CIDR once"),
          ),
          ["0.0.0.0/0"],
        ),
      ),
      reservedIp: says(
        "A reserved public IP to use; not with internal. Another address for a load balancer that exists is refused, in the preview already.",
        v.optional(ocid("publicip")),
        "one is made, and kept on destroy",
      ),
      ownAddress: says(
        "The load balancer's own public address in the place of a reserved one, as one has that others made: it comes and goes with the load balancer, and the A records follow the gateway's Service. Not with reservedIp or internal; a change while it exists is refused, in the preview already.",
        v.optional(flag, false),
      ),
      internal: says(
        "No public address: the A records take the load balancer's private one. A change while it exists is refused, in the preview already.",
        v.optional(flag, false),
      ),
      additionalNsgIds: says(
        'NSGs to attach beside the program\'s or the controller\'s own: 5, or 4 with rules "NSG" and "None".',
        v.optional(nsgs),
        "none",
      ),
      idleTimeoutSeconds: says(
        // TCP's longest at OCI is 7200.
        "How long a connection may be silent.",
        v.optional(whole("seconds", 1, 7200)),
        controllers("300"),
      ),
      proxyProtocol: says(
        "Version of the PROXY protocol that carries the client's address; the gateway's pods are told to expect it.",
        v.optional(v.picklist([1, 2], "1 or 2, the version of the PROXY protocol")),
        "none: Envoy sees the load balancer's address",
      ),
      externalTrafficPolicy: says(
        "Local: only nodes that run a gateway pod get traffic, and the health check asks for that.",
        v.optional(oneOf("Cluster", "Local"), "Cluster"),
      ),
      healthCheckRetries: says(
        "Failed health checks until a node is out.",
        v.optional(whole("", 1, 100)),
        controllers("3"),
      ),
      healthCheckTimeoutMs: says(
        "How long a health check may take.",
        v.optional(whole("ms", 1, 600_000)),
        controllers("3000"),
      ),
      healthCheckIntervalMs: says(
        // https://github.com/oracle/oci-cloud-controller-manager/blob/1100ac362/docs/load-balancer-annotations.md
        "How often a node is asked.",
        v.optional(whole("ms", 1000, 1_800_000)),
        controllers("10000"),
      ),
      alwaysFree: says(
        "Refuse what leaves Oracle's Always Free tier: more than 10 Mbps, and any other Service of type LoadBalancer in the charts' values.",
        v.optional(flag, false),
      ),
    }),
  ),
  "required with `cluster.id`; elsewhere no OCI resource and no A record",
);

export type Balanced = NonNullable<v.InferOutput<typeof loadBalancer>>;

export interface LoadBalancerGiven {
  readonly loadBalancer?: Balanced | undefined;
}

/** Ports of the listeners. */
export const LISTENERS = [80, 443] as const;
/** The Service's node ports, from the range that Kubernetes takes them from; a healthCheckNodePort is one of them. */
const NODE_PORTS = [30_000, 32_767] as const;
/** kube-proxy's health port, which is asked unless externalTrafficPolicy is Local. */
const KUBE_PROXY = [10_256, 10_256] as const;

/** Ports at which the load balancer asks the nodes, first and last, by their purpose. */
export const portsAtNodes = (policy: Balanced["externalTrafficPolicy"]) => ({
  traffic: NODE_PORTS,
  ...(policy === "Cluster" && { health: KUBE_PROXY }),
});

const where = (holds: (balanced: Balanced) => boolean) => (given: LoadBalancerGiven) =>
  given.loadBalancer !== undefined && holds(given.loadBalancer);

export const loadBalancerRules: readonly Rule<LoadBalancerGiven & ClusterGiven>[] = [
  {
    key: "loadBalancer",
    reads: ["cluster"],
    when: ({ cluster, loadBalancer }) => cluster.id !== undefined && loadBalancer === undefined,
    allowed: "a map with compartmentId and rules, required on OKE",
  },
  {
    key: "loadBalancer.minMbps",
    reads: ["loadBalancer.maxMbps"],
    when: where(({ minMbps, maxMbps }) => minMbps > maxMbps),
    allowed: "at most maxMbps; lower minMbps or raise maxMbps",
  },
  {
    key: "loadBalancer.nodeNsgIds",
    reads: ["loadBalancer.rules"],
    when: where(({ rules, nodeNsgIds }) => rules !== "SL-All" && nodeNsgIds === undefined),
    allowed:
      'a list with the OCID of each of the worker nodes\' networksecuritygroups, required with rules "NSG" and "None"',
  },
  {
    key: "loadBalancer.vcnId",
    reads: ["loadBalancer.rules"],
    when: where(({ rules, vcnId }) => rules === "None" && vcnId === undefined),
    allowed: 'the OCID of the vcn, required with rules "None"',
  },
  {
    key: "loadBalancer.reservedIp",
    reads: ["loadBalancer.internal"],
    when: where(({ internal, reservedIp }) => internal && reservedIp !== undefined),
    allowed: "nothing with internal: true, whose load balancer has no public IP; remove one of the two",
  },
  {
    key: "loadBalancer.ownAddress",
    reads: ["loadBalancer.internal", "loadBalancer.reservedIp"],
    when: where(({ ownAddress, internal, reservedIp }) => ownAddress && (internal || reservedIp !== undefined)),
    allowed: "nothing with internal: true or reservedIp, which say where the address is from; remove one of the two",
  },
];

/** Who opens the firewall, and what it takes. */
type Firewall =
  | { readonly rules: "SL-All" }
  | { readonly rules: "NSG"; readonly nodeNsgIds: readonly string[] }
  | { readonly rules: "None"; readonly nodeNsgIds: readonly string[]; readonly vcnId: string };

/** The address: the load balancer's own, private or public, or a reserved public IP, which is made where `id` names none. */
type LoadBalancerAddress =
  | { readonly kind: "internal" | "own" }
  | { readonly kind: "reserved"; readonly id?: string | undefined };

/** The OCI load balancer that a stack asks for. */
export type LoadBalancerSettings = Readonly<
  Omit<Balanced, "rules" | "nodeNsgIds" | "vcnId" | "internal" | "reservedIp" | "ownAddress">
> & { readonly firewall: Firewall; readonly address: LoadBalancerAddress; readonly tags: TagsSettings };

export function loadBalancerOf(balanced: Balanced, tags: TagsSettings): LoadBalancerSettings {
  const { rules, nodeNsgIds, vcnId, internal, reservedIp, ownAddress, ...rest } = balanced;
  return {
    ...rest,
    tags,
    firewall: firewallOf(balanced),
    address: addressOf(balanced),
  };
}

function addressOf({ internal, ownAddress, reservedIp }: Balanced): LoadBalancerAddress {
  if (internal) return { kind: "internal" };
  return ownAddress ? { kind: "own" } : { kind: "reserved", id: reservedIp };
}

/** With what its rules require. */
function firewallOf({ rules, nodeNsgIds = [], vcnId }: Balanced): Firewall {
  if (rules === "None") return { rules, nodeNsgIds, vcnId: vcnId as string };
  return rules === "NSG" ? { rules, nodeNsgIds } : { rules };
}
