import { afterEach, describe, expect, it } from "vitest";
import { given } from "../../../tools/lib/checks.ts";
import { clusterApi } from "../../../tools/lib/cluster-api.ts";
import { checkDoors } from "../../../tools/verify/doors.ts";
import { closeAll } from "../../loopback.ts";
import { ClusterApi, type KubernetesObject } from "../cluster-api.ts";
import { istiod, refusalBy } from "./cluster-objects.ts";
import { askedOf, linesOf, type Raw, settingsWith } from "./deploy.ts";

afterEach(closeAll);

const AMPLE_MS = 20_000;

const tlsGateway = (hosts = HOSTS): KubernetesObject => ({
  apiVersion: "networking.istio.io/v1",
  kind: "Gateway",
  metadata: { name: "istio-gateway", namespace: "istio-system" },
  spec: {
    servers: [
      { port: { number: 80 }, hosts: ["*.cluster.example.com"] },
      { port: { number: 443 }, hosts },
    ],
  },
});

const HOSTS = [
  "argocd/*.cluster.example.com",
  "istio-system/*.cluster.example.com",
  "vault/*.cluster.example.com",
  "./cluster.example.com",
];

const store = (spec: object = { conditions: [{ namespaces: ["cert-manager"] }] }): KubernetesObject => ({
  apiVersion: "external-secrets.io/v1",
  kind: "ClusterSecretStore",
  metadata: { name: "vault-backend" },
  spec,
});

/** A cluster whose policies are those of the settings. */
function clusterOf(settings: Raw = {}, objects = [tlsGateway(), store(), istiod()]): ClusterApi {
  const api = new ClusterApi(objects);
  api.admission = (object) => refusalBy(settingsWith(settings), object);
  return api;
}

async function check(api: ClusterApi, settings: Raw = {}): Promise<string[]> {
  const cluster = given(clusterApi(await api.start(), AMPLE_MS));
  return linesOf(await checkDoors(askedOf({ settings: settingsWith(settings) }), cluster));
}

const troubles = async (api: ClusterApi, settings?: Raw) =>
  (await check(api, settings)).filter((line) => !line.startsWith("pass "));

const taken = (namespace: string) =>
  `vault.cluster.example.com is not for namespace ${namespace}: services gives it to namespace vault. Take another host, or have whoever runs the platform change its entry in services`;
const unsigned = (namespace: string) =>
  `ClusterIssuer cluster-issuer-letsencrypt is the platform's and does not sign for namespace ${namespace}. Use an issuer of your own, or have whoever runs the platform add ${namespace} to tenancy.certificates`;

it("passes when the doors are closed, keeps nothing, and repeats what others are told", async () => {
  const api = clusterOf();
  expect(await check(api)).toEqual([
    `pass routes of others: namespace default is refused: ${taken("default")}`,
    `pass Gateway's hosts: Gateway istio-system/istio-gateway serves ${HOSTS.join(", ")} on 443`,
    "pass Gateways of others: Deployment istio-system/istiod keeps gateways' pods to Gateways of their own namespace",
    `pass certificates of others: namespace default is refused: ${unsigned("default")}`,
    "pass secrets of others: ClusterSecretStore vault-backend serves cert-manager",
  ]);
  expect(api.sent.filter((sent) => sent.includes("it would have been kept"))).toEqual([]);
});

