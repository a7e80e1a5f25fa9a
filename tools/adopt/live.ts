import { type KubeConfig, type KubernetesObject, PatchStrategy } from "@kubernetes/client-node";
import { type ClusterApi, clusterApi, ifThere, worded } from "../lib/cluster-api.ts";
import { clusterOf, noSuchKind, type ObjectName } from "../repair/kubernetes.ts";
import { APPLICATION } from "./applications.ts";
import type { AdoptCluster, LiveObject } from "./cluster.ts";

/** Whom the API server notes as who has marked an object. */
const MANAGER = "oke-platform-adopt";

/**
 * A cluster by its API.
 *
 * @param timeoutMs milliseconds for each call
 */
export function adoptClusterOf(kubeConfig: KubeConfig, timeoutMs: number): AdoptCluster {
  const { objects }: ClusterApi = clusterApi(kubeConfig, timeoutMs);
  const header = ({ apiVersion, kind, name, namespace = "" }: ObjectName) => ({
    apiVersion,
    kind,
    metadata: { name, namespace },
  });
  return {
    records: clusterOf(async () => kubeConfig, timeoutMs).records,
    read: (name) => worded(ifThere(objects.read<KubernetesObject>(header(name))).catch(noSuchKind)) as Read,
    async list({ apiVersion, kind }) {
      const list = await worded(ifThere(objects.list(apiVersion, kind)).catch(noSuchKind));
      // A list leaves out of its items what it says itself.
      return (list?.items ?? []).map((item) => ({ ...item, apiVersion, kind }));
    },
    async create(object) {
      await worded(objects.create(object, undefined, undefined, MANAGER));
    },
    async patch(name, patch) {
      const body = { ...header(name), ...patch, metadata: { ...header(name).metadata, ...(patch.metadata as object) } };
      await worded(objects.patch(body, undefined, undefined, MANAGER, undefined, PatchStrategy.MergePatch));
    },
    async remove(name, uid) {
      // To orphan is the garbage collector's work, for which an object waits; what owns nothing goes at once.
      const propagationPolicy = name.kind === APPLICATION.kind ? "Orphan" : "Background";
      const body = { preconditions: { uid }, propagationPolicy };
      const removed = objects.delete(header(name), undefined, undefined, undefined, undefined, undefined, body);
      await worded(ifThere(removed).catch(noSuchKind));
    },
  };
}

type Read = Promise<LiveObject | undefined>;
