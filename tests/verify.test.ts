import { execFile } from "node:child_process";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { KubeConfig } from "@kubernetes/client-node";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { projectDirectory, readStack } from "../project/stack.ts";
import { type Check, command, type VerifyOptions, verify } from "../tools/verify.ts";
import {
  ADDRESS,
  ARGOCD,
  BASE,
  type ClusterApi,
  closeAll,
  closedPort,
  cutOffPort,
  type Deploy,
  dnsServer,
  envoySays,
  HOSTS,
  type Issuer,
  issue,
  type KubernetesObject,
  kubeConfigTo,
  NAMES,
  newIssuer,
  oldDropped,
  SECRET,
  settingsWith,
  silentPort,
  startDeploy,
  type TlsPair,
  tlsSecret,
  VAULT,
} from "./servers.ts";

// A deploy that is right, and each way in which it can be wrong: real TLS, HTTP and DNS on loopback, and a stand-in for
// the cluster's API. That Envoy and the controllers answer so is taken from runs and from their sources.

let letsEncrypt: Issuer;
let stranger: Issuer;
let good: TlsPair;
let other: TlsPair;

beforeAll(async () => {
  letsEncrypt = await newIssuer("Trusted");
  stranger = await newIssuer("Stranger");
  good = await issue(letsEncrypt, NAMES);
  other = await issue(letsEncrypt, NAMES);
});

afterEach(closeAll);

/** Starts a deploy that is right but for these differences. */
const deployed = ({ options, ...deploy }: Partial<Deploy>) =>
  startDeploy({ source: good, ...deploy, options: { roots: letsEncrypt.root, ...options } });

/** Each check in a line, without what to do. */
const lineOf = ({ name, host, status, reason }: Check) => `${status} ${name}${host ? ` ${host}` : ""}: ${reason}`;

/** What did not pass. */
const troublesIn = (checks: Check[]) => checks.filter(({ status }) => status !== "pass").map(lineOf);

const troublesOf = async (deploy: Partial<Deploy>) => troublesIn(await verify(await deployed(deploy)));

/** What the checks of that name say is to be done. */
async function actionsOf(deploy: Partial<Deploy>, name: string): Promise<(string | undefined)[]> {
  const checks = await verify(await deployed(deploy));
  return [...new Set(checks.filter((check) => check.name === name).map(({ action }) => action))];
}

const everyHost = (line: (host: string) => string) => HOSTS.map(line);

it("passes when all is right, and shows what it looked at", async () => {
  const checks = await verify(await deployed({}));
  expect(troublesIn(checks)).toEqual([]);
  expect(checks.map(({ name, host }) => (host === undefined ? name : `${name} ${host}`))).toEqual([
    "API server",
    "ExternalSecret",
    "ClusterIssuer",
    "Certificate",
    "certificate's Secret",
    "gateway's copy",
    "key elsewhere",
    "load balancer",
    "port 443",
    "port 80",
    ...["DNS", "handshake", "trust", "certificate", "old TLS", "redirect"].map((name) => `${name} ${BASE}`),
    ...[VAULT, ARGOCD].flatMap((host) =>
      ["DNS", "handshake", "trust", "certificate", "old TLS", "redirect", "service"].map((name) => `${name} ${host}`),
    ),
  ]);
  const lines = checks.map(lineOf);
  expect(lines).toContain("pass API server: Kubernetes v1.34.1");
  expect(lines).toContain(
    "pass ClusterIssuer: cluster-issuer-letsencrypt is Ready: ACMEAccountRegistered, The ACME account was registered with the ACME server",
  );
  expect(lines).toContain(`pass handshake ${VAULT}: TLSv1.3`);
  expect(lines).toContain(`pass DNS ${VAULT}: A ${ADDRESS}`);
  expect(lines).toContain(`pass old TLS ${VAULT}: versions below 1.2 are refused`);
  expect(lines).toContain(`pass redirect ${VAULT}: 301 to https://${VAULT}/`);
  expect(lines).toContain(`pass service ${VAULT}: 307 from vault.vault:8200`);
  expect(lines).toContain(`pass service ${ARGOCD}: 404 from argocd-server.argocd:80`);
});

