import type { KubeConfig } from "@kubernetes/client-node";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Asked } from "../../../tools/verify/asked.ts";
import { checkCluster } from "../../../tools/verify/cluster.ts";
import { closeAll, closedPort, silentPort } from "../../loopback.ts";
import { issue, newIssuer, type TlsPair } from "../../pki.ts";
import { ClusterApi, type KubernetesObject, kubeConfigTo, tlsSecret } from "../cluster-api.ts";
import { type Conditions, gatewayService, reconciled, secrets } from "./cluster-objects.ts";
import { ADDRESS, askedOf, linesOf, NAMES, type Raw, settingsWith, troublesIn } from "./deploy.ts";

let good: TlsPair;
let other: TlsPair;
beforeAll(async () => {
  const issuer = await newIssuer("Trusted");
  good = await issue(issuer, NAMES);
  other = await issue(issuer, NAMES);
});
afterEach(closeAll);

const SECRET = "cert-manager-tls-wildcard-cluster";
const ISSUANCE = "kubectl -n cert-manager describe certificate,order,challenge";
const wellApi = (conditions: Conditions = {}) =>
  new ClusterApi([...reconciled(conditions), ...secrets(good), gatewayService()]);

async function check(api: ClusterApi, settings: Raw = {}, asked: Partial<Asked> = {}) {
  return checkCluster(askedOf({ settings: settingsWith(settings), kubeConfig: await api.start(), ...asked }));
}

const troublesOf = async (api: ClusterApi, settings?: Raw, asked?: Partial<Asked>) =>
  troublesIn((await check(api, settings, asked)).outcomes);

/** Removes the objects that are so. */
const without = (isSo: (object: KubernetesObject) => boolean, api = wellApi()) => {
  api.objects.splice(0, Infinity, ...api.objects.filter((object) => !isSo(object)));
  return api;
};

it("passes when all is right, and tells of the certificate and the address", async () => {
  const { outcomes, source, balancer } = await check(wellApi());
  expect(linesOf(outcomes)).toEqual([
    "pass API server: Kubernetes v1.34.1",
    "pass ExternalSecret: cloudflare-token-secret is Ready: SecretSynced, secret synced",
    "pass ClusterIssuer: cluster-issuer-letsencrypt is Ready: ACMEAccountRegistered, The ACME account was registered with the ACME server",
    "pass Certificate: tls-wildcard-cluster is Ready: Ready, Certificate is up to date and has not expired",
    expect.stringMatching(`^pass certificate's Secret: cert-manager/${SECRET} has SHA-256 [0-9A-F:]{23}…, ecdsa-p256$`),
    `pass gateway's copy: istio-system/${SECRET} is the same`,
    "pass key elsewhere: nowhere but in cert-manager, istio-system",
    `pass load balancer: at ${ADDRESS}`,
  ]);
  expect(source.value?.toString().trim()).toBe(good.cert.slice(0, good.cert.indexOf("-----END CERTIFICATE-----") + 25));
  expect(balancer.value).toBe(ADDRESS);
});

it.each([
  [1, 1, "13:00"],
  [3, 4, "16:00"],
  [6, 32, "20:00"],
  [9, 32, "20:00"],
])("tells after %i failed issuances that cert-manager waits %i h", async (failedIssuanceAttempts, hours, at) => {
  const api = wellApi({ Certificate: { status: "False", reason: "Failed", message: "the order failed" } });
  const certificate = api.objects.find(({ kind }) => kind === "Certificate");
  Object.assign(certificate?.status ?? {}, { failedIssuanceAttempts, lastFailureTime: "2026-11-27T12:00:00Z" });
  expect(await troublesOf(api)).toEqual([
    expect.stringContaining(
      `${ISSUANCE}; after ${failedIssuanceAttempts} failure(s) cert-manager waits ${hours} h and tries again at ` +
        `2026-11-${hours === 32 ? 28 : 27}T${at}:00.000Z; when the cause is gone, cmctl renew -n cert-manager tls-wildcard-cluster tries at once`,
    ),
  ]);
});

