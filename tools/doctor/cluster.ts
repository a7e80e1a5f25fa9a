import {
  ApiException,
  ApiextensionsV1Api,
  AppsV1Api,
  type ConfigurationOptions,
  CoreV1Api,
  CustomObjectsApi,
  type KubeConfig,
  Observable,
  type V1ObjectMeta,
  VersionApi,
} from "@kubernetes/client-node";
import type { Settings } from "../../config.ts";
import { supportedKubernetes } from "../../versions.ts";
import {
  CALL_SECONDS,
  check,
  type Finding,
  forAll,
  ok,
  problem,
  reasonOf,
  skipped,
  unless,
  within,
} from "./finding.ts";

// What is in the cluster that the platform is to come to: whether it fits, and what stands in the way.

/** What of this platform is in the cluster. */
export interface Installed {
  /** Whether any of its Helm releases is there. */
  readonly any: boolean;
  /** The gateway's Service; undefined when there is none. */
  readonly gateway?: { readonly address?: string };
}

export interface ClusterReport {
  readonly findings: Finding[];
  /** Undefined when the cluster could not be asked. */
  readonly installed?: Installed;
}

const VERSION = "kubernetes: version";
const RELEASES = "kubernetes: Helm releases";
const DEFINITIONS = "kubernetes: custom resource definitions";
const DEPLOYMENT = "kubernetes: cert-manager";
const ARGO = "kubernetes: ArgoCD";
const NAMESPACES = "kubernetes: namespaces";
const SERVICES = "kubernetes: services";

/** Examines the cluster. */
export async function examineCluster(
  settings: Omit<Settings, "cloudflareApiToken">,
  kubeConfig: () => Promise<KubeConfig>,
): Promise<ClusterReport> {
  let cluster: Cluster;
  let found: Version;
  try {
    cluster = new Cluster(await within(kubeConfig));
    found = await within(() => cluster.version());
  } catch (error) {
    const reason = "the cluster cannot be asked";
    const action =
      "id" in settings.cluster
        ? "try oci ce cluster create-kubeconfig --cluster-id <OCID>, then kubectl version; a private endpoint needs a way into the VCN"
        : `try kubectl --context ${settings.cluster.context} version`;
    return {
      findings: [
        { check: "kubernetes: reachable", ...problem(reasonOf(error), action) },
        ...forAll([VERSION, RELEASES, DEFINITIONS, DEPLOYMENT, ARGO, NAMESPACES, SERVICES], skipped(reason)),
      ],
    };
  }
  const places = placesOf(settings);
  const releases = cluster.releases();
  // Awaited below, by checks that may come later than its failure.
  releases.catch(() => undefined);
  const results = await Promise.all([
    check(VERSION, async () => versionVerdicts(settings, found)),
    check(RELEASES, async () => releaseVerdicts(places, await releases)),
    check(DEFINITIONS, async () => definitionVerdicts(settings, places, await cluster.definitions())),
    check(DEPLOYMENT, async () => {
      const releaseThere = (await releases).some(({ name, namespace }) => `${namespace}/${name}` === CERT_MANAGER);
      if (releaseThere || !(await cluster.hasDeployment(CERT_MANAGER))) {
        return ok("no Deployment cert-manager that belongs to no Helm release");
      }
      return problem(
        "Deployment cert-manager in namespace cert-manager belongs to no Helm release",
        `remove that installation: ${ADD_ON_ACTION}, or whatever else applied it`,
      );
    }),
    check(ARGO, async () => argoVerdicts(settings, await cluster.applications())),
    check(NAMESPACES, async () => namespaceVerdicts(settings, cluster)),
    check(SERVICES, async () => serviceVerdicts(settings, cluster)),
  ]);
  const installed = releases.then(async (all): Promise<Installed> => {
    const gateway = await cluster.service("istio-system", "istio-ingressgateway");
    return {
      any: all.some(({ name, namespace, byPulumi }) => byPulumi && places.has(`${namespace}/${name}`)),
      ...(gateway && { gateway: { address: gateway.status?.loadBalancer?.ingress?.[0]?.ip } }),
    };
  });
  return {
    findings: [{ check: "kubernetes: reachable", ...ok(`Kubernetes ${found.text}`) }, ...results.flat()],
    installed: await installed.catch(() => undefined),
  };
}

