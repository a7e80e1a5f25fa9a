import "reflect-metadata";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from "node:net";
import { createSecureContext, type TlsOptions } from "node:tls";
import { KubeConfig } from "@kubernetes/client-node";
import * as x509 from "@peculiar/x509";
import { decode, encode } from "dns-packet";
import { parseSettings } from "../config.ts";
import { readStack } from "../project/stack.ts";
import type { VerifyOptions } from "../tools/verify.ts";
import { listening } from "./e2e/cloudflare/listening.ts";
import { named, registrationsOf } from "./harness.ts";

// What a deployed platform looks like from outside, on loopback: its cluster's API, its DNS, its gateway, and the
// certificates that it presents. Each server is closed by `closeAll`.

const open: (() => Promise<unknown>)[] = [];

/** Closes every server of this module. */
export async function closeAll(): Promise<void> {
  for (const close of open.splice(0)) await close();
}

/** Begins to listen on a port of the system's choice. */
async function listen(server: Server): Promise<number> {
  const { port, close } = await listening(server);
  open.push(close);
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

// Certificates.

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;
const daysFromNow = (days: number) => new Date(Date.now() + days * DAY_MS);

/** Who signs certificates. */
export interface Issuer {
  readonly name: string;
  readonly keys: CryptoKeyPair;
  /** PEM of the certificates between a leaf and the root. */
  readonly chain: string;
  /** PEM of the root. */
  readonly root: string;
}

/** A certificate with its key, as a TLS Secret holds them. */
export interface TlsPair {
  /** PEM: the leaf, then the chain. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

const newKeys = () => crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as Promise<CryptoKeyPair>;

let serial = 0;

async function certificate(
  subject: string,
  keys: CryptoKeyPair,
  by: { name: string; keys: CryptoKeyPair },
  more: object,
) {
  serial += 1;
  return x509.X509CertificateGenerator.create({
    serialNumber: serial.toString(16).padStart(2, "0"),
    subject,
    issuer: by.name,
    publicKey: keys.publicKey,
    signingKey: by.keys.privateKey,
    signingAlgorithm: ALGORITHM,
    notBefore: daysFromNow(-30),
    notAfter: daysFromNow(60),
    ...more,
  });
}

const forAuthorities = [
  new x509.BasicConstraintsExtension(true, undefined, true),
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
];

/** A CA that issues by an intermediate, as public ones do. */
export async function newIssuer(name: string): Promise<Issuer> {
  const root = { name: `CN=${name} Root`, keys: await newKeys() };
  const intermediate = { name: `CN=${name} Intermediate`, keys: await newKeys() };
  const extensions = forAuthorities;
  const rootCertificate = await certificate(root.name, root.keys, root, { extensions });
  const chain = await certificate(intermediate.name, intermediate.keys, root, { extensions });
  return { ...intermediate, chain: chain.toString("pem"), root: rootCertificate.toString("pem") };
}

/** A certificate with an empty subject, as cert-manager's is. */
export async function issue(
  issuer: Issuer,
  hosts: string[],
  { fromDays = -30, toDays = 60 }: { fromDays?: number; toDays?: number } = {},
): Promise<TlsPair> {
  const keys = await newKeys();
  const leaf = await certificate("", keys, issuer, {
    notBefore: daysFromNow(fromDays),
    notAfter: daysFromNow(toDays),
    extensions: [
      new x509.SubjectAlternativeNameExtension(
        hosts.map((value) => ({ type: "dns" as const, value })),
        true,
      ),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    ],
  });
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  return { cert: `${leaf.toString("pem")}\n${issuer.chain}\n`, key };
}

// The cluster.

/** An object as the API server keeps it. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

/** A TLS Secret. */
export const tlsSecret = (name: string, namespace: string, { cert, key }: TlsPair): KubernetesObject => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name, namespace },
  type: "kubernetes.io/tls",
  data: { "tls.crt": base64(cert), "tls.key": base64(key) },
});

const versionPath = ({ apiVersion }: KubernetesObject) =>
  apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;

const plural = ({ kind }: KubernetesObject) => `${kind.toLowerCase()}s`;

const kindPath = (object: KubernetesObject) => `${versionPath(object)}/${plural(object)}`;

function pathOf(object: KubernetesObject): string {
  const { namespace, name } = object.metadata;
  const place = namespace === undefined ? "" : `/namespaces/${namespace}`;
  return `${versionPath(object)}${place}/${plural(object)}/${name}`;
}

const TOKEN = "the-operator's-token";

/** The `Status` that stands for a failure: https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/#status-v1-meta */
const failure = (code: number, reason: string, message: string): [code: number, body: object] => [
  code,
  { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code },
];

