import { X509Certificate } from "node:crypto";
import { Resolver } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { isIP, isIPv6 } from "node:net";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import {
  ApiException,
  CoreV1Api,
  CustomObjectsApi,
  createConfiguration,
  type KubeConfig,
  type Middleware,
  ServerConfiguration,
  setHeaderOptions,
  VersionApi,
} from "@kubernetes/client-node";
import { TLS_SECRET } from "../components/certificate.ts";
import { TOKEN_SECRET } from "../components/token-secret.ts";
import type { Settings } from "../config.ts";
import { letsEncrypt } from "../settings/acme.ts";
import { ask, type Endpoint, failureOf, knock, type Presented, shakeHands, shakeOldHands } from "./handshake.ts";
import { kubeConfigOf, settingsOf } from "./stack.ts";

// Proves a deploy by what a user meets. `verify` is the list of checks, `run` the runner, and each function `judge…`
// one check. Nothing is changed anywhere, and no key is looked at.

/** A check of what is up, and what came of it. */
export interface Check {
  readonly name: string;
  /** The host that it is about; absent where it is about all. */
  readonly host?: string;
  readonly status: "pass" | "FAIL" | "skipped";
  readonly reason: string;
  /** What to do about a failure. */
  readonly action?: string;
}

export interface VerifyOptions {
  readonly settings: Omit<Settings, "cloudflareApiToken">;
  /** How the cluster is reached. Where that cannot be found out, the checks that need no cluster still run. */
  readonly kubeConfig: KubeConfig | Promise<KubeConfig>;
  /** DNS server to ask, `<ip>` or `<ip>:<port>`. @default - the system's */
  readonly resolver?: string;
  /** Where HTTPS is asked for. @default - port 443 of the load balancer */
  readonly https?: Endpoint;
  /** Where HTTP is asked for. @default - port 80 of `https`, else of the load balancer */
  readonly http?: Endpoint;
  /** PEM of the roots to trust. @default - Node's own, and those of NODE_EXTRA_CA_CERTS */
  readonly roots?: string;
  /** Milliseconds for each call over the network. @default 5000 */
  readonly timeoutMs?: number;
}

type Asked = VerifyOptions & { readonly timeoutMs: number };

const CERT_MANAGER = "cert-manager";
const ISTIO = "istio-system";
const CERTIFICATE = "tls-wildcard-cluster";
const GATEWAY_SERVICE = "istio-ingressgateway";

/**
 * Checks what is up for a stack, from the token in the cluster to the answer of each service.
 *
 * A check whose foundation failed is skipped and says so; all others run.
 */
export async function verify(options: VerifyOptions): Promise<Check[]> {
  const asked: Asked = { ...options, timeoutMs: options.timeoutMs ?? 5000 };
  const { settings, https, http } = asked;

  const cluster = await run("API server", [], () => judgeCluster(asked));
  const source = await run("certificate's Secret", [cluster], judgeSource);
  const balancer = await run("load balancer", [cluster], (api) => judgeBalancer(asked, api));
  const port443 = await run("port 443", [https ? given(https) : portOf(balancer, 443)], (at) => judgePort(asked, at));
  const plain = http ?? (https && { ip: https.ip, port: 80 });
  const port80 = await run("port 80", [plain ? given(plain) : portOf(balancer, 80)], (at) => judgePort(asked, at));
  const shared = await Promise.all([
    cluster,
    run("ExternalSecret", [cluster], (api) => judgeToken(asked, api)),
    run("ClusterIssuer", [cluster], judgeIssuer),
    run("Certificate", [cluster], judgeCertificate),
    source,
    run("gateway's copy", [cluster, source], judgeCopy),
    run("key elsewhere", [cluster], (api) => judgeKey(asked, api)),
    balancer,
    port443,
    port80,
  ]);

  const hosts = new Map<string, Service | undefined>([[settings.baseDomain, undefined]]);
  for (const service of settings.services) hosts.set(service.host, service);
  const perHost = await Promise.all(
    [...hosts].map(async ([host, service]) => {
      const about = (name: string) => ({ name, host });
      const handshake = await run(about("handshake"), [port443], (at) => judgeHandshake(asked, at, host));
      return Promise.all([
        run(about("DNS"), [balancer], (ip) => judgeRecord(asked, ip, host)),
        handshake,
        run(about("trust"), [handshake], (presented) => judgeTrust(asked, presented, host)),
        run(about("certificate"), [handshake, source], judgePresented),
        // After a handshake that worked, so that a failure of this one is about its version.
        run(about("old TLS"), [handshake, port443], (_, at) => judgeOldTls(asked, at, host)),
        run(about("redirect"), [port80], (at) => judgeRedirect(asked, at, host)),
        ...(service ? [run(about("service"), [handshake, port443], (_, at) => judgeService(asked, at, service))] : []),
      ]);
    }),
  );
  return [...shared, ...perHost.flat()].map(({ check }) => check);
}

