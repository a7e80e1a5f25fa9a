import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";

// What the doctor asks: an API server, Cloudflare, Vault and a search of the certificate logs on loopback, and a command
// `oci` that answers what was recorded. Each answers as the real one does, refusals and statuses included.

/** Tokens that the systems take, and that no finding may show. */
export const tokens = {
  kubernetes: "kubernetes-token-of-the-test",
  cloudflare: "cloudflare-token-of-the-test",
  vault: "vault-token-of-the-test",
};

export const ids = {
  cluster: "ocid1.cluster.oc1.eu-frankfurt-1.aaaacluster",
  compartment: "ocid1.compartment.oc1..aaaacompartment",
  tenancy: "ocid1.tenancy.oc1..aaaatenancy",
  vcn: "ocid1.vcn.oc1.eu-frankfurt-1.aaaavcn",
  otherVcn: "ocid1.vcn.oc1.eu-frankfurt-1.aaaaother",
  subnet: "ocid1.subnet.oc1.eu-frankfurt-1.aaaasubnet",
  nsg: "ocid1.networksecuritygroup.oc1.eu-frankfurt-1.aaaanodes",
  extraNsg: "ocid1.networksecuritygroup.oc1.eu-frankfurt-1.aaaaextra",
  ip: "ocid1.publicip.oc1.eu-frankfurt-1.aaaaip",
};

/** The gateway's address, once there is one. */
export const ADDRESS = "203.0.113.10";

interface Metadata {
  name: string;
  namespace?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  managedFields?: { manager: string; operation: string }[];
}

interface Service {
  metadata: Metadata;
  spec: { type: string; ports: { port: number }[] };
  status: { loadBalancer: { ingress?: { ip: string }[] } };
}

interface CloudflareRecord {
  id: string;
  type: string;
  name: string;
  content: string;
  data?: { flags: number; tag: string; value: string };
}

/** A certificate as crt.sh tells of it. */
export interface LogEntry {
  issuer_ca_id: number;
  issuer_name: string;
  common_name: string;
  name_value: string;
  id: number;
  entry_timestamp: string;
  not_before: string;
  not_after: string;
  serial_number: string;
}

/** How everything is; a test plants its fault here. */
export interface Systems {
  kubernetes: {
    version: { major: string; minor: string; gitVersion: string };
    namespaces: Metadata[];
    services: Service[];
    /** `<namespace>/<name>`. */
    deployments: string[];
    releases: Metadata[];
    definitions: Metadata[];
    /** Undefined without ArgoCD. */
    applications: { metadata: Metadata; spec: Record<string, unknown> }[] | undefined;
    /** Paths that RBAC forbids. */
    forbidden: RegExp | undefined;
  };
  cloudflare: {
    /** What the token is; undefined: Cloudflare does not know it. */
    status: string | undefined;
    zoneStatus: string;
    zones: string[];
    records: CloudflareRecord[];
    groups: { id: string; name: string; scopes: string[] }[];
    /** Paths that the token may not ask. */
    forbidden: RegExp | undefined;
  };
  vault: {
    initialized: boolean;
    sealed: boolean;
    capabilities: Record<string, string[]>;
    mounts: Record<string, { type: string; options: { version: string } | null }>;
    /** The namespace that is asked of Vault Enterprise. */
    namespace: string | undefined;
  };
  logs: LogEntry[] | "overloaded";
  /** Answers of `oci`, by its arguments up to `--output`: data, or a text on stderr with exit code 1. */
  oci: Record<string, { data: unknown } | { stderr: string }>;
  /** The systems that take a connection and never answer. */
  silent: Set<"kubernetes" | "cloudflare" | "vault" | "logs">;
}

const applied = (suffix: string) => [{ manager: `pulumi-kubernetes-${suffix}`, operation: "Apply" }];
/** What Helm's command line leaves. */
export const byHelm = [{ manager: "Helm", operation: "Update" }];
const byPulumi = [{ manager: "pulumi-kubernetes", operation: "Update" }];

