import { examples } from "../project/placeholders.ts";
import { runProgram } from "../project/program.ts";
import { record } from "../project/record.ts";
import { asked, type Graph, graphOf, isMade } from "../sandbox/schedule/graph.ts";
import { replayUp } from "../sandbox/schedule/up.ts";
import { willingCloud } from "../sandbox/schedule/willing-cloud.ts";
import type { ApplicationSpec } from "../sandbox/world/argocd.ts";
import { emptyWorld, peaceful } from "../sandbox/world/beginnings.ts";
import { type Item, keyOf, type State } from "../sandbox/world/state.ts";
import { openWorld } from "../sandbox/world/systems.ts";
import type { Latencies, World } from "../sandbox/world/world.ts";
import type { StackConfig } from "../settings/config.ts";
import type { LiveObject } from "../tools/adopt/cluster.ts";
import { find, withOurs } from "../tools/adopt/find.ts";
import type { Plan } from "../tools/adopt/plan.ts";
import { planOf } from "../tools/adopt/planning.ts";
import { type Reproduction, reproduce } from "../tools/adopt/settings.ts";
import { articleCluster, type Tracked } from "./tools/adopt/article.ts";
import { memoryCluster } from "./tools/adopt/memory-cluster.ts";

// The article's cluster in the world: its charts and objects up, as ArgoCD has made them, and what is others' beside them.

/** What an operator says of the article's cluster before it is taken over: what nobody can find in it. */
const SAID = {
  domain: examples["<zone>"],
  cluster: { id: examples["<OKE cluster OCID>"] },
  loadBalancer: { compartmentId: examples["<compartment OCID>"] },
  vault: { address: examples["<Vault address>"] },
};

