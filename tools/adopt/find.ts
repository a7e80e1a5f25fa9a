import { GATEWAY_RELEASE } from "../../components/ingress-gateway.ts";
import { ISTIO_NAMESPACE } from "../../components/istio.ts";
import type { Registration } from "../../project/record.ts";
import { plain } from "../../project/registration.ts";
import { objectOf, RELEASE } from "../repair/find.ts";
import type { ObjectName } from "../repair/kubernetes.ts";
import { APPLICATION, applicationsIn } from "./applications.ts";
import type { AdoptCluster, LiveObject } from "./cluster.ts";
import { type ApplicationFound, type Found, keyOf, nameOf } from "./found.ts";
import { installedByApplication, installedByHelm } from "./installations.ts";

// Looks at what is there. It reads, and changes nothing.

/** Calls to the API server at a time. */
const AT_ONCE = 16;

export const DEFINITION = { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" } as const;

/** Kinds of which everything is read: what is the platform's there is seen by what it says. */
const WHOLE = [
  { apiVersion: "networking.istio.io/v1", kind: "VirtualService" },
  { apiVersion: "networking.istio.io/v1", kind: "Gateway" },
  { apiVersion: "cert-manager.io/v1", kind: "Certificate" },
  { apiVersion: "cert-manager.io/v1", kind: "ClusterIssuer" },
  { apiVersion: "external-secrets.io/v1", kind: "ExternalSecret" },
  { apiVersion: "external-secrets.io/v1", kind: "ClusterSecretStore" },
  { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler" },
  // Those too that no Application tracks, because somebody has applied them by hand: ours has them.
  DEFINITION,
];

/** Applications that are looked into, whose chart their source does not name. */
const isInGit = ({ sources }: ApplicationFound) => sources.every(({ chart }) => chart === undefined);

/** By what a chart in Git is known: each chart has one of these, and says there which it is. */
const isTelling = ({ kind }: ObjectName) => kind === "Deployment" || kind === "ValidatingWebhookConfiguration";

/** What is read whether or not an Application tracks it. */
const NAMED: readonly ObjectName[] = [
  { apiVersion: "v1", kind: "Service", namespace: ISTIO_NAMESPACE, name: GATEWAY_RELEASE },
];

/** Finds Applications, releases of Helm's, and the objects that belong to them or say what the platform's settings were. */
export async function find(cluster: AdoptCluster): Promise<Found> {
  const applications = applicationsIn(await cluster.list(APPLICATION));
  const objects = new Map<string, LiveObject>();
  for (const kind of WHOLE) for (const object of await cluster.list(kind)) keep(objects, object);
  await read(
    cluster,
    objects,
    applications.flatMap((it) => (isInGit(it) ? it.objects.filter(isTelling) : it.objects)),
  );
  const installations = [
    ...applications.flatMap((application) => installedByApplication(application, objects)),
    ...(await installedByHelm(cluster)),
  ];
  await read(cluster, objects, [...installations.flatMap((installation) => installation.objects), ...NAMED]);
  return { applications, installations, objects };
}

/** With the objects, by kind and name, that the program would make. */
export async function withOurs(
  cluster: AdoptCluster,
  found: Found,
  registrations: readonly Registration[],
): Promise<Found> {
  const objects = new Map(found.objects);
  const ours = registrations
    .filter(isObject)
    .map(({ type, inputs }) => objectOf(type, plain(inputs)))
    // A patch is one of a namespace, whose labels it writes.
    .map((name) => ({ ...name, kind: name.kind.replace(/^NamespacePatch$/, "Namespace") }));
  await read(cluster, objects, ours);
  return { ...found, objects };
}

async function read(cluster: AdoptCluster, objects: Map<string, LiveObject>, names: readonly ObjectName[]) {
  const unread = [...new Map(names.map((name) => [keyOf(name), name])).values()].filter(
    (name) => !objects.has(keyOf(name)),
  );
  for (let at = 0; at < unread.length; at += AT_ONCE) {
    const some = await Promise.all(unread.slice(at, at + AT_ONCE).map((name) => cluster.read(name)));
    for (const object of some) if (object !== undefined) keep(objects, object);
  }
}

// Nobody's keys are kept here.
const keep = (objects: Map<string, LiveObject>, object: LiveObject) =>
  objects.set(keyOf(nameOf(object)), object.kind === "Secret" ? { ...object, data: undefined } : object);

/** Whether a registration is an object of the cluster that the program makes. */
export const isObject = ({ type, custom, inputs }: Registration): boolean =>
  custom && type.startsWith("kubernetes:") && type !== RELEASE && inputs.metadata !== undefined;
