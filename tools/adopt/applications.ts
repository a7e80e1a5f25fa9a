import { load } from "js-yaml";
import type { ChartValues } from "../../settings/charts.ts";
import { isRecord } from "../../settings/fields.ts";
import type { ObjectName } from "../repair/kubernetes.ts";
import type { Json, Place } from "./actions.ts";
import type { LiveObject } from "./cluster.ts";
import type { ApplicationFound, ApplicationSource, ParentFound } from "./found.ts";

// What ArgoCD's Applications say of themselves: https://argo-cd.readthedocs.io/en/stable/operator-manual/application.yaml

export const APPLICATION = { apiVersion: "argoproj.io/v1alpha1", kind: "Application" } as const;

/** The finalizers by which a deletion takes what the Application tracks: https://argo-cd.readthedocs.io/en/stable/user-guide/app_deletion/ */
export const isCascade = (finalizer: string) => finalizer.startsWith("resources-finalizer.argocd.argoproj.io");

interface HelmSource {
  readonly releaseName?: string;
  readonly values?: string;
  readonly valuesObject?: ChartValues;
  readonly parameters?: readonly { readonly name: string; readonly value?: string; readonly forceString?: boolean }[];
  readonly fileParameters?: readonly { readonly name: string; readonly path: string }[];
  readonly valueFiles?: readonly string[];
}

interface Source {
  readonly repoURL?: string;
  readonly chart?: string;
  readonly targetRevision?: string;
  readonly helm?: HelmSource;
}

interface Tracked {
  readonly group?: string;
  readonly version?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly hook?: boolean;
}

interface Application extends LiveObject {
  readonly spec?: {
    readonly source?: Source;
    readonly sources?: readonly Source[];
    readonly destination?: { readonly namespace?: string; readonly server?: string; readonly name?: string };
    readonly syncPolicy?: { readonly automated?: Json };
  };
  readonly operation?: object;
  readonly status?: {
    readonly resources?: readonly Tracked[];
    readonly sync?: { readonly status?: string; readonly revision?: string; readonly revisions?: readonly string[] };
    readonly operationState?: { readonly phase?: string };
  };
}

/** All Applications, each with who makes it. */
export function applicationsIn(live: readonly LiveObject[]): ApplicationFound[] {
  const applications = live.map((object) => applicationOf(object));
  return live.map((object, index) => ({
    ...(applications[index] as ApplicationFound),
    parent: parentOf(object, applications),
  }));
}

function applicationOf({ metadata = {}, spec = {}, status = {} }: Application): ApplicationFound {
  const revisions = status.sync?.revisions ?? (status.sync?.revision === undefined ? [] : [status.sync.revision]);
  const sources = spec.sources ?? (spec.source === undefined ? [] : [spec.source]);
  // What it installs elsewhere is none of this cluster's.
  const resources = isHere(spec.destination) ? (status.resources ?? []) : [];
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name ?? "",
    uid: metadata.uid ?? "",
    sources: isHere(spec.destination) ? sources.map((source, index) => sourceOf(source, revisions[index])) : [],
    destination: spec.destination?.namespace ?? "",
    automated: spec.syncPolicy?.automated ?? null,
    isSynced: status.sync?.status === "Synced",
    isGoing: metadata.deletionTimestamp !== undefined,
    objects: resources.filter(({ hook }) => hook !== true).map(tracked),
  };
}

/** Whether an Application installs in the cluster that ArgoCD is in: https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#clusters */
const isHere = ({ server = "", name = "" }: { readonly server?: string; readonly name?: string } = {}) =>
  name === "" ? /^(|https:\/\/kubernetes\.default\.svc)$/.test(server) : name === "in-cluster";

function sourceOf(
  { repoURL = "", chart, targetRevision = "", helm = {} }: Source,
  revision?: string,
): ApplicationSource {
  const files = [...(helm.valueFiles ?? []), ...(helm.fileParameters ?? []).map(({ path }) => path)];
  return {
    repoURL,
    // A chart of an OCI registry is named with its path.
    chart: chart?.split("/").at(-1),
    // A range was resolved by ArgoCD.
    revision: revision || targetRevision,
    releaseName: helm.releaseName,
    values: valuesOf(helm),
    valueFiles: files,
  };
}

