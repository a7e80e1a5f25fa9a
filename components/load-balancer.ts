import { getPublicIp, getPublicIpOutput } from "@pulumi/oci/core/getPublicIp.js";
import { NetworkSecurityGroup } from "@pulumi/oci/core/networkSecurityGroup.js";
import { NetworkSecurityGroupSecurityRule } from "@pulumi/oci/core/networkSecurityGroupSecurityRule.js";
import { PublicIp } from "@pulumi/oci/core/publicIp.js";
import * as pulumi from "@pulumi/pulumi";
import type { ChartValues } from "../settings/charts.ts";
import { previewHook } from "./preview-hook.ts";

export interface LoadBalancerArgs {
  /** Name in the OCI console of what is made here. */
  readonly displayName: string;
  /** Compartment of the reserved IP and the NSG. */
  readonly compartmentId: string;
  /** VCN of the NSG; required with rules "None". */
  readonly vcnId?: string;
  /** Regional subnet of the load balancer. @default - the cluster's own load balancer subnet */
  readonly subnetId?: string;
  /** Bandwidth that is always there, in Mbps. */
  readonly minMbps: number;
  /** Bandwidth that it grows to, in Mbps. */
  readonly maxMbps: number;
  /**
   * Who opens the firewall: `SL-All`, the cloud controller in the subnets' security lists; `NSG`, the cloud
   * controller in an NSG of its own and in the nodes'; `None`, this component.
   */
  readonly rules: "SL-All" | "NSG" | "None";
  /** NSG of the worker nodes; required with rules "NSG" and "None". */
  readonly nodeNsgId?: string;
  /** IPv4 CIDRs that may connect to ports 80 and 443. */
  readonly allowedCidrs: readonly string[];
  /** OCID of a reserved public IP. @default - one is made, and kept on destroy */
  readonly reservedIp?: string;
  /** Whether it has no public address. */
  readonly internal: boolean;
  /** OCIDs of NSGs to attach beside the program's own; five in all. @default none */
  readonly additionalNsgIds?: readonly string[];
  /** Seconds without data until a connection is closed. @default - the cloud controller's 300 */
  readonly idleTimeoutSeconds?: number;
  /** Version of the PROXY protocol in which Envoy is told the client's address. @default - none, Envoy sees the load balancer's */
  readonly proxyProtocol?: 1 | 2;
  /** `Local` sends traffic only to nodes that run a gateway pod; the health check then asks for that. */
  readonly externalTrafficPolicy: "Cluster" | "Local";
  /** Failed health checks until a node is out. @default - the cloud controller's 3 */
  readonly healthCheckRetries?: number;
  /** Milliseconds until a health check has failed. @default - the cloud controller's 3000 */
  readonly healthCheckTimeoutMs?: number;
  /** Milliseconds between health checks. @default - the cloud controller's 10000 */
  readonly healthCheckIntervalMs?: number;
}

/** Ports of the listeners. */
const LISTENERS = [80, 443];
/** The Service's node ports, from the range that Kubernetes takes them from; a healthCheckNodePort is one of them. */
const NODE_PORTS = [30_000, 32_767] as const;
/** kube-proxy's health port, which is asked unless externalTrafficPolicy is Local. */
const KUBE_PROXY = [10_256, 10_256] as const;

/**
 * The contract of the OCI load balancer: address, bandwidth and firewall. The load balancer itself is made by the
 * cloud controller from the gateway's Service; a second owner would undo its changes.
 *
 * Keys and units: https://github.com/oracle/oci-cloud-controller-manager/blob/1100ac362/docs/load-balancer-annotations.md
 */
export class LoadBalancer extends pulumi.ComponentResource {
  /** The public address, known before the load balancer is; undefined when it is internal. */
  readonly address: pulumi.Output<string> | undefined;
  /** OCID of the reserved public IP behind {@link address}. */
  readonly reservedIp: pulumi.Output<string> | undefined;
  /** The part of the gateway's Service that the cloud controller reads, as values of the gateway's chart. */
  readonly serviceValues: ChartValues & { readonly type: "LoadBalancer" };

  /** Refuses, on previews too, what the cloud controller cannot do for the Service; for the gateway's release. */
  readonly releaseHooks: pulumi.ResourceHookBinding;
  /** What Envoy must expect of the load balancer, as values of the gateway's chart. */
  readonly gatewayValues: ChartValues;

