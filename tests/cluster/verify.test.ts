import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { examples } from "../../project/placeholders.ts";
import { plain } from "../../project/registration.ts";
import { projectDirectory } from "../../project/stack.ts";
import { runner } from "../../tools/lib/checks.ts";
import { settingsOf } from "../../tools/stack.ts";
import { checksOf } from "../../tools/verify/check.ts";
import { checkCluster } from "../../tools/verify/cluster.ts";
import { named, registrationsOf } from "../harness.ts";
import { type Issuer, issue, newIssuer, type TlsPair } from "../pki.ts";
import { type ApiServer, type Manifest, startApiServer } from "./api-server.ts";
import { definitionsOf, install } from "./definitions.ts";

// What verify makes of a cluster that a real API server tells of. The program's own objects are in it, and the test is
// the controllers that give them their status. Each test adds to what the one before has left.

const SECRET = "cert-manager-tls-wildcard-cluster";
const ISSUER = "cluster-issuer-letsencrypt";

let server: ApiServer;
let issuer: Issuer;
let declared: Record<"token-secret" | "issuer" | "certificate", Manifest>;

beforeAll(async () => {
  server = await startApiServer();
  issuer = await newIssuer("A test");
  const registrations = await registrationsOf("prod");
  const of = (name: string) => plain(named(registrations, name).inputs) as unknown as Manifest;
  declared = { "token-secret": of("token-secret"), issuer: of("issuer"), certificate: of("certificate") };
});

afterAll(() => server?.stop());

/** Far more than a busy machine takes. */
const AMPLE_MS = 20_000;

/** What verify says of the cluster, one check a line, without what to do. */
async function check(user?: string): Promise<string[]> {
  const settings = await settingsOf("prod", projectDirectory, examples);
  const kubeConfig = server.kubeConfig(user);
  const asked = { settings, kubeConfig, timeoutMs: AMPLE_MS, run: runner(AMPLE_MS, "problem") };
  const { outcomes } = await checkCluster(asked);
  return checksOf(outcomes).map(({ name, status, reason }) => `${status}: ${name}: ${reason}`);
}

const namespace = (name: string): Manifest => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } });

const gateway: Manifest = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "istio-ingressgateway", namespace: "istio-system" },
  spec: { type: "LoadBalancer", ports: [{ name: "https", port: 443, targetPort: 8443 }] },
};

const tlsSecret = (at: string, { cert, key }: TlsPair): Manifest => ({
  apiVersion: "v1",
  kind: "Secret",
  type: "kubernetes.io/tls",
  metadata: { name: SECRET, namespace: at },
  data: { "tls.crt": Buffer.from(cert).toString("base64"), "tls.key": Buffer.from(key).toString("base64") },
});

/** Sets a condition as the object's controller does: by the subresource, which leaves all else alone. */
async function setReady({ apiVersion, kind, metadata: { name, namespace } }: Manifest, condition: object) {
  const status = { conditions: [{ type: "Ready", status: "True", ...condition }] };
  const part = { apiVersion, kind, metadata: { name, namespace }, status };
  await server.apply(part, { manager: "controller", subresource: "status" });
}

const shown = ({ cert }: TlsPair) => `SHA-256 ${new X509Certificate(cert).fingerprint256.slice(0, 23)}…`;

const names = ["*.cluster.example.com", "cluster.example.com"];
const VERSION = "pass: API server: Kubernetes v1.34.4";

describe("a cluster in which something is missing", () => {
  it("is one without the kinds, to begin with", async () => {
    expect(await check()).toEqual([
      VERSION,
      "FAIL: ExternalSecret: there is no ExternalSecret cloudflare-token-secret",
      "skipped: ClusterIssuer: there is no Certificate tls-wildcard-cluster to name its issuer",
      "FAIL: Certificate: there is no Certificate tls-wildcard-cluster",
      `FAIL: certificate's Secret: there is no Secret cert-manager/${SECRET}`,
      "skipped: gateway's copy: needs the check \"certificate's Secret\", which failed",
      "pass: key elsewhere: nowhere but in cert-manager, istio-system",
      "FAIL: load balancer: there is no Service istio-system/istio-ingressgateway",
    ]);
  });

  it("is one whose controllers have said nothing", async () => {
    const definitions = await Promise.all([definitionsOf("certManager"), definitionsOf("externalSecrets")]);
    await install(server, definitions.flat());
    for (const name of ["cert-manager", "istio-system", "shop"]) await server.apply(namespace(name));
    for (const manifest of [...Object.values(declared), gateway]) await server.apply(manifest);
    expect(await check()).toEqual([
      VERSION,
      "FAIL: ExternalSecret: ExternalSecret cloudflare-token-secret has no condition Ready yet",
      `FAIL: ClusterIssuer: ClusterIssuer ${ISSUER} has no condition Ready yet`,
      "FAIL: Certificate: Certificate tls-wildcard-cluster has no condition Ready yet",
      `FAIL: certificate's Secret: there is no Secret cert-manager/${SECRET}`,
      "skipped: gateway's copy: needs the check \"certificate's Secret\", which failed",
      "pass: key elsewhere: nowhere but in cert-manager, istio-system",
      "FAIL: load balancer: Service istio-system/istio-ingressgateway has no address",
    ]);
  });
});

