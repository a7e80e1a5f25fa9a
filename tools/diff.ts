import { immutableInputs } from "../project/immutable.ts";
import type { Registration } from "../project/record.ts";
import { lastName, type Properties, same, valueAt } from "../project/registration.ts";
import { letsEncrypt } from "../settings/acme.ts";

// What a change does to a stack, for a reviewer: sentences, those with a risk first, and the exact fields below each.

/** A stack in one revision of the repository. */
export type Revision =
  | {
      /** What it registers; secrets are "[secret]", and what only the cloud knows "[known after up]". */
      readonly registrations: Registration[];
      /** Digests of the stack file's encrypted values, by key. */
      readonly sealed: Readonly<Record<string, string>>;
    }
  /** Why the program registers nothing, such as mistakes in the configuration. */
  | { readonly error: string };

/** A stack in two revisions; undefined where a revision has no such stack. */
export interface StackPair {
  readonly stack: string;
  readonly before: Revision | undefined;
  readonly after: Revision | undefined;
}

/** A value that differs; undefined where a side has none. */
interface Field {
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
}

interface Change {
  readonly what: "added" | "removed" | "changed" | "replaced";
  /** As it will be; as it was, where it goes. */
  readonly resource: Registration;
  readonly before: Registration | undefined;
  readonly after: Registration | undefined;
  readonly fields: Field[];
}

interface Statement {
  /** Markdown, in which only code is marked up. */
  readonly text: string;
  /** Why to look twice. @default - no more reason than for any change */
  readonly risk?: string | undefined;
  /** The fields that it stands for. */
  readonly changes: Change[];
}

/** The paths under which the fields of a change show in which order it happens, in the words of `npm run plan`. */
const AFTER = "after";
const WITH_VALUES = "with values of";

// Comparing.

/** What differs between two recordings of a stack, by URN. */
function changesBetween(before: Registration[], after: Registration[]): Change[] {
  const [old, now] = [before, after].map((list) => new Map(list.map((resource) => [resource.urn, resource])));
  const urns = [...new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])].sort();
  return urns.flatMap((urn): Change[] => {
    const [was, is] = [old?.get(urn), now?.get(urn)];
    const resource = is ?? was;
    if (resource === undefined) return [];
    const ignored = was && is ? is.options.ignoreChanges : [];
    const fields = fieldsBetween(valuesOf(was), valuesOf(is)).filter(({ path }) => !isUnder(path, ignored));
    if (was === undefined) return [{ what: "added", resource, before: was, after: is, fields }];
    if (is === undefined) return [{ what: "removed", resource, before: was, after: is, fields }];
    if (fields.length === 0) return [];
    const what = fields.some(({ path }) => isUnder(path, immutableOf(is))) ? "replaced" : "changed";
    return [{ what, resource, before: was, after: is, fields }];
  });
}

/** All of a resource that can change. */
function valuesOf(resource: Registration | undefined): Properties | undefined {
  if (resource === undefined) return undefined;
  const { inputs, options, dependsOn, dataDependsOn } = resource;
  const { retainOnDelete, createSeconds, ignoreChanges } = options;
  return {
    ...inputs,
    ...(retainOnDelete && { "options.retainOnDelete": true }),
    ...(createSeconds !== undefined && { "options.createSeconds": createSeconds }),
    ...(ignoreChanges.length > 0 && { "options.ignoreChanges": ignoreChanges }),
    ...Object.fromEntries(dependsOn.map((urn) => [`${AFTER} ${lastName(urn)}`, true])),
    ...Object.fromEntries(dataDependsOn.map((urn) => [`${WITH_VALUES} ${lastName(urn)}`, true])),
  };
}

function fieldsBetween(before: unknown, after: unknown, path = ""): Field[] {
  if (same(before, after)) return [];
  const [old, now] = [partsOf(before), partsOf(after)];
  const steps = [...new Set([...Object.keys(old ?? {}), ...Object.keys(now ?? {})])];
  // A whole on one side and parts on the other cannot be told part by part.
  if (old === undefined || now === undefined || steps.length === 0) return [{ path, before, after }];
  return steps.flatMap((step) => fieldsBetween(old[step], now[step], `${path}${step}`.replace(/^\./, "")));
}

/** The parts of a map or of a list of maps, by their step in a path; none of nothing; undefined for any other whole. */
function partsOf(value: unknown): Properties | undefined {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null) return undefined;
  if (Array.isArray(value)) {
    if (value.some((item) => typeof item !== "object")) return undefined;
    return Object.fromEntries(value.map((item, at) => [`[${at}]`, item]));
  }
  const step = (key: string) => (/^(options\.|after |with )|^[^./]+$/.test(key) ? `.${key}` : `["${key}"]`);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [step(key), item]));
}

