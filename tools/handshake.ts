import type { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { type ClientRequest, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";

// What a visitor does at the load balancer: connect, shake hands, ask. Nothing is trusted here, only told.

/** Where a server listens. */
export interface Endpoint {
  /** IPv4 or IPv6. */
  readonly ip: string;
  readonly port: number;
}

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
interface Answer {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The beginning of the body where the status is an error; otherwise empty. */
  readonly body: string;
}

/** Of an error's body, as much as tells who wrote it. */
const BODY_CHARACTERS = 200;

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

/** Asks an HTTP server for a host's `/`. No redirect is followed, and no certificate looked at. */
export async function ask(scheme: "http" | "https", { ip, port }: Endpoint, host: string, timeoutMs: number) {
  const options = { host: ip, port, path: "/", headers: { host }, agent: false };
  const request =
    scheme === "http"
      ? httpRequest(options)
      : httpsRequest({ ...options, servername: host, rejectUnauthorized: false });
  endingAfter(timeoutMs, request).end();
  try {
    const [response] = await once(request, "response");
    const { statusCode: status, headers } = response;
    let body = "";
    // Not that of a success, which may go on for ever.
    if (status >= 400) {
      for await (const chunk of response.setEncoding("utf8")) {
        body += chunk;
        if (body.length >= BODY_CHARACTERS) break;
      }
    }
    return { status, headers, body: body.slice(0, BODY_CHARACTERS) } satisfies Answer;
  } finally {
    request.destroy();
  }
}

async function handshakeOf<T>(socket: TLSSocket, read: () => T): Promise<T> {
  try {
    await once(socket, "secureConnect");
    return read();
  } finally {
    socket.destroy();
  }
}

const LATE = "no answer in time";

/** The connection itself; if it is not over by then, it ends with an error that says so. */
function endingAfter<T extends Socket | ClientRequest>(timeoutMs: number, connection: T): T {
  const late = () => connection.destroy(new Error(LATE));
  const timer = setTimeout(late, timeoutMs);
  // An error after the answer is nobody's concern, and would end the process.
  connection.once("close", () => clearTimeout(timer)).on("error", () => {});
  return connection;
}

/** Why a connection failed, in one line, without the addresses and source lines that Node and OpenSSL add. */
export function failureOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // fetch says only that it failed, and the cause why.
  if (error.cause instanceof Error) return failureOf(error.cause);
  const { code, reason, name, message } = error as Error & { code?: unknown; reason?: string };
  // The code of an AbortSignal's error is a number.
  switch (typeof code === "string" ? code : name) {
    // Of system calls, a resolver, a resolver that was stopped, and an AbortSignal.
    case "ETIMEDOUT":
    case "ETIMEOUT":
    case "ECANCELLED":
    case "TimeoutError":
      return LATE;
    case "ECONNREFUSED":
      return "nothing listens there (ECONNREFUSED)";
    case "ECONNRESET":
      return "the connection was closed (ECONNRESET)";
    default:
      return (reason ?? message).trim().replaceAll(/\s+/g, " ");
  }
}
