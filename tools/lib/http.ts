import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";

// How the tools ask servers over HTTP. Every call ends by itself.

/** Where a server listens. */
export interface Endpoint {
  /** IPv4 or IPv6. */
  readonly ip: string;
  readonly port: number;
}

/** A call over HTTP. */
export interface Question {
  /** Milliseconds for the whole answer. */
  readonly timeoutMs: number;
  /** @default "GET" */
  readonly method?: "GET" | "POST" | "PUT" | "DELETE" | "LIST";
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as a form where it is a `URLSearchParams`, else as JSON. @default - none */
  readonly body?: unknown;
  /** PEM of the CA that signed the server's certificate. @default - Node's own roots */
  readonly ca?: string;
  /** Where to connect for the URL's host, whatever certificate is there. @default - where its name leads */
  readonly at?: Endpoint;
}

/** An answer, whatever its status. */
export interface Answer<Body = unknown> {
  readonly status: number;
  /** Undefined where the answer is no JSON. */
  readonly body: Body | undefined;
}

/** What is said of a server that does not answer in time. */
export const LATE = "no answer in time";

/**
 * Asks a server for JSON.
 *
 * @throws when it cannot be reached, or takes too long
 */
export const ask = <Body = unknown>(url: string | URL, question: Question): Promise<Answer<Body>> =>
  exchange(url, { ...question, headers: { accept: "application/json", ...question.headers } }, async (response) => {
    let text = "";
    for await (const part of response.setEncoding("utf8")) text += part;
    return { status: response.statusCode ?? 0, body: parsed(text) as Body | undefined };
  });

/**
 * Sends a request, and has its answer read. No redirect is followed.
 *
 * Not `fetch`, which takes no CA for one call.
 *
 * @param read what it leaves unread is not waited for
 * @throws when the server cannot be reached, or takes too long
 */
export async function exchange<T>(
  url: string | URL,
  { timeoutMs, method = "GET", headers, body, ca, at }: Question,
  read: (response: IncomingMessage) => Promise<T>,
): Promise<T> {
  const target = new URL(url);
  const isForm = body instanceof URLSearchParams;
  const content = body === undefined ? undefined : isForm ? body.toString() : JSON.stringify(body);
  const signal = AbortSignal.timeout(timeoutMs);
  const request = (target.protocol === "https:" ? httpsRequest : httpRequest)(target, {
    method,
    signal,
    ca,
    // A connection for each call: one that is kept would outlive a port-forward.
    agent: false,
    headers: {
      ...(content !== undefined && {
        "content-type": isForm ? "application/x-www-form-urlencoded" : "application/json",
        "content-length": Buffer.byteLength(content),
      }),
      ...headers,
      ...(at && { host: target.host }),
    },
    ...(at && { hostname: at.ip, port: at.port, servername: target.hostname, rejectUnauthorized: false }),
  });
  // An error after the answer is nobody's concern, and would end the process.
  request.on("error", () => {});
  request.end(content);
  try {
    const [response] = await once(request, "response");
    return await read(response);
  } catch (error) {
    // A connection that ends in the middle of an answer does not say who ended it.
    throw signal.aborted ? new Error(LATE) : error;
  } finally {
    request.destroy();
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Why a connection failed, in one line, without the addresses and source lines that Node and OpenSSL add. */
export function failureOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // An abort says only that it was one, and the cause why.
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
      // Node leaves the message empty where a name has several addresses.
      return (reason ?? (message || String(code ?? name))).trim().replaceAll(/\s+/g, " ");
  }
}
