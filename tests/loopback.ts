import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { listening } from "./e2e/cloudflare.ts";

// Servers on loopback. Each is closed by `closeAll`.

const open: (() => Promise<unknown>)[] = [];

/** Closes every server of this module. */
export async function closeAll(): Promise<void> {
  await Promise.all(open.splice(0).map((close) => close()));
}

/** Has something closed with the servers. */
export const closeLater = (close: () => Promise<unknown>) => void open.push(close);

/** Begins to listen on a port of the system's choice. */
export async function listen(server: Server): Promise<number> {
  const { port, close } = await listening(server);
  closeLater(close);
  return port;
}

/** A port on which something accepts connections and never says a word. */
export const silentPort = () => listen(createTcpServer());

/** A port on which HTTP is answered with the beginning of an error, and then cut off. */
export const cutOffPort = () =>
  listen(
    createTcpServer((socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 19\r\n\r\nno healthy", () =>
          socket.resetAndDestroy(),
        );
      });
    }),
  );

/** A port on which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createTcpServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** A call as a server of {@link answering} sees it. */
export interface Call {
  readonly url: URL;
  readonly request: IncomingMessage;
  readonly body: string;
}

/** An answer: text as it is, anything else as JSON. */
export interface Reply {
  /** @default 200 */
  readonly status?: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string[]>>;
}

/**
 * A server that answers.
 *
 * @returns its URL, without a slash at its end
 */
export async function answering(answer: (call: Call) => Reply): Promise<string> {
  const port = await listen(
    createServer(async (request, response) => {
      let body = "";
      for await (const part of request.setEncoding("utf8")) body += part;
      const reply = answer({ url: new URL(request.url ?? "", "http://loopback"), request, body });
      const isText = typeof reply.body === "string";
      response.writeHead(reply.status ?? 200, {
        "content-type": isText ? "text/plain" : "application/json",
        ...reply.headers,
      });
      response.end(isText ? reply.body : JSON.stringify(reply.body));
    }),
  );
  return `http://127.0.0.1:${port}`;
}