type Service = Settings["services"][number];

/** A check, with what it found for the checks that need it. */
interface Outcome<T> {
  readonly check: Check;
  /** There if the check passed. */
  readonly value?: T;
}

/** Why a check passed, and what it found. */
interface Passed<T> {
  readonly reason: string;
  readonly value: T;
}

/** Something is wrong. */
class Failure extends Error {
  readonly action: string;

  constructor(reason: string, action: string) {
    super(reason);
    this.action = action;
  }
}

/** There is nothing to check, or no way to. */
class Skip extends Error {}

/** Runs one check, if those that it needs have passed. */
async function run<T, const Needs extends readonly unknown[]>(
  name: string | { readonly name: string; readonly host: string },
  needs: { readonly [Index in keyof Needs]: Outcome<Needs[Index]> },
  judge: (...values: Needs) => Promise<Passed<T>>,
): Promise<Outcome<T>> {
  const about = typeof name === "string" ? { name } : name;
  const missing = needs.find(({ check }) => check.status !== "pass")?.check;
  if (missing !== undefined) {
    // The first of a row of skipped checks knows why; the others repeat it.
    const reason = missing.status === "FAIL" ? `needs the check "${missing.name}", which failed` : missing.reason;
    return { check: { ...about, status: "skipped", reason } };
  }
  try {
    // Each is there, because its check passed.
    const values = needs.map(({ value }) => value) as unknown as Needs;
    const { reason, value } = await judge(...values);
    return { check: { ...about, status: "pass", reason }, value };
  } catch (error) {
    if (error instanceof Skip) return { check: { ...about, status: "skipped", reason: error.message } };
    if (!(error instanceof Failure)) throw error;
    return { check: { ...about, status: "FAIL", reason: error.message, action: error.action } };
  }
}

/** Passed, with nothing for other checks. */
const passed = (reason: string): Passed<undefined> => ({ reason, value: undefined });

/** What need not be found, because the operator gives it. */
const given = <T>(value: T): Outcome<T> => ({ check: { name: "given", status: "pass", reason: "given" }, value });

/** A port of the load balancer, if there is one. */
const portOf = ({ check, value: ip = "" }: Outcome<string>, port: number): Outcome<Endpoint> => ({
  check,
  value: { ip, port },
});

// The cluster.

interface ClusterApi {
  readonly core: CoreV1Api;
  readonly custom: CustomObjectsApi;
}

/** Of a custom resource, what is read here. */
interface Resource {
  readonly metadata: { readonly generation?: number };
  readonly spec: { readonly issuerRef?: { readonly name: string } };
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
      readonly observedGeneration?: number;
    }[];
  };
}

async function judgeCluster({ kubeConfig, timeoutMs }: Asked): Promise<Passed<ClusterApi>> {
  const action = "bring kubectl version to work with the cluster and the context of the stack's settings";
  try {
    const config = await kubeConfig;
    const server = config.getCurrentCluster()?.server;
    if (server === undefined) throw new Error("the kubeconfig has no current cluster");
    const limit: Middleware = {
      pre: async (request) => {
        request.setSignal(AbortSignal.timeout(timeoutMs));
        return request;
      },
      post: async (response) => response,
    };
    const api = createConfiguration({
      baseServer: new ServerConfiguration(server, {}),
      authMethods: { default: config },
      promiseMiddleware: [limit],
    });
    const { gitVersion } = await new VersionApi(api).getCode();
    return {
      reason: `Kubernetes ${gitVersion}`,
      value: { core: new CoreV1Api(api), custom: new CustomObjectsApi(api) },
    };
  } catch (error) {
    throw new Failure(refusalOf(error), action);
  }
}