describe("the cluster", () => {
  it("fails for a token that is not synced", async () => {
    const deploy = {
      conditions: {
        ExternalSecret: {
          status: "False",
          reason: "SecretSyncedError",
          message: "could not get secret data from provider",
        },
      },
    };
    expect(await troublesOf(deploy)).toEqual([
      "FAIL ExternalSecret: ExternalSecret cloudflare-token-secret is not Ready: SecretSyncedError, could not get secret data from provider",
    ]);
    expect(await actionsOf(deploy, "ExternalSecret")).toEqual([
      "kubectl -n cert-manager describe externalsecret cloudflare-token-secret; is Vault unsealed, and prod/cert-manager written?",
    ]);
  });

  it("fails for a Certificate that is not Ready", async () => {
    const message = "Issuing certificate as Secret was previously issued by another issuer";
    const deploy = { conditions: { Certificate: { status: "False", reason: "IncorrectIssuer", message } } };
    expect(await troublesOf(deploy)).toEqual([
      `FAIL Certificate: Certificate tls-wildcard-cluster is not Ready: IncorrectIssuer, ${message}`,
    ]);
  });

  it("fails for a Certificate that was Ready before its last change", async () => {
    expect(await troublesOf({ conditions: { Certificate: { observedGeneration: 0 } } })).toEqual([
      "FAIL Certificate: Certificate tls-wildcard-cluster is Ready as it was before its last change",
    ]);
  });

  it("fails for an issuer that is not Ready", async () => {
    const message = "Failed to register ACME account: 403 urn:ietf:params:acme:error:unauthorized";
    const deploy = { conditions: { ClusterIssuer: { status: "False", reason: "ErrRegisterACMEAccount", message } } };
    expect(await troublesOf(deploy)).toEqual([
      `FAIL ClusterIssuer: ClusterIssuer cluster-issuer-letsencrypt is not Ready: ErrRegisterACMEAccount, ${message}`,
    ]);
  });

  it("fails for an object that no controller has looked at", async () => {
    expect(await troublesOf({ conditions: { ClusterIssuer: { type: "Other" } } })).toEqual([
      "FAIL ClusterIssuer: ClusterIssuer cluster-issuer-letsencrypt has no condition Ready yet",
    ]);
  });

  it("fails for objects that are not there", async () => {
    expect(await troublesOf({ cluster: ({ objects }) => void objects.splice(0, 3) })).toEqual([
      "FAIL ExternalSecret: there is no ExternalSecret cloudflare-token-secret",
      "skipped ClusterIssuer: there is no Certificate tls-wildcard-cluster to name its issuer",
      "FAIL Certificate: there is no Certificate tls-wildcard-cluster",
    ]);
  });

  it("fails for kinds that are not there", async () => {
    const forget = ({ objects, kinds }: ClusterApi) => {
      objects.splice(0, 1);
      kinds.delete("/apis/external-secrets.io/v1/externalsecrets");
    };
    expect(await troublesOf({ cluster: forget })).toEqual([
      "FAIL ExternalSecret: there is no ExternalSecret cloudflare-token-secret",
    ]);
  });

  it("fails for what may not be read, in the API server's words", async () => {
    const path = `/api/v1/namespaces/istio-system/secrets/${SECRET}`;
    expect(await troublesOf({ cluster: ({ forbidden }) => void forbidden.add(path) })).toEqual([
      `FAIL gateway's copy: the API server did not answer: 403: User "operator" cannot get path "${path}"`,
    ]);
  });

  it("skips the token where there is none", async () => {
    const settings = { cloudflare: { token: "none" }, acme: { server: "ca" }, vault: undefined };
    expect(await troublesOf({ settings, cluster: ({ objects }) => void objects.splice(0, 1) })).toEqual([
      'skipped ExternalSecret: cloudflare.token is "none": no token is brought in',
      ...everyHost((host) => `skipped DNS ${host}: cloudflare.token is "none": the program makes no records`),
    ]);
  });

  it("fails for a copy that differs from its source", async () => {
    const [trouble, ...more] = await troublesOf({ copy: other });
    expect(trouble).toMatch(
      /^FAIL gateway's copy: istio-system\/cert-manager-tls-wildcard-cluster has SHA-256 [0-9A-F:]{23}…, its source SHA-256 [0-9A-F:]{23}…$/,
    );
    expect(more).toEqual([]);
  });

  it("fails for a copy that is not there", async () => {
    const remove = ({ objects }: ClusterApi) =>
      void objects.splice(
        objects.findIndex(({ metadata }) => metadata.name === SECRET && metadata.namespace === "istio-system"),
        1,
      );
    expect(await troublesOf({ cluster: remove })).toEqual([
      `FAIL gateway's copy: there is no Secret istio-system/${SECRET}`,
    ]);
  });

  it("fails for a source that is not there, or no certificate, and checks the gateway without it", async () => {
    const needing = [
      `skipped gateway's copy: needs the check "certificate's Secret", which failed`,
      ...everyHost((host) => `skipped certificate ${host}: needs the check "certificate's Secret", which failed`),
    ];
    const remove = ({ objects }: ClusterApi) =>
      void objects.splice(
        objects.findIndex(({ metadata }) => metadata.name === SECRET),
        1,
      );
    expect(await troublesOf({ cluster: remove })).toEqual([
      `FAIL certificate's Secret: there is no Secret cert-manager/${SECRET}`,
      ...needing,
    ]);
    expect(await troublesOf({ source: { cert: "not PEM", key: good.key }, presented: good, copy: good })).toEqual([
      `FAIL certificate's Secret: Secret cert-manager/${SECRET} has no certificate in tls.crt`,
      ...needing,
    ]);
  });

  it("fails for a key in a namespace that is not to have it", async () => {
    const leak = ({ objects }: ClusterApi) => void objects.push(tlsSecret(SECRET, "default", good));
    expect(await troublesOf({ cluster: leak })).toEqual([
      "FAIL key elsewhere: the certificate's key is also in default",
    ]);
    expect(await actionsOf({ cluster: leak }, "key elsewhere")).toEqual([
      `add to reflector.namespaces what is meant to have it; else kubectl -n default delete secret ${SECRET}`,
    ]);
    expect(await troublesOf({ cluster: leak, settings: { reflector: { namespaces: ["default"] } } })).toEqual([]);
    expect(await troublesOf({ cluster: leak, settings: { reflector: { namespaces: "all" } } })).toEqual([
      'skipped key elsewhere: reflector.namespaces is "all": every namespace is to have the key',
    ]);
  });

  it("is asked for no key but those of the two Secrets that are compared, and none is shown", async () => {
    const leak = ({ objects }: ClusterApi) => void objects.push(tlsSecret(SECRET, "default", good));
    const { api, ...options } = await deployed({ cluster: leak });
    const checks = JSON.stringify(await verify(options));
    const withKey = api.sent.filter((text) => text.includes("tls.key")).map((text) => text.split("\n")[0]);
    expect(withKey.sort()).toEqual(
      ["cert-manager", "istio-system"].map((namespace) => `/api/v1/namespaces/${namespace}/secrets/${SECRET}`),
    );
    const key = good.key.split("\n")[1] ?? "";
    expect(key.length).toBeGreaterThan(50);
    expect(checks).not.toContain(key);
    expect(checks).not.toContain("PRIVATE KEY");
    expect(checks).not.toContain(Buffer.from(good.key).toString("base64").slice(0, 40));
  });

  it("fails for a load balancer that has no address yet", async () => {
    const pending = ({ objects }: ClusterApi) => {
      const at = objects.findIndex(({ kind }) => kind === "Service");
      objects.splice(at, 1, { ...(objects[at] as KubernetesObject), status: { loadBalancer: {} } });
    };
    expect(await troublesOf({ cluster: pending })).toEqual([
      "FAIL load balancer: Service istio-system/istio-ingressgateway has no address",
      ...everyHost((host) => `skipped DNS ${host}: needs the check "load balancer", which failed`),
    ]);
  });

  it("fails for a Service that is no load balancer where there is to be one", async () => {
    const changed = ({ objects }: ClusterApi) => {
      const at = objects.findIndex(({ kind }) => kind === "Service");
      const service = objects[at] as KubernetesObject;
      objects.splice(at, 1, { ...service, spec: { type: "ClusterIP" }, status: { loadBalancer: {} } });
    };
    expect((await troublesOf({ cluster: changed }))[0]).toBe(
      "FAIL load balancer: Service istio-system/istio-ingressgateway has no address",
    );
  });

  it("is taken at its word about the address, where none is given", async () => {
    const here = ({ objects }: ClusterApi) => {
      const at = objects.findIndex(({ kind }) => kind === "Service");
      const status = { loadBalancer: { ingress: [{ ip: "127.0.0.1" }] } };
      objects.splice(at, 1, { ...(objects[at] as KubernetesObject), status });
    };
    const options = { https: undefined, http: undefined };
    const checks = await verify(await deployed({ cluster: here, options }));
    const places = checks.filter(({ name }) => name.startsWith("port")).map(({ reason }) => reason.split(/:? /)[0]);
    expect(places).toEqual(["127.0.0.1:443", "127.0.0.1:80"]);
  });

  it("is not asked for the address of HTTP where that of HTTPS is given", async () => {
    const checks = await verify(await deployed({ options: { http: undefined } }));
    expect(checks.find(({ name }) => name === "port 80")?.reason).toMatch(/^127\.0\.0\.1:80[ :]/);
  });

  it("skips what meets the load balancer where there is none", async () => {
    const internal = ({ objects }: ClusterApi) => {
      const at = objects.findIndex(({ kind }) => kind === "Service");
      objects.splice(at, 1, {
        ...(objects[at] as KubernetesObject),
        spec: { type: "ClusterIP" },
        status: { loadBalancer: {} },
      });
    };
    const settings = { cluster: { context: "kind" }, loadBalancer: undefined };
    const why = "the gateway's Service is of type ClusterIP, without a load balancer; give --address to check it";
    expect(await troublesOf({ cluster: internal, settings })).toEqual([
      `skipped load balancer: ${why}`,
      ...everyHost((host) => `skipped DNS ${host}: ${why}`),
    ]);
    const options = { https: undefined, http: undefined };
    const checks = await verify(await deployed({ cluster: internal, settings, options }));
    expect(new Set(checks.filter(({ status }) => status !== "pass").map(({ reason }) => reason))).toEqual(
      new Set([why]),
    );
    expect(checks.find(({ name }) => name === "service")?.status).toBe("skipped");
  });
});

