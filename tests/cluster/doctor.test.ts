import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { examples } from "../../project/placeholders.ts";
import { plain } from "../../project/registration.ts";
import { projectDirectory } from "../../project/stack.ts";
import { examineCluster } from "../../tools/doctor/cluster.ts";
import { findingsOf } from "../../tools/doctor/findings.ts";
import { runner } from "../../tools/lib/checks.ts";
import { settingsOf } from "../../tools/stack.ts";
import { named, registrationsOf } from "../harness.ts";
import { AMPLE } from "../tools/doctor/examination.ts";
import { type ApiServer, type Manifest, startApiServer } from "./api-server.ts";
import { type Definition, definitionsOf, install } from "./definitions.ts";
import { helmRecord } from "./helm-records.ts";

// What the doctor makes of a cluster that a real API server tells of. Each test adds to what the one before has left.

let server: ApiServer;

beforeAll(async () => {
  server = await startApiServer();
});

afterAll(() => server?.stop());

/** What the doctor finds in the cluster, one a line, without what to do. */
async function examine(user?: string): Promise<string[]> {
  const settings = await settingsOf("prod", projectDirectory, examples);
  const examination = { stack: "live", settings, env: {}, limits: AMPLE, run: runner(AMPLE.checkMs, "skipped") };
  const { outcomes } = await examineCluster(examination, async () => server.kubeConfig(user));
  return findingsOf(outcomes).map(
    ({ check, level, reason }) => `${level}: ${check.replace("kubernetes: ", "")}: ${reason}`,
  );
}

const fresh = {
  reachable: "ok: reachable: Kubernetes v1.34.4",
  version: "ok: version: Istio 1.31.4 and cert-manager v1.21.2 support v1.34.4",
  releases: "ok: Helm releases: no release of others in the way",
  definitions: "ok: custom resource definitions: none of others in the way",
  certManager: "ok: cert-manager: no Deployment cert-manager that belongs to no Helm release",
  argo: "ok: ArgoCD: no Application that installs the same",
  namespaces: "ok: namespaces: istio-system and external-secrets are free, or Pulumi's",
  security: "ok: pod security: cert-manager restricted, istio-system baseline, external-secrets restricted",
  services: "ok: services: 2 service(s) are there, with their ports",
  tenancy: "ok: tenancy: nothing of others that it shuts out",
};

const namespace = (name: string): Manifest => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } });

const service = (at: string, name: string, ...ports: number[]): Manifest => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: at },
  spec: { ports: ports.map((port) => ({ name: `port-${port}`, port })) },
});

const record = (namespace: string, name: string, revision: number, status: string): Manifest =>
  helmRecord({ namespace, name, revision, status }, "the whole chart");

/** A manager's name as the Helm of Pulumi's provider has it. */
const byPulumi = { manager: "pulumi-kubernetes" };

/** Who a definition belongs to, as Helm marks it. */
const ofRelease =
  (at: string, name: string) =>
  (definition: Definition): Definition => ({
    ...definition,
    metadata: {
      ...definition.metadata,
      labels: { ...definition.metadata.labels, "app.kubernetes.io/managed-by": "Helm" },
      annotations: {
        ...definition.metadata.annotations,
        "meta.helm.sh/release-name": name,
        "meta.helm.sh/release-namespace": at,
      },
    },
  });