/**
 * What the API server answers; undefined when there is no such object, or no such kind.
 *
 * @throws {Failure} when it refuses or does not answer
 */
async function found<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof ApiException && error.code === 404) return undefined;
    throw new Failure(
      `the API server did not answer: ${refusalOf(error)}`,
      "run this again; if it is refused, with the rights of somebody who may run pulumi up",
    );
  }
}

/** Why the API server was of no use. */
function refusalOf(error: unknown): string {
  if (!(error instanceof ApiException)) return failureOf(error);
  // Not the exception's own message, which repeats headers and body.
  try {
    return `${error.code}: ${JSON.parse(error.body).message}`;
  } catch {
    return `HTTP status ${error.code}`;
  }
}

/** Passes when the object's controller says that it is Ready, and means its latest version. */
function readiness(kind: string, name: string, resource: Resource | undefined, action: string): Passed<undefined> {
  if (resource === undefined) throw new Failure(`there is no ${kind} ${name}`, "run pulumi up");
  const ready = resource.status?.conditions?.find(({ type }) => type === "Ready");
  if (ready === undefined) throw new Failure(`${kind} ${name} has no condition Ready yet`, action);
  const why = [ready.reason, ready.message].filter(Boolean).join(", ");
  if (ready.status !== "True") throw new Failure(`${kind} ${name} is not Ready: ${why}`, action);
  if ((ready.observedGeneration ?? Infinity) < (resource.metadata.generation ?? 0))
    throw new Failure(
      `${kind} ${name} is Ready as it was before its last change`,
      `wait, and run this again; else ${action}`,
    );
  return passed(`${name} is Ready: ${why}`);
}

async function judgeToken({ settings }: Asked, { custom }: ClusterApi): Promise<Passed<undefined>> {
  if (settings.cloudflare.token === "none") throw new Skip('cloudflare.token is "none": no token is brought in');
  const at = { group: "external-secrets.io", version: "v1", plural: "externalsecrets", namespace: CERT_MANAGER };
  const resource = await found<Resource>(custom.getNamespacedCustomObject({ ...at, name: TOKEN_SECRET }));
  const action = `kubectl -n ${CERT_MANAGER} describe externalsecret ${TOKEN_SECRET}; is Vault unsealed, and ${settings.vault?.path} written?`;
  return readiness("ExternalSecret", TOKEN_SECRET, resource, action);
}

const certificateOf = ({ custom }: ClusterApi) =>
  found<Resource>(
    custom.getNamespacedCustomObject({
      group: "cert-manager.io",
      version: "v1",
      plural: "certificates",
      namespace: CERT_MANAGER,
      name: CERTIFICATE,
    }),
  );

async function judgeIssuer(api: ClusterApi): Promise<Passed<undefined>> {
  const name = (await certificateOf(api))?.spec.issuerRef?.name;
  if (name === undefined) throw new Skip(`there is no Certificate ${CERTIFICATE} to name its issuer`);
  const at = { group: "cert-manager.io", version: "v1", plural: "clusterissuers" };
  const resource = await found<Resource>(api.custom.getClusterCustomObject({ ...at, name }));
  return readiness("ClusterIssuer", name, resource, `kubectl describe clusterissuer ${name}`);
}

async function judgeCertificate(api: ClusterApi): Promise<Passed<undefined>> {
  const action = `kubectl -n ${CERT_MANAGER} describe certificate,order,challenge`;
  return readiness("Certificate", CERTIFICATE, await certificateOf(api), action);
}

/**
 * The leaf in a TLS Secret; undefined when there is no such Secret. The API server hands the key over with it, and
 * here it is dropped.
 */
