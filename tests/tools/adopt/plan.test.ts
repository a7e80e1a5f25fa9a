import { describe, expect, it } from "vitest";
import type { Action } from "../../../tools/adopt/actions.ts";
import { planText } from "../../../tools/adopt/adopt.ts";
import { application, articleCluster } from "./article.ts";
import { articleBut, linesOf, orderOf, type Patch, plan, settingsIn, withSpec } from "./changed.ts";
import { zoneWith } from "./looking.ts";

// What is planned for the article's cluster.

describe("the article's cluster", () => {
  it("is reproduced by settings that say what differs from the program's own", async () => {
    expect(settingsIn(await plan(articleCluster()))).toEqual({
      "oke-platform:acme": { server: "production", email: "platform@example.com" },
      "oke-platform:certificate": { key: "rsa-2048" },
      "oke-platform:reflector": { namespaces: "all" },
      "oke-platform:tenancy": { routes: "all", certificates: "all", secrets: "all" },
      "oke-platform:loadBalancer": {
        compartmentId: "ocid1.compartment.oc1..aaaaexample",
        rules: "SL-All",
        ownAddress: true,
      },
      "oke-platform:services": [
        { name: "vault", namespace: "vault", port: 8200 },
        { name: "argocd", namespace: "argocd", service: "argocd-server", port: 80 },
      ],
      "oke-platform:charts": {
        certManager: { version: "v1.20.0" },
        reflector: { version: "10.0.17" },
        externalSecrets: { version: "2.9.0" },
        istio: {
          version: "1.26.4",
          values: {
            istiod: {
              autoscaleEnabled: true,
              autoscaleMin: 1,
              autoscaleMax: 5,
              resources: { requests: { cpu: "500m", memory: "2048Mi" } },
              seccompProfile: null,
            },
            gateway: {
              autoscaling: { enabled: true, minReplicas: 1, maxReplicas: 5 },
              imagePullPolicy: "Always",
              securityContext: null,
            },
          },
        },
      },
    });
  });

  it("has its actions in an order in which each can be cut off", async () => {
    const { actions } = await plan(articleCluster());
    expect(orderOf(actions)).toEqual([
      "write-settings",
      "stop-sync",
      "wait-for-no-operation",
      "mark",
      "up-with-upsert",
      "up",
      "verify",
      "remove-application-without-cascade",
    ]);
    const names = (what: Action["do"]) =>
      actions.flatMap((it) => (it.do === what && "application" in it ? it.application.name : []));
    const children = [
      ...["cert-manager", "reflector", "istio-base", "istiod", "istio-ingressgateway", "external-secrets"],
      ...["certificates", "routes"],
    ];
    expect(names("stop-sync")).toEqual(["platform", ...children]);
    expect(names("remove-application-without-cascade")).toEqual(children);
  });

  it("marks the objects of charts alone, each with its release", async () => {
    const { actions } = await plan(articleCluster());
    const marked = actions.flatMap((it) =>
      it.do === "mark" ? [`${it.object.kind} ${it.object.name}: ${it.annotations["meta.helm.sh/release-name"]}`] : [],
    );
    expect(marked).toEqual([
      "Deployment cert-manager: cert-manager",
      "Deployment cert-manager-webhook: cert-manager",
      "Deployment cert-manager-cainjector: cert-manager",
      "CustomResourceDefinition certificates.cert-manager.io: cert-manager",
      "Deployment reflector: reflector",
      "CustomResourceDefinition gateways.networking.istio.io: istio-base",
      "Deployment istiod: istiod",
      "Deployment istio-ingressgateway: istio-ingressgateway",
      "Service istio-ingressgateway: istio-ingressgateway",
      "Deployment external-secrets: external-secrets",
      "Deployment external-secrets-webhook: external-secrets",
      "Deployment external-secrets-cert-controller: external-secrets",
      "CustomResourceDefinition externalsecrets.external-secrets.io: external-secrets",
    ]);
  });

  it("tells which pods roll, and the gateway's do not", async () => {
    expect(linesOf(await plan(articleCluster()), "roll").map((line) => line.split(":")[0])).toEqual([
      ...["cert-manager", "cert-manager-webhook", "cert-manager-cainjector", "reflector", "external-secrets"].map(
        (name) => `pods of ${name}`,
      ),
      "pods of external-secrets-webhook",
      "pods of external-secrets-cert-controller",
    ]);
  });

  it("tells what stays ArgoCD's, what is kept, and what makes the Applications", async () => {
    const all = await plan(articleCluster());
    expect(linesOf(all, "stays")).toEqual(["Application argocd/vault: has nothing of the platform's"]);
    expect(linesOf(all, "keep")).toEqual([
      'Certificate cert-manager/tls-wildcard-cluster: spec.commonName: "*.cluster.example.com"; without it the certificate would be issued anew',
    ]);
    expect(linesOf(all, "see")).toEqual([
      "Application argocd/platform: makes cert-manager, reflector, istio-base, istiod, istio-ingressgateway, external-secrets, certificates, routes; it syncs no more by itself",
    ]);
    expect(planText(all)).toContain("The stack's file will say:\noke-platform:acme:\n  server: production");
  });

  it("stops what makes the one that makes the Applications, and does not call it a stranger", async () => {
    const resources = [{ group: "argoproj.io", kind: "Application", namespace: "argocd", name: "platform" }];
    const root = {
      ...application("root", {}, []),
      metadata: { name: "root", namespace: "argocd" },
      status: { resources },
    };
    const deep = await plan([...articleCluster(), root]);
    expect(linesOf(deep, "stays")).toEqual(["Application argocd/vault: has nothing of the platform's"]);
    expect(linesOf(deep, "see")[0]).toBe("Application argocd/root: makes platform; it syncs no more by itself");
  });

  it("hands over the records that are there", async () => {
    const record = { id: "r1", name: "*.cluster.example.com", type: "A", content: "203.0.113.7" };
    const { actions, rows } = await plan(articleCluster(), { cloudflare: () => zoneWith(record) });
    expect(actions.flatMap((it) => (it.do === "import" ? it.urn.split("::").at(-1) : []))).toEqual([
      "dns-records-wildcard",
    ]);
    expect(rows.map(({ subject }) => subject)).toContain("DNS record *.cluster.example.com");
    const refused = await plan(articleCluster(), { cloudflare: () => zoneWith({ ...record, type: "CNAME" }) });
    expect([linesOf(refused, "refuse"), refused.actions]).toEqual([
      ["DNS record *.cluster.example.com: is a CNAME, of which no A record can be made"],
      [],
    ]);
  });
});

