import type { ChartName } from "../../settings/chart-ownership.ts";
import type { ChartValues } from "../../settings/charts.ts";
import type { ObjectName } from "../repair/kubernetes.ts";
import type { Json, Place } from "./actions.ts";
import type { LiveObject } from "./cluster.ts";

// What a takeover found in the cluster.

/** Where an Application has its manifests from: https://argo-cd.readthedocs.io/en/stable/user-guide/multiple_sources/ */
export interface ApplicationSource {
  readonly repoURL: string;
  /** Name of a chart in the repository. @default - manifests or a chart in Git */
  readonly chart?: string | undefined;
  /** Exact, as far as ArgoCD knows it. */
  readonly revision: string;
  /** Name of the release in the templates. @default - the Application's */
  readonly releaseName?: string | undefined;
  /** All values that the Application itself says, merged as ArgoCD merges them. */
  readonly values: ChartValues;
  /** Files of values in a repository, which cannot be read here. */
  readonly valueFiles: readonly string[];
}

/** What makes an Application. */
export interface ParentFound extends Place {
  readonly kind: "Application" | "ApplicationSet";
}

/** An Application of ArgoCD's. */
export interface ApplicationFound extends Place {
  readonly uid: string;
  readonly sources: readonly ApplicationSource[];
  /** Where the objects go that name no namespace. */
  readonly destination: string;
  /** `spec.syncPolicy.automated`; null where it syncs only when told. */
  readonly automated: Json;
  /** Whether what it would make is what is there. */
  readonly isSynced: boolean;
  /** Whether somebody has deleted it, and ArgoCD takes away what it made. */
  readonly isGoing: boolean;
  /** What it tracks; the hooks of charts are left out. */
  readonly objects: readonly ObjectName[];
  readonly parent?: ParentFound | undefined;
}

/** A chart that somebody else has installed. */
export interface Installation {
  readonly chart: ChartName;
  /** Name and namespace of its release, be it Helm's or ArgoCD's. */
  readonly release: Place;
  /** Exact version; undefined where nobody says it. */
  readonly version: string | undefined;
  /** Where the chart is from. @default - nobody says it */
  readonly repoURL?: string | undefined;
  /** What was said to the chart, in its own words. */
  readonly values: ChartValues;
  /** Files of values that cannot be read here. */
  readonly valueFiles: readonly string[];
  readonly objects: readonly ObjectName[];
  /** @default - a Helm has installed it */
  readonly application?: ApplicationFound | undefined;
  /** Records of the Helm that installed it, oldest first. */
  readonly records: readonly Place[];
}

/** All that was found. */
export interface Found {
  readonly applications: readonly ApplicationFound[];
  readonly installations: readonly Installation[];
  /** Each object that was looked for and is there, by its {@link keyOf}. */
  readonly objects: ReadonlyMap<string, LiveObject>;
}

type Keyed = Pick<ObjectName, "apiVersion" | "kind" | "name" | "namespace">;

/** An object's key, whatever version of its group names it: `<Kind>.<group> <namespace>/<name>`. */
export const keyOf = ({ apiVersion, kind, namespace = "", name }: Keyed): string =>
  `${kind}.${apiVersion.includes("/") ? apiVersion.split("/")[0] : ""} ${namespace}/${name}`;

/** An object's name as people read it. */
export const shownName = ({ kind, namespace, name }: Omit<Keyed, "apiVersion">): string =>
  `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;

/** What names a live object. */
export const nameOf = ({ apiVersion = "", kind = "", metadata = {} }: LiveObject): ObjectName => ({
  apiVersion,
  kind,
  name: metadata.name ?? "",
  ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
});
