import {
  ApiException,
  type KubeConfig,
  PatchStrategy,
  setHeaderOptions,
  type V1ObjectMeta,
} from "@kubernetes/client-node";
import { CERT_MANAGER_NAMESPACE } from "../../components/cert-manager.ts";
import { CERTIFICATE, keyOf } from "../../components/certificate.ts";
import { type ClusterApi, clusterApi, ifThere, metadataOf, refusalOf, worded } from "../lib/cluster-api.ts";
import type { Application, Definition, HelmRelease } from "./rivals.ts";

/** The version of Kubernetes that a cluster runs. */
export interface Version {
  readonly text: string;
  readonly minor: number;
}

interface ApplicationSource {
  readonly chart?: string;
  readonly repoURL?: string;
}

interface ApplicationSpec {
  readonly source?: ApplicationSource;
  readonly sources?: ApplicationSource[];
}

/** A cluster that is only read. Each question fails with the API server's own words. */
export class ClusterReader {
  private readonly api: ClusterApi;

  /** @param timeoutMs milliseconds for each question */
  constructor(config: KubeConfig, timeoutMs: number) {
    this.api = clusterApi(config, timeoutMs);
  }

  async version(): Promise<Version> {
    const { gitVersion, minor } = await worded(this.api.version.getCode());
    // Some makers write "34+".
    return { text: gitVersion, minor: Number.parseInt(minor, 10) };
  }

  /** The newest revision of each Helm release, whatever its status: its name is taken. */
  async releases(): Promise<HelmRelease[]> {
    const selectors = { labelSelector: "owner=helm", fieldSelector: "type=helm.sh/release.v1" };
    const records = await worded(metadataOf((options) => this.api.core.listSecretForAllNamespaces(selectors, options)));
    const newest = new Map<string, { revision: number; release: HelmRelease }>();
    for (const metadata of records) {
      const { name = "", version = "0", status = "unknown" } = metadata.labels ?? {};
      const place = `${metadata.namespace}/${name}`;
      if (Number(version) < (newest.get(place)?.revision ?? 0)) continue;
      const release = { name, namespace: metadata.namespace ?? "", status, byPulumi: isPulumis(metadata) };
      newest.set(place, { revision: Number(version), release });
    }
    return [...newest.values()].map(({ release }) => release);
  }

  async definitions(): Promise<Definition[]> {
    const definitions = await worded(
      metadataOf((options) => this.api.extensions.listCustomResourceDefinition({}, options)),
    );
    return definitions.map((metadata) => ({ name: metadata.name ?? "", metadata }));
  }

  /** ArgoCD's Applications; none without ArgoCD. */
  async applications(): Promise<Application[]> {
    const kind = { group: "argoproj.io", version: "v1alpha1", plural: "applications" };
    const list = await worded(ifThere(this.api.custom.listClusterCustomObject(kind)));
    const { items = [] } = (list ?? {}) as { items?: { metadata: V1ObjectMeta; spec?: ApplicationSpec }[] };
    return items.map(({ metadata, spec }) => ({
      name: metadata.name ?? "",
      namespace: metadata.namespace ?? "",
      charts: [spec?.source ?? {}, ...(spec?.sources ?? [])].flatMap(({ chart, repoURL = "" }) =>
        chart === undefined ? [] : [{ chart, repoURL }],
      ),
    }));
  }

  namespace(name: string) {
    return worded(ifThere(this.api.core.readNamespace({ name })));
  }

