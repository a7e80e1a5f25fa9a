import { X509Certificate } from "node:crypto";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { given, lacking, type Outcome } from "../../../tools/lib/checks.ts";
import type { Asked } from "../../../tools/verify/asked.ts";
import { checkHosts } from "../../../tools/verify/visitor.ts";
import { closeAll, closedPort, cutOffPort, silentPort } from "../../loopback.ts";
import { type Issuer, issue, newIssuer, type TlsPair } from "../../pki.ts";
import {
  ADDRESS,
  ARGOCD,
  askedOf,
  BASE,
  HOSTS,
  linesOf,
  NAMES,
  type Raw,
  settingsWith,
  stack,
  startWayIn,
  troublesIn,
  VAULT,
  type WayIn,
} from "./deploy.ts";
import { dnsServer } from "./gateway.ts";

let issuer: Issuer;
let pair: TlsPair;
beforeAll(async () => {
  issuer = await newIssuer("Trusted");
  pair = await issue(issuer, NAMES);
});
afterEach(closeAll);

interface Setup extends WayIn {
  readonly settings?: Raw;
  readonly asked?: Partial<Asked>;
  readonly balancer?: Outcome<string>;
}

async function outcomesOf({ settings, asked, balancer = given(ADDRESS), ...way }: Setup): Promise<Outcome[]> {
  const wayIn = await startWayIn(pair, way);
  const source = given(new X509Certificate(pair.cert));
  const all = askedOf({ settings: settingsWith(settings), roots: issuer.root, ...wayIn, ...asked });
  return checkHosts(all, { source, balancer });
}

const troublesOf = async (setup: Setup) => troublesIn(await outcomesOf(setup));
const everyHost = (line: (host: string) => string) => HOSTS.map(line);

it("passes when all is right, and shows what it met at each host", async () => {
  const lines = linesOf(await outcomesOf({}));
  const at = (host: string, ...service: string[]) => [
    `pass DNS ${host}: A ${ADDRESS}`,
    `pass handshake ${host}: TLSv1.3`,
    expect.stringMatching(`^pass trust ${host}: trusted, until `),
    `pass certificate ${host}: the cluster's`,
    `pass old TLS ${host}: versions below 1.2 are refused`,
    `pass redirect ${host}: 301 to https://${host}/`,
    ...service.map((from) => `pass service ${host}: ${from}`),
  ];
  expect(lines).toEqual([
    expect.stringMatching(/^pass port 443: 127\.0\.0\.1:\d+ accepts connections$/),
    expect.stringMatching(/^pass port 80: 127\.0\.0\.1:\d+ accepts connections$/),
    ...at(BASE),
    ...at(VAULT, "307 from vault.vault:8200"),
    ...at(ARGOCD, "404 from argocd-server.argocd:80"),
  ]);
});

describe("the way in", () => {
  /** Where the ports were looked for, by the reasons of their checks. */
  const placesOf = async (setup: Setup) =>
    (await outcomesOf(setup))
      .filter(({ subject }) => subject.name.startsWith("port"))
      .map(({ verdicts }) => verdicts[0]?.reason.split(/:? /)[0]);
  const nowhere = { https: undefined, http: undefined };

  it("is the load balancer's address, where none is given", async () => {
    expect(await placesOf({ asked: nowhere, balancer: given("127.0.0.1") })).toEqual(["127.0.0.1:443", "127.0.0.1:80"]);
    expect(await placesOf({ asked: nowhere, balancer: given("::1") })).toEqual(["[::1]:443", "[::1]:80"]);
  });

  it("is that of HTTPS for HTTP too", async () => {
    const https = { ip: "127.0.0.1", port: await closedPort() };
    expect(await placesOf({ asked: { https, http: undefined } })).toEqual([`127.0.0.1:${https.port}`, "127.0.0.1:80"]);
  });

  it("is not looked for where there is no load balancer, and nobody says where else", async () => {
    const settings = { cluster: { context: "kind" }, loadBalancer: undefined };
    const lines = linesOf(await outcomesOf({ settings, asked: nowhere, balancer: lacking("there is none") }));
    expect(lines.filter((line) => !line.endsWith(": there is none"))).toEqual(
      everyHost((host) => `skipped DNS ${host}: loadBalancer is not set: the program makes no records`),
    );
    expect(lines).toHaveLength(22);
  });
});

it("is nothing yet in the first phase of two", async () => {
  const lines = linesOf(await outcomesOf({ settings: { vault: { install: true } } }));
  const early =
    "vault.initialized is false: nothing is served in the first phase of two → npm run vault:init -- --stack <stack> --keys-file <file>, then pulumi up";
  expect(lines.filter((line) => !line.endsWith(early))).toEqual(everyHost((host) => `pass DNS ${host}: A ${ADDRESS}`));
});

describe("DNS", () => {
  const wait = "wait 300 s for older answers to end, or ask --resolver 1.1.1.1; then pulumi refresh, and up";
  const another = "pulumi refresh, and up; or is another resolver to be asked, with --resolver?";

  it("fails for another address, and for one beside ours, to which half of the visitors would go", async () => {
    const records = { [VAULT]: ["198.51.100.1"], [BASE]: [ADDRESS, "198.51.100.1"] };
    expect(await troublesOf({ records })).toEqual([
      `FAIL DNS ${BASE}: A 198.51.100.1, ${ADDRESS} instead of ${ADDRESS} → ${wait}`,
      `FAIL DNS ${VAULT}: A 198.51.100.1 instead of ${ADDRESS} → ${wait}`,
    ]);
  });

  it("fails for a name that does not exist", async () => {
    const resolver = await dnsServer({ [BASE]: [ADDRESS], [VAULT]: [ADDRESS] });
    expect(await troublesOf({ asked: { resolver } })).toEqual([
      `FAIL DNS ${ARGOCD}: ${resolver} gives no address: queryA ENOTFOUND ${ARGOCD} → ${another}`,
    ]);
  });

  it("is not asked where the program makes no records, whatever there is for an address", async () => {
    const skipped = (reason: string) => everyHost((host) => `skipped DNS ${host}: ${reason}`);
    const records = { [VAULT]: ["104.16.0.1"] };
    const tokenless = { cloudflare: { token: "none" }, acme: { server: "ca" }, vault: undefined };
    expect(await troublesOf({ records, settings: tokenless })).toEqual(
      skipped('cloudflare.token is "none": the program makes no records'),
    );
    const settings = { cluster: { context: "kind" }, loadBalancer: undefined };
    for (const balancer of [given(ADDRESS), lacking("there is none; give --address")])
      expect(await troublesOf({ records, settings, balancer })).toEqual(
        skipped("loadBalancer is not set: the program makes no records"),
      );
  });
});