/** Whether a path is one of these or a part of one. */
const isUnder = (path: string, roots: readonly string[]) =>
  roots.some((root) => path === root || path.startsWith(`${root}.`) || path.startsWith(`${root}[`));

/** Inputs that cannot change without another object. */
function immutableOf({ type }: Registration): readonly string[] {
  // Another cluster behind the same provider is another home for everything in it.
  if (type === "pulumi:providers:kubernetes") return ["clusterIdentifier", "context"];
  return immutableInputs(type);
}

// Telling.

const kindOf = ({ type }: Registration) => type.split(":").at(-1) ?? type;
const isKind = (kind: string) => (resource: Registration) => kindOf(resource) === kind;
const isComponent = ({ type }: Registration) => type.startsWith("oke-platform:");

/** Text as Markdown code, whatever is in it. */
function code(value: unknown): string {
  const text = short(value);
  const fence = "`".repeat(Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length)) + 1);
  return fence.length === 1 ? `\`${text}\`` : `${fence} ${text} ${fence}`;
}

/** A value on one line; what is longer is cut. */
function short(value: unknown): string {
  const text = (typeof value === "string" && !/[\n\r]/.test(value) ? value : JSON.stringify(value)) ?? "";
  return text.length > 160 ? `${text.slice(0, 160)}… (${text.length} characters)` : text;
}

const codes = (values: readonly unknown[]) => {
  const marked = values.map(code);
  return marked.length < 2 ? marked.join("") : `${marked.slice(0, -1).join(", ")} and ${marked.at(-1)}`;
};

/** Changes that no sentence stands for yet. */
class Untold {
  private changes: Change[];

  constructor(changes: Change[]) {
    this.changes = changes;
  }

  /**
   * Takes changes out, so that one sentence stands for them.
   *
   * @param fields the fields to take, of what stays and only changes. @default - all of them
   */
  take(which: (resource: Registration, change: Change) => boolean, fields?: (path: string) => boolean): Change[] {
    const taken: Change[] = [];
    this.changes = this.changes.flatMap((change) => {
      if (!which(change.resource, change)) return [change];
      const isPart = fields !== undefined && change.before && change.after;
      const mine = isPart ? change.fields.filter(({ path }) => fields(path)) : change.fields;
      if (mine.length === 0 && change.fields.length > 0) return [change];
      taken.push({ ...change, fields: mine });
      const rest = change.fields.filter((field) => !mine.includes(field));
      return rest.length > 0 ? [{ ...change, fields: rest }] : [];
    });
    return taken;
  }
}

/** What a statement is made from. */
interface Story {
  readonly untold: Untold;
  readonly before: Registration[];
  readonly after: Registration[];
}

const has = (change: Change, ...what: Change["what"][]) => what.includes(change.what);

/** Hosts and where they go. */
function routes({ untold, before, after }: Story): Statement[] {
  const isRoute = isKind("VirtualService");
  const [old, now] = [before, after].map((list) => new Map(list.filter(isRoute).map((it) => [routeOf(it).host, it])));
  const changes = untold.take(isRoute, (path) => isUnder(path, ["spec.hosts", "spec.http", "metadata"]));
  const hosts = [...new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])].sort();
  const told = new Set<Change>();
  const to = ({ service, port, namespace }: Route) => `${code(`${service}:${port}`)} in ${code(namespace)}`;
  return hosts.flatMap((host) => {
    const mine = changes.filter((it) => [it.before, it.after].some((side) => side && routeOf(side).host === host));
    const [was, is] = [old?.get(host), now?.get(host)].map((it) => it && routeOf(it));
    if (mine.length === 0 || mine.every((change) => told.has(change))) return [];
    for (const change of mine) told.add(change);
    // The same VirtualService may give up one host for another.
    const renamed = mine.find((it) => it.before && it.after && routeOf(it.before).host !== routeOf(it.after).host);
    const [from, into] = [renamed?.before, renamed?.after].map((it) => it && routeOf(it));
    if (from && into && !now?.has(from.host) && !old?.has(into.host)) {
      const text = `${code(into.host)} will be routed to ${to(into)}, and ${code(from.host)} no longer`;
      return [{ text, risk: `Clients of ${code(from.host)} get 404 from then on.`, changes: mine }];
    }
    if (is === undefined) {
      const text = `${code(host)} will no longer be routed${was ? `; today it goes to ${to(was)}` : ""}`;
      return [{ text, risk: "Its clients get 404 from then on.", changes: mine }];
    }
    if (was === undefined) return [{ text: `${code(host)} will be routed to ${to(is)}`, changes: mine }];
    const isMoved = mine.some((change) => has(change, "replaced", "removed"));
    const risk = "It becomes another VirtualService, and the one that answers today is deleted.";
    const text = same(was, is)
      ? `${code(host)} stays with ${to(is)}`
      : `${code(host)} will be routed to ${to(is)} instead of ${to(was)}`;
    return [{ text, ...(isMoved && { risk }), changes: mine }];
  });
}

