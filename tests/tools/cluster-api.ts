import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { KubeConfig } from "@kubernetes/client-node";
import { listen } from "../loopback.ts";
import type { TlsPair } from "../pki.ts";

// A cluster's API, as those see it who only read, or try what they do not want kept.

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

function hasLabels({ metadata }: KubernetesObject, wanted: readonly string[]): boolean {
  const labels = Object.entries(metadata.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return wanted.every((label) => labels.includes(label));
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
  /** Why an object of others is not let in; undefined when it is. */
  admission: (object: KubernetesObject) => string | undefined = () => undefined;
  /** What it sent, each with the URL that was asked for. */
  readonly sent: string[] = [];

  constructor(objects: KubernetesObject[]) {
    this.objects = objects;
    this.kinds = new Set(objects.map(kindPath));
  }

  /** Starts it. */
  async start(): Promise<KubeConfig> {
    return kubeConfigTo(
      await listen(createServer(async (request, response) => this.send(request, response, await text(request)))),
    );
  }

  private send(request: IncomingMessage, response: ServerResponse, sent: string): void {
    const [code, body] = request.method === "POST" ? this.tried(request, JSON.parse(sent)) : this.answerTo(request);
    const isText = typeof body === "string";
    const answer = isText ? body : JSON.stringify(body);
    this.sent.push(`${request.url}\n${answer}`);
    response.writeHead(code, { "content-type": isText ? "text/plain" : "application/json" });
    response.end(answer);
  }

  private tried({ url = "" }: IncomingMessage, object: KubernetesObject): [code: number, body: object] {
    const { pathname, searchParams } = new URL(url, "http://api");
    if (searchParams.get("dryRun") !== "All") return failure(500, "InternalError", "it would have been kept");
    const what = `${plural(object)}.${object.apiVersion.split("/")[0]} "${object.metadata.name}"`;
    if (this.forbidden.has(pathname)) return failure(403, "Forbidden", `${what}: User "operator" cannot create it`);
    const why = this.admission(object);
    if (why === undefined) return [201, object];
    const policy = "ValidatingAdmissionPolicy 'it' with binding 'it'";
    return failure(403, "Forbidden", `${what} is forbidden: ${policy} denied request: ${why}`);
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
    // Nobody is to ask for all Secrets.
    if (field !== "metadata.name" && (field !== undefined || plural === "secrets"))
      return failure(400, "BadRequest", `field label not supported: ${field}`);
    const labels = searchParams.get("labelSelector")?.split(",") ?? [];
    const items = this.objects.filter(
      (it) => ofKind(it) && (wanted === undefined || it.metadata.name === wanted) && hasLabels(it, labels),
    );
    // As https://kubernetes.io/docs/reference/using-api/api-concepts/ says of metadata-only fetches.
    if (headers.accept?.includes("as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")) {
      const partial = items.map(({ metadata }) => ({
        kind: "PartialObjectMetadata",
        apiVersion: "meta.k8s.io/v1",
        metadata,
      }));
      const list = partial.length === 0 ? null : partial;
      return [200, { kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1", metadata: {}, items: list }];
    }
    return [200, { kind: "List", apiVersion: "v1", metadata: {}, items }];
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
