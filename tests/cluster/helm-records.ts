import type { Manifest } from "./api-server.ts";

/**
 * The Secret in which Helm keeps a revision of a release.
 *
 * @param stored what it says of it: base64 of gzip of JSON
 * @param modifiedAt seconds since the epoch. @default - it was never changed
 */
export const helmRecord = (
  { namespace, name, revision, status }: { namespace: string; name: string; revision: number; status: string },
  stored: string,
  modifiedAt?: number,
): Manifest => ({
  apiVersion: "v1",
  kind: "Secret",
  type: "helm.sh/release.v1",
  metadata: {
    name: `sh.helm.release.v1.${name}.v${revision}`,
    namespace,
    labels: {
      ...{ name, owner: "helm", status, version: String(revision) },
      ...(modifiedAt !== undefined && { modifiedAt: String(modifiedAt) }),
    },
  },
  data: { release: Buffer.from(stored).toString("base64") },
});
