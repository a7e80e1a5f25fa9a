import type { IncomingMessage } from "node:http";
import { KubeConfig } from "@kubernetes/client-node";
import { answering, type Reply } from "../../loopback.ts";
import { keptDefinitions, type Metadata } from "./definitions.ts";
import { tokens } from "./examination.ts";
import { ADDRESS } from "./oci-stand-in.ts";

// The cluster's API as the doctor asks it, refusals included.

interface Service {
  metadata: Metadata;
  spec: { type: string; ports: { port: number; name?: string; appProtocol?: string }[] };
  status: { loadBalancer: { ingress?: { ip: string }[] } };
}

/** How the cluster is; a test plants its fault here. */
export interface ClusterState {
  version: { major: string; minor: string; gitVersion: string };
  namespaces: (Metadata & { deletionTimestamp?: string })[];
  services: Service[];
  /** `<namespace>/<name>`. */
  deployments: string[];
  releases: Metadata[];
  /** Secrets beside those of releases. */
  secrets: Metadata[];
  /** The Certificate's private key, as it is asked for. @default - there is no Certificate */
  privateKey?: object;
  /** URIs of ACME accounts, by the ClusterIssuer's name. */
  accounts: Record<string, string>;
  definitions: Metadata[];
  /** Undefined without ArgoCD. */
  applications: { metadata: Metadata; spec: Record<string, unknown> }[] | undefined;
  /** What is answered to labels on a namespace, by its name. @default - nothing is said */
  labelled: Record<string, Reply>;
  /** Paths that RBAC forbids. */
  forbidden: RegExp | undefined;
  /** How often it was asked for a list with all that is in it. */
  wholeLists: number;
}

/** What Helm's command line leaves. */
export const byHelm = [{ manager: "Helm", operation: "Update" }];
export const byPulumi = [{ manager: "pulumi-kubernetes", operation: "Update" }];

export const namespace = (
  name: string,
  managedFields = [{ manager: "kubectl-create", operation: "Update" }],
): Metadata => ({
  name,
  labels: { "kubernetes.io/metadata.name": name },
  managedFields,
});

export const service = (at: string, name: string, ...ports: number[]): Service => ({
  metadata: { name, namespace: at },
  spec: { type: "ClusterIP", ports: ports.map((port) => ({ port })) },
  status: { loadBalancer: {} },
});

/** The Secret in which Helm keeps a revision of a release. */
export const release = (
  at: string,
  name: string,
  { revision = 1, status = "deployed", managedFields = byHelm } = {},
): Metadata => ({
  name: `sh.helm.release.v1.${name}.v${revision}`,
  namespace: at,
  labels: { createdAt: "1795000000", name, owner: "helm", status, version: String(revision) },
  managedFields,
});

/** Before the first `up`, all well. */
export const freshCluster = (): ClusterState => ({
  version: { major: "1", minor: "34", gitVersion: "v1.34.4" },
  namespaces: [namespace("vault"), namespace("argocd"), namespace("kube-system")],
  services: [service("vault", "vault", 8200, 8201), service("argocd", "argocd-server", 80, 443)],
  deployments: [],
  // Somebody else's, which is in nobody's way.
  releases: [release("vault", "vault"), release("monitoring", "istio-ingressgateway")],
  secrets: [],
  accounts: {},
  definitions: [{ name: "gateways.gateway.networking.k8s.io" }],
  applications: undefined,
  labelled: {},
  forbidden: undefined,
  wholeLists: 0,
});

/** What a destroy keeps in cert-manager's namespace: the certificate, and the key of the ACME account. */
export const keptSecrets = (): Metadata[] => [
  {
    name: "cert-manager-tls-wildcard-cluster",
    namespace: "cert-manager",
    annotations: { "cert-manager.io/issuer-name": "cluster-issuer-letsencrypt" },
  },
  { name: "cluster-issuer-letsencrypt", namespace: "cert-manager" },
];

/** The URI of the platform's ACME account. */
const ACCOUNT = "https://acme-v02.api.letsencrypt.org/acme/acct/1234";

/** After an `up`, all well. */
export function runningCluster(): ClusterState {
  const cluster = freshCluster();
  cluster.namespaces.push(
    namespace("cert-manager", byPulumi),
    // Applied with nothing but their names, of which nobody is noted.
    namespace("istio-system", []),
    namespace("external-secrets", []),
  );
  const mine = { managedFields: byPulumi };
  cluster.releases.push(
    release("cert-manager", "cert-manager", { ...mine, status: "superseded" }),
    release("cert-manager", "cert-manager", { ...mine, revision: 2 }),
    release("kube-system", "reflector", mine),
    release("istio-system", "istio-base", mine),
    release("istio-system", "istiod", mine),
    release("istio-system", "istio-ingressgateway", mine),
    release("external-secrets", "external-secrets", mine),
  );
  cluster.definitions = keptDefinitions();
  cluster.secrets = keptSecrets();
  cluster.accounts["cluster-issuer-letsencrypt"] = ACCOUNT;
  cluster.deployments.push("cert-manager/cert-manager");
  cluster.services.push({
    metadata: { name: "istio-ingressgateway", namespace: "istio-system" },
    spec: { type: "LoadBalancer", ports: [{ port: 80 }, { port: 443 }] },
    status: { loadBalancer: { ingress: [{ ip: ADDRESS }] } },
  });
  return cluster;
}