/** A cluster's API, for those who only read. */
export class ClusterApi {
  readonly objects: KubernetesObject[];
  /** The kinds that it knows, by path, with those of its objects. */
  readonly kinds: Set<string>;
  /** Paths that are forbidden. */
  readonly forbidden = new Set<string>();
  /** What it sent, each with the URL that was asked for. */
  readonly sent: string[] = [];

  constructor(objects: KubernetesObject[]) {
    this.objects = objects;
    this.kinds = new Set(objects.map(kindPath));
  }

  /** Starts it. */
  async start(): Promise<KubeConfig> {
    return kubeConfigTo(await listen(createServer((request, response) => this.send(request, response))));
  }

  private send(request: IncomingMessage, response: ServerResponse): void {
    const [code, body] = this.answerTo(request);
    const isText = typeof body === "string";
    const text = isText ? body : JSON.stringify(body);
    this.sent.push(`${request.url}\n${text}`);
    response.writeHead(code, { "content-type": isText ? "text/plain" : "application/json" });
    response.end(text);
  }

  private answerTo({ url = "", headers }: IncomingMessage): [code: number, body: object | string] {
    const { pathname, searchParams } = new URL(url, "http://api");
    if (headers.authorization !== `Bearer ${TOKEN}`) return failure(401, "Unauthorized", "Unauthorized");
    if (this.forbidden.has(pathname)) return failure(403, "Forbidden", `User "operator" cannot get path "${pathname}"`);
    if (pathname === "/version") return [200, { major: "1", minor: "34", gitVersion: "v1.34.1" }];

    const object = this.objects.find((it) => pathOf(it) === pathname);
    if (object !== undefined) return [200, object];
    const [, version, group, plural, name] =
      /^(\/(?:apis\/([^/]+)\/[^/]+|api\/v1))(?:\/namespaces\/[^/]+)?\/([^/]+)(?:\/([^/]+))?$/.exec(pathname) ?? [];
    const ofKind = (it: KubernetesObject) => kindPath(it) === `${version}/${plural}`;
    if (!this.kinds.has(`${version}/${plural}`)) return [404, "404 page not found\n"];
    if (name !== undefined) {
      const resource = group === undefined ? plural : `${plural}.${group}`;
      return failure(404, "NotFound", `${resource} "${name}" not found`);
    }
    const [field, wanted] = searchParams.get("fieldSelector")?.split("=") ?? [];
    if (field !== "metadata.name") return failure(400, "BadRequest", `field label not supported: ${field}`);
    const items = this.objects.filter((it) => ofKind(it) && it.metadata.name === wanted);
    // As https://kubernetes.io/docs/reference/using-api/api-concepts/ says of metadata-only fetches.
    if (headers.accept?.includes("as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")) {
      const partial = items.map(({ metadata }) => ({
        kind: "PartialObjectMetadata",
        apiVersion: "meta.k8s.io/v1",
        metadata,
      }));
      return [200, { kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1", metadata: {}, items: partial }];
    }
    return [200, { kind: "SecretList", apiVersion: "v1", metadata: {}, items }];
  }
}

/** A kubeconfig for whatever is on a port of this machine. */
export function kubeConfigTo(port: number): KubeConfig {
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: "loopback", server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
    { name: "operator", token: TOKEN },
  );
  return config;
}

// DNS.

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
  open.push(async () => {
    socket.close();
    await once(socket, "close");
  });
  return `127.0.0.1:${socket.address().port}`;
}

// The gateway.

/** What Envoy sends for a host. */
export interface EnvoyAnswer {
  readonly status: number;
  /** Whether a Service behind Envoy sent it. */
  readonly isUpstreams: boolean;
  readonly body?: string;
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
  /** Its pod takes too long. */
  slow: { status: 504, isUpstreams: false, body: "upstream request timeout" },
} as const satisfies Record<string, EnvoyAnswer>;

function sendAsEnvoy(response: ServerResponse, { status, isUpstreams, body = "" }: EnvoyAnswer): void {
  response.writeHead(status, {
    server: "istio-envoy",
    ...(isUpstreams && { "x-envoy-upstream-service-time": "3" }),
    ...(body !== "" && !isUpstreams && { "content-type": "text/plain" }),
  });
  response.end(body);
}

/** Envoy's HTTPS side. As Envoy does, it finds the certificate by the name that is asked for, and has none for no name. */
const httpsGateway = ({ cert, key, ...tls }: TlsOptions, answers: Readonly<Record<string, EnvoyAnswer>>) => {
  const context = createSecureContext({ cert, key, ...tls });
  const SNICallback: TlsOptions["SNICallback"] = (name, done) => done(null, HOSTS.includes(name) ? context : undefined);
  return listen(
    createTlsServer({ ...tls, SNICallback }, ({ headers: { host = "" } }, response) =>
      sendAsEnvoy(response, answers[host] ?? envoySays.noRoute),
    ).on("tlsClientError", () => {}),
  );
};

/** Envoy's HTTP side. */
const httpGateway = (redirect: (host: string, path: string) => { status: number; location?: string }) =>
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