  /**
   * What the API server would say to these labels on a namespace; nothing is stored. Other values that Pulumi has written
   * are for an `up` to change; those of anybody else are in its way.
   */
  async labelled(name: string, labels: Readonly<Record<string, string>>): Promise<Labelled> {
    const body = { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
    const asked = { name, body, dryRun: "All", fieldManager: "oke-platform-doctor" };
    const apply = (force: boolean) =>
      this.api.core.patchNamespaceWithHttpInfo(
        { ...asked, force },
        setHeaderOptions("Content-Type", PatchStrategy.ServerSideApply),
      );
    try {
      const { headers } = await apply(false).catch((error) => {
        if (ownersIn(error).some((owner) => !/^pulumi-kubernetes/.test(owner)) || !isConflict(error)) throw error;
        return apply(true);
      });
      return { warnings: warningsIn(headers.warning ?? "") };
    } catch (error) {
      if (isConflict(error)) return { owner: ownersIn(error).join(" and ") };
      if (error instanceof ApiException && error.code === 403) return { forbidden: refusalOf(error) };
      throw new Error(refusalOf(error));
    }
  }

  service(namespace: string, name: string) {
    return worded(ifThere(this.api.core.readNamespacedService({ namespace, name })));
  }

  /** A Secret without what is in it. */
  async secret(namespace: string, name: string): Promise<V1ObjectMeta | undefined> {
    const selector = { fieldSelector: `metadata.name=${name}` };
    const found = await worded(metadataOf((options) => this.api.core.listSecretForAllNamespaces(selector, options)));
    return found.find((metadata) => metadata.namespace === namespace);
  }

  /** URI of the account of an ACME issuer; undefined where there is none yet. */
  async accountUri(name: string): Promise<string | undefined> {
    const kind = { group: "cert-manager.io", version: "v1", plural: "clusterissuers" };
    const issuer = await worded(ifThere(this.api.custom.getClusterCustomObject({ ...kind, name })));
    return (issuer as { status?: { acme?: { uri?: string } } } | undefined)?.status?.acme?.uri;
  }

  /** The certificate's key, as the Certificate that is there asks for it; undefined where there is none. */
  async certificateKey(): Promise<string | undefined> {
    const kind = { group: "cert-manager.io", version: "v1", plural: "certificates" };
    const at = { ...kind, namespace: CERT_MANAGER_NAMESPACE, name: CERTIFICATE };
    const found = await worded(ifThere(this.api.custom.getNamespacedCustomObject(at)));
    return found === undefined ? undefined : keyOf(found as Record<string, unknown>);
  }

  async hasDeployment(namespace: string, name: string): Promise<boolean> {
    return (await worded(ifThere(this.api.apps.readNamespacedDeployment({ namespace, name })))) !== undefined;
  }
}

/** What the API server says to labels: of whom it warns, who has other values, or that they may not be asked about. */
type Labelled = { readonly warnings: readonly string[] } | { readonly owner: string } | { readonly forbidden: string };

const isConflict = (error: unknown) => error instanceof ApiException && error.code === 409;

/** Who has other values. https://github.com/kubernetes/apimachinery/blob/v0.34.4/pkg/util/managedfields/internal/conflict.go */
const ownersIn = (error: unknown): string[] => [
  ...new Set([...refusalOf(error).matchAll(/conflicts? with "([^"]+)"/g)].map(([, owner = ""]) => owner)),
];

/** https://www.rfc-editor.org/rfc/rfc7234#section-5.5, as the API server writes it: `299 - "<text>"`, with a comma between. */
const warningsIn = (header: string): string[] =>
  [...header.matchAll(/299 \S+ ("(?:[^"\\]|\\.)*")/g)].map(([, text = '""']) => JSON.parse(text) as string);

/**
 * Whether Pulumi's Kubernetes provider made an object: then it is taken to be this stack's.
 *
 * The names of namespaces and releases say nothing, since Istio's and cert-manager's own pages use the same; nor does
 * the label managed-by, which the provider leaves out with server-side apply. But the API server notes who writes an
 * object, and the provider always says: `pulumi-kubernetes-<suffix>` when it applies, `pulumi-kubernetes` (before that
 * its file's name) in what Helm writes for it. That another stack of Pulumi's made it cannot be told without the state.
 * https://github.com/pulumi/pulumi-kubernetes/pull/2271
 */
export const isPulumis = (metadata: V1ObjectMeta | undefined) =>
  metadata?.labels?.["app.kubernetes.io/managed-by"] === "pulumi" ||
  (metadata?.managedFields ?? []).some(({ manager }) => /^pulumi-(resource-)?kubernetes/.test(manager ?? ""));

/**
 * Whether a namespace was applied with nothing but its name, as the program applies its own: then the API server notes
 * nobody, since nobody has a field of it, and later not those who update it, but those who apply to it. Whoever makes one
 * in another way is noted, for the label kubernetes.io/metadata.name that it gets.
 */
export const isBare = ({ managedFields = [] }: V1ObjectMeta) => managedFields.length === 0;
