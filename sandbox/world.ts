import { createHash } from "node:crypto";
import { isIP } from "node:net";
import { examples } from "../project/placeholders.ts";

// OKE, OCI, Cloudflare and Vault as far as the platform meets them: what they refuse, and when things become ready.
// Pure: no Pulumi, no files, no real clock. Time is virtual, in seconds. The whole state is one JSON value, so that
// it can live in a file, as a cloud's objects outlive the tool that made them.

/** Seconds that each thing takes: runs on real components, and published provisioning times. */
export const usualLatencies = {
  /** Helm releases by chart; the gateway's is OCI making the load balancer. */
  charts: {
    "cert-manager": 45,
    reflector: 15,
    base: 5,
    istiod: 30,
    gateway: 90,
    "external-secrets": 35,
    vault: 40,
  } as Record<string, number>,
  PublicIp: 5,
  NetworkSecurityGroup: 3,
  NetworkSecurityGroupRule: 1,
  DnsRecord: 2,
  ApiToken: 1,
  KvSecret: 1,
  /** A policy, role, mount, auth backend or audit device of Vault. */
  VaultObject: 1,
  KmsVault: 60,
  Key: 10,
  ClusterSecretStore: 1,
  ExternalSecret: 2,
  ClusterIssuer: 3,
  Gateway: 0.5,
  VirtualService: 0.5,
  Namespace: 0.5,
  /** One name of a challenge with cert-manager's self-check. */
  challenge: 62,
  /** What a validation takes beside a set wait. */
  validation: 2,
  /** From a Secret to its copy. */
  reflection: 1,
  /** From the write of a challenge record to the answer of the authoritative servers. */
  dns: { usual: [1, 8] as [number, number], rare: 25, rareChance: 0.02 },
  /** Removal of a release, of the load balancer with the gateway's, and of anything else. */
  removal: { release: 3, gateway: 20, other: 0.5 },
};

export type Latencies = typeof usualLatencies;

type Spec = Record<string, unknown>;

/** What is asked of one of the systems. */
export interface Request {
  readonly kind: string;
  readonly namespace?: string | undefined;
  readonly name: string;
  readonly spec: Spec;
}

/** An object of one of the systems. */
export interface Item {
  kind: string;
  /** Empty for what has none. */
  namespace: string;
  name: string;
  id: string;
  spec: Spec;
  /** What its system adds. */
  status: Spec;
  ready: boolean;
  /** Why it is not ready, as its system says it. */
  reason: string;
  /** Changes with each update, and so outdates the timers of before. */
  generation: number;
  removing: boolean;
}

interface Timer {
  at: number;
  what: keyof typeof happenings;
  key: string;
  generation: number;
  /** How often it was tried, or which part of a sequence comes. */
  step: number;
}

/** All that there is. */
export interface State {
  now: number;
  random: number;
  items: Record<string, Item>;
  timers: Timer[];
  /** Groups whose custom resource definitions are installed; they stay when their release goes, where the chart says so. */
  definitions: string[];
  /** Certificates issued and validations failed, as the ACME server counts them. */
  acme: { at: number; hosts: string; failed: boolean; issuer: string }[];
  /** What must never be, and was. */
  violations: string[];
  /** Where the certificate's key may be. */
  keyMayBeIn: string[];
  /** Keys of objects that nothing ever comes of, but that can be removed. */
  broken: string[];
  /** What fails once: `create <kind>`, `update <kind>`, `remove <kind>` or `sync ExternalSecret`. */
  faults: string[];
  /**
   * The create at which the engine dies, by its number from now or by the object's key: before it, or when the object
   * is made and not yet reported.
   */
  crash?: { at: number | string; inside: boolean };
}

/** A refusal in the words of the system that refuses. */
export class Refusal extends Error {}

export const keyOf = ({ kind, namespace = "", name }: Omit<Request, "spec">) => `${kind} ${namespace}/${name}`;

export const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** A world with a cluster, a zone, a network and a Vault, and nothing of the platform in it. */
export function emptyWorld(seed = 1): State {
  const world = new World({
    now: 0,
    random: seed,
    items: {},
    timers: [],
    definitions: [],
    acme: [],
    violations: [],
    keyMayBeIn: ["cert-manager", "istio-system"],
    broken: [],
    faults: [],
  });
  for (const name of ["default", "kube-system", "vault", "argocd"]) world.put({ kind: "Namespace", name, spec: {} });
  world.put({ kind: "Zone", name: example("<zone>"), spec: {} }, "zone0000000000000000000000sandbox");
  world.put({ kind: "Cluster", name: "cluster", spec: {} }, example("<OKE cluster OCID>"));
  world.put({ kind: "Vcn", name: "vcn", spec: {} }, example("<VCN OCID>"));
  world.put({ kind: "NetworkSecurityGroup", name: "nodes", spec: {} }, example("<node NSG OCID>"));
  world.put({ kind: "Vault", name: "vault", spec: { reachable: true, initialized: true, sealed: false } });
  world.put({ kind: "Mount", name: "secret", spec: { type: "kv", version: "2" } });
  world.put({ kind: "AuthBackend", name: "kubernetes", spec: { type: "kubernetes" } });
  world.put({ kind: "AuthBackendConfig", name: "kubernetes", spec: { host: "https://kubernetes.default.svc" } });
  world.put({
    kind: "Policy",
    name: "external-secrets",
    spec: { policy: 'path "secret/data/prod/cert-manager" { capabilities = ["read"] }' },
  });
  world.put({
    kind: "AuthBackendRole",
    name: "kubernetes/external-secrets",
    spec: { accounts: ["external-secrets"], namespaces: ["external-secrets"], policies: ["external-secrets"] },
  });
  return world.state;
}

/** Kinds of what is inside of Vault. */
const INSIDE_VAULT = ["Mount", "AuthBackend", "AuthBackendConfig", "Policy", "AuthBackendRole", "Audit", "KvSecret"];

/** {@link emptyWorld} with a Vault that holds nothing. */
export function worldWithBareVault(seed?: number): State {
  const state = emptyWorld(seed);
  for (const [key, { kind }] of Object.entries(state.items)) if (INSIDE_VAULT.includes(kind)) delete state.items[key];
  return state;
}

/** {@link emptyWorld} without a Vault, and without its namespace. */
export function worldWithoutVault(seed?: number): State {
  const state = worldWithBareVault(seed);
  delete state.items["Vault /vault"];
  delete state.items["Namespace /vault"];
  return state;
}

const example = (placeholder: string) => examples[placeholder] ?? placeholder;

export class World {
  readonly state: State;
  readonly latencies: Latencies;

  constructor(state: State, latencies: Latencies = usualLatencies) {
    this.state = state;
    this.latencies = latencies;
  }

  /** Virtual seconds since the world was made. */
  get now(): number {
    return this.state.now;
  }

  /** When something next happens by itself; undefined when nothing will. */
  get nextEvent(): number | undefined {
    return this.state.timers[0]?.at;
  }

  item(key: string): Item | undefined {
    return this.state.items[key];
  }

  /** All objects of a kind. */
  items(kind: string): Item[] {
    return Object.values(this.state.items).filter((item) => item.kind === kind);
  }

  byId(id: unknown): Item | undefined {
    return Object.values(this.state.items).find((item) => item.id === id);
  }

