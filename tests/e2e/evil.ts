import {
  ApiException,
  CustomObjectsApi,
  type KubeConfig,
  type KubernetesObject,
  KubernetesObjectApi,
} from "@kubernetes/client-node";
import { watchUntil } from "../../tools/lib/watch.ts";
import { EVIL } from "./fixtures.ts";

// What somebody tries who wants what is the platform's, with every right in a namespace of his own.

/** Seconds until External Secrets has looked at an ExternalSecret. */
const LOOKED_SECONDS = 60;

const inEvil = (apiVersion: string, kind: string, spec: object) =>
  ({ apiVersion, kind, metadata: { name: "stolen", namespace: EVIL }, spec }) as KubernetesObject;

/** A VirtualService for a host on the platform's Gateway. */
export const routeOf = (host: string): KubernetesObject =>
  inEvil("networking.istio.io/v1", "VirtualService", {
    hosts: [host],
    gateways: ["istio-system/istio-gateway"],
    http: [{ match: [{ uri: { prefix: "/v1" } }], route: [{ destination: { host: "evil", port: { number: 80 } } }] }],
  });

/** A Certificate that the platform's issuer is to sign. */
export const certificateBy = (issuer: string, dnsNames: string[]): KubernetesObject =>
  inEvil("cert-manager.io/v1", "Certificate", {
    secretName: "stolen",
    dnsNames,
    issuerRef: { kind: "ClusterIssuer", name: issuer },
  });

/** An ExternalSecret for the DNS token. */
const tokenThief = inEvil("external-secrets.io/v1", "ExternalSecret", {
  refreshInterval: "1h",
  secretStoreRef: { kind: "ClusterSecretStore", name: "vault-backend" },
  target: { name: "stolen" },
  data: [{ secretKey: "token", remoteRef: { key: "prod/cert-manager", property: "cf-api-token" } }],
});

/** What the API server says to it; undefined when it takes it. Nothing is stored. */
export async function refusalOf(kubeConfig: KubeConfig, object: KubernetesObject): Promise<string | undefined> {
  try {
    await KubernetesObjectApi.makeApiClient(kubeConfig).create(object, undefined, "All");
    return undefined;
  } catch (error) {
    if (error instanceof ApiException) return String(error.message);
    throw error;
  }
}

/**
 * Asks for the DNS token, and takes the request back.
 *
 * @returns what External Secrets says to it
 */
export async function tokenRefusal(kubeConfig: KubeConfig): Promise<string> {
  const objects = KubernetesObjectApi.makeApiClient(kubeConfig);
  await objects.create(tokenThief);
  try {
    return (await statusOf(kubeConfig)) ?? "nothing";
  } finally {
    await objects.delete(tokenThief);
  }
}

interface Conditions {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  };
}

function statusOf(kubeConfig: KubeConfig): Promise<string | undefined> {
  const at = {
    group: "external-secrets.io",
    version: "v1",
    namespace: EVIL,
    plural: "externalsecrets",
    name: "stolen",
  };
  const api = kubeConfig.makeApiClient(CustomObjectsApi);
  const collection = `/apis/${at.group}/${at.version}/namespaces/${at.namespace}/${at.plural}`;
  return watchUntil(kubeConfig, { collection, name: at.name }, LOOKED_SECONDS, async () => {
    const { status } = (await api.getNamespacedCustomObject(at)) as Conditions;
    const ready = status?.conditions?.find(({ type }) => type === "Ready");
    return ready && `${ready.status}: ${ready.message}`;
  });
}
