import { describe, expect, it } from "vitest";
import { articleCluster } from "./article.ts";
import { articleBut, linesOf, type Patch, plan, withSpec } from "./changed.ts";

// What a takeover would break, and therefore refuses.

describe("nothing is done", () => {
  it.each<[string, string, string, Patch, string]>([
    [
      "where the certificate would be issued anew for its names",
      "Certificate",
      "tls-wildcard-cluster",
      withSpec({ dnsNames: ["*.cluster.example.com"] }),
      "Certificate cert-manager/tls-wildcard-cluster: is for *.cluster.example.com, and the program's for *.<base> and <base>: it would be issued anew",
    ],
    [
      "where the certificate would be issued anew for its key",
      "Certificate",
      "tls-wildcard-cluster",
      withSpec({ privateKey: { algorithm: "RSA", size: 4096 } }),
      'Certificate cert-manager/tls-wildcard-cluster: has a key of {"algorithm":"RSA","size":4096}: it would be issued anew',
    ],
    [
      "where the certificate's key is in another Secret",
      "Certificate",
      "tls-wildcard-cluster",
      withSpec({ secretName: "wildcard" }),
      "Certificate cert-manager/tls-wildcard-cluster: keeps its key in wildcard, the program in cert-manager-tls-wildcard-cluster: it would be issued anew",
    ],
    [
      "while an issuance is under way",
      "Certificate",
      "tls-wildcard-cluster",
      (object) => ({ ...object, status: { conditions: [{ type: "Ready", status: "False" }] } }),
      "Certificate cert-manager/tls-wildcard-cluster: is not Ready: an issuance is under way, or has failed",
    ],
    [
      "where others may need a solver of the issuer's",
      "ClusterIssuer",
      "cluster-issuer-letsencrypt",
      withSpec({
        acme: {
          server: "https://acme-v02.api.letsencrypt.org/directory",
          email: "platform@example.com",
          privateKeySecretRef: { name: "cluster-issuer-letsencrypt" },
          solvers: [{ http01: { ingress: {} } }],
        },
      }),
      "ClusterIssuer cluster-issuer-letsencrypt: has other solvers than Cloudflare's, which others may need",
    ],
    [
      "where the gateway listens on other ports of its pods",
      "Service",
      "istio-ingressgateway",
      withSpec({
        ports: [
          { port: 80, targetPort: 8080 },
          { port: 443, targetPort: 443 },
        ],
      }),
      "Service istio-system/istio-ingressgateway: sends port 443 to 443 of the pods, the program to 8443: between the two changes nothing would listen",
    ],
    [
      "where the gateway's selector is another",
      "Deployment",
      "istio-ingressgateway",
      withSpec({ selector: { matchLabels: { app: "edge", istio: "edge" } } }),
      "Deployment istio-system/istio-ingressgateway: finds its pods by app edge, ours by istio-ingressgateway; a selector can never change",
    ],
    [
      "where a chart's Applications are of several versions of Istio",
      "Application",
      "istiod",
      (object) =>
        withSpec({ source: { repoURL: "https://istio.example.com", chart: "istiod", targetRevision: "1.27.0" } })({
          ...object,
          status: { ...(object.status as object), sync: {} },
        }),
      "Application argocd/istiod (istiod): is 1.27.0, base 1.26.4",
    ],
    [
      "where a login would stand in the stack's file",
      "Application",
      "reflector",
      withSpec({
        source: {
          repoURL: "https://emberstack.github.io/helm-charts",
          chart: "reflector",
          helm: { parameters: [{ name: "proxy.password", value: "s3same" }] },
        },
      }),
      "values of reflector: proxy.password looks like a login, and would stand in clear in the stack's file",
    ],
    [
      "where a login among variables would",
      "Application",
      "reflector",
      withSpec({
        source: {
          repoURL: "https://emberstack.github.io/helm-charts",
          chart: "reflector",
          helm: {
            valuesObject: {
              extraEnv: [
                { name: "MODE", value: "a" },
                { name: "AWS_SECRET_ACCESS_KEY", value: "s3same" },
              ],
            },
          },
        },
      }),
      "values of reflector: extraEnv[1].value looks like a login, and would stand in clear in the stack's file",
    ],
    [
      "where ArgoCD does not say what it has made",
      "Application",
      "reflector",
      (object) => ({ ...object, status: { sync: { status: "Synced", revision: "10.0.17" } } }),
      "Application argocd/reflector (reflector): tells of nothing that it has made",
    ],
    [
      "where a chart is in another namespace",
      "Application",
      "reflector",
      withSpec({ destination: { server: "https://kubernetes.default.svc", namespace: "tools" } }),
      "Application argocd/reflector (reflector): is in tools, the program's in kube-system",
    ],
    [
      "where a Deployment has another name",
      "Application",
      "reflector",
      (object) => ({
        ...withSpec({
          source: {
            repoURL: "https://emberstack.github.io/helm-charts",
            chart: "reflector",
            helm: { releaseName: "copies", valuesObject: { fullnameOverride: "mine" } },
          },
        })(object),
        status: {
          sync: { status: "Synced", revision: "10.0.17" },
          resources: [{ group: "apps", version: "v1", kind: "Deployment", namespace: "kube-system", name: "mine" }],
        },
      }),
      "Deployment kube-system/copies-reflector: is called mine",
    ],
    [
      "where an ApplicationSet makes the Applications",
      "Application",
      "platform",
      (object) => ({
        ...object,
        metadata: {
          ...object.metadata,
          ownerReferences: [{ apiVersion: "argoproj.io/v1alpha1", kind: "ApplicationSet", name: "clusters", uid: "u" }],
        },
      }),
      "Application argocd/cert-manager: is made by ApplicationSet argocd/clusters, which makes it again whatever is done to it",
    ],
    [
      "where the Gateway serves what the program's does not",
      "Gateway",
      "istio-gateway",
      withSpec({
        servers: [
          { port: { number: 443 }, hosts: ["*.cluster.example.com", "shop/a.cluster.example.com", "*.example.org"] },
          { port: { number: 5432 }, hosts: ["db.cluster.example.com"] },
        ],
      }),
      "Gateway istio-system/istio-gateway: serves *.example.org:443, db.cluster.example.com:5432, which the program's does not: nobody would any more",
    ],
    [
      "where what makes an Application is being deleted",
      "Application",
      "platform",
      (object) => ({ ...object, metadata: { ...object.metadata, deletionTimestamp: new Date(0) } }),
      "Application argocd/platform: is being deleted, and what it made goes with it",
    ],
    [
      "where a chart was installed by nobody that is found",
      "Application",
      "istio-base",
      withSpec({ destination: { name: "edge", namespace: "istio-system" } }),
      "chart base: has 1 definition(s) here, such as gateways.networking.istio.io, and no Application and no Helm release is found that installed them",
    ],
  ])("%s", async (_why, kind, name, change, refusal) => {
    const { rows, actions } = await plan(articleBut(kind, name, change));
    expect(actions).toEqual([]);
    expect(linesOf({ rows, actions }, "refuse")).toContain(refusal);
    expect(JSON.stringify(rows)).not.toContain("s3same");
  });

  it("where a route that stays would be shut out, until it is let in", async () => {
    const route = articleBut("VirtualService", "vault-vs", (object) => ({
      ...object,
      metadata: { ...object.metadata, name: "vault" },
    }));
    const routes = { routes: ["shop"] };
    const closed = await plan(route, { said: { tenancy: routes } });
    expect([linesOf(closed, "stays")[0], linesOf(closed, "refuse")]).toEqual([
      "VirtualService vault/vault: the program would call it vault-vs; it goes on to be served as it is",
      ["VirtualServices of vault: stay as they are, and tenancy.routes in the stack's file does not let them"],
    ]);
    expect(linesOf(closed, "roll")).toContain("pods of istiod: they get PILOT_SCOPE_GATEWAY_TO_NAMESPACE: true");
    const open = await plan(route, { said: { tenancy: { routes: ["vault"] } } });
    expect(linesOf(open, "refuse")).toEqual([]);
  });

  it("where another Certificate keeps its key in the same Secret", async () => {
    const other = articleBut("Certificate", "tls-wildcard-cluster", (object) => ({
      ...object,
      metadata: { ...object.metadata, name: "wildcard" },
    }));
    expect(linesOf(await plan(other, { said: { acme: { email: "platform@example.com" } } }), "refuse")).toEqual([
      "Certificate cert-manager/wildcard: keeps its key in cert-manager-tls-wildcard-cluster, as the program's tls-wildcard-cluster does: cert-manager issues for neither of two",
    ]);
  });

  it("where an Application whose destination has another name would set back what is taken over", async () => {
    const mark = (place: string) => ({
      "argocd.argoproj.io/tracking-id": `certificates:cert-manager.io/Certificate:${place}`,
    });
    const withMark = (place: string) =>
      articleBut("Application", "certificates", withSpec({ destination: { name: "prod" } })).map((object) =>
        object.kind === "Certificate"
          ? {
              ...object,
              metadata: { ...object.metadata, annotations: { ...object.metadata?.annotations, ...mark(place) } },
            }
          : object,
      );
    expect(linesOf(await plan(withMark("cert-manager/tls-wildcard-cluster")), "refuse")).toEqual([
      "Certificate cert-manager/tls-wildcard-cluster: bears the mark of ArgoCD's Application certificates, which is not here, or has another destination than this cluster",
    ]);
    // Copied from another object.
    expect(linesOf(await plan(withMark("cert-manager/another")), "refuse")).toEqual([]);
  });

  it("where there is nothing", async () => {
    const empty = await plan([]);
    expect(empty.actions).toEqual([]);
    expect(linesOf(empty, "refuse")).toEqual([
      "the cluster: has no chart of the platform's that ArgoCD or Helm has installed",
    ]);
  });

  it("to a field without which the certificate is issued anew", async () => {
    const removed = ["Certificate cert-manager/tls-wildcard-cluster spec.commonName", "Gateway x/y spec.z"];
    expect(linesOf(await plan(articleCluster(), { removed }), "refuse")).toEqual([
      `--remove: without ${removed[0]} the certificate is issued anew`,
      "--remove: Gateway x/y spec.z is no field that the plan keeps",
    ]);
  });
});