describe("a door that is tried", () => {
  const policies = (name: string) =>
    `pulumi refresh, and up; kubectl get validatingadmissionpolicies,validatingadmissionpolicybindings ${name}`;

  it("fails where it is open", async () => {
    const api = clusterOf();
    api.admission = () => undefined;
    expect(await troubles(api)).toEqual([
      `FAIL routes of others: namespace default could have a route for vault.cluster.example.com → ${policies("oke-platform-routes")}`,
      `FAIL certificates of others: namespace default could have a Certificate of ClusterIssuer cluster-issuer-letsencrypt → ${policies("oke-platform-cluster-issuer-letsencrypt")}`,
    ]);
  });

  it("is not known where something else refuses: who may not, another policy, or one of another table", async () => {
    const api = clusterOf();
    api.forbidden.add("/apis/networking.istio.io/v1/namespaces/default/virtualservices");
    api.admission = ({ kind }) => (kind === "Certificate" ? "no Certificates on Fridays" : undefined);
    const not = "whether others are refused is not known: the API server answers 403:";
    expect(await troubles(api)).toEqual([
      `skipped routes of others: ${not} virtualservices.networking.istio.io "oke-platform-verify": User "operator" cannot create it → run this with the right to create virtualservices.networking.istio.io`,
      `skipped certificates of others: ${not} certificates.cert-manager.io "oke-platform-verify" is forbidden: ValidatingAdmissionPolicy 'it' with binding 'it' denied request: no Certificates on Fridays → run this with the right to create certificates.cert-manager.io`,
    ]);
  });

  it("is tried in a namespace that may not", async () => {
    const settings = {
      tenancy: { certificates: ["default"] },
      services: [{ name: "vault", namespace: "default", port: 1 }],
    };
    const [routes, , , certificates] = await check(clusterOf(settings), settings);
    expect([routes, certificates]).toEqual([
      `pass routes of others: namespace kube-node-lease is refused: ${taken("kube-node-lease").replace("namespace vault", "namespace default")}`,
      `pass certificates of others: namespace kube-node-lease is refused: ${unsigned("kube-node-lease")}`,
    ]);
  });

  it("is not tried where all that are certain to be there may", async () => {
    const initial = ["default", "kube-node-lease", "kube-public", "kube-system"];
    const settings = { tenancy: { certificates: initial } };
    expect(await troubles(clusterOf(settings), settings)).toEqual([
      `skipped certificates of others: may be had in ${initial.join(", ")}, and no other is tried`,
    ]);
  });
});

describe("a door that is read", () => {
  it("fails where it lets in others than the settings do", async () => {
    const open = clusterOf({}, [tlsGateway(["*.cluster.example.com"]), store({}), istiod("false")]);
    expect(await troubles(open)).toEqual([
      `FAIL Gateway's hosts: Gateway istio-system/istio-gateway serves *.cluster.example.com on 443; by the settings it serves ${HOSTS.join(", ")} on 443 → pulumi refresh, and up`,
      "FAIL Gateways of others: Deployment istio-system/istiod lets gateways' pods go by Gateways of every namespace; by the settings it keeps gateways' pods to Gateways of their own namespace → pulumi refresh, and up",
      "FAIL secrets of others: ClusterSecretStore vault-backend serves every namespace; by the settings it serves cert-manager → pulumi refresh, and up",
    ]);
    const settings = { tenancy: { secrets: ["shop"] } };
    expect(await troubles(clusterOf(settings), settings)).toEqual([
      "FAIL secrets of others: ClusterSecretStore vault-backend serves cert-manager; by the settings it serves cert-manager, shop → pulumi refresh, and up",
    ]);
  });

  it("fails where nobody holds it", async () => {
    expect(await troubles(clusterOf({}, []))).toEqual([
      "FAIL Gateway's hosts: there is no Gateway istio-system/istio-gateway → run pulumi up",
      "FAIL Gateways of others: there is no Deployment istio-system/istiod → run pulumi up",
      "FAIL secrets of others: there is no ClusterSecretStore vault-backend → run pulumi up",
    ]);
  });
});

it("a door that the settings open is not looked at", async () => {
  const settings = { tenancy: { routes: "all", certificates: "all", secrets: "all" } };
  const api = clusterOf(settings, []);
  expect(await check(api, settings)).toEqual([
    'skipped routes of others: tenancy.routes is "all"',
    'skipped Gateway\'s hosts: tenancy.routes is "all"',
    'skipped Gateways of others: tenancy.routes is "all"',
    'skipped certificates of others: tenancy.certificates is "all"',
    'skipped secrets of others: tenancy.secrets is "all"',
  ]);
  expect(api.sent).toEqual([]);
});

it("there is no store where there is no token", async () => {
  const settings = { cloudflare: { token: "none" }, acme: { server: "ca" }, vault: undefined };
  expect(await troubles(clusterOf(settings, [tlsGateway(), istiod()]), settings)).toEqual([
    'skipped secrets of others: cloudflare.token is "none": there is no store',
  ]);
});
