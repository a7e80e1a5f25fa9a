import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect, createServer as createTcpServer } from "node:net";
import { createSecureContext, type TlsOptions } from "node:tls";
import { decode, encode } from "dns-packet";
import { closeLater, listen } from "../../loopback.ts";

// What a visitor meets, on loopback: DNS, and a gateway that answers as Envoy was seen to.

/** A resolver that knows these A records and nothing else; a name without addresses gets no answer at all. */
export async function dnsServer(records: Readonly<Record<string, readonly string[]>>): Promise<string> {
  const socket = createSocket("udp4");
  socket.on("message", (message, { port, address }) => {
    const { id, questions = [] } = decode(message);
    const name = questions[0]?.name ?? "";
    const addresses = records[name.toLowerCase()];
    if (addresses?.length === 0) return;
    const NXDOMAIN = 3;
    const answer = encode({
      type: "response",
      id: id ?? 0,
      flags: 0x0180 | (addresses === undefined ? NXDOMAIN : 0),
      questions,
      answers: (addresses ?? []).map((data) => ({ type: "A" as const, name, ttl: 300, data })),
    });
    socket.send(answer, port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  closeLater(async () => {
    socket.close();
    await once(socket, "close");
  });
  return `127.0.0.1:${socket.address().port}`;
}

/** What Envoy sends for a host. */
export interface EnvoyAnswer {
  readonly status: number;
  /** Whether a Service behind Envoy sent it. */
  readonly isUpstreams: boolean;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether Envoy is told to add no headers of its own. */
  readonly isAnonymous?: boolean;
}

/** Answers as Envoy 1.40 with Istio's server name was seen to. */
export const envoySays = {
  /** The host has no route. */
  noRoute: { status: 404, isUpstreams: false },
  /** The route's Service does not exist. */
  noService: { status: 503, isUpstreams: false },
  /** The Service has no pod that is ready. */
  noPods: { status: 503, isUpstreams: false, body: "no healthy upstream" },
  /** Its pod refuses connections. */
  refused: {
    status: 503,
    isUpstreams: false,
    body: "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
  },
  // These two as they are reported: https://github.com/istio/istio/issues/47091 and https://github.com/istio/istio/issues/33208
  /** Its pod sends what is no answer in the protocol that was spoken. */
  garbled: {
    status: 502,
    isUpstreams: false,
    body: "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
  },
  /** Its pod answers a TLS handshake with plain HTTP. */
  noTls: {
    status: 503,
    isUpstreams: false,
    body: "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, transport failure reason: TLS_error:|268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end",
  },
  /** Its pod takes too long. */
  slow: { status: 504, isUpstreams: false, body: "upstream request timeout" },
} as const satisfies Record<string, EnvoyAnswer>;

function sendAsEnvoy(response: ServerResponse, answer: EnvoyAnswer): void {
  const { status, isUpstreams, body = "", headers, isAnonymous = false } = answer;
  response.writeHead(status, {
    ...(!isAnonymous && { server: "istio-envoy" }),
    ...(isUpstreams && !isAnonymous && { "x-envoy-upstream-service-time": "3" }),
    ...headers,
    ...(body !== "" && !isUpstreams && { "content-type": "text/plain" }),
  });
  response.end(body);
}

/** Envoy's HTTPS side. As Envoy does, it finds the certificate by the name that is asked for, and has none for no name. */
export const httpsGateway = (
  { cert, key, ...tls }: TlsOptions,
  hosts: readonly string[],
  answers: Readonly<Record<string, EnvoyAnswer>>,
) => {
  const context = createSecureContext({ cert, key, ...tls });
  const SNICallback: TlsOptions["SNICallback"] = (name, done) => done(null, hosts.includes(name) ? context : undefined);
  return listen(
    createTlsServer({ ...tls, SNICallback }, ({ headers: { host = "" } }, response) =>
      sendAsEnvoy(response, answers[host] ?? envoySays.noRoute),
    ).on("tlsClientError", () => {}),
  );
};

/** Envoy's HTTP side. */
export const httpGateway = (redirect: (host: string, path: string) => { status: number; location?: string }) =>
  listen(
    createServer(({ url = "/", headers: { host = "" } }, response) => {
      const { status, location } = redirect(host, url);
      response.writeHead(status, { server: "istio-envoy", ...(location !== undefined && { location }) });
      response.end();
    }),
  );

/** In front of a gateway, something that drops what offers no TLS newer than 1.1. */
export const oldDropped = (gateway: number) =>
  listen(
    createTcpServer((socket) => {
      socket.once("data", (hello) => {
        // The version that a ClientHello says it is of: https://www.rfc-editor.org/rfc/rfc5246#section-7.4.1.2
        if (hello.readUInt16BE(9) < 0x0303) return;
        const through = connect(gateway, "127.0.0.1").on("error", () => {});
        through.write(hello);
        socket.pipe(through).pipe(socket);
      });
    }),
  );
