import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { apiServerBy } from "../../components/api-server.ts";
import { nameOf, shutOutBy } from "../../components/tenants.ts";
import { examples } from "../../project/placeholders.ts";
import { plain } from "../../project/registration.ts";
import { projectDirectory } from "../../project/stack.ts";
import { ClusterReader } from "../../tools/doctor/cluster-reader.ts";
import { tenantVerdicts } from "../../tools/doctor/tenants.ts";
import { given, runner } from "../../tools/lib/checks.ts";
import { clusterApi } from "../../tools/lib/cluster-api.ts";
import { settingsOf } from "../../tools/stack.ts";
import { checksOf } from "../../tools/verify/check.ts";
import { checkDoors } from "../../tools/verify/doors.ts";
import { named, registrationsOf } from "../harness.ts";
import { type ApiServer, type Manifest, startApiServer } from "./api-server.ts";
import { definitionsOf, install } from "./definitions.ts";

// What verify makes of a real API server's policies, and doctor and preview of what others have in it. Each test adds to what
// the one before has left.

/** Far more than a busy machine takes. */
const AMPLE_MS = 20_000;

let server: ApiServer;
let declared: (name: string) => Manifest;

beforeAll(async () => {
  server = await startApiServer();
  const registrations = await registrationsOf("prod");
  declared = (name) => plain(named(registrations, name).inputs) as unknown as Manifest;
  const definitions = await Promise.all((["istio", "certManager", "externalSecrets"] as const).map(definitionsOf));
  await install(server, definitions.flat());
  for (const name of ["evil", "istio-system"])
    await server.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
});

afterAll(() => server?.stop());

const settings = () => settingsOf("prod", projectDirectory, examples);

/** What verify says of the doors, without what to do. */
async function check(user?: string): Promise<string[]> {
  const kubeConfig = server.kubeConfig(user);
  const asked = { settings: await settings(), kubeConfig, timeoutMs: AMPLE_MS, run: runner(AMPLE_MS, "problem") };
  const outcomes = await checkDoors(asked, given(clusterApi(kubeConfig, AMPLE_MS)));
  return checksOf(outcomes).map(({ name, status, reason }) => `${status}: ${name}: ${reason}`);
}

/** What doctor says of others, by object. */
async function examine(user?: string): Promise<string[]> {
  const verdicts = await tenantVerdicts(await settings(), new ClusterReader(server.kubeConfig(user), AMPLE_MS));
  return verdicts.map(({ level, reason }) => `${level}: ${reason.replace(/:.*/, "")}`);
}

const POLICIES = ["route-policy", "certificate-policy"];

const route: Manifest = {
  apiVersion: "networking.istio.io/v1",
  kind: "VirtualService",
  metadata: { name: "vault", namespace: "evil" },
  spec: {
    hosts: ["vault.cluster.example.com"],
    gateways: ["istio-system/istio-gateway"],
    http: [{ route: [{ destination: { host: "evil" } }] }],
  },
};
const certificate: Manifest = {
  apiVersion: "cert-manager.io/v1",
  kind: "Certificate",
  metadata: { name: "www", namespace: "evil" },
  spec: {
    secretName: "www",
    dnsNames: ["www.example.com"],
    issuerRef: { kind: "ClusterIssuer", name: "cluster-issuer-letsencrypt" },
  },
};
const secretStoreRef = { kind: "ClusterSecretStore", name: "vault-backend" };
const externalSecret: Manifest = {
  apiVersion: "external-secrets.io/v1",
  kind: "ExternalSecret",
  metadata: { name: "token", namespace: "evil" },
  spec: { secretStoreRef, data: [{ secretKey: "token", remoteRef: { key: "prod/cert-manager" } }] },
};
const pushSecret: Manifest = {
  apiVersion: "external-secrets.io/v1alpha1",
  kind: "PushSecret",
  metadata: { name: "back", namespace: "evil" },
  spec: {
    secretStoreRefs: [secretStoreRef],
    selector: { secret: { name: "token" } },
    data: [{ match: { remoteRef: { remoteKey: "backup" } } }],
  },
};
const gateway: Manifest = {
  apiVersion: "networking.istio.io/v1",
  kind: "Gateway",
  metadata: { name: "own", namespace: "evil" },
  spec: {
    selector: { istio: "ingressgateway" },
    servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*"] }],
  },
};
/** It selects by what is no label, and so nothing. */
const odd: Manifest = {
  ...gateway,
  metadata: { name: "odd", namespace: "evil" },
  spec: { ...(gateway.spec as object), selector: { istio: "no label at all" } },
};
const OTHERS = ["Certificate evil/www", "ExternalSecret evil/token", "Gateway evil/own", "PushSecret evil/back"];

