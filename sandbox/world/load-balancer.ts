import { isIP } from "node:net";
import { namespacedId, UPGRADE } from "./kubernetes.ts";
import { NO_SUCH, tagRefusal } from "./oci.ts";
import { backoff, type Item, type Spec, sha256 } from "./state.ts";
import type { Happening, System, World } from "./world.ts";

// OCI's cloud controller, which makes a load balancer of the gateway's Service.
// https://github.com/oracle/oci-cloud-controller-manager/tree/1100ac362/pkg/cloudprovider/providers/oci

/** Prefixes of the annotations that it reads. */
const OCI = "oci.oraclecloud.com";
const SERVICE = "service.beta.kubernetes.io/oci-load-balancer";

type GatewayService = {
  type?: string;
  annotations?: Record<string, string>;
  loadBalancerIP?: string;
  loadBalancerSourceRanges?: string[];
  externalTrafficPolicy?: string;
};
const serviceOf = ({ spec }: Item) => spec as GatewayService;

/** What the controller refuses of a Service; two things never change once its load balancer is there. */
function serviceRefusal(world: World, service: GatewayService, there: Item | undefined): string | undefined {
  const { annotations = {}, loadBalancerIP } = service;
  const [min, max] = [annotations[`${SERVICE}-shape-flex-min`], annotations[`${SERVICE}-shape-flex-max`]];
  if (!min || !max) {
    return `error parsing service annotation: ${SERVICE}-shape=flexible requires ${SERVICE}-shape-flex-min and ${SERVICE}-shape-flex-max to be set`;
  }
  for (const [name, value] of Object.entries({ min, max })) {
    if (Number.isNaN(mbpsOf(value))) return `invalid format for ${SERVICE}-shape-flex-${name} annotation : ${value}`;
  }
  const nsgs = nsgsOf(annotations);
  if (nsgs.length > 5) {
    return `invalid number of Network Security Groups (Max: 5) provided for annotation: ${OCI}/oci-network-security-groups`;
  }
  if (loadBalancerIP && !isIP(loadBalancerIP)) return `invalid value "${loadBalancerIP}" provided for LoadBalancerIP`;
  if (loadBalancerIP && isInternal(service))
    return "invalid service: cannot create a private load balancer with Reserved IP";
  const mode = annotations[`${OCI}/security-rule-management-mode`] ?? "SL-All";
  if (mode !== "None" && !["sl-all", "sl-frontend", "nsg"].includes(mode.toLowerCase())) {
    return `invalid value: ${mode} provided for annotation: ${OCI}/security-rule-management-mode`;
  }
  const tags = tagsOf(annotations);
  if (typeof tags === "string") return tags;
  if (nsgs.some((id) => world.byId(id)?.kind !== "NetworkSecurityGroup")) return NO_SUCH;
  if (there) {
    if ((loadBalancerIP || ownAddressOf(there.name, there.spec.internal === true)) !== there.status.address)
      return "The Load Balancer service reserved IP cannot be updated after the Load Balancer is created.";
    if (isInternal(service) !== there.spec.internal)
      return "internal cannot be updated after the Load Balancer is created.";
    return undefined;
  }
  const unknown = tagRefusal(world, tags.definedTags);
  if (unknown !== undefined) return unknown;
  if (!loadBalancerIP) return undefined;
  const ip = world.items("PublicIp").find((candidate) => candidate.status.ipAddress === loadBalancerIP);
  if (ip === undefined) return NO_SUCH;
  return ip.ready && !balancerAt(world, loadBalancerIP)
    ? undefined
    : "The IP address provided is not available for use.";
}

/** The tags of a load balancer that is made, as its Service says them; why they cannot be read, in words. */
function tagsOf(annotations: Record<string, string>): { freeformTags: Spec; definedTags: Spec } | string {
  const kinds = ["freeform", "defined"].map((kind) => `${OCI}/initial-${kind}-tags-override`) as [string, string];
  try {
    const [freeformTags, definedTags] = kinds.map((key) => JSON.parse(annotations[key] ?? "{}")) as [Spec, Spec];
    return { freeformTags, definedTags: flat(definedTags as Record<string, Spec>) };
  } catch (error) {
    return `failed to parse tags annotation: ${(error as Error).message}`;
  }
}

const flat = (tags: Record<string, Spec>): Spec =>
  Object.fromEntries(
    Object.entries(tags).flatMap(([namespace, keys]) =>
      Object.entries(keys).map(([key, value]) => [`${namespace}.${key}`, value]),
    ),
  );

const isInternal = ({ annotations }: GatewayService) => annotations?.[`${SERVICE}-internal`] === "true";
/** "1.5" is 15: the controller takes out what is no letter and no digit. NaN when it is no number then. */
const mbpsOf = (value: string) => Number(value.replace(/[^a-z0-9]+/gi, "").replace(/[Mm]bps$/, "") || Number.NaN);
const nsgsOf = (annotations: Record<string, string>) =>
  (annotations[`${OCI}/oci-network-security-groups`] ?? "").split(",").filter(Boolean);
const balancerAt = (world: World, address: unknown) =>
  world.items("LoadBalancer").find((balancer) => balancer.status.address === address);

const balancerOf = (world: World, { name }: Item) => world.item(`LoadBalancer /${name}`);

