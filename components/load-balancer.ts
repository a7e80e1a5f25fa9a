import { getPublicIp, getPublicIpOutput } from "@pulumi/oci/core/getPublicIp.js";
import { NetworkSecurityGroup } from "@pulumi/oci/core/networkSecurityGroup.js";
import { NetworkSecurityGroupSecurityRule } from "@pulumi/oci/core/networkSecurityGroupSecurityRule.js";
import { PublicIp } from "@pulumi/oci/core/publicIp.js";
import * as pulumi from "@pulumi/pulumi";
import type { ChartValues } from "../settings/charts.ts";
import { LISTENERS, type LoadBalancerSettings, portsAtNodes } from "../settings/load-balancer.ts";
import { annotationOf, serviceOf } from "./balanced-service.ts";
import { previewHook } from "./hooks.ts";
import type { Exposure } from "./ingress-gateway.ts";
import { ociTags, tagAnnotations, warnOfLaterTags } from "./tags.ts";

export interface LoadBalancerArgs extends LoadBalancerSettings {
  /** Name in the OCI console of what is made here. */
  readonly displayName: string;
}

/** A firewall of this component's own. */
type OwnFirewall = Extract<LoadBalancerSettings["firewall"], { rules: "None" }>;

/**
 * The contract of the OCI load balancer: address, bandwidth and firewall. The load balancer itself is made by the
 * cloud controller from the gateway's Service; a second owner would undo its changes.
 *
 * Keys and units: https://github.com/oracle/oci-cloud-controller-manager/blob/1100ac362/docs/load-balancer-annotations.md
 */
export class LoadBalancer extends pulumi.ComponentResource {
  /** The public address, known before the load balancer is; undefined where that has its own. */
  readonly address: pulumi.Output<string> | undefined;
  /** OCID of the reserved public IP behind {@link address}. */
  readonly reservedIp: pulumi.Output<string> | undefined;
  /** What the gateway must be for the cloud controller to make the load balancer. */
  readonly exposure: Exposure;
  /** What a destroy leaves. */
  readonly kept: pulumi.Input<string>[];

  constructor(name: string, args: LoadBalancerArgs, opts?: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:LoadBalancer", name, {}, opts);

    const { address, firewall } = args;
    const ip = address.kind === "reserved" ? this.publicIp(name, args, address.id) : undefined;
    const nsg = firewall.rules === "None" ? this.firewall(name, args, firewall) : undefined;
    this.address = ip?.ipAddress;
    this.reservedIp = ip?.id;
    this.exposure = {
      service: {
        type: "LoadBalancer",
        annotations: annotations(args, nsg),
        ...(ip && { loadBalancerIP: ip.ipAddress }),
        externalTrafficPolicy: args.externalTrafficPolicy,
        // Where the controller writes the listeners' rules, this is where it takes their sources from.
        ...(firewall.rules !== "None" && { loadBalancerSourceRanges: args.allowedCidrs }),
      },
      values: proxyProtocolValues(args.proxyProtocol),
      hooks: edgeHooks(name, adopted(args)),
    };
    const advice = adopted(args) === undefined ? "; set loadBalancer.reservedIp to it before the next up" : "";
    this.kept = ip ? [pulumi.interpolate`reserved IP ${ip.id}${advice}`] : [];

    this.registerOutputs({ address: this.address, reservedIp: this.reservedIp });
  }

