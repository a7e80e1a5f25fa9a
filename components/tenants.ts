import type { Settings } from "../settings/settings.ts";
import type { Listed, ListedKind, Lists } from "./api-server.ts";
import { CERT_MANAGER_NAMESPACE } from "./cert-manager.ts";
import { certificateTableOf, refusedCertificate } from "./certificate-policy.ts";
import { SYNCED } from "./external-secrets-users.ts";
import { GATEWAY_PODS } from "./ingress-gateway.ts";
import { ISTIO_NAMESPACE, strandedGateway } from "./istio.ts";
import { refusedRoute, routeTableOf } from "./route-policy.ts";
import { refusedSecret } from "./secret-store.ts";
import { GATEWAY } from "./tls-gateway.ts";

// What others in the cluster use the platform for, and `tenancy` does not let them.

/** What of the platform's is opened or closed by itself. */
export type DoorName = "routes" | "gateways" | "certificates" | "secrets";

/** An object of others that is refused when it is made or changed, or serves nobody, as soon as the settings hold. */
export interface ShutOut {
  readonly door: DoorName;
  readonly kind: string;
  readonly object: Listed;
  readonly why: string;
}

const istio = { group: "networking.istio.io", version: "v1" };
const certManager = { group: "cert-manager.io", version: "v1" };
const acme = { group: "acme.cert-manager.io", version: "v1" };

/** What may use the platform, by kind. */
const KINDS = {
  routes: { VirtualService: { ...istio, plural: "virtualservices" } },
  gateways: { Gateway: { ...istio, plural: "gateways" } },
  certificates: {
    Certificate: { ...certManager, plural: "certificates" },
    CertificateRequest: { ...certManager, plural: "certificaterequests" },
    Order: { ...acme, plural: "orders" },
    Challenge: { ...acme, plural: "challenges" },
  },
  secrets: SYNCED,
} satisfies Record<DoorName, Record<string, ListedKind>>;

/** Why an object is shut out; undefined when it is not. */
type Judge = (object: Listed) => string | undefined | Promise<string | undefined>;

/**
 * All in a cluster that the settings shut out, sorted.
 *
 * @throws with the reason, when the cluster cannot be asked
 */
export async function shutOutBy(settings: Settings, lists: Lists): Promise<ShutOut[]> {
  const { tenancy, vault } = settings;
  const [routes, certificates] = [routeTableOf(settings), certificateTableOf(settings)];
  const secrets = vault && tenancy.secrets !== "all" && { reader: CERT_MANAGER_NAMESPACE, guests: tenancy.secrets };
  const found = await Promise.all([
    ...(routes === undefined
      ? []
      : [
          judged(lists, "routes", (route) => refusedRoute(route, routes)),
          judged(lists, "gateways", (gateway) => strandedIn(gateway, lists)),
        ]),
    ...(certificates === undefined
      ? []
      : [
          judged(lists, "certificates", (asked) =>
            isMadeOfOne(asked) ? undefined : refusedCertificate(asked, certificates),
          ),
        ]),
    ...(secrets ? [judged(lists, "secrets", (secret) => refusedSecret(secret, secrets))] : []),
  ]);
  return found.flat().sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
}

async function judged(lists: Lists, door: DoorName, judge: Judge): Promise<ShutOut[]> {
  const kinds: Record<string, ListedKind> = KINDS[door];
  const found = await Promise.all(
    Object.entries(kinds).map(async ([kind, listed]) =>
      Promise.all(
        (await lists.objects(listed)).map(async (object) => ({ door, kind, object, why: await judge(object) })),
      ),
    ),
  );
  return found.flat().flatMap(({ why, ...rest }) => (why === undefined ? [] : [{ ...rest, why }]));
}

/** Whether cert-manager has made it of another of these, which stands for it. */
const isMadeOfOne = ({ metadata: { ownerReferences = [] } }: Listed) =>
  ownerReferences.some(({ kind }) => Object.hasOwn(KINDS.certificates, kind));

async function strandedIn(gateway: Listed, lists: Lists): Promise<string | undefined> {
  const { name, namespace } = gateway.metadata;
  if (namespace === ISTIO_NAMESPACE && name === GATEWAY) return undefined;
  const { selector = {} } = (gateway.spec ?? {}) as { selector?: Readonly<Record<string, string>> };
  // One that selects nothing has every gateway's pods, the platform's among them.
  const labels = Object.entries(Object.keys(selector).length > 0 ? selector : GATEWAY_PODS);
  return strandedGateway(gateway, await lists.podNamespaces(labels.map(([key, value]) => `${key}=${value}`).join()));
}

/** `<kind> <namespace>/<name>` */
export const nameOf = ({ kind, object: { metadata } }: ShutOut): string =>
  `${kind} ${metadata.namespace}/${metadata.name}`;
