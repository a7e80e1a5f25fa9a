import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { given, lacking } from "../../../tools/lib/checks.ts";
import { checkHosts } from "../../../tools/verify/visitor.ts";
import { closeAll } from "../../loopback.ts";
import { type Issuer, issue, newIssuer, type TlsPair } from "../../pki.ts";
import { ADDRESS, askedOf, BASE, linesOf, NAMES, type Raw, settingsWith, startWayIn, VAULT } from "./deploy.ts";
import { type EnvoyAnswer, envoySays } from "./gateway.ts";

// Whether a service is served, and what to change where it is not.

let issuer: Issuer;
let pair: TlsPair;
beforeAll(async () => {
  issuer = await newIssuer("Trusted");
  pair = await issue(issuer, NAMES);
});
afterEach(closeAll);

/** What the check of the service at a host says of an answer. */
async function judged(answer: EnvoyAnswer, host = VAULT, settings: Raw = {}): Promise<string | undefined> {
  const wayIn = await startWayIn(pair, { answers: { [host]: answer } });
  const asked = askedOf({ settings: settingsWith(settings), roots: issuer.root, ...wayIn });
  const known = { source: lacking("no certificate is compared"), balancer: given(ADDRESS) };
  const about = new RegExp(`^(\\S+) service ${host}: (.*)$`);
  const lines = linesOf(await checkHosts(asked, known)).map((line) => about.exec(line));
  return lines.flatMap((match) => (match ? [`${match[1]}: ${match[2]}`] : []))[0];
}

const upstream = (status: number, body = "", headers: Record<string, string> = {}): EnvoyAnswer => ({
  status,
  isUpstreams: true,
  body,
  headers,
});

it("is asked for at the base domain too, where one has it for its host", async () => {
  const settings = { services: [{ name: "home", namespace: "web", port: 80, host: BASE }] };
  expect(await judged(upstream(200), BASE, settings)).toBe("pass: 200 from home.web:80");
});

describe("asked for HTTPS alone", () => {
  const settings = { gateway: { hstsSeconds: 300 } };
  const to = "pulumi refresh, and up; kubectl -n vault get virtualservice vault-vs -o yaml";

  it.each([
    ["max-age=300", "pass: 200 from vault.vault:8200"],
    [undefined, `FAIL: Strict-Transport-Security is missing instead of "max-age=300" → ${to}`],
    ["max-age=31536000", `FAIL: Strict-Transport-Security is "max-age=31536000" instead of "max-age=300" → ${to}`],
  ])("says so to browsers with %s", async (said, verdict) => {
    const answer = upstream(200, "", said === undefined ? {} : { "Strict-Transport-Security": said });
    expect(await judged(answer, VAULT, settings)).toBe(verdict);
  });

  it("is for the service to say where the settings say nothing", async () => {
    expect(await judged(upstream(200, "", { "Strict-Transport-Security": "max-age=1" }))).toMatch(/^pass/);
  });
});

describe("the gateway's own answer", () => {
  const unreached = (status: number, said: string) =>
    `FAIL: ${status} from the gateway, which does not reach vault.vault:8200${said} → does the Service have this port, and pods that are ready? kubectl -n vault get service,endpointslices`;

  it.each([
    [
      "of a host without a route",
      envoySays.noRoute,
      "FAIL: 404 from the gateway: there is no route for this host → run pulumi up; kubectl -n vault get virtualservice vault-vs -o yaml",
    ],
    ["of a Service that does not exist", envoySays.noService, unreached(503, "")],
    ["of one without pods", envoySays.noPods, unreached(503, ": no healthy upstream")],
    ["of a pod that refuses", envoySays.refused, unreached(503, `: ${envoySays.refused.body}`)],
    ["of one that is too slow", envoySays.slow, unreached(504, ": upstream request timeout")],
    [
      "of one that answers plain HTTP in TLS, or HTTP/1 in HTTP/2",
      envoySays.garbled,
      `FAIL: 502 from the gateway: ${envoySays.garbled.body}: vault.vault:8200 does not speak as the gateway does → set protocol of the services entry vault to https where it speaks TLS, or to h2c where it speaks nothing but HTTP/2, such as gRPC`,
    ],
    [
      "of one that speaks no TLS to a gateway that does",
      envoySays.noTls,
      `FAIL: 503 from the gateway: ${envoySays.noTls.body.slice(0, 160)}: vault.vault:8200 speaks no TLS → set protocol of the services entry vault to http`,
    ],
    // A policy of the operator's, which Envoy enforces.
    ["that a policy forbids", { status: 403, isUpstreams: false, body: "denied" }, "pass: 403 from the gateway itself"],
  ])("%s", async (_, answer, line) => {
    expect(await judged(answer)).toBe(line);
  });
});