it("what is open is found open: nothing is there yet that closes it", async () => {
  const issuer = "a Certificate of ClusterIssuer cluster-issuer-letsencrypt";
  expect(await check()).toEqual([
    "FAIL: routes of others: namespace default could have a route for vault.cluster.example.com",
    "FAIL: Gateway's hosts: there is no Gateway istio-system/istio-gateway",
    "FAIL: Gateways of others: there is no Deployment istio-system/istiod",
    `FAIL: certificates of others: namespace default could have ${issuer}`,
    "FAIL: secrets of others: there is no ClusterSecretStore vault-backend",
  ]);
  const { items } = (await server.call("GET", "/apis/networking.istio.io/v1/virtualservices")) as { items: unknown[] };
  expect(items).toEqual([]);
});

it("what others have is named, and what of it is served", async () => {
  for (const manifest of [route, certificate, externalSecret, pushSecret, gateway, odd]) await server.apply(manifest);
  const labels = { istio: "ingressgateway" };
  const spec = { containers: [{ name: "proxy", image: "proxy" }], automountServiceAccountToken: false };
  await server.apply({
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "default", namespace: "istio-system" },
  });
  await server.apply({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "gateway", namespace: "istio-system", labels },
    spec,
  });
  const found = await shutOutBy(await settings(), await apiServerBy(server.kubeConfig()));
  expect(found.map(nameOf)).toEqual([...OTHERS, "VirtualService evil/vault"]);
  // As it was before it could be closed.
  const { spec: shut, ...rest } = declared("tls-gateway") as Manifest & { spec: { servers: object[] } };
  const hosts = ["*.cluster.example.com", "cluster.example.com"];
  await server.apply({ ...rest, spec: { ...shut, servers: shut.servers.map((it) => ({ ...it, hosts })) } });
  expect(await examine()).toEqual([
    ...OTHERS.map((name) => `warning: ${name} is refused when it changes, or served no more`),
    "problem: VirtualService evil/vault is served until the next up, whose preview refuses to cut it",
  ]);
});

it("who may not look is told so", async () => {
  await expect(
    apiServerBy(server.kubeConfig("guest")).then(async (api) => shutOutBy(await settings(), api)),
  ).rejects.toThrow(/^the API server answers 403$/);
  await expect(examine("guest")).rejects.toThrow(/^the API server answers 403: .*"guest" cannot list resource/);
});

it("what is closed is found closed, by its own sentence", async () => {
  for (const name of POLICIES.flatMap((it) => [it, `${it}-binding`])) await server.apply(declared(name));
  for (const name of ["tls-gateway", "secret-store"]) await server.apply(declared(name));
  const env = [{ name: "PILOT_SCOPE_GATEWAY_TO_NAMESPACE", value: "true" }];
  const labels = { app: "istiod" };
  await server.apply({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "istiod", namespace: "istio-system" },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "discovery", image: "pilot", env }] } },
    },
  });
  const closed = [
    "pass: routes of others: namespace default is refused: vault.cluster.example.com is not for namespace default: services gives it to namespace vault. Take another host, or have whoever runs the platform change its entry in services",
    "pass: Gateway's hosts: Gateway istio-system/istio-gateway serves argocd/*.cluster.example.com, istio-system/*.cluster.example.com, vault/*.cluster.example.com, ./cluster.example.com on 443",
    "pass: Gateways of others: Deployment istio-system/istiod keeps gateways' pods to Gateways of their own namespace",
    "pass: certificates of others: namespace default is refused: ClusterIssuer cluster-issuer-letsencrypt is the platform's and does not sign for namespace default. Use an issuer of your own, or have whoever runs the platform add default to tenancy.certificates",
    "pass: secrets of others: ClusterSecretStore vault-backend serves cert-manager",
  ];
  // A policy is in force about a second after it is written.
  const deadline = Date.now() + AMPLE_MS;
  let found = await check();
  while (found.join() !== closed.join() && Date.now() < deadline) {
    await pause(250);
    found = await check();
  }
  expect(found).toEqual(closed);
  expect(await examine()).toEqual(
    [...OTHERS, "VirtualService evil/vault"].map(
      (name) => `warning: ${name} is refused when it changes, or served no more`,
    ),
  );
});

it("is not known to who may create nothing", async () => {
  const [routes, , , certificates] = await check("guest");
  const not = (name: string, resource: string) =>
    new RegExp(
      `^skipped: ${name} of others: whether others are refused is not known: the API server answers 403: ${resource} is forbidden: User "guest" cannot create resource`,
    );
  expect(routes).toMatch(not("routes", "virtualservices.networking.istio.io"));
  expect(certificates).toMatch(not("certificates", "certificates.cert-manager.io"));
});