async function leafOf({ core }: ClusterApi, namespace: string): Promise<X509Certificate | undefined> {
  const secret = await found(core.readNamespacedSecret({ name: TLS_SECRET, namespace }));
  if (secret === undefined) return undefined;
  const pem = Buffer.from(secret.data?.["tls.crt"] ?? "", "base64");
  try {
    return new X509Certificate(pem);
  } catch {
    throw new Failure(
      `Secret ${namespace}/${TLS_SECRET} has no certificate in tls.crt`,
      `kubectl -n ${CERT_MANAGER} describe certificate ${CERTIFICATE}`,
    );
  }
}

/** As much of a SHA-256 fingerprint as tells certificates apart. */
const shown = ({ fingerprint256 }: X509Certificate) => `SHA-256 ${fingerprint256.slice(0, 23)}…`;

async function judgeSource(api: ClusterApi): Promise<Passed<X509Certificate>> {
  const leaf = await leafOf(api, CERT_MANAGER);
  if (leaf !== undefined) return { reason: `${CERT_MANAGER}/${TLS_SECRET} has ${shown(leaf)}`, value: leaf };
  throw new Failure(
    `there is no Secret ${CERT_MANAGER}/${TLS_SECRET}`,
    `kubectl -n ${CERT_MANAGER} describe certificate,order,challenge`,
  );
}

async function judgeCopy(api: ClusterApi, source: X509Certificate): Promise<Passed<undefined>> {
  const copy = await leafOf(api, ISTIO);
  if (copy?.fingerprint256 === source.fingerprint256) return passed(`${ISTIO}/${TLS_SECRET} is the same`);
  throw new Failure(
    copy === undefined
      ? `there is no Secret ${ISTIO}/${TLS_SECRET}`
      : `${ISTIO}/${TLS_SECRET} has ${shown(copy)}, its source ${shown(source)}`,
    "kubectl -n kube-system logs deployment/reflector; it copies within a second of a change",
  );
}

