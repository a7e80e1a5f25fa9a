import type { ApiServer } from "./api-server.ts";

/** Who External Secrets serves, and who else does. */
export interface Users {
  /** What is synced by it, `<kind> <namespace>/<name>`, sorted. */
  readonly served: readonly string[];
  /** Namespaces with a controller of External Secrets. */
  readonly controllers: readonly string[];
}

/** What External Secrets syncs, and in which versions of its API the objects are listed. */
export const SYNCED = {
  ExternalSecret: { group: "external-secrets.io", version: "v1", plural: "externalsecrets" },
  PushSecret: { group: "external-secrets.io", version: "v1alpha1", plural: "pushsecrets" },
} as const;

/**
 * Asks whom a cluster's External Secrets serves.
 *
 * @throws with the reason, when it cannot be asked
 */
export async function externalSecretsUsers(server: ApiServer): Promise<Users> {
  const lists = Object.entries(SYNCED).map(async ([kind, listed]) =>
    (await server.objects(listed)).map(({ metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`),
  );
  const [controllers, ...served] = await Promise.all([
    server.deploymentNamespaces("app.kubernetes.io/name=external-secrets"),
    ...lists,
  ]);
  return { served: served.flat().sort(), controllers };
}
