import { secondsOf } from "./helm.ts";
import { customResource, define, releaseOf, runs } from "./kubernetes.ts";
import type { Item } from "./state.ts";
import type { System, World } from "./world.ts";

// Istio: what istiod needs, what it fills in and answers for, and what a Gateway shows.

const istios = (plural: string) => ({
  definition: `${plural}.networking.istio.io`,
  namespaced: true,
  definedBy: "base",
  answeredBy: "istiod",
  webhook: "validation.istio.io",
});

/** istiod's start: without base it never gets ready. */
export function startIstiod(world: World, item: Item): void {
  if (runs(world, "base")) world.after(secondsOf(world, item), "installed", item);
  // https://github.com/istio/istio/tree/1.26.4/manifests/charts/base: base owns the CRDs and the reader's account.
  else item.reason = "istiod is not ready: custom resource definitions of networking.istio.io are missing";
}

/** Why the gateway's pods cannot start; undefined when they can. */
export function podRefusal(world: World, item: Item): string | undefined {
  const istiod = releaseOf(world, "istiod");
  item.status.refused = false;
  // The webhook that fills in the image is among the last things that Helm applies, a second after it began.
  if (istiod === undefined || world.now - Number(istiod.status.since) < 1) {
    // https://github.com/istio/istio/issues/35789: a pod made before the webhook is keeps "auto" until it is deleted.
    return 'pod istio-ingressgateway: Failed to pull image "auto": ErrImagePull';
  }
  if (runs(world, "istiod")) return undefined;
  // Then the pod itself is refused, and the ReplicaSet tries again: done when istiod is.
  item.status.refused = true;
  return 'failed calling webhook "rev.namespace.sidecar-injector.istio.io"';
}

export type Server = { hosts: string[]; tls?: { credentialName?: string; httpsRedirect?: boolean } };

export const serversOf = (gateway: Item) => gateway.spec.servers as Server[];

export const matchesHost = (pattern: string, host: string) =>
  pattern === host ||
  (pattern.startsWith("*.") && host.endsWith(pattern.slice(1)) && !host.slice(0, 1 - pattern.length).includes("."));

/** Whether a Secret is a certificate for a host. */
export const covers = (secret: Item | undefined, host: string) =>
  ((secret?.spec.hosts ?? []) as string[]).some((pattern) => matchesHost(pattern, host));

/** Where the gateway's pod is, not where the Gateway is: https://github.com/istio/istio/blob/1.26.4/pilot/pkg/xds/sds.go */
export const secretForGateway = (world: World, gateway: Item, name: string) =>
  world.item(`Secret ${releaseOf(world, "gateway")?.namespace ?? gateway.namespace}/${name}`);

/** What a Gateway shows to the world. */
function shown(world: World, gateway: Item): string[] {
  return serversOf(gateway).flatMap(({ hosts, tls }) => {
    if (tls?.credentialName === undefined) return [];
    const found: string[] = [];
    const certificate = world.items("Certificate").find((it) => it.spec.secretName === tls.credentialName);
    const issued = certificate && world.item(`Secret ${certificate.namespace}/${certificate.spec.secretName}`);
    if (issued === undefined) found.push(`Gateway ${gateway.name} listens while its Certificate is not Ready`);
    const copy = secretForGateway(world, gateway, tls.credentialName);
    if (copy && hosts.some((host) => !covers(copy, host)))
      found.push(`Gateway ${gateway.name} presents a certificate for ${copy.spec.hosts} to ${hosts}`);
    return found;
  });
}

export const istio: System = {
  kinds: {
    Gateway: customResource(istios("gateways"), { seconds: 0.5 }),
    VirtualService: customResource(istios("virtualservices"), { seconds: 0.5 }),
    DestinationRule: customResource(istios("destinationrules"), { seconds: 0.5 }),
  },
  seen(world, item) {
    if (item.kind !== "Release" || !item.ready) return;
    if (item.spec.chart === "base") define(world, [istios("gateways")]);
    if (item.spec.chart !== "istiod") return;
    const base = releaseOf(world, "base");
    if (base) base.status.validated = true;
    for (const gateway of world.items("Release"))
      if (gateway.status.refused === true) world.kind("Release").change?.(world, gateway);
  },
  violations: (world) => world.items("Gateway").flatMap((gateway) => shown(world, gateway)),
};
