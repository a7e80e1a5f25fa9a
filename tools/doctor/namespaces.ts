import type { V1ObjectMeta } from "@kubernetes/client-node";
import { CERT_MANAGER_NAMESPACE } from "../../components/cert-manager.ts";
import { ISTIO_NAMESPACE } from "../../components/istio.ts";
import { VAULT_NAMESPACE, VAULT_RELEASE } from "../../components/vault/server.ts";
import type { Service } from "../../settings/services.ts";
import type { Settings } from "../../settings/settings.ts";
import { problem, unless, type Verdict, warning } from "../lib/checks.ts";
import { type ClusterReader, isBare, isPulumis } from "./cluster-reader.ts";
import { applicationOf, type HelmRelease } from "./rivals.ts";

// The namespaces that the platform is to come to, and what it is to route in them.

/** Namespaces as the program has to do with them. */
interface Namespaces {
  /** Resources of the program, which refuses one that is there. */
  readonly made: readonly string[];
  /** Made by Helm, which takes one that is there. */
  readonly byHelm: readonly string[];
  /** Of `made` and `byHelm`, those that are there before anything is routed. */
  readonly beforeRoutes: readonly string[];
}

function namespacesOf({ externalSecrets, vault }: Settings): Namespaces {
  const installsVault = vault?.kind === "installed";
  return {
    made: [ISTIO_NAMESPACE, ...(externalSecrets.install ? [externalSecrets.namespace] : [])],
    byHelm: [CERT_MANAGER_NAMESPACE, ...(installsVault ? [VAULT_NAMESPACE] : [])],
    beforeRoutes: [ISTIO_NAMESPACE, ...(installsVault ? [VAULT_NAMESPACE] : [])],
  };
}

/** Namespaces that Kubernetes makes, and that nobody deletes: https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/#initial-namespaces */
const INITIAL = ["default", "kube-node-lease", "kube-public", "kube-system"];

/** @param ownReleases those of this stack */
export async function namespaceVerdicts(
  settings: Settings,
  cluster: ClusterReader,
  ownReleases: () => Promise<readonly HelmRelease[]>,
): Promise<readonly Verdict[]> {
  const { made, byHelm } = namespacesOf(settings);
  const used = [...new Set([...made, ...byHelm, ...settings.services.map(({ namespace }) => namespace)])];
  const faults = await Promise.all(
    used.map(async (name) => {
      const metadata = (await cluster.namespace(name))?.metadata;
      if (metadata === undefined) return [];
      if (metadata.deletionTimestamp !== undefined)
        return [
          problem(
            `namespace ${name} is being deleted, and takes nothing new`,
            `wait until it is gone; what it waits for: kubectl get namespace ${name} -o jsonpath='{.status.conditions}'`,
          ),
        ];
      if (!made.includes(name) || isPulumis(metadata) || isBare(metadata)) return [];
      // With a release of this stack's in it, it is this stack's too, whoever has labelled it since.
      return (await ownReleases()).some(({ namespace }) => namespace === name) ? [] : [taken(name, metadata)];
    }),
  );
  return unless(faults.flat(), `${made.join(" and ")} ${made.length > 1 ? "are" : "is"} free, or Pulumi's`);
}

function taken(name: string, metadata: V1ObjectMeta): Verdict {
  const application = applicationOf(metadata);
  const elsewhere = name === ISTIO_NAMESPACE ? "" : "name another with externalSecrets.namespace";
  const away = `if it is somebody else's, move what is in it, then kubectl delete namespace ${name}`;
  return problem(
    `namespace ${name} exists, ${application === undefined ? "and Pulumi did not make it" : `made by ${application}`}`,
    `the program makes it itself: ${
      INITIAL.includes(name)
        ? elsewhere
        : `${application === undefined ? "" : "npm run adopt -- --stack <stack> takes it over; "}${away}${elsewhere && `, or ${elsewhere}`}; if a run of this stack made it, leave it: npm run repair -- --stack <stack>`
    }`,
  );
}

/** Whether what `services` names can be routed. */
export async function serviceVerdicts(settings: Settings, cluster: ClusterReader): Promise<readonly Verdict[]> {
  const { services } = settings;
  const names = [...new Set(services.map(({ namespace }) => namespace))];
  const there = await Promise.all(names.map(async (name) => (await cluster.namespace(name)) !== undefined));
  const missing = names.filter((_, at) => !there[at]);
  const faults = await Promise.all([
    ...missing.map(async (name) => missingFaults(name, settings)),
    ...services
      .filter(({ namespace }) => !missing.includes(namespace))
      .map((service) => serviceFaults(service, settings, cluster)),
  ]);
  return unless(faults.flat(), `${services.length} service(s) are there, with their ports`);
}

/** The Vault that the program installs, which brings its own Service. */
const isOwn = ({ namespace, service }: Service, { vault }: Settings) =>
  vault?.kind === "installed" && namespace === VAULT_NAMESPACE && service === VAULT_RELEASE;

function missingFaults(name: string, settings: Settings): readonly Verdict[] {
  const { made, beforeRoutes } = namespacesOf(settings);
  if (!made.includes(name) && !beforeRoutes.includes(name))
    return [
      problem(
        `namespace ${name} does not exist, and services names it`,
        `kubectl create namespace ${name}, or remove the entry`,
      ),
    ];
  return settings.services
    .filter((service) => service.namespace === name && !isOwn(service, settings))
    .map(({ name: entry, service }) =>
      beforeRoutes.includes(name)
        ? warning(
            `services entry ${entry}: Service ${service} cannot be there yet: this up makes the namespace ${name}`,
            "deploy it after the up, unless a chart of the platform has it; until then its host answers 503",
          )
        : problem(
            `services entry ${entry}: this up makes the namespace ${name}, and perhaps not before the route`,
            "add the entry after the up",
          ),
    );
}

async function serviceFaults(entry: Service, settings: Settings, cluster: ClusterReader) {
  const { name, namespace, service, port } = entry;
  const there = await cluster.service(namespace, service);
  if (there === undefined)
    return isOwn(entry, settings)
      ? []
      : [
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
