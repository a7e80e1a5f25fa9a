import { X509Certificate } from "node:crypto";
import { CERT_MANAGER_NAMESPACE } from "../../components/cert-manager.ts";
import { CERTIFICATE, TLS_SECRET } from "../../components/certificate.ts";
import { GATEWAY_RELEASE } from "../../components/ingress-gateway.ts";
import { ISTIO_NAMESPACE } from "../../components/istio.ts";
import { REFLECTOR_NAMESPACE } from "../../components/reflector.ts";
import { TOKEN_SECRET } from "../../components/token-secret.ts";
import { fullName } from "../../settings/releases.ts";
import type { Settings } from "../../settings/settings.ts";
import { found, type Outcome, ok, problem, Stop, skipped, type Verdict } from "../lib/checks.ts";
import { type ClusterApi, clusterApi, ifThere, metadataOf, refusalOf } from "../lib/cluster-api.ts";
import { type Asked, SECOND_PHASE } from "./asked.ts";
import { shown } from "./tls.ts";

// What the cluster says of itself: its objects are Ready, and the certificate's key is where it belongs and nowhere
// else. No key is looked at.

/** A cluster that has been asked. */
export interface ClusterChecks {
  readonly outcomes: readonly Outcome[];
  /** The certificate that the gateway is to present. */
  readonly source: Outcome<X509Certificate>;
  /** The load balancer's address. */
  readonly balancer: Outcome<string>;
}

/** Checks what the cluster says. */
export async function checkCluster(asked: Asked): Promise<ClusterChecks> {
  const { run } = asked;
  const cluster = await run("API server", [], () => judgeCluster(asked));
  const source = await run("certificate's Secret", [cluster], (api) => judgeSource(asked, api));
  const balancer = await run("load balancer", [cluster], (api) => judgeBalancer(asked, api));
  const outcomes = await Promise.all([
    cluster,
    run("ExternalSecret", [cluster], (api) => judgeToken(asked, api)),
    run("ClusterIssuer", [cluster], (api) => judgeIssuer(asked, api)),
    run("Certificate", [cluster], (api) => judgeCertificate(asked, api)),
    source,
    run("gateway's copy", [cluster, source], (api, leaf) => judgeCopy(asked, api, leaf)),
    run("key elsewhere", [cluster], (api) => judgeKey(asked, api)),
    balancer,
  ]);
  return { outcomes, source, balancer };
}

async function judgeCluster({ kubeConfig, timeoutMs }: Asked) {
  try {
    const api = clusterApi(await kubeConfig, timeoutMs);
    const { gitVersion } = await api.version.getCode();
    return found(api, ok(`Kubernetes ${gitVersion}`));
  } catch (error) {
    return problem(
      refusalOf(error),
      "bring kubectl version to work with the cluster and the context of the stack's settings",
    );
  }
}

/**
 * What the API server answers; undefined when there is no such object, or no such kind.
 *
 * @throws {Stop} when it refuses or does not answer
 */
const ask = <T>(call: Promise<T>): Promise<T | undefined> =>
  ifThere(call).catch((error) => {
    throw new Stop(
      problem(refusalOf(error), "run this again; if it is refused, with the rights of somebody who may run pulumi up"),
    );
  });

/** Of a custom resource, what is read here. */
interface Resource {
  readonly metadata: { readonly generation?: number };
  readonly spec: { readonly issuerRef?: { readonly name: string } };
  readonly status?: {
    /** Of a Certificate: how many issuances have failed in a row, and when the last one did. */
    readonly failedIssuanceAttempts?: number;
    readonly lastFailureTime?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
      readonly observedGeneration?: number;
    }[];
  };
}

/** What makes an object that is not there. */
const toMake = ({ phase }: Settings) => (phase === "complete" ? "run pulumi up" : SECOND_PHASE);