const CERT_MANAGER = "cert-manager/cert-manager";

/** How OKE's add-on goes: https://docs.oracle.com/iaas/tools/oci-cli/latest/oci_cli_docs/cmdref/ce/cluster/disable-addon.html */
export const ADD_ON_ACTION =
  "oci ce cluster disable-addon --cluster-id <OCID> --addon-name CertManager --is-remove-existing-add-on true, if it is OKE's add-on";

/** Without a DNS token there is no External Secrets. */
const installsExternalSecrets = ({ cloudflare, externalSecrets }: Pick<Settings, "cloudflare" | "externalSecrets">) =>
  cloudflare.token !== "none" && externalSecrets.install;

/** The Helm releases of this platform, `<namespace>/<name>`. */
function placesOf({ cloudflare, externalSecrets, vault }: Omit<Settings, "cloudflareApiToken">): Set<string> {
  return new Set([
    CERT_MANAGER,
    "kube-system/reflector",
    "istio-system/istio-base",
    "istio-system/istiod",
    "istio-system/istio-ingressgateway",
    ...(installsExternalSecrets({ cloudflare, externalSecrets })
      ? [`${externalSecrets.namespace}/external-secrets`]
      : []),
    ...(vault?.install ? ["vault/vault"] : []),
  ]);
}

interface Version {
  readonly text: string;
  readonly minor: number;
}

interface HelmRelease {
  readonly name: string;
  readonly namespace: string;
  readonly status: string;
  /** Whether Pulumi's provider wrote it. */
  readonly byPulumi: boolean;
}

interface Definition {
  readonly name: string;
  readonly metadata: V1ObjectMeta;
}

interface Application {
  readonly name: string;
  readonly namespace: string;
  /** The charts that it installs, with their repositories. */
  readonly charts: { readonly chart: string; readonly repoURL: string }[];
}

/** A cluster that is only read. */
class Cluster {
  private readonly core: CoreV1Api;
  private readonly extensions: ApiextensionsV1Api;
  private readonly apps: AppsV1Api;
  private readonly custom: CustomObjectsApi;
  private readonly config: KubeConfig;

  constructor(config: KubeConfig) {
    this.config = config;
    this.core = config.makeApiClient(CoreV1Api);
    this.extensions = config.makeApiClient(ApiextensionsV1Api);
    this.apps = config.makeApiClient(AppsV1Api);
    this.custom = config.makeApiClient(CustomObjectsApi);
  }

  async version(): Promise<Version> {
    const { gitVersion, minor } = await worded(this.config.makeApiClient(VersionApi).getCode({}, limited()));
    // Some makers write "34+".
    return { text: gitVersion, minor: Number.parseInt(minor, 10) };
  }

  /** The newest revision of each Helm release, whatever its status: its name is taken. */
  async releases(): Promise<HelmRelease[]> {
    const selectors = { labelSelector: "owner=helm", fieldSelector: "type=helm.sh/release.v1" };
    const { items } = await worded(this.core.listSecretForAllNamespaces(selectors, limited(METADATA)));
    const newest = new Map<string, { revision: number; release: HelmRelease }>();
    for (const { metadata } of items) {
      const { name = "", version = "0", status = "unknown" } = metadata?.labels ?? {};
      const namespace = metadata?.namespace ?? "";
      const key = `${namespace}/${name}`;
      if (Number(version) < (newest.get(key)?.revision ?? 0)) continue;
      const release = { name, namespace, status, byPulumi: isPulumis(metadata) };
      newest.set(key, { revision: Number(version), release });
    }
    return [...newest.values()].map(({ release }) => release);
  }

  async definitions(): Promise<Definition[]> {
    const { items } = await worded(this.extensions.listCustomResourceDefinition({}, limited(METADATA)));
    return items.map(({ metadata }) => ({ name: metadata?.name ?? "", metadata: metadata ?? {} }));
  }

