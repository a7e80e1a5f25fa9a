import type { KubeConfig } from "@kubernetes/client-node";
import type { AccountUri } from "../../components/caa.ts";
import { CERT_MANAGER_NAMESPACE } from "../../components/cert-manager.ts";
import { keyNamed, TLS_SECRET } from "../../components/certificate.ts";
import { GATEWAY_RELEASE } from "../../components/ingress-gateway.ts";
import { issuerName } from "../../components/issuer.ts";
import { ISTIO_NAMESPACE } from "../../components/istio.ts";
import { fullName } from "../../settings/releases.ts";
import type { Settings } from "../../settings/settings.ts";
import { supportedKubernetes } from "../../settings/support.ts";
import { found, type Outcome, ok, problem, unless, type Verdict, warning, within } from "../lib/checks.ts";
import { failureOf } from "../lib/http.ts";
import { ClusterReader, type Version } from "./cluster-reader.ts";
import type { Examination } from "./examination.ts";
import { namespaceVerdicts, serviceVerdicts } from "./namespaces.ts";
import { disableAddOn } from "./oci-cli.ts";
import { podSecurityVerdicts } from "./pod-security.ts";
import { applicationVerdicts, definitionVerdicts, ownReleases, placesOf, releaseVerdicts } from "./rivals.ts";

// What is in the cluster that the platform is to come to: whether it fits, and what stands in the way.

/** What of this platform is in the cluster. */
export interface Installed {
  /** Whether any of its Helm releases is there. */
  readonly any: boolean;
  /** The gateway's Service; undefined when there is none. */
  readonly gateway?: { readonly address: string | undefined };
  /** The account at the ACME server. */
  readonly account: AccountUri;
  /** Whether a certificate of the issuer's is there, which the next `up` uses again. */
  readonly hasCertificate: boolean;
}

/** A cluster that has been examined. */
export interface ClusterReport {
  readonly outcomes: readonly Outcome[];
  /** Undefined when the cluster could not be asked. */
  readonly installed?: Installed;
}

/** Examines the cluster. */
export async function examineCluster(
  { settings, limits, run }: Examination,
  kubeConfig: () => Promise<KubeConfig>,
): Promise<ClusterReport> {
  const reachable = await run(
    { name: "kubernetes: reachable", without: "the cluster cannot be asked" },
    [],
    async () => {
      try {
        const cluster = new ClusterReader(await within(limits.checkMs, kubeConfig()), limits.callMs);
        const version = await cluster.version();
        return found({ cluster, version, releases: cluster.releases() }, ok(`Kubernetes ${version.text}`));
      } catch (error) {
        return problem(failureOf(error), waysIn(settings));
      }
    },
  );
  const releases = reachable.value?.releases;
  // Awaited below, by checks that may come later than its failure.
  releases?.catch(() => undefined);
  const places = placesOf(settings);
  const outcomes = await Promise.all([
    reachable,
    run("kubernetes: version", [reachable], async ({ version }) => versionVerdicts(settings, version)),
    run("kubernetes: Helm releases", [reachable], async ({ releases }) =>
      releaseVerdicts(settings, places, await releases),
    ),
    run("kubernetes: custom resource definitions", [reachable], async ({ cluster }) =>
      definitionVerdicts(settings, places, await cluster.definitions()),
    ),
    run("kubernetes: cert-manager", [reachable], async ({ cluster, releases }) => {
      const { releaseName } = settings.charts.certManager;
      const hasRelease = (await releases).some(
        ({ name, namespace }) => namespace === CERT_MANAGER_NAMESPACE && name === releaseName,
      );
      const deployment = fullName("cert-manager", releaseName);
      if (hasRelease || !(await cluster.hasDeployment(CERT_MANAGER_NAMESPACE, deployment)))
        return ok(`no Deployment ${deployment} that belongs to no Helm release`);
      return problem(
        `Deployment ${deployment} in namespace ${CERT_MANAGER_NAMESPACE} belongs to no Helm release`,
        `remove that installation: ${disableAddOn("CertManager")}, if it is OKE's add-on, or whatever else applied it; or npm run adopt -- --stack <stack>, which takes over what ArgoCD applied`,
      );
    }),
    run("kubernetes: ArgoCD", [reachable], async ({ cluster }) =>
      applicationVerdicts(settings, await cluster.applications()),
    ),
    run("kubernetes: namespaces", [reachable], ({ cluster, releases }) =>
      namespaceVerdicts(settings, cluster, async () => ownReleases(places, await releases)),
    ),
    run("kubernetes: pod security", [reachable], ({ cluster }) => podSecurityVerdicts(settings, cluster)),
    run("kubernetes: services", [reachable], ({ cluster }) => serviceVerdicts(settings, cluster)),
  ]);
  const installed = reachable.value && installedIn(settings, reachable.value, places);
  return { outcomes, installed: await installed?.catch(() => undefined) };
}