type Route = ReturnType<typeof routeOf>;

function routeOf({ inputs }: Registration) {
  const { hosts, http } = inputs.spec as { hosts: string[]; http: { route: { destination: Destination }[] }[] };
  const { host: service, port } = http[0]?.route[0]?.destination ?? { host: "?", port: { number: 0 } };
  return {
    host: hosts[0] ?? "?",
    service,
    port: port.number,
    namespace: String(valueAt(inputs, "metadata.namespace")),
  };
}
type Destination = { host: string; port: { number: number } };

/** The certificate, who signs it, who gets its key, and what the gateway makes of it. */
function certificates({ untold, before, after }: Story): Statement[] {
  const isWildcard = (it: Registration) => kindOf(it) === "Certificate" && valueAt(it.inputs, "spec.isCA") !== true;
  const [was, is] = [before, after].map((list) => list.find(isWildcard)?.inputs);
  const [signerBefore, signerAfter] = [signerOf(before, was), signerOf(after, is)];
  const statements: Statement[] = [];

  const names = untold.take(isWildcard, (path) => isUnder(path, ["spec.dnsNames"]));
  if (names.length > 0) {
    const [oldNames, newNames] = [was, is].map((inputs) => inputs && (valueAt(inputs, "spec.dnsNames") as string[]));
    const [old, now] = [oldNames && codes(oldNames), newNames && codes(newNames)];
    const gone = oldNames?.filter((name) => !newNames?.includes(name)) ?? [];
    const hosts = untold.take(isKind("Gateway"), (path) => /^spec\.servers\[\d+\]\.hosts/.test(path));
    const onlyChanges = (list: Change[]) => list.filter(({ what }) => what === "changed");
    statements.push(
      now === undefined
        ? { text: `The certificate for ${old} is removed`, risk: "No host can be served over HTTPS.", changes: names }
        : old === undefined
          ? { text: `A certificate for ${now} is issued by ${signerAfter}`, changes: names }
          : {
              text: `The certificate's names change from ${old} to ${now}`,
              risk: `${newCertificate(signerAfter)} New names are served only when it is there${gone.length > 0 ? `, and ${codes(gone)} no longer` : ""}.`,
              changes: [...names, ...onlyChanges(hosts)],
            },
    );
    statements.push(
      ...(onlyChanges(hosts).length < hosts.length ? rest(hosts.filter((it) => !has(it, "changed"))) : []),
    );
  }
  if (was && is && signerBefore !== signerAfter) {
    const isIssuers = (it: Registration) => isKind("ClusterIssuer")(it) || valueAt(it.inputs, "spec.isCA") === true;
    statements.push({
      text: `Certificates will come from ${signerAfter} instead of ${signerBefore}`,
      risk: newCertificate(signerAfter),
      changes: [
        ...untold.take(isWildcard, (path) => isUnder(path, ["spec.issuerRef"])),
        ...untold.take((it) => isIssuers(it) || it.name === "issuer"),
      ],
    });
  }
  for (const change of untold.take(isKind("ClusterIssuer"), (path) => path !== "" && isUnder(path, ["spec"]))) {
    const isNew = has(change, "added", "removed");
    statements.push({
      text: isNew
        ? `${code(valueAt(change.resource.inputs, "metadata.name"))}, an issuer, is ${change.what === "added" ? "made" : "removed"}`
        : `The issuer changes: ${briefly(change.fields)}`,
      ...(change.what !== "added" && { risk: "Every certificate is issued and renewed through it." }),
      changes: [change],
    });
  }
  const copies = untold.take(isWildcard, (path) => isUnder(path, ["spec.secretTemplate"]));
  if (copies.length > 0 && was && is) {
    statements.push({
      text: `The certificate's private key will be copied to ${copiedTo(is)} instead of ${copiedTo(was)}`,
      risk: "Who may read Secrets there may read the key.",
      changes: copies,
    });
  }
  const tls = untold.take(isKind("Gateway"), (path) => path.endsWith(".tls.minProtocolVersion"));
  for (const change of tls.filter(({ before: old, after: now }) => old && now)) {
    statements.push({
      text: `The lowest TLS version becomes ${code(change.fields[0]?.after)} instead of ${code(change.fields[0]?.before)}`,
      risk: "Clients that cannot do it are refused, on every host.",
      changes: [change],
    });
  }
  return [...statements, ...rest(tls.filter(({ before: old, after: now }) => !(old && now)))];
}