  /** ArgoCD's Applications; none without ArgoCD. */
  async applications(): Promise<Application[]> {
    const kind = { group: "argoproj.io", version: "v1alpha1", plural: "applications" };
    const list = await absent(this.custom.listClusterCustomObject(kind, limited()));
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
    return absent(this.core.readNamespace({ name }, limited()));
  }

  service(namespace: string, name: string) {
    return absent(this.core.readNamespacedService({ namespace, name }, limited()));
  }

  async hasDeployment(place: string): Promise<boolean> {
    const [namespace = "", name = ""] = place.split("/");
    return (await absent(this.apps.readNamespacedDeployment({ namespace, name }, limited()))) !== undefined;
  }
}

interface ApplicationSource {
  readonly chart?: string;
  readonly repoURL?: string;
}

interface ApplicationSpec {
  readonly source?: ApplicationSource;
  readonly sources?: ApplicationSource[];
}

/**
 * Lists without their contents: a release's Secret holds the whole chart, and nobody's secrets are needed here.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
 */
const METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/** Options of one call: it ends by itself, and asks for what `accept` says. */
function limited(accept?: string): ConfigurationOptions {
  return {
    middleware: [
      {
        pre: (request) => {
          request.setSignal(AbortSignal.timeout(CALL_SECONDS * 1000));
          if (accept !== undefined) request.setHeaderParam("Accept", accept);
          return new Observable(Promise.resolve(request));
        },
        post: (response) => new Observable(Promise.resolve(response)),
      },
    ],
    middlewareMergeStrategy: "append",
  };
}

/** Undefined where the API server says that there is no such thing. */
const absent = <T>(call: Promise<T>): Promise<T | undefined> =>
  worded(
    call.catch((error) => {
      if (error instanceof ApiException && error.code === 404) return undefined;
      throw error;
    }),
  );

/** Errors in the API server's own words: the client's message is the whole answer with its headers. */
async function worded<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof ApiException)) throw error;
    const { message } = (typeof error.body === "string" ? parseStatus(error.body) : Object(error.body)) as {
      message?: string;
    };
    throw new Error(`the API server answers ${error.code}${message ? `: ${message}` : ""}`);
  }
}

function parseStatus(body: string): object {
  try {
    return Object(JSON.parse(body)) as object;
  } catch {
    return {};
  }
}

/**
 * Whether Pulumi's Kubernetes provider made an object: then it is taken to be this stack's.
 *
 * The names of namespaces and releases say nothing, since Istio's and cert-manager's own pages use the same; nor does
 * the label managed-by, which the provider leaves out with server-side apply. But the API server notes who writes an
 * object, and the provider always says: `pulumi-kubernetes-<suffix>` when it applies, `pulumi-kubernetes` (before that
 * its file's name) in what Helm writes for it. That another stack of Pulumi's made it cannot be told without the state.
 * https://github.com/pulumi/pulumi-kubernetes/pull/2271
 */
const isPulumis = (metadata: V1ObjectMeta | undefined) =>
  metadata?.labels?.["app.kubernetes.io/managed-by"] === "pulumi" ||
  (metadata?.managedFields ?? []).some(({ manager }) => /^pulumi-(resource-)?kubernetes/.test(manager ?? ""));

function versionVerdicts({ charts }: Pick<Settings, "charts">, { text, minor }: Version) {
  const supported = supportedKubernetes({ istio: charts.istio.version, certManager: charts.certManager.version });
  const unfit = supported.filter(({ first, last }) => minor < first || minor > last);
  return unless(
    unfit.map(({ product, version, first, last }) =>
      problem(
        `the cluster runs ${text}, and ${product} ${version} supports 1.${first} to 1.${last}`,
        minor > last ? `choose a newer ${product} in charts` : `upgrade the cluster, or choose an older ${product}`,
      ),
    ),
    `${supported.map(({ product, version }) => `${product} ${version}`).join(" and ") || "nothing known"} support ${text}`,
  );
}

