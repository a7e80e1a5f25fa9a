import type { Item, Spec } from "./state.ts";
import { speaksTls, trustsVault } from "./vault.ts";
import type { World } from "./world.ts";

// How a gateway speaks to the Services behind it, and whether that is what they understand.

export type Protocol = "http" | "https" | "h2c";

/** A port of a Service. */
interface Destination {
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
}

/** Where a VirtualService leads; one without routes, to nowhere in particular. */
export function destinationOf({ namespace, spec }: Item): Destination {
  const [{ route = [] } = {}] = (spec.http ?? []) as { route?: { destination: { host: string; port: Spec } }[] }[];
  const { host = "?", port = {} } = route[0]?.destination ?? {};
  return { namespace, service: host, port: Number(port.number) };
}

/** What a port understands: by what was said of it, HTTP where nothing was. */
export function protocolOf(world: World, { namespace, service, port }: Destination): Protocol {
  if (namespace === "vault" && speaksTls(world)) return "https";
  const { speaks = {} } = (world.item(`Service ${namespace}/${service}`)?.spec ?? {}) as {
    speaks?: Record<string, Protocol>;
  };
  return speaks[String(port)] ?? "http";
}

interface Policy {
  tls?: { mode: string; credentialName?: string; insecureSkipVerify?: boolean };
  connectionPool?: { http?: { h2UpgradePolicy?: string } };
}

type TrafficPolicy = Policy & { portLevelSettings?: (Policy & { port: { number: number } })[] };

/** In which namespaces a rule holds beside its own; in all of them where it does not say. */
const exportedTo = ({ spec }: Item) => (spec.exportTo ?? ["*"]) as string[];

/**
 * The rule that a gateway in the mesh's root namespace goes by: one that is for this namespace alone, else one that the
 * Service's own exports, else one that the root's exports.
 * https://github.com/istio/istio/blob/1.31.4/pilot/pkg/model/push_context.go (destinationRule)
 */
function ruleOf(world: World, root: string, { namespace, service }: Destination): Item | undefined {
  const rules = world.items("DestinationRule").filter(({ ready }) => ready);
  const mine = rules.filter(({ spec }) => spec.host === `${service}.${namespace}.svc.cluster.local`);
  const exported = (from: string) =>
    mine.find((rule) => rule.namespace === from && exportedTo(rule).some((it) => it === "*" || it === root));
  return (
    mine.find((rule) => rule.namespace === root && String(exportedTo(rule)) === ".") ??
    exported(namespace) ??
    exported(root)
  );
}

/** How the gateway's pods in a namespace speak to a port. */
export function protocolTo(
  world: World,
  gateway: string,
  destination: Destination,
): Protocol | "https it does not trust" {
  const all = ruleOf(world, gateway, destination)?.spec.trafficPolicy as TrafficPolicy | undefined;
  const policy = all?.portLevelSettings?.find(({ port }) => port.number === destination.port) ?? all;
  if (policy?.connectionPool?.http?.h2UpgradePolicy === "UPGRADE") return "h2c";
  if (policy?.tls?.mode !== "SIMPLE") return "http";
  const { credentialName, insecureSkipVerify } = policy.tls;
  // Its CA is looked for beside the client's pods; without one, those of the system are taken, which sign for no
  // Service of a cluster: https://istio.io/latest/docs/reference/config/networking/destination-rule/#ClientTLSSettings
  const trusts = insecureSkipVerify === true || trustsVault(world, world.item(`Secret ${gateway}/${credentialName}`));
  return trusts ? "https" : "https it does not trust";
}

/** The rules that stand in a mesh's root namespace and hold for every sidecar of it. */
export const meshWide = (world: World, root: string): string[] =>
  world
    .items("DestinationRule")
    .filter((rule) => rule.namespace === root && String(exportedTo(rule)) !== ".")
    .map(({ name }) => `DestinationRule ${name} holds for every pod of the mesh`);