describe("a cluster in which all is up", () => {
  let healthy: string[];

  beforeAll(async () => {
    const pair = await issue(issuer, names);
    await setReady(declared["token-secret"], { reason: "SecretSynced", message: "secret synced" });
    await setReady(declared.issuer, { reason: "ACMEAccountRegistered", observedGeneration: 1 });
    await setReady(declared.certificate, { reason: "Ready", message: "up to date", observedGeneration: 1 });
    for (const at of ["cert-manager", "istio-system"]) await server.apply(tlsSecret(at, pair));
    const { apiVersion, kind, metadata } = gateway;
    const status = { loadBalancer: { ingress: [{ ip: "203.0.113.7", ipMode: "VIP" }] } };
    await server.apply({ apiVersion, kind, metadata, status }, { manager: "controller", subresource: "status" });
    healthy = [
      VERSION,
      "pass: ExternalSecret: cloudflare-token-secret is Ready: SecretSynced, secret synced",
      `pass: ClusterIssuer: ${ISSUER} is Ready: ACMEAccountRegistered`,
      "pass: Certificate: tls-wildcard-cluster is Ready: Ready, up to date",
      `pass: certificate's Secret: cert-manager/${SECRET} has ${shown(pair)}, ecdsa-p256`,
      `pass: gateway's copy: istio-system/${SECRET} is the same`,
      "pass: key elsewhere: nowhere but in cert-manager, istio-system",
      "pass: load balancer: at 203.0.113.7",
    ];
  });

  /** The checks that are not those of a cluster where all is well. */
  const changes = async (user?: string) => (await check(user)).filter((line) => !healthy.includes(line));

  it("passes", async () => {
    expect(await check()).toEqual(healthy);
  });

  it("is read with the rights that reading takes, and no others", async () => {
    const rules = [
      { apiGroups: [""], resources: ["secrets"], verbs: ["get", "list"] },
      { apiGroups: [""], resources: ["services"], verbs: ["get"] },
      { apiGroups: ["cert-manager.io"], resources: ["certificates", "clusterissuers"], verbs: ["get"] },
      { apiGroups: ["external-secrets.io"], resources: ["externalsecrets"], verbs: ["get"] },
    ];
    const rbac = { apiVersion: "rbac.authorization.k8s.io/v1", metadata: { name: "verify" } };
    const group = "rbac.authorization.k8s.io";
    await server.apply({ ...rbac, kind: "ClusterRole", rules });
    await server.apply({
      ...rbac,
      kind: "ClusterRoleBinding",
      roleRef: { apiGroup: group, kind: "ClusterRole", name: "verify" },
      subjects: [{ apiGroup: group, kind: "User", name: "reader" }],
    });
    expect(await check("reader")).toEqual(healthy);
  });

  it("fails for who may not read it, in the API server's words", async () => {
    const found = await check("guest");
    expect(found[0]).toBe(VERSION);
    expect(found[1]).toMatch(
      /^FAIL: ExternalSecret: .*403: externalsecrets.external-secrets.io "cloudflare-token-secret" is forbidden: User "guest"/,
    );
    expect(found.slice(1).filter((line) => !line.includes("forbidden"))).toEqual([
      "skipped: gateway's copy: needs the check \"certificate's Secret\", which failed",
    ]);
  });

  it("tells a certificate that is Ready from one that was, before its spec changed", async () => {
    const { spec, ...rest } = declared.certificate as Manifest & { spec: { dnsNames: string[] } };
    const dnsNames = [...spec.dnsNames, "shop.example.com"];
    await server.apply({ ...rest, spec: { ...spec, dnsNames } });
    expect(await changes()).toEqual([
      "FAIL: Certificate: Certificate tls-wildcard-cluster is Ready as it was before its last change",
    ]);
    await setReady(declared.certificate, { reason: "Ready", message: "up to date", observedGeneration: 2 });
    expect(await changes()).toEqual([]);
  });

  it("repeats what a controller says against it", async () => {
    const condition = { status: "False", reason: "SecretSyncedError", message: "permission denied" };
    await setReady(declared["token-secret"], condition);
    expect(await changes()).toEqual([
      "FAIL: ExternalSecret: ExternalSecret cloudflare-token-secret is not Ready: SecretSyncedError, permission denied",
    ]);
    await setReady(declared["token-secret"], { reason: "SecretSynced", message: "secret synced" });
  });

  it("sees another certificate at the gateway, and the key where it does not belong", async () => {
    const older = await issue(issuer, names);
    await server.apply(tlsSecret("istio-system", older));
    await server.apply(tlsSecret("shop", older));
    const [copy, elsewhere, ...rest] = await changes();
    expect(copy).toMatch(`FAIL: gateway's copy: istio-system/${SECRET} has ${shown(older)}, its source SHA-256`);
    expect([elsewhere, ...rest]).toEqual(["FAIL: key elsewhere: the certificate's key is also in shop"]);
  });
});
