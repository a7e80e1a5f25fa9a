import { afterAll, beforeAll, expect, it } from "vitest";
import { runProgram } from "../../project/program.ts";
import { record } from "../../project/record.ts";
import { willingCloud } from "../../sandbox/schedule/willing-cloud.ts";
import type { StackConfig } from "../../settings/config.ts";
import { act, undoAction } from "../../tools/adopt/act.ts";
import { type Action, isPreparing } from "../../tools/adopt/actions.ts";
import { APPLICATION } from "../../tools/adopt/applications.ts";
import type { AdoptCluster, LiveObject } from "../../tools/adopt/cluster.ts";
import { find, withOurs } from "../../tools/adopt/find.ts";
import { keyOf, nameOf } from "../../tools/adopt/found.ts";
import { adoptClusterOf } from "../../tools/adopt/live.ts";
import type { Plan } from "../../tools/adopt/plan.ts";
import { planOf } from "../../tools/adopt/planning.ts";
import { reproduce } from "../../tools/adopt/settings.ts";
import { type Article, articlePlan, said } from "../article.ts";
import { type ApiServer, type Manifest, startApiServer } from "./api-server.ts";
import { definitionsOf, install } from "./definitions.ts";

// The article's cluster at a real API server, applied as ArgoCD does, with ArgoCD's own definition of an Application: what
// `adopt` finds there, what it prepares, and that it can give it back. Each test goes on from the one before.

let server: ApiServer;
let cluster: AdoptCluster;
let article: Article;

/** The manager by which ArgoCD's server-side apply is known. */
const byArgo = { manager: "argocd-controller" };

beforeAll(async () => {
  article = await articlePlan();
  server = await startApiServer();
  cluster = adoptClusterOf(server.kubeConfig(), 30_000);
  const makers = ["certManager", "istio", "externalSecrets", "argoCd"] as const;
  const all = (await Promise.all(makers.map(definitionsOf))).flat();
  // Of ArgoCD's three, the one that is read.
  await install(
    server,
    all.filter(({ spec }) => spec.group !== "argoproj.io" || spec.names.plural === "applications"),
  );
  const namespaces = new Set(article.live.flatMap(({ metadata }) => metadata?.namespace ?? []));
  for (const name of namespaces)
    await server.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name } }, byArgo);
  for (const object of article.live)
    if (object.kind !== "CustomResourceDefinition") await server.apply(whole(object), byArgo);
  for (const { apiVersion, kind, metadata, status } of article.live) {
    // Of the others, the controllers that would write it are nobody's concern here.
    if (apiVersion === undefined || kind !== "Certificate") continue;
    await server.apply(
      { apiVersion, kind, metadata: metadata as Manifest["metadata"], status },
      { subresource: "status" },
    );
  }
});

afterAll(() => server?.stop());

/** An object with what the API server asks for beside what a takeover reads. */
function whole({ status, ...object }: LiveObject): Manifest {
  const manifest = structuredClone(object) as unknown as Manifest & { spec: Record<string, never> };
  switch (object.kind) {
    case "Deployment": {
      const { selector, template } = manifest.spec as unknown as {
        selector: { matchLabels: Record<string, string> };
        template: { metadata: { labels: Record<string, string> }; spec: { containers: Record<string, unknown>[] } };
      };
      for (const labels of [selector.matchLabels, template.metadata.labels]) labels.deployment = manifest.metadata.name;
      for (const container of template.spec.containers) container.image = "registry.example.com/it:1";
      return manifest;
    }
    case "Service":
      return { ...manifest, spec: { ports: [{ name: "it", port: 443 }], ...manifest.spec } };
    case "HorizontalPodAutoscaler": {
      const scaleTargetRef = { apiVersion: "apps/v1", ...(manifest.spec.scaleTargetRef as unknown as object) };
      return { ...manifest, spec: { ...manifest.spec, scaleTargetRef } };
    }
    case "Application": {
      const operation = { operation: {}, startedAt: "2026-11-27T04:00:00Z", phase: "Succeeded" };
      return { ...manifest, status: { ...(status as object), operationState: operation } };
    }
    default:
      return manifest;
  }
}

/** The plan for what the API server tells of. */
async function planned(): Promise<Plan> {
  const found = await find(cluster);
  const recorded = (config: StackConfig) => record(() => runProgram(), "live", config, willingCloud());
  const reproduction = await reproduce(found, said, recorded, async () => undefined);
  return planOf({
    found: await withOurs(cluster, found, reproduction.registrations),
    reproduction,
    records: [],
    removed: [],
  });
}

/** Objects by their keys, without what every change changes. */
async function stored(): Promise<Map<string, unknown>> {
  const all = await Promise.all(article.live.map((object) => cluster.read(nameOf(object))));
  return new Map(
    all.flatMap((object) => {
      if (object === undefined) return [];
      const { resourceVersion: _, managedFields: __, generation: ___, ...metadata } = object.metadata ?? {};
      return [[keyOf(nameOf(object)), { ...object, metadata }] as const];
    }),
  );
}

/** What a plan says of what, but for the fields that an API server adds by itself and so are kept. */
const told = ({ rows }: Plan) =>
  rows.flatMap(({ kind, subject }) => (kind === "keep" ? [] : [`${kind}: ${subject}`])).sort();
const rollsIn = ({ rows }: Plan) =>
  rows.flatMap(({ kind, subject, text }) => (kind === "roll" ? [`${subject}: ${text}`] : [])).sort();
const orderOf = (actions: readonly Action[]) => [...new Set(actions.map((action) => action.do))];

const hands = () => ({
  stack: "live",
  cluster,
  pulumi: { read: async () => ({ code: 0, stdout: "", stderr: "" }), show: () => Promise.reject(new Error("no up")) },
  verify: async () => [],
  pause: async () => {},
});

let plan: Plan;
let before: Map<string, unknown>;

it("is what the API server takes, as a whole", async () => {
  before = await stored();
  expect(before.size).toBe(article.live.length);
  expect((await cluster.list(APPLICATION)).length).toBe(10);
});

it("is planned as it is in memory", async () => {
  plan = await planned();
  expect(told(plan)).toEqual(told(article.plan));
  expect(rollsIn(plan)).toEqual(rollsIn(article.plan));
  expect(plan.rows).toContainEqual(
    expect.objectContaining({
      kind: "keep",
      text: expect.stringContaining('spec.commonName: "*.cluster.example.com"'),
    }),
  );
  expect(orderOf(plan.actions)).toEqual(orderOf(article.plan.actions));
});

it("is prepared: nothing syncs by itself, and everything of the charts is marked", async () => {
  for (const action of plan.actions.filter(isPreparing)) await act(action, hands());
  const synced = (await cluster.list(APPLICATION)).filter(
    ({ spec }) => (spec as { syncPolicy?: { automated?: object } }).syncPolicy?.automated,
  );
  expect(synced.map(({ metadata }) => metadata?.name)).toEqual(["vault"]);
  for (const { kind, metadata } of [...(await stored()).values()] as LiveObject[]) {
    if (!["Deployment", "Service", "CustomResourceDefinition"].includes(kind ?? "")) continue;
    expect(metadata?.labels, metadata?.name).toMatchObject({ "app.kubernetes.io/managed-by": "Helm" });
    expect(metadata?.annotations, metadata?.name).toHaveProperty(["meta.helm.sh/release-name"]);
  }
});

it("is given back as it was", async () => {
  for (const action of plan.actions.filter(isPreparing).reverse()) await undoAction(action, hands());
  expect(await stored()).toEqual(before);
});