describe("ports", () => {
  const service = "kubectl -n istio-system describe service istio-ingressgateway";
  const refused = (port: number) => `127.0.0.1:${port}: nothing listens there (ECONNREFUSED)`;
  const loadBalancer = { ...stack.loadBalancer, allowedCidrs: ["192.0.2.0/24", "198.51.100.0/24"] };

  it.each([
    [{ loadBalancer }, "is this machine in loadBalancer.allowedCidrs, 192.0.2.0/24, 198.51.100.0/24?"],
    [{ loadBalancer: { ...loadBalancer, internal: true } }, "is this machine in the VCN?"],
    [{ cluster: { context: "kind" }, loadBalancer: undefined }, ""],
  ])("fail when nothing listens on 443, and say who may connect with %o", async (settings, admitted) => {
    const https = { ip: "127.0.0.1", port: await closedPort() };
    const needing = (name: string, host: string) => `skipped ${name} ${host}: needs the check "port 443", which failed`;
    const troubles = await troublesOf({ settings, asked: { https } });
    expect(troubles.filter((line) => !line.startsWith("skipped DNS"))).toEqual([
      `FAIL port 443: ${refused(https.port)} → does that lead to the gateway?${admitted && ` Where it is the load balancer: ${admitted}`}`,
      ...["handshake", "trust", "certificate", "old TLS"].map((name) => needing(name, BASE)),
      ...[VAULT, ARGOCD].flatMap((host) =>
        ["handshake", "trust", "certificate", "old TLS", "service"].map((name) => needing(name, host)),
      ),
    ]);
  });

  it("fail at the load balancer with its Service's events", async () => {
    // Only a listener on all addresses of this machine would answer there.
    const asked = { https: undefined, http: undefined, timeoutMs: 1000 };
    const troubles = await troublesOf({ asked, balancer: given("127.0.0.99") });
    const ports = troubles.filter((line) => line.startsWith("FAIL port"));
    expect(ports.map((line) => line.split(" → ")[1])).toEqual(
      Array(2).fill(`is this machine in loadBalancer.allowedCidrs, 0.0.0.0/0? ${service}`),
    );
  });

  it("fail when nothing listens on 80", async () => {
    const http = { ip: "127.0.0.1", port: await closedPort() };
    expect(await troublesOf({ asked: { http } })).toEqual([
      `FAIL port 80: ${refused(http.port)} → does that lead to the gateway? Where it is the load balancer: is this machine in loadBalancer.allowedCidrs, 0.0.0.0/0?`,
      ...everyHost((host) => `skipped redirect ${host}: needs the check "port 80", which failed`),
    ]);
  });
});

describe("the redirect", () => {
  const action =
    "pulumi refresh, and up; kubectl -n istio-system get gateways.networking.istio.io istio-gateway -o yaml should have httpsRedirect";
  const failing = (reason: (host: string) => string) =>
    everyHost((host) => `FAIL redirect ${host}: ${reason(host)} → ${action}`);

  it.each([200, 302])("fails when HTTP is answered with %i", async (status) => {
    expect(await troublesOf({ redirect: (host) => ({ status, location: `https://${host}/` }) })).toEqual(
      failing(() => `answers ${status} over HTTP instead of 301`),
    );
  });

  it.each([
    ["to another host", () => "https://example.org/"],
    ["that stays on HTTP", (host: string) => `http://${host}/`],
    ["to another port", (host: string) => `https://${host}:8443/`],
    ["to nowhere", () => undefined],
  ])("fails for one %s", async (_, locationFor) => {
    const redirect = (host: string) => ({ status: 301, location: locationFor(host) });
    expect(await troublesOf({ redirect })).toEqual(
      failing((host) => `redirects to ${locationFor(host) ?? "nowhere"} instead of https://${host}/`),
    );
  });

  it("fails when HTTP is cut off", async () => {
    const http = { ip: "127.0.0.1", port: await cutOffPort() };
    expect(await troublesOf({ asked: { http } })).toEqual(
      failing(() => "no answer over HTTP: the connection was closed (ECONNRESET)"),
    );
  });
});

it("ends in time where all is silent", async () => {
  const silent = { ip: "127.0.0.1", port: await silentPort() };
  const resolver = await dnsServer({ [BASE]: [] });
  const asked = { https: silent, http: silent, resolver, timeoutMs: 300 };
  const troubles = await troublesOf({ settings: { services: [] }, asked });
  expect(troubles.filter((line) => line.startsWith("FAIL")).map((line) => line.split(" → ")[0])).toEqual([
    `FAIL DNS ${BASE}: ${resolver} gives no address: no answer in time`,
    `FAIL handshake ${BASE}: no handshake with TLS 1.2 or newer: no answer in time`,
    `FAIL redirect ${BASE}: no answer over HTTP: no answer in time`,
  ]);
});