async function judgeKey({ settings }: Asked, { core }: ClusterApi): Promise<Passed<undefined>> {
  const { namespaces } = settings.reflector;
  if (namespaces === "all") throw new Skip('reflector.namespaces is "all": every namespace is to have the key');
  // Metadata alone, so that no key leaves the cluster for this.
  const metadata = setHeaderOptions("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
  const selector = { fieldSelector: `metadata.name=${TLS_SECRET}` };
  const { items = [] } = (await found(core.listSecretForAllNamespaces(selector, metadata))) ?? {};
  const elsewhere = items
    .map((item) => String(item.metadata?.namespace))
    .filter((namespace) => ![CERT_MANAGER, ...namespaces].includes(namespace))
    .sort();
  if (elsewhere.length === 0) return passed(`nowhere but in ${[CERT_MANAGER, ...namespaces].join(", ")}`);
  throw new Failure(
    `the certificate's key is also in ${elsewhere.join(", ")}`,
    `add to reflector.namespaces what is meant to have it; else ${elsewhere
      .map((namespace) => `kubectl -n ${namespace} delete secret ${TLS_SECRET}`)
      .join("; ")}`,
  );
}

async function judgeBalancer({ settings }: Asked, { core }: ClusterApi): Promise<Passed<string>> {
  const service = await found(core.readNamespacedService({ name: GATEWAY_SERVICE, namespace: ISTIO }));
  if (service === undefined) throw new Failure(`there is no Service ${ISTIO}/${GATEWAY_SERVICE}`, "run pulumi up");
  const type = service.spec?.type;
  if (settings.loadBalancer === undefined && type !== "LoadBalancer")
    throw new Skip(`the gateway's Service is of type ${type}, without a load balancer; give --address to check it`);
  const ip = service.status?.loadBalancer?.ingress?.[0]?.ip;
  if (ip !== undefined) return { reason: `at ${ip}`, value: ip };
  throw new Failure(
    `Service ${ISTIO}/${GATEWAY_SERVICE} has no address`,
    `kubectl -n ${ISTIO} describe service ${GATEWAY_SERVICE}; its events are the cloud controller's`,
  );
}

// What a visitor meets.

async function judgeRecord(asked: Asked, ip: string, host: string): Promise<Passed<undefined>> {
  const { settings, timeoutMs, resolver: server } = asked;
  const { token, proxied, ttlSeconds } = settings.cloudflare;
  if (settings.loadBalancer === undefined) throw new Skip("loadBalancer is not set: the program makes no records");
  if (token === "none") throw new Skip('cloudflare.token is "none": the program makes no records');
  if (proxied) throw new Skip("cloudflare.proxied is true: Cloudflare answers with its own addresses");

  // Two tries, of which the second waits twice as long; the timer is for several servers.
  const resolver = new Resolver({ tries: 2, timeout: Math.round(timeoutMs / 3) });
  if (server !== undefined) resolver.setServers([server]);
  const timer = setTimeout(() => resolver.cancel(), timeoutMs);
  const query = resolver.resolve4(host).finally(() => clearTimeout(timer));
  const addresses = await query.catch((error) => {
    throw new Failure(
      `${server ?? "the system's resolver"} gives no address: ${failureOf(error)}`,
      "pulumi refresh, and up; or is another resolver to be asked, with --resolver?",
    );
  });
  if (addresses.join() === ip) return passed(`A ${ip}`);
  throw new Failure(
    `A ${addresses.sort().join(", ")} instead of ${ip}`,
    `wait ${ttlSeconds} s for older answers to end, or ask --resolver 1.1.1.1; then pulumi refresh, and up`,
  );
}

async function judgePort({ settings, timeoutMs }: Asked, at: Endpoint): Promise<Passed<Endpoint>> {
  const place = isIPv6(at.ip) ? `[${at.ip}]:${at.port}` : `${at.ip}:${at.port}`;
  try {
    await knock(at, timeoutMs);
    return { reason: `${place} accepts connections`, value: at };
  } catch (error) {
    const { loadBalancer } = settings;
    const door = loadBalancer?.internal
      ? "the VCN"
      : `loadBalancer.allowedCidrs, ${loadBalancer?.allowedCidrs.join(", ")}`;
    throw new Failure(
      `${place}: ${failureOf(error)}`,
      `${loadBalancer ? `is this machine in ${door}? ` : ""}kubectl -n ${ISTIO} describe service ${GATEWAY_SERVICE}`,
    );
  }
}

async function judgeHandshake(asked: Asked, at: Endpoint, host: string): Promise<Passed<Presented>> {
  const { roots, timeoutMs, settings } = asked;
  const { minTls } = settings.gateway;
  try {
    const presented = await shakeHands(at, host, { minTls, roots, timeoutMs });
    return { reason: presented.protocol, value: presented };
  } catch (error) {
    throw new Failure(
      `no handshake with TLS ${minTls} or newer: ${failureOf(error)}`,
      `is the gateway up, with its Secret? kubectl -n ${ISTIO} get pods,gateways.networking.istio.io,secret/${TLS_SECRET}; ` +
        "is any of the load balancer's backends healthy?",
    );
  }
}

async function judgeTrust({ settings, roots }: Asked, presented: Presented, host: string): Promise<Passed<undefined>> {
  const { leaf, chainError, isForHost } = presented;
  const { validFromDate: from, validToDate: to } = leaf;
  const renew = `kubectl -n ${CERT_MANAGER} describe certificate,order,challenge`;
  const faults: [reason: string, action: string][] = [];
  if (to < new Date()) faults.push([`expired on ${to.toISOString()}`, renew]);
  else if (from > new Date()) faults.push([`not valid before ${from.toISOString()}`, "is this machine's clock right?"]);
  else if (chainError !== undefined) {
    const issuer = leaf.issuer.replaceAll("\n", ", ");
    const by = roots === undefined ? "Node's roots" : "the roots given";
    faults.push([`not trusted by ${by}: ${chainError}, issued by ${issuer}`, waysToTrust(settings)]);
  }
  if (!isForHost)
    faults.push([
      `for ${leaf.subjectAltName ?? "no name"}, not for ${host}`,
      "is another Gateway's host in the way? kubectl get gateways.networking.istio.io -A",
    ]);
  if (faults.length === 0) return passed(`trusted, until ${to.toISOString().slice(0, 10)}`);
  throw new Failure(faults.map(([reason]) => reason).join("; "), faults.map(([, action]) => action).join("; "));
}

/** What makes a chain trusted depends on who issues. */
function waysToTrust({ acme }: Asked["settings"]): string {
  switch (acme?.directory) {
    case undefined:
      return (
        "the CA is the cluster's own: give its root with --roots, from kubectl -n cert-manager get secret " +
        "cluster-issuer-ca -o jsonpath='{.data.tls\\.crt}' | base64 -d"
      );
    case letsEncrypt.staging:
      return (
        "nobody trusts Let's Encrypt's staging: give its root with --roots, from " +
        "https://letsencrypt.org/docs/staging-environment/, or set acme.server to production"
      );
    case letsEncrypt.production:
      return "is the certificate of another issuer still served, or an intermediate missing in tls.crt?";
    default:
      return "give the root of the ACME server's certificates with --roots";
  }
}

async function judgePresented({ leaf }: Presented, source: X509Certificate): Promise<Passed<undefined>> {
  if (leaf.fingerprint256 === source.fingerprint256) return passed("the cluster's");
  throw new Failure(
    `presents ${shown(leaf)}, the cluster has ${shown(source)}`,
    `a new copy takes seconds; then kubectl -n ${ISTIO} logs deployment/istiod, and kubectl get gateways.networking.istio.io -A`,
  );
}

async function judgeOldTls({ settings, timeoutMs }: Asked, at: Endpoint, host: string): Promise<Passed<undefined>> {
  const below = settings.gateway.minTls;
  const accepted = await shakeOldHands(at, host, { below, timeoutMs }).catch((error) => {
    // The server's own no. Anything else may be the network's, or this machine's, which then offered nothing.
    if (/^(ECONNRESET|ERR_SSL_\S*ALERT\S*)$/.test(error.code)) return undefined;
    throw new Skip(`whether versions below ${below} are refused is not known: ${failureOf(error)}`);
  });
  if (accepted === undefined) return passed(`versions below ${below} are refused`);
  throw new Failure(
    `${accepted} is accepted; gateway.minTls is ${below}`,
    "pulumi refresh, and up; is another Gateway serving this host? kubectl get gateways.networking.istio.io -A",
  );
}

async function judgeRedirect({ timeoutMs }: Asked, at: Endpoint, host: string): Promise<Passed<undefined>> {
  const action = `pulumi refresh, and up; kubectl -n ${ISTIO} get gateways.networking.istio.io istio-gateway -o yaml should have httpsRedirect`;
  const { status, headers } = await ask("http", at, host, timeoutMs).catch((error) => {
    throw new Failure(`no answer over HTTP: ${failureOf(error)}`, action);
  });
  if (status !== 301) throw new Failure(`answers ${status} over HTTP instead of 301`, action);
  const location = headers.location ?? "nowhere";
  if (URL.parse(location)?.origin === `https://${host}`) return passed(`301 to ${location}`);
  throw new Failure(`redirects to ${location} instead of https://${host}/`, action);
}

async function judgeService({ timeoutMs }: Asked, at: Endpoint, service: Service): Promise<Passed<undefined>> {
  const { host, name, namespace, port } = service;
  const backend = `${service.service}.${namespace}:${port}`;
  const { status, headers, body } = await ask("https", at, host, timeoutMs).catch((error) => {
    throw new Failure(
      `no answer over HTTPS: ${failureOf(error)}`,
      `kubectl -n ${namespace} get pods; is ${backend} slow?`,
    );
  });
  // Only what came from behind Envoy has this header: https://www.envoyproxy.io/docs/envoy/v1.37.0/configuration/http/http_filters/router_filter
  if (headers["x-envoy-upstream-service-time"] !== undefined) return passed(`${status} from ${backend}`);
  const isEnvoys = headers.server === "istio-envoy";
  if (isEnvoys && status === 404 && body === "")
    throw new Failure(
      "404 from the gateway: there is no route for this host",
      `run pulumi up; kubectl -n ${namespace} get virtualservice ${name}-vs -o yaml`,
    );
  if (isEnvoys && status >= 500)
    throw new Failure(
      `${status} from the gateway, which does not reach ${backend}${body === "" ? "" : `: ${body}`}`,
      `does the Service have this port, and pods that are ready? kubectl -n ${namespace} get service,endpointslices`,
    );
  return passed(`${status}${isEnvoys ? " from the gateway itself" : ""}`);
}

// The command.

/** The checks as a table, and how many failed. */
export function checksText(checks: readonly Check[]): string {
  const rows = checks.map((check) => ({ ...check, title: `${check.name} ${check.host ?? ""}`.trim() }));
  const width = Math.max(...rows.map(({ title }) => title.length));
  const lines = rows.flatMap(({ status, title, reason, action }) => [
    `${status.padEnd(7)}  ${title.padEnd(width)}  ${reason}`,
    ...(action === undefined ? [] : [`${" ".repeat(7 + 2 + width + 2)}→ ${action}`]),
  ]);
  const count = (wanted: Check["status"]) => checks.filter(({ status }) => status === wanted).length;
  return [
    ...lines,
    `${checks.length} checks: ${count("pass")} pass, ${count("FAIL")} FAIL, ${count("skipped")} skipped`,
  ].join("\n");
}

const usage = `npm run verify -- [--stack prod] [--json] [--resolver <ip[:port]>] [--address <ip[:port]>] [--http-address <ip[:port]>] [--roots <file>]

  --stack         whose deploy to check, Pulumi.<stack>.yaml
  --json          print the checks as JSON
  --resolver      DNS server to ask instead of the system's
  --address       where to ask for HTTPS instead of the load balancer, port 443 by default
  --http-address  where to ask for HTTP, port 80 of the same by default
  --roots         PEM file of the roots to trust instead of Node's own`;

/** @throws when the value is none, naming the option */
function endpointOf(option: string, value: string, port: number): Endpoint {
  const [, six, four, own = port] =
    /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(isIPv6(value) ? `[${value}]` : value) ?? [];
  const ip = six ?? four ?? "";
  if (isIP(ip) === 0 || Number(own) < 1 || Number(own) > 65_535)
    throw new Error(
      `--${option} is "${value}"; allowed: <ip> or <ip>:<port>, such as 192.0.2.1:8443 or [2001:db8::1]:8443`,
    );
  return { ip, port: Number(own) };
}

/** @throws when the file holds no certificate, or something that is none */
async function rootsIn(file: string): Promise<string> {
  const pem = await readFile(file, "utf8");
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    for (const block of blocks) new X509Certificate(block);
  } catch (error) {
    throw new Error(`--roots ${file} holds a block that is no certificate: ${failureOf(error)}`);
  }
  if (blocks.length === 0) throw new Error(`--roots ${file} holds no -----BEGIN CERTIFICATE----- block; allowed: PEM`);
  return blocks.join("\n");
}

