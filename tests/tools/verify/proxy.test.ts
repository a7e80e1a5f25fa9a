import { afterEach, beforeAll, expect, it } from "vitest";
import { given } from "../../../tools/lib/checks.ts";
import { checkHosts } from "../../../tools/verify/visitor.ts";
import { closeAll, closedPort } from "../../loopback.ts";
import { type Issuer, issue, newIssuer, type TlsPair } from "../../pki.ts";
import { ADDRESS, ARGOCD, askedOf, BASE, HOSTS, linesOf, NAMES, settingsWith, startWayIn, VAULT } from "./deploy.ts";
import { type EnvoyAnswer, httpsGateway } from "./gateway.ts";

// What a visitor meets at Cloudflare, where it proxies the hosts.

let issuer: Issuer;
let pair: TlsPair;
beforeAll(async () => {
  issuer = await newIssuer("Trusted");
  pair = await issue(issuer, NAMES);
});
afterEach(closeAll);

const EDGE_CERTIFICATE =
  "Cloudflare's own certificate covers one label below the zone: order one for this host, or set cloudflare.proxied to false";

/** What is said of each host's name, with Cloudflare at an address of this machine. */
async function judged(answers: Readonly<Record<string, EnvoyAnswer>>, presented: TlsPair = pair, port?: number) {
  const records = Object.fromEntries(HOSTS.map((host) => [host, ["127.0.0.1"]]));
  const wayIn = await startWayIn(pair, { records });
  const ok = { status: 200, isUpstreams: false };
  const all = { [BASE]: ok, [VAULT]: ok, [ARGOCD]: ok, ...answers };
  const proxyPort = port ?? (await httpsGateway({ ...presented, minVersion: "TLSv1.2" }, HOSTS, all));
  const settings = settingsWith({ cloudflare: { proxied: true } });
  const asked = askedOf({ settings, roots: issuer.root, ...wayIn, proxyPort });
  const lines = linesOf(await checkHosts(asked, { source: given(undefined as never), balancer: given(ADDRESS) }));
  return lines.filter((line) => /^\S+ (DNS|Cloudflare) /.test(line));
}

const byHost = (line: (host: string) => string) =>
  HOSTS.flatMap((host) => [
    `skipped DNS ${host}: cloudflare.proxied is true: Cloudflare answers with its own addresses`,
    line(host),
  ]);

it("is asked, and not for the load balancer's address", async () => {
  expect(await judged({})).toEqual(byHost((host) => `pass Cloudflare ${host}: 200`));
});

it.each([
  [
    "loops",
    { status: 301, isUpstreams: false, headers: { location: `https://${VAULT}/` } },
    `Cloudflare answers 301 to https://${VAULT}/, the address asked for: it comes to the gateway over HTTP, for ever → set SSL/TLS > Overview of the zone to Full (strict); npm run doctor says which mode it has`,
  ],
  ...[521, 522].map(
    (status) =>
      [
        `does not come to the gateway: ${status}`,
        { status, isUpstreams: false },
        `Cloudflare answers ${status} → does loadBalancer.allowedCidrs have Cloudflare's ranges? https://www.cloudflare.com/ips/`,
      ] as const,
  ),
  [
    "does not trust the gateway",
    { status: 526, isUpstreams: false },
    "Cloudflare answers 526 → it does not trust the gateway's certificate: set acme.server to production, or SSL/TLS > Overview to Full",
  ],
] as const)("%s, and what to change is said", async (_, answer, line) => {
  expect(await judged({ [VAULT]: answer })).toEqual(
    byHost((host) => (host === VAULT ? `FAIL Cloudflare ${host}: ${line}` : `pass Cloudflare ${host}: 200`)),
  );
});

it("has no certificate for a host that is too deep", async () => {
  const theirs = await issue(issuer, ["example.com", "*.example.com"]);
  expect(await judged({}, theirs)).toEqual(
    byHost((host) =>
      host === BASE
        ? `pass Cloudflare ${host}: 200`
        : `FAIL Cloudflare ${host}: Cloudflare presents a certificate for DNS:example.com, DNS:*.example.com → ${EDGE_CERTIFICATE}`,
    ),
  );
});

it("has no handshake for a host that it does not know", async () => {
  const port = await httpsGateway({ ...pair, minVersion: "TLSv1.2" }, [], {});
  const lines = await judged({}, pair, port);
  expect(lines.filter((line) => line.startsWith("FAIL")).map((line) => line.split(" → ")[1])).toEqual(
    HOSTS.map(() => EDGE_CERTIFICATE),
  );
});

it("is not reached, and says so", async () => {
  expect(await judged({}, pair, await closedPort())).toEqual(
    byHost(
      (host) =>
        `FAIL Cloudflare ${host}: no answer from Cloudflare at 127.0.0.1: nothing listens there (ECONNREFUSED) → is that Cloudflare's address, and may this machine go there?`,
    ),
  );
});