/** A way into a cluster. */
export const kubeConfigFor = (server: string, token = tokens.kubernetes): KubeConfig => {
  const config = new KubeConfig();
  config.loadFromOptions({
    // The client takes no plain HTTP otherwise.
    clusters: [{ name: "test", server, skipTLSVerify: true }],
    users: [{ name: "test", token }],
    contexts: [{ name: "test", cluster: "test", user: "test" }],
    currentContext: "test",
  });
  return config;
};

/** Starts the API of a cluster. */
export const startCluster = (state: ClusterState): Promise<string> =>
  answering(({ url, request }) => {
    const isList = /\/(secrets|customresourcedefinitions)$/.test(url.pathname);
    if (isList && !isMetadataOnly(request)) state.wholeLists++;
    return answer(state, url, request);
  });

export const failure = (status: number, reason: string, message: string): Reply => ({
  status,
  body: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code: status },
});

const isMetadataOnly = ({ headers }: IncomingMessage) =>
  headers.accept?.includes("as=PartialObjectMetadataList") ?? false;

function answer(state: ClusterState, url: URL, request: IncomingMessage): Reply {
  const path = url.pathname;
  if (request.headers.authorization !== `Bearer ${tokens.kubernetes}`)
    return failure(401, "Unauthorized", "Unauthorized");
  if (state.forbidden?.test(path))
    return failure(403, "Forbidden", `"${path}" is forbidden: User "doctor" cannot list it`);
  const found = (kind: string, name: string, item: object | undefined) =>
    item === undefined ? failure(404, "NotFound", `${kind} "${name}" not found`) : { body: item };
  // Only those who ask for nothing but metadata are spared the rest.
  const list = (items: { metadata: Metadata }[], rest: object): Reply => {
    const onlyMetadata = isMetadataOnly(request);
    return {
      body: {
        kind: onlyMetadata ? "PartialObjectMetadataList" : "List",
        apiVersion: onlyMetadata ? "meta.k8s.io/v1" : "v1",
        metadata: { resourceVersion: "1" },
        items:
          onlyMetadata && items.length === 0 ? null : items.map((item) => (onlyMetadata ? item : { ...item, ...rest })),
      },
    };
  };
  const [, at = "", kind = "", name = ""] =
    /^\/(?:api\/v1|apis\/apps\/v1)\/namespaces\/([^/]+)(?:\/([^/]+)\/([^/]+))?$/.exec(path) ?? [];
  if (path.replace(/\/$/, "") === "/version") return { body: { ...state.version, platform: "linux/arm64" } };
  const issuer = /^\/apis\/cert-manager\.io\/v1\/clusterissuers\/(.+)$/.exec(path)?.[1] ?? "";
  if (issuer !== "") {
    const uri = state.accounts[issuer];
    return found("clusterissuers", issuer, uri === undefined ? undefined : { status: { acme: { uri } } });
  }
  if (path === "/apis/cert-manager.io/v1/namespaces/cert-manager/certificates/tls-wildcard-cluster")
    return found(
      "certificates",
      "tls-wildcard-cluster",
      state.privateKey && { spec: { privateKey: state.privateKey } },
    );
  const [, named] = /^metadata\.name=(.+)$/.exec(url.searchParams.get("fieldSelector") ?? "") ?? [];
  if (path === "/api/v1/secrets" && named !== undefined)
    return list(
      state.secrets.filter(({ name }) => name === named).map((metadata) => ({ metadata })),
      { data: { "tls.key": "that-nobody-reads" } },
    );
  if (path === "/api/v1/secrets") {
    const wanted = ["owner=helm", "type=helm.sh/release.v1"];
    const given = [url.searchParams.get("labelSelector"), url.searchParams.get("fieldSelector")];
    if (given.join() !== wanted.join()) return failure(400, "BadRequest", `all Secrets were asked for, by ${given}`);
    return list(
      state.releases.map((metadata) => ({ metadata })),
      { type: "helm.sh/release.v1", data: { release: "what-only-helm-needs" } },
    );
  }
  if (path === "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
    return list(
      state.definitions.map((metadata) => ({ metadata })),
      { spec: {} },
    );
  if (path === "/apis/argoproj.io/v1alpha1/applications")
    return state.applications === undefined
      ? { status: 404, body: "404 page not found\n" }
      : {
          body: {
            apiVersion: "argoproj.io/v1alpha1",
            kind: "ApplicationList",
            metadata: {},
            items: state.applications,
          },
        };
  if (at !== "" && kind === "" && request.method === "PATCH") {
    // Whatever is asked of the doctor, it must change nothing.
    if (url.searchParams.get("dryRun") !== "All") throw new Error(`${url} would change the namespace`);
    const isForced = url.searchParams.get("force") === "true";
    return (isForced ? state.labelled[`${at}, by force`] : state.labelled[at]) ?? { body: {} };
  }
  if (at !== "" && kind === "") {
    const metadata = state.namespaces.find((metadata) => metadata.name === at);
    return found("namespaces", at, metadata && { kind: "Namespace", apiVersion: "v1", metadata });
  }
  if (kind === "services") {
    const item = state.services.find(({ metadata }) => metadata.namespace === at && metadata.name === name);
    return found(kind, name, item && { kind: "Service", apiVersion: "v1", ...item });
  }
  if (kind === "deployments") {
    const metadata = state.deployments.includes(`${at}/${name}`) ? { name, namespace: at } : undefined;
    return found(kind, name, metadata && { kind: "Deployment", apiVersion: "apps/v1", metadata });
  }
  return failure(404, "NotFound", `the server has no ${path}`);
}