  /** Lets everything happen that is due until then, in order. */
  advance(to: number): void {
    const { timers } = this.state;
    for (let timer = timers[0]; timer !== undefined && timer.at <= to; timer = timers[0]) {
      timers.shift();
      this.state.now = Math.max(this.now, timer.at);
      const item = this.item(timer.key);
      // A timer of an object that was changed or deleted since then speaks of what is no more.
      const counts =
        item?.generation === timer.generation && (timer.what === "removed" || !this.state.broken.includes(timer.key));
      if (item && counts) happenings[timer.what](this, item, timer.step);
      this.#observe();
    }
    this.state.now = Math.max(this.now, to);
  }

  /**
   * @throws {Refusal} when the system does not take it
   */
  create(request: Request): Item {
    this.#fail("create", request.kind);
    kindOf(request.kind).admit?.(this, request);
    const { overwrites, identity } = kindOf(request.kind);
    const there = identity === "id" ? undefined : this.item(keyOf(request));
    if (there !== undefined && !overwrites) throw new Refusal(alreadyExists(request));
    const item = this.put(identity === "id" ? { ...request, name: this.#freeName(request) } : request);
    item.status = there?.status ?? {};
    item.generation = (there?.generation ?? 0) + 1;
    item.ready = false;
    kindOf(item.kind).start(this, item);
    this.#observe();
    return item;
  }

  /**
   * @throws {Refusal} when there is no such object, or the system does not take the change
   */
  update(key: string, spec: Spec): Item {
    const item = this.item(key);
    if (item === undefined) throw new Refusal(`${key} not found`);
    this.#fail("update", item.kind);
    const { admit, start, change = start } = kindOf(item.kind);
    admit?.(this, { ...item, spec });
    item.spec = spec;
    this.renew(item);
    change(this, item);
    this.#observe();
    return item;
  }

  /**
   * Begins a removal; it is done when the item is gone. What is gone already is no error.
   *
   * @throws {Refusal} when something still needs it, or nobody answers for it any more
   */
  remove(key: string): void {
    const item = this.item(key);
    if (item === undefined) return;
    this.#fail("remove", item.kind);
    kindOf(item.kind).admitRemoval?.(this, item);
    item.removing = true;
    const { release, gateway, other } = this.latencies.removal;
    const seconds = item.kind !== "Release" ? other : item.spec.chart === "gateway" ? gateway : release;
    this.renew(item);
    this.after(seconds, "removed", item);
  }

  /** Stores an object as it is, with no question asked: what was there before, or what a controller makes. */
  put(request: Request, id?: string): Item {
    const item: Item = {
      kind: request.kind,
      namespace: request.namespace ?? "",
      name: request.name,
      id: id ?? idOf(request),
      spec: request.spec,
      status: {},
      ready: true,
      reason: "",
      generation: 0,
      removing: false,
    };
    this.state.items[keyOf(request)] = item;
    return item;
  }

  removeNow(key: string): void {
    delete this.state.items[key];
    // Its timers go with it: they do not speak of what may come in its place.
    const { timers } = this.state;
    for (let at = timers.length - 1; at >= 0; at--) if (timers[at]?.key === key) timers.splice(at, 1);
  }

  drop(item: Item): void {
    this.removeNow(keyOf(item));
  }

  after(seconds: number, what: Timer["what"], item: Item, step = 0): void {
    const timer = { at: this.now + seconds, what, key: keyOf(item), generation: item.generation, step };
    const { timers } = this.state;
    // Behind those of the same moment: what was begun first happens first.
    const place = timers.findIndex((other) => other.at > timer.at);
    timers.splice(place < 0 ? timers.length : place, 0, timer);
  }

  /** Outdates the object's timers. */
  renew(item: Item): void {
    item.generation += 1;
  }

  /** A number from 0 to 1; the same sequence for the same seed. Mulberry32, in the public domain. */
  random(): number {
    this.state.random = (this.state.random + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state.random ^ (this.state.random >>> 15), 1 | this.state.random);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** Refuses what is to fail once. */
  #fail(operation: string, kind: string): void {
    if (this.fails(operation, kind)) throw new Refusal(`503: the service is unavailable (${operation} ${kind})`);
  }

  /** Whether this is what is to fail once. */
  fails(operation: string, kind: string): boolean {
    const { faults } = this.state;
    const at = faults.indexOf(`${operation} ${kind}`);
    if (at >= 0) faults.splice(at, 1);
    return at >= 0;
  }

  /** A name for one more object of what may share a name with others. */
  #freeName(request: Request): string {
    let name = request.name;
    for (let count = 2; this.item(keyOf({ ...request, name })) !== undefined; count++)
      name = `${request.name} (${count})`;
    return name;
  }

  /** Looks for what must never be. */
  #observe(): void {
    const found: string[] = [];
    for (const gateway of this.items("Gateway")) {
      for (const { hosts, tls } of serversOf(gateway)) {
        if (tls?.credentialName === undefined) continue;
        const certificate = this.items("Certificate").find((it) => it.spec.secretName === tls.credentialName);
        const issued = certificate && this.item(`Secret ${certificate.namespace}/${certificate.spec.secretName}`);
        if (issued === undefined) found.push(`Gateway ${gateway.name} listens while its Certificate is not Ready`);
        const copy = secretForGateway(this, gateway, tls.credentialName);
        if (copy && hosts.some((host) => !covers(copy, host))) {
          found.push(`Gateway ${gateway.name} presents a certificate for ${copy.spec.hosts} to ${hosts}`);
        }
      }
    }
    for (const secret of this.items("Secret")) {
      if (isPublic(this, secret) && !this.state.keyMayBeIn.includes(secret.namespace)) {
        found.push(`the certificate's key is in namespace ${secret.namespace}`);
      }
    }
    for (const violation of found) {
      if (!this.state.violations.includes(violation)) this.state.violations.push(violation);
    }
  }
}

/** How a kind of object behaves. */
interface Kind {
  /** Whether a create replaces what is there. @default false */
  readonly overwrites?: boolean;
  /** "id" where several may have the same name. @default - the name, which only one can have */
  readonly identity?: "id";
  /** Refuses what the system refuses at once, on create and on update. */
  admit?(world: World, request: Request): void;
  admitRemoval?(world: World, item: Item): void;
  start(world: World, item: Item): void;
  /** What an update does. @default - the same as `start` */
  change?(world: World, item: Item): void;
}

function kindOf(kind: string): Kind {
  const found = kinds[kind];
  if (found === undefined) throw new Error(`the world knows no ${kind}`);
  return found;
}

/** Whether a Secret is a certificate for a host of the zone, and not one that a CA of the cluster made for its own. */
const isPublic = (world: World, { spec }: Item) =>
  ((spec.hosts ?? []) as string[]).some((host) => world.items("Zone").some((zone) => host.endsWith(zone.name)));

const alreadyExists = ({ kind, name }: Request) =>
  // https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apimachinery/pkg/api/errors/errors.go
  INSIDE_VAULT.includes(kind)
    ? // https://github.com/hashicorp/vault/blob/v1.21.0/vault/mount.go
      `path is already in use at ${name}/`
    : kind === "Release"
      ? "cannot re-use a name that is still in use"
      : `${[`${kind.toLowerCase()}s`, customResources[kind]?.group].filter(Boolean).join(".")} "${name}" already exists`;

/** Identifiers follow from names, so that a run can be repeated; OCI's have its form. */
function idOf({ kind, namespace = "", name }: Request): string {
  const ocidType = {
    PublicIp: "publicip",
    NetworkSecurityGroup: "networksecuritygroup",
    KmsVault: "vault",
    Key: "key",
  }[kind];
  const hash = sha256(`${kind} ${namespace}/${name}`).slice(0, 32);
  if (ocidType) return `ocid1.${ocidType}.oc1.eu-frankfurt-1.aaaa${hash}`;
  // https://registry.terraform.io/providers/hashicorp/vault/latest/docs, the section on import of each
  if (kind === "AuthBackendConfig") return `auth/${name}/config`;
  if (kind === "AuthBackendRole") return `auth/${name.replace("/", "/role/")}`;
  if (INSIDE_VAULT.includes(kind)) return name;
  return namespaced(kind) ? `${namespace}/${name}` : kind in customResources || kind === "Namespace" ? name : hash;
}

