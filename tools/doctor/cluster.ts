import type { KubeConfig } from "@kubernetes/client-node";
import { CERT_MANAGER_NAMESPACE, CERT_MANAGER_RELEASE } from "../../components/cert-manager.ts";
import { GATEWAY_RELEASE } from "../../components/ingress-gateway.ts";
import { ISTIO_NAMESPACE } from "../../components/istio.ts";
import { VAULT_NAMESPACE, VAULT_RELEASE } from "../../components/vault/server.ts";
import type { Service } from "../../settings/services.ts";
import type { Settings } from "../../settings/settings.ts";
import { supportedKubernetes } from "../../settings/support.ts";
import { found, type Outcome, ok, problem, unless, type Verdict, warning, within } from "../lib/checks.ts";
import { failureOf } from "../lib/http.ts";
import { ClusterReader, isBare, isPulumis, type Version } from "./cluster-reader.ts";
import type { Examination } from "./examination.ts";
import { disableAddOn } from "./oci-cli.ts";
import { applicationOf, applicationVerdicts, definitionVerdicts, placesOf, releaseVerdicts } from "./rivals.ts";

// What is in the cluster that the platform is to come to: whether it fits, and what stands in the way.

/** What of this platform is in the cluster. */
export interface Installed {
  /** Whether any of its Helm releases is there. */
  readonly any: boolean;
  /** The gateway's Service; undefined when there is none. */
  readonly gateway?: { readonly address: string | undefined };
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
    run("kubernetes: Helm releases", [reachable], async ({ releases }) => releaseVerdicts(places, await releases)),
    run("kubernetes: custom resource definitions", [reachable], async ({ cluster }) =>
      definitionVerdicts(settings, places, await cluster.definitions()),
    ),
    run("kubernetes: cert-manager", [reachable], async ({ cluster, releases }) => {
      const hasRelease = (await releases).some(
        ({ name, namespace }) => namespace === CERT_MANAGER_NAMESPACE && name === CERT_MANAGER_RELEASE,
      );
      if (hasRelease || !(await cluster.hasDeployment(CERT_MANAGER_NAMESPACE, CERT_MANAGER_RELEASE)))
        return ok(`no Deployment ${CERT_MANAGER_RELEASE} that belongs to no Helm release`);
      return problem(
        `Deployment ${CERT_MANAGER_RELEASE} in namespace ${CERT_MANAGER_NAMESPACE} belongs to no Helm release`,
        `remove that installation: ${disableAddOn("CertManager")}, if it is OKE's add-on, or whatever else applied it`,
      );
    }),
    run("kubernetes: ArgoCD", [reachable], async ({ cluster }) =>
      applicationVerdicts(settings, await cluster.applications()),
    ),
    run("kubernetes: namespaces", [reachable], ({ cluster }) => namespaceVerdicts(settings, cluster)),
    run("kubernetes: services", [reachable], ({ cluster }) => serviceVerdicts(settings, cluster)),
  ]);
  const installed = reachable.value && installedIn(reachable.value, places);
  return { outcomes, installed: await installed?.catch(() => undefined) };
}

async function installedIn(
  { cluster, releases }: { cluster: ClusterReader; releases: ReturnType<ClusterReader["releases"]> },
  places: ReadonlySet<string>,
): Promise<Installed> {
  const gateway = await cluster.service(ISTIO_NAMESPACE, GATEWAY_RELEASE);
  return {
    any: (await releases).some(({ name, namespace, byPulumi }) => byPulumi && places.has(`${namespace}/${name}`)),
    ...(gateway && { gateway: { address: gateway.status?.loadBalancer?.ingress?.[0]?.ip } }),
  };
}

const waysIn = ({ cluster }: Settings) =>
  "id" in cluster
    ? "try oci ce cluster create-kubeconfig --cluster-id <OCID>, then kubectl version; a private endpoint needs a way into the VCN"
    : `try kubectl --context ${cluster.context} version`;