async function installedIn(
  settings: Settings,
  { cluster, releases }: { cluster: ClusterReader; releases: ReturnType<ClusterReader["releases"]> },
  places: ReadonlySet<string>,
): Promise<Installed> {
  const gateway = await cluster.service(ISTIO_NAMESPACE, GATEWAY_RELEASE);
  const certificate = await cluster.secret(CERT_MANAGER_NAMESPACE, TLS_SECRET);
  // Without a Certificate nothing says what the key in the Secret is, and the key itself nobody reads.
  const wanted = keyNamed(settings.certificate.key);
  const key = (await cluster.certificateKey().catch(() => undefined)) ?? wanted;
  return {
    any: ownReleases(places, await releases).length > 0,
    ...(gateway && { gateway: { address: gateway.status?.loadBalancer?.ingress?.[0]?.ip } }),
    // Who may not see it knows nothing of it.
    account: await accountIn(settings, cluster).catch(() => undefined),
    hasCertificate: certificate?.annotations?.[ISSUED_BY] === issuerName(settings.issuer) && key === wanted,
  };
}

/** cert-manager's note of the issuer, without which it issues anew: https://cert-manager.io/docs/reference/annotations/ */
const ISSUED_BY = "cert-manager.io/issuer-name";

async function accountIn({ issuer }: Settings, cluster: ClusterReader): Promise<AccountUri> {
  const name = issuerName(issuer);
  const uri = await cluster.accountUri(name);
  // A destroy keeps the account's key, and with it the account.
  return uri ?? ((await cluster.secret(CERT_MANAGER_NAMESPACE, name)) === undefined ? null : undefined);
}

const waysIn = ({ cluster }: Settings) =>
  "id" in cluster
    ? "try oci ce cluster create-kubeconfig --cluster-id <OCID>, then kubectl version; a private endpoint needs a way into the VCN"
    : `try kubectl --context ${cluster.context} version`;

function versionVerdicts({ charts }: Settings, { text, minor }: Version): readonly Verdict[] {
  const supported = supportedKubernetes({ istio: charts.istio.version, certManager: charts.certManager.version });
  const range = (first: number, last: number) => `1.${first} to 1.${last}`;
  return unless(
    supported.flatMap(({ product, version, first, last }) => {
      if (minor < first || minor > last)
        return problem(
          `the cluster runs ${text}, and ${product} ${version} supports ${range(first, last)}`,
          minor > last ? `choose a newer ${product} in charts` : `upgrade the cluster, or choose an older ${product}`,
        );
      if (minor < last) return [];
      return warning(
        `the cluster runs ${text}, the last that ${product} ${version} supports (${range(first, last)})`,
        `choose a newer ${product} in charts before the cluster goes to 1.${minor + 1}`,
      );
    }),
    `${supported.map(({ product, version }) => `${product} ${version}`).join(" and ") || "nothing known"} support ${text}`,
  );
}