/** Retries that double from the first wait to the longest. */
const backoff = (first: number, longest: number, tries: number) => Math.min(first * 2 ** tries, longest);

const HOUR = 3600;
const WEEK = 7 * 24 * HOUR;

/** What happens by itself, some time after what causes it. */
const happenings = {
  done(_world: World, item: Item) {
    item.ready = true;
    item.reason = "";
  },
  removed(world: World, item: Item) {
    world.drop(item);
    if (item.kind === "Namespace") {
      for (const inside of Object.values(world.state.items)) {
        if (inside.namespace !== item.name) continue;
        world.drop(inside);
        if (inside.spec.chart === "gateway") uninstalled(world, inside);
        if (inside.kind === "Secret" && runs(world, "reflector"))
          for (const copy of copiesOf(world, inside)) world.drop(copy);
      }
    }
    if (item.kind === "Release") uninstalled(world, item);
    if (item.kind === "ApiToken") tokenDeleted(world, item);
    // creationPolicy Owner: the garbage collector takes the Secret with its owner.
    if (item.kind === "ExternalSecret") world.removeNow(`Secret ${item.namespace}/${targetOf(item)}`);
  },
  namespaceMade: newNamespace,
  makeNamespace,
  installed,
  ensureLoadBalancer,
  validateStore,
  sync,
  register,
  issue,
  present,
  validated,
  issued,
  reflect,
} as const;

// ---- The Kubernetes API server ----

/** Custom resources: the group, the chart that defines it, and the webhook that must answer for it. */
const customResources: Record<
  string,
  { group: string; version: string; namespaced: boolean; definedBy: string; answeredBy: string; webhook: string }
> = {
  ClusterSecretStore: eso("validate.clustersecretstore.external-secrets.io", false),
  ExternalSecret: eso("validate.externalsecret.external-secrets.io", true),
  ClusterIssuer: certManager(false),
  Certificate: certManager(true),
  Gateway: istio(),
  VirtualService: istio(),
  DestinationRule: istio(),
};

function eso(webhook: string, namespaced: boolean) {
  return {
    group: "external-secrets.io",
    version: "v1",
    namespaced,
    definedBy: "external-secrets",
    answeredBy: "external-secrets",
    webhook,
  };
}

function certManager(namespaced: boolean) {
  return {
    group: "cert-manager.io",
    version: "v1",
    namespaced,
    definedBy: "cert-manager",
    answeredBy: "cert-manager",
    webhook: "webhook.cert-manager.io",
  };
}

function istio() {
  return {
    group: "networking.istio.io",
    version: "v1",
    namespaced: true,
    definedBy: "base",
    answeredBy: "istiod",
    webhook: "validation.istio.io",
  };
}

function namespaced(kind: string): boolean {
  return customResources[kind]?.namespaced ?? ["Secret", "Service", "Release"].includes(kind);
}

function releaseOf(world: World, chart: string): Item | undefined {
  return world.items("Release").find((release) => release.spec.chart === chart);
}

/** Whether a chart's workloads run. An upgrade rolls them one by one, so they go on answering. */
function runs(world: World, chart: string): boolean {
  const release = releaseOf(world, chart);
  return release !== undefined && release.status.installed === true && !release.removing;
}

function admitNamespace(world: World, { namespace = "" }: Request): void {
  // https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#namespacelifecycle
  if (world.item(`Namespace /${namespace}`) === undefined) throw new Refusal(`namespaces "${namespace}" not found`);
}

function admitCustomResource(world: World, request: Request): void {
  const definition = customResources[request.kind];
  if (definition === undefined) return;
  // https://github.com/pulumi/pulumi-kubernetes/blob/v4.34.0/provider/pkg/await/await.go: retried for seconds, then an error.
  if (!world.state.definitions.includes(definition.group)) {
    throw new Refusal(`no matches for kind "${request.kind}" in version "${definition.group}/${definition.version}"`);
  }
  if (definition.namespaced) admitNamespace(world, request);
  admitWebhook(world, request.kind);
}

/**
 * failurePolicy Fail: no answer is a refusal. On delete too: External Secrets registers for DELETE, and for the others
 * the end of a foreground deletion is an UPDATE. Helm removes the webhook's configuration last.
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#failure-policy
 * https://github.com/helm/helm/blob/v3.18.6/pkg/releaseutil/kind_sorter.go
 */
function admitWebhook(world: World, kind: string): void {
  const definition = customResources[kind];
  if (definition === undefined || runs(world, definition.answeredBy)) return;
  // Istio's default validator belongs to base, ignores failures until istiod has answered once, and outlives istiod:
  // https://github.com/istio/istio/blob/1.26.4/pkg/webhooks/validation/controller/controller.go
  const configuredBy =
    definition.answeredBy === "istiod" ? releaseOf(world, "base") : releaseOf(world, definition.answeredBy);
  if (configuredBy === undefined) return;
  if (definition.answeredBy === "istiod" && configuredBy.status.validated !== true) return;
  throw new Refusal(
    `Internal error occurred: failed calling webhook "${definition.webhook}": no endpoints available for service`,
  );
}

/** A custom resource that is done as soon as it is stored. */
const stored: Kind = {
  admit: admitCustomResource,
  admitRemoval: (world, { kind }) => admitWebhook(world, kind),
  start: (world, item) =>
    world.after(world.latencies[item.kind === "Gateway" ? "Gateway" : "VirtualService"], "done", item),
};

// ---- Helm charts ----

const release: Kind = {
  admit(world, request) {
    if (request.spec.createNamespace !== true) admitNamespace(world, request);
  },
  start(world, item) {
    item.status.since = world.now;
    const namespaceThere = world.item(`Namespace /${item.namespace}`) !== undefined;
    // Helm fetches and renders the chart before it makes the namespace.
    if (!namespaceThere) world.after(seconds(world, item) * FETCH, "makeNamespace", item);
    install(world, item);
  },
  change(world, item) {
    item.ready = false;
    item.reason = "the new revision is not rolled out";
    if (item.spec.chart === "gateway" && item.status.installed === true) startGateway(world, item);
    else if (item.status.installed === true) world.after(seconds(world, item) * UPGRADE, "installed", item);
    else install(world, item);
  },
};

/** An upgrade rolls what an install starts: three Istio releases took 61 s, against 125 s for an install. */
const UPGRADE = 0.4;

/** The part of an install that is the download of the chart. */
const FETCH = 0.05;

const seconds = (world: World, item: Item) => world.latencies.charts[item.spec.chart as string] ?? 10;

function install(world: World, item: Item): void {
  item.reason = "its workloads are not ready";
  if (item.spec.chart === "istiod" && !runs(world, "base")) {
    // https://github.com/istio/istio/tree/1.26.4/manifests/charts/base: base owns the CRDs and the reader's account.
    item.reason = "istiod is not ready: custom resource definitions of networking.istio.io are missing";
    return;
  }
  if (item.spec.chart !== "gateway") {
    world.after(seconds(world, item), "installed", item);
    return;
  }
  const istiod = releaseOf(world, "istiod");
  // The webhook that fills in the image is among the last things that Helm applies, a second after it began.
  const webhookThere = istiod !== undefined && world.now - Number(istiod.status.since) >= 1;
  if (!webhookThere) {
    // https://github.com/istio/istio/issues/35789: a pod made before the webhook is keeps "auto" until it is deleted.
    item.reason = 'pod istio-ingressgateway: Failed to pull image "auto": ErrImagePull';
  } else if (!runs(world, "istiod")) {
    // Then the pod itself is refused, and the ReplicaSet tries again: done when istiod is, see `installed`.
    item.reason = 'failed calling webhook "rev.namespace.sidecar-injector.istio.io"';
    item.status.refused = true;
  } else {
    startGateway(world, item);
  }
}