/** Releases whose names also name things of the whole cluster, so that a second one elsewhere cannot be installed. */
const CLUSTER_WIDE = ["cert-manager", "reflector", "istio-base", "istiod", "external-secrets"];

function releaseVerdicts(places: Set<string>, releases: HelmRelease[]) {
  const names = [...places].map((place) => place.split("/")[1] ?? "").filter((name) => CLUSTER_WIDE.includes(name));
  const faults = releases.flatMap(({ name, namespace, status, byPulumi }) => {
    const uninstall = `remove it: helm uninstall ${name} --namespace ${namespace}; the program installs its own and does not adopt`;
    if (places.has(`${namespace}/${name}`)) {
      if (!byPulumi) return [problem(`release ${name} in ${namespace} (${status}) is not Pulumi's`, uninstall)];
      if (!status.startsWith("pending-")) return [];
      return [
        problem(
          `release ${name} in ${namespace} is ${status}: a run was cut off, and Helm refuses another`,
          `helm rollback ${name} --namespace ${namespace}, or helm uninstall where there is no revision before`,
        ),
      ];
    }
    if (!names.includes(name)) return [];
    return [
      problem(
        `release ${name} in ${namespace} (${status}) owns things of the whole cluster that ours is to make`,
        uninstall,
      ),
    ];
  });
  return unless(faults, "no release of others in the way");
}

/**
 * The groups of the charts' CRDs, and not of their neighbours such as trust.cert-manager.io or install.istio.io, and
 * the release that has them, as Helm compares them: https://github.com/helm/helm/blob/v3.18.0/pkg/action/validate.go
 */
function definitionVerdicts(
  { cloudflare, externalSecrets }: Omit<Settings, "cloudflareApiToken">,
  places: Set<string>,
  definitions: Definition[],
) {
  const owners = [
    { release: CERT_MANAGER, groups: ["cert-manager.io", "acme.cert-manager.io"] },
    {
      release: "istio-system/istio-base",
      groups: ["extensions.istio.io", "networking.istio.io", "security.istio.io", "telemetry.istio.io"],
    },
    {
      release: `${externalSecrets.namespace}/external-secrets`,
      groups: ["external-secrets.io", "generators.external-secrets.io"],
    },
  ].filter(({ release }) => places.has(release));
  const foreign = new Map<string, string[]>();
  for (const { name, metadata } of definitions) {
    const group = name.slice(name.indexOf(".") + 1);
    const owner = owners.find(({ groups }) => groups.includes(group));
    const there = ownerOf(metadata);
    if (owner === undefined || there === owner.release) continue;
    const key = `${owner.release} ${describe(metadata)}`;
    foreign.set(key, [...(foreign.get(key) ?? []), name]);
  }
  const faults = [...foreign].map(([key, names]) => {
    const [release, ...owner] = key.split(" ");
    return problem(
      `${names.length} definition(s), such as ${names.sort()[0]}, belong to ${owner.join(" ")}: Helm installs no ${release} over them`,
      "remove that installation; then, with all objects of these kinds: kubectl delete crd <name>",
    );
  });
  const needsThem = cloudflare.token !== "none" && !externalSecrets.install;
  if (needsThem && !definitions.some(({ name }) => name === "clustersecretstores.external-secrets.io")) {
    faults.push(
      problem(
        "externalSecrets.install is false, and the cluster has no clustersecretstores.external-secrets.io",
        "install External Secrets, or set externalSecrets.install to true",
      ),
    );
  }
  return unless(faults, "none of others in the way");
}

/** The Helm release that an object belongs to, `<namespace>/<name>`. */
function ownerOf({ annotations = {}, labels = {} }: V1ObjectMeta): string | undefined {
  const [name, namespace] = [annotations["meta.helm.sh/release-name"], annotations["meta.helm.sh/release-namespace"]];
  const isHelms = labels["app.kubernetes.io/managed-by"] === "Helm";
  return isHelms && name !== undefined && namespace !== undefined ? `${namespace}/${name}` : undefined;
}

