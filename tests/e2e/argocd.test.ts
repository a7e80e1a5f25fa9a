import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { applicationsIn } from "../../tools/adopt/applications.ts";
import { chartApplication, render } from "./argocd.ts";

// What stands for ArgoCD in the end-to-end test, with a stand-in for helm.

const RENDERED = `---
# Source: reflector/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: reflector
---
# Source: reflector/templates/cluster-role.yaml
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: reflector
---
apiVersion: batch/v1
kind: Job
metadata:
  name: check
  annotations:
    helm.sh/hook: post-install
---
`;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "oke-platform-helm-"));
  const call = join(directory, "call");
  await writeFile(join(directory, "rendered"), RENDERED);
  const script = `#!/bin/sh\necho "$@" > '${call}'\nfor last; do :; done\ncat "$last" >> '${call}'\ncat '${directory}/rendered'\n`;
  await writeFile(join(directory, "helm"), script);
  await chmod(join(directory, "helm"), 0o755);
});
beforeEach(() => {
  vi.stubEnv("PATH", `${directory}${delimiter}${process.env.PATH}`);
});
afterAll(() => rm(directory, { recursive: true }));

const chart = {
  name: "reflector",
  chart: "reflector",
  repo: "/charts",
  version: "10.0.17",
  namespace: "kube-system",
  values: { replicaCount: 1 },
};

it("is rendered from a directory or a repository, with its values", async () => {
  await render(chart);
  expect(await readFile(join(directory, "call"), "utf8")).toMatch(
    /^template reflector \/charts\/reflector-10\.0\.17\.tgz --namespace kube-system --include-crds --values \S+values\.yaml\nreplicaCount: 1\n$/,
  );
  await render({ ...chart, repo: "https://charts.example.com" });
  expect(await readFile(join(directory, "call"), "utf8")).toMatch(
    /^template reflector reflector --repo https:\/\/charts\.example\.com --version 10\.0\.17 --namespace /,
  );
});

it("has its objects in its namespace, and no hook", async () => {
  expect(await render(chart)).toEqual([
    { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "reflector", namespace: "kube-system" } },
    { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: { name: "reflector" } },
  ]);
});

it("is an Application that adopt understands", async () => {
  const application = chartApplication(chart, await render(chart));
  expect(applicationsIn([{ ...application }])).toEqual([
    expect.objectContaining({
      name: "reflector",
      namespace: "argocd",
      destination: "kube-system",
      automated: { prune: true, selfHeal: true },
      sources: [expect.objectContaining({ chart: "reflector", repoURL: "/charts", revision: "10.0.17" })],
      objects: [
        { apiVersion: "apps/v1", kind: "Deployment", namespace: "kube-system", name: "reflector" },
        { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", name: "reflector" },
      ],
    }),
  ]);
});
