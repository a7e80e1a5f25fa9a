import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer as createTcpServer } from "node:net";
import { type Answer, type DecodedPacket, decode, encode, type Packet } from "dns-packet";
import { type Listener, listening } from "./listening.ts";
import { type DnsRecord, isSame, isWithin } from "./records.ts";

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

/** Serves a zone's records on one port of UDP and TCP. */
export async function dnsServer(zone: string, records: DnsRecord[], host: string, port: number): Promise<Listener> {
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