describe("a cluster that is not reached", () => {
  const skipped = [
    "ExternalSecret",
    "ClusterIssuer",
    "Certificate",
    "certificate's Secret",
    "gateway's copy",
    "key elsewhere",
    "load balancer",
  ];
  /** All that needs the cluster, and nothing else. */
  const without = (reason: string) => [
    `FAIL API server: ${reason}`,
    ...skipped.map((name) => expect.stringMatching(`^skipped ${name}: needs the check ".*", which failed$`)),
    ...HOSTS.flatMap((host) => [
      expect.stringMatching(`^skipped DNS ${host}: needs the check ".*", which failed$`),
      expect.stringMatching(`^skipped certificate ${host}: needs the check ".*", which failed$`),
    ]),
  ];

  it("fails alone when nothing listens there", async () => {
    const kubeConfig = kubeConfigTo(await closedPort());
    expect(await troublesOf({ options: { kubeConfig } })).toEqual(without("nothing listens there (ECONNREFUSED)"));
  });

  it("fails alone when it is silent", async () => {
    const kubeConfig = kubeConfigTo(await silentPort());
    expect(await troublesOf({ options: { kubeConfig, timeoutMs: 1000 } })).toEqual(without("no answer in time"));
  });

  it("fails alone when it refuses the credential", async () => {
    const { api, ...options } = await deployed({});
    const kubeConfig = (await options.kubeConfig) as KubeConfig;
    kubeConfig.users = [{ name: "operator", token: "another" }];
    expect(troublesIn(await verify({ ...options, kubeConfig }))).toEqual(without("HTTP status 401"));
  });

  it("fails alone when its kubeconfig cannot be made", async () => {
    const options = await deployed({});
    const kubeConfig = Promise.reject(new Error("spawn oci ENOENT"));
    expect(troublesIn(await verify({ ...options, kubeConfig }))).toEqual(without("spawn oci ENOENT"));
  });
});