export const said: StackConfig = {
  values: Object.fromEntries(
    Object.entries(SAID).map(([key, value]) => [
      `oke-platform:${key}`,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  ),
  secrets: [],
};

/** Hosts of the platform, and one that somebody else routes through its Gateway. */
export const HOSTS = ["vault.cluster.example.com", "argocd.cluster.example.com", "shop.cluster.example.com"];

/** The platform as it is taken over. */
export interface Article {
  /** All of the cluster's objects, the charts' too. */
  readonly live: readonly LiveObject[];
  readonly plan: Plan;
  readonly reproduction: Reproduction;
  /** The program with the settings that reproduce the cluster. */
  readonly graph: Graph;
  /** What was said to each chart before, by its name. */
  readonly chartValues: Readonly<Record<string, Record<string, unknown>>>;
}

/** Finds the article's cluster and plans its takeover by a stack, with the command's own code. */
export async function articlePlan(stack = "live"): Promise<Article> {
  const recorded = (config: StackConfig) => record(() => runProgram(), stack, config, willingCloud());
  const look = async (live: readonly LiveObject[]) => {
    const cluster = memoryCluster(live);
    const found = await find(cluster);
    const reproduction = await reproduce(found, said, recorded, async () => undefined);
    const all = await withOurs(cluster, found, reproduction.registrations);
    return { reproduction, plan: planOf({ found: all, reproduction, records: [], removed: [] }) };
  };
  const { reproduction } = await look(articleCluster());
  const graph = graphOf(reproduction.registrations);
  const chartValues = Object.fromEntries(reproduction.own.map(({ chart, values }) => [chart, values]));
  // Once more with all that is in the charts, as the world has them.
  const live = withChartObjects(articleCluster(), openWorld(upAs(graph, chartValues, peaceful(emptyWorld()))));
  return { ...(await look(live)), live, graph, chartValues };
}

const KEY_IS_IN = [
  ...["argocd", "cert-manager", "default", "evil", "external-secrets", "istio-system", "kube-system", "shop", "vault"],
];

/** The state of a world in which these charts are up, as Helm has installed them. */
function upAs(graph: Graph, chartValues: Article["chartValues"], state: State, latencies?: Latencies): State {
  const theirs = new Map(articleCluster().map((object) => [keyOfLive(object), object]));
  const before = new Map(
    [...graph].map(([urn, node]) => {
      const values = chartValues[String(node.inputs.chart)];
      const { spec } = (isMade(node) ? theirs.get(keyOf(asked(node))) : undefined) ?? {};
      const said = { ...(values && { values }), ...(node.inputs.spec && spec ? { spec } : {}) };
      return [urn, { ...node, inputs: { ...node.inputs, ...said } }];
    }),
  );
  // The article's Reflector copies the key everywhere.
  state.keyMayBeIn = [...KEY_IS_IN];
  const { world, failures } = replayUp(before, { state, ...(latencies && { latencies }) });
  if (failures.length > 0) throw new Error(`the article's cluster does not come up: ${failures[0]?.reason}`);
  world.advance(world.now + world.seconds("reflection"));
  return world.state;
}

/** API groups of what charts have in them. */
const VERSIONS: Readonly<Record<string, string>> = {
  Deployment: "apps/v1",
  Service: "v1",
  CustomResourceDefinition: "apiextensions.k8s.io/v1",
  ValidatingWebhookConfiguration: "admissionregistration.k8s.io/v1",
  MutatingWebhookConfiguration: "admissionregistration.k8s.io/v1",
};

interface ArgoApplication extends LiveObject {
  readonly spec: {
    readonly source?: { readonly chart?: string };
    readonly syncPolicy?: { readonly automated?: object };
  };
  readonly status: { readonly resources: readonly Tracked[] };
}

const isApplication = (object: LiveObject): object is ArgoApplication => object.kind === "Application";

/** The objects with all that is in the charts, which their Applications track. */
function withChartObjects(objects: readonly LiveObject[], world: World): LiveObject[] {
  const there = new Set(objects.map((it) => keyOfLive(it)));
  const charted = Object.values(world.state.items).filter(({ kind, spec }) => spec.chart && VERSIONS[kind]);
  const more = charted.filter((item) => !there.has(keyOf(item))).map(liveOf);
  const all = objects.map((object) => {
    if (!isApplication(object)) return object;
    const { chart } = object.spec.source ?? {};
    if (chart === undefined) return object;
    const known = new Set(object.status.resources.map((it) => keyOf({ ...it })));
    const added = charted.filter((item) => item.spec.chart === chart && !known.has(keyOf(item))).map(trackedOf);
    return { ...object, status: { ...object.status, resources: [...object.status.resources, ...added] } };
  });
  return [...all, ...more];
}

const keyOfLive = ({ kind = "", metadata = {} }: LiveObject) =>
  keyOf({ kind, name: metadata.name ?? "", namespace: metadata.namespace });

const liveOf = ({ kind, namespace, name }: Item): LiveObject => ({
  apiVersion: VERSIONS[kind] ?? "v1",
  kind,
  metadata: { name, ...(namespace !== "" && { namespace }) },
});

function trackedOf({ kind, namespace, name }: Item): Tracked {
  const [version = "", group] = (VERSIONS[kind] ?? "").split("/").reverse();
  return { version, ...(group !== undefined && { group }), kind, name, ...(namespace !== "" && { namespace }) };
}

/** A state of the world with the article's cluster in it, for a seed. */
export function articleState({ graph, chartValues, live }: Article, seed?: number, latencies?: Latencies): State {
  const beginning = openWorld(peaceful(emptyWorld(seed)));
  beginning.put({ kind: "Namespace", name: "shop", spec: {} });
  const world = openWorld(upAs(graph, chartValues, beginning.state, latencies));
  // ArgoCD renders charts, and makes no release.
  for (const release of world.items("Release")) world.drop(release);
  for (const item of Object.values(world.state.items)) unmark(item);
  for (const object of live) {
    if (isApplication(object)) putApplication(world, object);
    else label(world, object);
  }
  putOthers(world);
  world.state.alwaysServed = HOSTS;
  return world.state;
}

function unmark({ spec }: Item): void {
  delete spec.labels;
  const { annotations } = spec as { annotations?: Record<string, unknown> };
  for (const key of Object.keys(annotations ?? {})) if (key.startsWith("meta.helm.sh/")) delete annotations?.[key];
  if (annotations !== undefined && Object.keys(annotations).length === 0) delete spec.annotations;
}

/** The labels that the article's objects have. */
function label(world: World, { metadata = {}, ...object }: LiveObject): void {
  const item = world.item(keyOfLive({ ...object, metadata }));
  if (item !== undefined && metadata.labels !== undefined) item.spec.labels = { ...metadata.labels };
}

function putApplication(world: World, { metadata = {}, spec, status }: ArgoApplication): void {
  const application: ApplicationSpec = {
    automated: spec.syncPolicy?.automated !== undefined,
    cascades: (metadata.finalizers ?? []).length > 0,
    tracks: status.resources.map((it) => keyOf({ ...it })),
  };
  world.put({
    kind: "Application",
    namespace: metadata.namespace ?? "",
    name: metadata.name ?? "",
    spec: application,
  });
}

/** What is somebody else's, some of it through the platform. */
function putOthers(world: World): void {
  const namespace = "shop";
  world.put({ kind: "Deployment", namespace, name: "shop", spec: { chart: "shop" } }).status.up = true;
  world.put({ kind: "Service", namespace, name: "shop", spec: { type: "ClusterIP" } });
  const destination = { host: "shop", port: { number: 80 } };
  world.put({
    kind: "VirtualService",
    namespace,
    name: "shop",
    spec: {
      hosts: ["shop.cluster.example.com"],
      gateways: ["istio-system/istio-gateway"],
      http: [{ route: [{ destination }] }],
    },
  });
  world.put({ kind: "ExternalSecret", namespace, name: "database", spec: {} });
  const tracks = [
    "Deployment shop/shop",
    "Service shop/shop",
    "VirtualService shop/shop",
    "ExternalSecret shop/database",
  ];
  const application: ApplicationSpec = { automated: true, cascades: true, tracks };
  world.put({ kind: "Application", namespace: "argocd", name: "shop", spec: application });
}

/** What of a state is others': it must be as it was. */
export const othersIn = ({ items }: State) =>
  Object.fromEntries(
    Object.entries(items)
      .filter(
        ([key, { namespace }]) =>
          namespace === "shop" || /^(Application argocd|Namespace )\/(shop|vault|argocd)$/.test(key),
      )
      .map(([key, { spec, status }]) => [key, { spec, status }]),
  );
