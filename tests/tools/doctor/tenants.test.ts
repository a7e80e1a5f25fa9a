import { afterEach, expect, it } from "vitest";
import { ClusterReader } from "../../../tools/doctor/cluster-reader.ts";
import { tenantVerdicts } from "../../../tools/doctor/tenants.ts";
import { closeAll } from "../../loopback.ts";
import { ClusterApi, type KubernetesObject } from "../cluster-api.ts";
import { settingsFrom } from "../settings.ts";
import { istiod } from "../verify/cluster-objects.ts";
import { AMPLE, type Raw, wholeStack } from "./examination.ts";

afterEach(closeAll);

const object = (apiVersion: string, kind: string, at: string, spec: object, more: object = {}): KubernetesObject => {
  const [namespace, name = ""] = at.split("/");
  return { apiVersion, kind, metadata: { name, ...(namespace !== "" && { namespace }), ...more }, spec };
};

const istio = "networking.istio.io/v1";
const externalSecrets = "external-secrets.io/v1";
const certManager = "cert-manager.io/v1";
const ISSUER = "cluster-issuer-letsencrypt";

/** What of others there is in every one of these clusters. */
const others = [
  object(istio, "VirtualService", "evil/vault", {
    hosts: ["vault.cluster.example.com"],
    gateways: ["istio-system/istio-gateway"],
  }),
  object(istio, "VirtualService", "argocd/more", {
    hosts: ["more.cluster.example.com"],
    gateways: ["istio-system/istio-gateway"],
  }),
  object(istio, "Gateway", "evil/own", { selector: { istio: "ingressgateway" } }),
  object(certManager, "Certificate", "evil/www", { issuerRef: { kind: "ClusterIssuer", name: ISSUER } }),
  object(externalSecrets, "ExternalSecret", "evil/token", {
    secretStoreRef: { kind: "ClusterSecretStore", name: "vault-backend" },
  }),
  object("v1", "Pod", "istio-system/gateway-1", {}, { labels: { istio: "ingressgateway" } }),
];

/** What holds the doors, as it was before they could be closed, and as the program makes it by default. */
const holders = (closed: boolean): KubernetesObject[] => [
  object(istio, "Gateway", "istio-system/istio-gateway", {
    selector: { istio: "ingressgateway" },
    servers: [
      {
        port: { number: 443 },
        hosts: closed
          ? ["argocd/*.cluster.example.com", "istio-system/*.cluster.example.com", "vault/*.cluster.example.com"]
          : ["*.cluster.example.com", "cluster.example.com"],
      },
    ],
  }),
  object(externalSecrets, "ClusterSecretStore", "/vault-backend", {
    ...(closed && { conditions: [{ namespaces: ["cert-manager"] }] }),
  }),
  object(
    certManager,
    "ClusterIssuer",
    `/${ISSUER}`,
    {},
    closed ? { annotations: { "oke-platform/signs-for": "cert-manager" } } : {},
  ),
  istiod(closed ? "true" : "false"),
];

const clusterWith = (...objects: KubernetesObject[]) => new ClusterApi([...objects, ...others]);

async function verdicts(api: ClusterApi, raw: Raw = {}): Promise<string[]> {
  const cluster = new ClusterReader(await api.start(), AMPLE.callMs);
  const found = await tenantVerdicts(settingsFrom({ ...wholeStack(), ...raw }), cluster);
  return found.map(({ level, reason, action }) => `${level}: ${reason}${action === undefined ? "" : ` → ${action}`}`);
}

const why = {
  "Certificate evil/www": `ClusterIssuer ${ISSUER} is the platform's and does not sign for namespace evil. Use an issuer of your own, or have whoever runs the platform add evil to tenancy.certificates`,
  "ExternalSecret evil/token":
    "ClusterSecretStore vault-backend is the platform's and does not serve namespace evil. Use a store of your own, or have whoever runs the platform add evil to tenancy.secrets",
  "Gateway evil/own":
    "it selects pods of namespace istio-system, which istiod keeps to the Gateways of their own namespace. Use a gateway of namespace evil, or have whoever runs the platform open tenancy.routes to all",
  "VirtualService argocd/more":
    "more.cluster.example.com is not for namespace argocd: on this Gateway every host below cluster.example.com is the platform's, and services gives this one to nobody. Have whoever runs the platform add an entry to services, or argocd to tenancy.routes",
  "VirtualService evil/vault":
    "vault.cluster.example.com is not for namespace evil: services gives it to namespace vault. Take another host, or have whoever runs the platform change its entry in services",
};

const cut = (name: keyof typeof why) =>
  `problem: ${name} is served until the next up, whose preview refuses to cut it: ${why[name]} → do what it says, or delete it`;
const refused = (name: keyof typeof why) =>
  `warning: ${name} is refused when it changes, or served no more: ${why[name]} → do what it says, or delete it`;

it("what the next up would cut is a problem, and what it would refuse alone a warning", async () => {
  expect(await verdicts(clusterWith(...holders(false)))).toEqual([
    cut("Certificate evil/www"),
    cut("ExternalSecret evil/token"),
    cut("Gateway evil/own"),
    // The Gateway goes on serving it for the sake of argocd's own service.
    refused("VirtualService argocd/more"),
    cut("VirtualService evil/vault"),
  ]);
});

it("what is shut out already, or before there is a platform, is a warning", async () => {
  const names = Object.keys(why) as (keyof typeof why)[];
  const warnings = names.map(refused);
  expect(await verdicts(clusterWith(...holders(true)))).toEqual(warnings);
  expect(await verdicts(clusterWith())).toEqual(warnings);
});

it("what tenancy opens is nothing to say of", async () => {
  const all = { tenancy: { routes: "all", certificates: "all", secrets: "all" } };
  expect(await verdicts(clusterWith(...holders(false)), all)).toEqual(["ok: nothing of others that it shuts out"]);
});

it("is not known to who may not look", async () => {
  const api = clusterWith(...holders(false));
  api.forbidden.add("/apis/external-secrets.io/v1/externalsecrets");
  await expect(verdicts(api)).rejects.toThrow(
    /^the API server answers 403: User "operator" cannot get path "\/apis\/external-secrets\.io\/v1\/externalsecrets"$/,
  );
});