describe("DNS", () => {
  it("fails for another address", async () => {
    expect(await troublesOf({ records: { [VAULT]: ["198.51.100.1"] } })).toEqual([
      `FAIL DNS ${VAULT}: A 198.51.100.1 instead of ${ADDRESS}`,
    ]);
  });

  it("fails for an address beside ours, to which half of the visitors would go", async () => {
    expect(await troublesOf({ records: { [BASE]: [ADDRESS, "198.51.100.1"] } })).toEqual([
      `FAIL DNS ${BASE}: A 198.51.100.1, ${ADDRESS} instead of ${ADDRESS}`,
    ]);
  });

  it("fails for a name that does not exist", async () => {
    const options = await deployed({});
    const resolver = await dnsServer({ [BASE]: [ADDRESS], [VAULT]: [ADDRESS] });
    expect(troublesIn(await verify({ ...options, resolver }))).toEqual([
      `FAIL DNS ${ARGOCD}: ${resolver} gives no address: queryA ENOTFOUND ${ARGOCD}`,
    ]);
  });

  it("fails when the resolver is silent", async () => {
    const deploy = { records: { [VAULT]: [] }, options: { timeoutMs: 1500 } };
    expect(await troublesOf(deploy)).toEqual([
      expect.stringMatching(`^FAIL DNS ${VAULT}: 127\\.0\\.0\\.1:\\d+ gives no address: no answer in time$`),
    ]);
  });

  it("is skipped behind Cloudflare's proxy", async () => {
    const settings = { cloudflare: { proxied: true } };
    expect(await troublesOf({ settings, records: { [VAULT]: ["104.16.0.1"] } })).toEqual(
      everyHost((host) => `skipped DNS ${host}: cloudflare.proxied is true: Cloudflare answers with its own addresses`),
    );
  });
});

