import { describe, expect, it } from "vitest";
import type { Listed, ListedKind } from "../../components/api-server.ts";
import { closes, doorsBy, isCut, saidBy } from "../../components/doors.ts";
import { type DoorName, nameOf, shutOutBy } from "../../components/tenants.ts";
import { type Raw, wholeStack } from "../tools/doctor/examination.ts";
import { settingsFrom } from "../tools/settings.ts";

const settingsWith = (changes: Raw = {}) => settingsFrom({ ...wholeStack(), ...changes });

const at = (namespace: string, name: string, spec: object = {}, more: object = {}): Listed => ({
  metadata: { name, namespace, ...more },
  spec,
});

const route = (namespace: string, name: string, hosts: string[], gateways = ["istio-system/istio-gateway"]) =>
  at(namespace, name, { hosts, gateways });

const issuerRef = { kind: "ClusterIssuer", name: "cluster-issuer-letsencrypt" };
const storeRef = { kind: "ClusterSecretStore", name: "vault-backend" };

/** By plural, what is in a cluster beside the platform's own, each kind with somebody whom nothing closes. */
const objects: Record<string, Listed[]> = {
  virtualservices: [
    route("vault", "vault-vs", ["vault.cluster.example.com"]),
    route("evil", "vault", ["x.example.org", "vault.cluster.example.com"]),
    route("evil", "dotted", ["shop.cluster.example.com"], ["mesh", "istio-gateway.istio-system.svc.cluster.local"]),
    route("istio-system", "short", ["kiali.cluster.example.com"], ["istio-gateway"]),
    route("argocd", "more", ["more.cluster.example.com"]),
    route("evil", "theirs", ["vault.cluster.example.com"], ["evil/gateway"]),
  ],
  gateways: [
    at("istio-system", "istio-gateway", { selector: { istio: "ingressgateway" } }),
    at("evil", "ours", { selector: { istio: "ingressgateway" } }),
    at("evil", "all"),
    at("edge", "beside", { selector: { istio: "edge", app: "edge" } }),
  ],
  certificates: [
    at("cert-manager", "tls-wildcard-cluster", { issuerRef }),
    at("evil", "www", { issuerRef }),
    at("evil", "own", { issuerRef: { kind: "Issuer", name: "cluster-issuer-letsencrypt" } }),
  ],
  certificaterequests: [
    at("evil", "www-1", { issuerRef }, { ownerReferences: [{ kind: "Certificate" }] }),
    at("evil", "alone", { issuerRef: { ...issuerRef, group: "cert-manager.io" } }),
  ],
  orders: [at("evil", "order", { issuerRef }, { ownerReferences: [{ kind: "CertificateRequest" }] })],
  challenges: [at("evil", "challenge", { issuerRef })],
  externalsecrets: [
    at("cert-manager", "cloudflare-token-secret", { secretStoreRef: storeRef }),
    at("evil", "token", { secretStoreRef: storeRef }),
    at("evil", "by-key", { data: [{ sourceRef: { storeRef } }] }),
    at("evil", "by-find", { dataFrom: [{ extract: { key: "it" } }, { sourceRef: { storeRef } }] }),
    at("evil", "own", { secretStoreRef: { kind: "SecretStore", name: "vault-backend" } }),
  ],
  pushsecrets: [at("evil", "push", { secretStoreRefs: [{ kind: "ClusterSecretStore", name: "theirs" }, storeRef] })],
};

const pods: Record<string, string[]> = { "istio=ingressgateway": ["istio-system"], "istio=edge,app=edge": ["edge"] };

const lists = {
  objects: async ({ plural }: ListedKind) => objects[plural] ?? [],
  podNamespaces: async (labels: string) => pods[labels] ?? [],
};

const shutOut = async (changes?: Raw) =>
  (await shutOutBy(settingsWith(changes), lists)).map((it) => `${nameOf(it)}: ${it.why}`);

const taken = (host: string, namespace: string, owner: string) =>
  `${host} is not for namespace ${namespace}: services gives it to namespace ${owner}. Take another host, or have whoever runs the platform change its entry in services`;
const notGiven = (host: string, namespace: string) =>
  `${host} is not for namespace ${namespace}: on this Gateway every host below cluster.example.com is the platform's, and services gives this one to nobody. Have whoever runs the platform add an entry to services, or ${namespace} to tenancy.routes`;
const unsigned =
  "ClusterIssuer cluster-issuer-letsencrypt is the platform's and does not sign for namespace evil. Use an issuer of your own, or have whoever runs the platform add evil to tenancy.certificates";
const unserved =
  "ClusterSecretStore vault-backend is the platform's and does not serve namespace evil. Use a store of your own, or have whoever runs the platform add evil to tenancy.secrets";
const stranded =
  "it selects pods of namespace istio-system, which istiod keeps to the Gateways of their own namespace. Use a gateway of namespace evil, or have whoever runs the platform open tenancy.routes to all";