  constructor(name: string, args: LoadBalancerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:LoadBalancer", name, {}, opts);

    const ip = args.internal ? undefined : this.publicIp(name, args);
    const nsg = args.rules === "None" ? this.firewall(name, args) : undefined;
    this.address = ip?.ipAddress;
    this.reservedIp = ip?.id;
    this.serviceValues = {
      type: "LoadBalancer",
      annotations: annotations(args, nsg),
      ...(this.address && { loadBalancerIP: this.address }),
      externalTrafficPolicy: args.externalTrafficPolicy,
      // Where the controller writes the listeners' rules, this is where it takes their sources from.
      ...(args.rules !== "None" && { loadBalancerSourceRanges: args.allowedCidrs }),
    };

    this.gatewayValues = proxyProtocolValues(args.proxyProtocol);
    this.releaseHooks = {
      beforeCreate: [previewHook(`${name}-address-free`, () => refuseUsedAddress(args.reservedIp))],
      beforeUpdate: [
        previewHook(`${name}-edge-fixed`, refuseOtherEdge),
        // A gateway that gets its first load balancer begins with the address as a new one does.
        previewHook(`${name}-first-address-free`, async ({ oldInputs }) => {
          if (edgeOf(oldInputs).internal === undefined) await refuseUsedAddress(args.reservedIp);
        }),
      ],
    };

    this.registerOutputs({ address: this.address, reservedIp: this.reservedIp });
  }

  private publicIp(
    name: string,
    args: LoadBalancerArgs,
  ): { id: pulumi.Output<string>; ipAddress: pulumi.Output<string> } {
    if (args.reservedIp !== undefined) {
      const { ipAddress } = getPublicIpOutput({ id: args.reservedIp }, { parent: this });
      return { id: pulumi.output(args.reservedIp), ipAddress };
    }
    return new PublicIp(
      `${name}-ip`,
      { compartmentId: args.compartmentId, lifetime: "RESERVED", displayName: args.displayName },
      {
        parent: this,
        // DNS, and firewalls of others, know the address: a destroy must not give it away.
        retainOnDelete: true,
        // The cloud controller attaches it to the load balancer; that is not ours to undo.
        ignoreChanges: ["privateIpId"],
      },
    );
  }

  /** The load balancer's NSG with its rules, and the nodes' side of them. */
  private firewall(name: string, args: LoadBalancerArgs): NetworkSecurityGroup {
    const nodes = requireId(args.nodeNsgId, "nodeNsgId");
    const nsg = new NetworkSecurityGroup(
      `${name}-nsg`,
      {
        compartmentId: args.compartmentId,
        vcnId: requireId(args.vcnId, "vcnId"),
        displayName: args.displayName,
      },
      { parent: this },
    );
    for (const port of LISTENERS) {
      for (const cidr of args.allowedCidrs) {
        new NetworkSecurityGroupSecurityRule(
          `${name}-listener-${port}-${cidr}`,
          {
            networkSecurityGroupId: nsg.id,
            description: `${cidr} to listener ${port}`,
            direction: "INGRESS",
            source: cidr,
            sourceType: "CIDR_BLOCK",
            ...tcp(port, port),
          },
          { parent: this },
        );
      }
    }
    const toNodes = { traffic: NODE_PORTS, ...(args.externalTrafficPolicy === "Cluster" && { health: KUBE_PROXY }) };
    for (const [purpose, [first, last]] of Object.entries(toNodes)) {
      new NetworkSecurityGroupSecurityRule(
        `${name}-to-nodes-${purpose}`,
        {
          networkSecurityGroupId: nsg.id,
          description: `load balancer to nodes, ${purpose}`,
          direction: "EGRESS",
          destination: nodes,
          destinationType: "NETWORK_SECURITY_GROUP",
          ...tcp(first, last),
        },
        { parent: this },
      );
      new NetworkSecurityGroupSecurityRule(
        `${name}-at-nodes-${purpose}`,
        {
          networkSecurityGroupId: nodes,
          description: `nodes from load balancer ${args.displayName}, ${purpose}`,
          direction: "INGRESS",
          source: nsg.id,
          sourceType: "NETWORK_SECURITY_GROUP",
          ...tcp(first, last),
        },
        { parent: this },
      );
    }
    return nsg;
  }
}