  private publicIp(
    name: string,
    args: LoadBalancerArgs,
    id: string | undefined,
  ): { id: pulumi.Output<string>; ipAddress: pulumi.Output<string> } {
    if (id !== undefined)
      return { id: pulumi.output(id), ipAddress: getPublicIpOutput({ id }, { parent: this }).ipAddress };
    return new PublicIp(
      `${name}-ip`,
      { compartmentId: args.compartmentId, lifetime: "RESERVED", displayName: args.displayName, ...ociTags(args.tags) },
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
  private firewall(name: string, args: LoadBalancerArgs, { nodeNsgIds, vcnId }: OwnFirewall): NetworkSecurityGroup {
    const nsg = new NetworkSecurityGroup(
      `${name}-nsg`,
      {
        compartmentId: args.compartmentId,
        vcnId,
        displayName: args.displayName,
        ...ociTags(args.tags),
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
    for (const [purpose, [first, last]] of Object.entries(portsAtNodes(args.externalTrafficPolicy))) {
      for (const nodes of nodeNsgIds) {
        // The part of an OCID that no other has.
        const rule = `${purpose}-${nodes.split(".").at(-1)}`;
        new NetworkSecurityGroupSecurityRule(
          `${name}-to-nodes-${rule}`,
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
          `${name}-at-nodes-${rule}`,
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
    internal: args.address.kind === "internal",
    shape: "flexible",
    "shape-flex-max": args.maxMbps,
    "shape-flex-min": args.minMbps,
    subnet1: args.subnetId,
  };
  return {
    "oci.oraclecloud.com/load-balancer-type": "lb",
    // Always written out: left to itself, the controller edits the subnets' security lists.
    "oci.oraclecloud.com/security-rule-management-mode": args.firewall.rules,
    ...(nsgIds.length > 0 && {
      "oci.oraclecloud.com/oci-network-security-groups": pulumi.concat(...separated(nsgIds)),
    }),
    ...(args.firewall.rules === "NSG" && {
      "oci.oraclecloud.com/oci-backend-network-security-group": args.firewall.nodeNsgIds.join(","),
    }),
    ...tagAnnotations(args.tags),
    ...Object.fromEntries(
      Object.entries(balancer)
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => [annotationOf(key), String(value)]),
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

/** OCID of a reserved IP that was there before this stack. */
const adopted = ({ address }: LoadBalancerArgs) => (address.kind === "reserved" ? address.id : undefined);

/** Refuses, on previews too, what the cloud controller cannot do for the Service; for the gateway's release. */
const edgeHooks = (name: string, reservedIp: string | undefined): pulumi.ResourceHookBinding => ({
  beforeCreate: [previewHook(`${name}-address-free`, () => refuseUsedAddress(reservedIp))],
  beforeUpdate: [
    previewHook(`${name}-edge-fixed`, refuseOtherEdge),
    previewHook(`${name}-later-tags`, async (change) => {
      if (edgeOf(change.oldInputs).internal !== undefined) await warnOfLaterTags(change);
    }),
    // A gateway that gets its first load balancer begins with the address as a new one does.
    previewHook(`${name}-first-address-free`, async ({ oldInputs }) => {
      if (edgeOf(oldInputs).internal === undefined) await refuseUsedAddress(reservedIp);
    }),
  ],
});

/**
 * Refuses to begin with a reserved IP that something else has: the Service would wait for it until the release fails.
 *
 * @throws with who has it
 */
async function refuseUsedAddress(reservedIp: string | undefined): Promise<void> {
  // A gateway that is taken over has its address already, which the takeover has compared.
  if (reservedIp === undefined || process.env.PULUMI_K8S_UPSERT_EXISTING_OBJECTS === "true") return;
  const { ipAddress, state, assignedEntityId } = await getPublicIp({ id: reservedIp });
  if (state === "AVAILABLE") return;
  throw new Error(
    `loadBalancer.reservedIp is ${ipAddress} (${reservedIp}), which is ${state}, in use by ${assignedEntityId}; name an ` +
      "IP that is AVAILABLE, free this one first, or remove the setting to have one made. If it is the load balancer of " +
      `this stack's gateway, whose run was cut off: npm run repair -- --stack ${pulumi.getStack()}`,
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
  const { annotations, loadBalancerIP: ip } = serviceOf(inputs ?? {});
  const annotation = (name: string) => annotations?.[annotationOf(name)];
  return {
    internal: annotation("internal"),
    // In a preview, the address of an IP that is yet to be made is no text.
    reservedIp: ip === undefined ? "its own address" : typeof ip === "string" ? ip : "an address not known yet",
    subnetId: annotation("subnet1") ?? "the cluster's own subnet",
  };
}
