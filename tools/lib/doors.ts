import type { Judged } from "../../components/admission.ts";
import { type Doors, saidBy } from "../../components/doors.ts";
import { issuerNames } from "../../components/issuer.ts";
import { ISTIO_NAMESPACE, ISTIOD_RELEASE } from "../../components/istio.ts";
import { SECRET_STORE } from "../../components/secret-store.ts";
import { GATEWAY } from "../../components/tls-gateway.ts";
import type { Settings } from "../../settings/settings.ts";
import { type ClusterApi, ifThere } from "./cluster-api.ts";

/** Whom each door lets in, as the cluster has it; undefined where nobody holds it. */
export type DoorsThere = { readonly [Name in keyof Doors]: Doors[Name] | undefined };

/**
 * Reads whom the doors of a cluster let in.
 *
 * @throws as the API server refuses
 */
export async function doorsIn({ custom, apps }: ClusterApi, { issuer }: Settings): Promise<DoorsThere> {
  const [name = ""] = issuerNames(issuer);
  const gateways = { group: "networking.istio.io", version: "v1", plural: "gateways" };
  const issuers = { group: "cert-manager.io", version: "v1", plural: "clusterissuers" };
  const stores = { group: "external-secrets.io", version: "v1", plural: "clustersecretstores" };
  const held = async (door: keyof Doors, holder: Promise<unknown>) => {
    const written = await ifThere(holder);
    return written === undefined ? undefined : saidBy[door](written as Judged);
  };
  const [routes, istiod, certificates, secrets] = await Promise.all([
    held("routes", custom.getNamespacedCustomObject({ ...gateways, namespace: ISTIO_NAMESPACE, name: GATEWAY })),
    ifThere(apps.readNamespacedDeployment({ namespace: ISTIO_NAMESPACE, name: ISTIOD_RELEASE })),
    held("certificates", custom.getClusterCustomObject({ ...issuers, name })),
    held("secrets", custom.getClusterCustomObject({ ...stores, name: SECRET_STORE })),
  ]);
  const variables = istiod?.spec?.template.spec?.containers.flatMap(({ env = [] }) => env);
  const env = variables && Object.fromEntries(variables.map(({ name, value }) => [name, value]));
  return { routes, gateways: env && saidBy.gateways({ values: { env } }), certificates, secrets };
}