/** Who signs, in words. */
function signerOf(registrations: Registration[], certificate: Properties | undefined): string {
  const name = certificate && valueAt(certificate, "spec.issuerRef.name");
  const issuer = registrations.find(
    (it) => isKind("ClusterIssuer")(it) && valueAt(it.inputs, "metadata.name") === name,
  );
  const server = issuer && valueAt(issuer.inputs, "spec.acme.server");
  if (server === letsEncrypt.production) return "Let's Encrypt";
  if (server === letsEncrypt.staging) return "Let's Encrypt's staging server";
  return server === undefined ? "a CA of the cluster's own" : code(server);
}

/** What another certificate means: https://letsencrypt.org/docs/rate-limits/ */
const newCertificate = (signer: string) =>
  signer === "Let's Encrypt"
    ? "A new certificate is issued, which counts against Let's Encrypt's limits: five a week for the same names, and five failed validations an hour."
    : `A new certificate is issued${signer.startsWith("Let's") ? ", which no browser trusts" : ", which only those trust who know this server's CA"}.`;

function copiedTo(certificate: Properties): string {
  const annotations = valueAt(certificate, "spec.secretTemplate.annotations") as Properties | undefined;
  const key = "reflector.v1.k8s.emberstack.com/reflection-auto-namespaces";
  const list = String(annotations?.[key] ?? "");
  return list === "" ? "every namespace" : codes(list.split(","));
}

/** Fields in one line, or their paths where the line would be long. */
function briefly(fields: Field[]): string {
  const plain = fields.filter(({ path }) => !isOrder(path));
  if (plain.length > 3) return `${plain.length} fields, such as ${codes(plain.slice(0, 3).map(({ path }) => path))}`;
  return plain.map(({ path, before, after }) => `${code(path)} ${arrow(before, after)}`).join(", ");
}

function arrow(before: unknown, after: unknown): string {
  if (before === undefined) return `becomes ${code(after)}`;
  return after === undefined ? `is no longer ${code(before)}` : `${code(before)} → ${code(after)}`;
}

const isOrder = (path: string) => path.startsWith(`${AFTER} `) || path.startsWith(`${WITH_VALUES} `);

const REPLICAS = /(replicaCount|autoscale(Min|Max|Enabled)|autoscaling\.(enabled|minReplicas|maxReplicas))$/;
const SERVICE = "values.service";
const FLEX = /oci-load-balancer-shape-flex-(min|max)"\]$/;
/** Every sentence about the load balancer has this reason. */
const ONE_DOOR = "Every host is served through this one load balancer.";

/** Helm releases: versions, replicas, values; and the load balancer, which is a Service of one of them. */
function releases({ untold, before, after }: Story): Statement[] {
  const isRelease = isKind("Release");
  const statements: Statement[] = [];
  const stays = (it: Registration, change: Change) => isRelease(it) && has(change, "changed");

  const versions = new Map<string, Change[]>();
  const moved = untold.take(stays, (path) => isUnder(path, ["version", "chart", "repositoryOpts"]));
  for (const change of moved) {
    const [from, to] = [change.before, change.after].map((it) => sourceOf(it?.inputs));
    const text = [
      ...(from?.version === to?.version ? [] : [`from ${code(from?.version)} to ${code(to?.version)}`]),
      ...(from?.repo === to?.repo ? [] : [`to the source ${code(to?.repo)} instead of ${code(from?.repo)}`]),
    ].join(", ");
    versions.set(text, [...(versions.get(text) ?? []), change]);
  }
  for (const [text, changes] of versions) {
    const charts = changes.map(({ resource }) => sourceOf(resource.inputs).chart).sort();
    const risk = changes.map(riskyStep).find((reason) => reason !== undefined);
    const plural = charts.length > 1 ? "s" : "";
    statements.push({ text: `Chart${plural} ${codes(charts)} go${plural ? "" : "es"} ${text}`, risk, changes });
  }

  statements.push(...loadBalancer({ untold, before, after }));
  for (const change of untold.take(stays, (path) => path.startsWith("values.") && REPLICAS.test(path))) {
    const parts = change.fields.map(
      ({ path, before: old, after: now }) => `${code(path.replace("values.", ""))} ${arrow(old, now)}`,
    );
    statements.push({ text: `Replicas of ${code(change.resource.name)}: ${parts.join(", ")}`, changes: [change] });
  }
  for (const change of untold.take(stays, (path) => path.startsWith("values."))) {
    const keys = [...new Set(change.fields.map(({ path }) => /^values\.(\w+)/.exec(path)?.[1] ?? path))];
    const what =
      change.fields.length > 3 ? `${codes(keys)}, ${change.fields.length} fields in all` : briefly(change.fields);
    statements.push({ text: `Values of the chart of ${code(change.resource.name)}: ${what}`, changes: [change] });
  }
  for (const change of untold.take((it, { what }) => isRelease(it) && (what === "added" || what === "removed"))) {
    const { chart, version } = sourceOf(change.resource.inputs);
    const where = code(change.resource.inputs.namespace);
    statements.push(
      change.what === "added"
        ? { text: `Chart ${code(chart)} ${code(version)} is installed in ${where}`, changes: [change] }
        : {
            text: `Chart ${code(chart)} is uninstalled from ${where}`,
            risk: chart === "gateway" ? ONE_DOOR : "What it runs stops, and its CRDs may go with all their objects.",
            changes: [change],
          },
    );
  }
  return statements;
}

