import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { act, undoAction } from "../../tools/adopt/act.ts";
import type { PreparingAction } from "../../tools/adopt/actions.ts";
import { APPLICATION } from "../../tools/adopt/applications.ts";
import type { AdoptCluster } from "../../tools/adopt/cluster.ts";
import { installedByHelm } from "../../tools/adopt/installations.ts";
import { closeJournal, journalBegun, openJournal, readJournal } from "../../tools/adopt/journal.ts";
import { adoptClusterOf } from "../../tools/adopt/live.ts";
import { applicationDefinition } from "../e2e/argocd.ts";
import { type ApiServer, startApiServer } from "./api-server.ts";
import { type Definition, install } from "./definitions.ts";

// What a takeover changes in a cluster, at a real API server: each change, and its way back.

let server: ApiServer;
let cluster: AdoptCluster;

beforeAll(async () => {
  server = await startApiServer();
  cluster = adoptClusterOf(server.kubeConfig(), 10_000);
  for (const name of ["argocd", "istio-system"])
    await server.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
});

afterAll(() => server?.stop());

const place = { namespace: "argocd", name: "istiod" };
const application = { ...APPLICATION, ...place };
const automated = { prune: true, selfHeal: true };

const hands = () => ({
  stack: "live",
  cluster,
  pulumi: { read: () => Promise.reject(new Error("nothing is read")), show: async () => 0 },
  verify: async () => [],
  pause: async () => {},
});
const done = (action: Parameters<typeof act>[0]) => act(action, hands());
const undone = (action: PreparingAction) => undoAction(action, hands());

it("there are no Applications where there is no ArgoCD", async () => {
  expect(await cluster.list(APPLICATION)).toEqual([]);
  expect(await cluster.read(application)).toBe(undefined);
});

it("an Application syncs no more by itself, and does again", async () => {
  await install(server, [applicationDefinition() as Definition]);
  // What is marked for deletion with ArgoCD's finalizer waits for ArgoCD, which is not here.
  await server.apply({
    ...APPLICATION,
    metadata: { ...place, finalizers: ["resources-finalizer.argocd.argoproj.io", "example.com/other"] } as never,
    spec: { syncPolicy: { automated, syncOptions: ["CreateNamespace=true"] } },
  });
  const stop = { do: "stop-sync" as const, application: place, before: automated };
  const policy = async () => (await cluster.read(application))?.spec;
  for (const _ of ["once", "and again"]) {
    await done(stop);
    expect(await policy()).toEqual({ syncPolicy: { syncOptions: ["CreateNamespace=true"] } });
  }
  await done({ do: "wait-for-no-operation", applications: [place] });
  for (const _ of ["once", "and again"]) {
    await undone(stop);
    expect(await policy()).toEqual({ syncPolicy: { automated, syncOptions: ["CreateNamespace=true"] } });
  }
  expect((await cluster.list(APPLICATION)).map(({ kind, metadata }) => [kind, metadata?.name])).toEqual([
    ["Application", "istiod"],
  ]);
});

it("an object gets the marks of Helm's, and loses what it did not have", async () => {
  const object = { apiVersion: "v1", kind: "ServiceAccount", namespace: "istio-system", name: "istiod" };
  const labels = { "app.kubernetes.io/managed-by": "argocd", app: "istiod" };
  await server.apply({
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { namespace: "istio-system", name: "istiod", labels },
  });
  const mark: PreparingAction = {
    do: "mark",
    object,
    labels: { "app.kubernetes.io/managed-by": "Helm" },
    annotations: { "meta.helm.sh/release-name": "istiod", "meta.helm.sh/release-namespace": "istio-system" },
    before: {
      labels: { "app.kubernetes.io/managed-by": "argocd" },
      annotations: { "meta.helm.sh/release-name": null, "meta.helm.sh/release-namespace": null },
    },
  };
  await done(mark);
  expect((await cluster.read(object))?.metadata).toMatchObject({
    labels: { ...labels, "app.kubernetes.io/managed-by": "Helm" },
    annotations: { "meta.helm.sh/release-name": "istiod", "meta.helm.sh/release-namespace": "istio-system" },
  });
  await undone(mark);
  const { labels: after, annotations = {} } = (await cluster.read(object))?.metadata ?? {};
  expect([after, annotations]).toEqual([labels, {}]);
  await done({ ...mark, object: { ...object, name: "gone" } });
});

