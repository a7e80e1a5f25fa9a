import type { Judged } from "../../components/admission.ts";
import { saidBy } from "../../components/doors.ts";
import { issuerNames } from "../../components/issuer.ts";
import { ISTIO_NAMESPACE, ISTIOD } from "../../components/istio.ts";
import { SECRET_STORE } from "../../components/secret-store.ts";
import type { DoorName } from "../../components/tenants.ts";
import { GATEWAY } from "../../components/tls-gateway.ts";
import type { Settings } from "../../settings/settings.ts";
import type { Door } from "../../settings/tenancy.ts";
import { type ClusterApi, ifThere } from "./cluster-api.ts";

const gateways = { group: "networking.istio.io", version: "v1", plural: "gateways" };
const issuers = { group: "cert-manager.io", version: "v1", plural: "clusterissuers" };
const stores = { group: "external-secrets.io", version: "v1", plural: "clustersecretstores" };

/** Reads the object that holds a door. */
const holders: Readonly<Record<DoorName, (api: ClusterApi, settings: Settings) => Promise<unknown>>> = {
  routes: ({ custom }) => custom.getNamespacedCustomObject({ ...gateways, namespace: ISTIO_NAMESPACE, name: GATEWAY }),
  gateways: async ({ apps }) => {
    const istiod = await apps.readNamespacedDeployment({ namespace: ISTIO_NAMESPACE, name: ISTIOD });
    const variables = istiod.spec?.template.spec?.containers.flatMap(({ env = [] }) => env) ?? [];
    // As the values of its chart say it.
    return { values: { env: Object.fromEntries(variables.map(({ name, value }) => [name, value])) } };
  },
  certificates: ({ custom }, { issuer }) =>
    custom.getClusterCustomObject({ ...issuers, name: issuerNames(issuer)[0] ?? "" }),
  secrets: ({ custom }) => custom.getClusterCustomObject({ ...stores, name: SECRET_STORE }),
};

/**
 * Whom a door lets in as the cluster has it; undefined where nobody holds it.
 *
 * @throws as the API server refuses
 */
export async function doorIn(api: ClusterApi, settings: Settings, door: DoorName): Promise<Door | undefined> {
  const holder = await ifThere(holders[door](api, settings));
  return holder === undefined ? undefined : saidBy[door](holder as Judged);
}