export const namespace = (
  name: string,
  managedFields = [{ manager: "kubectl-create", operation: "Update" }],
): Metadata => ({
  name,
  labels: { "kubernetes.io/metadata.name": name },
  managedFields,
});

export const service = (at: string, name: string, ...ports: number[]): Service => ({
  metadata: { name, namespace: at },
  spec: { type: "ClusterIP", ports: ports.map((port) => ({ port })) },
  status: { loadBalancer: {} },
});

/** The Secret in which Helm keeps a revision of a release. */
export const release = (
  at: string,
  name: string,
  { revision = 1, status = "deployed", managedFields = byHelm } = {},
): Metadata => ({
  name: `sh.helm.release.v1.${name}.v${revision}`,
  namespace: at,
  labels: { createdAt: "1795000000", name, owner: "helm", status, version: String(revision) },
  managedFields,
});

/** A CRD that a Helm release owns. */
export const definition = (name: string, owner: string): Metadata => {
  const [at = "", release = ""] = owner.split("/");
  return {
    name,
    labels: { "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": release },
    annotations: { "meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": at },
  };
};

export const oldDefinitions = () => [
  definition("certificates.cert-manager.io", "cert-manager/cert-manager"),
  definition("challenges.acme.cert-manager.io", "cert-manager/cert-manager"),
  definition("gateways.networking.istio.io", "istio-system/istio-base"),
  definition("telemetries.telemetry.istio.io", "istio-system/istio-base"),
  definition("clustersecretstores.external-secrets.io", "external-secrets/external-secrets"),
  // Neighbours, which no chart of ours has.
  definition("bundles.trust.cert-manager.io", "cert-manager/trust-manager"),
  { name: "istiooperators.install.istio.io" },
  { name: "gateways.gateway.networking.k8s.io" },
];

const args = (...parts: string[]) => parts.join(" ");

/** The arguments of each question to `oci`. */
export const asked = {
  cluster: args("ce cluster get --cluster-id", ids.cluster),
  addOns: args("ce cluster list-addons --cluster-id", ids.cluster, "--all"),
  subnet: args("network subnet get --subnet-id", ids.subnet),
  nsg: args("network nsg get --nsg-id", ids.nsg),
  extraNsg: args("network nsg get --nsg-id", ids.extraNsg),
  ip: args("network public-ip get --public-ip-id", ids.ip),
  count: args(
    "limits resource-availability get --service-name load-balancer --limit-name lb-flexible-count --compartment-id",
    ids.tenancy,
  ),
  mbps: args(
    "limits resource-availability get --service-name load-balancer --limit-name lb-flexible-bandwidth-sum --compartment-id",
    ids.tenancy,
  ),
};

const availability = (available: number | null) => ({
  data: {
    available,
    "effective-quota-value": null,
    "fractional-availability": available,
    "fractional-usage": 0.0,
    used: 0,
  },
});

const addOn = (name: string) => ({
  "addon-error": null,
  "current-installed-version": "v1.0.0",
  "lifecycle-state": "ACTIVE",
  name,
  "time-created": "2026-05-04T09:12:11+00:00",
  version: null,
});

/** OCI's answer to what is not there, as the CLI prints it. */
export const notFound = {
  stderr: `ServiceError:
{
    "client_version": "Oracle-PythonSDK/2.160.1, Oracle-PythonCLI/3.66.1",
    "code": "NotAuthorizedOrNotFound",
    "logging_tips": "Please run the OCI CLI command using --debug flag to find more debug information.",
    "message": "Authorization failed or requested resource not found.",
    "opc-request-id": "0A1B2C",
    "operation_name": "get_subnet",
    "status": 404,
    "target_service": "virtual_network",
    "timestamp": "2026-11-23T20:00:00.000000+00:00",
    "troubleshooting_tips": "See [https://docs.oracle.com/iaas/Content/API/References/apierrors.htm] for more."
}`,
};

