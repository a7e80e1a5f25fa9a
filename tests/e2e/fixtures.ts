import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { KubernetesObject } from "@kubernetes/client-node";

// What the end-to-end test needs around the platform, inside the cluster: an ACME server, Cloudflare's stand-in with its
// DNS, a Vault in dev mode, a service to route to. No Pulumi in it; nothing of it survives the test.

/** Where all of it is, but for the CA that cert-manager's own namespace must hold. */
export const NAMESPACE = "oke-platform-e2e";
/** A namespace that has nothing to do with the platform. */
export const EVIL = "oke-platform-e2e-evil";
/** Where cert-manager will be, and what it trusts beside the public roots. */
export const CERT_MANAGER = "cert-manager";
export const CA_CONFIG_MAP = "oke-platform-e2e-ca";
/** A cluster-wide object: what lets Vault ask the API server about tokens. */
export const REVIEWER = "oke-platform-e2e-vault";

/** The Deployments, each with a Service of its name. */
export const CLOUDFLARE = "cloudflare";
export const PEBBLE = "pebble";
export const VAULT = "vault";
export const ECHO = "echo";

/** Names under which pods meet the two servers that speak HTTPS. */
export const TLS_NAMES = ["api.cloudflare.com", `${PEBBLE}.${NAMESPACE}`];

/** Ports of the pods. All are above 1023, so that no container needs a right to open them. */
export const PORTS = { http: 8080, https: 8443, dns: 5353, acme: 14_000, management: 15_000, vault: 8200 } as const;

/** Exact versions; the tags are their makers'. */
const IMAGES = {
  node: "docker.io/library/node:22.23.3-alpine",
  // The version that the other tests build: https://github.com/letsencrypt/pebble/pkgs/container/pebble
  pebble: "ghcr.io/letsencrypt/pebble:2.10.1",
  // The one of the chart that the program installs by default.
  vault: "docker.io/hashicorp/vault:2.0.4",
} as const;

export interface FixtureOptions {
  /** The zone that the stand-in has. */
  readonly zone: string;
  /** The API token that it takes. */
  readonly token: string;
  /** The root token of Vault. */
  readonly vaultToken: string;
  /** PEM of the certificate for {@link TLS_NAMES}, chain and all, and of its key. */
  readonly tls: { readonly cert: string; readonly key: string };
  /** PEM of the root behind it. */
  readonly root: string;
}

/** The namespaces, and the Services, whose addresses the rest must know. */
export const namespacesAndServices = (): KubernetesObject[] => [
  namespace(NAMESPACE),
  namespace(EVIL),
  // Made by the release otherwise, which would be too late for what its pods mount.
  namespace(CERT_MANAGER),
  service(CLOUDFLARE, [
    { name: "http", port: 80, targetPort: PORTS.http },
    { name: "https", port: 443, targetPort: PORTS.https },
    { name: "dns", port: 53, targetPort: PORTS.dns, protocol: "UDP" },
    { name: "dns-tcp", port: 53, targetPort: PORTS.dns },
  ]),
  service(PEBBLE, [{ name: "acme", port: PORTS.acme, targetPort: PORTS.acme }]),
  service(VAULT, [{ name: "http", port: PORTS.vault, targetPort: PORTS.vault }]),
  service(ECHO, [{ name: "http", port: 80, targetPort: PORTS.http }]),
];

/**
 * Everything else.
 *
 * @param cloudflareIp address of Cloudflare's Service: Pebble takes no name for its DNS server
 */
export const workloads = (options: FixtureOptions, cloudflareIp: string): KubernetesObject[] => [
  configMap(CA_CONFIG_MAP, CERT_MANAGER, { "ca.crt": options.root }),
  ...cloudflare(options),
  ...pebble(options, cloudflareIp),
  ...vault(options),
  deployment(ECHO, {
    image: IMAGES.node,
    command: ["node", "-e", echoSource],
    port: PORTS.http,
    securityContext: unprivileged,
  }),
];