function sourceOf(inputs: Properties | undefined): { chart: string; repo: string; version: string } {
  const [chart, version] = [String(inputs?.chart ?? ""), String(inputs?.version ?? "")];
  const repo = valueAt(inputs ?? {}, "repositoryOpts.repo") ?? chart.split("/").slice(0, -1).join("/");
  const name = chart.split("/").at(-1) ?? chart;
  return { chart: name.replace(/-v?\d+\.\d+\.\d+.*\.tgz$/, ""), repo: String(repo), version };
}

/** Why the step from one version of a chart to another is a risk. */
function riskyStep({ before, after }: Change): string | undefined {
  const [from, to] = [before, after].map((it) => /^v?(\d+)\.(\d+)\.(\d+)/.exec(sourceOf(it?.inputs).version)?.slice(1));
  if (from === undefined || to === undefined) return undefined;
  const [old, now] = [from, to].map((parts) => parts.reduce((sum, part) => sum * 10_000 + Number(part), 0));
  if ((now ?? 0) < (old ?? 0)) return "An older version: what the newer one wrote may be unknown to it.";
  if (from[0] !== to[0]) return "Another major version: read its release notes for what breaks.";
  const isIstio = ["base", "istiod", "gateway"].includes(sourceOf(after?.inputs).chart);
  return isIstio && Number(to[1]) > Number(from[1]) + 1
    ? "Istio is upgraded one minor version at a time: https://istio.io/latest/docs/setup/upgrade/"
    : undefined;
}

/** Address, bandwidth and firewall of the load balancer. */
function loadBalancer({ untold, before, after }: Story): Statement[] {
  const isGateway = (it: Registration, change: Change) => isKind("Release")(it) && has(change, "changed");
  const statements: Statement[] = [];
  const [was, is] = [before, after].map((list) =>
    list.find((it) => isKind("Release")(it) && sourceOf(it.inputs).chart === "gateway"),
  );

  const flex = untold.take(isGateway, (path) => path.startsWith(SERVICE) && FLEX.test(path));
  if (flex.length > 0 && was && is) {
    statements.push({
      text: `The load balancer's bandwidth changes from ${bandwidth(was)} to ${bandwidth(is)} Mbps`,
      risk: `${ONE_DOOR} OCI changes its shape while it is in use.`,
      changes: flex,
    });
  }

  const [open, opens] = [openTo(before, was), openTo(after, is)];
  const isListener = (it: Registration) =>
    isKind("NetworkSecurityGroupSecurityRule")(it) && it.inputs.source !== undefined;
  if (was && is && (open.length > 0 || opens.length > 0) && !same(open, opens)) {
    const [more, fewer] = [opens.filter((cidr) => !open.includes(cidr)), open.filter((cidr) => !opens.includes(cidr))];
    const changes = [
      ...untold.take(isGateway, (path) => isUnder(path, [`${SERVICE}.loadBalancerSourceRanges`])),
      ...untold.take((it) => isListener(it) && [...more, ...fewer].includes(String(it.inputs.source))),
    ];
    const all = more.includes("0.0.0.0/0");
    statements.push({
      text: [
        ...(more.length > 0 ? [`${codes(more)} may connect to the load balancer from now on`] : []),
        ...(fewer.length > 0 ? [`${codes(fewer)} may no longer connect to the load balancer`] : []),
      ].join("; "),
      risk: fewer.length > 0 ? `${ONE_DOOR} Clients there are cut off.` : all ? "That is everybody." : ONE_DOOR,
      changes,
    });
  }

  for (const change of untold.take(isGateway, (path) => isUnder(path, [SERVICE]))) {
    statements.push({
      text: `The load balancer changes: ${briefly(change.fields)}`,
      risk: ONE_DOOR,
      changes: [change],
    });
  }
  for (const change of untold.take(isKind("PublicIp"))) {
    const { retainOnDelete } = change.resource.options;
    const texts = {
      added: "A reserved public IP is made",
      removed: `The reserved public IP leaves this stack${retainOnDelete ? "; it stays at OCI" : ", and is deleted"}`,
      changed: `The reserved public IP changes: ${briefly(change.fields)}`,
      replaced: `The reserved public IP is replaced by another: ${briefly(change.fields)}`,
    };
    const risk = "DNS and the firewalls of others know this address.";
    statements.push({ text: texts[change.what], ...(change.what !== "added" && { risk }), changes: [change] });
  }
  const firewall = untold.take((it) => kindOf(it).startsWith("NetworkSecurityGroup"));
  if (firewall.length > 0) {
    const names = codes(firewall.map(({ resource }) => resource.name));
    const isNew = firewall.every(({ what }) => what === "added");
    statements.push({
      text: `${firewall.length} part${firewall.length > 1 ? "s" : ""} of the load balancer's firewall ${isNew ? "are made" : "change"}: ${names}`,
      ...(!(isNew && was === undefined) && { risk: ONE_DOOR }),
      changes: firewall,
    });
  }
  return statements;
}

