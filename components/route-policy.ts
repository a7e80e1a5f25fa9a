import * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../settings/settings.ts";
import { type Admission, admission, filled, type Judged, literal, saying } from "./admission.ts";
import { ISTIO_NAMESPACE } from "./istio.ts";
import { GATEWAY } from "./tls-gateway.ts";

/** Who may have which host on the Gateway. */
export interface RouteTable {
  /** The host that the platform's are below, itself one of them. */
  readonly baseDomain: string;
  /** Which namespace has which host. */
  readonly services: readonly { readonly host: string; readonly namespace: string }[];
  /** The namespaces that may have every other host. */
  readonly guests: readonly string[];
}

/** Who may have which host; undefined where everybody may have every one. */
export const routeTableOf = ({
  baseDomain,
  services,
  tenancy,
}: Pick<Settings, "baseDomain" | "services" | "tenancy">): RouteTable | undefined =>
  tenancy.routes === "all" ? undefined : { baseDomain, services, guests: tenancy.routes };

/** The policy's name. */
export const ROUTE_POLICY = "oke-platform-routes";

/** The policy that these settings ask for; undefined where everybody may have every host. */
export function routePolicyOf(name: string, settings: Settings, opts: pulumi.ComponentResourceOptions) {
  const table = routeTableOf(settings);
  return table && new RoutePolicy(name, table, opts);
}

/** Has the API server refuse hosts of the platform to all but those who have them. */
class RoutePolicy extends pulumi.ComponentResource {
  constructor(name: string, args: RouteTable, opts: pulumi.ComponentResourceOptions) {
    // Without the table as inputs: one service more would otherwise show as a change of this component too.
    super("oke-platform:platform:RoutePolicy", name, {}, opts);

    admission(name, routeAdmission(args), { parent: this });

    this.registerOutputs();
  }
}

/** `{host}` belongs to `{owner}`. */
const TAKEN =
  "{host} is not for namespace {namespace}: services gives it to namespace {owner}. Take another host, or have whoever runs the platform change its entry in services";
/** `{host}` belongs to nobody. */
const NOT_GIVEN =
  "{host} is not for namespace {namespace}: on this Gateway every host below {base} is the platform's, and services gives this one to nobody. Have whoever runs the platform add an entry to services, or {namespace} to tenancy.routes";

/**
 * Why the API server would refuse a VirtualService if it were made or changed now; undefined when it would not.
 *
 * @param route the VirtualService, as its version v1 has it
 */
export function refusedRoute(route: Judged, { baseDomain: base, services, guests }: RouteTable): string | undefined {
  const { namespace = "" } = route.metadata ?? {};
  const { hosts = [], gateways = [] } = (route.spec ?? {}) as { hosts?: string[]; gateways?: string[] };
  if (!gateways.some((gateway) => isOurGateway(gateway, namespace))) return undefined;
  const ownerOf = (host: string) => services.find((service) => service.host === host)?.namespace;
  const host = hosts
    .map((asked) => asked.toLowerCase().replace(/\.$/, ""))
    .filter((asked) => isPlatforms(asked, base))
    .find((asked) => {
      const owner = ownerOf(asked);
      return owner !== namespace && (owner !== undefined || !guests.includes(namespace));
    });
  if (host === undefined) return undefined;
  const owner = ownerOf(host);
  return owner === undefined ? filled(NOT_GIVEN, { host, namespace, base }) : filled(TAKEN, { host, namespace, owner });
}

const OURS = { full: `${ISTIO_NAMESPACE}/${GATEWAY}`, dotted: `${GATEWAY}.${ISTIO_NAMESPACE}` } as const;
const FROM_ITS_OWN = [GATEWAY, `./${GATEWAY}`];

/**
 * Whether a VirtualService of a namespace means our Gateway by this name.
 * https://github.com/istio/istio/blob/1.31.4/pilot/pkg/model/config.go (resolveGatewayName)
 */
