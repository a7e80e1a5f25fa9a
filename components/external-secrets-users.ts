import type { ApiException, KubeConfig } from "@kubernetes/client-node";
import { getClusterKubeConfig } from "@pulumi/oci/containerengine/getClusterKubeConfig.js";
import type { Cluster } from "../settings/cluster.ts";
import { loadContext } from "./kubeconfig.ts";

// Whom the cluster's External Secrets serves. No provider lists what others have made, so that the API server is asked; its
// client takes half a second to load, which only a run pays that takes External Secrets away.

/** Milliseconds for each question. */
const CALL_MS = 10_000;

/** Who External Secrets serves, and who else does. */
export interface Users {
  /** What is synced by it, `<kind> <namespace>/<name>`, sorted. */
  readonly served: readonly string[];
  /** Namespaces with a controller of External Secrets. */
  readonly controllers: readonly string[];
}

/** What External Secrets syncs, and in which versions of its API the objects are listed. */
const KINDS = [
  { kind: "ExternalSecret", plural: "externalsecrets", version: "v1" },
  { kind: "PushSecret", plural: "pushsecrets", version: "v1alpha1" },
];

/**
 * Asks a cluster.
 *
 * @throws with the reason, when it cannot be asked
 */
export async function externalSecretsUsers(cluster: Cluster): Promise<Users> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  if ("context" in cluster) loadContext(config, cluster, process.cwd());
  else {
    const { id: clusterId, endpoint } = cluster;
    config.loadFromString((await getClusterKubeConfig({ clusterId, endpoint, tokenVersion: "2.0.0" })).content);
  }
  return usersIn(config);
}

/**
 * {@link externalSecretsUsers} by a kubeconfig.
 *
 * @throws with the reason, when it cannot be asked
 */
export async function usersIn(config: KubeConfig): Promise<Users> {
  const { AppsV1Api, createConfiguration, CustomObjectsApi, ServerConfiguration } = await import(
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
  const objects = new CustomObjectsApi(configuration);
  const deployments = new AppsV1Api(configuration);
  const lists = KINDS.map(async ({ kind, ...resource }) => {
    const found = objects.listClusterCustomObject({ group: "external-secrets.io", ...resource });
    const { items } = (await found.catch(nothingIfUnknown)) as { items: Listed[] };
    return items.map(({ metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`);
  });
  const labelSelector = "app.kubernetes.io/name=external-secrets";
  const [running, ...served] = await Promise.all([
    deployments.listDeploymentForAllNamespaces({ labelSelector }),
    ...lists,
  ]).catch((error) => {
    throw new Error(reasonOf(error));
  });
  return {
    served: served.flat().sort(),
    controllers: running.items.map(({ metadata }) => metadata?.namespace ?? "").sort(),
  };
}

interface Listed {
  readonly metadata: { readonly name: string; readonly namespace: string };
}

/** A kind that the cluster does not know has no objects. */
function nothingIfUnknown(error: Error): { items: Listed[] } {
  if ((error as ApiException<unknown>).code === 404) return { items: [] };
  throw error;
}

/** In one line: an answer's code, or what is wrong with the connection, which the error itself does not say. */
function reasonOf(error: Error & { code?: unknown }): string {
  if (typeof error.code === "number") return `the API server answers ${error.code}`;
  return error.cause instanceof Error ? error.cause.message : error.message;
}
