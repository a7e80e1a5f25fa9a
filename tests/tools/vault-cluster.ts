import "reflect-metadata";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";
import * as x509 from "@peculiar/x509";
import { type WebSocket, WebSocketServer } from "ws";
import { type Listener, listening } from "../e2e/cloudflare.ts";

// A cluster's API on loopback, as far as the tools around Vault use it: objects, watches, and port-forwards.

/** A certificate that signs itself, for 127.0.0.1; the PEM is its own CA. */
export async function certificateOfThisMachine(): Promise<{ cert: string; key: string }> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = (await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=Vault",
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - 86_400_000),
    notAfter: new Date(Date.now() + 86_400_000),
    extensions: [
      new x509.BasicConstraintsExtension(true),
      new x509.SubjectAlternativeNameExtension([{ type: "ip", value: "127.0.0.1" }]),
    ],
  });
  const key = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { cert: certificate.toString("pem"), key: x509.PemConverter.encode(key, "PRIVATE KEY") };
}

/** An object as the API server keeps it. */
export interface Kept {
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

/** What a port-forward to a pod ends at: a port of this machine, or the kubelet's words why it cannot. */
export type PodPort = number | string;

/** A cluster's API on a port of this machine. */
export class VaultCluster {
  /** Objects by path. */
  readonly objects = new Map<string, Kept>();
  /** Where the port 8200 of each pod is. */
  readonly podPorts = new Map<string, PodPort>();
  /** The path of each request, with the media type that was asked for. */
  readonly requests: string[] = [];
  /** Paths that the operator may not use. */
  readonly forbidden = new Set<string>();
  /** Port-forwards that are open. */
  readonly channels = new Set<WebSocket>();
  readonly #watches = new Map<string, Set<ServerResponse>>();
  readonly #server: Server = createServer((request, response) => this.#answer(request, response));
  #listening: Listener | undefined;

  async start(): Promise<KubeConfig> {
    const websockets = new WebSocketServer({
      noServer: true,
      // What an API server chooses of what the client offers.
      handleProtocols: (offered) => (offered.has("v4.channel.k8s.io") ? "v4.channel.k8s.io" : false),
    });
    this.#server.on("upgrade", (request, socket, head) => {
      this.requests.push(`UPGRADE ${request.url}`);
      const { pathname, searchParams } = new URL(request.url ?? "", "http://api");
      const [, pod = ""] = /\/pods\/([^/]+)\/portforward$/.exec(pathname) ?? [];
      const target = this.podPorts.get(pod);
      if (target === undefined) socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      else
        websockets.handleUpgrade(request, socket, head, (channel) =>
          this.#forward(channel, Number(searchParams.get("ports")), target),
        );
    });
    this.#listening = await listening(this.#server);
    const config = new KubeConfig();
    config.loadFromClusterAndUser(
      { name: "loopback", server: `http://127.0.0.1:${this.#listening.port}`, skipTLSVerify: true },
      { name: "operator", token: "the-operator's-token" },
    );
    return config;
  }

  async stop(): Promise<void> {
    for (const channel of this.channels) channel.terminate();
    await this.#listening?.close();
  }

  /** Stores an object, and tells those who watch. */
  put(path: string, object: Kept): void {
    const isNew = !this.objects.has(path);
    this.objects.set(path, object);
    const collection = path.slice(0, path.lastIndexOf("/"));
    for (const watch of this.#watches.get(collection) ?? []) {
      watch.write(`${JSON.stringify({ type: isNew ? "ADDED" : "MODIFIED", object })}\n`);
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://api");
    const accepted = request.headers.accept ?? "";
    this.requests.push(`${request.method} ${pathname} ${accepted}`);
    const send = (code: number, body: object) => {
      response.writeHead(code, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    if (this.forbidden.has(pathname)) {
      send(403, { kind: "Status", status: "Failure", reason: "Forbidden", message: "not allowed", code: 403 });
      return;
    }
    const inside = [...this.objects].filter(([path]) => path.slice(0, path.lastIndexOf("/")) === pathname);
    if (searchParams.get("watch") === "true") {
      const watches = this.#watches.get(pathname) ?? new Set();
      this.#watches.set(pathname, watches.add(response));
      response.on("close", () => watches.delete(response));
      response.writeHead(200, { "content-type": "application/json" });
      response.flushHeaders();
      for (const [, object] of inside) response.write(`${JSON.stringify({ type: "ADDED", object })}\n`);
      return;
    }
    const object = this.objects.get(pathname);
    if (object !== undefined) {
      const { metadata } = object;
      // https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
      if (accepted.includes("as=PartialObjectMetadata;g=meta.k8s.io;v=v1"))
        send(200, { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata });
      else send(200, object);
    } else if (inside.length > 0 || pathname.endsWith("s")) {
      send(200, { kind: "List", apiVersion: "v1", metadata: {}, items: inside.map(([, item]) => item) });
    } else {
      send(404, { kind: "Status", status: "Failure", reason: "NotFound", message: `${pathname} not found`, code: 404 });
    }
  }

  /**
   * A port-forward as the kubelet speaks it: https://github.com/kubernetes/kubernetes/blob/v1.34.1/staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go
   * Channel 0 carries data and channel 1 errors, and each begins with the port's number.
   */
  #forward(channel: WebSocket, port: number, target: PodPort): void {
    this.channels.add(channel);
    channel.on("close", () => this.channels.delete(channel));
    const send = (stream: number, data: Buffer) => channel.send(Buffer.concat([Buffer.from([stream]), data]));
    const number = Buffer.alloc(2);
    number.writeUInt16LE(port);
    send(0, number);
    send(1, number);
    if (typeof target === "string") {
      send(1, Buffer.from(target));
      return;
    }
    const socket = connect(target, "127.0.0.1");
    socket.on("data", (data) => send(0, data));
    socket.on("close", () => channel.close());
    socket.on("error", () => channel.close());
    channel.on("message", (data: Buffer) => {
      if (data[0] === 0) socket.write(data.subarray(1));
    });
    channel.on("close", () => socket.destroy());
  }
}

/** A pod of Vault's chart. */
export const vaultPod = (
  name: string,
  { running = true, ready = false, labels = {} }: { running?: boolean; ready?: boolean; labels?: object } = {},
): Kept => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "vault", labels: { "app.kubernetes.io/name": "vault", component: "server", ...labels } },
  status: {
    phase: running ? "Running" : "Pending",
    conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
    containerStatuses: [
      { name: "vault", state: running ? { running: {} } : { waiting: { reason: "ContainerCreating" } } },
    ],
  },
});