/** The cloud controller at work; it tries again from 5 s, doubling, up to 5 min. */
const ensureLoadBalancer: Happening = (world, item, tries) => {
  const service = serviceOf(item);
  const there = balancerOf(world, item);
  const refusal = serviceRefusal(world, service, there);
  if (refusal !== undefined) {
    item.reason = `Error syncing load balancer: failed to ensure load balancer: ${refusal}`;
    world.after(backoff(5, 300, tries), "ensureLoadBalancer", item, tries + 1);
  } else {
    item.reason = item.status.loadBalancer
      ? "the new revision is not rolled out"
      : `Service ${item.name} has no address yet`;
    const balancer = there ?? world.put({ kind: "LoadBalancer", name: item.name, spec: {} });
    // Read when it is made, and never again.
    const made = there === undefined && tagsOf(service.annotations ?? {});
    if (made && JSON.stringify(made) !== JSON.stringify(tagsOf({}))) balancer.status.tags = made;
    balancer.status.address = service.loadBalancerIP || ownAddressOf(item.name, isInternal(service));
    shape(balancer, service);
    world.after(world.seconds("LoadBalancer") * (item.status.loadBalancer ? UPGRADE : 1), "addressed", item);
  }
  world.seen(item);
};

/** A Service has the address that it is to have. */
const addressed: Happening = (world, item) => {
  const address = balancerOf(world, item)?.status.address ?? "192.0.2.1";
  item.status.loadBalancer = { ingress: serviceOf(item).type === "LoadBalancer" ? [{ ip: address }] : [] };
  item.ready = true;
  item.reason = "";
  world.seen(item);
};

function startService(world: World, item: Item): void {
  const { type, annotations } = serviceOf(item);
  const pods = world.item(`Deployment ${item.namespace}/${item.name}`);
  // Counted in a row, though the real controller would not wait for pods that never start: then there is no gain in
  // a gateway that is installed before what its pods need.
  if (pods?.status.stuck === true && pods.status.up !== true) {
    item.status.held = true;
    return;
  }
  delete item.status.held;
  // Without OCI's annotations it is another controller's, such as k3s has: an address of a node, at once.
  if (type === "LoadBalancer" && annotations?.[`${SERVICE}-shape`] !== undefined) {
    ensureLoadBalancer(world, item, 0);
    return;
  }
  world.removeNow(`LoadBalancer /${item.name}`);
  addressed(world, item, 0);
}

/** The address that OCI gives to a load balancer which asks for none: of its subnet, or a public one of OCI's choice. */
export const ownAddressOf = (name: string, isInternal: boolean) =>
  `${isInternal ? "10.0.20" : "198.51.100"}.${1 + (Number.parseInt(sha256(name).slice(0, 4), 16) % 250)}`;

function shape(balancer: Item, service: GatewayService): void {
  const { annotations = {}, loadBalancerSourceRanges, externalTrafficPolicy } = service;
  const mbps = (name: string) =>
    Math.min(8192, Math.max(10, mbpsOf(annotations[`${SERVICE}-shape-flex-${name}`] ?? "10")));
  balancer.spec = {
    mode: annotations[`${OCI}/security-rule-management-mode`] ?? "SL-All",
    internal: isInternal(service),
    minMbps: mbps("min"),
    maxMbps: Math.max(mbps("min"), mbps("max")),
    nsgs: nsgsOf(annotations),
    backendNsg: annotations[`${OCI}/oci-backend-network-security-group`] ?? "",
    sources: loadBalancerSourceRanges ?? ["0.0.0.0/0"],
    // With Local, the health check asks the Service's own healthCheckNodePort, one of the node ports.
    healthPort: externalTrafficPolicy === "Local" ? 30_000 : 10_256,
    proxyProtocol: annotations[`${SERVICE}-connection-proxy-protocol-version`] !== undefined,
  };
}

type Rule = { nsg: string; direction: string; peer: string; min: number; max: number };

/** Whether traffic that comes to the load balancer reaches all nodes and is answered. */
export function answers(world: World, balancer: Item): boolean {
  const nodes = world.items("NetworkSecurityGroup").filter(({ spec }) => spec.nodes === true);
  const { mode, nsgs, backendNsg, healthPort } = balancer.spec as {
    mode: string;
    nsgs: string[];
    backendNsg: string;
    healthPort: number;
  };
  // https://github.com/oracle/oci-cloud-controller-manager/blob/1100ac362/docs/load-balancer-annotations.md: a list.
  if (mode.toUpperCase() === "NSG") return nodes.every(({ id }) => backendNsg.split(",").includes(id));
  if (mode !== "None") return true;
  const rules = world
    .items("NetworkSecurityGroupRule")
    .filter((rule) => rule.ready)
    .map((rule) => rule.spec as unknown as Rule);
  const open = (nsg: string | undefined, direction: string, peer: string | undefined, port: number) =>
    rules.some(
      (rule) =>
        rule.nsg === nsg &&
        rule.direction === direction &&
        (peer === undefined || rule.peer === peer) &&
        rule.min <= port &&
        port <= rule.max,
    );
  // Node ports carry the traffic, the health port the health checks: without either the backends stay red.
  return nsgs.some(
    (nsg) =>
      [80, 443].every((port) => open(nsg, "INGRESS", undefined, port)) &&
      nodes.every(({ id }) =>
        [30_000, 32_767, healthPort].every((port) => open(nsg, "EGRESS", id, port) && open(id, "INGRESS", nsg, port)),
      ),
  );
}

export const cloudController: System = {
  kinds: {
    LoadBalancer: { seconds: 90 },
    Service: { id: namespacedId, start: startService },
  },
  happenings: { ensureLoadBalancer, addressed },
  seen(world, { kind, namespace, name, status }) {
    const service = kind === "Deployment" && status.stuck !== true && world.item(`Service ${namespace}/${name}`);
    if (service && service.status.held === true) startService(world, service);
  },
  gone(world, item) {
    if (item.kind === "Service") world.removeNow(`LoadBalancer /${item.name}`);
  },
};