describe("before the first up", () => {
  it("misses the namespaces of the services in a cluster that has nothing", async () => {
    const missing = ["vault", "argocd"].map(
      (name) => `problem: services: namespace ${name} does not exist, and services names it`,
    );
    expect(await examine()).toEqual(Object.values({ ...fresh, services: missing }).flat());
  });

  it("misses a Service, and a port of another", async () => {
    for (const name of ["vault", "argocd"]) await server.apply(namespace(name));
    await server.apply(service("argocd", "argocd-server", 443));
    expect((await examine()).slice(8)).toEqual([
      "problem: services: services entry vault: Service vault does not exist in vault; its host would answer 503",
      "problem: services: services entry argocd: Service argocd-server in argocd has no port 80; it has 443",
      fresh.tenancy,
    ]);
  });

  it("has no problem where all is right", async () => {
    await server.apply(service("vault", "vault", 8200));
    await server.apply(service("argocd", "argocd-server", 80, 443));
    expect(await examine()).toEqual(Object.values(fresh));
  });

  it("says in the API server's words what somebody without rights may not ask", async () => {
    const forbidden = (what: string) =>
      `the API server answers 403: ${what.split(" ")[0]} is forbidden: User "guest" cannot list resource`;
    const found = await examine("guest");
    expect(found.slice(0, 2)).toEqual([fresh.reachable, fresh.version]);
    expect(found.slice(2).map((line) => line.split(": ").slice(0, 3).join(": "))).toEqual(
      [
        ...["Helm releases", "custom resource definitions", "cert-manager", "ArgoCD", "namespaces", "pod security"],
        ...["services", "tenancy"],
      ].map((check) => `skipped: ${check}: could not be asked`),
    );
    expect(found[2]).toContain(forbidden("secrets"));
    expect(found[3]).toContain(forbidden("customresourcedefinitions.apiextensions.k8s.io"));
  });

  it("reads with the rights that reading takes, and no others", async () => {
    const rule = (apiGroups: string, resources: string[], verbs: string[]) => ({
      apiGroups: [apiGroups],
      resources,
      verbs,
    });
    const rbac = { apiVersion: "rbac.authorization.k8s.io/v1", metadata: { name: "doctor" } };
    await server.apply({
      ...rbac,
      kind: "ClusterRole",
      rules: [
        rule("", ["secrets"], ["list"]),
        rule("", ["namespaces", "services"], ["get"]),
        rule("apps", ["deployments"], ["get"]),
        rule("apiextensions.k8s.io", ["customresourcedefinitions"], ["list"]),
        rule("argoproj.io", ["applications"], ["list"]),
        rule("cert-manager.io", ["clusterissuers"], ["get"]),
        rule("networking.istio.io", ["virtualservices", "gateways"], ["list"]),
        rule("cert-manager.io", ["certificates", "certificaterequests"], ["list"]),
        rule("acme.cert-manager.io", ["orders", "challenges"], ["list"]),
        rule("external-secrets.io", ["externalsecrets", "pushsecrets"], ["list"]),
      ],
    });
    await server.apply({
      ...rbac,
      kind: "ClusterRoleBinding",
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "doctor" },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "reader" }],
    });
    expect(await examine("reader")).toEqual(Object.values(fresh));
  });
});

