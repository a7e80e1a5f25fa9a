import { getPublicIpOutput } from "@pulumi/oci/core/getPublicIp.js";
import { NetworkSecurityGroup } from "@pulumi/oci/core/networkSecurityGroup.js";
import { NetworkSecurityGroupSecurityRule } from "@pulumi/oci/core/networkSecurityGroupSecurityRule.js";
import { PublicIp } from "@pulumi/oci/core/publicIp.js";
import * as pulumi from "@pulumi/pulumi";
import type { ChartValues } from "./charts.ts";

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
}

/** Ports of the listeners. */
const LISTENERS = [80, 443];
/** What the load balancer asks of the nodes: traffic on the Service's node ports, health on kube-proxy's port. */
const NODE_PORTS = { traffic: [30_000, 32_767], health: [10_256, 10_256] } as const;

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
  readonly service: ChartValues & { readonly type: "LoadBalancer" };

  constructor(name: string, args: LoadBalancerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:LoadBalancer", name, {}, opts);

    const ip = args.internal ? undefined : this.publicIp(name, args);
    const nsg = args.rules === "None" ? this.firewall(name, args) : undefined;
    this.address = ip?.ipAddress;
    this.reservedIp = ip?.id;
    this.service = {
      type: "LoadBalancer",
      annotations: annotations(args, nsg),
      ...(this.address && { loadBalancerIP: this.address }),
      // Where the controller writes the listeners' rules, this is where it takes their sources from.
      ...(args.rules !== "None" && { loadBalancerSourceRanges: args.allowedCidrs }),
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
    for (const [purpose, [first, last]] of Object.entries(NODE_PORTS)) {
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
  return {
    "oci.oraclecloud.com/load-balancer-type": "lb",
    "oci.oraclecloud.com/security-rule-management-mode": args.rules,
    ...(nsg && { "oci.oraclecloud.com/oci-network-security-groups": nsg.id }),
    ...(args.rules === "NSG" && {
      "oci.oraclecloud.com/oci-backend-network-security-group": requireId(args.nodeNsgId, "nodeNsgId"),
    }),
    "service.beta.kubernetes.io/oci-load-balancer-internal": String(args.internal),
    "service.beta.kubernetes.io/oci-load-balancer-shape": "flexible",
    "service.beta.kubernetes.io/oci-load-balancer-shape-flex-max": String(args.maxMbps),
    "service.beta.kubernetes.io/oci-load-balancer-shape-flex-min": String(args.minMbps),
    ...(args.subnetId && { "service.beta.kubernetes.io/oci-load-balancer-subnet1": args.subnetId }),
  };
}

/** IANA protocol number 6, TCP, and its ports, as OCI's security rules want them. */
const tcp = (min: number, max: number) => ({ protocol: "6", tcpOptions: { destinationPortRange: { min, max } } });

function requireId(id: string | undefined, field: string): string {
  if (id === undefined) throw new pulumi.RunError(`loadBalancer.${field} is missing; these rules need it`);
  return id;
}