describe("what was said to a chart", () => {
  const chartOf =
    (chart: string, values: Record<string, unknown>): Patch =>
    (object) =>
      withSpec({
        source: {
          ...(object.spec as { source: object }).source,
          helm: { values: JSON.stringify(values), parameters: [{ name: `a\\.b.${chart}`, value: "7" }] },
        },
      })(object);

  it("is said on, with parameters, and without what the program says itself", async () => {
    const values = { installCRDs: true, resources: { limits: { memory: "256Mi" } }, webhook: { replicaCount: 1 } };
    const changed = await plan(articleBut("Application", "cert-manager", chartOf("x", values)));
    expect((settingsIn(changed)["oke-platform:charts"] as { certManager: unknown }).certManager).toEqual({
      version: "v1.20.0",
      values: { resources: { limits: { memory: "256Mi" } }, "a.b": { x: 7 } },
    });
  });

  it("makes no mark on what another source of the Application has made", async () => {
    const changed = await plan(
      articleBut("Application", "cert-manager", (object) => {
        const { source, ...spec } = object.spec as Record<string, unknown>;
        const status = object.status as { resources: object[] };
        return {
          ...object,
          spec: { ...spec, sources: [source, { repoURL: "https://git.example.com/platform", path: "issuers" }] },
          status: {
            ...status,
            sync: { status: "Synced", revisions: ["v1.20.0", "abc"] },
            resources: [
              ...status.resources,
              { group: "cert-manager.io", version: "v1", kind: "ClusterIssuer", name: "cluster-issuer-letsencrypt" },
            ],
          },
        };
      }),
    );
    expect(linesOf(changed, "see")).toContain(
      "Application argocd/cert-manager (cert-manager): has sources beside its chart",
    );
    expect(changed.actions.some((it) => it.do === "mark" && it.object.kind === "ClusterIssuer")).toBe(false);
    expect(changed.actions.some((it) => it.do === "mark" && it.object.name === "cert-manager-webhook")).toBe(true);
  });

  it("is told where the program decides it", async () => {
    const changed = await plan(
      articleBut("Application", "cert-manager", chartOf("x", { cainjector: { enabled: false } })),
    );
    expect(linesOf(changed, "change")).toContain(
      "values of cert-manager: cainjector.enabled is false; the program decides it: without it the webhook has no CA",
    );
  });

  it("is asked for where it is in files", async () => {
    const files = articleBut("Application", "reflector", (object) =>
      withSpec({
        source: { ...(object.spec as { source: object }).source, helm: { valueFiles: ["values-live.yaml"] } },
      })(object),
    );
    expect(linesOf(await plan(files), "see")).toContain(
      "Application argocd/reflector (reflector): has values that cannot be read here, in values-live.yaml",
    );
  });
});