describe("what is there already", () => {
  /** The findings that are not those of a cluster where all is right. */
  const changes = async () => {
    const known = Object.values(fresh);
    return (await examine()).filter((line) => !known.includes(line));
  };

  it("is Pulumi's own, by who wrote it", async () => {
    const registrations = await registrationsOf("prod");
    for (const name of ["istio-namespace", "external-secrets-namespace"]) {
      const manifest = plain(named(registrations, name).inputs) as unknown as Manifest;
      await server.apply(manifest, { manager: "pulumi-kubernetes-3f2a91bc" });
    }
    await server.apply(namespace("cert-manager"));
    await server.apply(record("cert-manager", "cert-manager", 1, "deployed"), byPulumi);
    await server.apply(record("istio-system", "istiod", 1, "pending-install"), byPulumi);
    await server.apply(record("istio-system", "istiod", 2, "deployed"), byPulumi);
    expect(await changes()).toEqual([]);
  });

  it("is what a killed run left, by the newest revision", async () => {
    await server.apply(record("istio-system", "istiod", 10, "pending-upgrade"), byPulumi);
    expect(await changes()).toEqual([
      "problem: Helm releases: release istiod in istio-system is pending-upgrade: a run was cut off, and Helm refuses another",
    ]);
    await server.call("DELETE", "/api/v1/namespaces/istio-system/secrets/sh.helm.release.v1.istiod.v10");
  });

  it("is another's release, in its place and elsewhere", async () => {
    const byHelm = { manager: "Helm" };
    await server.apply(record("kube-system", "reflector", 1, "deployed"), byHelm);
    await server.apply(record("argocd", "external-secrets", 1, "failed"), byHelm);
    // Neither of these is ours.
    await server.apply(record("argocd", "argocd", 1, "deployed"), byHelm);
    await server.apply({ ...record("argocd", "cert-manager", 1, "deployed"), type: "Opaque" }, byHelm);
    expect((await changes()).sort()).toEqual([
      "problem: Helm releases: release external-secrets in argocd (failed) owns things of the whole cluster that ours is to make",
      "problem: Helm releases: release reflector in kube-system (deployed) is not Pulumi's",
    ]);
    await server.call("DELETE", "/api/v1/namespaces/kube-system/secrets/sh.helm.release.v1.reflector.v1");
    await server.call("DELETE", "/api/v1/namespaces/argocd/secrets/sh.helm.release.v1.external-secrets.v1");
  });

  it("are the charts' definitions, by whose they are", async () => {
    const [certManager, istio] = await Promise.all([definitionsOf("certManager"), definitionsOf("istio")]);
    await install(server, certManager, ofRelease("cert-manager", "cert-manager"));
    await install(server, istio, ofRelease("istio-system", "istio-base"));
    expect(await changes()).toEqual([]);

    await server.call("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/sidecars.networking.istio.io");
    const theirs = istio.filter(({ metadata }) => metadata.name === "gateways.networking.istio.io");
    await install(server, theirs, ofRelease("istio", "base"));
    expect(await changes()).toEqual([
      "problem: custom resource definitions: 1 definition(s), such as gateways.networking.istio.io, belong to the Helm release istio/base: Helm installs no istio-system/istio-base over them",
    ]);
    await install(server, theirs, ofRelease("istio-system", "istio-base"));
  });

  it("is an Application that would install the same", async () => {
    const preserved = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    const application: Definition = {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "applications.argoproj.io" },
      spec: {
        group: "argoproj.io",
        scope: "Namespaced",
        names: { plural: "applications", singular: "application", kind: "Application", listKind: "ApplicationList" },
        versions: [
          {
            name: "v1alpha1",
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: "object", properties: { spec: preserved } } },
          },
        ],
      },
    };
    await install(server, [application]);
    const of = (name: string, chart: string): Manifest => ({
      apiVersion: "argoproj.io/v1alpha1",
      kind: "Application",
      metadata: { name, namespace: "argocd" },
      spec: { sources: [{ chart, repoURL: "https://istio-release.storage.googleapis.com/charts" }] },
    });
    await server.apply(of("mesh", "istiod"));
    await server.apply(of("shop", "shop"));
    expect(await changes()).toEqual([
      "problem: ArgoCD: Application mesh in argocd installs the chart istiod, and would undo what this program does",
    ]);
    await server.call("DELETE", "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/mesh");
  });

  it("is a Deployment that no release has, and a namespace that somebody made", async () => {
    await server.call("DELETE", "/api/v1/namespaces/cert-manager/secrets/sh.helm.release.v1.cert-manager.v1");
    const labels = { app: "cert-manager" };
    await server.apply({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "cert-manager", namespace: "cert-manager" },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: "controller", image: "example.com/one" }] } },
      },
    });
    await server.call("DELETE", "/api/v1/namespaces/external-secrets");
    await server.call("PUT", "/api/v1/namespaces/external-secrets/finalize", {
      ...namespace("external-secrets"),
      spec: { finalizers: [] },
    });
    await server.call("POST", "/api/v1/namespaces?fieldManager=kubectl-create", namespace("external-secrets"));
    expect(await changes()).toEqual([
      "problem: cert-manager: Deployment cert-manager in namespace cert-manager belongs to no Helm release",
      "problem: namespaces: namespace external-secrets exists, and Pulumi did not make it",
    ]);
  });
});
