import { HSTS, hstsValue, virtualServiceName } from "../../components/routes.ts";
import type { GatewaySettings } from "../../settings/gateway.ts";
import type { Service } from "../../settings/services.ts";
import { ok, problem, type Verdict } from "../lib/checks.ts";
import { type Endpoint, failureOf } from "../lib/http.ts";
import type { Asked } from "./asked.ts";
import { type HttpAnswer, isSelf, visit } from "./visit.ts";

// Whether a service is served: something answered, and it was no fault of the way to it.

/** A service's answer, and by whom. */
interface Served extends HttpAnswer {
  readonly service: Service;
  /** `<Service>.<namespace>:<port>` */
  readonly backend: string;
  /** Whether it is the gateway's own. */
  readonly isGateways: boolean;
}

export async function judgeService({ timeoutMs, settings }: Asked, at: Endpoint, service: Service): Promise<Verdict> {
  const { host, namespace, port } = service;
  const backend = `${service.service}.${namespace}:${port}`;
  const answer = await visit("https", at, host, timeoutMs).catch(failureOf);
  if (typeof answer === "string")
    return problem(`no answer over HTTPS: ${answer}`, `kubectl -n ${namespace} get pods; is ${backend} slow?`);
  const { headers } = answer;
  // Only what came from behind Envoy has this header: https://www.envoyproxy.io/docs/envoy/v1.37.0/configuration/http/http_filters/router_filter
  const isUpstreams = headers["x-envoy-upstream-service-time"] !== undefined;
  const served = { ...answer, service, backend, isGateways: headers.server === "istio-envoy" && !isUpstreams };
  const whose = served.isGateways ? " from the gateway itself" : isUpstreams ? ` from ${backend}` : "";
  return (
    mistakenProtocol(served) ??
    refused(served) ??
    looping(served) ??
    unprotected(served, settings.gateway) ??
    ok(`${answer.status}${whose}`)
  );
}

/** Lets the gateway speak to a service as it wants to be spoken to. */
const speak = ({ name }: Service, protocol: "http" | "https" | "h2c") =>
  `set protocol of the services entry ${name} to ${protocol}`;

/** Plain HTTP met TLS, or the other way, or one version of HTTP the other. */
function mistakenProtocol({ status, headers, body, service, backend, isGateways }: Served): Verdict | undefined {
  const said = `${status} from ${isGateways ? "the gateway" : backend}: ${inOneLine(body)}`;
  if (!isGateways && status === 400 && TLS_WANTED.test(body))
    return problem(`${said}: it speaks HTTPS`, `${speak(service, "https")}, or let it serve plain HTTP there`);
  if (isGateways && status >= 500 && PLAIN_MET.test(body))
    return problem(`${said}: ${backend} speaks no TLS`, speak(service, "http"));
  if (isGateways && status >= 500 && OTHER_MET.test(body))
    return problem(
      `${said}: ${backend} does not speak as the gateway does`,
      `${speak(service, "https")} where it speaks TLS, or to h2c where it speaks nothing but HTTP/2, such as gRPC`,
    );
  const { upgrade = "" } = headers;
  // For WebSockets alone it is what such a service says to whoever asks for a page.
  if (status === 505 || (status === 426 && !/websocket/i.test(upgrade)))
    return problem(
      `${status} from ${backend}: it wants ${upgrade || "another version of HTTP"}`,
      speak(service, /tls/i.test(upgrade) ? "https" : "h2c"),
    );
  if (status === 421)
    return problem(
      `421 from ${backend}: over TLS it does not serve ${service.host}`,
      `${speak(service, "http")}, to a port where it serves plain HTTP, or let it serve that name`,
    );
  return undefined;
}

/** How nginx, Go, Apache, Tomcat and Jetty say that their port is for HTTPS. */
const TLS_WANTED =
  /plain HTTP request was sent to HTTPS port|HTTP request to an HTTPS server|speaking plain HTTP to an SSL|requires TLS/i;
/** How Envoy says that what answered its TLS was none: https://github.com/envoyproxy/envoy/issues/15584 */
const PLAIN_MET = /WRONG_VERSION_NUMBER/;
/** And that what answered its HTTP was none, or of another version: https://github.com/envoyproxy/envoy/pull/15033 */
const OTHER_MET = /reset reason: protocol error/;

/** What is an error of the way, or of the service. */
function refused({ status, body, service, backend, isGateways }: Served): Verdict | undefined {
  const { name, namespace } = service;
  if (isGateways && status === 404 && body === "")
    return problem(
      "404 from the gateway: there is no route for this host",
      `run pulumi up; kubectl -n ${namespace} get virtualservice ${virtualServiceName(name)} -o yaml`,
    );
  if (status < 500) return undefined;
  const words = body === "" ? "" : `: ${inOneLine(body)}`;
  return isGateways
    ? problem(
        `${status} from the gateway, which does not reach ${backend}${words}`,
        `does the Service have this port, and pods that are ready? kubectl -n ${namespace} get service,endpointslices`,
      )
    : problem(
        `${status} from ${backend}, which is reached, and fails${words}`,
        `what does it say? kubectl -n ${namespace} get pods, and the logs of those of ${service.service}`,
      );
}

/** A redirect to what was asked for. */
function looping({ status, headers, service, backend }: Served): Verdict | undefined {
  const { location } = headers;
  if (status < 300 || status > 399 || !isSelf(service.host, location)) return undefined;
  return problem(
    `${status} from ${backend} to ${location}: it redirects to the address asked for, and so for ever`,
    `it takes plain HTTP for what visitors speak: tell it that TLS ends before it (ArgoCD: server.insecure), or ${speak(service, "https")}, to a port where it speaks TLS`,
  );
}

/** Without what tells browsers to ask for HTTPS alone. The gateway's own answers have no route to be told so. */
function unprotected({ headers, service, isGateways }: Served, { hstsSeconds }: GatewaySettings): Verdict | undefined {
  const said = headers[HSTS.toLowerCase()];
  if (hstsSeconds === undefined || isGateways || said === hstsValue(hstsSeconds)) return undefined;
  return problem(
    `${HSTS} is ${said === undefined ? "missing" : `"${said}"`} instead of "${hstsValue(hstsSeconds)}"`,
    `pulumi refresh, and up; kubectl -n ${service.namespace} get virtualservice ${virtualServiceName(service.name)} -o yaml`,
  );
}

/** The beginning of a body, as text. */
const inOneLine = (body: string) =>
  body
    .replaceAll(/<[^>]*>/g, " ")
    .replaceAll(/\s+/g, " ")
    .trim()
    .slice(0, 160);