function bandwidth({ inputs }: Registration): string {
  const annotations = (valueAt(inputs, `${SERVICE}.annotations`) ?? {}) as Properties;
  const key = "service.beta.kubernetes.io/oci-load-balancer-shape-flex-";
  return code(`${annotations[`${key}min`] ?? "?"}–${annotations[`${key}max`] ?? "?"}`);
}

/** Who may connect, by the rules of the stack's own NSG or by those that the cloud controller is given. */
function openTo(registrations: Registration[], gateway: Registration | undefined): string[] {
  const ranges = valueAt(gateway?.inputs ?? {}, `${SERVICE}.loadBalancerSourceRanges`);
  const sources = registrations
    .filter((it) => isKind("NetworkSecurityGroupSecurityRule")(it) && it.inputs.sourceType === "CIDR_BLOCK")
    .map(({ inputs }) => String(inputs.source));
  return [...new Set([...(Array.isArray(ranges) ? ranges.map(String) : []), ...sources])].sort();
}

/** DNS records and the token that writes challenges. */
function dns({ untold, before }: Story): Statement[] {
  const alike = new Map<string, Change[]>();
  const statements: Statement[] = [];
  for (const change of untold.take(isKind("DnsRecord"))) {
    const [was, is] = [change.before, change.after].map((it) => it && code(it.inputs.name));
    const type = change.resource.inputs.type;
    const lost = "Clients no longer find what is served under that name.";
    if (is === undefined) {
      statements.push({ text: `The ${type} record of ${was} is removed`, risk: lost, changes: [change] });
    } else if (was === undefined) {
      statements.push({ text: `${is} will point to the load balancer's address`, changes: [change] });
    } else if (was !== is) {
      const text = `The ${type} record of ${was} gives way to one of ${is}`;
      statements.push({ text, risk: lost, changes: [change] });
    } else alike.set(briefly(change.fields), [...(alike.get(briefly(change.fields)) ?? []), change]);
  }
  for (const [fields, changes] of alike) {
    const names = codes(changes.map(({ resource }) => resource.inputs.name));
    const isProxied = changes.some((change) => change.fields.some(({ path }) => path === "proxied"));
    const risk =
      "Where Cloudflare's proxy stands, Cloudflare's certificate must cover the names, and not this stack's.";
    statements.push({ text: `DNS of ${names}: ${fields}`, ...(isProxied && { risk }), changes });
  }

  const tokens = untold.take((it, { what }) => isKind("ApiToken")(it) && (what === "added" || what === "removed"));
  const [made, gone] = [tokens.filter((it) => has(it, "added")), tokens.filter((it) => has(it, "removed"))];
  const named = (list: Change[]) => codes(list.map(({ resource }) => resource.inputs.name));
  if (made.length > 0) {
    const isFirst = !before.some(isKind("ApiToken"));
    statements.push({
      text: isFirst
        ? `A DNS token for the one zone is made at Cloudflare: ${named(made)}`
        : `The DNS token is rotated: ${named(made)} is made at Cloudflare and handed to the cluster within the hour${gone.length > 0 ? `, ${named(gone)} is deleted` : ""}`,
      changes: tokens,
    });
  } else if (gone.length > 0) {
    const risk = "A cluster that still holds it can no longer renew the certificate.";
    statements.push({ text: `The DNS token ${named(gone)} is deleted at Cloudflare`, risk, changes: gone });
  }
  return statements;
}