// A whole deploy.

/** The load balancer's address. */
export const ADDRESS = "203.0.113.7";
export const BASE = "cluster.example.com";
export const VAULT = "vault.cluster.example.com";
export const ARGOCD = "argocd.cluster.example.com";
export const HOSTS = [BASE, VAULT, ARGOCD];
/** What the certificate is for. */
export const NAMES = ["*.cluster.example.com", BASE];
export const SECRET = "cert-manager-tls-wildcard-cluster";

/** The settings of prod, with changes. */
export async function settingsWith(changes: Record<string, unknown> = {}) {
  const { values } = await readStack("prod");
  const raw = Object.entries(values).map(([key, value]) => [
    key.replace("oke-platform:", ""),
    /^[[{]/.test(value) ? JSON.parse(value) : value,
  ]);
  return parseSettings({ ...Object.fromEntries(raw), ...changes });
}

/** What the program declares, so that what is looked for is what it makes. */
async function declaredObjects(): Promise<KubernetesObject[]> {
  declared ??= registrationsOf("prod");
  const registrations = await declared;
  return ["token-secret", "issuer", "certificate"].map(
    (name) => named(registrations, name).inputs as unknown as KubernetesObject,
  );
}

let declared: ReturnType<typeof registrationsOf> | undefined;

/** What each controller writes when all is well, by kind. */
const allIsWell: Record<string, Record<string, unknown>> = {
  ExternalSecret: { type: "Ready", status: "True", reason: "SecretSynced", message: "secret synced" },
  ClusterIssuer: {
    type: "Ready",
    status: "True",
    reason: "ACMEAccountRegistered",
    message: "The ACME account was registered with the ACME server",
    observedGeneration: 1,
  },
  Certificate: {
    type: "Ready",
    status: "True",
    reason: "Ready",
    message: "Certificate is up to date and has not expired",
    observedGeneration: 1,
  },
};

/** A deploy, by what it has and how it differs from one that is right. */
export interface Deploy {
  readonly settings?: Record<string, unknown>;
  /** What the gateway presents. @default - what the cluster has */
  readonly presented?: TlsPair;
  /** The Secret in cert-manager. */
  readonly source: TlsPair;
  /** The copy in istio-system. @default - the same as the source */
  readonly copy?: TlsPair;
  /** Changes the cluster's API before it is asked. */
  readonly cluster?: (api: ClusterApi) => void;
  /** Changes of conditions, by kind. */
  readonly conditions?: Record<string, Record<string, unknown>>;
  /** Versions that the gateway accepts. */
  readonly versions?: {
    readonly minVersion?: "TLSv1";
    readonly maxVersion?: "TLSv1.1" | "TLSv1.2";
    readonly ciphers?: string;
  };
  readonly answers?: Record<string, EnvoyAnswer>;
  readonly redirect?: (host: string) => { status: number; location?: string };
  readonly records?: Record<string, readonly string[]>;
  readonly options?: Partial<VerifyOptions>;
}

/** Starts what a deploy looks like from outside. */
export async function startDeploy(deploy: Deploy): Promise<VerifyOptions & { api: ClusterApi }> {
  const { source, presented = source, copy = source, conditions = {} } = deploy;
  const api = new ClusterApi([
    ...(await declaredObjects()).map((object) => ({
      ...object,
      metadata: { ...object.metadata, generation: 1 },
      status: { conditions: [{ ...allIsWell[object.kind], ...conditions[object.kind] }] },
    })),
    tlsSecret(SECRET, "cert-manager", source),
    tlsSecret(SECRET, "istio-system", copy),
    // Another Secret, that must be of no interest.
    tlsSecret("somebody's", "default", source),
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "istio-ingressgateway", namespace: "istio-system" },
      spec: { type: "LoadBalancer" },
      status: { loadBalancer: { ingress: [{ ip: ADDRESS, ipMode: "VIP" }] } },
    },
  ]);
  deploy.cluster?.(api);
  const answers = {
    [VAULT]: { status: 307, isUpstreams: true },
    // An app may well say so itself.
    [ARGOCD]: { status: 404, isUpstreams: true },
    ...deploy.answers,
  };
  const redirect = deploy.redirect ?? ((host: string) => ({ status: 301, location: `https://${host}/` }));
  const tls = { ...presented, minVersion: "TLSv1.2", ...deploy.versions } as const;
  return {
    api,
    settings: await settingsWith(deploy.settings),
    kubeConfig: await api.start(),
    resolver: await dnsServer({ ...Object.fromEntries(HOSTS.map((host) => [host, [ADDRESS]])), ...deploy.records }),
    https: { ip: "127.0.0.1", port: await httpsGateway(tls, answers) },
    http: { ip: "127.0.0.1", port: await httpGateway(redirect) },
    ...deploy.options,
  };
}