/** Who an object belongs to, in words. */
function describe(metadata: V1ObjectMeta): string {
  // An id begins with the Application's name: https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/
  const tracking = metadata.annotations?.["argocd.argoproj.io/tracking-id"];
  if (tracking !== undefined) return `the ArgoCD Application ${tracking.split(":")[0]}`;
  const release = ownerOf(metadata);
  if (release !== undefined) return `the Helm release ${release}`;
  const instance = metadata.labels?.["app.kubernetes.io/instance"];
  return instance === undefined
    ? "nobody that says so"
    : `no Helm release, but the instance ${instance}, which may be an ArgoCD Application`;
}

/** The charts that an Application must not install beside this program; two have names that others have too. */
const CHARTS = ["cert-manager", "istiod", "external-secrets", "reflector"];

function argoVerdicts({ externalSecrets }: Pick<Settings, "externalSecrets">, applications: Application[]) {
  const isOurs = ({ chart, repoURL }: Application["charts"][number]) =>
    (CHARTS.includes(chart) && (chart !== "external-secrets" || externalSecrets.install)) ||
    (["base", "gateway"].includes(chart) && repoURL.includes("istio"));
  const faults = applications.flatMap(({ name, namespace, charts }) => {
    const chart = charts.find(isOurs);
    if (chart === undefined) return [];
    return [
      problem(
        `Application ${name} in ${namespace} installs the chart ${chart.chart}, and would undo what this program does`,
        `delete it with what it made: argocd app delete ${name} --cascade`,
      ),
    ];
  });
  return unless(faults, "no Application that installs the same");
}

async function namespaceVerdicts(
  { cloudflare, externalSecrets }: Omit<Settings, "cloudflareApiToken">,
  cluster: Cluster,
) {
  const made = [
    "istio-system",
    ...(installsExternalSecrets({ cloudflare, externalSecrets }) ? [externalSecrets.namespace] : []),
  ];
  const faults = await Promise.all(
    made.map(async (name) => {
      const namespace = await cluster.namespace(name);
      if (namespace === undefined || isPulumis(namespace.metadata)) return [];
      const tracking = namespace.metadata?.annotations?.["argocd.argoproj.io/tracking-id"];
      const owner =
        tracking === undefined ? "and Pulumi did not make it" : `made by ${describe(namespace.metadata ?? {})}`;
      return [
        problem(
          `namespace ${name} exists, ${owner}`,
          `the program makes it itself: move what is in it, then kubectl delete namespace ${name}`,
        ),
      ];
    }),
  );
  return unless(faults.flat(), `${made.join(" and ")} are free, or Pulumi's`);
}

async function serviceVerdicts({ services, vault }: Pick<Settings, "services" | "vault">, cluster: Cluster) {
  // The Vault that the program installs is not there before.
  const awaited = services.filter(
    ({ namespace, service }) => !(vault?.install && `${namespace}/${service}` === "vault/vault"),
  );
  const names = [...new Set(awaited.map(({ namespace }) => namespace))];
  const there = new Set<string>();
  const faults: ReturnType<typeof problem>[] = [];
  await Promise.all(
    names.map(async (name) => {
      if ((await cluster.namespace(name)) !== undefined) there.add(name);
    }),
  );
  for (const name of names.filter((name) => !there.has(name))) {
    faults.push(
      problem(
        `namespace ${name} does not exist, and services names it`,
        `kubectl create namespace ${name}, or remove the entry`,
      ),
    );
  }
  for (const { name, namespace, service, port } of awaited.filter(({ namespace }) => there.has(namespace))) {
    const found = await cluster.service(namespace, service);
    if (found === undefined) {
      faults.push(
        problem(
          `services entry ${name}: Service ${service} does not exist in ${namespace}; its host would answer 503`,
          "deploy it first, or correct service and namespace",
        ),
      );
      continue;
    }
    const ports = (found.spec?.ports ?? []).map(({ port }) => port);
    if (!ports.includes(port)) {
      faults.push(
        problem(
          `services entry ${name}: Service ${service} in ${namespace} has no port ${port}; it has ${ports.join(", ") || "none"}`,
          "correct port",
        ),
      );
    }
  }
  return unless(faults, `${services.length} service(s) are there, with their ports`);
}
