import type { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { IncomingHttpHeaders } from "node:http";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { type Endpoint, exchange, LATE } from "../lib/http.ts";

// What a visitor does at the load balancer: connect, shake hands, ask. Nothing is trusted here, only told.

/** What a server presents in a TLS handshake. */
export interface Presented {
  /** Such as "TLSv1.3". */
  readonly protocol: string;
  readonly leaf: X509Certificate;
  /** OpenSSL's code for what is wrong with the chain, such as "CERT_HAS_EXPIRED"; undefined when it is valid. */
  readonly chainError: string | undefined;
  /** Whether the leaf is for the host that was asked for. */
  readonly isForHost: boolean;
}

/** What an HTTP server answers. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The beginning of the body where the status is an error; otherwise empty. */
  readonly body: string;
}

/** Of an error's body, as much as tells who wrote it. */
const BODY_CHARACTERS = 1000;

/**
 * Connects, and no more.
 *
 * @throws when nothing accepts the connection in time
 */
export async function knock({ ip, port }: Endpoint, timeoutMs: number): Promise<void> {
  const socket = endingAfter(timeoutMs, connect({ host: ip, port }));
  try {
    await once(socket, "connect");
  } finally {
    socket.destroy();
  }
}

/**
 * Shakes hands for a host and tells what is presented, trusted or not.
 *
 * @param minTls lowest version to offer
 * @param roots PEM of the roots to trust instead of Node's own
 * @throws when there is no handshake, in time or at all
 */
export async function shakeHands(
  { ip, port }: Endpoint,
  host: string,
  { minTls, roots, timeoutMs }: { minTls: "1.2" | "1.3"; roots: string | undefined; timeoutMs: number },
): Promise<Presented> {
  const socket = connectTls({
    host: ip,
    port,
    servername: host,
    minVersion: `TLSv${minTls}`,
    ca: roots,
    rejectUnauthorized: false,
    // Told apart from the chain, which would otherwise hide it.
    checkServerIdentity: () => undefined,
  });
  return handshakeOf(endingAfter(timeoutMs, socket), () => {
    const leaf = socket.getPeerX509Certificate();
    if (leaf === undefined) throw new Error("no certificate was presented");
    return {
      protocol: String(socket.getProtocol()),
      leaf,
      // The types say Error; it is the code.
      chainError: socket.authorized ? undefined : String(socket.authorizationError),
      isForHost: leaf.checkHost(host, { subject: "never" }) !== undefined,
    };
  });
}

/**
 * Offers nothing but old versions of TLS.
 *
 * @param below the first version that is not offered
 * @returns the version that was accepted
 * @throws when none was
 */
export async function shakeOldHands(
  { ip, port }: Endpoint,
  host: string,
  { below, timeoutMs }: { below: "1.2" | "1.3"; timeoutMs: number },
): Promise<string> {
  const socket = connectTls({
    host: ip,
    port,
    servername: host,
    minVersion: "TLSv1",
    maxVersion: below === "1.3" ? "TLSv1.2" : "TLSv1.1",
    // At its usual level OpenSSL does not offer TLS 1.1, and every server would seem to refuse it.
    ciphers: "DEFAULT@SECLEVEL=0",
    rejectUnauthorized: false,
  });
  return handshakeOf(endingAfter(timeoutMs, socket), () => String(socket.getProtocol()));
}

/**
 * Asks an HTTP server for a host's `/`. No redirect is followed, and no certificate looked at.
 *
 * @throws when there is no answer, in time or at all
 */
export const visit = (scheme: "http" | "https", at: Endpoint, host: string, timeoutMs: number): Promise<HttpAnswer> =>
  exchange(`${scheme}://${host}/`, { at, timeoutMs }, async (response) => {
    const { statusCode: status = 0, headers } = response;
    let body = "";
    // Not that of a success, which may go on for ever.
    if (status >= 400) {
      for await (const chunk of response.setEncoding("utf8")) {
        body += chunk;
        if (body.length >= BODY_CHARACTERS) break;
      }
    }
    return { status, headers, body: body.slice(0, BODY_CHARACTERS) };
  });

/** Whether a redirect from a host's `/` leads there again, HTTP being redirected to HTTPS by the gateway. */
export function isSelf(host: string, location: string | undefined): boolean {
  const asked = `https://${host}/`;
  const target = URL.parse(location ?? "mailto:nobody", asked);
  if (target === null || !/^https?:$/.test(target.protocol)) return false;
  // The fragment is the browser's own affair.
  target.hash = "";
  target.protocol = "https:";
  return target.href === asked;
}

async function handshakeOf<T>(socket: TLSSocket, read: () => T): Promise<T> {
  try {
    await once(socket, "secureConnect");
    return read();
  } finally {
    socket.destroy();
  }
}

/** The connection itself; if it is not over by then, it ends with an error that says so. */
function endingAfter<T extends Socket>(timeoutMs: number, connection: T): T {
  const late = () => connection.destroy(new Error(LATE));
  const timer = setTimeout(late, timeoutMs);
  // An error after the answer is nobody's concern, and would end the process.
  connection.once("close", () => clearTimeout(timer)).on("error", () => {});
  return connection;
}