function annotations(
  args: LoadBalancerArgs,
  nsg: NetworkSecurityGroup | undefined,
): Record<string, pulumi.Input<string>> {
  const nsgIds = [...(nsg ? [nsg.id] : []), ...(args.additionalNsgIds ?? [])];
  const balancer = {
    "connection-idle-timeout": args.idleTimeoutSeconds,
    "connection-proxy-protocol-version": args.proxyProtocol,
    "health-check-interval": args.healthCheckIntervalMs,
    "health-check-retries": args.healthCheckRetries,
    "health-check-timeout": args.healthCheckTimeoutMs,
    internal: args.internal,
    shape: "flexible",
    "shape-flex-max": args.maxMbps,
    "shape-flex-min": args.minMbps,
    subnet1: args.subnetId,
  };
  return {
    "oci.oraclecloud.com/load-balancer-type": "lb",
    // Always written out: left to itself, the controller edits the subnets' security lists.
    "oci.oraclecloud.com/security-rule-management-mode": args.rules,
    ...(nsgIds.length > 0 && {
      "oci.oraclecloud.com/oci-network-security-groups": pulumi.concat(...separated(nsgIds)),
    }),
    ...(args.rules === "NSG" && {
      "oci.oraclecloud.com/oci-backend-network-security-group": requireId(args.nodeNsgId, "nodeNsgId"),
    }),
    ...Object.fromEntries(
      Object.entries(balancer)
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => [`service.beta.kubernetes.io/oci-load-balancer-${key}`, String(value)]),
    ),
  };
}

const separated = (ids: pulumi.Input<string>[]) => ids.flatMap((id, index) => (index > 0 ? [",", id] : [id]));

/**
 * Both sides must agree: an Envoy that does not expect the PROXY protocol takes its header for the client's request.
 * https://istio.io/latest/docs/ops/configuration/traffic-management/network-topologies/#proxy-protocol
 */
const proxyProtocolValues = (version: 1 | 2 | undefined): ChartValues =>
  version === undefined
    ? {}
    : { podAnnotations: { "proxy.istio.io/config": JSON.stringify({ gatewayTopology: { proxyProtocol: {} } }) } };

/** IANA protocol number 6, TCP, and its ports, as OCI's security rules want them. */
const tcp = (min: number, max: number) => ({ protocol: "6", tcpOptions: { destinationPortRange: { min, max } } });

function requireId(id: string | undefined, field: string): string {
  if (id === undefined) throw new pulumi.RunError(`loadBalancer.${field} is missing; these rules need it`);
  return id;
}

/**
 * Refuses to begin with a reserved IP that something else has: the Service would wait for it until the release fails.
 *
 * @throws with who has it
 */
async function refuseUsedAddress(reservedIp: string | undefined): Promise<void> {
  if (reservedIp === undefined) return;
  const { ipAddress, state, assignedEntityId } = await getPublicIp({ id: reservedIp });
  if (state === "AVAILABLE") return;
  throw new Error(
    `loadBalancer.reservedIp is ${ipAddress} (${reservedIp}), which is ${state}, in use by ${assignedEntityId}; name an ` +
      "IP that is AVAILABLE, free this one first, or remove the setting to have one made",
  );
}

/**
 * Refuses what the cloud controller cannot do to a load balancer that exists: give it another reserved IP or
 * subnet, or make it internal or public. It would report an event and leave the Service half-way, after everything else was changed.
 * A hook, because only the engine knows the inputs of the run before; on previews too, where nothing is lost yet.
 *
 * @throws with what changes, and the way to it
 */
function refuseOtherEdge({ urn, oldInputs, newInputs }: pulumi.ResourceHookArgs): void {
  const [before, after] = [edgeOf(oldInputs), edgeOf(newInputs)];
  if (before.internal === undefined || after.internal === undefined) return;
  const changed = (["internal", "reservedIp", "subnetId"] as const).find((field) => before[field] !== after[field]);
  if (changed === undefined) return;
  const say = ({ internal, reservedIp, subnetId }: typeof before) =>
    changed === "subnetId" ? `in ${subnetId}` : internal === "true" ? "internal" : `public at ${reservedIp}`;
  throw new Error(
    `loadBalancer.${changed} changes: the load balancer is ${say(before)} and would be ${say(after)}, which the cloud ` +
      "controller cannot do to one that exists. Take the change back, or make a new load balancer, with the time that " +
      `this takes without service: pulumi destroy --target-dependents --target '${urn}', then pulumi up`,
  );
}

/** What of the Service cannot change, as far as it is OCI's. */
function edgeOf(inputs: Record<string, unknown> | undefined) {
  const { service } = (inputs?.values ?? {}) as {
    service?: { annotations?: Record<string, string>; loadBalancerIP?: unknown };
  };
  const annotation = (name: string) => service?.annotations?.[`service.beta.kubernetes.io/oci-load-balancer-${name}`];
  const ip = service?.loadBalancerIP;
  return {
    internal: annotation("internal"),
    // In a preview, the address of an IP that is yet to be made is no text.
    reservedIp: typeof ip === "string" ? ip : "an address not known yet",
    subnetId: annotation("subnet1") ?? "the cluster's own subnet",
  };
}
