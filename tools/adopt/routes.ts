import { ISTIO_NAMESPACE } from "../../components/istio.ts";
import { isOurGateway } from "../../components/route-policy.ts";
import { virtualServiceName } from "../../components/routes.ts";
import { GATEWAY } from "../../components/tls-gateway.ts";
import type { Json } from "./actions.ts";
import type { LiveObject } from "./cluster.ts";
import { type Found, keyOf } from "./found.ts";
import { type Row, row } from "./plan.ts";

// The VirtualServices of the platform's Gateway as services of the stack.

interface VirtualService extends LiveObject {
  readonly spec?: {
    readonly hosts?: readonly string[];
    readonly gateways?: readonly string[];
    readonly http?: readonly Http[];
    readonly tcp?: unknown;
    readonly tls?: unknown;
  };
}

interface Gateway extends LiveObject {
  readonly spec?: {
    readonly servers?: readonly { readonly port?: { readonly number?: number }; readonly hosts?: readonly string[] }[];
  };
}

interface Http {
  readonly match?: readonly { readonly uri?: { readonly prefix?: string } }[];
  readonly route?: readonly {
    readonly destination?: { readonly host?: string; readonly port?: { readonly number?: number } };
  }[];
  readonly timeout?: string;
  readonly [field: string]: unknown;
}

const isOurs = ({ metadata: { namespace = "" } = {}, spec = {} }: VirtualService): boolean =>
  spec.gateways?.some((gateway) => isOurGateway(gateway, namespace)) === true;

/** Refuses hosts and ports that only the live Gateway serves: its list of servers becomes the program's. */
function lostAt(gateway: Gateway | undefined, baseDomain: string): Row[] {
  const served = (gateway?.spec?.servers ?? []).flatMap(({ port, hosts = [] }) =>
    hosts.map((host) => ({ port: port?.number ?? 0, name: host.split("/").at(-1) ?? "" })),
  );
  const lost = served.filter(
    ({ port, name }) => ![80, 443].includes(port) || ![baseDomain, `*.${baseDomain}`].some((it) => covers(it, name)),
  );
  if (lost.length === 0) return [];
  return [
    row(
      "refuse",
      `Gateway ${ISTIO_NAMESPACE}/${GATEWAY}`,
      `serves ${lost.map(({ port, name }) => `${name}:${port}`).join(", ")}, which the program's does not: nobody would any more`,
      "give that a Gateway of its own in ArgoCD first",
    ),
  ];
}

const covers = (host: string, name: string) =>
  host === name || (host.startsWith("*") && name.endsWith(host.slice(1)) && !name.startsWith("*"));

/** What is routed, and what stays as it is because `services` cannot say it. */
export function routesIn({ objects }: Found, baseDomain: string): { services: Json[]; rows: Row[]; foreign: string[] } {
  const gateway = { apiVersion: "networking.istio.io/v1", kind: "Gateway", namespace: ISTIO_NAMESPACE, name: GATEWAY };
  const rows = lostAt(objects.get(keyOf(gateway)), baseDomain);
  const services: Json[] = [];
  const foreign = new Set<string>();
  const all = [...objects.values()].filter(({ kind }) => kind === "VirtualService") as VirtualService[];
  for (const route of all.filter(isOurs)) {
    const { name = "", namespace = "" } = route.metadata ?? {};
    const service = serviceOf(route, baseDomain);
    if (typeof service !== "string") services.push(service);
    else {
      foreign.add(namespace);
      rows.push(row("stays", `VirtualService ${namespace}/${name}`, `${service}; it goes on to be served as it is`));
    }
  }
  return { services, rows, foreign: [...foreign].sort() };
}

/** The entry of `services` that makes a VirtualService; or why there is none. */
function serviceOf({ metadata = {}, spec = {} }: VirtualService, baseDomain: string): Json | string {
  const { name = "", namespace = "" } = metadata;
  const [, entry] = /^(.+)-vs$/.exec(name) ?? [];
  if (entry === undefined) return `the program would call it ${virtualServiceName(name)}`;
  const [host, ...otherHosts] = spec.hosts ?? [];
  const [http, ...more] = spec.http ?? [];
  if (host === undefined || otherHosts.length > 0 || spec.gateways?.length !== 1)
    return "has several hosts or gateways";
  if (http === undefined || more.length > 0 || spec.tcp !== undefined || spec.tls !== undefined)
    return "has other rules than one";
  const { match, route, timeout, name: _, ...rest } = http;
  const [target, ...others] = route ?? [];
  const isWhole =
    match === undefined || (match.length === 1 && match[0]?.uri?.prefix === "/" && Object.keys(match[0]).length === 1);
  if (!isWhole || others.length > 0 || Object.keys(rest).length > 0) return "does more than to route all of a host";
  const destination = target?.destination?.host ?? "";
  const port = target?.destination?.port?.number;
  const [service = "", at = namespace] = destination.split(".");
  if (at !== namespace || port === undefined) return "leads to another namespace, or to no port";
  const seconds = timeout === undefined ? undefined : secondsIn(timeout);
  if (seconds === null) return `has the timeout ${timeout}`;
  if (host !== baseDomain && host.replace(/^[^.*]+\./, "") !== baseDomain)
    return "is for a host that the certificate does not cover";
  return {
    name: entry,
    namespace,
    ...(service !== entry && { service }),
    port,
    ...(host !== `${entry}.${baseDomain}` && { host }),
    ...(seconds !== undefined && { timeoutSeconds: seconds }),
  };
}

/** Whole seconds of a duration; null where it has others. */
function secondsIn(duration: string): number | null {
  const [, minutes = "0", seconds = "0"] = /^(?:(\d+)m)?(?:(\d+)s)?$/.exec(duration) ?? [];
  return Number(minutes) * 60 + Number(seconds) || null;
}