describe("an Application with others' objects", () => {
  it("is kept, and prunes nothing of the platform's", async () => {
    const shared = articleBut("Application", "routes", (object) => ({
      ...object,
      status: {
        ...(object.status as object),
        resources: [
          ...(object.status as { resources: object[] }).resources,
          { version: "v1", kind: "ConfigMap", namespace: "shop", name: "settings" },
        ],
      },
    }));
    const changed = await plan(shared);
    expect(linesOf(changed, "stays")).toContain(
      "Application argocd/routes: has 1 object(s) that are not the platform's, such as ConfigMap shop/settings; it is kept, and syncs no more by itself",
    );
    const guarded = changed.actions.flatMap((it) =>
      it.do === "mark" && it.annotations["argocd.argoproj.io/sync-options"] === "Prune=false,Delete=false"
        ? it.object.name
        : [],
    );
    expect(guarded).toEqual(["istio-gateway", "vault-vs", "argocd-vs"]);
    expect(
      changed.actions.some((it) => it.do === "remove-application-without-cascade" && it.application.name === "routes"),
    ).toBe(false);
  });

  it("is not touched where it installs the same in another cluster", async () => {
    const source = { repoURL: "https://charts.jetstack.io", chart: "cert-manager", targetRevision: "v1.19.0" };
    const elsewhere = application(
      "cert-manager-elsewhere",
      { source, destination: { server: "https://192.0.2.1:6443", namespace: "cert-manager" } },
      [{ group: "apps", version: "v1", kind: "Deployment", namespace: "cert-manager", name: "cert-manager" }],
    );
    const changed = await plan([...articleCluster(), elsewhere]);
    expect(linesOf(changed, "stays")).toContain(
      "Application argocd/cert-manager-elsewhere: has nothing of the platform's",
    );
    expect(JSON.stringify(changed.actions)).not.toContain("elsewhere");
  });

  it("is told of where it is not synced", async () => {
    const changed = await plan(
      articleBut("Application", "reflector", (object) => ({
        ...object,
        status: { ...(object.status as object), sync: { status: "OutOfSync", revision: "10.0.17" } },
      })),
    );
    expect(linesOf(changed, "see")).toContain(
      "Application argocd/reflector (reflector): is not synced: what it would make is not what is there",
    );
  });

  it("is not touched without one of the platform's", async () => {
    const other = application("shop", { destination: { namespace: "shop" } }, [
      { version: "v1", kind: "ConfigMap", namespace: "shop", name: "settings" },
    ]);
    const changed = await plan([...articleCluster(), other]);
    expect(changed.actions.some((it) => JSON.stringify(it).includes('"shop"'))).toBe(false);
  });
});