function versionVerdicts({ charts }: Settings, { text, minor }: Version): readonly Verdict[] {
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

/** The namespaces that the program makes itself, and so does not find. */
async function namespaceVerdicts({ externalSecrets }: Settings, cluster: ClusterReader): Promise<readonly Verdict[]> {
  const made = [ISTIO_NAMESPACE, ...(externalSecrets.install ? [externalSecrets.namespace] : [])];
  const faults = await Promise.all(
    made.map(async (name) => {
      const namespace = await cluster.namespace(name);
      const metadata = namespace?.metadata;
      if (metadata === undefined || isPulumis(metadata) || isBare(metadata)) return [];
      const application = applicationOf(metadata);
      return [
        problem(
          `namespace ${name} exists, ${application === undefined ? "and Pulumi did not make it" : `made by ${application}`}`,
          `the program makes it itself: move what is in it, then kubectl delete namespace ${name}`,
        ),
      ];
    }),
  );
  return unless(faults.flat(), `${made.join(" and ")} are free, or Pulumi's`);
}

async function serviceVerdicts({ services, vault }: Settings, cluster: ClusterReader): Promise<readonly Verdict[]> {
  // The Vault that the program installs is not there before.
  const isOwn = ({ namespace, service }: Service) =>
    vault?.kind === "installed" && namespace === VAULT_NAMESPACE && service === VAULT_RELEASE;
  const awaited = services.filter((service) => !isOwn(service));
  const names = [...new Set(awaited.map(({ namespace }) => namespace))];
  const there = await Promise.all(names.map(async (name) => (await cluster.namespace(name)) !== undefined));
  const missing = names.filter((_, at) => !there[at]);
  const faults = await Promise.all(
    awaited.filter(({ namespace }) => !missing.includes(namespace)).map((service) => serviceFaults(service, cluster)),
  );
  return unless(
    [
      ...missing.map((name) =>
        problem(
          `namespace ${name} does not exist, and services names it`,
          `kubectl create namespace ${name}, or remove the entry`,
        ),
      ),
      ...faults.flat(),
    ],
    `${services.length} service(s) are there, with their ports`,
  );
}

async function serviceFaults(entry: Service, cluster: ClusterReader) {
  const { name, namespace, service, port } = entry;
  const there = await cluster.service(namespace, service);
  if (there === undefined)
    return [
      problem(
        `services entry ${name}: Service ${service} does not exist in ${namespace}; its host would answer 503`,
        "deploy it first, or correct service and namespace",
      ),
    ];
  const ports = (there.spec?.ports ?? []).map(({ port }) => port);
  const found = there.spec?.ports?.find((it) => it.port === port);
  if (found !== undefined) return protocolFaults(entry, found.appProtocol ?? found.name ?? "");
  return [
    problem(
      `services entry ${name}: Service ${service} in ${namespace} has no port ${port}; it has ${ports.join(", ") || "none"}`,
      "correct port",
    ),
  ];
}

/**
 * What a port calls itself is its maker's word, and not proven.
 *
 * @param said its appProtocol or name, as Istio reads it:
 * https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/
 */
function protocolFaults({ name, namespace, service, port, protocol }: Service, said: string): Verdict[] {
  const reason = `services entry ${name}: port ${port} of Service ${service} in ${namespace} calls itself ${said}, and protocol is ${protocol}`;
  if (protocol !== "https" && /^(https|tls)(-|$)/i.test(said))
    return [warning(`${reason}: what speaks TLS answers 400 to anything else`, "set protocol to https, if it does")];
  if (protocol === "https" && /^(http|http2|grpc|h2c)(-|$)|^kubernetes\.io\/h2c$/i.test(said))
    return [
      warning(`${reason}: what speaks no TLS is answered for with 503`, "set protocol to http or h2c, if it does not"),
    ];
  return [];
}