describe("a controller's object", () => {
  const describeSecret =
    "kubectl -n cert-manager describe externalsecret cloudflare-token-secret; is Vault unsealed, and prod/cert-manager written?";

  it.each<{ what: string; conditions: Conditions; found: string }>([
    {
      what: "a token that is not synced",
      conditions: { ExternalSecret: { status: "False", reason: "SecretSyncedError", message: "could not get it" } },
      found: `FAIL ExternalSecret: ExternalSecret cloudflare-token-secret is not Ready: SecretSyncedError, could not get it → ${describeSecret}`,
    },
    {
      what: "a Certificate that is not Ready",
      conditions: { Certificate: { status: "False", reason: "IncorrectIssuer", message: "by another issuer" } },
      found: `FAIL Certificate: Certificate tls-wildcard-cluster is not Ready: IncorrectIssuer, by another issuer → ${ISSUANCE}`,
    },
    {
      what: "a Certificate that was Ready before its last change",
      conditions: { Certificate: { observedGeneration: 0 } },
      found: `FAIL Certificate: Certificate tls-wildcard-cluster is Ready as it was before its last change → wait, and run this again; else ${ISSUANCE}`,
    },
    {
      what: "an issuer that is not Ready",
      conditions: { ClusterIssuer: { status: "False", reason: "ErrRegisterACMEAccount", message: "403" } },
      found:
        "FAIL ClusterIssuer: ClusterIssuer cluster-issuer-letsencrypt is not Ready: ErrRegisterACMEAccount, 403 → kubectl describe clusterissuer cluster-issuer-letsencrypt",
    },
    {
      what: "an object that no controller has looked at",
      conditions: { ClusterIssuer: { type: "Other" } },
      found:
        "FAIL ClusterIssuer: ClusterIssuer cluster-issuer-letsencrypt has no condition Ready yet → kubectl describe clusterissuer cluster-issuer-letsencrypt",
    },
  ])("fails for $what", async ({ conditions, found }) => {
    expect(await troublesOf(wellApi(conditions))).toEqual([found]);
  });

  it("fails where it is not there", async () => {
    expect(await troublesOf(without(({ apiVersion }) => apiVersion !== "v1"))).toEqual([
      "FAIL ExternalSecret: there is no ExternalSecret cloudflare-token-secret → run pulumi up",
      "skipped ClusterIssuer: there is no Certificate tls-wildcard-cluster to name its issuer",
      "FAIL Certificate: there is no Certificate tls-wildcard-cluster → run pulumi up",
    ]);
  });

  it("is not there before the second phase of two, which is to come", async () => {
    const next = "npm run vault:init -- --stack <stack> --keys-file <file>, then pulumi up";
    const first = { vault: { install: true } };
    expect(
      await troublesOf(
        without(({ apiVersion, kind }) => apiVersion !== "v1" || kind === "Secret"),
        first,
      ),
    ).toEqual([
      `FAIL ExternalSecret: there is no ExternalSecret cloudflare-token-secret → ${next}`,
      "skipped ClusterIssuer: there is no Certificate tls-wildcard-cluster to name its issuer",
      `FAIL Certificate: there is no Certificate tls-wildcard-cluster → ${next}`,
      `FAIL certificate's Secret: there is no Secret cert-manager/cert-manager-tls-wildcard-cluster → ${next}`,
      "skipped gateway's copy: needs the check \"certificate's Secret\", which failed",
    ]);
  });

  it("fails where its kind is not there", async () => {
    const api = without(({ kind }) => kind === "ExternalSecret");
    api.kinds.delete("/apis/external-secrets.io/v1/externalsecrets");
    expect(await troublesOf(api)).toEqual([
      "FAIL ExternalSecret: there is no ExternalSecret cloudflare-token-secret → run pulumi up",
    ]);
  });

  it("is not asked for where there is no token", async () => {
    const settings = { cloudflare: { token: "none" }, acme: { server: "ca" }, vault: undefined };
    expect(
      await troublesOf(
        without(({ kind }) => kind === "ExternalSecret"),
        settings,
      ),
    ).toEqual(['skipped ExternalSecret: cloudflare.token is "none": no token is brought in']);
  });
});

describe("the certificate's Secret", () => {
  const needing = `skipped gateway's copy: needs the check "certificate's Secret", which failed`;
  const ofReflector = "kubectl -n kube-system logs deployment/reflector; it copies within a second of a change";

  it("fails where the copy differs from its source", async () => {
    const api = new ClusterApi([...reconciled(), ...secrets(good, other), gatewayService()]);
    const shown = "SHA-256 [0-9A-F:]{23}…";
    expect(await troublesOf(api)).toEqual([
      expect.stringMatching(
        `^FAIL gateway's copy: istio-system/${SECRET} has ${shown}, its source ${shown} → ${ofReflector}$`,
      ),
    ]);
  });

  it("fails where there is no copy", async () => {
    const api = without(({ metadata }) => metadata.name === SECRET && metadata.namespace === "istio-system");
    expect(await troublesOf(api)).toEqual([
      `FAIL gateway's copy: there is no Secret istio-system/${SECRET} → ${ofReflector}`,
    ]);
  });

  it("fails where there is no source, or none that is a certificate", async () => {
    const api = without(({ metadata }) => metadata.name === SECRET && metadata.namespace === "cert-manager");
    expect(await troublesOf(api)).toEqual([
      `FAIL certificate's Secret: there is no Secret cert-manager/${SECRET} → ${ISSUANCE}`,
      needing,
    ]);
    const unreadable = { cert: "not PEM", key: good.key };
    expect(await troublesOf(new ClusterApi([...reconciled(), ...secrets(unreadable), gatewayService()]))).toEqual([
      `FAIL certificate's Secret: Secret cert-manager/${SECRET} has no certificate in tls.crt → kubectl -n cert-manager describe certificate tls-wildcard-cluster`,
      needing,
    ]);
  });

  it("fails for what may not be read, in the API server's words", async () => {
    const path = `/api/v1/namespaces/istio-system/secrets/${SECRET}`;
    const api = wellApi();
    api.forbidden.add(path);
    expect(await troublesOf(api)).toEqual([
      `FAIL gateway's copy: the API server answers 403: User "operator" cannot get path "${path}" → ` +
        "run this again; if it is refused, with the rights of somebody who may run pulumi up",
    ]);
  });
});

