import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type KubeConfig, type KubernetesObject, KubernetesObjectApi, PatchStrategy } from "@kubernetes/client-node";
import { parseAllDocuments, stringify } from "yaml";

// What ArgoCD does with charts, without ArgoCD: it renders them, applies what comes out, and keeps an Application for each.

/** A chart as an Application asks for it. */
export interface ArgoChart {
  /** Name of the Application, and of the release in the templates. */
  readonly name: string;
  readonly chart: string;
  /** Directory of `<chart>-<version>.tgz`, or a repository's URL. */
  readonly repo: string;
  readonly version: string;
  readonly namespace: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** An object of a rendered chart. */
export interface Rendered extends KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

/** Kinds of the cluster's own, which a chart puts into no namespace. */
const CLUSTER_WIDE =
  /^(Namespace|CustomResourceDefinition|ClusterRole|ClusterRoleBinding|(Validating|Mutating)WebhookConfiguration|ValidatingAdmissionPolicy(Binding)?|PriorityClass)$/;

/**
 * Renders a chart as ArgoCD does: https://argo-cd.readthedocs.io/en/stable/user-guide/helm/. Its hooks are left out, which
 * ArgoCD runs when it syncs and tracks as nothing of the Application's.
 *
 * @throws when there is no helm on PATH, or it cannot render
 */
export async function render({ name, chart, repo, version, namespace, values }: ArgoChart): Promise<Rendered[]> {
  const directory = await mkdtemp(join(tmpdir(), "oke-platform-chart-"));
  try {
    const file = join(directory, "values.yaml");
    await writeFile(file, stringify(values));
    const isDirectory = !/^[a-z]+:/.test(repo);
    const source = isDirectory
      ? [join(repo, `${chart}-${version}.tgz`)]
      : [chart, "--repo", repo, "--version", version];
    const args = ["template", name, ...source, "--namespace", namespace, "--include-crds", "--values", file];
    const { stdout } = await promisify(execFile)("helm", args, { maxBuffer: 64 * 1024 * 1024 });
    return parseAllDocuments(stdout)
      .map((document) => document.toJS() as Rendered | null)
      .filter((object) => object !== null)
      .filter(({ metadata }) => metadata.annotations?.["helm.sh/hook"] === undefined)
      .map((object) =>
        object.metadata.namespace !== undefined || CLUSTER_WIDE.test(object.kind)
          ? object
          : { ...object, metadata: { ...object.metadata, namespace } },
      );
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** ArgoCD's manager in server-side apply. */
const MANAGER = "argocd-controller";

/** Applies objects as ArgoCD's server-side apply does, definitions first. */
export async function apply(kubeConfig: KubeConfig, objects: readonly KubernetesObject[]): Promise<void> {
  const api = KubernetesObjectApi.makeApiClient(kubeConfig);
  const isFirst = ({ kind }: KubernetesObject) => kind === "CustomResourceDefinition" || kind === "Namespace";
  for (const object of [...objects.filter(isFirst), ...objects.filter((it) => !isFirst(it))])
    await api.patch(object, undefined, undefined, MANAGER, true, PatchStrategy.ServerSideApply);
}

/** What the API server must know to keep Applications: of ArgoCD's definition, what is read of it. */
export const applicationDefinition = (): KubernetesObject & { readonly spec: object } => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "applications.argoproj.io" },
  spec: {
    group: "argoproj.io",
    names: { kind: "Application", listKind: "ApplicationList", plural: "applications", singular: "application" },
    scope: "Namespaced",
    versions: [
      {
        name: "v1alpha1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
      },
    ],
  },
});

/** The Application that made objects, with what it says of itself after a sync. */
export function applicationOf(
  name: string,
  namespace: string,
  source: Readonly<Record<string, unknown>>,
  objects: readonly Rendered[],
): KubernetesObject & { readonly spec: object; readonly status: object } {
  return {
    apiVersion: "argoproj.io/v1alpha1",
    kind: "Application",
    metadata: { name, namespace: ARGOCD, finalizers: ["resources-finalizer.argocd.argoproj.io"] },
    spec: {
      project: "default",
      source,
      destination: { server: "https://kubernetes.default.svc", namespace },
      syncPolicy: { automated: { prune: true, selfHeal: true } },
    },
    status: {
      sync: { status: "Synced", revision: String(source.targetRevision ?? "") },
      resources: objects.map(({ apiVersion, kind, metadata }) => {
        const [version = "", group] = apiVersion.split("/").reverse();
        const at = metadata.namespace === undefined ? {} : { namespace: metadata.namespace };
        return { ...(group !== undefined && { group }), version, kind, ...at, name: metadata.name };
      }),
    },
  };
}

/** Where Applications are. */
export const ARGOCD = "argocd";

/** The Application of a chart. */
export const chartApplication = (
  { name, chart, repo, version, namespace, values }: ArgoChart,
  objects: readonly Rendered[],
) =>
  applicationOf(
    name,
    namespace,
    { repoURL: repo, chart, targetRevision: version, helm: { valuesObject: values } },
    objects,
  );