/** Before the first `up`, all well. */
export const fresh = (): Systems => ({
  kubernetes: {
    version: { major: "1", minor: "34", gitVersion: "v1.34.4" },
    namespaces: [namespace("vault"), namespace("argocd"), namespace("kube-system")],
    services: [service("vault", "vault", 8200, 8201), service("argocd", "argocd-server", 80, 443)],
    deployments: [],
    // Somebody else's, which is in nobody's way.
    releases: [release("vault", "vault"), release("monitoring", "istio-ingressgateway")],
    definitions: [{ name: "gateways.gateway.networking.k8s.io" }],
    applications: undefined,
    forbidden: undefined,
  },
  cloudflare: {
    status: "active",
    zoneStatus: "active",
    zones: ["example.com"],
    records: [
      { id: "r1", type: "A", name: "www.example.com", content: "198.51.100.7" },
      { id: "r2", type: "TXT", name: "cluster.example.com", content: '"v=spf1 -all"' },
    ],
    groups: [
      { id: "g1", name: "DNS Write", scopes: ["com.cloudflare.api.account.zone"] },
      { id: "g2", name: "Zone Read", scopes: ["com.cloudflare.api.account.zone"] },
    ],
    forbidden: undefined,
  },
  vault: {
    initialized: true,
    sealed: false,
    capabilities: {
      "secret/data/prod/cert-manager": ["create", "read", "update"],
      "secret/metadata/prod/cert-manager": ["delete"],
      "auth/token/create": ["update"],
    },
    mounts: { secret: { type: "kv", options: { version: "2" } } },
    namespace: undefined,
  },
  logs: [],
  oci: {
    [asked.cluster]: {
      data: {
        id: ids.cluster,
        "kubernetes-version": "v1.34.1",
        "lifecycle-state": "ACTIVE",
        name: "platform",
        options: { "service-lb-subnet-ids": [ids.subnet] },
        type: "ENHANCED_CLUSTER",
        "vcn-id": ids.vcn,
      },
    },
    [asked.addOns]: { data: [addOn("CoreDNS"), addOn("KubeProxy"), addOn("NativeIngressController")] },
    [asked.subnet]: {
      data: {
        "availability-domain": null,
        id: ids.subnet,
        "lifecycle-state": "AVAILABLE",
        "prohibit-internet-ingress": false,
        "prohibit-public-ip-on-vnic": false,
        "vcn-id": ids.vcn,
      },
    },
    [asked.nsg]: { data: { "display-name": "nodes", "lifecycle-state": "AVAILABLE", "vcn-id": ids.vcn } },
    [asked.extraNsg]: { data: { "display-name": "extra", "lifecycle-state": "AVAILABLE", "vcn-id": ids.vcn } },
    [asked.ip]: {
      data: {
        "assigned-entity-id": null,
        "assigned-entity-type": null,
        id: ids.ip,
        "ip-address": ADDRESS,
        "lifecycle-state": "AVAILABLE",
        lifetime: "RESERVED",
        scope: "REGION",
      },
    },
    [asked.count]: availability(12),
    [asked.mbps]: availability(5000),
  },
  silent: new Set(),
});

/** After an `up`, all well. */
export function running(): Systems {
  const systems = fresh();
  const { kubernetes, cloudflare, oci } = systems;
  kubernetes.namespaces.push(
    namespace("cert-manager", byPulumi),
    namespace("istio-system", applied("a1b2c3d4")),
    namespace("external-secrets", applied("0f1e2d3c")),
  );
  const mine = { managedFields: byPulumi };
  kubernetes.releases.push(
    release("cert-manager", "cert-manager", { ...mine, status: "superseded" }),
    release("cert-manager", "cert-manager", { ...mine, revision: 2 }),
    release("kube-system", "reflector", mine),
    release("istio-system", "istio-base", mine),
    release("istio-system", "istiod", mine),
    release("istio-system", "istio-ingressgateway", mine),
    release("external-secrets", "external-secrets", mine),
  );
  kubernetes.definitions = oldDefinitions();
  kubernetes.deployments.push("cert-manager/cert-manager");
  kubernetes.services.push(gateway());
  for (const name of ["*.cluster.example.com", "cluster.example.com"]) {
    cloudflare.records.push({ id: name, type: "A", name, content: ADDRESS });
  }
  oci[asked.ip] = {
    data: {
      "assigned-entity-id": "ocid1.privateip.oc1.eu-frankfurt-1.aaaabalancer",
      "assigned-entity-type": "PRIVATE_IP",
      id: ids.ip,
      "ip-address": ADDRESS,
      "lifecycle-state": "ASSIGNED",
      lifetime: "RESERVED",
      scope: "REGION",
    },
  };
  // What is there uses up the last of the limit.
  oci[asked.count] = availability(0);
  oci[asked.mbps] = availability(0);
  return systems;
}