it("a release of another Helm is read whole, and its record is nobody's until it is given back", async () => {
  const record = { namespace: "istio-system", name: "sh.helm.release.v1.istiod.v1" };
  const release = {
    info: { status: "deployed" },
    chart: { metadata: { name: "istiod", version: "1.26.4" } },
    config: { pilot: { env: { A: "b" } } },
    manifest:
      "---\nkind: Deployment\napiVersion: apps/v1\nmetadata:\n  name: istiod\n---\nkind: ConfigMap\napiVersion: v1\nmetadata: {name: istio}\n",
  };
  const stored = Buffer.from(gzipSync(JSON.stringify(release)).toString("base64")).toString("base64");
  await server.apply(
    {
      apiVersion: "v1",
      kind: "Secret",
      type: "helm.sh/release.v1",
      metadata: { ...record, labels: { owner: "helm", name: "istiod", status: "deployed", version: "1" } },
      data: { release: stored },
    },
    { manager: "helm" },
  );
  const installed = [
    {
      chart: "istiod",
      release: { namespace: "istio-system", name: "istiod" },
      version: "1.26.4",
      values: { pilot: { env: { A: "b" } } },
      valueFiles: [],
      objects: [{ apiVersion: "apps/v1", kind: "Deployment", namespace: "istio-system", name: "istiod" }],
      records: [record],
    },
  ];
  expect(await installedByHelm(cluster)).toEqual(installed);
  await done({ do: "set-aside-record", record });
  expect(await installedByHelm(cluster)).toEqual([]);
  expect([...(await cluster.records()).keys()]).toEqual([]);
  await undone({ do: "set-aside-record", record });
  expect(await installedByHelm(cluster)).toEqual(installed);
  await done({ do: "set-aside-record", record });
  await done({ do: "forget-records", records: [record] });
  await undone({ do: "set-aside-record", record });
  expect(await installedByHelm(cluster)).toEqual([]);
});

it("the journal is one in the cluster, until it is closed", async () => {
  expect(await readJournal(cluster, "live")).toBe(undefined);
  await openJournal(cluster, "live", [{ do: "up" }]);
  await expect(openJournal(cluster, "live", [])).rejects.toThrow("the API server answers 409");
  expect(await readJournal(cluster, "live")).toEqual({ actions: [{ do: "up" }], begun: false });
  await journalBegun(cluster);
  expect(await readJournal(cluster, "live")).toEqual({ actions: [{ do: "up" }], begun: true });
  await closeJournal(cluster);
  await closeJournal(cluster);
  expect(await readJournal(cluster, "live")).toBe(undefined);
});

it("an Application goes without its cascade, and never one that was made anew meanwhile", async () => {
  const live = await cluster.read(application);
  await expect(cluster.remove(application, "another")).rejects.toThrow(
    /^the API server answers 409: .*the UID in the precondition \(another\) does not match/,
  );
  await done({ do: "remove-application-without-cascade", application: place, parents: [] });
  // Another's finalizer is another's to take away, and to orphan is the garbage collector's, which is not here.
  expect((await cluster.read(application))?.metadata?.finalizers).toEqual(["example.com/other", "orphan"]);
  await cluster.patch(application, { metadata: { finalizers: null } });
  expect(await cluster.read(application)).toBe(undefined);
  await done({ do: "remove-application-without-cascade", application: place, parents: [] });
  await cluster.remove(application, live?.metadata?.uid ?? "");
});
