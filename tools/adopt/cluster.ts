import type { KubernetesObject } from "@kubernetes/client-node";
import type { Cluster, ObjectName } from "../repair/kubernetes.ts";

// What a takeover needs of a cluster: its objects, whole, and to change parts of them.

/** An object with all that its kind has. */
export interface LiveObject extends KubernetesObject {
  readonly [field: string]: unknown;
}

/** Objects of one kind. */
interface ObjectKind {
  readonly apiVersion: string;
  readonly kind: string;
}

/** A JSON merge patch (RFC 7386): null takes a field away. */
export type MergePatch = Readonly<Record<string, unknown>>;

/** A cluster as a takeover reads and changes it. Each call fails with the API server's own words. */
export interface AdoptCluster extends Pick<Cluster, "records"> {
  /** Undefined where there is no such object, or no such kind. */
  read(name: ObjectName): Promise<LiveObject | undefined>;
  /** All of a kind, in every namespace; none where there is no such kind. */
  list(kind: ObjectKind): Promise<LiveObject[]>;
  /** @throws when it is there already */
  create(object: LiveObject): Promise<void>;
  /** @throws when it is not there */
  patch(name: ObjectName, patch: MergePatch): Promise<void>;
  /** Deletes the object of this UID and nothing that it owns; one that is gone already is as it should be. */
  remove(name: ObjectName, uid: string): Promise<void>;
}