export const limit = availability;
export const oke = addOn;

/** The gateway's Service with its load balancer. */
const gateway = (): Service => ({
  metadata: { name: "istio-ingressgateway", namespace: "istio-system" },
  spec: { type: "LoadBalancer", ports: [{ port: 80 }, { port: 443 }] },
  status: { loadBalancer: { ingress: [{ ip: ADDRESS }] } },
});

type Reply = { status?: number; body: unknown };
type Handler = (url: URL, request: IncomingMessage, body: string) => Reply;

/** The systems on loopback. */
export interface Servers {
  systems: Systems;
  /** How often the API server was asked for a list with all that is in it. */
  wholeLists: number;
  readonly kubeConfig: KubeConfig;
  readonly cloudflareUrl: string;
  readonly vaultUrl: string;
  readonly logUrl: string;
  close(): Promise<void>;
}

export async function startServers(): Promise<Servers> {
  const servers: Server[] = [];
  const start = async (name: "kubernetes" | "cloudflare" | "vault" | "logs", handle: Handler): Promise<string> => {
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (part) => {
        body += part;
      });
      request.on("end", () => {
        if (started.systems.silent.has(name)) return;
        const reply = handle(new URL(request.url ?? "", "http://loopback"), request, body);
        const isText = typeof reply.body === "string";
        response.writeHead(reply.status ?? 200, { "content-type": isText ? "text/plain" : "application/json" });
        response.end(isText ? reply.body : JSON.stringify(reply.body));
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const kubeConfig = new KubeConfig();
  const started: Servers = {
    systems: fresh(),
    wholeLists: 0,
    kubeConfig,
    cloudflareUrl: await start("cloudflare", (url, request) =>
      answerCloudflare(started.systems.cloudflare, url, request),
    ),
    vaultUrl: await start("vault", (...call) => answerVault(started.systems.vault, ...call)),
    logUrl: await start("logs", (url) => answerLogs(started.systems.logs, url)),
    close: async () => {
      for (const server of servers) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
  const server = await start("kubernetes", (url, request) => {
    const isList = /\/(secrets|customresourcedefinitions)$/.test(url.pathname);
    if (isList && !isMetadataOnly(request)) started.wholeLists++;
    return answerKubernetes(started.systems.kubernetes, url, request);
  });
  kubeConfig.loadFromOptions({
    // The client takes no plain HTTP otherwise.
    clusters: [{ name: "test", server, skipTLSVerify: true }],
    users: [{ name: "test", token: tokens.kubernetes }],
    contexts: [{ name: "test", cluster: "test", user: "test" }],
    currentContext: "test",
  });
  return started;
}

const failure = (status: number, reason: string, message: string): Reply => ({
  status,
  body: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code: status },
});

const isMetadataOnly = ({ headers }: IncomingMessage) =>
  headers.accept?.includes("as=PartialObjectMetadataList") ?? false;

function answerKubernetes(state: Systems["kubernetes"], url: URL, request: IncomingMessage): Reply {
  const path = url.pathname;
  if (request.headers.authorization !== `Bearer ${tokens.kubernetes}`)
    return failure(401, "Unauthorized", "Unauthorized");
  if (state.forbidden?.test(path))
    return failure(403, "Forbidden", `"${path}" is forbidden: User "doctor" cannot list it`);
  const found = (kind: string, name: string, item: object | undefined) =>
    item === undefined ? failure(404, "NotFound", `${kind} "${name}" not found`) : { body: item };
  // Only those who ask for nothing but metadata are spared the rest.
  const list = (items: { metadata: Metadata }[], rest: object): Reply => {
    const onlyMetadata = isMetadataOnly(request);
    return {
      body: {
        kind: onlyMetadata ? "PartialObjectMetadataList" : "List",
        apiVersion: onlyMetadata ? "meta.k8s.io/v1" : "v1",
        metadata: { resourceVersion: "1" },
        items: items.map((item) => (onlyMetadata ? item : { ...item, ...rest })),
      },
    };
  };
  const [, at = "", kind = "", name = ""] =
    /^\/(?:api\/v1|apis\/apps\/v1)\/namespaces\/([^/]+)(?:\/([^/]+)\/([^/]+))?$/.exec(path) ?? [];
  if (path.replace(/\/$/, "") === "/version") return { body: { ...state.version, platform: "linux/arm64" } };
  if (path === "/api/v1/secrets") {
    const wanted = ["owner=helm", "type=helm.sh/release.v1"];
    const given = [url.searchParams.get("labelSelector"), url.searchParams.get("fieldSelector")];
    if (given.join() !== wanted.join()) return failure(400, "BadRequest", `all Secrets were asked for, by ${given}`);
    return list(
      state.releases.map((metadata) => ({ metadata })),
      { type: "helm.sh/release.v1", data: { release: "what-only-helm-needs" } },
    );
  }
  if (path === "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
    return list(
      state.definitions.map((metadata) => ({ metadata })),
      { spec: {} },
    );
  if (path === "/apis/argoproj.io/v1alpha1/applications")
    return state.applications === undefined
      ? { status: 404, body: "404 page not found\n" }
      : {
          body: {
            apiVersion: "argoproj.io/v1alpha1",
            kind: "ApplicationList",
            metadata: {},
            items: state.applications,
          },
        };
  if (at !== "" && kind === "") {
    const metadata = state.namespaces.find((metadata) => metadata.name === at);
    return found("namespaces", at, metadata && { kind: "Namespace", apiVersion: "v1", metadata });
  }
  if (kind === "services") {
    const item = state.services.find(({ metadata }) => metadata.namespace === at && metadata.name === name);
    return found(kind, name, item && { kind: "Service", apiVersion: "v1", ...item });
  }
  if (kind === "deployments") {
    const metadata = state.deployments.includes(`${at}/${name}`) ? { name, namespace: at } : undefined;
    return found(kind, name, metadata && { kind: "Deployment", apiVersion: "apps/v1", metadata });
  }
  return failure(404, "NotFound", `the server has no ${path}`);
}

function answerCloudflare(state: Systems["cloudflare"], url: URL, request: IncomingMessage): Reply {
  const refuse = (status: number, code: number, message: string): Reply => ({
    status,
    body: { success: false, errors: [{ code, message }], messages: [], result: null },
  });
  const result = (result: unknown): Reply => ({ body: { result, success: true, errors: [], messages: [] } });
  const path = url.pathname;
  const exact = url.searchParams.get("name.exact");
  const type = url.searchParams.get("type");
  if (request.headers.authorization !== `Bearer ${tokens.cloudflare}`)
    return refuse(400, 6003, "Invalid request headers");
  if (state.forbidden?.test(path)) return refuse(403, 9109, "Unauthorized to access requested resource");
  if (path === "/user/tokens/verify")
    return state.status === undefined
      ? refuse(401, 1000, "Invalid API Token")
      : result({ id: "238a33976d2cf7dfba07e9951ddad1cf", status: state.status });
  if (path === "/user/tokens/permission_groups") return result(state.groups);
  if (path === "/zones") {
    const zones = state.zones.filter((name) => name === url.searchParams.get("name"));
    return result(zones.map((name) => ({ id: "zone-id", name, status: state.zoneStatus, paused: false })));
  }
  if (path === "/zones/zone-id/dns_records")
    return result(
      state.records.filter(
        (record) => (exact === null || record.name === exact) && (type === null || record.type === type),
      ),
    );
  return refuse(404, 7003, `Could not route to ${path}`);
}

function answerVault(state: Systems["vault"], url: URL, request: IncomingMessage, body: string): Reply {
  const path = url.pathname.replace("/v1/", "");
  if (path === "sys/health") {
    // https://developer.hashicorp.com/vault/api-docs/system/health
    const status = !state.initialized ? 501 : state.sealed ? 503 : 200;
    const { initialized, sealed } = state;
    return { status, body: { initialized, sealed: sealed || !initialized, standby: false, version: "1.21.1" } };
  }
  if (state.sealed) return { status: 503, body: { errors: ["Vault is sealed"] } };
  const permissionDenied = { status: 403, body: { errors: ["permission denied"] } };
  if (request.headers["x-vault-token"] !== tokens.vault) return permissionDenied;
  if (request.headers["x-vault-namespace"] !== state.namespace) return permissionDenied;
  if (path === "sys/capabilities-self" && request.method === "POST") {
    const { paths } = JSON.parse(body) as { paths: string[] };
    const data = Object.fromEntries(paths.map((path) => [path, state.capabilities[path] ?? ["deny"]]));
    return { body: { ...data, data, lease_id: "", renewable: false } };
  }
  const [, name = ""] = /^sys\/internal\/ui\/mounts\/(.+)$/.exec(path) ?? [];
  const mount = state.mounts[name];
  if (mount !== undefined) return { body: { data: { accessor: "kv_1", path: `${name}/`, ...mount } } };
  const denied = `preflight capability check returned 403, please ensure client's policies grant access to path "${name}/"`;
  return { status: 403, body: { errors: [denied] } };
}

function answerLogs(entries: Systems["logs"], url: URL): Reply {
  if (entries === "overloaded") return { status: 502, body: "<html>502 Bad Gateway</html>" };
  if (url.searchParams.get("output") !== "json") return { body: "<html></html>" };
  const searched = url.searchParams.get("q") ?? "";
  // The names are those that the search found in the certificate.
  return { body: entries.filter(({ name_value: names }) => names.includes(searched)) };
}

/** A certificate in the logs, twice as every one is. */
export function logged(
  serial: string,
  timestamp: string,
  names: string[],
  issuer = "C=US, O=Let's Encrypt, CN=E7",
): LogEntry[] {
  return [1, 2].map((id) => ({
    issuer_ca_id: 295_815,
    issuer_name: issuer,
    common_name: "",
    name_value: names.join("\n"),
    id: Number.parseInt(serial, 16) * 2 + id,
    entry_timestamp: timestamp,
    not_before: timestamp.slice(0, 19),
    not_after: "2027-02-20T00:00:00",
    serial_number: serial,
  }));
}

/** Puts a command `oci` into a directory that answers what is recorded for its arguments, and nothing else. */
export async function writeOci(directory: string, answers: Systems["oci"]): Promise<void> {
  const recorded = join(directory, "recorded");
  await rm(recorded, { recursive: true, force: true });
  await mkdir(recorded, { recursive: true });
  for (const [question, answer] of Object.entries(answers)) {
    const file = join(recorded, question.replaceAll(" ", "_"));
    if ("data" in answer) await writeFile(`${file}.out`, JSON.stringify({ data: answer.data }));
    else await writeFile(`${file}.err`, answer.stderr);
  }
  const script = `#!/bin/sh
question=$(printf '%s_' "$@")
file="${recorded}/\${question%_--output_json_}"
[ -f "$file.out" ] && exec cat "$file.out"
[ -f "$file.err" ] && cat "$file.err" >&2 && exit 1
echo "Usage: oci [OPTIONS] COMMAND [ARGS]... nothing is recorded for $*" >&2
exit 2
`;
  await writeFile(join(directory, "oci"), script);
  await chmod(join(directory, "oci"), 0o755);
}
