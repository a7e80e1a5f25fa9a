import { afterEach, expect, it } from "vitest";
import { ClusterReader } from "../../../tools/doctor/cluster-reader.ts";
import { closeAll } from "../../loopback.ts";
import { type ClusterState, freshCluster, kubeConfigFor, release, startCluster } from "./cluster-stand-in.ts";

afterEach(closeAll);

const readerOf = async (state: ClusterState) => new ClusterReader(kubeConfigFor(await startCluster(state)), 20_000);

it("knows a release by its newest revision, whatever comes first, and Pulumi's by who wrote it", async () => {
  const managedFields = [{ manager: "pulumi-kubernetes", operation: "Update" }];
  const state = freshCluster();
  state.releases = [
    release("istio-system", "istiod", { revision: 10, status: "pending-upgrade", managedFields }),
    release("istio-system", "istiod", { revision: 9, status: "superseded" }),
    release("ops", "istiod"),
  ];
  expect(await (await readerOf(state)).releases()).toEqual([
    { name: "istiod", namespace: "istio-system", status: "pending-upgrade", byPulumi: true },
    { name: "istiod", namespace: "ops", status: "deployed", byPulumi: false },
  ]);
});

it("knows the charts of an Application, of one source or several", async () => {
  const state = freshCluster();
  const application = (name: string, spec: Record<string, unknown>) => ({
    metadata: { name, namespace: "argocd" },
    spec,
  });
  const [git, charts] = ["https://git.example.com/platform", "https://charts.jetstack.io"];
  state.applications = [
    application("wildcard", { source: { repoURL: git, path: "." } }),
    application("certs", { source: { repoURL: charts, chart: "cert-manager" } }),
    application("both", { sources: [{ repoURL: git }, { repoURL: charts, chart: "cert-manager" }] }),
  ];
  const chart = { chart: "cert-manager", repoURL: charts };
  expect(await (await readerOf(state)).applications()).toEqual([
    { name: "wildcard", namespace: "argocd", charts: [] },
    { name: "certs", namespace: "argocd", charts: [chart] },
    { name: "both", namespace: "argocd", charts: [chart] },
  ]);
});
