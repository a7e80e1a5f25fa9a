import type { ApiException, KubeConfig } from "@kubernetes/client-node";
import { getClusterKubeConfig } from "@pulumi/oci/containerengine/getClusterKubeConfig.js";
import type { Cluster } from "../settings/cluster.ts";
import { loadContext } from "./kubeconfig.ts";

// What others have made in the cluster, which no provider lists: so the API server itself is asked. Its client takes half a
// second to load, which only a run pays that would take something away from them.

/** Milliseconds for each question. */
const CALL_MS = 10_000;

/** A kind of objects, as the API server is asked for them. */
export interface ListedKind {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
}

/** An object of the cluster, as far as it is looked at here. */
export interface Listed {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly kind: string }[];
  };
  readonly spec?: unknown;
}

/** What a cluster is asked. */
export interface Lists {
  /** The objects of a kind in all namespaces; none of a kind that the cluster does not know. */
  objects(kind: ListedKind): Promise<readonly Listed[]>;
  /** The namespaces that have pods with these labels; none for labels that nothing can have. */
  podNamespaces(labelSelector: string): Promise<readonly string[]>;
}

/** An API server. Each question ends by itself, and fails with the reason in one line. */
export interface ApiServer extends Lists {
  /** The namespaces of Deployments with these labels. */
  deploymentNamespaces(labelSelector: string): Promise<readonly string[]>;
}

/**
 * The API server of a cluster.
 *
 * @throws with the reason, when there is no way to it
 */
export async function apiServerOf(cluster: Cluster): Promise<ApiServer> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  if ("context" in cluster) loadContext(config, cluster, process.cwd());
  else {
    const { id: clusterId, endpoint } = cluster;
    config.loadFromString((await getClusterKubeConfig({ clusterId, endpoint, tokenVersion: "2.0.0" })).content);
  }
  return apiServerBy(config);
}

/**
 * {@link apiServerOf} by a kubeconfig.
 *
 * @throws when that has no current cluster
 */
export async function apiServerBy(config: KubeConfig): Promise<ApiServer> {
  const { AppsV1Api, CoreV1Api, createConfiguration, CustomObjectsApi, ServerConfiguration } = await import(
    "@kubernetes/client-node"
  );
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new Error("the kubeconfig has no current cluster");
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(server, {}),
    authMethods: { default: config },
    promiseMiddleware: [
      {
        pre: async (request) => {
          request.setSignal(AbortSignal.timeout(CALL_MS));
          return request;
        },
        post: async (response) => response,
      },
    ],
  });
  const custom = new CustomObjectsApi(configuration);
  const core = new CoreV1Api(configuration);
  const apps = new AppsV1Api(configuration);
  return {
    objects: async (kind) => {
      const list = await custom.listClusterCustomObject({ ...kind }).catch(noneFor(404));
      return (list as { items: Listed[] }).items;
    },
    podNamespaces: async (labelSelector) =>
      namespacesOf(await core.listPodForAllNamespaces({ labelSelector }).catch(noneFor(400))),
    deploymentNamespaces: async (labelSelector) =>
      namespacesOf(await apps.listDeploymentForAllNamespaces({ labelSelector }).catch(inOneLine)),
  };
}

const namespacesOf = ({ items }: { items: readonly { metadata?: { namespace?: string } }[] }) =>
  [...new Set(items.map(({ metadata }) => metadata?.namespace ?? ""))].sort();

/** Nothing where the API server answers this: 404 for a kind that it does not know, 400 for labels that are none. */
const noneFor =
  (code: 400 | 404) =>
  (error: Error): { items: never[] } =>
    (error as ApiException<unknown>).code === code ? { items: [] } : inOneLine(error);

/** @throws an answer's code, or what is wrong with the connection, which the error itself does not say */
function inOneLine(error: Error & { code?: unknown }): never {
  if (typeof error.code === "number") throw new Error(`the API server answers ${error.code}`);
  throw new Error(error.cause instanceof Error ? error.cause.message : error.message);
}
