import { randomUUID } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync, realpathSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { type Answer, type DecodedPacket, decode, encode, type Packet } from "dns-packet";

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

/** A record as the API shows it. */
interface DnsRecord {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly content: string;
  readonly ttl: number;
  readonly proxied: boolean;
  readonly comment: string | null;
  readonly tags: string[];
  readonly created_on: string;
  readonly modified_on: string;
}

/** What Cloudflare refuses. */
class Refusal extends Error {
  readonly status: number;
  readonly code: number;

  constructor(status: number, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const BASE = "/client/v4";
const ZONE_ID = "e2e0000000000000000000000000000e";
const ACCOUNT = { id: "e2e0000000000000000000000000000a", name: "e2e" };

/**
 * The groups that a token for cert-manager is made of; the ids are those of
 * https://developers.cloudflare.com/fundamentals/api/reference/permissions/
 */
const PERMISSION_GROUPS = [
  ["4755a26eedb94da69e1066d98aa820be", "DNS Write"],
  ["82e64a83756745bbbb1c9c2701bf816b", "DNS Read"],
  ["c8fed203ed3043cba015a93ad1616f1f", "Zone Read"],
].map(([id, name]) => ({ id, name, scopes: ["com.cloudflare.api.account.zone"] }));

/** Names are compared without case, as DNS does. */
const isSame = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

const isWithin = (name: string, zone: string) => `.${name.toLowerCase()}`.endsWith(`.${zone.toLowerCase()}`);

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

// The API: https://developers.cloudflare.com/api/

async function answer(
  { zone, token }: StandInOptions,
  records: DnsRecord[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const send = (status: number, body: object) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };
  try {
    const body = await text(request);
    if (request.headers.authorization !== `Bearer ${token}`) throw new Refusal(403, 9109, "Invalid access token");
    const found = route(zone, records, request, body);
    const list = Array.isArray(found) && {
      result_info: {
        page: 1,
        per_page: Math.max(found.length, 1),
        count: found.length,
        total_count: found.length,
        total_pages: 1,
      },
    };
    send(200, { success: true, errors: [], messages: [], result: found, ...list });
  } catch (error) {
    const { status, code, message } = error instanceof Refusal ? error : new Refusal(500, 10_000, String(error));
    send(status, { success: false, errors: [{ code, message }], messages: [], result: null });
  }
}

function route(zone: string, records: DnsRecord[], { method = "", url = "" }: IncomingMessage, body: string) {
  const { pathname, searchParams: query } = new URL(url, "http://api");
  const nowhere = new Refusal(
    404,
    7003,
    `Could not route to ${pathname}, perhaps your object identifier is invalid? (${method})`,
  );
  if (!pathname.startsWith(`${BASE}/`)) throw nowhere;
  const [kind, id, part, recordId, ...rest] = pathname.slice(BASE.length + 1).split("/");
  if (rest.length > 0) throw nowhere;
  const read = method === "GET";
  switch (`${kind}/${part ?? ""}`) {
    case "user/verify":
      if (!read || id !== "tokens") throw nowhere;
      return { id: "e2e0000000000000000000000000000d", status: "active" };
    case "user/permission_groups":
      if (!read || id !== "tokens") throw nowhere;
      return PERMISSION_GROUPS.filter(({ name, scopes }) => {
        const [asked, scope] = [query.get("name"), query.get("scope")];
        return (asked === null || asked === name) && (scope === null || scopes.includes(scope));
      });
    case "zones/": {
      if (!read) throw nowhere;
      const found = {
        id: ZONE_ID,
        name: zone,
        status: "active",
        paused: false,
        type: "full",
        development_mode: 0,
        account: ACCOUNT,
        owner: { id: null, type: "user", email: null },
        name_servers: [`ns.${zone}`],
        original_name_servers: [],
        created_on: "2026-01-01T00:00:00Z",
        modified_on: "2026-01-01T00:00:00Z",
        activated_on: "2026-01-01T00:00:00Z",
      };
      if (id === undefined) return query.has("name") && !isSame(query.get("name") ?? "", zone) ? [] : [found];
      if (id !== ZONE_ID) throw nowhere;
      return found;
    }
    case "zones/dns_records": {
      if (id !== ZONE_ID) throw nowhere;
      if (recordId === undefined) {
        if (method === "POST") return write(zone, records, parsed(body));
        if (!read) throw nowhere;
        const wanted = (field: "name" | "type" | "content") => query.get(`${field}.exact`) ?? query.get(field);
        return records.filter((record) =>
          (["name", "type", "content"] as const).every((field) => {
            const value = wanted(field);
            return value === null || (field === "name" ? isSame(value, record.name) : value === record[field]);
          }),
        );
      }
      const index = records.findIndex((record) => record.id === recordId);
      const record = records[index];
      if (record === undefined) throw new Refusal(404, 81_044, "Record does not exist.");
      switch (method) {
        case "GET":
          return record;
        case "PUT":
          return write(zone, records, parsed(body), record);
        case "PATCH":
          return write(zone, records, { ...record, ...parsed(body) }, record);
        case "DELETE":
          records.splice(index, 1);
          return { id: recordId };
        default:
          throw nowhere;
      }
    }
    default:
      throw nowhere;
  }
}

function parsed(body: string): object {
  try {
    return JSON.parse(body);
  } catch {
    throw new Refusal(400, 9207, "Request body is invalid.");
  }
}

const TYPES = ["A", "AAAA", "CNAME", "TXT"];

/** Makes a record, or writes one anew in its place. */
function write(zone: string, records: DnsRecord[], wanted: object, before?: DnsRecord): DnsRecord {
  const { name = "", type = "", content = "", ttl = 1, ...more } = wanted as Partial<DnsRecord>;
  if (!isWithin(name, zone) || !TYPES.includes(type) || content === "")
    throw new Refusal(400, 9005, `DNS Validation Error: name ${name}, type ${type}, content ${content}`);
  const isTaken = records.some(
    (it) => it !== before && isSame(it.name, name) && it.type === type && it.content === content,
  );
  if (isTaken) throw new Refusal(400, 81_058, "An identical record already exists.");
  const now = new Date().toISOString();
  const record: DnsRecord = {
    id: before?.id ?? randomUUID().replaceAll("-", ""),
    name,
    type,
    content,
    ttl,
    proxied: more.proxied ?? false,
    comment: more.comment ?? null,
    tags: more.tags ?? [],
    created_on: before?.created_on ?? now,
    modified_on: now,
  };
  if (before === undefined) records.push(record);
  else records[records.indexOf(before)] = record;
  return record;
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
