import type { AdoptCluster, LiveObject, MergePatch } from "../../../tools/adopt/cluster.ts";
import { keyOf, nameOf } from "../../../tools/adopt/found.ts";
import type { HelmRecord } from "../../../tools/repair/kubernetes.ts";

/** A cluster in memory that remembers who changed what. */
export interface MemoryCluster extends AdoptCluster {
  readonly objects: Map<string, LiveObject>;
  /** Every change, in its order. */
  readonly changes: string[];
  /** Happens before each change; may throw, as a run that is cut off. */
  before: (change: string) => void;
}

/** RFC 7386. */
function mergePatched(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const merged: Record<string, unknown> = { ...(typeof target === "object" && target !== null ? target : {}) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = mergePatched(merged[key], value);
  }
  return merged;
}

export function memoryCluster(
  live: readonly LiveObject[],
  records: ReadonlyMap<string, HelmRecord[]> = new Map(),
): MemoryCluster {
  const objects = new Map<string, LiveObject>();
  let uids = 0;
  const put = (object: LiveObject) => {
    const metadata = { uid: `uid-${uids++}`, ...object.metadata };
    objects.set(keyOf(nameOf(object)), { ...object, metadata });
  };
  for (const object of live) put(structuredClone(object));
  const changed = (what: string) => {
    cluster.before(what);
    cluster.changes.push(what);
  };
  const cluster: MemoryCluster = {
    objects,
    changes: [],
    before: () => {},
    records: async () => new Map(records),
    read: async (name) => structuredClone(objects.get(keyOf(name))),
    list: async ({ apiVersion, kind }) =>
      [...objects.values()].filter(
        (it) => it.kind === kind && it.apiVersion?.split("/")[0] === apiVersion.split("/")[0],
      ),
    async create(object) {
      const key = keyOf(nameOf(object));
      if (objects.has(key)) throw new Error(`the API server answers 409: ${key} already exists`);
      changed(`create ${key}`);
      put(object);
    },
    async patch(name, patch: MergePatch) {
      const key = keyOf(name);
      const there = objects.get(key);
      if (there === undefined) throw new Error(`the API server answers 404: ${key} not found`);
      changed(`patch ${key} ${JSON.stringify(patch)}`);
      objects.set(key, mergePatched(there, patch) as LiveObject);
    },
    async remove(name, uid) {
      const key = keyOf(name);
      const there = objects.get(key);
      if (there === undefined) return;
      if (there.metadata?.uid !== uid) throw new Error(`the API server answers 409: ${key} has another UID`);
      changed(`remove ${key}`);
      objects.delete(key);
    },
  };
  return cluster;
}