function startGateway(world: World, item: Item): void {
  item.status.refused = false;
  if (serviceOf(item).type === "LoadBalancer") {
    ensureLoadBalancer(world, item, 0);
    return;
  }
  world.removeNow(`LoadBalancer /${item.name}`);
  world.after(GATEWAY_PODS, "installed", item);
}

/** Seconds for the gateway's pods, where there is no load balancer to wait for. */
const GATEWAY_PODS = 5;

function installed(world: World, item: Item): void {
  item.ready = true;
  item.reason = "";
  item.status.installed = true;
  for (const { group, definedBy } of Object.values(customResources)) {
    if (definedBy === item.spec.chart && !world.state.definitions.includes(group)) world.state.definitions.push(group);
  }
  // A controller that starts looks at everything that is there.
  for (const kind of Object.keys(customResources)) {
    if (customResources[kind]?.answeredBy !== item.spec.chart) continue;
    for (const waiting of world.items(kind)) if (!waiting.ready) kindOf(kind).start(world, waiting);
  }
  if (item.spec.chart === "reflector") reflectAll(world);
  if (item.spec.chart === "vault") startVault(world, item);
  if (item.spec.chart === "istiod") {
    const base = releaseOf(world, "base");
    if (base) base.status.validated = true;
    for (const gateway of world.items("Release")) if (gateway.status.refused === true) startGateway(world, gateway);
  }
  if (item.spec.chart === "gateway") {
    const service = serviceOf(item);
    const balancer = world.item(`LoadBalancer /${item.name}`);
    const ingress = service.type === "LoadBalancer" ? [{ ip: balancer?.status.address ?? "192.0.2.1" }] : [];
    const stored = world.put({
      kind: "Service",
      namespace: item.namespace,
      name: item.name,
      spec: { type: service.type },
    });
    stored.status = { loadBalancer: { ingress } };
  }
}

function uninstalled(world: World, { spec, namespace, name }: Item): void {
  if (spec.chart === "external-secrets") {
    // This chart does not keep its definitions, and with them go all objects: https://github.com/external-secrets/external-secrets/tree/v2.9.0/deploy/charts/external-secrets
    world.state.definitions = world.state.definitions.filter((group) => group !== "external-secrets.io");
    for (const kind of ["ExternalSecret", "ClusterSecretStore"]) for (const item of world.items(kind)) world.drop(item);
  }
  if (spec.chart === "gateway") {
    world.removeNow(`Service ${namespace}/${name}`);
    world.removeNow(`LoadBalancer /${name}`);
  }
}

function makeNamespace(world: World, { namespace }: Item): void {
  if (world.item(`Namespace /${namespace}`) === undefined)
    newNamespace(world, world.put({ kind: "Namespace", name: namespace, spec: {} }));
}

function newNamespace(world: World, item: Item): void {
  item.ready = true;
  reflectAll(world);
}

// ---- Vault and External Secrets ----

type VaultValues = {
  global: { tlsDisable: boolean };
  server: { standalone?: { config: string }; ha?: { raft: { config: string } } };
};

/** The OCID of the key that Vault is configured to unseal itself with; undefined where that takes key shares. */
function sealKeyOf({ spec }: Item): string | undefined {
  const { standalone, ha } = (spec.values as VaultValues).server;
  return /key_id\s*=\s*"([^"]*)"/.exec(ha?.raft.config ?? standalone?.config ?? "")?.[1];
}

/** Its pods start on what the volumes hold: nothing at first, later all that was there before. */
function startVault(world: World, release: Item): void {
  const volume = { kind: "PersistentVolumeClaim", namespace: release.namespace, name: "data-vault-0" };
  if (world.item(keyOf(volume)) === undefined) {
    world.put({ ...volume, spec: {} });
    for (const kind of INSIDE_VAULT) for (const item of world.items(kind)) world.drop(item);
    world.put({ kind: "Vault", name: "vault", spec: { installed: true, initialized: false, sealed: true } });
  }
  // A new revision leaves the pods alone, updated only on delete.
  if (release.generation > 1) return;
  const vault = world.item("Vault /vault");
  if (vault)
    vault.spec = { ...vault.spec, sealed: !(vault.spec.initialized === true && unsealsItself(world, release)) };
}

/** Only with the key that it was initialised with. */
function unsealsItself(world: World, release: Item): boolean {
  const key = sealKeyOf(release);
  const { initialized, sealKey } = world.item("Vault /vault")?.spec ?? {};
  return world.byId(key)?.kind === "Key" && (initialized !== true || sealKey === key);
}

/** Initialises Vault, as `sys/init` does; it then unseals itself where it has a key for that. */
export function initialiseVault(world: World): void {
  const vault = world.item("Vault /vault");
  const release = releaseOf(world, "vault");
  const refusal = vaultOutOfReach(world);
  if (vault === undefined || refusal !== undefined) throw new Refusal(refusal ?? "connection refused");
  if (vault.spec.initialized === true) throw new Refusal("Vault is already initialized");
  const sealed = release === undefined || !unsealsItself(world, release);
  vault.spec = { ...vault.spec, initialized: true, sealed, sealKey: release && sealKeyOf(release) };
}

/** Unseals Vault, as enough key shares do. */
export function unsealVault(world: World): void {
  const vault = world.item("Vault /vault");
  if (vault) vault.spec = { ...vault.spec, sealed: false };
}

/** Whether an installed Vault speaks TLS. */
const speaksTls = (release: Item | undefined) =>
  release !== undefined && (release.spec.values as VaultValues).global.tlsDisable === false;

/** Why Vault does not answer at all; undefined when it does, sealed or not. */
export function vaultOutOfReach(world: World): string | undefined {
  const refused = "dial tcp: connect: connection refused";
  const vault = world.item("Vault /vault");
  if (vault === undefined) return refused;
  if (vault.spec.installed !== true) return vault.spec.reachable === true ? undefined : refused;
  const release = releaseOf(world, "vault");
  if (release === undefined || !runs(world, "vault")) return refused;
  // A pod does not start before the Secret of its volume is there.
  const certificate = world.item(`Secret ${release.namespace}/vault-tls`);
  return speaksTls(release) && certificate === undefined ? refused : undefined;
}

/** Why nothing can be read or written in Vault; undefined when it can. */
export function vaultRefusal(world: World): string | undefined {
  const outOfReach = vaultOutOfReach(world);
  if (outOfReach !== undefined) return outOfReach;
  const { initialized, sealed } = world.item("Vault /vault")?.spec ?? {};
  if (initialized !== true) return "Vault is not initialized";
  return sealed === true ? "Vault is sealed" : undefined;
}

function admitToVault(world: World): void {
  const refusal = vaultRefusal(world);
  if (refusal) throw new Refusal(`error writing to Vault: ${refusal}`);
}

