import type { ObjectName } from "../repair/kubernetes.ts";
import type { Json, Place } from "./actions.ts";
import type { LiveObject } from "./cluster.ts";

// What a takeover found in the cluster.

/** Where an Application has its manifests from. https://argo-cd.readthedocs.io/en/stable/user-guide/multiple_sources/ */
export interface ApplicationSource {
  readonly repoURL: string;
  /** Absent where they are manifests of a repository. */
  readonly chart?: string;
  /** The revision that was asked for, which may be a range; {@link ApplicationFound.revisions} has the exact one. */
  readonly targetRevision?: string;
  /** Name of the release in the templates. @default - the Application's */
  readonly releaseName?: string;
  /** All values that the Application itself says, merged as ArgoCD does. */
  readonly values: Readonly<Record<string, Json>>;
  /** Files of values in a repository, which cannot be read here. */
  readonly valueFiles: readonly string[];
}

/** An Application of ArgoCD's. */
export interface ApplicationFound extends Place {
  readonly uid: string;
  readonly sources: readonly ApplicationSource[];
  /** Exact revisions of the sources, as far as ArgoCD knows them. */
  readonly revisions: readonly string[];
  readonly destinationNamespace: string;
  /** `spec.syncPolicy.automated`; null where it syncs only when told. */
  readonly automated: Json;
  /** Whether ArgoCD is at work on it. */
  readonly isBusy: boolean;
  /** What it tracks, hooks left out. */
  readonly objects: readonly ObjectName[];
  /** The Application or ApplicationSet that makes it, if there is one. */
  readonly parent: (Place & { readonly kind: string }) | undefined;
}

/** A release that a Helm of somebody else's has installed. */
export interface ReleaseFound extends Place {
  readonly status: string;
  /** Its records, oldest first. */
  readonly records: readonly Place[];
}

/** All that was found. */
export interface Found {
  readonly applications: readonly ApplicationFound[];
  readonly releases: readonly ReleaseFound[];
  /** The live object of each name that the program asks for or that a chart's Application tracks; by {@link keyOf}. */
  readonly objects: ReadonlyMap<string, LiveObject>;
}

/** An object's key: `<Kind> <namespace>/<name>`, or `<Kind> <name>`. */
export const keyOf = ({ kind, namespace, name }: Pick<ObjectName, "kind" | "namespace" | "name">): string =>
  `${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