/**
 * The later ones count: values, then valuesObject in their place, then parameters.
 * https://argo-cd.readthedocs.io/en/stable/user-guide/helm/#helm-value-precedence
 */
function valuesOf({ values = "", valuesObject, parameters = [] }: HelmSource): ChartValues {
  const said: unknown = valuesObject ?? load(values);
  const all = structuredClone(isRecord(said) ? said : {});
  for (const { name, value = "", forceString } of parameters) {
    // As Helm's --set reads a name: a dot that is not escaped goes one deeper.
    const path = name.split(/(?<!\\)\./).map((key) => key.replaceAll("\\.", "."));
    const last = path.pop() ?? "";
    let at: Record<string, unknown> = all;
    for (const key of path) {
      if (!isRecord(at[key])) at[key] = {};
      at = at[key] as Record<string, unknown>;
    }
    at[last] = forceString ? value : typed(value);
  }
  return all;
}

/** As Helm's --set reads a value: https://github.com/helm/helm/blob/v3.20.0/pkg/strvals/parser.go, typedVal */
function typed(value: string): unknown {
  if (/^(true|false|null)$/.test(value)) return JSON.parse(value);
  return /^(0|-?[1-9]\d*)$/.test(value) ? Number(value) : value;
}

const tracked = ({ group = "", version = "v1", kind = "", namespace, name = "" }: Tracked): ObjectName => ({
  apiVersion: group === "" ? version : `${group}/${version}`,
  kind,
  name,
  ...(namespace && { namespace }),
});

/** What makes an Application: an ApplicationSet that owns it, or another Application that has it in its Git. */
function parentOf({ metadata = {} }: LiveObject, all: readonly ApplicationFound[]): ParentFound | undefined {
  const { name = "", namespace = "", ownerReferences = [], annotations = {}, labels = {} } = metadata;
  const set = ownerReferences.find(({ kind }) => kind === "ApplicationSet");
  if (set !== undefined) return { kind: "ApplicationSet", namespace, name: set.name };
  const isIt = (object: ObjectName) => object.kind === "Application" && object.name === name;
  const named = [
    annotations["argocd.argoproj.io/tracking-id"]?.split(":")[0]?.split("_").at(-1),
    labels["app.kubernetes.io/instance"],
  ];
  const parent =
    all.find((other) => other.objects.some((it) => isIt(it) && (it.namespace ?? namespace) === namespace)) ??
    all.find((other) => named.includes(other.name));
  return parent === undefined || parent.name === name
    ? undefined
    : { kind: "Application", namespace: parent.namespace, name: parent.name };
}

/** The Application whose mark an object bears: https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/ */
export function markOf({ kind = "", metadata: { name = "", namespace, annotations = {} } = {} }: LiveObject) {
  const [application = "", ...named] = (annotations["argocd.argoproj.io/tracking-id"] ?? "").split(":");
  // Controllers copy annotations to what they make; such a mark names another object.
  const [group = "", place = ""] = named;
  // An object without a namespace is marked with its Application's.
  const isThere = namespace === undefined ? place.endsWith(`/${name}`) : place === `${namespace}/${name}`;
  const isIts = isThere && group.split("/").at(-1) === kind;
  return isIts && application !== "" ? application : undefined;
}

/** Whether ArgoCD is at work on it, or was told to be. */
export function isBusy({ operation, status = {} }: Application): boolean {
  return operation !== undefined || /^(Running|Terminating)$/.test(status.operationState?.phase ?? "");
}

/** An Application as an object. */
export const applicationName = ({ namespace, name }: Place): ObjectName => ({ ...APPLICATION, namespace, name });

/** What makes an Application, and what makes that, the nearest first. */
export function parentsOf(application: ApplicationFound, all: readonly ApplicationFound[]): ParentFound[] {
  const parents: ParentFound[] = [];
  let at: ApplicationFound | undefined = application;
  while (at?.parent !== undefined) {
    const { parent }: { parent?: ParentFound | undefined } = at;
    if (parent === undefined || parents.some((it) => it.name === parent.name && it.kind === parent.kind)) break;
    parents.push(parent);
    at =
      parent.kind === "Application"
        ? all.find(({ name, namespace }) => name === parent.name && namespace === parent.namespace)
        : undefined;
  }
  return parents;
}
