import type { LiveObject } from "../../../tools/adopt/cluster.ts";
import { charts, FLEXIBLE, objects } from "./article-objects.ts";

// The platform of the article, as ArgoCD leaves it in a cluster: an Application for each chart and for the objects beside
// them, made by an app of apps.

const tracking = (application: string, kind: string, group: string, place: string) => ({
  "argocd.argoproj.io/tracking-id": `${application}:${group}/${kind}:${place}`,
});

/** What an Application made. */
export interface Tracked {
  readonly group?: string;
  readonly version?: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly hook?: boolean;
}

/** An Application that syncs by itself. */
export function application(name: string, spec: Record<string, unknown>, resources: readonly Tracked[]): LiveObject {
  return {
    apiVersion: "argoproj.io/v1alpha1",
    kind: "Application",
    metadata: {
      name,
      namespace: "argocd",
      finalizers: ["resources-finalizer.argocd.argoproj.io"],
      annotations: tracking("platform", "Application", "argoproj.io", `argocd/${name}`),
    },
    spec: { project: "default", syncPolicy: { automated: { prune: true, selfHeal: true } }, ...spec },
    status: {
      resources,
      sync: { status: "Synced", revision: (spec.source as { targetRevision?: string } | undefined)?.targetRevision },
      operationState: { phase: "Succeeded" },
    },
  };
}

const deployed = (namespace: string, name: string): Tracked => ({
  group: "apps",
  version: "v1",
  kind: "Deployment",
  namespace,
  name,
});
const defined = (name: string): Tracked => ({
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  name,
});

const ISTIO = "https://istio-release.storage.googleapis.com/charts";
const helm = (repoURL: string, chart: string, targetRevision: string, values: Record<string, unknown> = {}) => ({
  repoURL,
  chart,
  targetRevision,
  helm: { valuesObject: values },
});
const to = (namespace: string) => ({ server: "https://kubernetes.default.svc", namespace });

const custom = (group: string, kind: string, name: string, namespace?: string): Tracked => ({
  group,
  version: "v1",
  kind,
  name,
  ...(namespace !== undefined && { namespace }),
});

const applications = (): LiveObject[] => [
  application(
    "cert-manager",
    {
      source: helm("https://charts.jetstack.io", "cert-manager", "v1.20.0", { installCRDs: true }),
      destination: to("cert-manager"),
    },
    [
      deployed("cert-manager", "cert-manager"),
      deployed("cert-manager", "cert-manager-webhook"),
      deployed("cert-manager", "cert-manager-cainjector"),
      defined("certificates.cert-manager.io"),
      { group: "batch", version: "v1", kind: "Job", namespace: "cert-manager", name: "startupapicheck", hook: true },
    ],
  ),
  application(
    "reflector",
    {
      source: helm("https://emberstack.github.io/helm-charts", "reflector", "10.0.17"),
      destination: to("kube-system"),
    },
    [deployed("kube-system", "reflector")],
  ),
  application("istio-base", { source: helm(ISTIO, "base", "1.26.4"), destination: to("istio-system") }, [
    defined("gateways.networking.istio.io"),
  ]),
  application("istiod", { source: helm(ISTIO, "istiod", "1.26.4"), destination: to("istio-system") }, [
    deployed("istio-system", "istiod"),
  ]),
  application(
    "istio-ingressgateway",
    {
      source: helm(ISTIO, "gateway", "1.26.4", {
        labels: { istio: "ingressgateway" },
        service: {
          type: "LoadBalancer",
          annotations: FLEXIBLE,
          ports: [
            { name: "http2", port: 80, targetPort: 8080, protocol: "TCP" },
            { name: "https", port: 443, targetPort: 8443, protocol: "TCP" },
          ],
        },
      }),
      destination: to("istio-system"),
    },
    [
      deployed("istio-system", "istio-ingressgateway"),
      { version: "v1", kind: "Service", namespace: "istio-system", name: "istio-ingressgateway" },
    ],
  ),
  application(
    "external-secrets",
    {
      source: helm("https://charts.external-secrets.io", "external-secrets", "2.9.0"),
      destination: to("external-secrets"),
    },
    [
      deployed("external-secrets", "external-secrets"),
      deployed("external-secrets", "external-secrets-webhook"),
      deployed("external-secrets", "external-secrets-cert-controller"),
      defined("externalsecrets.external-secrets.io"),
    ],
  ),
  application(
    "certificates",
    {
      source: { repoURL: "https://git.example.com/platform", path: "certificates" },
      destination: to("cert-manager"),
    },
    [
      custom("external-secrets.io", "ClusterSecretStore", "vault-backend"),
      custom("external-secrets.io", "ExternalSecret", "cloudflare-token-secret", "cert-manager"),
      custom("cert-manager.io", "ClusterIssuer", "cluster-issuer-letsencrypt"),
      custom("cert-manager.io", "Certificate", "tls-wildcard-cluster", "cert-manager"),
    ],
  ),
  application(
    "routes",
    { source: { repoURL: "https://git.example.com/platform", path: "routes" }, destination: to("istio-system") },
    [
      custom("networking.istio.io", "Gateway", "istio-gateway", "istio-system"),
      custom("networking.istio.io", "VirtualService", "vault-vs", "vault"),
      custom("networking.istio.io", "VirtualService", "argocd-vs", "argocd"),
    ],
  ),
  application(
    "vault",
    {
      source: helm("https://helm.releases.hashicorp.com", "vault", "0.34.1"),
      destination: to("vault"),
    },
    [{ group: "apps", version: "v1", kind: "StatefulSet", namespace: "vault", name: "vault" }],
  ),
];

/** The app of apps. */
const parent = (children: readonly LiveObject[]): LiveObject => ({
  ...application(
    "platform",
    { source: { repoURL: "https://git.example.com/platform", path: "apps" }, destination: to("argocd") },
    children.map(({ metadata }) => ({
      group: "argoproj.io",
      version: "v1alpha1",
      kind: "Application",
      namespace: "argocd",
      name: metadata?.name ?? "",
    })),
  ),
});

/** Everything that is in the article's cluster. */
export function articleCluster(): LiveObject[] {
  const children = applications();
  return [...charts(), ...objects(), ...children, parent(children)];
}
