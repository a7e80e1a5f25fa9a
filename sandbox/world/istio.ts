import { meshWide } from "./destinations.ts";
import { customResource, isDefined, runs, webhooksOf, workloadsOf } from "./kubernetes.ts";
import type { Item } from "./state.ts";
import type { System, World } from "./world.ts";

// Istio: what istiod needs, what it fills in and answers for, and what a Gateway shows.

/** An object that is done as soon as istiod has read it. */
const read = (plural: string) => customResource(`${plural}.networking.istio.io`, { namespaced: true, seconds: 0.5 });

/** Why pods of istiod or of a gateway do not start; undefined when they do, and for all other pods. */
function podRefusal(world: World, { name, spec, status }: Item): string | undefined {
  if (spec.chart === "istiod" && !isDefined(world, "gateways.networking.istio.io"))
    // https://github.com/istio/istio/tree/1.31.4/manifests/charts/base: base owns the definitions.
    return "istiod is not ready: custom resource definitions of networking.istio.io are missing";
  if (spec.chart !== "gateway") return undefined;
  status.refused = false;
  if (world.item("MutatingWebhookConfiguration /istio-sidecar-injector") === undefined)
    // https://github.com/istio/istio/issues/35789: a pod made before the webhook is keeps "auto" until it is deleted.
    return `pod ${name}: Failed to pull image "auto": ErrImagePull`;
  if (runs(world, "istiod")) return undefined;
  // Then the pod itself is refused, and the ReplicaSet tries again: done when istiod is.
  status.refused = true;
  return 'failed calling webhook "rev.namespace.sidecar-injector.istio.io"';
}

/**
 * istiod has its own webhooks, and those of base, refuse from when it answers.
 * https://github.com/istio/istio/blob/1.31.4/pkg/webhooks/validation/controller/controller.go
 */
function enforce(world: World): void {
  for (const configuration of world.items("ValidatingWebhookConfiguration"))
    for (const webhook of webhooksOf(configuration))
      if (world.item(webhook.answeredBy)?.spec.chart === "istiod") webhook.failurePolicy = "Fail";
}

export type Server = { hosts: string[]; tls?: { credentialName?: string; httpsRedirect?: boolean } };

/** An entry of a Gateway's hosts: `<namespace>/<host>`, whose namespace is `.` for its own and `*` for any, as without one. */
const entryOf = (entry: string) => {
  const at = entry.indexOf("/");
  return { namespace: at < 0 ? "*" : entry.slice(0, at), host: entry.slice(at + 1) };
};

/**
 * Whether a VirtualService is one of a Gateway, by any of the names that Istio takes for it.
 * https://github.com/istio/istio/blob/1.31.4/pilot/pkg/model/config.go (resolveGatewayName)
 */
export const isOf = ({ name, namespace }: Item, route: Item) =>
  ((route.spec.gateways ?? []) as string[]).some((gateway) => {
    const [first = "", second] = gateway.split("/");
    const [short = "", where = route.namespace] = gateway.split(".");
    if (second !== undefined) return second === name && (first === "." ? route.namespace : first) === namespace;
    return short === name && where === namespace;
  });

/**
 * Whether a server answers by a VirtualService for a host of its own, or for any that the wildcard `*` of it takes.
 *
 * @param host @default - any of the VirtualService's
 */
export const serves = (gateway: Item, { hosts, tls }: Server, route: Item, host?: string): boolean =>
  isOf(gateway, route) &&
  tls?.credentialName !== undefined &&
  hosts
    .map(entryOf)
    .some(
      (entry) =>
        (entry.namespace === "*" ||
          (entry.namespace === "." ? gateway.namespace : entry.namespace) === route.namespace) &&
        (host === undefined ? (route.spec.hosts as string[]) : [host]).some(
          (asked) => asked === "*" || entry.host === "*" || matchesHost(entry.host, asked),
        ),
    );

/**
 * Whether the gateway's pods take no notice of a Gateway, because it is in another namespace than theirs and istiod was told
 * to keep them apart. https://github.com/istio/istio/blob/1.31.4/pilot/pkg/features/pilot.go
 */
export const isDark = (world: World, gateway: Item): boolean => {
  const [pods] = workloadsOf(world, "gateway");
  const [istiod] = workloadsOf(world, "istiod");
  const { PILOT_SCOPE_GATEWAY_TO_NAMESPACE: scope } = (istiod?.spec.env ?? {}) as Record<string, string>;
  const isApart = (pods?.namespace ?? "istio-system") !== gateway.namespace;
  return isApart && (scope === "true" || pods === undefined || istiod === undefined);
};

export const serversOf = (gateway: Item) => gateway.spec.servers as Server[];

export const matchesHost = (pattern: string, host: string) =>
  pattern === host ||
  (pattern.startsWith("*.") && host.endsWith(pattern.slice(1)) && !host.slice(0, 1 - pattern.length).includes("."));

/** Whether a Secret is a certificate for a host. */
export const covers = (secret: Item | undefined, host: string) =>
  ((secret?.spec.hosts ?? []) as string[]).some((pattern) => matchesHost(pattern, host));

/** Where the gateway's pod is, not where the Gateway is: https://github.com/istio/istio/blob/1.26.4/pilot/pkg/xds/sds.go */
export const secretForGateway = (world: World, gateway: Item, name: string) =>
  world.item(`Secret ${workloadsOf(world, "gateway")[0]?.namespace ?? gateway.namespace}/${name}`);

/** What a Gateway shows to the world. */
function shown(world: World, gateway: Item): string[] {
  if (isDark(world, gateway)) return [];
  return serversOf(gateway).flatMap(({ hosts, tls }) => {
    if (tls?.credentialName === undefined) return [];
    const found: string[] = [];
    const certificate = world.items("Certificate").find((it) => it.spec.secretName === tls.credentialName);
    const issued = certificate && world.item(`Secret ${certificate.namespace}/${certificate.spec.secretName}`);
    if (issued === undefined) found.push(`Gateway ${gateway.name} listens while its Certificate is not Ready`);
    const copy = secretForGateway(world, gateway, tls.credentialName);
    if (copy && hosts.some((entry) => !covers(copy, entryOf(entry).host)))
      found.push(`Gateway ${gateway.name} presents a certificate for ${copy.spec.hosts} to ${hosts}`);
    return found;
  });
}

export const istio: System = {
  kinds: {
    Gateway: read("gateways"),
    VirtualService: read("virtualservices"),
    DestinationRule: read("destinationrules"),
  },
  podRefusal,
  seen(world, item) {
    const isController = item.kind === "Deployment" && item.spec.chart === "istiod";
    if (!isController && item.kind !== "ValidatingWebhookConfiguration") return;
    if (!runs(world, "istiod")) return;
    enforce(world);
    for (const gateway of workloadsOf(world, "gateway")) if (gateway.status.refused === true) world.start(gateway);
  },
  violations: (world) => [
    ...world.items("Gateway").flatMap((gateway) => shown(world, gateway)),
    ...workloadsOf(world, "istiod").flatMap(({ namespace }) => meshWide(world, namespace)),
  ],
};