/** What a service that is routed to answers: the host that it was asked for. */
const echoSource = `require("node:http").createServer(({ headers }, response) => response.end(headers.host)).listen(${PORTS.http})`;

/** Where the files of Secrets and ConfigMaps are in the pods. */
const FILES = { tls: "/tls", program: "/program", config: "/config" } as const;

function cloudflare({ zone, token, tls }: FixtureOptions): KubernetesObject[] {
  const files = Object.entries(standInFiles());
  return [
    secret(CLOUDFLARE, { TOKEN: token, "tls.crt": tls.cert, "tls.key": tls.key }),
    configMap(CLOUDFLARE, NAMESPACE, Object.fromEntries(files.map(([path, content]) => [keyOf(path), content]))),
    deployment(CLOUDFLARE, {
      image: IMAGES.node,
      command: ["node", `${FILES.program}/cloudflare.ts`],
      env: [
        { name: "ZONE", value: zone },
        { name: "TOKEN", valueFrom: { secretKeyRef: { name: CLOUDFLARE, key: "TOKEN" } } },
        { name: "CERT_FILE", value: `${FILES.tls}/tls.crt` },
        { name: "KEY_FILE", value: `${FILES.tls}/tls.key` },
        { name: "HTTP_PORT", value: String(PORTS.http) },
        { name: "HTTPS_PORT", value: String(PORTS.https) },
        { name: "DNS_PORT", value: String(PORTS.dns) },
      ],
      port: PORTS.https,
      mounts: { [FILES.tls]: tlsVolume(CLOUDFLARE), [FILES.program]: programVolume(files.map(([path]) => path)) },
      securityContext: unprivileged,
    }),
  ];
}

/** The stand-in's program with the one package that it needs, by path. */
export function standInFiles(): Record<string, string> {
  const dnsPacket = dirname(createRequire(import.meta.url).resolve("dns-packet/package.json"));
  const ipCodec = dirname(createRequire(join(dnsPacket, "index.js")).resolve("@leichtgewicht/ip-codec"));
  const modules = ["index", "types", "rcodes", "opcodes", "classes", "optioncodes"].map((it) => `${it}.js`);
  const read = (directory: string, files: string[], to: string) =>
    files.map((file) => [`${to}/${file}`, readFileSync(join(directory, file), "utf8")]);
  return Object.fromEntries([
    ["package.json", JSON.stringify({ type: "module" })],
    ...["cloudflare.ts", "cloudflare-api.ts"].map((file) => [
      file,
      readFileSync(join(import.meta.dirname, file), "utf8"),
    ]),
    ...read(dnsPacket, ["package.json", ...modules], "node_modules/dns-packet"),
    ...read(ipCodec, ["package.json", "index.cjs"], "node_modules/@leichtgewicht/ip-codec"),
  ]);
}

/** A ConfigMap's keys have no slashes, nor the sign of a scope. */
const keyOf = (path: string) => path.replaceAll("/", "__").replaceAll("@", "_");

const programVolume = (paths: string[]) => ({
  configMap: { name: CLOUDFLARE, items: paths.map((path) => ({ key: keyOf(path), path })) },
});

function pebble({ tls }: FixtureOptions, cloudflareIp: string): KubernetesObject[] {
  const config = pebbleConfig({ ...PORTS, certificate: `${FILES.tls}/tls.crt`, privateKey: `${FILES.tls}/tls.key` });
  return [
    secret(PEBBLE, { "tls.crt": tls.cert, "tls.key": tls.key }),
    configMap(PEBBLE, NAMESPACE, { "config.json": JSON.stringify(config) }),
    deployment(PEBBLE, {
      image: IMAGES.pebble,
      args: ["-config", `${FILES.config}/config.json`, "-dnsserver", `${cloudflareIp}:53`],
      env: Object.entries(PEBBLE_ENV).map(([name, value]) => ({ name, value })),
      port: PORTS.acme,
      mounts: { [FILES.tls]: tlsVolume(PEBBLE), [FILES.config]: { configMap: { name: PEBBLE } } },
      securityContext: unprivileged,
    }),
  ];
}

