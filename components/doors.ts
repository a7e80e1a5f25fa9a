import type { Settings } from "../settings/settings.ts";
import type { Door } from "../settings/tenancy.ts";
import type { Judged } from "./admission.ts";
import { CERT_MANAGER_NAMESPACE } from "./cert-manager.ts";
import { certificateTableOf } from "./certificate-policy.ts";
import { issuerIsFor } from "./issuer.ts";
import { ISTIO_NAMESPACE, scopesGateways } from "./istio.ts";
import { storeIsFor } from "./secret-store.ts";
import type { DoorName, ShutOut } from "./tenants.ts";
import { hostsOnTls, servedHosts, servedOf } from "./tls-gateway.ts";

// Each door is held by an object of the cluster, which says whom it lets in: what the settings ask of it, and what it says
// before they hold.

/** Whom each door lets in: namespaces, and for routes the hosts of the Gateway, each with its namespace. */
export type Doors = Readonly<Record<DoorName, Door>>;

/** Whom the settings let in. */
export function doorsBy(settings: Settings): Doors {
  const { routes, secrets } = settings.tenancy;
  return {
    routes: servedHosts({ ...settings, namespace: ISTIO_NAMESPACE }),
    gateways: routes === "all" ? "all" : [],
    certificates: certificateTableOf(settings)?.namespaces ?? "all",
    secrets: secrets === "all" ? "all" : [...new Set([CERT_MANAGER_NAMESPACE, ...secrets])],
  };
}

/** Whom a door lets in, by the object that holds it: Gateway, istiod's release, ClusterIssuer or ClusterSecretStore. */
export const saidBy: Readonly<Record<DoorName, (holder: Judged & { readonly values?: unknown }) => Door>> = {
  routes: hostsOnTls,
  gateways: ({ values }) =>
    scopesGateways((values as { env?: Record<string, unknown> } | undefined)?.env) ? [] : "all",
  certificates: issuerIsFor,
  secrets: storeIsFor,
};

/** Whether a door lets in less than before. */
export const closes = (now: Door, then: Door): boolean =>
  then !== "all" && (now === "all" || now.some((it) => !then.includes(it)));

/** Whether something of others is let in by what a door says now, and not any more by what it will say. */
export function isCut(shutOut: ShutOut, now: Door, then: Door): boolean {
  const after = admitted(shutOut, then);
  return admitted(shutOut, now).some((it) => !after.includes(it));
}

/** What of an object gets through a door: hosts of a route, of all else its namespace. */
function admitted({ door, object }: ShutOut, said: Door): readonly string[] {
  if (door === "routes") return said === "all" ? [] : servedOf(object, said, ISTIO_NAMESPACE);
  const { namespace = "" } = object.metadata;
  return said === "all" || said.includes(namespace) ? [namespace] : [];
}