/** What waits for what. */
function order({ untold }: Story): Statement[] {
  return untold
    .take((_resource, change) => change.before !== undefined && change.after !== undefined, isOrder)
    .map((change) => {
      const tell = (prefix: string, gained: boolean) =>
        change.fields
          .filter(({ path, after }) => path.startsWith(prefix) && (after !== undefined) === gained)
          .map(({ path }) => path.slice(prefix.length));
      const parts = [
        ["will also wait for", tell(`${AFTER} `, true)],
        ["no longer waits for", tell(`${AFTER} `, false)],
        ["uses values of", tell(`${WITH_VALUES} `, true)],
        ["no longer uses values of", tell(`${WITH_VALUES} `, false)],
      ] as const;
      const told = parts.filter(([, names]) => names.length > 0).map(([verb, names]) => `${verb} ${codes(names)}`);
      return { text: `Order: ${code(change.resource.name)} ${told.join(", and ")}`, changes: [change] };
    });
}

/** What a removal takes along, by kind. */
const removals: Readonly<Record<string, string>> = {
  Namespace: "Everything in the namespace goes with it.",
  Gateway: "No host is served without it.",
  SecretV2: "External Secrets finds nothing there any more, and the certificate cannot be renewed.",
  ClusterSecretStore: "The certificate cannot be renewed without the token that comes this way.",
  ExternalSecret: "The certificate cannot be renewed without the token that it brings.",
};

/** Whatever has no sentence of its own. */
function rest(changes: Change[]): Statement[] {
  // A component that comes or goes is what is in it.
  return changes.filter((it) => !(isComponent(it.resource) && has(it, "added", "removed"))).map(plainly);
}

function plainly(change: Change): Statement {
  const { resource, what, fields } = change;
  const subject = `${code(resource.name)} (${kindOf(resource)})`;
  if (what === "added") return { text: `${subject} is made`, changes: [change] };
  if (what === "changed") return { text: `${subject} changes: ${briefly(fields)}`, changes: [change] };
  if (what === "removed") {
    return { text: `${subject} is removed`, risk: removals[kindOf(resource)], changes: [change] };
  }
  const fixed = fields.filter(({ path }) => isUnder(path, immutableOf(resource)));
  return {
    text: `${subject} is replaced: ${briefly(fixed)}`,
    risk:
      resource.type === "pulumi:providers:kubernetes"
        ? "Another cluster: everything is made anew in it."
        : "It cannot be changed in place: another is made, and the one that is in use is deleted.",
    changes: [change],
  };
}

/** Encrypted values of the stack file that are not what they were; whether the secret in them is, only its key knows. */
function secrets(before: Revision | undefined, after: Revision | undefined): Statement[] {
  const [old, now] = [before, after].map((it) => (it && "sealed" in it ? it.sealed : {}));
  const keys = [...new Set([...Object.keys(old ?? {}), ...Object.keys(now ?? {})])].sort();
  return keys
    .filter((key) => old?.[key] !== now?.[key])
    .map((key) => ({
      text:
        old?.[key] === undefined
          ? `The secret ${code(key)} is set`
          : now?.[key] === undefined
            ? `The secret ${code(key)} is no longer set`
            : `The secret ${code(key)} is encrypted anew; its value may be another`,
      changes: [],
    }));
}

/** What a change does to one stack. */
export interface StackDiff {
  readonly stack: string;
  /** "2 new, 1 changed", or what else there is to say of the stack as a whole. */
  readonly summary: string;
  /** Mistakes that leave nothing to compare. @default none */
  readonly error?: string;
  /** With a risk first. */
  readonly statements: Statement[];
}

/** Compares a stack in two revisions. */
export function diffOf({ stack, before, after }: StackPair): StackDiff {
  if (after && "error" in after) {
    return { stack, summary: "the configuration or the program is wrong", error: after.error, statements: [] };
  }
  const [old, now] = [before, after].map((it) => (it && "registrations" in it ? it.registrations : []));
  const story = { before: old ?? [], after: now ?? [] };
  const changes = changesBetween(story.before, story.after).filter(({ resource }) => !isStack(resource));
  const untold = new Untold(changes);
  const tellers = [routes, certificates, releases, dns, order];
  const told = [
    ...tellers.flatMap((teller) => teller({ untold, ...story })),
    ...rest(untold.take(() => true)),
    ...secrets(before, after),
  ];
  const isNew = before === undefined || "error" in before;
  const counted = changes.filter(({ resource }) => resource.custom && !resource.type.startsWith("pulumi:"));
  const words = { added: "new", removed: "removed", changed: "changed", replaced: "replaced" };
  const counts = Object.entries(words).flatMap(([what, word]) => {
    const count = counted.filter((change) => change.what === what).length;
    return count > 0 ? [`${count} ${word}`] : [];
  });
  const summary = [
    ...(before && "error" in before
      ? [`everything counts as new, since the other revision has no plan: ${before.error.split("\n")[0]}`]
      : []),
    ...(isNew && !(before && "error" in before) ? ["a new stack"] : []),
    ...(after === undefined ? ["the stack's file is gone, but what it made stays until pulumi destroy"] : []),
    ...(told.length > 0 ? counts : ["nothing changes"]),
  ].join(", ");
  return { stack, summary, statements: [...told.filter(({ risk }) => risk), ...told.filter(({ risk }) => !risk)] };
}