describe("the certificate's key", () => {
  const leaked = () => {
    const api = wellApi();
    api.objects.push(tlsSecret(SECRET, "default", good), tlsSecret(SECRET, "argocd", good));
    return api;
  };

  it("fails in a namespace that is not to have it", async () => {
    expect(await troublesOf(leaked())).toEqual([
      "FAIL key elsewhere: the certificate's key is also in argocd, default → add to reflector.namespaces what is meant to have it; " +
        `else kubectl -n argocd delete secret ${SECRET}; kubectl -n default delete secret ${SECRET}`,
    ]);
    expect(await troublesOf(leaked(), { reflector: { namespaces: ["argocd", "default"] } })).toEqual([]);
    expect(await troublesOf(leaked(), { reflector: { namespaces: "all" } })).toEqual([
      'skipped key elsewhere: reflector.namespaces is "all": every namespace is to have the key',
    ]);
  });

  it("is asked for in the two Secrets that are compared alone, and never shown", async () => {
    const api = leaked();
    const { outcomes } = await check(api);
    const withKey = api.sent.filter((text) => text.includes("tls.key")).map((text) => text.split("\n")[0]);
    expect(withKey.sort()).toEqual(
      ["cert-manager", "istio-system"].map((namespace) => `/api/v1/namespaces/${namespace}/secrets/${SECRET}`),
    );
    const told = linesOf(outcomes).join();
    const key = good.key.split("\n")[1] ?? "";
    expect(key.length).toBeGreaterThan(50);
    for (const secret of [key, "PRIVATE KEY", Buffer.from(good.key).toString("base64").slice(0, 40)])
      expect(told).not.toContain(secret);
  });
});

describe("the load balancer", () => {
  const noAddress =
    "FAIL load balancer: Service istio-system/istio-ingressgateway has no address → kubectl -n istio-system describe service istio-ingressgateway; its events are the cloud controller's";
  const having = (...service: KubernetesObject[]) => new ClusterApi([...reconciled(), ...secrets(good), ...service]);
  const pending = (type?: string): KubernetesObject => ({ ...gatewayService(type), status: { loadBalancer: {} } });

  it.each([
    [
      "its Service is not there",
      [],
      "FAIL load balancer: there is no Service istio-system/istio-ingressgateway → run pulumi up",
    ],
    ["it has no address yet", [pending()], noAddress],
    ["its Service is of another type than the settings ask for", [pending("ClusterIP")], noAddress],
  ])("fails when %s", async (_, services, line) => {
    expect(await troublesOf(having(...services))).toEqual([line]);
  });

  const settings = { cluster: { context: "kind" }, loadBalancer: undefined };

  it("is that of another cloud where the Service has one", async () => {
    const { outcomes, balancer } = await check(having(gatewayService()), settings);
    expect([troublesIn(outcomes), balancer.value]).toEqual([[], ADDRESS]);
  });

  it("is not looked for where there is none", async () => {
    const none = (type: string) =>
      `skipped load balancer: the gateway's Service is of type ${type}, without a load balancer`;
    expect(await troublesOf(having(pending("ClusterIP")), settings)).toEqual([
      `${none("ClusterIP")} → give --address to check what it serves`,
    ]);
    const given = { https: { ip: "192.0.2.1", port: 30443 } };
    expect(await troublesOf(having(pending("NodePort")), settings, given)).toEqual([
      `${none("NodePort")}; the address given is asked`,
    ]);
  });
});

describe("a cluster that is not reached", () => {
  it.each([
    ["nothing listens there (ECONNREFUSED)", async () => kubeConfigTo(await closedPort())],
    ["no answer in time", async () => kubeConfigTo(await silentPort())],
    ["the API server answers 401", async () => anotherUser(await wellApi().start())],
    ["spawn oci ENOENT", async () => Promise.reject(new Error("spawn oci ENOENT"))],
  ])("fails alone, with %s", async (reason, way) => {
    const timeoutMs = reason.includes("time") ? 50 : 20_000;
    const { outcomes, source, balancer } = await checkCluster(
      askedOf({ settings: settingsWith(), kubeConfig: way(), timeoutMs }),
    );
    const needs = (check: string) => `needs the check "${check}", which failed`;
    expect(linesOf(outcomes)).toEqual([
      `FAIL API server: ${reason} → bring kubectl version to work with the cluster and the context of the stack's settings`,
      ...[
        "ExternalSecret",
        "ClusterIssuer",
        "Certificate",
        "certificate's Secret",
        "gateway's copy",
        "key elsewhere",
      ].map((name) => `skipped ${name}: ${needs("API server")}`),
      `skipped load balancer: ${needs("API server")}`,
    ]);
    expect([source.value, balancer.value]).toEqual([undefined, undefined]);
  });
});

function anotherUser(config: KubeConfig): KubeConfig {
  config.users = [{ name: "operator", token: "another" }];
  return config;
}
