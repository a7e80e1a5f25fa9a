import { readFileSync, realpathSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { pathToFileURL } from "node:url";
import { answer, ZONE_ID } from "./cloudflare/api.ts";
import { dnsServer } from "./cloudflare/dns.ts";
import { listening } from "./cloudflare/listening.ts";
import type { DnsRecord } from "./cloudflare/records.ts";

// Cloudflare's stand-in: its API as far as this project, its provider and cert-manager call it, and the DNS that serves
// what was written there. It runs in a pod of the end-to-end test, beside nothing but dns-packet, and in its own test.

export interface StandInOptions {
  /** The one zone, such as "platform.test". */
  readonly zone: string;
  /** The one API token that is good. */
  readonly token: string;
  /** PEM of the certificate, chain and all, and of its key, with which HTTPS is served. */
  readonly tls: { readonly cert: string; readonly key: string };
  /** @default "127.0.0.1" */
  readonly host?: string;
  /** Each 0 for one that is free; `dns` is of both UDP and TCP. @default - 0 for all */
  readonly ports?: { readonly http: number; readonly https: number; readonly dns: number };
}

export interface StandIn {
  readonly ports: { readonly http: number; readonly https: number; readonly dns: number };
  /** Id of the zone. */
  readonly zoneId: string;
  close(): Promise<void>;
}

/** Starts API and DNS, empty. */
export async function startStandIn(options: StandInOptions): Promise<StandIn> {
  const { zone, tls, host = "127.0.0.1", ports = { http: 0, https: 0, dns: 0 } } = options;
  const records: DnsRecord[] = [];
  const api: RequestListener = (request, response) => void answer(options, records, request, response);
  const http = await listening(createServer(api), host, ports.http);
  const https = await listening(createTlsServer(tls, api), host, ports.https);
  const dns = await dnsServer(zone, records, host, ports.dns);
  return {
    ports: { http: http.port, https: https.port, dns: dns.port },
    zoneId: ZONE_ID,
    async close() {
      await Promise.all([http.close(), https.close(), dns.close()]);
    },
  };
}

/**
 * The program in the pod: everything from the environment, the certificate from files.
 *
 * @throws when a variable is missing, naming it
 */
async function main(env: NodeJS.ProcessEnv): Promise<void> {
  const of = (name: string) => {
    const value = env[name];
    if (value === undefined || value === "") throw new Error(`${name} is not set; tests/e2e/fixtures.ts sets it`);
    return value;
  };
  const [http, https, dns] = ["HTTP_PORT", "HTTPS_PORT", "DNS_PORT"].map((name) => Number(of(name)));
  const { ports } = await startStandIn({
    zone: of("ZONE"),
    token: of("TOKEN"),
    tls: { cert: readFileSync(of("CERT_FILE"), "utf8"), key: readFileSync(of("KEY_FILE"), "utf8") },
    host: env.HOST ?? "0.0.0.0",
    ports: { http: http ?? 0, https: https ?? 0, dns: dns ?? 0 },
  });
  console.log(JSON.stringify(ports));
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  // A file of a ConfigMap is a link, and Node names a module by what it leads to.
  await main(process.env);
}