/** Passes when the object's controller says that it is Ready, and means its latest version. */
function readiness(
  { settings }: Asked,
  { kind, name, resource, action }: { kind: string; name: string; resource: Resource | undefined; action: string },
): Verdict {
  if (resource === undefined) return problem(`there is no ${kind} ${name}`, toMake(settings));
  const ready = resource.status?.conditions?.find(({ type }) => type === "Ready");
  if (ready === undefined) return problem(`${kind} ${name} has no condition Ready yet`, action);
  const why = [ready.reason, ready.message].filter(Boolean).join(", ");
  if (ready.status !== "True") return problem(`${kind} ${name} is not Ready: ${why}`, action);
  if ((ready.observedGeneration ?? Infinity) < (resource.metadata.generation ?? 0))
    return problem(
      `${kind} ${name} is Ready as it was before its last change`,
      `wait, and run this again; else ${action}`,
    );
  return ok(`${name} is Ready: ${why}`);
}

async function judgeToken(asked: Asked, { custom }: ClusterApi): Promise<Verdict> {
  const { vault } = asked.settings;
  if (vault === undefined) return skipped('cloudflare.token is "none": no token is brought in');
  const kind = { group: "external-secrets.io", version: "v1", plural: "externalsecrets" };
  const at = { ...kind, namespace: CERT_MANAGER_NAMESPACE, name: TOKEN_SECRET };
  const action = `kubectl -n ${CERT_MANAGER_NAMESPACE} describe externalsecret ${TOKEN_SECRET}; is Vault unsealed, and ${vault.path} written?`;
  const resource = await ask<Resource>(custom.getNamespacedCustomObject(at));
  return readiness(asked, { kind: "ExternalSecret", name: TOKEN_SECRET, resource, action });
}

/** What tells why there is no certificate. */
const ISSUANCE = `kubectl -n ${CERT_MANAGER_NAMESPACE} describe certificate,order,challenge`;

function certificateOf({ custom }: ClusterApi) {
  const kind = { group: "cert-manager.io", version: "v1", plural: "certificates" };
  const at = { ...kind, namespace: CERT_MANAGER_NAMESPACE, name: CERTIFICATE };
  return ask<Resource>(custom.getNamespacedCustomObject(at));
}

async function judgeIssuer(asked: Asked, api: ClusterApi): Promise<Verdict> {
  const name = (await certificateOf(api))?.spec.issuerRef?.name;
  if (name === undefined) return skipped(`there is no Certificate ${CERTIFICATE} to name its issuer`);
  const at = { group: "cert-manager.io", version: "v1", plural: "clusterissuers" };
  const resource = await ask<Resource>(api.custom.getClusterCustomObject({ ...at, name }));
  return readiness(asked, { kind: "ClusterIssuer", name, resource, action: `kubectl describe clusterissuer ${name}` });
}

async function judgeCertificate(asked: Asked, api: ClusterApi): Promise<Verdict> {
  const resource = await certificateOf(api);
  const action = [ISSUANCE, ...nextTry(resource?.status)].join("; ");
  return readiness(asked, { kind: "Certificate", name: CERTIFICATE, resource, action });
}

/**
 * When cert-manager begins anew what has failed: 1, 2, 4 … 32 hours after it did.
 * https://github.com/cert-manager/cert-manager/blob/v1.21.2/pkg/controller/certificates/trigger/trigger_controller.go
 */
function nextTry({ failedIssuanceAttempts: failures = 0, lastFailureTime }: Resource["status"] = {}): string[] {
  if (failures === 0 || lastFailureTime === undefined) return [];
  const hours = Math.min(2 ** (failures - 1), 32);
  const at = new Date(Date.parse(lastFailureTime) + hours * 3_600_000).toISOString();
  return [
    `after ${failures} failure(s) cert-manager waits ${hours} h and tries again at ${at}; when the cause is gone, cmctl renew -n ${CERT_MANAGER_NAMESPACE} ${CERTIFICATE} tries at once`,
  ];
}

/**
 * The leaf in a TLS Secret; undefined when there is no such Secret. The API server hands the key over with it, and
 * here it is dropped.
 */
async function leafOf({ core }: ClusterApi, namespace: string): Promise<X509Certificate | undefined> {
  const secret = await ask(core.readNamespacedSecret({ name: TLS_SECRET, namespace }));
  if (secret === undefined) return undefined;
  const pem = Buffer.from(secret.data?.["tls.crt"] ?? "", "base64");
  try {
    return new X509Certificate(pem);
  } catch {
    throw new Stop(
      problem(
        `Secret ${namespace}/${TLS_SECRET} has no certificate in tls.crt`,
        `kubectl -n ${CERT_MANAGER_NAMESPACE} describe certificate ${CERTIFICATE}`,
      ),
    );
  }
}