/** Without the chance that Pebble's usual setting leaves to it: https://github.com/letsencrypt/pebble/blob/v2.10.1/README.md#testing-at-full-speed */
export const PEBBLE_ENV = { PEBBLE_VA_NOSLEEP: "1", PEBBLE_WFE_NONCEREJECT: "0" } as const;

/** Pebble's settings; it validates for real, by DNS alone. */
export const pebbleConfig = ({
  acme,
  management,
  host = "0.0.0.0",
  ...files
}: {
  acme: number;
  management: number;
  host?: string;
  certificate: string;
  privateKey: string;
}) => ({
  pebble: {
    listenAddress: `${host}:${acme}`,
    managementListenAddress: `${host}:${management}`,
    certificate: files.certificate,
    privateKey: files.privateKey,
    // Where HTTP-01 and TLS-ALPN-01 would be asked for. Nothing is there.
    httpPort: 5002,
    tlsPort: 5001,
    keyAlgorithm: "ecdsa",
  },
});

function vault({ vaultToken }: FixtureOptions): KubernetesObject[] {
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: VAULT, namespace: NAMESPACE } },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: REVIEWER },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "system:auth-delegator" },
      subjects: [{ kind: "ServiceAccount", name: VAULT, namespace: NAMESPACE }],
    } as KubernetesObject,
    secret(VAULT, { TOKEN: vaultToken }),
    deployment(VAULT, {
      image: IMAGES.vault,
      args: ["server", "-dev"],
      env: [
        { name: "VAULT_DEV_ROOT_TOKEN_ID", valueFrom: { secretKeyRef: { name: VAULT, key: "TOKEN" } } },
        { name: "VAULT_DEV_LISTEN_ADDRESS", value: `0.0.0.0:${PORTS.vault}` },
        // The image's start asks for a capability that dev mode does not need.
        { name: "SKIP_SETCAP", value: "true" },
      ],
      port: PORTS.vault,
      serviceAccountName: VAULT,
    }),
  ];
}

// Kubernetes' objects.

const namespace = (name: string): KubernetesObject => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } });

const configMap = (name: string, namespace: string, data: Record<string, string>) =>
  ({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data }) as KubernetesObject;

const secret = (name: string, stringData: Record<string, string>) =>
  ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: NAMESPACE },
    type: "Opaque",
    stringData,
  }) as KubernetesObject;

const tlsVolume = (secretName: string) => ({
  secret: { secretName, items: ["tls.crt", "tls.key"].map((key) => ({ key, path: key })) },
});

const service = (name: string, ports: object[]) =>
  ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: NAMESPACE },
    spec: { selector: { app: name }, ports },
  }) as KubernetesObject;

/** The user `node` of its image, and of none of Pebble's. */
const unprivileged = {
  runAsNonRoot: true,
  runAsUser: 1000,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  seccompProfile: { type: "RuntimeDefault" },
};

interface Container {
  readonly image: string;
  readonly command?: string[];
  readonly args?: string[];
  readonly env?: object[];
  /** It is ready when this accepts connections. */
  readonly port: number;
  /** Volumes by where they are. */
  readonly mounts?: Record<string, object>;
  readonly securityContext?: object;
  readonly serviceAccountName?: string;
}

function deployment(name: string, { mounts = {}, port, serviceAccountName, ...container }: Container) {
  const volumes = Object.entries(mounts).map(([path, volume]) => ({ path, name: path.slice(1), ...volume }));
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: NAMESPACE },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          ...(serviceAccountName === undefined ? { automountServiceAccountToken: false } : { serviceAccountName }),
          // Its variables would be those of Services, such as VAULT_PORT, which programs take for their own.
          enableServiceLinks: false,
          containers: [
            {
              name,
              ...container,
              readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
              volumeMounts: volumes.map(({ name, path }) => ({ name, mountPath: path, readOnly: true })),
            },
          ],
          volumes: volumes.map(({ path: _, ...volume }) => volume),
        },
      },
    },
  } as KubernetesObject;
}
