import * as v from "valibot";
import { baseDomainOf, covers, type DomainGiven } from "./domain.ts";
import { hostName, kubernetesName, map, oneOf, says, whole } from "./fields.ts";
import type { Refusal, Sound } from "./rule.ts";
import { IN_CLUSTER } from "./vault.ts";

export const services = says(
  "What is routed: one host each to one Service.",
  v.optional(
    v.array(
      map({
        name: says(
          "Names the VirtualService, <name>-vs; once in a namespace.",
          // "-vs" is added to it.
          kubernetesName("", 60),
        ),
        namespace: says("Namespace of the Service.", kubernetesName("a namespace that exists")),
        service: says("Name of the Service.", v.optional(kubernetesName("the name of a Service")), "`<name>`"),
        port: says("Port of the Service.", whole("", 1, 65_535)),
        protocol: says(
          "How the gateway speaks to the Service. https: TLS whose certificate is not checked, for that of a Service inside the cluster is mostly its own maker's; what is sent is encrypted, and who answers is not proven. h2c: HTTP/2 without TLS, such as gRPC.",
          v.optional(oneOf("http", "https", "h2c"), "http"),
        ),
        timeoutSeconds: says(
          "When the gateway gives up waiting for an answer to a request, with 504.",
          v.optional(whole("seconds", 1, 86_400)),
          "never",
        ),
        host: says(
          "The host: baseDomain, or one label below it; each once.",
          v.optional(hostName("a host name such as vault.cluster.example.com")),
          "`<name>.<baseDomain>`",
        ),
      }),
      "a list of services",
    ),
    [],
  ),
);

type Entry = v.InferOutput<typeof services>[number];

interface ServicesGiven extends DomainGiven {
  readonly services: readonly Entry[];
  readonly vault?: { readonly install: boolean } | undefined;
}

/** The Service of the Vault that is installed here, to which the program makes the gateway's way itself. */
const isInstalledVault = ({ vault }: ServicesGiven, { namespace, service, name }: Entry) =>
  vault?.install === true && new URL(IN_CLUSTER).hostname === `${service ?? name}.${namespace}`;

const hostOf = (entry: Entry, baseDomain: string) => entry.host ?? `${entry.name}.${baseDomain}`;

/**
 * What the rules about each service refuse: a name and a host that another has, and a host that the certificate does
 * not cover. One at a time, because the next depends on what was refused before.
 */
export function* refusedServices(given: ServicesGiven, sound: Sound): Generator<Refusal> {
  if (!sound("services")) return;
  const known = sound(given.baseDomain === undefined ? "domain" : "baseDomain");
  // Hosts below a wrong domain can still be compared with each other.
  const baseDomain = known ? baseDomainOf(given) : "<baseDomain>";
  const names = firsts();
  const hosts = firsts();
  const protocols = new Map<string, { at: string; protocol: Entry["protocol"] }>();
  for (const [index, entry] of given.services.entries()) {
    const at = `services[${index}]`;
    if (sound(`${at}.name`, `${at}.namespace`)) {
      const other = names(`${entry.namespace}/${entry.name}`, at);
      const allowed = `a name that no other service of the namespace has; ${other} has it already`;
      if (other !== at) yield { key: `${at}.name`, allowed };
    }
    if (sound(...SPOKEN.map((field) => `${at}.${field}`))) {
      const refusal = refusedProtocol(given, entry, at, protocols);
      if (refusal) yield refusal;
    }
    // A host by default is right when the name is.
    if (!sound(at) || !sound(`${at}.${entry.host === undefined ? "name" : "host"}`)) continue;
    const host = hostOf(entry, baseDomain);
    const refused = (allowed: string) => ({ key: `${at}.host`, allowed, value: host });
    if (known && !covers(baseDomain, host))
      yield refused(`${baseDomain} or one label below it: the certificate covers nothing else`);
    if (known && host.length > 253)
      yield refused("at most 253 characters, as DNS allows in a name: a shorter name, or a host of its own");
    const other = hosts(host, at);
    if (other !== at) yield refused(`a host that no other service has; ${other} has it already`);
  }
}

/** What says how the gateway is to speak, and to what. */
const SPOKEN = ["name", "namespace", "service", "port", "protocol"] as const;

/** What is wrong with how the gateway is to speak to a port: it speaks to each in one way. */
function refusedProtocol(
  given: ServicesGiven,
  entry: Entry,
  at: string,
  protocols: Map<string, { at: string; protocol: Entry["protocol"] }>,
): Refusal | undefined {
  const { namespace, service, name, port, protocol } = entry;
  const key = `${at}.protocol`;
  if (protocol !== "http" && isInstalledVault(given, entry))
    return {
      key,
      allowed: "nothing for the Vault that is installed here, to which the program leads the gateway itself; remove it",
    };
  const place = `${namespace}/${service ?? name}:${port}`;
  const first = protocols.get(place) ?? { at, protocol };
  protocols.set(place, first);
  if (first.protocol === protocol) return undefined;
  return { key, value: protocol, allowed: `"${first.protocol}", which ${first.at} says of the same port` };
}

/** Who was the first with something. */
function firsts() {
  const seen = new Map<string, string>();
  return (what: string, who: string) => {
    const first = seen.get(what) ?? who;
    seen.set(what, first);
    return first;
  };
}

/** What is routed: one host to one Service. */
export type Service = Readonly<Required<Omit<Entry, "timeoutSeconds">> & Pick<Entry, "timeoutSeconds">>;

export const servicesOf = (entries: readonly Entry[], baseDomain: string): Service[] =>
  entries.map((entry) => ({
    ...entry,
    service: entry.service ?? entry.name,
    host: hostOf(entry, baseDomain),
  }));