/** What is inside of Vault can be changed and removed only while it answers. */
const insideVault = (overwrites: boolean, admit?: (world: World, request: Request) => void): Kind => ({
  overwrites,
  admit(world, request) {
    admitToVault(world);
    admit?.(world, request);
  },
  admitRemoval: admitToVault,
  start: (world, item) =>
    world.after(world.latencies[item.kind === "KvSecret" ? "KvSecret" : "VaultObject"], "done", item),
});

const noRoute = (path: string) =>
  new Refusal(`error writing to Vault: no handler for route "${path}". route entry not found.`);

function needsBackend(world: World, { name }: Request): void {
  const path = name.split("/")[0] ?? "";
  if (world.item(`AuthBackend /${path}`) === undefined) throw noRoute(`auth/${path}`);
}

interface VaultProvider {
  server: string;
  path: string;
  caBundle?: string;
  caProvider?: SecretRef;
  auth: {
    kubernetes?: { mountPath: string; role: string; serviceAccountRef: { namespace: string; name: string } };
    tokenSecretRef?: SecretRef;
    appRole?: { path: string; roleId: string; secretRef: SecretRef };
  };
}

type SecretRef = { namespace: string; name: string; key: string };

const vaultProvider = (store: Item) => (store.spec.provider as { vault: VaultProvider }).vault;

/** The digest of a Secret's value. */
const valueAt = (world: World, { namespace, name, key }: SecretRef) =>
  (world.item(`Secret ${namespace}/${name}`)?.spec.data as Record<string, string> | undefined)?.[key];

/** The policies that a store's login carries; undefined when Vault does not let it in. */
function policiesOf(world: World, store: Item): string[] | undefined {
  const { kubernetes, tokenSecretRef, appRole } = vaultProvider(store).auth;
  const logins = (world.item("Vault /vault")?.spec.logins ?? {}) as Record<string, string[]>;
  if (tokenSecretRef) return logins[`${valueAt(world, tokenSecretRef)}`];
  if (appRole) return logins[`${appRole.path}/${appRole.roleId}/${valueAt(world, appRole.secretRef)}`];
  if (kubernetes === undefined) return undefined;
  const { mountPath, role: roleName, serviceAccountRef } = kubernetes;
  const config = world.item(`AuthBackendConfig /${mountPath}`);
  const role = world.item(`AuthBackendRole /${mountPath}/${roleName}`);
  if (config?.ready !== true || role?.ready !== true) return undefined;
  const { accounts, namespaces, policies } = role.spec as Record<"accounts" | "namespaces" | "policies", string[]>;
  const bound = accounts.includes(serviceAccountRef.name) && namespaces.includes(serviceAccountRef.namespace);
  return bound ? policies : undefined;
}

/** Whether one of the policies lets a path of a KV version 2 engine be read. */
function mayRead(world: World, policies: string[], mount: string, path: string): boolean {
  const texts = policies.map((name) => String(world.item(`Policy /${name}`)?.spec.policy ?? ""));
  return texts.some((text) =>
    [...text.matchAll(/path\s+"([^"]+)"\s*{[^}]*capabilities\s*=\s*\[([^\]]*)\]/g)].some(
      ([, pattern = "", capabilities = ""]) =>
        capabilities.includes('"read"') &&
        (pattern.endsWith("*")
          ? `${mount}/data/${path}`.startsWith(pattern.slice(0, -1))
          : pattern === `${mount}/data/${path}`),
    ),
  );
}

/** Why a client that is set up like this cannot speak to an installed Vault. */
function transportRefusal(world: World, { server, caProvider }: VaultProvider): string | undefined {
  const release = releaseOf(world, "vault");
  if (release === undefined) return undefined;
  if (speaksTls(release) !== server.startsWith("https:"))
    return speaksTls(release)
      ? "Client sent an HTTP request to an HTTPS server"
      : "http: server gave HTTP response to HTTPS client";
  if (!speaksTls(release)) return undefined;
  const ca = caProvider && world.item(`Secret ${caProvider.namespace}/${caProvider.name}`);
  return ca ? undefined : "tls: failed to verify certificate: x509: certificate signed by unknown authority";
}

/** External Secrets' retries: https://github.com/external-secrets/external-secrets/blob/v2.9.0/pkg/controllers/common/common.go#L113 */
const storeRetry = (tries: number) => backoff(1, 420, tries);

/** How often a store is looked at again: https://github.com/external-secrets/external-secrets/blob/v2.9.0/cmd/controller/root.go#L384 */
const STORE_INTERVAL = 300;

function validateStore(world: World, item: Item, tries: number): void {
  // https://external-secrets.io/latest/provider/hashicorp-vault/#authentication
  item.reason =
    vaultRefusal(world) ??
    transportRefusal(world, vaultProvider(item)) ??
    (policiesOf(world, item) ? "" : "unable to log in to Vault: permission denied");
  item.ready = item.reason === "";
  if (item.ready) world.after(STORE_INTERVAL, "validateStore", item);
  else world.after(storeRetry(tries), "validateStore", item, tries + 1);
}

const targetOf = (item: Item) => (item.spec.target as { name: string }).name;

function sync(world: World, item: Item, tries: number): void {
  const store = world.item(`ClusterSecretStore /${(item.spec.secretStoreRef as { name: string }).name}`);
  const data: Record<string, string> = {};
  item.reason = store?.ready !== true ? "the ClusterSecretStore is not ready" : (vaultRefusal(world) ?? "");
  if (world.fails("sync", item.kind)) item.reason = "503: the service is unavailable";
  for (const { secretKey, remoteRef } of item.spec.data as {
    secretKey: string;
    remoteRef: { key: string; property: string };
  }[]) {
    if (item.reason !== "" || store === undefined) break;
    const path = `${vaultProvider(store).path}/${remoteRef.key}`;
    const secret = world.item(`KvSecret /${path}`);
    const value = (secret?.spec.data as Record<string, string> | undefined)?.[remoteRef.property];
    if (!mayRead(world, policiesOf(world, store) ?? [], vaultProvider(store).path, remoteRef.key))
      item.reason = `cannot read ${path}: permission denied`;
    else if (secret === undefined || !secret.ready) item.reason = `Secret does not exist: ${path}`;
    else if (value === undefined) item.reason = `cannot find secret data for key: "${remoteRef.property}"`;
    else data[secretKey] = value;
  }
  item.ready = item.reason === "";
  if (!item.ready) {
    world.after(storeRetry(tries), "sync", item, tries + 1);
    return;
  }
  const { annotations } = item.spec;
  world.put({
    kind: "Secret",
    namespace: item.namespace,
    name: targetOf(item),
    spec: { data, syncedFor: annotations },
  });
  world.after(HOUR, "sync", item);
}

// ---- cert-manager and the ACME server ----

/** Retries of issuers: https://github.com/cert-manager/cert-manager/blob/v1.20.0/pkg/controller/util.go#L39 */
const issuerRetry = (tries: number) => backoff(5, 300, tries);
/** Retries of challenges: https://github.com/cert-manager/cert-manager/blob/v1.20.0/pkg/controller/util.go#L51 */
const challengeRetry = (tries: number) => backoff(5, 1800, tries);
/** Waits after failed issuances: https://github.com/cert-manager/cert-manager/blob/v1.20.0/pkg/controller/certificates/trigger/trigger_controller.go#L274 */
const issuanceRetry = (failures: number) => backoff(HOUR, 32 * HOUR, failures - 1);

/** Seconds for a signature inside the cluster, or for a Secret to be found fitting. */
const AT_ONCE = 0.2;

type Acme = {
  server: string;
  solvers: {
    dns01: { cloudflare: { apiTokenSecretRef: { name: string; key: string } } };
    waitInsteadOfSelfCheck?: string;
  }[];
};