describe("what the settings shut out", () => {
  it("is, by default, all of others that uses the platform, and nothing of its own", async () => {
    expect(await shutOut()).toEqual([
      `Certificate evil/www: ${unsigned}`,
      `CertificateRequest evil/alone: ${unsigned}`,
      `Challenge evil/challenge: ${unsigned}`,
      `ExternalSecret evil/by-find: ${unserved}`,
      `ExternalSecret evil/by-key: ${unserved}`,
      `ExternalSecret evil/token: ${unserved}`,
      `Gateway evil/all: ${stranded}`,
      `Gateway evil/ours: ${stranded}`,
      `PushSecret evil/push: ${unserved}`,
      `VirtualService argocd/more: ${notGiven("more.cluster.example.com", "argocd")}`,
      `VirtualService evil/dotted: ${notGiven("shop.cluster.example.com", "evil")}`,
      `VirtualService evil/vault: ${taken("vault.cluster.example.com", "evil", "vault")}`,
      `VirtualService istio-system/short: ${notGiven("kiali.cluster.example.com", "istio-system")}`,
    ]);
  });

  it("is what a list of namespaces leaves", async () => {
    const evil = ["evil"];
    expect(await shutOut({ tenancy: { routes: evil, certificates: evil, secrets: evil } })).toEqual([
      `Gateway evil/all: ${stranded}`,
      `Gateway evil/ours: ${stranded}`,
      `VirtualService argocd/more: ${notGiven("more.cluster.example.com", "argocd")}`,
      `VirtualService evil/vault: ${taken("vault.cluster.example.com", "evil", "vault")}`,
      `VirtualService istio-system/short: ${notGiven("kiali.cluster.example.com", "istio-system")}`,
    ]);
  });

  it("is nothing where all may, and nobody is asked", async () => {
    const nobody = { objects: () => Promise.reject(new Error("asked")), podNamespaces: async () => [] };
    const all = settingsWith({ tenancy: { routes: "all", certificates: "all", secrets: "all" } });
    expect(await shutOutBy(all, nobody)).toEqual([]);
  });
});

describe("what a run cuts", () => {
  const open = { routes: "all", certificates: "all", secrets: "all" };

  /** What is cut from settings to others. */
  const cut = async (from: Raw, to: Raw) => {
    const [before, after] = [doorsBy(settingsWith(from)), doorsBy(settingsWith(to))];
    const out = await shutOutBy(settingsWith(to), lists);
    return out.filter((it) => isCut(it, before[it.door], after[it.door])).map(nameOf);
  };

  it("is all that was served until now", async () => {
    expect(await cut({ tenancy: open }, {})).toEqual([
      "Certificate evil/www",
      "CertificateRequest evil/alone",
      "Challenge evil/challenge",
      "ExternalSecret evil/by-find",
      "ExternalSecret evil/by-key",
      "ExternalSecret evil/token",
      "Gateway evil/all",
      "Gateway evil/ours",
      "PushSecret evil/push",
      // Not that of argocd or istio-system, which the Gateway goes on serving: their changes alone are refused.
      "VirtualService evil/dotted",
      "VirtualService evil/vault",
    ]);
  });

  it("is nothing that was shut out before", async () => {
    expect(await cut({}, {})).toEqual([]);
  });

  it("is what a service less leaves without its namespace", async () => {
    const services = [{ name: "vault", namespace: "vault", port: 8200 }];
    expect(await cut({}, { services })).toEqual(["VirtualService argocd/more"]);
  });
});

describe("a Gateway's hosts", () => {
  const served = (hosts: string[], spec: object, namespace = "shop") => {
    const object = at(namespace, "it", spec);
    return isCut({ door: "routes", kind: "VirtualService", object, why: "" }, hosts, []);
  };

  it.each<{ hosts: string[]; spec: object; namespace?: string; is: boolean }>([
    { hosts: ["*.example.com"], spec: { hosts: ["a.example.com"] }, is: true },
    { hosts: ["*/*.example.com"], spec: { hosts: ["A.example.com"] }, is: true },
    { hosts: ["shop/*.example.com"], spec: { hosts: ["a.example.com"] }, is: true },
    { hosts: ["other/*.example.com"], spec: { hosts: ["a.example.com"] }, is: false },
    { hosts: ["./example.com"], spec: { hosts: ["example.com"] }, is: false },
    { hosts: ["./example.com"], spec: { hosts: ["example.com"] }, namespace: "istio-system", is: true },
    { hosts: ["*.example.com"], spec: { hosts: ["example.com"] }, is: false },
    { hosts: ["*.a.example.com"], spec: { hosts: ["*.example.com"] }, is: true },
    { hosts: ["*.a.example.com"], spec: { hosts: ["*"] }, is: true },
    { hosts: ["*.example.com"], spec: { hosts: ["a.example.com"], exportTo: ["."] }, is: false },
    { hosts: ["*.example.com"], spec: { hosts: ["a.example.com"], exportTo: ["istio-system"] }, is: true },
  ])("$hosts, $spec: $is", ({ hosts, spec, namespace, is }) => {
    expect(served(hosts, spec, namespace)).toBe(is);
  });
});

it("a door closes when it lets in less", () => {
  const cases: [Parameters<typeof closes>, boolean][] = [
    [["all", ["a"]], true],
    [["all", "all"], false],
    [[["a"], "all"], false],
    [[["a", "b"], ["b"]], true],
    [[["a"], ["b", "a"]], false],
  ];
  expect(cases.map(([[now, then]]) => closes(now, then))).toEqual(cases.map(([, is]) => is));
});

it("a door's holder says whom it lets in, and everybody where it says nothing", () => {
  const said = (door: DoorName, written: object) => saidBy[door](written);
  const servers = [
    { port: { number: 80 }, hosts: ["*.a"] },
    { port: { number: 443 }, hosts: ["a/*.a", "./a"] },
  ];
  expect([
    said("routes", { spec: { servers } }),
    said("gateways", { values: { env: { PILOT_SCOPE_GATEWAY_TO_NAMESPACE: "true" } } }),
    said("gateways", { values: {} }),
    said("certificates", { metadata: { annotations: { "oke-platform/signs-for": "cert-manager,shop" } } }),
    said("certificates", { metadata: {} }),
    said("secrets", { spec: { conditions: [{ namespaces: ["cert-manager"] }] } }),
    said("secrets", { spec: {} }),
  ]).toEqual([["a/*.a", "./a"], [], "all", ["cert-manager", "shop"], "all", ["cert-manager"], "all"]);
});