/**
 * The command, but for the printing.
 *
 * @param directory where `Pulumi.<stack>.yaml` is
 * @throws when an option or the stack's settings are wrong
 */
export async function command(args: string[], directory?: string): Promise<{ output: string; exitCode: 0 | 1 }> {
  const { values } = parseArgs({
    args,
    options: {
      stack: { type: "string", default: "prod" },
      json: { type: "boolean", default: false },
      resolver: { type: "string" },
      address: { type: "string" },
      "http-address": { type: "string" },
      roots: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return { output: usage, exitCode: 0 };
  const { resolver, address, "http-address": httpAddress, roots } = values;
  if (resolver !== undefined) endpointOf("resolver", resolver, 53);
  const https = address === undefined ? undefined : endpointOf("address", address, 443);
  const http = httpAddress === undefined ? undefined : endpointOf("http-address", httpAddress, 80);
  const trusted = roots === undefined ? undefined : await rootsIn(roots);
  const settings = await settingsOf(values.stack, directory);
  const kubeConfig = kubeConfigOf(settings.cluster);
  const checks = await verify({ settings, kubeConfig, resolver, https, http, roots: trusted });
  return {
    output: values.json ? JSON.stringify(checks, null, 2) : checksText(checks),
    exitCode: checks.some(({ status }) => status === "FAIL") ? 1 : 0,
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const { output, exitCode } = await command(process.argv.slice(2));
    console.log(output);
    process.exitCode = exitCode;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