/** What a certificate's key is, in the words of the settings. */
function keyOf({ publicKey: { asymmetricKeyType: kind, asymmetricKeyDetails: details } }: X509Certificate): string {
  if (details?.namedCurve === "prime256v1") return "ecdsa-p256";
  return `${kind}-${details?.namedCurve ?? details?.modulusLength}`;
}

async function judgeSource({ settings }: Asked, api: ClusterApi) {
  const leaf = await leafOf(api, CERT_MANAGER_NAMESPACE);
  const place = `${CERT_MANAGER_NAMESPACE}/${TLS_SECRET}`;
  const { key } = settings.certificate;
  if (leaf !== undefined)
    return found(
      leaf,
      keyOf(leaf) === key
        ? ok(`${place} has ${shown(leaf)}, ${key}`)
        : problem(
            `the key of ${place} is ${keyOf(leaf)}, and certificate.key is ${key}`,
            `run pulumi up, which has it issued anew; else ${ISSUANCE}`,
          ),
    );
  return problem(
    `there is no Secret ${CERT_MANAGER_NAMESPACE}/${TLS_SECRET}`,
    settings.phase === "complete" ? ISSUANCE : toMake(settings),
  );
}

async function judgeCopy({ settings }: Asked, api: ClusterApi, source: X509Certificate): Promise<Verdict> {
  const copy = await leafOf(api, ISTIO_NAMESPACE);
  if (copy?.fingerprint256 === source.fingerprint256) return ok(`${ISTIO_NAMESPACE}/${TLS_SECRET} is the same`);
  return problem(
    copy === undefined
      ? `there is no Secret ${ISTIO_NAMESPACE}/${TLS_SECRET}`
      : `${ISTIO_NAMESPACE}/${TLS_SECRET} has ${shown(copy)}, its source ${shown(source)}`,
    `kubectl -n ${REFLECTOR_NAMESPACE} logs deployment/${fullName("reflector", settings.charts.reflector.releaseName)}; it copies within a second of a change`,
  );
}

async function judgeKey({ settings }: Asked, { core }: ClusterApi): Promise<Verdict> {
  const { namespaces } = settings.reflector;
  if (namespaces === "all") return skipped('reflector.namespaces is "all": every namespace is to have the key');
  const selector = { fieldSelector: `metadata.name=${TLS_SECRET}` };
  const secrets = await ask(metadataOf((options) => core.listSecretForAllNamespaces(selector, options)));
  const allowed = [CERT_MANAGER_NAMESPACE, ...namespaces];
  const elsewhere = (secrets ?? [])
    .map((metadata) => String(metadata.namespace))
    .filter((namespace) => !allowed.includes(namespace))
    .sort();
  if (elsewhere.length === 0) return ok(`nowhere but in ${allowed.join(", ")}`);
  const removals = elsewhere.map((namespace) => `kubectl -n ${namespace} delete secret ${TLS_SECRET}`);
  return problem(
    `the certificate's key is also in ${elsewhere.join(", ")}`,
    `add to reflector.namespaces what is meant to have it; else ${removals.join("; ")}`,
  );
}

async function judgeBalancer({ settings, https }: Asked, { core }: ClusterApi) {
  const place = `Service ${ISTIO_NAMESPACE}/${GATEWAY_RELEASE}`;
  const service = await ask(core.readNamespacedService({ name: GATEWAY_RELEASE, namespace: ISTIO_NAMESPACE }));
  if (service === undefined) return problem(`there is no ${place}`, "run pulumi up");
  const type = service.spec?.type;
  if (settings.loadBalancer === undefined && type !== "LoadBalancer")
    return skipped(
      `the gateway's Service is of type ${type}, without a load balancer${https === undefined ? "" : "; the address given is asked"}`,
      https === undefined ? "give --address to check what it serves" : undefined,
    );
  const ip = service.status?.loadBalancer?.ingress?.[0]?.ip;
  if (ip !== undefined) return found(ip, ok(`at ${ip}`));
  return problem(
    `${place} has no address`,
    `kubectl -n ${ISTIO_NAMESPACE} describe service ${GATEWAY_RELEASE}; its events are the cloud controller's`,
  );
}
