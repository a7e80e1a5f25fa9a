import { gunzipSync, gzipSync } from "node:zlib";
import { type KubeConfig, type KubernetesObject, setHeaderOptions, type V1ObjectMeta } from "@kubernetes/client-node";
import { isBare, isPulumis } from "../doctor/cluster-reader.ts";
import { type ClusterApi, clusterApi, ifThere, metadataOf, worded } from "../lib/cluster-api.ts";

// A cluster's objects, and the records that Helm keeps in it: https://github.com/helm/helm/blob/v3.20.0/pkg/storage/driver/secrets.go

/** An object that is there. */
export interface LiveObject {
  /** Whether Pulumi's provider made it. */
  readonly byPulumi: boolean;
  /** The field manager by which the provider applied it; another would conflict with it at the next change. */
  readonly manager: string | undefined;
}

/** The Secret of one revision of a release. */
export interface HelmRecord {
  /** The Secret's name. */
  readonly name: string;
  readonly uid: string;
  readonly revision: number;
  /** As `helm status` says it. */
  readonly status: string;
  readonly changedAt: Date;
  readonly byPulumi: boolean;
}

/** What names an object of a cluster. */
export interface ObjectName {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

/** A cluster, as far as a repair needs it. */
export interface Cluster {
  /** Undefined where there is no such object, or no such kind. */
  object(name: ObjectName): Promise<LiveObject | undefined>;
  /** The records of every release, by `<namespace>/<release>`, oldest first. */
  records(): Promise<Map<string, HelmRecord[]>>;
  /** Deletes a record, if it is still the one that was found. */
  deleteRecord(namespace: string, record: HelmRecord): Promise<void>;
  /** Has a record say that its revision has failed. */
  failRecord(namespace: string, record: HelmRecord): Promise<void>;
}

/**
 * A cluster by its API. Each call fails with the API server's own words.
 *
 * @param timeoutMs milliseconds for each call
 */
export function clusterOf(kubeConfig: () => Promise<KubeConfig>, timeoutMs: number): Cluster {
  let api: Promise<ClusterApi> | undefined;
  const asked = async <T>(call: (api: ClusterApi) => Promise<T>): Promise<T> => {
    api ??= kubeConfig().then((config) => clusterApi(config, timeoutMs));
    return worded(call(await api));
  };
  return {
    object: ({ apiVersion, kind, name, namespace = "" }) =>
      asked(async ({ objects }) => {
        const header = { apiVersion, kind, metadata: { name, namespace } };
        const found = await ifThere(objects.read<KubernetesObject>(header)).catch(noSuchKind);
        return found?.metadata && liveObject(kind, found.metadata);
      }),
    records: () =>
      asked(async ({ core }) => {
        const selectors = { labelSelector: "owner=helm", fieldSelector: "type=helm.sh/release.v1" };
        const releases = new Map<string, HelmRecord[]>();
        for (const metadata of await metadataOf((options) => core.listSecretForAllNamespaces(selectors, options))) {
          const key = `${metadata.namespace}/${metadata.labels?.name}`;
          releases.set(key, [...(releases.get(key) ?? []), recordOf(metadata)]);
        }
        for (const records of releases.values()) records.sort((a, b) => a.revision - b.revision);
        return releases;
      }),
    deleteRecord: (namespace, { name, uid }) =>
      asked(async ({ core }) => {
        await ifThere(core.deleteNamespacedSecret({ name, namespace, body: { preconditions: { uid } } }));
      }),
    failRecord: (namespace, { name, uid }) =>
      asked(async ({ core }) => {
        const { data, metadata } = await core.readNamespacedSecret({ name, namespace });
        if (metadata?.uid !== uid) throw new Error(`record ${name} in ${namespace} was made anew meanwhile`);
        const body = {
          // Refused where somebody has written in between.
          metadata: { resourceVersion: metadata.resourceVersion, labels: { status: "failed" } },
          data: { release: failed(data?.release ?? "") },
        };
        const merge = setHeaderOptions("Content-Type", "application/merge-patch+json");
        await core.patchNamespacedSecret({ name, namespace, body }, merge);
      }),
  };
}

/** What the client throws for a kind that the API server does not list, as one of a chart that is not installed. */
export function noSuchKind(error: unknown): undefined {
  if (error instanceof Error && /^Unrecognized API version and kind/.test(error.message)) return undefined;
  throw error;
}

function liveObject(kind: string, metadata: V1ObjectMeta): LiveObject {
  const applied = metadata.managedFields?.find(
    ({ manager = "", operation }) => operation === "Apply" && manager.startsWith("pulumi-kubernetes-"),
  );
  return {
    byPulumi: isPulumis(metadata) || (kind === "Namespace" && isBare(metadata)),
    manager: applied?.manager,
  };
}

function recordOf(metadata: V1ObjectMeta): HelmRecord {
  const { version = "0", status = "unknown", modifiedAt } = metadata.labels ?? {};
  const changedAt = modifiedAt === undefined ? metadata.creationTimestamp : new Date(Number(modifiedAt) * 1000);
  return {
    name: metadata.name ?? "",
    uid: metadata.uid ?? "",
    revision: Number(version),
    status,
    changedAt: new Date(changedAt ?? 0),
    byPulumi: isPulumis(metadata),
  };
}

/** A release as Helm stores it, with another status. */
function failed(stored: string): string {
  const release = releaseIn(stored);
  const info = { ...release.info, status: "failed", description: "a run was cut off" };
  const encoded = gzipSync(JSON.stringify({ ...release, info })).toString("base64");
  return Buffer.from(encoded).toString("base64");
}

/** What Helm stores of a release, as far as it is read here. */
export interface StoredRelease {
  readonly info: Readonly<Record<string, unknown>>;
  readonly chart?: { readonly metadata?: { readonly name?: string; readonly version?: string } };
  /** The values that were given to it. */
  readonly config?: Readonly<Record<string, unknown>> | null;
  /** All of its objects as YAML, but for hooks. */
  readonly manifest?: string;
}

/** A release in the data of its record: base64 of base64 of gzip of JSON. */
export function releaseIn(stored: string): StoredRelease {
  const decoded = Buffer.from(Buffer.from(stored, "base64").toString(), "base64");
  return JSON.parse(gunzipSync(decoded).toString()) as StoredRelease;
}
