import {
  ApiException,
  ApiextensionsV1Api,
  AppsV1Api,
  type ConfigurationOptions,
  CoreV1Api,
  CustomObjectsApi,
  createConfiguration,
  type KubeConfig,
  KubernetesObjectApi,
  type Middleware,
  ServerConfiguration,
  setHeaderOptions,
  type V1ObjectMeta,
  VersionApi,
} from "@kubernetes/client-node";
import { failureOf } from "./http.ts";

/** A cluster's API, of which each call ends by itself. */
export interface ClusterApi {
  readonly version: VersionApi;
  readonly core: CoreV1Api;
  readonly apps: AppsV1Api;
  readonly extensions: ApiextensionsV1Api;
  readonly custom: CustomObjectsApi;
  /** Objects of whatever kind. */
  readonly objects: KubernetesObjectApi;
}

/**
 * @param timeoutMs milliseconds for each call
 * @throws when the kubeconfig names no cluster
 */
export function clusterApi(kubeConfig: KubeConfig, timeoutMs: number): ClusterApi {
  const server = kubeConfig.getCurrentCluster()?.server;
  if (server === undefined) throw new Error("the kubeconfig has no current cluster");
  const limit: Middleware = {
    pre: async (request) => {
      request.setSignal(AbortSignal.timeout(timeoutMs));
      return request;
    },
    post: async (response) => response,
  };
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(server, {}),
    authMethods: { default: kubeConfig },
    promiseMiddleware: [limit],
  });
  return {
    version: new VersionApi(configuration),
    core: new CoreV1Api(configuration),
    apps: new AppsV1Api(configuration),
    extensions: new ApiextensionsV1Api(configuration),
    custom: new CustomObjectsApi(configuration),
    objects: new KubernetesObjectApi(configuration),
  };
}

/** Namespaces that Kubernetes makes, and that nobody deletes: https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/#initial-namespaces */
export const INITIAL_NAMESPACES: readonly string[] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/**
 * Lists objects without their contents: a release's Secret holds the whole chart, and nobody's keys are needed here.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
 *
 * @param list calls the API with the given options
 */
export async function metadataOf(
  list: (options: ConfigurationOptions) => Promise<{ items: readonly { metadata?: V1ObjectMeta }[] | null }>,
): Promise<V1ObjectMeta[]> {
  const accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
  const { items } = await list(setHeaderOptions("Accept", accept));
  // A list of this kind with nothing in it says null, and not [] as others do.
  return (items ?? []).map(({ metadata = {} }) => metadata);
}

/** The call, whose error says why the API server was of no use. */
export const worded = <T>(call: Promise<T>): Promise<T> =>
  call.catch((error) => {
    throw new Error(refusalOf(error));
  });

/** What the API server answers; undefined where there is no such object, or no such kind. */
export const ifThere = <T>(call: Promise<T>): Promise<T | undefined> =>
  call.catch((error) => {
    if (error instanceof ApiException && error.code === 404) return undefined;
    throw error;
  });

/** Why the API server was of no use: its own words, or those of the connection. */
export function refusalOf(error: unknown): string {
  if (!(error instanceof ApiException)) return failureOf(error);
  // Not the exception's own message, which repeats headers and body.
  const { message } = Object(typeof error.body === "string" ? parsed(error.body) : error.body) as { message?: string };
  return `the API server answers ${error.code}${message ? `: ${message}` : ""}`;
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