describe("a service's answer", () => {
  const failing = (status: number, said = "") =>
    `FAIL: ${status} from vault.vault:8200, which is reached, and fails${said} → what does it say? kubectl -n vault get pods, and the logs of those of vault`;
  const wantsTls = (said: string) =>
    `FAIL: 400 from vault.vault:8200: ${said}: it speaks HTTPS → set protocol of the services entry vault to https, or let it serve plain HTTP there`;
  const NGINX =
    "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n<body>\r\n<center><h1>400 Bad Request</h1></center>\r\n</body>\r\n</html>";
  const APACHE =
    '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n<title>400 Bad Request</title>\n</head><body>\n<h1>Bad Request</h1>\n<p>Your browser sent a request that this server could not understand.<br />\nReason: You\'re speaking plain HTTP to an SSL-enabled server port.<br />\n</p>\n</body></html>';
  const loop = (location: string) =>
    `FAIL: 307 from vault.vault:8200 to ${location}: it redirects to the address asked for, and so for ever → it takes plain HTTP for what visitors speak: tell it that TLS ends before it (ArgoCD: server.insecure), or set protocol of the services entry vault to https, to a port where it speaks TLS`;

  it.each<[string, EnvoyAnswer, string]>([
    ["a page", upstream(200), "pass: 200 from vault.vault:8200"],
    ["no page", upstream(404), "pass: 404 from vault.vault:8200"],
    ["a mistake of the visitor's", upstream(400, "missing parameter"), "pass: 400 from vault.vault:8200"],
    [
      "that WebSockets alone are served",
      upstream(426, "", { upgrade: "websocket" }),
      "pass: 426 from vault.vault:8200",
    ],
    // Vault's own word for sealed.
    ["an error", upstream(503, "sealed"), failing(503, ": sealed")],
    ["an error without words", upstream(500), failing(500)],
    [
      "Go's no to plain HTTP",
      upstream(400, "Client sent an HTTP request to an HTTPS server.\n"),
      wantsTls("Client sent an HTTP request to an HTTPS server."),
    ],
    ["nginx's", upstream(400, NGINX), wantsTls("400 The plain HTTP request was sent to HTTPS port 400 Bad Request")],
    [
      "Apache's",
      upstream(400, APACHE),
      wantsTls(
        "400 Bad Request Bad Request Your browser sent a request that this server could not understand. Reason: You're speaking plain HTTP to an SSL-enabled server port.".slice(
          0,
          160,
        ),
      ),
    ],
    [
      "that it wants another HTTP",
      upstream(426, "", { upgrade: "h2c" }),
      "FAIL: 426 from vault.vault:8200: it wants h2c → set protocol of the services entry vault to h2c",
    ],
    [
      "that it wants TLS",
      upstream(426, "", { upgrade: "TLS/1.2, HTTP/1.1" }),
      "FAIL: 426 from vault.vault:8200: it wants TLS/1.2, HTTP/1.1 → set protocol of the services entry vault to https",
    ],
    [
      "that it does not know this HTTP",
      upstream(505),
      "FAIL: 505 from vault.vault:8200: it wants another version of HTTP → set protocol of the services entry vault to h2c",
    ],
    [
      "that it is not meant",
      upstream(421),
      "FAIL: 421 from vault.vault:8200: over TLS it does not serve vault.cluster.example.com → set protocol of the services entry vault to http, to a port where it serves plain HTTP, or let it serve that name",
    ],
    ["a redirect to a page", upstream(307, "", { location: "/ui/" }), "pass: 307 from vault.vault:8200"],
    [
      "a redirect to a login",
      upstream(302, "", { location: "https://login.example.com/" }),
      "pass: 302 from vault.vault:8200",
    ],
    [
      "a redirect to another port",
      upstream(302, "", { location: "https://vault.cluster.example.com:8443/" }),
      "pass: 302 from vault.vault:8200",
    ],
    [
      "a redirect to what was asked for",
      upstream(307, "", { location: "https://vault.cluster.example.com/" }),
      loop("https://vault.cluster.example.com/"),
    ],
    ["the same in fewer words", upstream(307, "", { location: "/#start" }), loop("/#start")],
    [
      "a redirect to HTTP, which comes back",
      upstream(307, "", { location: "http://vault.cluster.example.com" }),
      loop("http://vault.cluster.example.com"),
    ],
    // With Envoy's headers turned off, whose it is cannot be told.
    ["an error of unknown origin", { ...upstream(502), isAnonymous: true }, failing(502)],
  ])("%s", async (_, answer, line) => {
    expect(await judged(answer)).toBe(line);
  });
});
