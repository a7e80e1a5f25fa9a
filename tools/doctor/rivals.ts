import type { V1ObjectMeta } from "@kubernetes/client-node";
import { CERT_MANAGER_NAMESPACE } from "../../components/cert-manager.ts";
import { GATEWAY_RELEASE } from "../../components/ingress-gateway.ts";
import { ISTIO_NAMESPACE } from "../../components/istio.ts";
import { REFLECTOR_NAMESPACE } from "../../components/reflector.ts";
import { VAULT_NAMESPACE, VAULT_RELEASE } from "../../components/vault/server.ts";
import type { ChartName } from "../../settings/chart-ownership.ts";
import type { Settings } from "../../settings/settings.ts";
import { problem, unless, type Verdict } from "../lib/checks.ts";

// What others have installed in the cluster that this platform would install too.

/** A Helm release, by its newest revision. */
export interface HelmRelease {
  readonly name: string;
  readonly namespace: string;
  readonly status: string;
  /** Whether Pulumi's provider wrote it. */
  readonly byPulumi: boolean;
}

/** A custom resource definition. */
export interface Definition {
  readonly name: string;
  readonly metadata: V1ObjectMeta;
}

/** An Application of ArgoCD's. */
export interface Application {
  readonly name: string;
  readonly namespace: string;
  /** The charts that it installs, with their repositories. */
  readonly charts: readonly { readonly chart: string; readonly repoURL: string }[];
}

type Installing = Pick<Settings, "charts" | "externalSecrets" | "vault">;

const certManagerIn = ({ charts }: Installing) => `${CERT_MANAGER_NAMESPACE}/${charts.certManager.releaseName}`;
const istioBaseIn = ({ charts }: Installing) => `${ISTIO_NAMESPACE}/${charts.istio.releaseNames.base}`;
const externalSecretsIn = ({ charts, externalSecrets }: Installing) =>
  `${externalSecrets.namespace}/${charts.externalSecrets.releaseName}`;

/** The Helm releases of this platform, `<namespace>/<name>`. */
export function placesOf(settings: Installing): Set<string> {
  const { charts, externalSecrets, vault } = settings;
  return new Set([
    certManagerIn(settings),
    `${REFLECTOR_NAMESPACE}/${charts.reflector.releaseName}`,
    istioBaseIn(settings),
    `${ISTIO_NAMESPACE}/${charts.istio.releaseNames.istiod}`,
    `${ISTIO_NAMESPACE}/${GATEWAY_RELEASE}`,
    ...(externalSecrets.install ? [externalSecretsIn(settings)] : []),
    ...(vault?.kind === "installed" ? [`${VAULT_NAMESPACE}/${VAULT_RELEASE}`] : []),
  ]);
}

/** Those of this platform that Pulumi's provider wrote: they are taken to be this stack's. */
export const ownReleases = (places: ReadonlySet<string>, releases: readonly HelmRelease[]): HelmRelease[] =>
  releases.filter(({ name, namespace, byPulumi }) => byPulumi && places.has(`${namespace}/${name}`));

/** What else than removing it there is to do about a release of others in the place of one of ours. */
function insteadOf(settings: Installing, place: string): string {
  if (place === `${VAULT_NAMESPACE}/${VAULT_RELEASE}`)
    return "; or set vault.install to false, and the rest of vault to its own";
  const taken = `; or npm run adopt -- --stack <stack>, which takes it over`;
  return place === externalSecretsIn(settings)
    ? `${taken}; or set externalSecrets.install to false, and namespace and serviceAccount to its own`
    : taken;
}

/** Releases whose names also name things of the whole cluster, so that a second one elsewhere cannot be installed. */
const isClusterWide = (name: string) => name !== GATEWAY_RELEASE && name !== VAULT_RELEASE;