export const isOurGateway = (gateway: string, namespace: string): boolean =>
  gateway === OURS.full ||
  gateway === OURS.dotted ||
  gateway.startsWith(`${OURS.dotted}.`) ||
  (namespace === ISTIO_NAMESPACE && FROM_ITS_OWN.includes(gateway));

/** {@link isOurGateway} in CEL. */
const NAMES_OURS = `object.?spec.?gateways.orValue([]).exists(gateway,
  gateway == ${literal(OURS.full)} ||
  gateway == ${literal(OURS.dotted)} ||
  gateway.startsWith(${literal(`${OURS.dotted}.`)}) ||
  (request.namespace == ${literal(ISTIO_NAMESPACE)} && gateway in ${literal(FROM_ITS_OWN)}))`;

/** Whether a host, or one that a wildcard stands for, is the base domain or below it. Only the first label has a `*`. */
const isPlatforms = (host: string, base: string) =>
  host === base ||
  host.endsWith(`.${base}`) ||
  (host.startsWith("*") && `.${base}`.endsWith(host.slice(1))) ||
  (host.startsWith("*") && base.endsWith(host.slice(1)));

/** The hosts asked for that {@link isPlatforms} is true of, in small letters and without a dot at their end, in CEL. */
const platforms = (base: string) => `object.?spec.?hosts.orValue([])
  .map(host, host.lowerAscii())
  .map(host, host.endsWith(".") ? host.substring(0, host.size() - 1) : host)
  .filter(host,
    host == ${literal(base)} ||
    host.endsWith(${literal(`.${base}`)}) ||
    (host.startsWith("*") && ${literal(`.${base}`)}.endsWith(host.substring(1))) ||
    (host.startsWith("*") && ${literal(base)}.endsWith(host.substring(1))))`;

/** The policy of a table. */
function routeAdmission({ baseDomain, services, guests }: RouteTable): Admission {
  const chunks = Object.fromEntries(tables(services).map((table, at) => [`hosts${at}`, table]));
  const ownerOf = (host: string) => {
    const [first, ...others] = Object.keys(chunks).map((chunk) => `variables.${chunk}[?${host}]`);
    return first === undefined ? '""' : `${first}${others.map((other) => `.or(${other})`).join("")}.orValue("")`;
  };
  const places = { host: "variables.refused[0]", namespace: "request.namespace" };
  return {
    policyName: ROUTE_POLICY,
    judges: [{ group: "networking.istio.io", resources: ["virtualservices"] }],
    about: { "names-our-gateway": NAMES_OURS },
    variables: {
      ...chunks,
      asked: platforms(baseDomain),
      refused: `variables.asked.filter(host,
  ${ownerOf("host")} != request.namespace &&
  (${ownerOf("host")} != "" || !(request.namespace in ${literal(guests)})))`,
      owner: ownerOf("variables.refused[0]"),
    },
    allows: "variables.refused.size() == 0",
    says: `variables.owner == "" ? ${saying(NOT_GIVEN, { ...places, base: literal(baseDomain) })} : ${saying(TAKEN, { ...places, owner: "variables.owner" })}`,
  };
}

/**
 * Characters of a table in one expression, which may have 100,000:
 * https://github.com/kubernetes/kubernetes/blob/v1.34.4/staging/src/k8s.io/apiserver/pkg/cel/limits.go
 */
const LONGEST = 90_000;

/** The hosts with their namespaces as maps in CEL: a line each, so that a preview shows the lines that change. */
function tables(services: RouteTable["services"]): string[] {
  const lines = services.map(({ host, namespace }) => `${literal(host)}: ${literal(namespace)}`).sort();
  const chunks: string[][] = [];
  let room = 0;
  for (const line of lines) {
    const length = line.length + ",\n  ".length;
    if (length > room) {
      chunks.push([]);
      room = LONGEST;
    }
    chunks.at(-1)?.push(line);
    room -= length;
  }
  return chunks.map((chunk) => `{\n  ${chunk.join(",\n  ")}\n}`);
}
