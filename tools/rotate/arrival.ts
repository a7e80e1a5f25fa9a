import { CoreV1Api, CustomObjectsApi, type KubeConfig, setHeaderOptions } from "@kubernetes/client-node";
import { CERT_MANAGER_NAMESPACE } from "../../components/cert-manager.ts";
import { KV_VERSION, TOKEN_SECRET } from "../../components/token-secret.ts";
import { watchUntil } from "../lib/watch.ts";

// How a new token is seen to reach the cluster, without a look at it.

/** The Secret with the token that cert-manager uses, and the ExternalSecret that fills it. */
export const SECRET = { namespace: CERT_MANAGER_NAMESPACE, name: TOKEN_SECRET };
const EXTERNAL_SECRETS = { group: "external-secrets.io", version: "v1", plural: "externalsecrets" };

/** What tells that a token is in the cluster. */
export interface Arrival {
  /** Version of the write in Vault that the Secret's value is from; 0 when none is told. */
  readonly version: number;
  readonly resourceVersion: string;
}

/** What the Secret tells of the token in it; its data are not asked for. */
export async function arrivalIn(kubeConfig: KubeConfig): Promise<Arrival | undefined> {
  const metadataOnly = setHeaderOptions("Accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
  const secret = await kubeConfig
    .makeApiClient(CoreV1Api)
    .readNamespacedSecret(SECRET, metadataOnly)
    .catch((error: { code?: number; message?: string }) => {
      if (error.code === 404) return undefined;
      throw new Error(
        `Secret ${SECRET.namespace}/${SECRET.name} cannot be read: ${error.code ?? ""} ${error.message ?? error}`,
      );
    });
  if (secret === undefined) return undefined;
  const { annotations = {}, resourceVersion = "" } = secret.metadata ?? {};
  return { version: Number(annotations[KV_VERSION] ?? 0), resourceVersion };
}

interface ExternalSecret {
  readonly status?: {
    readonly refreshTime?: string;
    readonly syncedResourceVersion?: string;
    readonly conditions?: { readonly type: string; readonly message?: string }[];
  };
}

async function externalSecretIn(kubeConfig: KubeConfig): Promise<ExternalSecret | undefined> {
  const object = { ...EXTERNAL_SECRETS, ...SECRET };
  const found = kubeConfig.makeApiClient(CustomObjectsApi).getNamespacedCustomObject(object);
  return (await found.catch((error: { code?: number }) => {
    if (error.code === 404) return undefined;
    throw error;
  })) as ExternalSecret | undefined;
}

/** What is to arrive. */
interface Awaited {
  /** Version of the write in Vault. */
  readonly version: number;
  /** What {@link lastSync} told before the write; undefined for a version that had arrived already. */
  readonly after?: string | undefined;
}

/**
 * Which version of the ExternalSecret was synced last, in External Secrets' own words, which take in its annotations:
 * the one that asks for a write of its own makes another.
 * https://github.com/external-secrets/external-secrets/blob/v2.9.0/pkg/controllers/externalsecret/externalsecret_controller.go
 */
export const lastSync = async (kubeConfig: KubeConfig): Promise<string | undefined> =>
  (await externalSecretIn(kubeConfig))?.status?.syncedResourceVersion;

/**
 * Waits until the cluster holds a version.
 *
 * @throws when it does not within that time, with what External Secrets says
 */
export async function awaitArrival(
  kubeConfig: KubeConfig,
  { version, after }: Awaited,
  seconds: number,
): Promise<Arrival & { syncedAt: string }> {
  const { namespace, name } = SECRET;
  const { group, version: apiVersion, plural } = EXTERNAL_SECRETS;
  let status: ExternalSecret["status"];
  const collection = `/apis/${group}/${apiVersion}/namespaces/${namespace}/${plural}`;
  // The Secret is written first, then the ExternalSecret's status: the one to watch without seeing a token.
  const found = await watchUntil(kubeConfig, { collection, name }, seconds, async () => {
    const arrival = await arrivalIn(kubeConfig);
    status = (await externalSecretIn(kubeConfig))?.status;
    const { refreshTime, syncedResourceVersion } = status ?? {};
    if (arrival === undefined || arrival.version < version || refreshTime === undefined) return undefined;
    // Between the two writes the status is still that of the sync before.
    if (after !== undefined && syncedResourceVersion === after) return undefined;
    return { ...arrival, syncedAt: refreshTime };
  });
  if (found !== undefined) return found;
  const message = status?.conditions?.find(({ type }) => type === "Ready")?.message ?? "nothing";
  throw new Error(
    `version ${version} has not reached Secret ${namespace}/${name} within ${seconds} s; External Secrets says: ${message}. The ` +
      "token that the cluster holds is valid until the next serial. The rotation is done when the Secret has that version in " +
      `its annotation ${KV_VERSION}; no other begins before`,
  );
}