function register(world: World, item: Item, tries: number): void {
  if (!runs(world, "cert-manager")) return;
  const { ca } = item.spec as { ca?: { secretName: string } };
  item.ready = ca === undefined || world.item(`Secret cert-manager/${ca.secretName}`) !== undefined;
  item.reason = item.ready ? "" : "Error getting keypair for CA issuer: secret not found";
  if (!item.ready) {
    world.after(issuerRetry(tries), "register", item, tries + 1);
    return;
  }
  // Certificates are watched together with their issuer: no retry to wait for.
  for (const certificate of world.items("Certificate")) {
    if (!certificate.ready && issuerOf(certificate) === item.name && certificate.status.issuing !== true)
      world.after(0, "issue", certificate);
  }
}

const issuerOf = (certificate: Item) => (certificate.spec.issuerRef as { name: string }).name;
const hostsOf = (certificate: Item) => (certificate.spec.dnsNames ?? [certificate.spec.commonName]) as string[];

/** The Secret when it still fits: https://cert-manager.io/docs/usage/certificate/#reissuance-triggered-by-expiry-and-renewal */
function fittingSecret(world: World, item: Item): Item | undefined {
  const secret = world.item(`Secret ${item.namespace}/${item.spec.secretName}`);
  const fits = secret?.spec.issuer === issuerOf(item) && String(secret.spec.hosts) === String(hostsOf(item));
  return fits ? secret : undefined;
}

function startCertificate(world: World, item: Item): void {
  item.status.issuing = false;
  item.status.validated = 0;
  const secret = fittingSecret(world, item);
  if (secret) annotate(world, secret, item);
  item.ready = false;
  item.reason = "Issuing certificate as Secret does not exist or does not fit";
  if (secret) world.after(AT_ONCE, "done", item);
  else world.after(0, "issue", item);
}

function issue(world: World, item: Item): void {
  if (!runs(world, "cert-manager")) return;
  const issuer = world.item(`ClusterIssuer /${issuerOf(item)}`);
  if (issuer?.ready !== true) {
    item.reason = `Referenced "ClusterIssuer" not ready: ${issuerOf(item)}`;
    return;
  }
  item.status.issuing = true;
  const acme = issuer.spec.acme as Acme | undefined;
  if (acme === undefined) {
    world.after(AT_ONCE, "issued", item);
    return;
  }
  const refusal = acmeLimit(world, item);
  if (refusal) failed(world, item, refusal);
  else present(world, item, 0);
}

/** Let's Encrypt's limits: https://letsencrypt.org/docs/rate-limits/ */
function acmeLimit(world: World, item: Item): string | undefined {
  const mine = world.state.acme.filter(
    (entry) => entry.hosts === String(hostsOf(item)) && entry.issuer === issuerOf(item),
  );
  const within = (window: number, failed: boolean) =>
    mine.filter((entry) => entry.failed === failed && entry.at > world.now - window).length;
  if (within(HOUR, true) >= 5)
    return "429 urn:ietf:params:acme:error:rateLimited: too many failed authorizations (5) in the last 1h";
  if (within(WEEK, false) >= 5)
    return "429 urn:ietf:params:acme:error:rateLimited: too many certificates (5) already issued for this exact set of identifiers in the last 168h";
  return undefined;
}

function failed(world: World, item: Item, reason: string): void {
  item.reason = reason;
  item.status.failures = Number(item.status.failures ?? 0) + 1;
  world.after(issuanceRetry(Number(item.status.failures)), "issue", item);
}

/** Writes the challenge's record for one name; names of one challenge follow each other. */
function present(world: World, item: Item, tries: number): void {
  if (!runs(world, "cert-manager")) return;
  const acme = world.item(`ClusterIssuer /${issuerOf(item)}`)?.spec.acme as Acme | undefined;
  const solver = acme?.solvers[0];
  if (solver === undefined) return;
  const { name, key } = solver.dns01.cloudflare.apiTokenSecretRef;
  const token = (world.item(`Secret cert-manager/${name}`)?.spec.data as Record<string, string> | undefined)?.[key];
  // https://cert-manager.io/docs/configuration/acme/dns01/cloudflare/: the token must edit the zone and list it.
  if (token === undefined || !mayEditZone(world, token)) {
    item.reason =
      token === undefined
        ? `Error presenting challenge: secrets "${name}" not found`
        : "Error presenting challenge: 403 Invalid access token";
    world.after(challengeRetry(tries), "present", item, tries + 1);
    return;
  }
  item.reason = "Waiting for DNS-01 challenge propagation";
  const wait = solver.waitInsteadOfSelfCheck;
  if (wait === undefined) {
    world.after(world.latencies.challenge, "validated", item, 1);
    return;
  }
  const { usual, rare, rareChance } = world.latencies.dns;
  const propagation = world.random() < rareChance ? rare : usual[0] + world.random() * (usual[1] - usual[0]);
  const seconds = Number.parseInt(wait, 10);
  world.after(seconds + world.latencies.validation, "validated", item, propagation <= seconds ? 1 : 0);
}

/** @param valid 1 when the ACME server saw the record */
function validated(world: World, item: Item, valid: number): void {
  if (!runs(world, "cert-manager")) return;
  if (valid === 0) {
    world.state.acme.push({ at: world.now, hosts: String(hostsOf(item)), failed: true, issuer: issuerOf(item) });
    item.status.validated = 0;
    failed(world, item, "acme: authorization error: 403 urn:ietf:params:acme:error:unauthorized: No TXT record found");
    return;
  }
  item.status.validated = Number(item.status.validated ?? 0) + 1;
  if (Number(item.status.validated) < hostsOf(item).length) present(world, item, 0);
  else issued(world, item);
}

function issued(world: World, item: Item): void {
  const serial = world.state.acme.length + 1;
  world.state.acme.push({ at: world.now, hosts: String(hostsOf(item)), failed: false, issuer: issuerOf(item) });
  item.status = {};
  item.ready = true;
  item.reason = "";
  const secret = world.put({
    kind: "Secret",
    namespace: item.namespace,
    name: item.spec.secretName as string,
    spec: { hosts: hostsOf(item), issuer: issuerOf(item), serial, ...(item.spec.isCA === true && { isCA: true }) },
  });
  annotate(world, secret, item);
}

function annotate(world: World, secret: Item, certificate: Item): void {
  const template = certificate.spec.secretTemplate as { annotations?: Record<string, string> } | undefined;
  secret.spec = { ...secret.spec, annotations: template?.annotations ?? {} };
  world.renew(secret);
  world.after(world.latencies.reflection, "reflect", secret);
}

// ---- Reflector ----

function reflectAll(world: World): void {
  for (const secret of world.items("Secret")) {
    if (secret.spec.annotations !== undefined) world.after(world.latencies.reflection, "reflect", secret);
  }
}

const copiesOf = (world: World, { namespace, name }: Item) =>
  world.items("Secret").filter((secret) => secret.spec.reflects === `${namespace}/${name}`);