describe("the certificate that is presented", () => {
  const trust = async (pair: TlsPair, more: Partial<Deploy> = {}) => troublesOf({ source: pair, ...more });

  it("fails when it has expired", async () => {
    const pair = await issue(letsEncrypt, NAMES, { fromDays: -91, toDays: -1 });
    expect(await trust(pair)).toEqual(
      everyHost((host) => expect.stringMatching(`^FAIL trust ${host}: expired on \\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z$`)),
    );
  });

  it("fails when it is not valid yet", async () => {
    const pair = await issue(letsEncrypt, NAMES, { fromDays: 1, toDays: 91 });
    expect(await trust(pair)).toEqual(
      everyHost((host) => expect.stringMatching(`^FAIL trust ${host}: not valid before \\d{4}-`)),
    );
  });

  it("fails when it is for another name", async () => {
    expect(await trust(await issue(letsEncrypt, ["*.example.org", "example.org"]))).toEqual(
      everyHost((host) => `FAIL trust ${host}: for DNS:*.example.org, DNS:example.org, not for ${host}`),
    );
  });

  it("fails for the base domain alone when only the wildcard is in it", async () => {
    expect(await trust(await issue(letsEncrypt, ["*.cluster.example.com"]))).toEqual([
      `FAIL trust ${BASE}: for DNS:*.cluster.example.com, not for ${BASE}`,
    ]);
  });

  const untrusted = (by: string) =>
    everyHost(
      (host) =>
        `FAIL trust ${host}: not trusted by ${by}: UNABLE_TO_GET_ISSUER_CERT_LOCALLY, issued by CN=Stranger Intermediate`,
    );

  it("fails when its CA is not among the roots given", async () => {
    expect(await trust(await issue(stranger, NAMES))).toEqual(untrusted("the roots given"));
  });

  it("fails when its CA is unknown to Node", async () => {
    const pair = await issue(stranger, NAMES);
    expect(await trust(pair, { options: { roots: undefined } })).toEqual(untrusted("Node's roots"));
  });

  it("fails when the intermediate is missing", async () => {
    const leafAlone = { ...good, cert: good.cert.slice(0, good.cert.indexOf("-----END CERTIFICATE-----") + 25) };
    expect(await trust(leafAlone)).toEqual(
      everyHost(
        (host) =>
          `FAIL trust ${host}: not trusted by the roots given: UNABLE_TO_VERIFY_LEAF_SIGNATURE, issued by CN=Trusted Intermediate`,
      ),
    );
  });

  it("tells every fault", async () => {
    expect(await trust(await issue(stranger, ["example.org"]))).toEqual(
      everyHost((host) =>
        expect.stringMatching(`^FAIL trust ${host}: not trusted by .*; for DNS:example.org, not for ${host}$`),
      ),
    );
  });

  it.each([
    ["staging", "nobody trusts Let's Encrypt's staging: give its root with --roots"],
    ["production", "is the certificate of another issuer still served"],
    ["https://acme.example.com/directory", "give the root of the ACME server's certificates with --roots"],
    [
      "ca",
      "the CA is the cluster's own: give its root with --roots, from kubectl -n cert-manager get secret cluster-issuer-ca",
    ],
  ])("says how to trust what %s issues", async (server, way) => {
    const settings = { acme: { server, email: "platform@example.com" } };
    const [action] = await actionsOf({ source: await issue(stranger, NAMES), settings }, "trust");
    expect(action).toContain(way);
  });

  it("fails when it is not the cluster's", async () => {
    expect(await troublesOf({ presented: other })).toEqual(
      everyHost((host) =>
        expect.stringMatching(
          `^FAIL certificate ${host}: presents SHA-256 [0-9A-F:]{23}…, the cluster has SHA-256 [0-9A-F:]{23}…$`,
        ),
      ),
    );
  });
});