const isStack = ({ type }: Registration) => type === "pulumi:pulumi:Stack";

// Printing.

/** The fields of a change, one on each line, as a unified diff would have them. */
function fieldLines({ what, resource, fields }: Change): string[] {
  const sign = { added: "+", removed: "-", changed: "!", replaced: "!" }[what];
  const verb = what === "replaced" ? ", replaced" : "";
  const lines = fields.flatMap(({ path, before, after }) => {
    if (isOrder(path)) return [`${after === undefined ? "-" : "+"}   ${path}`];
    return [
      ...(before === undefined ? [] : [`-   ${path}: ${short(before)}`]),
      ...(after === undefined ? [] : [`+   ${path}: ${short(after)}`]),
    ];
  });
  return [`${sign} ${resource.name} (${kindOf(resource)})${verb}`, ...lines];
}

/** Lines that a statement may have below it before they are folded up. */
const OPEN_LINES = 12;

/** A line of Markdown that says of a comment whose it is, so that the next run finds it. */
const MARK = "<!-- oke-platform plan --diff -->";

/** GitHub's limit for a comment is 65,536 characters, of which the previews get some too. */
const COMMENT_LIMIT = 40_000;

/**
 * The diffs as GitHub's Markdown. Where it would not fit into a comment the fields are left out.
 *
 * @param ref the revision that they are against, as it was named
 */
export function diffMarkdown(ref: string, diffs: StackDiff[], withFields = true): string {
  const lines = [
    MARK,
    "## What this change does",
    "",
    `Compared with ${code(ref)}, without any cloud: values that only a cloud knows, and secrets, are not compared.`,
  ];
  for (const { stack, summary, error, statements } of diffs) {
    lines.push("", `### ${code(stack)}: ${summary}`);
    if (error !== undefined) lines.push("", ...fenced("text", error.split("\n")));
    const risky = statements.filter(({ risk }) => risk).length;
    for (const [at, { text, risk, changes }] of statements.entries()) {
      if (at === 0 && risky > 0) lines.push("", "**Look at these first**");
      if (at === risky && risky > 0) lines.push("", "**And**");
      lines.push("", risk === undefined ? `- ${text}` : `- ⚠️ ${text}. **Why it matters:** ${risk}`);
      const fields = changes.flatMap(fieldLines);
      if (!withFields || fields.length === 0) continue;
      const block = fenced("diff", fields);
      const folded = [`<details><summary>${fields.length} lines</summary>`, "", ...block, "", "</details>"];
      lines.push("", ...(fields.length > OPEN_LINES ? folded : block).map((line) => (line === "" ? "" : `  ${line}`)));
    }
  }
  const text = `${lines.join("\n")}\n`;
  if (text.length <= COMMENT_LIMIT) return text;
  const note = "\nThe fields are left out here, for want of room; `npm run plan -- --diff` prints them.\n";
  return withFields ? diffMarkdown(ref, diffs, false) + note : `${text.slice(0, COMMENT_LIMIT)}…\n`;
}

/** A block of code; a line in it cannot end it. */
const fenced = (language: string, lines: string[]) => [`\`\`\`\`${language}`, ...lines, "````"];

/** The diffs as plain text. */
export function diffText(ref: string, diffs: StackDiff[]): string {
  const lines = [`compared with ${ref}`];
  const plain = (text: string) => text.replaceAll("`", "");
  for (const { stack, summary, error, statements } of diffs) {
    lines.push(
      "",
      `${stack}: ${summary}`,
      ...(error === undefined ? [] : error.split("\n").map((line) => `  ${line}`)),
    );
    for (const { text, risk, changes } of statements) {
      lines.push(`  ${risk === undefined ? "" : "RISK "}${plain(text)}`);
      if (risk !== undefined) lines.push(`       ${risk}`);
      lines.push(...changes.flatMap(fieldLines).map((line) => `      ${line}`));
    }
  }
  return `${lines.join("\n")}\n`;
}