/** https://github.com/emberstack/kubernetes-reflector/blob/v10.0.17/README.md */
function reflect(world: World, source: Item): void {
  if (!runs(world, "reflector")) return;
  const origin = `${source.namespace}/${source.name}`;
  const annotation = (name: string) =>
    (source.spec.annotations as Record<string, string>)[`reflector.v1.k8s.emberstack.com/reflection-${name}`];
  // Comma-separated patterns that must match the whole name; none means every namespace.
  const matches = (list: string | undefined, namespace: string) =>
    !list || list.split(",").some((pattern) => new RegExp(`^(?:${pattern.trim()})$`).test(namespace));
  for (const { name: namespace } of world.items("Namespace")) {
    if (namespace === source.namespace) continue;
    const there = world.item(`Secret ${namespace}/${source.name}`);
    // An object that Reflector did not make is left alone, silently.
    if (there !== undefined && there.spec.reflects !== origin) continue;
    const wanted =
      annotation("allowed") === "true" &&
      annotation("auto-enabled") === "true" &&
      matches(annotation("allowed-namespaces"), namespace) &&
      matches(annotation("auto-namespaces"), namespace);
    const { annotations: _, ...data } = source.spec;
    if (wanted) world.put({ kind: "Secret", namespace, name: source.name, spec: { ...data, reflects: origin } });
    else if (there) world.drop(there);
  }
}

// ---- OCI ----

const NO_SUCH = "404-NotAuthorizedOrNotFound, Authorization failed or requested resource not found.";

/** Prefixes of the annotations, and the controller's words: https://github.com/oracle/oci-cloud-controller-manager/tree/1100ac362/pkg/cloudprovider/providers/oci */
const OCI = "oci.oraclecloud.com";
const SERVICE = "service.beta.kubernetes.io/oci-load-balancer";

type GatewayService = {
  type: string;
  annotations?: Record<string, string>;
  loadBalancerIP?: string;
  loadBalancerSourceRanges?: string[];
  externalTrafficPolicy?: string;
};

const serviceOf = (gateway: Item) =>
  ((gateway.spec.values as { service?: GatewayService }).service ?? { type: "LoadBalancer" }) as GatewayService;

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
  if (nsgs.some((id) => world.byId(id)?.kind !== "NetworkSecurityGroup")) return NO_SUCH;
  if (there) {
    if ((loadBalancerIP || privateAddressOf(there.name)) !== there.status.address)
      return "The Load Balancer service reserved IP cannot be updated after the Load Balancer is created.";
    if (isInternal(service) !== there.spec.internal)
      return "internal cannot be updated after the Load Balancer is created.";
    return undefined;
  }
  if (!loadBalancerIP) return undefined;
  const ip = world.items("PublicIp").find((candidate) => candidate.status.ipAddress === loadBalancerIP);
  if (ip === undefined) return NO_SUCH;
  return ip.ready && !balancerAt(world, loadBalancerIP)
    ? undefined
    : "The IP address provided is not available for use.";
}

const isInternal = ({ annotations }: GatewayService) => annotations?.[`${SERVICE}-internal`] === "true";
/** "1.5" is 15: the controller takes out what is no letter and no digit. NaN when it is no number then. */
const mbpsOf = (value: string) => Number(value.replace(/[^a-z0-9]+/gi, "").replace(/[Mm]bps$/, "") || Number.NaN);
const nsgsOf = (annotations: Record<string, string>) =>
  (annotations[`${OCI}/oci-network-security-groups`] ?? "").split(",").filter(Boolean);
const balancerAt = (world: World, address: unknown) =>
  world.items("LoadBalancer").find((balancer) => balancer.status.address === address);

/** The cloud controller at work; it tries again from 5 s, doubling, up to 5 min. */
function ensureLoadBalancer(world: World, item: Item, tries: number): void {
  const service = serviceOf(item);
  if (service.annotations?.[`${SERVICE}-shape`] === undefined) {
    // Not OCI's controller, but one such as k3s has: an address of a node, at once.
    world.after(GATEWAY_PODS, "installed", item);
    return;
  }
  const there = world.item(`LoadBalancer /${item.name}`);
  const refusal = serviceRefusal(world, service, there);
  if (refusal !== undefined) {
    item.reason = `Error syncing load balancer: failed to ensure load balancer: ${refusal}`;
    world.after(backoff(5, 300, tries), "ensureLoadBalancer", item, tries + 1);
    return;
  }
  if (item.status.installed !== true) item.reason = `Service ${item.name} has no address yet`;
  const balancer = there ?? world.put({ kind: "LoadBalancer", name: item.name, spec: {} });
  balancer.status.address = service.loadBalancerIP || privateAddressOf(item.name);
  shape(balancer, service);
  world.after(seconds(world, item) * (item.status.installed === true ? UPGRADE : 1), "installed", item);
}

/** The address that an internal load balancer gets; it follows from the Service's name, as identifiers do. */
export const privateAddressOf = (name: string) =>
  `10.0.20.${1 + (Number.parseInt(sha256(name).slice(0, 4), 16) % 250)}`;

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

/** Whether traffic that comes to the load balancer reaches the nodes and is answered. */
export function answers(world: World, balancer: Item): boolean {
  const nodes = world.item("NetworkSecurityGroup /nodes")?.id;
  const { mode, nsgs, backendNsg, healthPort } = balancer.spec as {
    mode: string;
    nsgs: string[];
    backendNsg: string;
    healthPort: number;
  };
  if (mode.toUpperCase() === "NSG") return backendNsg === nodes;
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
      [30_000, 32_767, healthPort].every(
        (port) => open(nsg, "EGRESS", nodes, port) && open(nodes, "INGRESS", nsg, port),
      ),
  );
}

function refuseInUse(world: World, item: Item): void {
  const user = world
    .items("LoadBalancer")
    .find(
      (balancer) =>
        (balancer.spec.nsgs as string[]).includes(item.id) || balancer.status.address === item.status.ipAddress,
    );
  if (user) throw new Refusal(`409-IncorrectState, ${item.kind} ${item.id} is in use by load balancer ${user.name}`);
}

// ---- Cloudflare ----

function mayEditZone(world: World, tokenHash: string): boolean {
  const zone = world.items("Zone")[0];
  return world
    .items("ApiToken")
    .some(
      (token) =>
        token.spec.valueHash === tokenHash &&
        (token.spec.zones as string[]).includes(zone?.id ?? "") &&
        ["DNS Write", "Zone Read"].every((permission) => (token.spec.permissions as string[]).includes(permission)),
    );
}

/** Codes: https://developers.cloudflare.com/dns/manage-dns-records/troubleshooting/ */
function admitRecord(world: World, { name, spec }: Request): void {
  if (world.byId(spec.zoneId)?.kind !== "Zone")
    throw new Refusal(
      `7003: Could not route to /zones/${spec.zoneId}/dns_records, perhaps your object identifier is invalid?`,
    );
  const others = world.items("DnsRecord").filter((other) => other.name !== name && other.spec.name === spec.name);
  const exclusive = ["A", "AAAA", "CNAME"];
  if (spec.type === "CNAME" && others.some((other) => exclusive.includes(other.spec.type as string)))
    throw new Refusal("81053: An A, AAAA, or CNAME record with that host already exists.");
  if (exclusive.includes(spec.type as string) && others.some((other) => other.spec.type === "CNAME"))
    throw new Refusal("81054: A CNAME record with that host already exists.");
  if (others.some((other) => other.spec.type === spec.type && other.spec.content === spec.content))
    throw new Refusal("81058: An identical record already exists.");
}

/** The address that a reserved IP gets; it follows from the name, as identifiers do. */
export const addressOf = (name: string) => `203.0.113.${1 + (Number.parseInt(sha256(name).slice(0, 4), 16) % 250)}`;

const timed = (
  kind:
    | "PublicIp"
    | "NetworkSecurityGroup"
    | "NetworkSecurityGroupRule"
    | "DnsRecord"
    | "ApiToken"
    | "KmsVault"
    | "Key",
) => ({
  start: (world: World, item: Item) => world.after(world.latencies[kind], "done", item),
});

