import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync, realpathSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { pathToFileURL } from "node:url";
import { type Answer, type DecodedPacket, decode, encode, type Packet } from "dns-packet";
import { answer, type DnsRecord, isSame, isWithin, ZONE_ID } from "./cloudflare-api.ts";

// Cloudflare's stand-in: its API, and the DNS that serves what was written there. It runs in a pod of the end-to-end test, beside nothing but dns-packet, and in its own test.

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

/** A server that is listening, and its end, which ends its connections too. */
export interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * @param port 0 for one of the system's choice
 * @throws when the port is taken
 */
export async function listening(server: Server, host = "127.0.0.1", port = 0): Promise<Listener> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket.once("close", () => sockets.delete(socket)).on("error", () => {}));
  });
  server.listen(port, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

// DNS: https://www.rfc-editor.org/rfc/rfc1035

/** Cloudflare's word for a TTL of its own choice, which is five minutes. */
const AUTOMATIC = 1;
const AUTOMATIC_SECONDS = 300;
/** Octets of an answer over UDP to those who do not say that they take more. */
const UDP_OCTETS = 512;
/** Octets of one string of a TXT record; longer contents are several. */
const STRING_OCTETS = 255;

const AUTHORITATIVE = 0x0400;
const TRUNCATED = 0x0200;
const RCODES = { NOERROR: 0, NXDOMAIN: 3, REFUSED: 5 } as const;

/** Serves on one port of UDP and TCP. */
async function dnsServer(zone: string, records: DnsRecord[], host: string, port: number): Promise<Listener> {
  const stream = createTcpServer((socket) => {
    let received = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      // Each message stands behind its length: https://www.rfc-editor.org/rfc/rfc1035#section-4.2.2
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        const reply = replyTo(zone, records, received.subarray(2, end), Infinity);
        received = received.subarray(end);
        if (reply === undefined) {
          socket.destroy();
          return;
        }
        const length = Buffer.alloc(2);
        length.writeUInt16BE(reply.length);
        socket.write(Buffer.concat([length, reply]));
      }
    });
  });
  const tcp = await listening(stream, host, port);
  const udp = createSocket("udp4");
  udp.on("message", (message, { port, address }) => {
    const reply = replyTo(zone, records, message, UDP_OCTETS);
    if (reply !== undefined) udp.send(reply, port, address);
  });
  udp.bind(tcp.port, host);
  try {
    await once(udp, "listening");
  } catch (error) {
    await tcp.close();
    // A free port of TCP that is not free for UDP; another will be.
    if (port === 0 && (error as NodeJS.ErrnoException).code === "EADDRINUSE")
      return dnsServer(zone, records, host, port);
    throw error;
  }
  return {
    port: tcp.port,
    async close() {
      udp.close();
      await Promise.all([once(udp, "close"), tcp.close()]);
    },
  };
}

/** The answer to a query; undefined to what is none. */
function replyTo(zone: string, records: readonly DnsRecord[], message: Buffer, octets: number): Buffer | undefined {
  const query = queryIn(message);
  if (query === undefined) return undefined;
  const { rcode, answers, authorities } = lookUp(zone, records, query);
  const reply: Packet = { type: "response", id: query.id, questions: query.questions, answers, authorities };
  const flags = AUTHORITATIVE | RCODES[rcode];
  const whole = encode({ ...reply, flags });
  return whole.length <= octets ? whole : encode({ ...reply, flags: flags | TRUNCATED, answers: [], authorities: [] });
}

function queryIn(message: Buffer): (DecodedPacket & { id: number }) | undefined {
  try {
    const { id = 0, ...packet } = decode(message);
    return packet.type === "query" && packet.questions?.length === 1 ? { id, ...packet } : undefined;
  } catch {
    return undefined;
  }
}

interface Found {
  readonly rcode: keyof typeof RCODES;
  readonly answers: Answer[];
  readonly authorities: Answer[];
}

function lookUp(zone: string, records: readonly DnsRecord[], { questions }: DecodedPacket): Found {
  const { name = "", type = "" } = questions?.[0] ?? {};
  if (!isWithin(name, zone)) return { rcode: "REFUSED", answers: [], authorities: [] };
  const own: Answer[] = isSame(name, zone)
    ? [startOfAuthority(name, zone), { type: "NS", name, ttl: AUTOMATIC_SECONDS, data: `ns.${zone}` }]
    : [];
  const here = records.filter((record) => isSame(record.name, name));
  const answers = [
    ...own.filter((record) => record.type === type),
    ...here.filter((record) => record.type === type || record.type === "CNAME").map((record) => shown(name, record)),
  ];
  // A name with others below it exists: https://www.rfc-editor.org/rfc/rfc8020
  const exists = own.length > 0 || records.some((record) => isWithin(record.name, name));
  return {
    rcode: exists ? "NOERROR" : "NXDOMAIN",
    answers,
    authorities: answers.length === 0 ? [startOfAuthority(zone, zone)] : [],
  };
}

const startOfAuthority = (name: string, zone: string): Answer => ({
  type: "SOA",
  name,
  ttl: AUTOMATIC_SECONDS,
  data: {
    mname: `ns.${zone}`,
    rname: `dns.${zone}`,
    serial: 1,
    refresh: 10_000,
    retry: 2400,
    expire: 604_800,
    // A challenge's name is asked for before it exists, and must not stay unknown.
    minimum: 0,
  },
});

function shown(name: string, { type, content, ttl }: DnsRecord): Answer {
  const common = { name, ttl: ttl === AUTOMATIC ? AUTOMATIC_SECONDS : ttl };
  if (type !== "TXT") return { ...common, type: type as "A" | "AAAA" | "CNAME", data: content };
  // Cloudflare takes the content of a TXT record with or without quotes around it.
  const bytes = Buffer.from(content.replace(/^"(.*)"$/s, "$1"));
  const data: Buffer[] = [];
  for (let start = 0; start === 0 || start < bytes.length; start += STRING_OCTETS)
    data.push(bytes.subarray(start, start + STRING_OCTETS));
  return { ...common, type: "TXT", data };
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
