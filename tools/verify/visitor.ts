import { isIPv6 } from "node:net";
import { GATEWAY_RELEASE } from "../../components/ingress-gateway.ts";
import { ISTIO_NAMESPACE } from "../../components/istio.ts";
import { GATEWAY } from "../../components/tls-gateway.ts";
import type { Service } from "../../settings/services.ts";
import { derived, found, given, lacking, type Outcome, ok, problem, type Verdict } from "../lib/checks.ts";
import { type Endpoint, failureOf } from "../lib/http.ts";
import { type Asked, SECOND_PHASE } from "./asked.ts";
import type { ClusterChecks } from "./cluster.ts";
import { judgeProxy, judgeRecord, ownRecords } from "./names.ts";
import { judgeService } from "./service.ts";
import { judgeHandshake, judgeOldTls, judgePresented, judgeTrust } from "./tls.ts";
import { knock, visit } from "./visit.ts";

// What a visitor meets, at each host.

/** What the visitor is told of the cluster. */
type Known = Pick<ClusterChecks, "source" | "balancer">;

/** Checks what a visitor of each host meets. */
export async function checkHosts(asked: Asked, { source, balancer }: Known): Promise<Outcome[]> {
  const { settings, https, http, run } = asked;
  const at = (port: number) => derived(balancer, (ip): Endpoint => ({ ip, port }));
  const served =
    settings.phase === "complete"
      ? given(true)
      : lacking("vault.initialized is false: nothing is served in the first phase of two", SECOND_PHASE);
  const port443 = await run("port 443", [served, https ? given(https) : at(443)], (_, place) =>
    judgePort(asked, place, https !== undefined),
  );
  const plain = http ?? (https && { ip: https.ip, port: 80 });
  const port80 = await run("port 80", [served, plain ? given(plain) : at(80)], (_, place) =>
    judgePort(asked, place, plain !== undefined),
  );

  const records = ownRecords(settings);
  const hosts = new Map<string, Service | undefined>([[settings.baseDomain, undefined]]);
  for (const service of settings.services) hosts.set(service.host, service);
  const perHost = await Promise.all(
    [...hosts].map(async ([host, service]) => {
      const about = (name: string) => ({ name, host });
      const handshake = await run(about("handshake"), [port443], (place) => judgeHandshake(asked, place, host));
      return Promise.all([
        run(about("DNS"), [records, balancer], (own, ip) => judgeRecord(asked, own, ip, host)),
        ...(settings.records?.proxied ? [run(about("Cloudflare"), [served], () => judgeProxy(asked, host))] : []),
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

const DESCRIBE_SERVICE = `kubectl -n ${ISTIO_NAMESPACE} describe service ${GATEWAY_RELEASE}`;

/** @param isGiven whether somebody has said where to ask */
async function judgePort({ settings: { loadBalancer }, timeoutMs }: Asked, at: Endpoint, isGiven: boolean) {
  const place = isIPv6(at.ip) ? `[${at.ip}]:${at.port}` : `${at.ip}:${at.port}`;
  try {
    await knock(at, timeoutMs);
    return found(at, ok(`${place} accepts connections`));
  } catch (error) {
    const door =
      loadBalancer?.address.kind === "internal"
        ? "the VCN"
        : `loadBalancer.allowedCidrs, ${loadBalancer?.allowedCidrs.join(", ")}`;
    const admitted = loadBalancer && `is this machine in ${door}?`;
    const elsewhere = `does that lead to the gateway?${admitted ? ` Where it is the load balancer: ${admitted}` : ""}`;
    return problem(
      `${place}: ${failureOf(error)}`,
      isGiven ? elsewhere : `${admitted ? `${admitted} ` : ""}${DESCRIBE_SERVICE}`,
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
