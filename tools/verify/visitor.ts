import { Resolver } from "node:dns/promises";
import { isIPv6 } from "node:net";
import { GATEWAY_RELEASE } from "../../components/ingress-gateway.ts";
import { ISTIO_NAMESPACE } from "../../components/istio.ts";
import { GATEWAY, virtualServiceName } from "../../components/routing.ts";
import type { Service } from "../../settings/services.ts";
import { derived, found, given, type Outcome, ok, problem, skipped, type Verdict } from "../lib/checks.ts";
import { type Endpoint, failureOf } from "../lib/http.ts";
import type { Asked } from "./asked.ts";
import type { ClusterChecks } from "./cluster.ts";
import { judgeHandshake, judgeOldTls, judgePresented, judgeTrust } from "./tls.ts";
import { knock, visit } from "./visit.ts";

// What a visitor meets, at each host.

/** What the visitor is told of the cluster. */
type Known = Pick<ClusterChecks, "source" | "balancer">;

/** Checks what a visitor of each host meets. */
export async function checkHosts(asked: Asked, { source, balancer }: Known): Promise<Outcome[]> {
  const { settings, https, http, run } = asked;
  const at = (port: number) => derived(balancer, (ip): Endpoint => ({ ip, port }));
  const port443 = await run("port 443", [https ? given(https) : at(443)], (place) => judgePort(asked, place));
  const plain = http ?? (https && { ip: https.ip, port: 80 });
  const port80 = await run("port 80", [plain ? given(plain) : at(80)], (place) => judgePort(asked, place));

  const hosts = new Map<string, Service | undefined>([[settings.baseDomain, undefined]]);
  for (const service of settings.services) hosts.set(service.host, service);
  const perHost = await Promise.all(
    [...hosts].map(async ([host, service]) => {
      const about = (name: string) => ({ name, host });
      const handshake = await run(about("handshake"), [port443], (place) => judgeHandshake(asked, place, host));
      return Promise.all([
        run(about("DNS"), [balancer], (ip) => judgeRecord(asked, ip, host)),
        handshake,
        run(about("trust"), [handshake], (presented) => judgeTrust(asked, presented, host)),
        run(about("certificate"), [handshake, source], judgePresented),
        // After a handshake that worked, so that a failure of this one is about its version.
        run(about("old TLS"), [handshake, port443], (_, place) => judgeOldTls(asked, place, host)),
        run(about("redirect"), [port80], (place) => judgeRedirect(asked, place, host)),
        ...(service
          ? [run(about("service"), [handshake, port443], (_, place) => judgeService(asked, place, service))]
          : []),
      ]);
    }),
  );
  return [port443, port80, ...perHost.flat()];
}

async function judgeRecord(asked: Asked, ip: string, host: string): Promise<Verdict> {
  const { settings, timeoutMs, resolver: server } = asked;
  const { loadBalancer, records } = settings;
  if (loadBalancer === undefined) return skipped("loadBalancer is not set: the program makes no records");
  if (records === undefined) return skipped('cloudflare.token is "none": the program makes no records');
  if (records.proxied) return skipped("cloudflare.proxied is true: Cloudflare answers with its own addresses");

  // Two tries, of which the second waits twice as long; the timer is for several servers.
  const resolver = new Resolver({ tries: 2, timeout: Math.round(timeoutMs / 3) });
  if (server !== undefined) resolver.setServers([server]);
  const timer = setTimeout(() => resolver.cancel(), timeoutMs);
  try {
    const addresses = (await resolver.resolve4(host)).sort();
    if (addresses.join() === ip) return ok(`A ${ip}`);
    return problem(
      `A ${addresses.join(", ")} instead of ${ip}`,
      `wait ${records.ttlSeconds} s for older answers to end, or ask --resolver 1.1.1.1; then pulumi refresh, and up`,
    );
  } catch (error) {
    return problem(
      `${server ?? "the system's resolver"} gives no address: ${failureOf(error)}`,
      "pulumi refresh, and up; or is another resolver to be asked, with --resolver?",
    );
  } finally {
    clearTimeout(timer);
  }
}

const DESCRIBE_SERVICE = `kubectl -n ${ISTIO_NAMESPACE} describe service ${GATEWAY_RELEASE}`;

async function judgePort({ settings: { loadBalancer }, timeoutMs }: Asked, at: Endpoint) {
  const place = isIPv6(at.ip) ? `[${at.ip}]:${at.port}` : `${at.ip}:${at.port}`;
  try {
    await knock(at, timeoutMs);
    return found(at, ok(`${place} accepts connections`));
  } catch (error) {
    const door =
      loadBalancer?.address.kind === "internal"
        ? "the VCN"
        : `loadBalancer.allowedCidrs, ${loadBalancer?.allowedCidrs.join(", ")}`;
    return problem(
      `${place}: ${failureOf(error)}`,
      `${loadBalancer ? `is this machine in ${door}? ` : ""}${DESCRIBE_SERVICE}`,
    );
  }
}

async function judgeRedirect({ timeoutMs }: Asked, at: Endpoint, host: string): Promise<Verdict> {
  const action = `pulumi refresh, and up; kubectl -n ${ISTIO_NAMESPACE} get gateways.networking.istio.io ${GATEWAY} -o yaml should have httpsRedirect`;
  try {
    const { status, headers } = await visit("http", at, host, timeoutMs);
    if (status !== 301) return problem(`answers ${status} over HTTP instead of 301`, action);
    const { location = "nowhere" } = headers;
    if (URL.parse(location)?.origin === `https://${host}`) return ok(`301 to ${location}`);
    return problem(`redirects to ${location} instead of https://${host}/`, action);
  } catch (error) {
    return problem(`no answer over HTTP: ${failureOf(error)}`, action);
  }
}

async function judgeService({ timeoutMs }: Asked, at: Endpoint, service: Service): Promise<Verdict> {
  const { host, name, namespace, port } = service;
  const backend = `${service.service}.${namespace}:${port}`;
  const answer = await visit("https", at, host, timeoutMs).catch(failureOf);
  if (typeof answer === "string")
    return problem(`no answer over HTTPS: ${answer}`, `kubectl -n ${namespace} get pods; is ${backend} slow?`);
  const { status, headers, body } = answer;
  // Only what came from behind Envoy has this header: https://www.envoyproxy.io/docs/envoy/v1.37.0/configuration/http/http_filters/router_filter
  if (headers["x-envoy-upstream-service-time"] !== undefined) return ok(`${status} from ${backend}`);
  const isEnvoys = headers.server === "istio-envoy";
  if (isEnvoys && status === 404 && body === "")
    return problem(
      "404 from the gateway: there is no route for this host",
      `run pulumi up; kubectl -n ${namespace} get virtualservice ${virtualServiceName(name)} -o yaml`,
    );
  if (isEnvoys && status >= 500)
    return problem(
      `${status} from the gateway, which does not reach ${backend}${body === "" ? "" : `: ${body}`}`,
      `does the Service have this port, and pods that are ready? kubectl -n ${namespace} get service,endpointslices`,
    );
  return ok(`${status}${isEnvoys ? " from the gateway itself" : ""}`);
}