/** @param places those of {@link placesOf} */
export function releaseVerdicts(
  settings: Installing,
  places: ReadonlySet<string>,
  releases: readonly HelmRelease[],
): readonly Verdict[] {
  const names = [...places].map((place) => place.split("/")[1] ?? "").filter(isClusterWide);
  const faults = releases.flatMap(({ name, namespace, status, byPulumi }) => {
    const uninstall = `remove it: helm uninstall ${name} --namespace ${namespace}; the program installs its own`;
    const place = `${namespace}/${name}`;
    if (places.has(place)) {
      if (!byPulumi)
        return [
          problem(
            `release ${name} in ${namespace} (${status}) is not Pulumi's`,
            `${uninstall}${insteadOf(settings, place)}`,
          ),
        ];
      if (status === "uninstalling")
        return [
          problem(
            `release ${name} in ${namespace} is ${status}: a destroy was cut off, and Helm refuses to install it`,
            "pulumi destroy once more; it goes on with it",
          ),
        ];
      if (!status.startsWith("pending-")) return [];
      return [
        problem(
          `release ${name} in ${namespace} is ${status}: a run was cut off, and Helm refuses another`,
          "npm run repair -- --stack <stack>, unless somebody is still at work",
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

/** The groups of the charts' CRDs, and not of their neighbours such as trust.cert-manager.io or install.istio.io. */
export const DEFINED = {
  "cert-manager": ["cert-manager.io", "acme.cert-manager.io"],
  base: ["extensions.istio.io", "networking.istio.io", "security.istio.io", "telemetry.istio.io"],
  "external-secrets": ["external-secrets.io", "generators.external-secrets.io"],
} as const satisfies Partial<Record<ChartName, readonly string[]>>;

/** The group of the kind that a definition defines, by the definition's name. */
export const groupOf = (definition: string): string => definition.slice(definition.indexOf(".") + 1);

/**
 * Definitions and the release that has them, as Helm compares them: https://github.com/helm/helm/blob/v3.18.0/pkg/action/validate.go
 *
 * @param places those of {@link placesOf}
 */
export function definitionVerdicts(
  settings: Installing,
  places: ReadonlySet<string>,
  definitions: readonly Definition[],
): readonly Verdict[] {
  const { vault, externalSecrets } = settings;
  const owners = [
    { release: certManagerIn(settings), groups: DEFINED["cert-manager"] },
    { release: istioBaseIn(settings), groups: DEFINED.base },
    { release: externalSecretsIn(settings), groups: DEFINED["external-secrets"] },
  ].filter(({ release }) => places.has(release));
  const foreign = new Map<string, { release: string; owner: string; names: string[] }>();
  for (const { name, metadata } of definitions) {
    const group = groupOf(name);
    const release = owners.find(({ groups }) => groups.some((it) => it === group))?.release;
    if (release === undefined || ownerOf(metadata) === release) continue;
    const owner = describe(metadata);
    const others = foreign.get(`${release} ${owner}`)?.names ?? [];
    foreign.set(`${release} ${owner}`, { release, owner, names: [...others, name] });
  }
  const faults = [...foreign.values()].map(({ release, owner, names }) =>
    problem(
      `${names.length} definition(s), such as ${names.sort()[0]}, belong to ${owner}: Helm installs no ${release} over them`,
      "npm run adopt -- --stack <stack> takes them over with their installation; or remove that, and then, with all objects of these kinds: kubectl delete crd <name>",
    ),
  );
  const needsThem = vault !== undefined && !externalSecrets.install;
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

/** The Application that says that an object is its own, in words; undefined where none does. */
export function applicationOf({ annotations = {} }: V1ObjectMeta): string | undefined {
  // An id begins with the Application's name: https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/
  const tracking = annotations["argocd.argoproj.io/tracking-id"];
  return tracking && `the ArgoCD Application ${tracking.split(":")[0]}`;
}

/** Who an object belongs to, in words. */
function describe(metadata: V1ObjectMeta): string {
  const application = applicationOf(metadata);
  if (application !== undefined) return application;
  const release = ownerOf(metadata);
  if (release !== undefined) return `the Helm release ${release}`;
  const instance = metadata.labels?.["app.kubernetes.io/instance"];
  return instance === undefined
    ? "nobody that says so"
    : `no Helm release, but the instance ${instance}, which may be an ArgoCD Application`;
}

/** The charts that an Application must not install beside this program; two have names that others have too. */
const CHARTS = ["cert-manager", "istiod", "external-secrets", "reflector"];

export function applicationVerdicts(
  { externalSecrets }: Pick<Settings, "externalSecrets">,
  applications: readonly Application[],
): readonly Verdict[] {
  const isOurs = ({ chart, repoURL }: Application["charts"][number]) =>
    (CHARTS.includes(chart) && (chart !== "external-secrets" || externalSecrets.install)) ||
    (["base", "gateway"].includes(chart) && repoURL.includes("istio"));
  const faults = applications.flatMap(({ name, namespace, charts }) => {
    const chart = charts.find(isOurs);
    if (chart === undefined) return [];
    return [
      problem(
        `Application ${name} in ${namespace} installs the chart ${chart.chart}, and would undo what this program does`,
        `npm run adopt -- --stack <stack> takes over what it made; or delete it with that: argocd app delete ${name} --cascade`,
      ),
    ];
  });
  return unless(faults, "no Application that installs the same");
}