describe("TLS versions", () => {
  const old = { minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" } as const;

  it("fails when TLS 1.1 is accepted", async () => {
    expect(await troublesOf({ versions: old })).toEqual(
      everyHost((host) => `FAIL old TLS ${host}: TLSv1.1 is accepted; gateway.minTls is 1.2`),
    );
  });

  it("fails when TLS 1.2 is accepted and the settings say 1.3", async () => {
    expect(await troublesOf({ settings: { gateway: { minTls: "1.3" } } })).toEqual(
      everyHost((host) => `FAIL old TLS ${host}: TLSv1.2 is accepted; gateway.minTls is 1.3`),
    );
  });

  const needing = (host: string) =>
    ["trust", "certificate", "old TLS", ...(host === BASE ? [] : ["service"])].map(
      (name) => `skipped ${name} ${host}: needs the check "handshake", which failed`,
    );

  it("does not take silence for a refusal", async () => {
    const { https, ...options } = await deployed({});
    const selective = { ip: "127.0.0.1", port: await oldDropped(https?.port ?? 0) };
    expect(troublesIn(await verify({ ...options, https: selective, timeoutMs: 1000 }))).toEqual(
      everyHost(
        (host) => `skipped old TLS ${host}: whether versions below 1.2 are refused is not known: no answer in time`,
      ),
    );
  });

  it("fails when nothing newer is to be had", async () => {
    expect((await troublesOf({ versions: { ...old, maxVersion: "TLSv1.1" } })).sort()).toEqual(
      HOSTS.flatMap((host) => [
        `FAIL handshake ${host}: no handshake with TLS 1.2 or newer: tlsv1 alert protocol version`,
        ...needing(host),
      ]).sort(),
    );
    const settings = { gateway: { minTls: "1.3" } };
    expect((await troublesOf({ settings, versions: { maxVersion: "TLSv1.2" } })).sort()).toEqual(
      HOSTS.flatMap((host) => [
        `FAIL handshake ${host}: no handshake with TLS 1.3 or newer: tlsv1 alert protocol version`,
        ...needing(host),
      ]).sort(),
    );
  });

  it("fails in time when the gateway accepts and is silent", async () => {
    const https = { ip: "127.0.0.1", port: await silentPort() };
    expect((await troublesOf({ options: { https, timeoutMs: 1000 } })).sort()).toEqual(
      HOSTS.flatMap((host) => [
        `FAIL handshake ${host}: no handshake with TLS 1.2 or newer: no answer in time`,
        ...needing(host),
      ]).sort(),
    );
  });
});

describe("ports", () => {
  it("fails when nothing listens on 443", async () => {
    const https = { ip: "127.0.0.1", port: await closedPort() };
    expect((await troublesOf({ options: { https } })).sort()).toEqual(
      [
        `FAIL port 443: 127.0.0.1:${https.port}: nothing listens there (ECONNREFUSED)`,
        ...HOSTS.map((host) => `skipped handshake ${host}: needs the check "port 443", which failed`),
        ...HOSTS.flatMap((host) =>
          ["trust", "certificate", "old TLS", ...(host === BASE ? [] : ["service"])].map(
            (name) => `skipped ${name} ${host}: needs the check "port 443", which failed`,
          ),
        ),
      ].sort(),
    );
  });

  it("says who may connect", async () => {
    const options = { https: { ip: "127.0.0.1", port: await closedPort() } };
    const service = "kubectl -n istio-system describe service istio-ingressgateway";
    expect(await actionsOf({ options }, "port 443")).toEqual([
      `is this machine in loadBalancer.allowedCidrs, 0.0.0.0/0? ${service}`,
    ]);
    const { loadBalancer } = await settingsWith();
    const settings = { loadBalancer: { ...loadBalancer, internal: true } };
    expect(await actionsOf({ options, settings }, "port 443")).toEqual([`is this machine in the VCN? ${service}`]);
    const without = { cluster: { context: "kind" }, loadBalancer: undefined };
    expect(await actionsOf({ options, settings: without }, "port 443")).toEqual([service]);
  });

  it("fails when nothing listens on 80", async () => {
    const http = { ip: "127.0.0.1", port: await closedPort() };
    expect(await troublesOf({ options: { http } })).toEqual([
      `FAIL port 80: 127.0.0.1:${http.port}: nothing listens there (ECONNREFUSED)`,
      ...everyHost((host) => `skipped redirect ${host}: needs the check "port 80", which failed`),
    ]);
  });
});

describe("the redirect", () => {
  it("fails when HTTP is answered without one", async () => {
    expect(await troublesOf({ redirect: () => ({ status: 200 }) })).toEqual(
      everyHost((host) => `FAIL redirect ${host}: answers 200 over HTTP instead of 301`),
    );
  });

  it.each([
    ["to another host", () => "https://example.org/"],
    ["that stays on HTTP", (host: string) => `http://${host}/`],
    ["to another port", (host: string) => `https://${host}:8443/`],
  ])("fails for one %s", async (_, locationFor) => {
    const redirect = (host: string) => ({ status: 301, location: locationFor(host) });
    expect(await troublesOf({ redirect })).toEqual(
      everyHost((host) => `FAIL redirect ${host}: redirects to ${locationFor(host)} instead of https://${host}/`),
    );
  });

  it("fails for one that is not permanent", async () => {
    expect(await troublesOf({ redirect: (host) => ({ status: 302, location: `https://${host}/` }) })).toEqual(
      everyHost((host) => `FAIL redirect ${host}: answers 302 over HTTP instead of 301`),
    );
  });

  it("fails when HTTP is cut off", async () => {
    const http = { ip: "127.0.0.1", port: await cutOffPort() };
    expect(await troublesOf({ options: { http } })).toEqual(
      everyHost((host) => `FAIL redirect ${host}: no answer over HTTP: the connection was closed (ECONNRESET)`),
    );
  });

  it("fails in time when HTTP is silent", async () => {
    const http = { ip: "127.0.0.1", port: await silentPort() };
    expect(await troublesOf({ options: { http, timeoutMs: 1000 } })).toEqual(
      everyHost((host) => `FAIL redirect ${host}: no answer over HTTP: no answer in time`),
    );
  });
});

describe("services", () => {
  it("are asked for at the base domain too, where one has it for its host", async () => {
    const services = [{ name: "home", namespace: "web", port: 80, host: BASE }];
    const answers = { [BASE]: { status: 200, isUpstreams: true } };
    const checks = await verify(await deployed({ settings: { services }, answers }));
    expect(checks.map(lineOf)).toContain(`pass service ${BASE}: 200 from home.web:80`);
    expect(checks.filter(({ name }) => name === "handshake")).toHaveLength(1);
  });

  it.each([
    ["whose host has no route", envoySays.noRoute, "404 from the gateway: there is no route for this host"],
    ["that does not exist", envoySays.noService, "503 from the gateway, which does not reach vault.vault:8200"],
    [
      "without pods",
      envoySays.noPods,
      "503 from the gateway, which does not reach vault.vault:8200: no healthy upstream",
    ],
    [
      "whose pod refuses",
      envoySays.refused,
      `503 from the gateway, which does not reach vault.vault:8200: ${envoySays.refused.body}`,
    ],
    [
      "that is too slow",
      envoySays.slow,
      "504 from the gateway, which does not reach vault.vault:8200: upstream request timeout",
    ],
  ])("fails for one %s", async (_, answer, reason) => {
    expect(await troublesOf({ answers: { [VAULT]: answer } })).toEqual([`FAIL service ${VAULT}: ${reason}`]);
  });

  it.each([
    [200, true],
    [404, true],
    // Vault's own word for sealed.
    [503, true],
    [401, true],
    // A policy of the operator's, which Envoy enforces.
    [403, false],
  ])("takes %i for an answer when from upstream is %s", async (status, isUpstreams) => {
    expect(await troublesOf({ answers: { [VAULT]: { status, isUpstreams, body: "denied" } } })).toEqual([]);
  });
});

describe("the command", () => {
  let directory: string;
  afterEach(() => rm(directory, { recursive: true, force: true }));

  /** A stack file, a kubeconfig and the options for a deploy. */
  async function argumentsFor(deploy: Partial<Deploy>): Promise<string[]> {
    directory = await mkdtemp(join(tmpdir(), "oke-verify-"));
    const { kubeConfig, resolver = "", https, http, roots = "" } = await deployed(deploy);
    const kubeconfig = join(directory, "kubeconfig");
    await writeFile(kubeconfig, (kubeConfig as KubeConfig).exportConfig());
    await writeFile(join(directory, "roots.pem"), `The roots of the test.\n${roots}\n`);
    const { values } = await readStack("prod");
    const config = Object.fromEntries(
      Object.entries(values).map(([key, value]) => [key, /^[[{]/.test(value) ? JSON.parse(value) : value]),
    );
    config["oke-platform:cluster"] = { context: "loaded-context", kubeconfig };
    await copyFile(join(projectDirectory, "Pulumi.yaml"), join(directory, "Pulumi.yaml"));
    await writeFile(join(directory, "Pulumi.live.yaml"), stringify({ config }));
    const place = (flag: string, at: VerifyOptions["https"]) => [flag, `${at?.ip}:${at?.port}`];
    return ["--stack", "live", "--resolver", resolver, ...place("--address", https), ...place("--http-address", http)];
  }

  it("prints a table, and what to do below each failure", async () => {
    const args = await argumentsFor({ answers: { [VAULT]: envoySays.noRoute }, settings: {} });
    const { output, exitCode } = await command([...args, "--roots", join(directory, "roots.pem")], directory);
    const lines = output.split("\n");
    expect(exitCode).toBe(1);
    expect(lines[0]).toMatch(/^pass {5}API server +Kubernetes v1\.34\.1$/);
    const at = lines.findIndex((line) => line.startsWith("FAIL"));
    expect(lines[at]).toMatch(
      /^FAIL {5}service vault\.cluster\.example\.com +404 from the gateway: there is no route for this host$/,
    );
    expect(lines[at + 1]).toMatch(/^ +→ run pulumi up; kubectl -n vault get virtualservice vault-vs -o yaml$/);
    expect(lines.at(-1)).toBe("30 checks: 29 pass, 1 FAIL, 0 skipped");
  });

  it("says in JSON what it says in the table", async () => {
    const args = await argumentsFor({});
    const { output, exitCode } = await command([...args, "--json", "--roots", join(directory, "roots.pem")], directory);
    expect(exitCode).toBe(0);
    const checks: Check[] = JSON.parse(output);
    expect(checks).toHaveLength(30);
    expect(checks[0]).toEqual({ name: "API server", status: "pass", reason: "Kubernetes v1.34.1" });
  });

  it("leaves nothing running that would keep it from its end", async () => {
    const args = await argumentsFor({});
    const script = `
      import { command } from ${JSON.stringify(new URL("../tools/verify.ts", import.meta.url).href)};
      await command(${JSON.stringify([...args, "--roots", join(directory, "roots.pem")])}, ${JSON.stringify(directory)});
      const done = performance.now();
      process.on("exit", () => console.log(performance.now() - done));`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script]);
    // Its timers, and what the cluster's API keeps open, are of four seconds and more.
    expect(Number(stdout)).toBeLessThan(3000);
  }, 30_000);

  it("trusts nothing but Node's roots without --roots", async () => {
    const args = await argumentsFor({});
    const { output, exitCode } = await command(args, directory);
    expect(exitCode).toBe(1);
    expect(output).toContain("30 checks: 27 pass, 3 FAIL, 0 skipped");
  });

  it.each([
    [["--address", "localhost:443"], '--address is "localhost:443"; allowed: <ip> or <ip>:<port>'],
    [["--http-address", "127.0.0.1:70000"], '--http-address is "127.0.0.1:70000"'],
    [["--resolver", "1.1.1"], '--resolver is "1.1.1"'],
    [["--verbose"], "Unknown option '--verbose'"],
    [["--stack", "nowhere"], "Pulumi.nowhere.yaml is not in"],
  ])("refuses %s", async (args, mistake) => {
    await expect(command(args)).rejects.toThrow(mistake);
  });

  it("says a mistake without a stack trace, and ends with 1", async () => {
    const tool = fileURLToPath(new URL("../tools/verify.ts", import.meta.url));
    const run = promisify(execFile)(process.execPath, [tool, "--address", "localhost"]);
    await expect(run).rejects.toMatchObject({
      code: 1,
      stdout: "",
      stderr: '--address is "localhost"; allowed: <ip> or <ip>:<port>, such as 192.0.2.1:8443 or [2001:db8::1]:8443\n',
    });
  }, 30_000);

  it("refuses roots that are none", async () => {
    directory = await mkdtemp(join(tmpdir(), "oke-verify-"));
    const file = join(directory, "roots.pem");
    await writeFile(file, "no PEM at all");
    await expect(command(["--roots", file])).rejects.toThrow("holds no -----BEGIN CERTIFICATE----- block");
    await writeFile(file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    await expect(command(["--roots", file])).rejects.toThrow("holds a block that is no certificate");
  });
});
