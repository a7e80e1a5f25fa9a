import { Resolver } from "node:dns/promises";
import type { RecordsSettings } from "../../settings/cloudflare.ts";
import type { Settings } from "../../settings/settings.ts";
import { given, lacking, type Outcome, ok, problem, type Verdict } from "../lib/checks.ts";
import { failureOf } from "../lib/http.ts";
import type { Asked } from "./asked.ts";
import { isSelf, shakeHands, visit } from "./visit.ts";

// What a visitor finds by a host's name: the load balancer's address, or Cloudflare before it.

/** The records that the program makes, where their addresses are the load balancer's. */
export function ownRecords({ loadBalancer, records }: Settings): Outcome<RecordsSettings> {
  if (loadBalancer === undefined) return lacking("loadBalancer is not set: the program makes no records");
  if (records === undefined) return lacking('cloudflare.token is "none": the program makes no records');
  if (records.proxied) return lacking("cloudflare.proxied is true: Cloudflare answers with its own addresses");
  return given(records);
}

/** @throws when there is none, in time or at all */
async function addressesOf({ timeoutMs, resolver: server }: Asked, host: string): Promise<string[]> {
  // Two tries, of which the second waits twice as long; the timer is for several servers.
  const resolver = new Resolver({ tries: 2, timeout: Math.round(timeoutMs / 3) });
  if (server !== undefined) resolver.setServers([server]);
  const timer = setTimeout(() => resolver.cancel(), timeoutMs);
  try {
    return (await resolver.resolve4(host)).sort();
  } finally {
    clearTimeout(timer);
  }
}

const unresolved = ({ resolver = "the system's resolver" }: Asked, error: unknown): Verdict =>
  problem(
    `${resolver} gives no address: ${failureOf(error)}`,
    "pulumi refresh, and up; or is another resolver to be asked, with --resolver?",
  );

export async function judgeRecord(
  asked: Asked,
  { ttlSeconds }: RecordsSettings,
  ip: string,
  host: string,
): Promise<Verdict> {
  const addresses = await addressesOf(asked, host).catch((error: unknown) => unresolved(asked, error));
  if (!Array.isArray(addresses)) return addresses;
  if (addresses.join() === ip) return ok(`A ${ip}`);
  return problem(
    `A ${addresses.join(", ")} instead of ${ip}`,
    `wait ${ttlSeconds} s for older answers to end, or ask --resolver 1.1.1.1; then pulumi refresh, and up`,
  );
}

/** What a visitor meets at Cloudflare, where it proxies the host. */
export async function judgeProxy(asked: Asked, host: string): Promise<Verdict> {
  const { timeoutMs, roots, proxyPort: port = 443 } = asked;
  const addresses = await addressesOf(asked, host).catch((error: unknown) => unresolved(asked, error));
  if (!Array.isArray(addresses)) return addresses;
  const at = { ip: addresses[0] ?? "", port };
  try {
    const { chainError, isForHost, leaf } = await shakeHands(at, host, { minTls: "1.2", roots, timeoutMs });
    if (chainError !== undefined || !isForHost)
      return problem(
        `Cloudflare presents a certificate for ${leaf.subjectAltName ?? "no name"}${chainError === undefined ? "" : `, ${chainError}`}`,
        EDGE_CERTIFICATE,
      );
    const { status, headers } = await visit("https", at, host, timeoutMs);
    if (isSelf(host, headers.location))
      return problem(
        `Cloudflare answers ${status} to ${headers.location}, the address asked for: it comes to the gateway over HTTP, for ever`,
        "set SSL/TLS > Overview of the zone to Full (strict); npm run doctor says which mode it has",
      );
    const action = EDGE_ERRORS[status];
    return action === undefined ? ok(`${status}`) : problem(`Cloudflare answers ${status}`, action);
  } catch (error) {
    // A host for which it has no certificate gets no handshake.
    const isTls = /^ERR_SSL_/.test(String((error as { code?: unknown }).code));
    return problem(
      `no answer from Cloudflare at ${at.ip}: ${failureOf(error)}`,
      isTls ? EDGE_CERTIFICATE : "is that Cloudflare's address, and may this machine go there?",
    );
  }
}

const EDGE_CERTIFICATE =
  "Cloudflare's own certificate covers one label below the zone: order one for this host, or set cloudflare.proxied to false";

const unreachable = "does loadBalancer.allowedCidrs have Cloudflare's ranges? https://www.cloudflare.com/ips/";

/** What Cloudflare says of the gateway: https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/ */
const EDGE_ERRORS: Readonly<Record<number, string>> = {
  521: unreachable,
  522: unreachable,
  523: "pulumi refresh, and up: the record is not the load balancer's",
  525: "is the gateway up, with its certificate? The checks of this host without Cloudflare say",
  526: "it does not trust the gateway's certificate: set acme.server to production, or SSL/TLS > Overview to Full",
};