const awaitedBy = (
  what: "validateStore" | "sync" | "register",
  kind: "ClusterSecretStore" | "ExternalSecret" | "ClusterIssuer",
): Kind => ({
  ...stored,
  start: (world, item) => {
    if (runs(world, customResources[kind]?.answeredBy ?? "")) world.after(world.latencies[kind], what, item);
  },
});

const kinds: Record<string, Kind> = {
  Namespace: { start: (world, item) => world.after(world.latencies.Namespace, "namespaceMade", item) },
  Release: release,
  ClusterSecretStore: awaitedBy("validateStore", "ClusterSecretStore"),
  ExternalSecret: awaitedBy("sync", "ExternalSecret"),
  ClusterIssuer: awaitedBy("register", "ClusterIssuer"),
  Certificate: {
    ...stored,
    start: startCertificate,
    change(world, item) {
      const secret = fittingSecret(world, item);
      if (!item.ready || secret === undefined) startCertificate(world, item);
      // The annotations of its template are brought to the Secret, and nothing is issued.
      else annotate(world, secret, item);
    },
  },
  Gateway: stored,
  VirtualService: stored,
  DestinationRule: stored,
  PublicIp: {
    identity: "id",
    start(world, item) {
      item.status.ipAddress ??= addressOf(item.name);
      timed("PublicIp").start(world, item);
    },
    admitRemoval: refuseInUse,
  },
  NetworkSecurityGroup: {
    ...timed("NetworkSecurityGroup"),
    identity: "id",
    admit: (world, { spec }) => {
      if (world.byId(spec.vcnId)?.kind !== "Vcn") throw new Refusal(NO_SUCH);
    },
    admitRemoval: refuseInUse,
  },
  NetworkSecurityGroupRule: {
    ...timed("NetworkSecurityGroupRule"),
    identity: "id",
    admit: (world, { spec }) => {
      if (world.byId(spec.nsg)?.kind !== "NetworkSecurityGroup") throw new Refusal(NO_SUCH);
    },
  },
  DnsRecord: { ...timed("DnsRecord"), admit: admitRecord },
  ApiToken: { ...timed("ApiToken"), identity: "id" },
  KmsVault: { ...timed("KmsVault"), identity: "id" },
  Key: {
    ...timed("Key"),
    identity: "id",
    admit: (world, { spec }) => {
      if (!world.items("KmsVault").some((vault) => managementEndpointOf(vault) === spec.managementEndpoint))
        throw new Refusal(NO_SUCH);
    },
  },
  Mount: insideVault(false),
  AuthBackend: insideVault(false),
  Audit: insideVault(false),
  Policy: insideVault(true),
  AuthBackendConfig: insideVault(true, needsBackend),
  AuthBackendRole: insideVault(true, needsBackend),
  KvSecret: insideVault(true, (world, { spec }) => {
    const mount = world.item(`Mount /${spec.mount}`);
    if (mount?.ready !== true) throw noRoute(`${spec.mount}/data/`);
  }),
};

/** Where a KMS vault's keys are managed; it follows from its identifier. */
export const managementEndpointOf = ({ id }: Item) =>
  `https://${id.slice(-8)}-management.kms.eu-frankfurt-1.oraclecloud.com`;

/** A token that is deleted while the cluster has no other. */
function tokenDeleted(world: World, { spec }: Item): void {
  for (const { namespace, name, spec: secret } of world.items("Secret")) {
    if (!Object.values((secret.data ?? {}) as Record<string, string>).includes(String(spec.valueHash))) continue;
    const violation = `Secret ${namespace}/${name} holds only a token that Cloudflare has deleted`;
    if (!world.state.violations.includes(violation)) world.state.violations.push(violation);
  }
}

// ---- What a user sees ----

function serversOf(gateway: Item) {
  return gateway.spec.servers as { hosts: string[]; tls?: { credentialName?: string; httpsRedirect?: boolean } }[];
}

const matchesHost = (pattern: string, host: string) =>
  pattern === host ||
  (pattern.startsWith("*.") && host.endsWith(pattern.slice(1)) && !host.slice(0, 1 - pattern.length).includes("."));

/** Whether a Secret is a certificate for a host. */
const covers = (secret: Item | undefined, host: string) =>
  ((secret?.spec.hosts ?? []) as string[]).some((pattern) => matchesHost(pattern, host));

/** Where the gateway's pod is, not where the Gateway is: https://github.com/istio/istio/blob/1.26.4/pilot/pkg/xds/sds.go */
const secretForGateway = (world: World, gateway: Item, name: string) =>
  world.item(`Secret ${releaseOf(world, "gateway")?.namespace ?? gateway.namespace}/${name}`);

/** Why a host is not served over TLS with a certificate of its own, as seen from outside; empty when it is. */
export function problemsOf(world: World, host: string): string[] {
  const problems: string[] = [];
  const expect = (fine: unknown, problem: string) => {
    if (!fine) problems.push(`${host}: ${problem}`);
  };
  const route = world.items("VirtualService").find((it) => (it.spec.hosts as string[]).includes(host));
  expect(route?.ready, "no VirtualService routes it");
  const gateway = world
    .items("Gateway")
    .find((it) => (route?.spec.gateways as string[] | undefined)?.includes(`${it.namespace}/${it.name}`));
  const server =
    gateway &&
    serversOf(gateway).find(
      ({ hosts, tls }) => tls?.credentialName && hosts.some((pattern) => matchesHost(pattern, host)),
    );
  expect(gateway?.ready && server, "no Gateway listens for it");
  const release = releaseOf(world, "gateway");
  if (speaksTls(releaseOf(world, "vault")) && route?.namespace === "vault") {
    // A DestinationRule is looked for in the client's namespace, and its CA beside the client's pods:
    // https://istio.io/latest/docs/reference/config/networking/destination-rule/#ClientTLSSettings
    const rule = world.items("DestinationRule").find(({ spec }) => spec.host === "vault.vault.svc.cluster.local");
    const { credentialName } = (rule?.spec.trafficPolicy as { tls: { credentialName: string } } | undefined)?.tls ?? {};
    const trusts =
      rule?.namespace === release?.namespace && world.item(`Secret ${release?.namespace}/${credentialName}`);
    expect(trusts, "the gateway speaks HTTP to a Vault that speaks TLS");
  }
  expect(release?.status.installed, "no ingress gateway runs");
  const secret = gateway && secretForGateway(world, gateway, server?.tls?.credentialName ?? "");
  expect(covers(secret, host), "no certificate for it is in the gateway's namespace");
  const source = secret?.spec.reflects === undefined ? secret : world.item(`Secret ${String(secret.spec.reflects)}`);
  expect(secret?.spec.serial === source?.spec.serial, "the gateway's copy is not the newest certificate");
  const balancer = release && world.item(`LoadBalancer /${release.name}`);
  if (release === undefined || balancer === undefined) return problems;
  expect(answers(world, balancer), "the load balancer's backends are red");
  // https://istio.io/latest/docs/ops/configuration/traffic-management/network-topologies/#proxy-protocol
  const pods = (release.spec.values as { podAnnotations?: Record<string, string> }).podAnnotations;
  const expected = pods?.["proxy.istio.io/config"]?.includes("proxyProtocol") === true;
  if (balancer.spec.proxyProtocol === true) {
    expect(expected, "the load balancer speaks the PROXY protocol and the gateway does not expect it");
  } else expect(!expected, "the gateway expects the PROXY protocol and the load balancer does not speak it");
  const record = world
    .items("DnsRecord")
    .find((it) => it.ready && it.spec.type === "A" && matchesHost(it.spec.name as string, host));
  expect(record?.spec.content === balancer.status.address, "DNS does not answer with the load balancer's address");
  return problems;
}
