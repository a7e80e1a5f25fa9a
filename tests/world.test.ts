import { describe, expect, it, vi } from "vitest";
import { examples } from "../project/placeholders.ts";
import { emptyWorld, worldWithBareVault, worldWithoutVault } from "../sandbox/world/beginnings.ts";
import { answers, privateAddressOf } from "../sandbox/world/load-balancer.ts";
import { addressOf, managementEndpointOf } from "../sandbox/world/oci.ts";
import { problemsOf } from "../sandbox/world/served.ts";
import { type Item, Refusal, type Request, type State, sha256 } from "../sandbox/world/state.ts";
import { openWorld, usualLatencies } from "../sandbox/world/systems.ts";
import { initialiseVault, unsealVault, vaultOutOfReach, vaultRefusal } from "../sandbox/world/vault.ts";
import type { World } from "../sandbox/world/world.ts";

// The world's rules one by one, on its virtual clock: what is refused in which words, and what happens when.

const DAY = 24 * 3600;
const ISTIO = "istio-system";
const HOSTS = ["*.cluster.example.com", "cluster.example.com"];
const REFUSED_BY_WEBHOOK = (webhook: string) =>
  new Refusal(`Internal error occurred: failed calling webhook "${webhook}": no endpoints available for service`);

type Spec = Request["spec"];

// ---- What is asked of it ----

const namespace = (name: string): Request => ({ kind: "Namespace", name, spec: {} });

const release = (chart: string, name: string, into: string, spec: Spec = {}): Request => ({
  kind: "Release",
  namespace: into,
  name,
  spec: { chart, createNamespace: true, values: {}, ...spec },
});
const certManager = release("cert-manager", "cert-manager", "cert-manager");
const reflector = release("reflector", "reflector", "kube-system");
const base = release("base", "istio-base", ISTIO);
const istiod = release("istiod", "istiod", ISTIO);
const externalSecrets = release("external-secrets", "external-secrets", "external-secrets");
/** The ingress gateway with a Service of this kind; without one, of the chart's default. */
const ingressGateway = (service?: Spec) =>
  release("gateway", "istio-ingressgateway", ISTIO, { values: service ? { service } : {} });

const SHAPE = "service.beta.kubernetes.io/oci-load-balancer-shape";
const INTERNAL = "service.beta.kubernetes.io/oci-load-balancer-internal";
const MODE = "oci.oraclecloud.com/security-rule-management-mode";
const NSGS = "oci.oraclecloud.com/oci-network-security-groups";
const BACKEND_NSG = "oci.oraclecloud.com/oci-backend-network-security-group";
/** A Service that OCI's controller takes. */
const service = (annotations: Record<string, string> = {}, more: Spec = {}) => ({
  type: "LoadBalancer",
  annotations: {
    [SHAPE]: "flexible",
    [`${SHAPE}-flex-min`]: "10",
    [`${SHAPE}-flex-max`]: "10",
    ...annotations,
  },
  ...more,
});

/** A store that logs in to the Vault at this address in this way. */
const storeWith = (auth: Spec, more: Spec = {}): Request => ({
  kind: "ClusterSecretStore",
  name: "vault-backend",
  spec: { provider: { vault: { server: "http://vault.vault:8200", path: "secret", auth, ...more } } },
});
/** The login as a service account of the cluster. */
const asAccount = (changes: Spec = {}) => ({
  kubernetes: {
    mountPath: "kubernetes",
    role: "external-secrets",
    serviceAccountRef: { namespace: "external-secrets", name: "external-secrets" },
    ...changes,
  },
});
const store = (role = "external-secrets", name = "external-secrets"): Request =>
  storeWith(asAccount({ role, serviceAccountRef: { namespace: "external-secrets", name } }));
const externalSecret = (property = "cf-api-token", key = "prod/cert-manager", spec: Spec = {}): Request => ({
  kind: "ExternalSecret",
  namespace: "cert-manager",
  name: "token",
  spec: {
    secretStoreRef: { name: "vault-backend" },
    target: { name: "token" },
    data: [{ secretKey: "api-token", remoteRef: { key, property } }],
    ...spec,
  },
});
const kvSecret = (value: string, mount = "secret"): Request => ({
  kind: "KvSecret",
  name: `${mount}/prod/cert-manager`,
  spec: { mount, data: { "cf-api-token": value } },
});

/** Vault's release: without TLS and unsealed with key shares, where these do not say otherwise. */
const vaultServer = (config = "", tlsDisable = true): Request =>
  release("vault", "vault", "vault", { values: { global: { tlsDisable }, server: { standalone: { config } } } });
const sealedBy = (keyId: string) => `seal "ocikms" {\n  key_id = "${keyId}"\n}\n`;

const mount: Request = { kind: "Mount", name: "secret", spec: { type: "kv", version: "2" } };
const backend: Request = { kind: "AuthBackend", name: "kubernetes", spec: { type: "kubernetes" } };
const backendConfig: Request = { kind: "AuthBackendConfig", name: "kubernetes", spec: { host: "https://10.0.0.1" } };
const policy = (text = 'path "secret/data/prod/cert-manager" { capabilities = ["read"] }'): Request => ({
  kind: "Policy",
  name: "external-secrets",
  spec: { policy: text },
});
const role = (changes: Spec = {}): Request => ({
  kind: "AuthBackendRole",
  name: "kubernetes/external-secrets",
  spec: {
    accounts: ["external-secrets"],
    namespaces: ["external-secrets"],
    policies: ["external-secrets"],
    ...changes,
  },
});
const audit: Request = { kind: "Audit", name: "file", spec: { type: "file" } };
const insideVault = [mount, backend, backendConfig, policy(), role(), audit];

const kmsVault: Request = { kind: "KmsVault", name: "kms", spec: { compartmentId: "compartment" } };
const kmsKey = (vault: Item): Request => ({
  kind: "Key",
  name: "key",
  spec: { managementEndpoint: managementEndpointOf(vault) },
});

/** An issuer of an ACME server, with a set wait or with cert-manager's self-check. */
const issuer = (wait?: string, name = "letsencrypt", server = "https://acme.example/directory"): Request => ({
  kind: "ClusterIssuer",
  name,
  spec: {
    acme: {
      server,
      solvers: [
        {
          dns01: { cloudflare: { apiTokenSecretRef: { name: "token", key: "api-token" } } },
          ...(wait !== undefined && { waitInsteadOfSelfCheck: wait }),
        },
      ],
    },
  },
});
const selfSigned: Request = { kind: "ClusterIssuer", name: "self-signed", spec: { selfSigned: {} } };
const certificate = (spec: Spec = {}): Request => ({
  kind: "Certificate",
  namespace: "cert-manager",
  name: "tls",
  spec: { secretName: "tls", issuerRef: { name: "letsencrypt" }, dnsNames: HOSTS, ...spec },
});
const apiToken = (spec: Spec = {}): Request => ({
  kind: "ApiToken",
  name: "dns-token",
  spec: {
    valueHash: sha256("token"),
    zones: ["zone0000000000000000000000sandbox"],
    permissions: ["DNS Write", "Zone Read"],
    ...spec,
  },
});

const destinationRule = (changes: Spec = {}, into = ISTIO): Request => ({
  kind: "DestinationRule",
  namespace: into,
  name: "vault",
  spec: {
    host: "vault.vault.svc.cluster.local",
    trafficPolicy: { tls: { mode: "SIMPLE", credentialName: "vault-ca" } },
    ...changes,
  },
});
const gateway = (hosts = HOSTS, into = ISTIO): Request => ({
  kind: "Gateway",
  namespace: into,
  name: "gateway",
  spec: { servers: [{ hosts }, { hosts, tls: { credentialName: "tls" } }] },
});
const route = (host = "app.cluster.example.com", through = `${ISTIO}/gateway`): Request => ({
  kind: "VirtualService",
  namespace: "default",
  name: "app",
  spec: { hosts: [host], gateways: [through] },
});
const record = (name: string, spec: Spec = {}): Request => ({
  kind: "DnsRecord",
  name,
  spec: {
    zoneId: "zone0000000000000000000000sandbox",
    name: "*.cluster.example.com",
    type: "A",
    content: "192.0.2.7",
    ...spec,
  },
});

const REFLECTION = "reflector.v1.k8s.emberstack.com/reflection-";
/** The four annotations that let Reflector copy to these namespaces. */
const reflectTo = (namespaces: string, changes: Record<string, string | undefined> = {}) => ({
  annotations: {
    [`${REFLECTION}allowed`]: "true",
    [`${REFLECTION}allowed-namespaces`]: namespaces,
    [`${REFLECTION}auto-enabled`]: "true",
    [`${REFLECTION}auto-namespaces`]: namespaces,
    ...changes,
  },
});

// ---- What is done with it ----

const keyOfRequest = ({ kind, namespace: into = "", name }: Request) => `${kind} ${into}/${name}`;

/** Asks for these one after the other, each when the one before is ready. */
function having(world: World, ...requests: Request[]): World {
  for (const request of requests) readyAfter(world, world.create(request));
  return world;
}
const fresh = (...requests: Request[]) => having(openWorld(emptyWorld()), ...requests);

/** Lets the clock run until an object is ready, and says how long that took; fails when it never is. */
function readyAfter(world: World, item: Item, limit = 100 * DAY): number {
  const start = world.now;
  while (!item.ready) {
    const next = world.nextEvent;
    if (next === undefined || next > start + limit) throw new Error(`${item.kind} ${item.name}: ${item.reason}`);
    world.advance(next);
  }
  return rounded(world.now - start);
}

const pass = (world: World, seconds: number) => world.advance(world.now + seconds);

/** Takes an object away, and waits until it is gone. */
function without(world: World, ...requests: Request[]): World {
  for (const request of requests) {
    const key = keyOfRequest(request);
    world.remove(key);
    while (world.item(key) !== undefined) world.advance(world.nextEvent ?? Number.NaN);
  }
  return world;
}

/** When something is tried in the next seconds, counted from now. */
function triesOf(world: World, what: State["timers"][number]["what"], seconds: number): number[] {
  const start = world.now;
  const tries: number[] = [];
  for (let at = world.nextEvent; at !== undefined && at <= start + seconds; at = world.nextEvent) {
    const due = world.state.timers.filter((timer) => timer.at === at && timer.what === what);
    tries.push(...due.map((timer) => rounded(timer.at - start)));
    world.advance(at);
  }
  world.advance(start + seconds);
  return tries;
}

/** Without the noise of binary fractions. */
const rounded = (seconds: number) => Math.round(seconds * 1e6) / 1e6;

const stateOf = ({ ready, reason }: Item) => ({ ready, reason });
const READY = { ready: true, reason: "" };

/** Changes what Vault is. */
const setVault = (world: World, changes: Spec) => {
  const vault = world.item("Vault /vault");
  if (vault) vault.spec = { ...vault.spec, ...changes };
};

// ---- Worlds to begin with ----

/** The token and its Secret, as External Secrets would leave it. */
function withToken(world: World, token = apiToken()): World {
  world.put(token);
  world.put({
    kind: "Secret",
    namespace: "cert-manager",
    name: "token",
    spec: { data: { "api-token": sha256("token") } },
  });
  return world;
}
const issuing = (wait?: string) => having(withToken(fresh(certManager)), issuer(wait));
const vaulted = () => fresh(certManager, externalSecrets, kvSecret("first"));
const meshed = () => fresh(base, istiod);

/** Reflector, and a certificate of the cluster's own with these annotations. */
function reflecting(secretTemplate: Spec = {}): World {
  const world = fresh(certManager, reflector, selfSigned);
  return having(world, certificate({ issuerRef: { name: "self-signed" }, secretTemplate }));
}
const reissued = (secretTemplate: Spec) => certificate({ issuerRef: { name: "self-signed" }, secretTemplate }).spec;
/** Where copies of the certificate are, a while later. */
function copies(world: World, name = "tls"): string[] {
  pass(world, 2);
  return world
    .items("Secret")
    .filter((secret) => secret.name === name && secret.namespace !== "cert-manager")
    .map((secret) => secret.namespace)
    .sort();
}

/** The whole platform, and one host that is served. */
function served(): World {
  const world = withToken(meshed());
  having(world, certManager, reflector, issuer(), certificate({ secretTemplate: reflectTo(ISTIO) }));
  having(world, ingressGateway(service()), gateway(), route());
  having(world, record("a", { content: privateAddressOf("istio-ingressgateway") }));
  pass(world, 2);
  return world;
}
const HOST = "app.cluster.example.com";

describe("an empty world", () => {
  it("has a cluster, a zone, a network and a Vault, in which nothing happens by itself", () => {
    const { items, ...rest } = emptyWorld(7);
    expect(Object.keys(items)).toEqual([
      "Namespace /default",
      "Namespace /kube-system",
      "Namespace /vault",
      "Namespace /argocd",
      "Zone /example.com",
      "Cluster /cluster",
      "Vcn /vcn",
      "NetworkSecurityGroup /nodes",
      "Vault /vault",
      "Mount /secret",
      "AuthBackend /kubernetes",
      "AuthBackendConfig /kubernetes",
      "Policy /external-secrets",
      "AuthBackendRole /kubernetes/external-secrets",
    ]);
    expect(rest).toEqual({
      now: 0,
      random: 7,
      timers: [],
      definitions: [],
      acme: [],
      violations: [],
      keyMayBeIn: ["cert-manager", ISTIO],
      broken: [],
      faults: [],
    });
  });

  it("may have a Vault that holds nothing, or none and no namespace for one", () => {
    const missing = (state: State) => Object.keys(emptyWorld(7).items).filter((key) => !(key in state.items));
    const inside = [
      "Mount /secret",
      "AuthBackend /kubernetes",
      "AuthBackendConfig /kubernetes",
      "Policy /external-secrets",
      "AuthBackendRole /kubernetes/external-secrets",
    ];
    expect(missing(worldWithBareVault(7))).toEqual(inside);
    expect(missing(worldWithoutVault(7))).toEqual(["Namespace /vault", "Vault /vault", ...inside]);
    expect([worldWithBareVault(7).random, worldWithoutVault(8).random]).toEqual([7, 8]);
  });

  it.each([
    [certManager, 45],
    [reflector, 15],
    [base, 5],
    [externalSecrets, 35],
    [namespace("here"), 0.5],
    [{ kind: "PublicIp", name: "ip", spec: {} }, 5],
    [{ kind: "NetworkSecurityGroup", name: "nsg", spec: { vcnId: examples["<VCN OCID>"] } }, 3],
    [record("a"), 2],
    [apiToken(), 1],
    [kvSecret("value"), 1],
    [vaultServer(), 40],
    [kmsVault, 60],
    ...[mount, backend, policy(), role(), audit].map((request): [Request, number] => [
      { ...request, name: request.name.replace(/[^/]+$/, "new") },
      1,
    ]),
    [backendConfig, 1],
  ])("makes %o in %d s", (request, seconds) => {
    const world = fresh();
    const item = world.create(request);
    expect(item.ready).toBe(false);
    expect(readyAfter(world, item)).toBe(seconds);
  });

  it("never makes ready what is broken, but lets go of it", () => {
    const world = fresh();
    world.state.broken.push(keyOfRequest(certManager));
    const item = world.create(certManager);
    pass(world, DAY);
    expect(stateOf(item)).toEqual({ ready: false, reason: "its workloads are not ready" });
    without(world, certManager);
    expect(world.items("Release")).toEqual([]);
  });

  it("makes a key in a KMS vault in 10 s", () => {
    const world = fresh(kmsVault);
    expect(readyAfter(world, world.create(kmsKey(world.items("KmsVault")[0] as Item)))).toBe(10);
  });

  it.each<[string, (world: World) => unknown, (world: World) => unknown, unknown]>([
    [
      "create KvSecret",
      (world) => world.create(kvSecret("value")),
      (world) => world.items("KvSecret").map(({ spec }) => spec),
      [kvSecret("value").spec],
    ],
    [
      "update Policy",
      (world) => world.update("Policy /external-secrets", { policy: "other" }),
      (world) => world.item("Policy /external-secrets")?.spec,
      { policy: "other" },
    ],
    [
      "remove Namespace",
      (world) => world.remove("Namespace /argocd"),
      (world) => world.item("Namespace /argocd")?.removing,
      true,
    ],
  ])("refuses once to %s when a test asks for it, and has touched nothing", (fault, act, seen, after) => {
    const world = fresh();
    world.state.faults.push(fault, "create Zone");
    const before = structuredClone(world.state.items);
    expect(() => act(world)).toThrow(new Refusal(`503: the service is unavailable (${fault})`));
    expect([world.state.items, world.state.timers, world.state.faults]).toEqual([before, [], ["create Zone"]]);
    act(world);
    expect(seen(world)).toEqual(after);
  });

  it("refuses as often as it is asked, and only that", () => {
    const world = fresh();
    world.state.faults.push("create ApiToken", "create ApiToken", "update ApiToken");
    const again = () => world.create(apiToken());
    expect(again).toThrow(Refusal);
    expect(again).toThrow(Refusal);
    expect(again().name).toBe("dns-token");
    expect(world.state.faults).toEqual(["update ApiToken"]);
  });

  it("refuses to change what is not there, and takes its removal as done", () => {
    const world = fresh();
    expect(() => world.update("Release x/y", {})).toThrow(new Refusal("Release x/y not found"));
    world.remove("Release x/y");
    expect(world.state).toEqual(emptyWorld());
  });

  it("gives nothing to the successor of what was removed half-way", () => {
    const world = fresh(namespace("cert-manager"));
    world.create(certManager);
    pass(world, 40);
    without(world, certManager);
    expect(readyAfter(world, world.create(certManager))).toBe(45);
  });
});

describe("rule 1: a kind is known when its chart is installed", () => {
  const kinds: [Request, Request, string][] = [
    [store(), externalSecrets, "external-secrets.io/v1"],
    [externalSecret(), externalSecrets, "external-secrets.io/v1"],
    [issuer(), certManager, "cert-manager.io/v1"],
    [certificate(), certManager, "cert-manager.io/v1"],
    [gateway(), base, "networking.istio.io/v1"],
    [route(), base, "networking.istio.io/v1"],
    [destinationRule(), base, "networking.istio.io/v1"],
  ];

  it.each(kinds)("knows the kind of %o from when %o is done, and not before", (request, chart, version) => {
    const world = fresh();
    const refusal = new Refusal(`no matches for kind "${request.kind}" in version "${version}"`);
    expect(() => world.create(request)).toThrow(refusal);
    having(world, ...["cert-manager", ISTIO].map(namespace));
    const done = world.create(chart);
    const seconds = usualLatencies[chart.spec.chart as string] ?? 0;
    pass(world, seconds - 0.1);
    expect(() => world.create(request)).toThrow(refusal);
    pass(world, 0.1);
    expect(stateOf(done)).toEqual(READY);
    expect(world.create(request).kind).toBe(request.kind);
  });

  it("still knows the kinds of cert-manager and Istio when their charts are gone, and not those of External Secrets", () => {
    const world = fresh(certManager, base, istiod, externalSecrets);
    having(world, store());
    const definitions = ["cert-manager.io", "networking.istio.io", "external-secrets.io"];
    expect(world.state.definitions).toEqual(definitions);
    without(world, certManager, istiod, base, externalSecrets);
    expect(world.state.definitions).toEqual(definitions.slice(0, 2));
    expect([issuer(), certificate(), gateway(), route()].map((request) => world.create(request).kind)).toEqual([
      "ClusterIssuer",
      "Certificate",
      "Gateway",
      "VirtualService",
    ]);
    // Its objects went with the definition.
    expect(world.items("ClusterSecretStore")).toEqual([]);
    expect(() => world.create(store())).toThrow(
      new Refusal('no matches for kind "ClusterSecretStore" in version "external-secrets.io/v1"'),
    );
  });
});

describe("rule 2: a webhook that does not answer refuses", () => {
  it("refuses cert-manager's kinds while a second installation is under way", () => {
    const world = without(fresh(certManager), certManager);
    const again = world.create(certManager);
    pass(world, 44);
    expect(() => world.create(issuer())).toThrow(REFUSED_BY_WEBHOOK("webhook.cert-manager.io"));
    expect(() => world.create(certificate())).toThrow(REFUSED_BY_WEBHOOK("webhook.cert-manager.io"));
    readyAfter(world, again);
    expect(readyAfter(world, world.create(issuer()))).toBe(3);
  });

  it.each([
    [certManager, issuer(), "webhook.cert-manager.io"],
    [externalSecrets, store(), "validate.clustersecretstore.external-secrets.io"],
    [istiod, gateway(), "validation.istio.io"],
  ])("refuses to make, change and delete while $0.name is being uninstalled", (chart, request, webhook) => {
    const world = fresh(...(chart === istiod ? [base] : []), chart, request);
    const key = keyOfRequest(request);
    world.remove(keyOfRequest(chart));
    pass(world, 1);
    expect(() => world.create({ ...request, name: "another" })).toThrow(REFUSED_BY_WEBHOOK(webhook));
    expect(() => world.update(key, request.spec)).toThrow(REFUSED_BY_WEBHOOK(webhook));
    expect(() => world.remove(key)).toThrow(REFUSED_BY_WEBHOOK(webhook));
    expect(world.item(key)).toMatchObject({ generation: 1, removing: false });
  });

  it("refuses an ExternalSecret by the webhook of its own kind", () => {
    const world = having(vaulted(), store(), externalSecret());
    world.remove(keyOfRequest(externalSecrets));
    const key = keyOfRequest(externalSecret());
    expect(() => world.remove(key)).toThrow(REFUSED_BY_WEBHOOK("validate.externalsecret.external-secrets.io"));
  });

  it("answers all through an upgrade", () => {
    const world = fresh(certManager);
    const upgraded = world.update(keyOfRequest(certManager), { ...certManager.spec, version: "v1.21.1" });
    expect(stateOf(upgraded)).toEqual({ ready: false, reason: "the new revision is not rolled out" });
    world.create(issuer());
    expect(readyAfter(world, upgraded)).toBe(18);
  });

  it("takes cert-manager's objects again, for nobody, when the release is gone", () => {
    const world = without(fresh(certManager), certManager);
    const item = world.create(issuer());
    pass(world, DAY);
    expect(item.ready).toBe(false);
    without(world, issuer());
    expect(world.items("ClusterIssuer")).toEqual([]);
  });

  it("looks after the objects that it finds when it is installed again", () => {
    const world = without(fresh(certManager), certManager);
    const item = world.create(issuer());
    expect(readyAfter(world, world.create(certManager))).toBe(45);
    expect(readyAfter(world, item)).toBe(3);
  });

  it("takes Istio's objects unseen until istiod has answered once", () => {
    const world = fresh(base);
    const item = world.create(gateway());
    expect(readyAfter(world, item)).toBe(0.5);
    world.create(istiod);
    expect(world.create(route()).kind).toBe("VirtualService");
  });

  it("refuses Istio's objects, on delete too, when the default validator has outlived istiod", () => {
    const world = having(meshed(), gateway());
    without(world, istiod);
    pass(world, DAY);
    const refusal = REFUSED_BY_WEBHOOK("validation.istio.io");
    expect(() => world.create(route())).toThrow(refusal);
    expect(() => world.remove(keyOfRequest(gateway()))).toThrow(refusal);
    // base's own uninstallation takes the validator, at its end.
    world.remove(keyOfRequest(base));
    expect(() => world.create(route())).toThrow(refusal);
    pass(world, 3);
    without(having(world, route()), gateway());
    expect(world.items("Gateway")).toEqual([]);
  });

  it("ignores failures again with a validator that is new", () => {
    const world = without(meshed(), istiod, base);
    having(world, base, gateway());
    expect(world.items("Gateway").map(stateOf)).toEqual([READY]);
  });
});

describe("rule 3: istiod fills in the gateway's image", () => {
  const AUTO = { ready: false, reason: 'pod istio-ingressgateway: Failed to pull image "auto": ErrImagePull' };

  it("leaves a gateway on image auto for ever that came before istiod", () => {
    const world = fresh(base);
    const item = world.create(ingressGateway(service()));
    expect(stateOf(item)).toEqual(AUTO);
    having(world, istiod);
    pass(world, DAY);
    expect(stateOf(item)).toEqual(AUTO);
    expect(world.items("LoadBalancer")).toEqual([]);
  });

  it("leaves a gateway on image auto for ever that came less than a second after istiod, before its webhook", () => {
    const world = fresh(base);
    world.create(istiod);
    pass(world, 0.9);
    const item = world.create(ingressGateway(service()));
    pass(world, DAY);
    expect(stateOf(item)).toEqual(AUTO);
  });

  it("makes a gateway on image auto well by a new revision", () => {
    const world = fresh(base);
    const item = world.create(ingressGateway(service()));
    having(world, istiod);
    world.update(keyOfRequest(ingressGateway()), ingressGateway(service()).spec);
    expect(readyAfter(world, item)).toBe(90);
  });

  it("heals a gateway by itself that came between istiod's webhook and its readiness", () => {
    const world = fresh(base);
    const waited = world.create(istiod);
    pass(world, 1);
    const item = world.create(ingressGateway(service()));
    expect(stateOf(item)).toEqual({
      ready: false,
      reason: 'failed calling webhook "rev.namespace.sidecar-injector.istio.io"',
    });
    expect(readyAfter(world, waited)).toBe(29);
    expect(stateOf(item)).toEqual({ ready: false, reason: "Service istio-ingressgateway has no address yet" });
    expect(readyAfter(world, item)).toBe(90);
  });

  it("takes the load balancer's 90 s for a gateway after istiod", () => {
    const world = meshed();
    expect(readyAfter(world, world.create(ingressGateway(service())))).toBe(90);
  });

  it("never makes istiod ready that came before base was done, unless it is installed anew", () => {
    const world = fresh(namespace(ISTIO));
    const item = world.create(istiod);
    const failed = {
      ready: false,
      reason: "istiod is not ready: custom resource definitions of networking.istio.io are missing",
    };
    expect(stateOf(item)).toEqual(failed);
    having(world, base);
    pass(world, DAY);
    expect(stateOf(item)).toEqual(failed);
    without(world, istiod);
    expect(readyAfter(world, world.create(istiod))).toBe(30);
  });

  it("never makes istiod ready that came while base was installed", () => {
    const world = fresh();
    world.create(base);
    pass(world, 4.9);
    const item = world.create(istiod);
    pass(world, DAY);
    expect(item.ready).toBe(false);
  });
});

describe("rule 4: what is in a namespace needs it", () => {
  const MISSING = (name: string) => new Refusal(`namespaces "${name}" not found`);

  it("refuses a release and an object in a namespace that is missing", () => {
    const world = fresh(certManager, base, externalSecrets);
    const nowhere = (request: Request) => () => world.create({ ...request, namespace: "nowhere" });
    expect(nowhere(release("reflector", "reflector", "", { createNamespace: false }))).toThrow(MISSING("nowhere"));
    for (const request of [certificate(), externalSecret(), gateway(), route(), destinationRule()])
      expect(nowhere(request)).toThrow(MISSING("nowhere"));
  });

  it("makes the namespace of a release that asks for it when the chart is fetched", () => {
    const world = fresh();
    world.create(certManager);
    pass(world, 2.24);
    expect(world.item("Namespace /cert-manager")).toBeUndefined();
    pass(world, 0.01);
    expect(world.item("Namespace /cert-manager")).toMatchObject({ ready: true, id: "cert-manager" });
  });

  it("takes a namespace that is there already for a release, however it came about", () => {
    const world = fresh(namespace("cert-manager"));
    const made = world.item("Namespace /cert-manager");
    expect(readyAfter(world, world.create(certManager))).toBe(45);
    expect(world.item("Namespace /cert-manager")).toBe(made);

    const other = fresh();
    other.create(certManager);
    having(other, namespace("cert-manager"));
    expect(readyAfter(other, other.items("Release")[0] as Item)).toBe(44.5);
  });

  it("refuses to make what is there", () => {
    const world = having(meshed(), gateway());
    expect(() => world.create(namespace("default"))).toThrow(new Refusal('namespaces "default" already exists'));
    // Helm made it.
    expect(() => world.create(namespace(ISTIO))).toThrow(new Refusal('namespaces "istio-system" already exists'));
    expect(() => world.create(istiod)).toThrow(new Refusal("cannot re-use a name that is still in use"));
    expect(() => world.create(gateway())).toThrow(new Refusal('gateways.networking.istio.io "gateway" already exists'));
  });

  it.each([mount, backend, audit])("refuses to mount in Vault what is there: %o", (request) => {
    const world = having(openWorld(worldWithBareVault()), request);
    expect(() => world.create(request)).toThrow(new Refusal(`path is already in use at ${request.name}/`));
  });

  it.each([backendConfig, policy("new"), role({ policies: [] })])("writes over what is in Vault: %o", (request) => {
    const world = having(fresh(), request);
    expect(world.items(request.kind).map(({ spec }) => spec)).toEqual([request.spec]);
  });

  it.each([
    [mount, "secret"],
    [backend, "kubernetes"],
    [backendConfig, "auth/kubernetes/config"],
    [policy(), "external-secrets"],
    [role(), "auth/kubernetes/role/external-secrets"],
    [audit, "file"],
    [kvSecret(""), "secret/prod/cert-manager"],
    [kmsVault, expect.stringMatching(/^ocid1\.vault\.oc1\.eu-frankfurt-1\.aaaa[0-9a-f]{32}$/)],
    [
      { kind: "Key", name: "key", spec: {} },
      expect.stringMatching(/^ocid1\.key\.oc1\.eu-frankfurt-1\.aaaa[0-9a-f]{32}$/),
    ],
  ])("names %o as an import does: %o", (request, id) => {
    expect(fresh().put(request).id).toEqual(id);
  });

  it("makes a second reserved IP, group or token of the same name", () => {
    const world = fresh();
    const ip: Request = { kind: "PublicIp", name: "ip", spec: {} };
    const made = [world.create(ip), world.create(ip)];
    expect(made.map(({ name, status }) => [name, status.ipAddress])).toEqual([
      ["ip", addressOf("ip")],
      ["ip (2)", addressOf("ip (2)")],
    ]);
    expect(new Set(made.map(({ id }) => id)).size).toBe(2);
  });

  it("makes a second KMS vault and key of the same name", () => {
    const world = fresh(kmsVault, kmsVault);
    const [first, second] = world.items("KmsVault") as [Item, Item];
    having(world, kmsKey(first), kmsKey(second));
    expect(world.items("Key").map(({ name }) => name)).toEqual(["key", "key (2)"]);
    expect(managementEndpointOf(first)).not.toBe(managementEndpointOf(second));
  });

  it("takes everything in a namespace with it, the gateway's load balancer included, and nothing else", () => {
    const world = served();
    const before = Object.keys(world.state.items);
    expect(before.filter((key) => key.includes(` ${ISTIO}/`))).toHaveLength(6);
    without(world, namespace(ISTIO));
    const gone = before.filter((key) => world.item(key) === undefined);
    expect(gone.sort()).toEqual([
      "Gateway istio-system/gateway",
      "LoadBalancer /istio-ingressgateway",
      "Namespace /istio-system",
      "Release istio-system/istio-base",
      "Release istio-system/istio-ingressgateway",
      "Release istio-system/istiod",
      "Secret istio-system/tls",
      "Service istio-system/istio-ingressgateway",
    ]);
  });
});

describe("rule 5: Vault and External Secrets", () => {
  /** From 1 s, doubling, up to 420 s, after a first try at 2 s. */
  const TRIES = [2, 3, 5, 9, 17, 33, 65, 129, 257, 513, 933, 1353];
  const secretOf = (world: World) => world.item("Secret cert-manager/token")?.spec;

  it("refuses to write to a Vault that is sealed, out of reach, or has no such mount", () => {
    const world = fresh();
    expect(() => world.create(kvSecret("value", "other"))).toThrow(
      new Refusal('error writing to Vault: no handler for route "other/data/". route entry not found.'),
    );
    setVault(world, { sealed: true });
    expect(() => world.create(kvSecret("value"))).toThrow(new Refusal("error writing to Vault: Vault is sealed"));
    setVault(world, { reachable: false });
    expect(() => world.create(kvSecret("value"))).toThrow(
      new Refusal("error writing to Vault: dial tcp: connect: connection refused"),
    );
  });

  it.each([...insideVault, kvSecret("value")])(
    "refuses to make, change and remove %o while Vault does not answer",
    (request) => {
      const world = fresh();
      if (world.item(keyOfRequest(request)) === undefined) world.put(request);
      const key = keyOfRequest(request);
      const before = structuredClone(world.item(key));
      for (const [vault, reason] of [
        [{ sealed: true }, "Vault is sealed"],
        [{ initialized: false }, "Vault is not initialized"],
        [{ reachable: false }, "dial tcp: connect: connection refused"],
      ] as const) {
        setVault(world, vault);
        for (const act of [
          () => world.create({ ...request, name: `${request.name}-2` }),
          () => world.update(key, request.spec),
          () => world.remove(key),
        ])
          expect(act).toThrow(new Refusal(`error writing to Vault: ${reason}`));
      }
      expect(world.item(key)).toEqual(before);
    },
  );

  it("refuses a role and a configuration where no auth backend is mounted", () => {
    const world = openWorld(worldWithBareVault());
    for (const request of [role(), backendConfig])
      expect(() => world.create(request)).toThrow(
        new Refusal('error writing to Vault: no handler for route "auth/kubernetes". route entry not found.'),
      );
    having(world, backend, backendConfig, role());
    expect(world.items("AuthBackendRole")).toHaveLength(1);
  });

  it("refuses to write in an engine that is still being mounted", () => {
    const world = openWorld(worldWithBareVault());
    const item = world.create(mount);
    expect(() => world.create(kvSecret("value"))).toThrow(
      new Refusal('error writing to Vault: no handler for route "secret/data/". route entry not found.'),
    );
    readyAfter(world, item);
    expect(readyAfter(world, world.create(kvSecret("value")))).toBe(1);
  });

  it("takes as long for a secret and for anything else in Vault as its latencies say", () => {
    const world = openWorld(emptyWorld(), { ...usualLatencies, KvSecret: 3, Policy: 2, Audit: 2 });
    expect([kvSecret("value"), policy(), audit].map((request) => readyAfter(world, world.create(request)))).toEqual([
      3, 2, 2,
    ]);
  });

  it("refuses a key in a KMS vault that is not there", () => {
    expect(() =>
      fresh(kmsVault).create({ kind: "Key", name: "key", spec: { managementEndpoint: "https://x" } }),
    ).toThrow(new Refusal("404-NotAuthorizedOrNotFound, Authorization failed or requested resource not found."));
  });

  it("writes over a secret that is there, as another version", () => {
    const world = fresh(kvSecret("first"));
    const item = world.create(kvSecret("second"));
    expect(item).toMatchObject({ generation: 2, spec: { data: { "cf-api-token": "second" } } });
    expect(world.items("KvSecret")).toEqual([item]);
  });

  it("makes a store Ready in a second", () => {
    const world = vaulted();
    expect(readyAfter(world, world.create(store()))).toBe(1);
  });

  it.each<[string, Spec, Request, string]>([
    ["is out of reach", { reachable: false }, store(), "dial tcp: connect: connection refused"],
    ["is sealed", { sealed: true }, store(), "Vault is sealed"],
    ["is not initialised", { initialized: false }, store(), "Vault is not initialized"],
    [
      "has the role on another path",
      {},
      storeWith(asAccount({ mountPath: "k8s" })),
      "unable to log in to Vault: permission denied",
    ],
    [
      "gives the role to another namespace",
      {},
      storeWith(asAccount({ serviceAccountRef: { namespace: "default", name: "external-secrets" } })),
      "unable to log in to Vault: permission denied",
    ],
    ["has no such role", {}, store("other"), "unable to log in to Vault: permission denied"],
    [
      "gives the role to another account",
      {},
      store("external-secrets", "default"),
      "unable to log in to Vault: permission denied",
    ],
  ])("has no store Ready when Vault %s, and tries again from 1 s to 420 s", (_, vault, request, reason) => {
    const world = vaulted();
    setVault(world, vault);
    const item = world.create(request);
    expect(triesOf(world, "validateStore", 1353)).toEqual(TRIES.map((at) => at - 1));
    expect(stateOf(item)).toEqual({ ready: false, reason });
  });

  it.each([backendConfig, role()])("lets nobody in while %o is missing or still being written", (request) => {
    const world = having(openWorld(worldWithBareVault()), certManager, externalSecrets, mount, backend);
    for (const it of [backendConfig, role()]) if (it.kind !== request.kind) having(world, it);
    const item = world.create(store());
    pass(world, 1.5);
    expect(stateOf(item)).toEqual({ ready: false, reason: "unable to log in to Vault: permission denied" });
    // Tries at 1, 2 and 4 s.
    world.create(request);
    pass(world, 0.5);
    expect(item.ready).toBe(false);
    expect(readyAfter(world, item)).toBe(2);
  });

  it("keeps the logins of two auth backends apart", () => {
    const at = (path: string): [Request, Request, Request] => [
      { ...backend, name: path },
      { ...backendConfig, name: path },
      { ...role(), name: `${path}/external-secrets` },
    ];
    const [other, itsConfig, itsRole] = at("k8s");
    const login = storeWith(asAccount({ mountPath: "k8s" }));
    for (const request of [itsConfig, itsRole]) {
      const world = having(vaulted(), other, request);
      const item = world.create(login);
      pass(world, 1);
      expect(stateOf(item)).toEqual({ ready: false, reason: "unable to log in to Vault: permission denied" });
    }
    const world = having(openWorld(worldWithBareVault()), certManager, externalSecrets, ...at("k8s"));
    expect(readyAfter(world, world.create(login))).toBe(1);
  });

  it("looks at a store again every 300 s, and brings it back when Vault does", () => {
    const world = vaulted();
    const item = world.create(store());
    expect(triesOf(world, "validateStore", 1000)).toEqual([1, 301, 601, 901]);
    setVault(world, { sealed: true });
    pass(world, 200);
    expect(stateOf(item)).toEqual(READY);
    pass(world, 1);
    expect(stateOf(item)).toEqual({ ready: false, reason: "Vault is sealed" });
    expect(triesOf(world, "validateStore", 20)).toEqual([1, 3, 7, 15]);
    setVault(world, { sealed: false });
    // The next try is at 31 s.
    expect(readyAfter(world, item)).toBe(11);
    expect(triesOf(world, "validateStore", 600)).toEqual([300, 600]);
  });

  describe("with a login from outside of the cluster", () => {
    const secret = { namespace: "default", name: "login", key: "value" };
    const appRole = { path: "approle", roleId: "role", secretRef: secret };
    /** A Vault that knows these logins, and the Secret to log in with. */
    function outside(logins: Record<string, string[]>): World {
      const world = vaulted();
      setVault(world, { logins });
      world.put({ kind: "Secret", namespace: "default", name: "login", spec: { data: { value: "digest" } } });
      return world;
    }
    const known = { digest: ["external-secrets"], "approle/role/digest": ["external-secrets"] };

    it.each<[string, Spec]>([
      ["token", { tokenSecretRef: secret }],
      ["AppRole", { appRole }],
    ])("lets a %s in, and lets it read", (_, auth) => {
      const world = outside(known);
      expect(readyAfter(world, world.create(storeWith(auth)))).toBe(1);
      expect(readyAfter(world, world.create(externalSecret()))).toBe(2);
    });

    it.each<[string, Spec, Record<string, string[]>]>([
      ["a token that it does not know", { tokenSecretRef: secret }, { other: ["external-secrets"] }],
      ["a token of another key", { tokenSecretRef: { ...secret, key: "other" } }, known],
      ["a token of another namespace", { tokenSecretRef: { ...secret, namespace: "argocd" } }, known],
      ["another role id", { appRole: { ...appRole, roleId: "other" } }, known],
      ["another path", { appRole: { ...appRole, path: "other" } }, known],
      ["a secret id that is not there", { appRole: { ...appRole, secretRef: { ...secret, name: "other" } } }, known],
      ["no login at all", {}, known],
    ])("refuses %s", (_, auth, logins) => {
      const world = outside(logins);
      const item = world.create(storeWith(auth));
      pass(world, 1);
      expect(stateOf(item)).toEqual({ ready: false, reason: "unable to log in to Vault: permission denied" });
    });

    it("lets a login in without a policy, and lets it read nothing", () => {
      const world = having(outside({ digest: [] }), storeWith({ tokenSecretRef: secret }));
      const item = world.create(externalSecret());
      pass(world, 2);
      expect(stateOf(item)).toEqual({
        ready: false,
        reason: "cannot read secret/prod/cert-manager: permission denied",
      });
    });
  });

  it.each<[string, boolean]>([
    ['path "secret/data/prod/cert-manager" { capabilities = ["read"] }', true],
    ['path "secret/data/prod/cert-manager" {\n  capabilities = ["list", "read"]\n}', true],
    ['path "secret/data/*" { capabilities = ["read"] }', true],
    ['path "other/*" { capabilities = ["read"] }\npath "secret/data/prod/cert-*" { capabilities = ["read"] }', true],
    ['path "secret/data/prod/cert-manager" { capabilities = ["list"] }', false],
    ['path "secret/prod/cert-manager" { capabilities = ["read"] }', false],
    ['path "secret/data/prod" { capabilities = ["read"] }', false],
    ['path "secret/data/prod/cert-manager/more" { capabilities = ["read"] }', false],
    ['path "kv/data/prod/cert-manager" { capabilities = ["read"] }', false],
    ['path "secret/data/dev/*" { capabilities = ["read"] }', false],
    ["", false],
  ])("reads under the policy %j: %s", (text, readable) => {
    const world = having(vaulted(), policy(text), store());
    const item = world.create(externalSecret());
    pass(world, 2);
    expect(stateOf(item)).toEqual(
      readable ? READY : { ready: false, reason: "cannot read secret/prod/cert-manager: permission denied" },
    );
  });

  it("reads nothing under a policy that is not there", () => {
    const world = having(vaulted(), role({ policies: ["other", "missing"] }), store());
    world.create(externalSecret());
    pass(world, 2);
    expect(secretOf(world)).toBeUndefined();
    having(world, role({ policies: ["other", "external-secrets"] }));
    // Tries at 2, 3 and 5 s.
    pass(world, 2);
    expect(secretOf(world)).toEqual({ data: { "api-token": "first" } });
  });

  it("makes the store Ready at its next try when Vault is unsealed", () => {
    const world = vaulted();
    setVault(world, { sealed: true });
    const item = world.create(store());
    pass(world, 20);
    setVault(world, { sealed: false });
    // Tries at 1, 2, 4, 8, 16 and 32 s.
    expect(readyAfter(world, item)).toBe(12);
  });

  it("brings a value from Vault to a Secret in 2 s", () => {
    const world = having(vaulted(), store());
    expect(readyAfter(world, world.create(externalSecret()))).toBe(2);
    expect(secretOf(world)).toEqual({ data: { "api-token": "first" } });
  });

  it.each<[string, Request[], Request, string]>([
    ["there is no store", [], externalSecret(), "the ClusterSecretStore is not ready"],
    ["the store is not Ready", [store("other")], externalSecret(), "the ClusterSecretStore is not ready"],
    [
      "the policy does not let it read",
      [store()],
      externalSecret("x", "prod/other"),
      "cannot read secret/prod/other: permission denied",
    ],
    ["the property is missing", [store()], externalSecret("other"), 'cannot find secret data for key: "other"'],
  ])("has no ExternalSecret Ready when %s, and tries again from 1 s to 420 s", (_, before, request, reason) => {
    const world = vaulted();
    for (const it of before) world.create(it);
    pass(world, 1);
    const item = world.create(request);
    expect(triesOf(world, "sync", 1353)).toEqual(TRIES);
    expect(stateOf(item)).toEqual({ ready: false, reason });
    expect(secretOf(world)).toBeUndefined();
  });

  it("has no ExternalSecret Ready before its value is written, and has it at the next try", () => {
    const world = fresh(certManager, externalSecrets, store());
    const item = world.create(externalSecret());
    pass(world, 10);
    expect(stateOf(item)).toEqual({ ready: false, reason: "Secret does not exist: secret/prod/cert-manager" });
    world.create(kvSecret("late"));
    // Tries at 2, 3, 5, 9 and 17 s.
    expect(readyAfter(world, item)).toBe(7);
    expect(secretOf(world)).toEqual({ data: { "api-token": "late" } });
  });

  it("does not read a value that is still being written", () => {
    const world = fresh(certManager, externalSecrets, store());
    const item = world.create(externalSecret());
    pass(world, 1.5);
    world.create(kvSecret("late"));
    expect(readyAfter(world, item)).toBe(1.5);
  });

  it("syncs every hour", () => {
    const world = having(vaulted(), store());
    world.create(externalSecret());
    expect(triesOf(world, "sync", 3 * 3600)).toEqual([2, 3602, 7202]);
  });

  it("stays Ready with the older value until the next sync", () => {
    const world = having(vaulted(), store(), externalSecret());
    const item = world.item(keyOfRequest(externalSecret())) as Item;
    pass(world, 600);
    world.update(keyOfRequest(kvSecret("")), kvSecret("second").spec);
    pass(world, 2999);
    expect([stateOf(item), secretOf(world)]).toEqual([READY, { data: { "api-token": "first" } }]);
    pass(world, 1);
    expect([stateOf(item), secretOf(world)]).toEqual([READY, { data: { "api-token": "second" } }]);
  });

  it("syncs at once when an annotation changes, stays Ready meanwhile, and counts the hour from then", () => {
    const world = having(vaulted(), store(), externalSecret());
    pass(world, 600);
    world.update(keyOfRequest(kvSecret("")), kvSecret("second").spec);
    const annotated = externalSecret("cf-api-token", "prod/cert-manager", { annotations: { token: "second" } });
    const item = world.update(keyOfRequest(annotated), annotated.spec);
    expect(stateOf(item)).toEqual(READY);
    expect(triesOf(world, "sync", 3602)).toEqual([2, 3000, 3602]);
    expect([stateOf(item), secretOf(world)]).toEqual([
      READY,
      { data: { "api-token": "second" }, syncedFor: { token: "second" } },
    ]);
  });

  it("says in the Secret which annotations it was synced for, and not before the sync", () => {
    const at = (version: string) => externalSecret("cf-api-token", "prod/cert-manager", { annotations: { version } });
    const world = having(vaulted(), store(), at("1"));
    expect(secretOf(world)?.syncedFor).toEqual({ version: "1" });
    world.update(keyOfRequest(at("2")), at("2").spec);
    pass(world, 1.9);
    expect(secretOf(world)?.syncedFor).toEqual({ version: "1" });
    pass(world, 0.1);
    expect(secretOf(world)?.syncedFor).toEqual({ version: "2" });
  });

  it("keeps the Secret when a later sync fails, and is no longer Ready", () => {
    const world = having(vaulted(), store(), externalSecret());
    setVault(world, { sealed: true });
    pass(world, 3600);
    // The store was looked at before, and is not Ready any more.
    expect(stateOf(world.items("ExternalSecret")[0] as Item)).toEqual({
      ready: false,
      reason: "the ClusterSecretStore is not ready",
    });
    expect(secretOf(world)).toEqual({ data: { "api-token": "first" } });
  });

  it("has no later sync while Vault is sealed and the store does not know it yet", () => {
    const world = having(vaulted(), store(), externalSecret());
    pass(world, 3599);
    setVault(world, { sealed: true });
    pass(world, 1);
    expect(stateOf(world.items("ExternalSecret")[0] as Item)).toEqual({ ready: false, reason: "Vault is sealed" });
  });

  it("takes the Secret away with its owner", () => {
    const world = without(having(vaulted(), store(), externalSecret()), externalSecret());
    expect(secretOf(world)).toBeUndefined();
  });
});

describe("rule 5b: a Vault that is installed", () => {
  const UNREACHABLE = "dial tcp: connect: connection refused";
  const NOT_INITIALISED = "Vault is not initialized";
  const SEALED = "Vault is sealed";
  const having5b = (...requests: Request[]) => having(openWorld(worldWithoutVault()), ...requests);
  /** A KMS vault with a key, and Vault unsealed by it. */
  function withKey(): { world: World; key: Item; server: Request } {
    const world = having5b(kmsVault);
    const key = world.create(kmsKey(world.items("KmsVault")[0] as Item));
    readyAfter(world, key);
    const server = vaultServer(sealedBy(key.id));
    return { world: having(world, server), key, server };
  }

  it("is not there, and its volume neither, before its release is done", () => {
    const world = having5b();
    const item = world.create(vaultServer());
    pass(world, 39.9);
    expect([vaultRefusal(world), world.items("PersistentVolumeClaim")]).toEqual([UNREACHABLE, []]);
    pass(world, 0.1);
    // The release is done, and says nothing about what it started.
    expect([stateOf(item), vaultOutOfReach(world), vaultRefusal(world)]).toEqual([READY, undefined, NOT_INITIALISED]);
    expect(world.items("PersistentVolumeClaim").map(({ namespace: into, name }) => [into, name])).toEqual([
      ["vault", "data-vault-0"],
    ]);
    expect(world.item("Vault /vault")?.spec).toEqual({ installed: true, initialized: false, sealed: true });
    pass(world, DAY);
    expect(vaultRefusal(world)).toBe(NOT_INITIALISED);
  });

  it("is initialised once, and stays sealed until it is unsealed", () => {
    const world = having5b(vaultServer());
    initialiseVault(world);
    expect(vaultRefusal(world)).toBe(SEALED);
    expect(() => world.create(mount)).toThrow(new Refusal(`error writing to Vault: ${SEALED}`));
    expect(() => initialiseVault(world)).toThrow(new Refusal("Vault is already initialized"));
    unsealVault(world);
    expect(vaultRefusal(world)).toBeUndefined();
    having(world, ...insideVault, kvSecret("value"));
    expect(() => initialiseVault(world)).toThrow(new Refusal("Vault is already initialized"));
  });

  it("is not initialised where it is not reached", () => {
    const world = having5b();
    expect(() => initialiseVault(world)).toThrow(new Refusal(UNREACHABLE));
    world.create(vaultServer());
    expect(() => initialiseVault(world)).toThrow(new Refusal(UNREACHABLE));
    const elsewhere = fresh();
    setVault(elsewhere, { initialized: false, reachable: false });
    expect(() => initialiseVault(elsewhere)).toThrow(new Refusal(UNREACHABLE));
    setVault(elsewhere, { reachable: true });
    initialiseVault(elsewhere);
    expect(vaultRefusal(elsewhere)).toBe(SEALED);
  });

  it("unseals itself with its key as soon as it is initialised", () => {
    const { world } = withKey();
    expect(vaultRefusal(world)).toBe(NOT_INITIALISED);
    expect(world.item("Vault /vault")?.spec).toMatchObject({ initialized: false, sealed: true });
    initialiseVault(world);
    expect(vaultRefusal(world)).toBeUndefined();
  });

  it("reads the key in the configuration of three replicas too", () => {
    const { world, key, server } = withKey();
    without(world, server);
    const config = sealedBy(key.id);
    const values = { global: { tlsDisable: true }, server: { ha: { raft: { config } } } };
    having(world, { ...server, spec: { ...server.spec, values } });
    initialiseVault(world);
    expect(vaultRefusal(world)).toBeUndefined();
  });

  it("does not unseal itself with a key that is not there, or that is none", () => {
    for (const id of ["ocid1.key.nowhere", String(examples["<VCN OCID>"])]) {
      const world = having5b(vaultServer(sealedBy(id)));
      initialiseVault(world);
      expect(vaultRefusal(world)).toBe(SEALED);
    }
  });

  it("goes on through an upgrade, with its pods as they are", () => {
    const world = having5b(vaultServer());
    initialiseVault(world);
    unsealVault(world);
    const item = world.update(keyOfRequest(vaultServer()), vaultServer("other").spec);
    expect([item.ready, vaultRefusal(world)]).toEqual([false, undefined]);
    expect([readyAfter(world, item), vaultRefusal(world)]).toEqual([16, undefined]);
  });

  it("is out of reach while it is removed and after, and knows everything when it is back, sealed", () => {
    const world = having5b(vaultServer());
    initialiseVault(world);
    unsealVault(world);
    having(world, mount, kvSecret("value"));
    world.remove(keyOfRequest(vaultServer()));
    expect(vaultRefusal(world)).toBe(UNREACHABLE);
    without(world, vaultServer());
    expect(vaultRefusal(world)).toBe(UNREACHABLE);
    having(world, vaultServer());
    expect(vaultRefusal(world)).toBe(SEALED);
    unsealVault(world);
    expect([vaultRefusal(world), world.item(keyOfRequest(kvSecret("")))?.spec]).toEqual([
      undefined,
      kvSecret("value").spec,
    ]);
  });

  it("is still not initialised when it is back, where it never was", () => {
    const { world, server } = withKey();
    having(without(world, server), server);
    expect(vaultRefusal(world)).toBe(NOT_INITIALISED);
  });

  it("unseals itself when it is back, with the key that it was initialised with and no other", () => {
    const { world, server } = withKey();
    initialiseVault(world);
    having(without(world, server), server);
    expect(vaultRefusal(world)).toBeUndefined();

    const other = world.create({ ...kmsKey(world.items("KmsVault")[0] as Item), name: "other" });
    readyAfter(world, other);
    having(without(world, server), vaultServer(sealedBy(other.id)));
    expect(vaultRefusal(world)).toBe(SEALED);
    having(without(world, server), vaultServer());
    expect(vaultRefusal(world)).toBe(SEALED);
    having(without(world, server), server);
    expect(vaultRefusal(world)).toBeUndefined();
  });

  it("begins with nothing on a volume that is new", () => {
    const world = having5b(vaultServer());
    initialiseVault(world);
    unsealVault(world);
    having(world, mount, kvSecret("value"));
    having(without(world, namespace("vault")), vaultServer());
    expect(vaultRefusal(world)).toBe(NOT_INITIALISED);
    initialiseVault(world);
    unsealVault(world);
    expect([...world.items("Mount"), ...world.items("KvSecret")]).toEqual([]);
  });

  describe("with TLS", () => {
    const server = vaultServer("", false);
    const OVER_TLS = "https://vault.vault:8200";
    const caProvider = { type: "Secret", namespace: "vault", name: "vault-tls", key: "ca.crt" };
    const certified = (world: World) =>
      world.put({ kind: "Secret", namespace: "vault", name: "vault-tls", spec: { hosts: ["vault.vault"] } });
    /** An installed Vault that answers, and External Secrets. */
    function answering(request: Request): World {
      const world = having5b(certManager, externalSecrets, request);
      certified(world);
      initialiseVault(world);
      unsealVault(world);
      return having(world, mount, backend, backendConfig, policy(), role());
    }

    it("does not start before its certificate is there", () => {
      const world = having5b(server);
      expect([vaultOutOfReach(world), vaultRefusal(world)]).toEqual([UNREACHABLE, UNREACHABLE]);
      expect(() => initialiseVault(world)).toThrow(new Refusal(UNREACHABLE));
      certified(world);
      expect([vaultOutOfReach(world), vaultRefusal(world)]).toEqual([undefined, NOT_INITIALISED]);
    });

    it.each<[string, Request, Request, string]>([
      [
        "speaks HTTP to TLS",
        server,
        storeWith(asAccount(), { caProvider }),
        "Client sent an HTTP request to an HTTPS server",
      ],
      [
        "speaks TLS to HTTP",
        vaultServer(),
        storeWith(asAccount(), { server: OVER_TLS, caProvider }),
        "http: server gave HTTP response to HTTPS client",
      ],
      [
        "has no CA",
        server,
        storeWith(asAccount(), { server: OVER_TLS }),
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
      ],
      [
        "looks for the CA where it is not",
        server,
        storeWith(asAccount(), { server: OVER_TLS, caProvider: { ...caProvider, namespace: "default" } }),
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
      ],
    ])("has no store Ready that %s", (_, installed, request, reason) => {
      const world = answering(installed);
      const item = world.create(request);
      pass(world, 1);
      expect(stateOf(item)).toEqual({ ready: false, reason });
    });

    it("has a store Ready that has its CA, and one without TLS", () => {
      for (const [installed, request] of [
        [server, storeWith(asAccount(), { server: OVER_TLS, caProvider })],
        [vaultServer(), store()],
      ] as const) {
        const world = answering(installed);
        expect(readyAfter(world, world.create(request))).toBe(1);
      }
    });

    it("asks nothing of how a Vault elsewhere is spoken to", () => {
      const world = vaulted();
      expect(readyAfter(world, world.create(storeWith(asAccount(), { server: "https://vault.example.org" })))).toBe(1);
    });
  });
});

describe("rule 6: cert-manager and the ACME server", () => {
  const ISSUED = { hosts: String(HOSTS), failed: false, issuer: "letsencrypt" };
  const FAILED = "acme: authorization error: 403 urn:ietf:params:acme:error:unauthorized: No TXT record found";

  it("takes 62 s for a name, one after the other, and stores the certificate", () => {
    const world = issuing();
    const start = world.now;
    expect(readyAfter(world, world.create(certificate({ dnsNames: undefined, commonName: "one.example.com" })))).toBe(
      62,
    );
    without(world, certificate());
    expect(readyAfter(world, world.create(certificate()))).toBe(124);
    expect(world.state.acme).toEqual([
      { at: start + 62, hosts: "one.example.com", failed: false, issuer: "letsencrypt" },
      { at: start + 186.5, ...ISSUED },
    ]);
    expect(world.item("Secret cert-manager/tls")?.spec).toEqual({
      hosts: HOSTS,
      issuer: "letsencrypt",
      serial: 2,
      annotations: {},
    });
  });

  it("takes a set wait and 2 s for a name", () => {
    const world = issuing("30s");
    expect(readyAfter(world, world.create(certificate()))).toBe(64);
  });

  it.each<[string, string, number, boolean]>([
    ["the usual 8 s", "8s", 1 - Number.EPSILON, true],
    ["less than the usual 8 s", "7s", 1 - Number.EPSILON, false],
    ["about the usual 1 s", "2s", 0.02, true],
    ["less than the usual 1 s", "1s", 0.02, false],
    ["the rare 25 s", "25s", 0.02 - Number.EPSILON, true],
    ["less than the rare 25 s", "24s", 0.02 - Number.EPSILON, false],
  ])("with a wait of %s: %s", (_, wait, chance, valid) => {
    const world = issuing(wait);
    vi.spyOn(world, "random").mockReturnValue(chance);
    const item = world.create(certificate());
    pass(world, 1000);
    expect(item.ready).toBe(valid);
  });

  it("fails when the validation comes before the record, and waits an hour, then two, at most 32", () => {
    const world = issuing("0s");
    const item = world.create(certificate());
    const start = world.now;
    // A validation ends 2 s after it begins, and the wait begins then.
    const tries = [0, 3602, 10_804, 25_206, 54_008, 111_610, 226_812, 342_014];
    expect(triesOf(world, "issue", tries.at(-1) ?? 0)).toEqual(tries);
    expect(stateOf(item)).toEqual({ ready: false, reason: "Waiting for DNS-01 challenge propagation" });
    pass(world, 2);
    expect(stateOf(item)).toEqual({ ready: false, reason: FAILED });
    expect(world.state.acme).toEqual(
      tries.map((at) => ({ at: start + at + 2, hosts: String(HOSTS), failed: true, issuer: "letsencrypt" })),
    );
  });

  it("waits for an issuer that is not Ready, and goes on at once when it is", () => {
    const world = withToken(fresh(certManager));
    const item = world.create(certificate());
    pass(world, 1000);
    expect(stateOf(item)).toEqual({ ready: false, reason: 'Referenced "ClusterIssuer" not ready: letsencrypt' });
    world.create(issuer());
    expect(readyAfter(world, item)).toBe(3 + 124);
  });

  it.each([
    ["that cannot edit the zone", apiToken({ zones: ["another"] }), "403 Invalid access token"],
    ["that cannot write DNS", apiToken({ permissions: ["Zone Read"] }), "403 Invalid access token"],
    ["that cannot read the zone", apiToken({ permissions: ["DNS Write"] }), "403 Invalid access token"],
    ["that is not the one in the Secret", apiToken({ valueHash: "other" }), "403 Invalid access token"],
    ["that is missing", undefined, 'secrets "token" not found'],
  ])("tries a challenge with a token %s again from 5 s to 1800 s", (_, token, reason) => {
    const world = fresh(certManager, issuer());
    if (token) withToken(world, token);
    const item = world.create(certificate());
    expect(triesOf(world, "present", 8000)).toEqual([5, 15, 35, 75, 155, 315, 635, 1275, 2555, 4355, 6155, 7955]);
    expect(stateOf(item)).toEqual({ ready: false, reason: `Error presenting challenge: ${reason}` });
    expect(world.state.acme).toEqual([]);
  });

  it("goes on at the next try when the token has come", () => {
    const world = fresh(certManager, issuer());
    const item = world.create(certificate());
    pass(world, 36);
    withToken(world);
    // Tries at 0, 5, 15, 35 and 75 s.
    expect(readyAfter(world, item)).toBe(39 + 124);
  });

  it("uses a Secret again that fits", () => {
    const world = without(having(issuing(), certificate()), certificate());
    expect(readyAfter(world, world.create(certificate()))).toBe(0.2);
    expect(world.state.acme.map(({ failed }) => failed)).toEqual([false]);
  });

  it("issues again for an issuer of another name, and for other hosts", () => {
    const world = having(issuing(), issuer(undefined, "other"), certificate());
    const item = world.update("Certificate cert-manager/tls", certificate({ issuerRef: { name: "other" } }).spec);
    expect(readyAfter(world, item)).toBe(124);
    world.update("Certificate cert-manager/tls", certificate({ dnsNames: ["a.example.com"] }).spec);
    expect(readyAfter(world, item)).toBe(62);
    expect(world.state.acme.map(({ hosts, issuer: by }) => [hosts, by])).toEqual([
      [String(HOSTS), "letsencrypt"],
      [String(HOSTS), "other"],
      ["a.example.com", "letsencrypt"],
    ]);
  });

  it("does not issue again for another server behind the issuer's name", () => {
    const world = having(issuing(), certificate());
    const other = issuer(undefined, "letsencrypt", "https://other.example/directory");
    world.update(keyOfRequest(other), other.spec);
    pass(world, DAY);
    without(world, certificate());
    expect(readyAfter(world, world.create(certificate()))).toBe(0.2);
    expect(world.state.acme).toHaveLength(1);
  });

  it("brings changed annotations to the Secret, stays Ready, and issues nothing", () => {
    const world = having(issuing(), certificate());
    const item = world.update(
      "Certificate cert-manager/tls",
      certificate({ secretTemplate: { annotations: { a: "b" } } }).spec,
    );
    expect(stateOf(item)).toEqual(READY);
    expect(world.item("Secret cert-manager/tls")?.spec).toEqual({
      hosts: HOSTS,
      issuer: "letsencrypt",
      serial: 1,
      annotations: { a: "b" },
    });
    pass(world, DAY);
    expect(world.state.acme).toHaveLength(1);
  });

  it("validates every host anew when the hosts change half-way", () => {
    const world = issuing();
    const item = world.create(certificate());
    pass(world, 100);
    world.update("Certificate cert-manager/tls", certificate({ dnsNames: ["a.example.com", "b.example.com"] }).spec);
    expect(readyAfter(world, item)).toBe(124);
  });

  it("begins a Certificate from the start that was removed half-way", () => {
    const world = issuing();
    world.create(certificate());
    pass(world, 100);
    without(world, certificate());
    expect(readyAfter(world, world.create(certificate()))).toBe(124);
  });

  it("issues nothing while cert-manager is gone, and takes it up again when it is back", () => {
    const world = issuing();
    const item = world.create(certificate());
    pass(world, 100);
    without(world, certManager);
    pass(world, DAY);
    expect([item.ready, world.state.acme]).toEqual([false, []]);
    having(world, certManager);
    expect(readyAfter(world, item)).toBe(124);
  });

  it("lets five validations fail in an hour, and refuses the sixth order", () => {
    const world = issuing("0s");
    for (let count = 1; count <= 5; count++) {
      world.create(certificate());
      pass(world, 3);
      without(world, certificate());
    }
    expect(world.state.acme.map(({ failed }) => failed)).toEqual([true, true, true, true, true]);
    const item = world.create(certificate());
    pass(world, 1);
    expect(stateOf(item)).toEqual({
      ready: false,
      reason: "429 urn:ietf:params:acme:error:rateLimited: too many failed authorizations (5) in the last 1h",
    });
    // An hour later it may try, and fail, again.
    pass(world, 3602);
    expect([stateOf(item).reason, world.state.acme.length]).toEqual([FAILED, 6]);
  });

  it("issues five certificates for the same hosts in a week, and the sixth when the week is over", () => {
    const world = issuing();
    const again = () => {
      world.removeNow("Secret cert-manager/tls");
      return world.create(certificate());
    };
    for (let count = 1; count <= 5; count++) {
      expect(readyAfter(world, again())).toBe(124);
      without(world, certificate());
    }
    const item = again();
    pass(world, 1);
    expect(stateOf(item)).toEqual({
      ready: false,
      reason:
        "429 urn:ietf:params:acme:error:rateLimited: too many certificates (5) already issued for this exact set of identifiers in the last 168h",
    });
    // Refused orders wait like failed ones, so at 1, 3, 7, 15, 31, 63, 95, 127, 159 and 191 h.
    expect(readyAfter(world, item)).toBe(191 * 3600 - 1 + 124);
    expect(world.state.acme.map(({ failed }) => failed)).toEqual([false, false, false, false, false, false]);
  });

  it("counts the limits for each issuer and each set of hosts by itself", () => {
    const world = having(issuing(), issuer(undefined, "other"));
    for (let count = 1; count <= 5; count++) world.state.acme.push({ at: world.now, ...ISSUED });
    expect(readyAfter(world, world.create(certificate({ issuerRef: { name: "other" } })))).toBe(124);
    const fewer = { ...certificate({ dnsNames: ["cluster.example.com"], secretName: "two" }), name: "two" };
    expect(readyAfter(world, world.create(fewer))).toBe(62);
  });

  it("signs inside the cluster in 0.2 s, once the authority's key pair is there, tried from 5 s to 300 s", () => {
    const world = fresh(certManager);
    const authority = world.create({ kind: "ClusterIssuer", name: "ca", spec: { ca: { secretName: "ca" } } });
    expect(triesOf(world, "register", 1000)).toEqual([3, 8, 18, 38, 78, 158, 318, 618, 918]);
    expect(stateOf(authority)).toEqual({
      ready: false,
      reason: "Error getting keypair for CA issuer: secret not found",
    });
    having(world, selfSigned);
    const key = { secretName: "ca", issuerRef: { name: "self-signed" }, isCA: true, commonName: "ca" };
    having(world, { kind: "Certificate", namespace: "cert-manager", name: "ca", spec: key });
    readyAfter(world, authority);
    expect(readyAfter(world, world.create(certificate({ issuerRef: { name: "ca" } })))).toBe(0.2);
  });
});

describe("rule 7: Reflector copies what the annotations allow", () => {
  const EVERYWHERE = ["argocd", "default", "kube-system", "vault"];

  it.each<[string, Spec, string[]]>([
    ["to the namespaces of an exact list", reflectTo("default,vault"), ["default", "vault"]],
    ["with spaces in the list", reflectTo("default, vault"), ["default", "vault"]],
    ["by a regular expression that matches the whole name", reflectTo("kube-.*"), ["kube-system"]],
    ["not by one that matches a part", reflectTo("kube,ault,vaul,vaul|x"), []],
    ["to either side of an alternative", reflectTo("vault|argocd"), ["argocd", "vault"]],
    ["everywhere with empty lists", reflectTo(""), EVERYWHERE],
    [
      "everywhere without lists",
      reflectTo("", {
        [`${REFLECTION}allowed-namespaces`]: undefined,
        [`${REFLECTION}auto-namespaces`]: undefined,
      }),
      EVERYWHERE,
    ],
    [
      "only where both lists agree",
      reflectTo("default,vault", { [`${REFLECTION}auto-namespaces`]: "vault,argocd" }),
      ["vault"],
    ],
    ["nowhere without permission", reflectTo("vault", { [`${REFLECTION}allowed`]: "false" }), []],
    ["nowhere by itself without auto", reflectTo("vault", { [`${REFLECTION}auto-enabled`]: undefined }), []],
    ["nowhere without annotations", {}, []],
  ])("%s", (_, template, expected) => {
    expect(copies(reflecting(template))).toEqual(expected);
  });

  it("copies within a second, without the annotations, and says where from", () => {
    const world = reflecting(reflectTo("vault"));
    pass(world, 0.9);
    expect(world.item("Secret vault/tls")).toBeUndefined();
    pass(world, 0.1);
    expect(world.item("Secret vault/tls")?.spec).toEqual({
      hosts: HOSTS,
      issuer: "self-signed",
      serial: 1,
      reflects: "cert-manager/tls",
    });
  });

  it("leaves an object alone that it did not make, now and at every renewal", () => {
    const world = fresh(certManager, reflector, selfSigned);
    world.put({ kind: "Secret", namespace: "vault", name: "tls", spec: { foreign: true } });
    having(world, certificate({ issuerRef: { name: "self-signed" }, secretTemplate: reflectTo("vault,default") }));
    expect(copies(world)).toEqual(["default", "vault"]);
    expect(world.item("Secret vault/tls")?.spec).toEqual({ foreign: true });
    world.update("Certificate cert-manager/tls", reissued({}));
    expect(copies(world)).toEqual(["vault"]);
  });

  it("deletes the copies when the annotation is withdrawn, and moves them when the list changes", () => {
    const world = reflecting(reflectTo("vault,default"));
    expect(copies(world)).toEqual(["default", "vault"]);
    world.update("Certificate cert-manager/tls", reissued(reflectTo("default,argocd")));
    expect(copies(world)).toEqual(["argocd", "default"]);
    world.update("Certificate cert-manager/tls", reissued({}));
    expect(copies(world)).toEqual([]);
  });

  it("brings a new certificate to the copies", () => {
    const world = reflecting(reflectTo("vault"));
    copies(world);
    world.update("Certificate cert-manager/tls", { ...reissued(reflectTo("vault")), dnsNames: ["a.example.com"] });
    copies(world);
    expect(world.item("Secret vault/tls")?.spec).toMatchObject({ hosts: ["a.example.com"], serial: 2 });
  });

  it("copies to a namespace that is new, whoever made it", () => {
    const world = having(reflecting(reflectTo("later,istio-system")), namespace("later"));
    expect(copies(world)).toEqual(["later"]);
    having(world, base);
    expect(copies(world)).toEqual([ISTIO, "later"]);
  });

  it("copies what it finds when it is installed, and nothing while it is not there", () => {
    const world = fresh(certManager, selfSigned);
    having(world, certificate({ issuerRef: { name: "self-signed" }, secretTemplate: reflectTo("vault") }));
    expect(copies(world)).toEqual([]);
    having(world, reflector);
    expect(copies(world)).toEqual(["vault"]);
    without(world, reflector);
    having(world, namespace("later"));
    world.update("Certificate cert-manager/tls", reissued(reflectTo("")));
    expect(copies(world)).toEqual(["vault"]);
  });

  it("deletes the copies when the source is gone with its namespace", () => {
    const world = reflecting(reflectTo("vault"));
    expect(copies(world)).toEqual(["vault"]);
    without(world, namespace("cert-manager"));
    expect(copies(world)).toEqual([]);
  });
});

describe("rule 8: OCI's cloud controller", () => {
  const SYNC = "Error syncing load balancer: failed to ensure load balancer: ";
  const NO_SUCH = "404-NotAuthorizedOrNotFound, Authorization failed or requested resource not found.";
  const IP: Request = { kind: "PublicIp", name: "ip", spec: {} };
  const NSG: Request = { kind: "NetworkSecurityGroup", name: "nsg", spec: { vcnId: examples["<VCN OCID>"] } };
  const nodes = examples["<node NSG OCID>"] ?? "";
  const KEY = keyOfRequest(ingressGateway());
  const balancerOf = (world: World) => world.item("LoadBalancer /istio-ingressgateway") as Item;
  const idOf = (world: World, request: Request) => world.item(keyOfRequest(request))?.id ?? "";
  /** The gateway with its load balancer, after a change of its Service. */
  const changed = (world: World, to: Spec) => world.update(KEY, ingressGateway(to).spec);

  it.each<[string, Spec, string]>([
    [
      "no bandwidth",
      service({ [`${SHAPE}-flex-max`]: "" }),
      `error parsing service annotation: ${SHAPE}=flexible requires ${SHAPE}-flex-min and ${SHAPE}-flex-max to be set`,
    ],
    [
      "a smallest bandwidth that is no number",
      service({ [`${SHAPE}-flex-min`]: "ten" }),
      `invalid format for ${SHAPE}-flex-min annotation : ten`,
    ],
    [
      "a largest bandwidth in another unit",
      service({ [`${SHAPE}-flex-max`]: "1Gbps" }),
      `invalid format for ${SHAPE}-flex-max annotation : 1Gbps`,
    ],
    [
      "a mode in other letters than None",
      service({ [MODE]: "none" }),
      `invalid value: none provided for annotation: ${MODE}`,
    ],
    ["an unknown mode", service({ [MODE]: "All" }), `invalid value: All provided for annotation: ${MODE}`],
    ["a group that is not there", service({ [NSGS]: "ocid1.nsg" }), NO_SUCH],
    [
      "six groups",
      service({
        [NSGS]: Array(6)
          .fill(nodes)
          .map((id, at) => `${id}${at}`)
          .join(","),
      }),
      `invalid number of Network Security Groups (Max: 5) provided for annotation: ${NSGS}`,
    ],
    [
      "an OCID for the address",
      service({}, { loadBalancerIP: "ocid1.publicip" }),
      'invalid value "ocid1.publicip" provided for LoadBalancerIP',
    ],
    [
      "a reserved IP for an internal load balancer",
      service({ [INTERNAL]: "true" }, { loadBalancerIP: addressOf("ip") }),
      "invalid service: cannot create a private load balancer with Reserved IP",
    ],
    ["an address that is not reserved", service({}, { loadBalancerIP: "192.0.2.9" }), NO_SUCH],
    [
      "a reserved IP that another load balancer has",
      service({}, { loadBalancerIP: "203.0.113.251" }),
      "The IP address provided is not available for use.",
    ],
  ])("refuses %s, and tries again from 5 s to 300 s", (_, to, refusal) => {
    const world = having(meshed(), IP);
    world.put({ kind: "PublicIp", name: "taken", spec: {} }).status.ipAddress = "203.0.113.251";
    const other = world.put({ kind: "LoadBalancer", name: "other", spec: { nsgs: [] } });
    other.status.address = "203.0.113.251";
    const item = world.create(ingressGateway(to));
    expect(stateOf(item)).toEqual({ ready: false, reason: SYNC + refusal });
    expect(triesOf(world, "ensureLoadBalancer", 1000)).toEqual([5, 15, 35, 75, 155, 315, 615, 915]);
    expect(stateOf(item)).toEqual({ ready: false, reason: SYNC + refusal });
    expect(world.items("LoadBalancer")).toEqual([other]);
  });

  it("takes a reserved IP at the next try when it is available", () => {
    const world = meshed();
    world.create(IP);
    const item = world.create(ingressGateway(service({}, { loadBalancerIP: addressOf("ip") })));
    // Both happen at 5 s, what was begun first before the other.
    expect(item.reason).toBe(`${SYNC}The IP address provided is not available for use.`);
    expect(readyAfter(world, item)).toBe(5 + 90);
    expect(balancerOf(world).status).toEqual({ address: addressOf("ip") });
    expect(world.item(`Service ${ISTIO}/istio-ingressgateway`)?.status).toEqual({
      loadBalancer: { ingress: [{ ip: addressOf("ip") }] },
    });
  });

  it.each([
    ["10", "10", 10, 10],
    ["10Mbps", "100mbps", 10, 100],
    ["1", "5", 10, 10],
    ["9000", "9999", 8192, 8192],
    ["100", "20", 100, 100],
    ["1.5", "2,000", 15, 2000],
  ])("makes bandwidths of %s to %s be %i to %i", (min, max, minMbps, maxMbps) => {
    const world = meshed();
    world.create(ingressGateway(service({ [`${SHAPE}-flex-min`]: min, [`${SHAPE}-flex-max`]: max })));
    expect(balancerOf(world).spec).toEqual({
      mode: "SL-All",
      internal: false,
      minMbps,
      maxMbps,
      nsgs: [],
      backendNsg: "",
      sources: ["0.0.0.0/0"],
      healthPort: 10_256,
      proxyProtocol: false,
    });
  });

  it("gives an internal load balancer, and one without a reserved IP, an address of the subnet", () => {
    const world = having(meshed(), ingressGateway(service({ [INTERNAL]: "true" })));
    expect(balancerOf(world)).toMatchObject({
      spec: { internal: true },
      status: { address: privateAddressOf("istio-ingressgateway") },
    });
  });

  it("changes bandwidth, sources, mode and groups in place", () => {
    const world = having(meshed(), NSG, ingressGateway(service()));
    const { status } = balancerOf(world);
    const item = changed(
      world,
      service(
        { [`${SHAPE}-flex-max`]: "50", [MODE]: "None", [NSGS]: idOf(world, NSG) },
        { loadBalancerSourceRanges: ["198.51.100.0/24"] },
      ),
    );
    expect(readyAfter(world, item)).toBe(36);
    expect(balancerOf(world).status).toBe(status);
    expect(balancerOf(world).spec).toEqual({
      mode: "None",
      internal: false,
      minMbps: 10,
      maxMbps: 50,
      nsgs: [idOf(world, NSG)],
      backendNsg: "",
      sources: ["198.51.100.0/24"],
      healthPort: 10_256,
      proxyProtocol: false,
    });
  });

  const RESERVED = "The Load Balancer service reserved IP cannot be updated after the Load Balancer is created.";
  it.each<[string, Spec, Spec, string]>([
    [
      "another reserved IP",
      service({}, { loadBalancerIP: addressOf("ip") }),
      service({}, { loadBalancerIP: addressOf("ip (2)") }),
      RESERVED,
    ],
    ["no reserved IP any more", service({}, { loadBalancerIP: addressOf("ip") }), service(), RESERVED],
    ["a reserved IP only now", service(), service({}, { loadBalancerIP: addressOf("ip") }), RESERVED],
    [
      "internal only now",
      service(),
      service({ [INTERNAL]: "true" }),
      "internal cannot be updated after the Load Balancer is created.",
    ],
    [
      "internal no more",
      service({ [INTERNAL]: "true" }),
      service(),
      "internal cannot be updated after the Load Balancer is created.",
    ],
    [
      "a mode that is none",
      service(),
      service({ [MODE]: "none" }),
      `invalid value: none provided for annotation: ${MODE}`,
    ],
  ])("refuses %s to a load balancer that is there, each time, until it is taken back", (_, before, after, refusal) => {
    const world = having(meshed(), IP, IP, ingressGateway(before));
    const { spec, status } = structuredClone(balancerOf(world));
    for (let count = 1; count <= 2; count++) {
      const item = changed(world, after);
      pass(world, DAY);
      expect(stateOf(item)).toEqual({ ready: false, reason: SYNC + refusal });
    }
    expect(balancerOf(world)).toMatchObject({ spec, status });
    expect(readyAfter(world, changed(world, before))).toBe(36);
  });

  it("does not take its own load balancer for another's while that is made", () => {
    const world = having(meshed(), IP);
    const to = (max: string) => service({ [`${SHAPE}-flex-max`]: max }, { loadBalancerIP: addressOf("ip") });
    world.create(ingressGateway(to("10")));
    pass(world, 10);
    expect(readyAfter(world, changed(world, to("20")))).toBe(90);
    expect(balancerOf(world)).toMatchObject({ spec: { maxMbps: 20 }, status: { address: addressOf("ip") } });
  });

  it("makes no load balancer for another controller's Service, or for one of another type", () => {
    const other = meshed();
    expect(readyAfter(other, other.create(ingressGateway()))).toBe(5);
    expect([other.items("LoadBalancer"), other.item(`Service ${ISTIO}/istio-ingressgateway`)?.status]).toEqual([
      [],
      { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } },
    ]);
    const inside = meshed();
    expect(readyAfter(inside, inside.create(ingressGateway({ type: "ClusterIP" })))).toBe(5);
    expect([inside.items("LoadBalancer"), inside.item(`Service ${ISTIO}/istio-ingressgateway`)?.status]).toEqual([
      [],
      { loadBalancer: { ingress: [] } },
    ]);
  });

  it("makes a load balancer when the type becomes LoadBalancer, and takes it away when it is no more", () => {
    const world = having(meshed(), ingressGateway({ type: "ClusterIP" }));
    readyAfter(world, changed(world, service()));
    expect(world.items("LoadBalancer").map(({ name }) => name)).toEqual(["istio-ingressgateway"]);
    readyAfter(world, changed(world, { type: "ClusterIP" }));
    expect(world.items("LoadBalancer")).toEqual([]);
  });

  /** All that is needed in mode None, and nothing more. */
  const rulesFor = (nsg: string): Record<string, Spec> => ({
    http: { nsg, direction: "INGRESS", peer: "0.0.0.0/0", min: 80, max: 80 },
    https: { nsg, direction: "INGRESS", peer: "0.0.0.0/0", min: 443, max: 443 },
    "to the node ports": { nsg, direction: "EGRESS", peer: nodes, min: 30_000, max: 32_767 },
    "to the health checks": { nsg, direction: "EGRESS", peer: nodes, min: 10_256, max: 10_256 },
    "node ports": { nsg: nodes, direction: "INGRESS", peer: nsg, min: 30_000, max: 32_767 },
    "health checks": { nsg: nodes, direction: "INGRESS", peer: nsg, min: 10_256, max: 10_256 },
  });
  /** A load balancer in mode None with these rules. */
  function guarded(rules: (all: Record<string, Spec>) => Record<string, Spec>): World {
    const world = having(meshed(), NSG);
    for (const [name, spec] of Object.entries(rules(rulesFor(idOf(world, NSG)))))
      having(world, { kind: "NetworkSecurityGroupRule", name, spec });
    return having(world, ingressGateway(service({ [MODE]: "None", [NSGS]: idOf(world, NSG) })));
  }

  it("answers in mode None when every rule is there", () => {
    const world = guarded((all) => all);
    expect(answers(world, balancerOf(world))).toBe(true);
  });

  it.each(Object.keys(rulesFor("")))("does not answer in mode None without the rule %s", (missing) => {
    const world = guarded(({ [missing]: _, ...others }) => others);
    expect(answers(world, balancerOf(world))).toBe(false);
  });

  it.each<[string, string, Spec]>([
    ["misses the last node port", "node ports", { max: 32_766 }],
    ["misses the first node port", "to the node ports", { min: 30_001 }],
    ["lets another group in", "health checks", { peer: "another" }],
    ["leads elsewhere", "to the health checks", { peer: "another" }],
    ["is of the other direction", "https", { direction: "EGRESS" }],
  ])("does not answer in mode None when a rule %s", (_, name, changes) => {
    const world = guarded((all) => ({ ...all, [name]: { ...all[name], ...changes } }));
    expect(answers(world, balancerOf(world))).toBe(false);
  });

  it("does not answer in mode None before the last rule is ready, or without a group", () => {
    const world = guarded((all) => all);
    without(world, { kind: "NetworkSecurityGroupRule", name: "http", spec: {} });
    const rule = world.create({
      kind: "NetworkSecurityGroupRule",
      name: "http",
      spec: rulesFor(idOf(world, NSG)).http ?? {},
    });
    expect(answers(world, balancerOf(world))).toBe(false);
    readyAfter(world, rule);
    expect(answers(world, balancerOf(world))).toBe(true);
    readyAfter(world, changed(world, service({ [MODE]: "None" })));
    expect(answers(world, balancerOf(world))).toBe(false);
  });

  it.each<[Record<string, string>, boolean]>([
    [{}, true],
    [{ [MODE]: "SL-All" }, true],
    [{ [MODE]: "sl-all" }, true],
    [{ [MODE]: "NSG" }, false],
    [{ [MODE]: "nsg" }, false],
    [{ [MODE]: "NSG", [BACKEND_NSG]: "another" }, false],
    [{ [MODE]: "NSG", [BACKEND_NSG]: nodes }, true],
    [{ [MODE]: "nsg", [BACKEND_NSG]: nodes }, true],
    [{ [MODE]: "None" }, false],
  ])("with %j and no rule of our own, answers: %s", (annotations, expected) => {
    const world = having(meshed(), ingressGateway(service(annotations)));
    expect(answers(world, balancerOf(world))).toBe(expected);
  });

  it("deletes no reserved IP and no group that a load balancer uses, and both when it is gone", () => {
    const world = having(meshed(), IP, NSG);
    const to = service({ [MODE]: "None", [NSGS]: idOf(world, NSG) }, { loadBalancerIP: addressOf("ip") });
    having(world, ingressGateway(to));
    const refusal = (request: Request) =>
      new Refusal(
        `409-IncorrectState, ${request.kind} ${idOf(world, request)} is in use by load balancer istio-ingressgateway`,
      );
    const remove = (request: Request) => () => world.remove(keyOfRequest(request));
    for (const used of [IP, NSG]) expect(remove(used)).toThrow(refusal(used));
    world.remove(KEY);
    pass(world, 19.9);
    for (const used of [IP, NSG]) expect(remove(used)).toThrow(refusal(used));
    pass(world, 0.1);
    expect([world.items("LoadBalancer"), world.items("Service")]).toEqual([[], []]);
    without(world, IP, NSG);
    expect([world.items("PublicIp"), world.items("NetworkSecurityGroup").map(({ name }) => name)]).toEqual([
      [],
      ["nodes"],
    ]);
  });

  it("refuses a group in a network that is not there, and a rule in a group that is not there", () => {
    const world = fresh();
    expect(() => world.create({ ...NSG, spec: { vcnId: "ocid1.vcn" } })).toThrow(new Refusal(NO_SUCH));
    expect(() => world.create({ kind: "NetworkSecurityGroupRule", name: "rule", spec: { nsg: "ocid1.nsg" } })).toThrow(
      new Refusal(NO_SUCH),
    );
  });
});

describe("rule 9: what a user sees", () => {
  const LISTENS = "Gateway gateway listens while its Certificate is not Ready";

  it("is a host served over TLS, and nothing that must never be", () => {
    const world = served();
    expect(problemsOf(world, HOST)).toEqual([]);
    expect(world.state.violations).toEqual([]);
  });

  it("is every problem of a world in which nothing is", () => {
    expect(problemsOf(fresh(), HOST)).toEqual([
      `${HOST}: no VirtualService routes it`,
      `${HOST}: no Gateway listens for it`,
      `${HOST}: no ingress gateway runs`,
      `${HOST}: no certificate for it is in the gateway's namespace`,
    ]);
  });

  const NO_CERTIFICATE = `${HOST}: no certificate for it is in the gateway's namespace`;
  it.each<[string, (world: World) => void, string[]]>([
    ["the copy is missing", (world) => world.removeNow(`Secret ${ISTIO}/tls`), [NO_CERTIFICATE]],
    [
      "the copy is of an older certificate",
      (world) => {
        without(world, reflector);
        (world.item("Secret cert-manager/tls") as Item).spec.serial = 2;
      },
      [`${HOST}: the gateway's copy is not the newest certificate`],
    ],
    [
      "the route is gone",
      (world) => without(world, route()),
      [`${HOST}: no VirtualService routes it`, `${HOST}: no Gateway listens for it`, NO_CERTIFICATE],
    ],
    [
      "the Gateway is gone",
      (world) => without(world, gateway()),
      [`${HOST}: no Gateway listens for it`, NO_CERTIFICATE],
    ],
    [
      "the record is gone",
      (world) => without(world, record("a")),
      [`${HOST}: DNS does not answer with the load balancer's address`],
    ],
    [
      "the record leads elsewhere",
      (world) => world.update("DnsRecord /a", record("a").spec),
      [`${HOST}: DNS does not answer with the load balancer's address`],
    ],
    [
      "the load balancer reaches no node",
      (world) => world.update(keyOfRequest(ingressGateway()), ingressGateway(service({ [MODE]: "None" })).spec),
      [`${HOST}: the load balancer's backends are red`],
    ],
  ])("is this when %s", (_, change, expected) => {
    const world = served();
    change(world);
    expect(problemsOf(world, HOST)).toEqual(expected);
  });

  it.each([
    ["app.cluster.example.com", true],
    ["cluster.example.com", true],
    ["a.b.cluster.example.com", false],
    ["example.com", false],
  ])("is a certificate that covers %s: %s", (host, covered) => {
    const world = served();
    world.update(keyOfRequest(route()), route(host).spec);
    const problem = `${host}: no certificate for it is in the gateway's namespace`;
    expect(problemsOf(world, host).includes(problem)).toBe(!covered);
  });

  it("is the Secret in the namespace of the gateway's pod, not of the Gateway", () => {
    const world = served();
    having(without(world, gateway(), route()), gateway(HOSTS, "default"), route(HOST, "default/gateway"));
    expect(problemsOf(world, HOST)).toEqual([]);
    world.put({ kind: "Secret", namespace: "default", name: "tls", spec: {} });
    world.removeNow(`Secret ${ISTIO}/tls`);
    expect(problemsOf(world, HOST)).toContain(NO_CERTIFICATE);
  });

  it("needs no copy of a certificate that was issued where the gateway's pod is", () => {
    const world = withToken(meshed());
    having(world, certManager, issuer(), { ...certificate(), namespace: ISTIO });
    having(world, ingressGateway({ type: "ClusterIP" }), gateway(), route());
    expect([problemsOf(world, HOST), world.state.violations]).toEqual([[], []]);
  });

  it("tells of a Gateway that listens before its Certificate is Ready, and does not forget it", () => {
    const world = withToken(meshed());
    having(world, certManager, reflector, issuer());
    const item = world.create(certificate({ secretTemplate: reflectTo(ISTIO) }));
    pass(world, 100);
    world.create(gateway());
    expect(world.state.violations).toEqual([LISTENS]);
    readyAfter(world, item);
    pass(world, DAY);
    expect(world.state.violations).toEqual([LISTENS]);
  });

  it("tells of a Gateway whose certificate nobody asks for", () => {
    expect(having(meshed(), gateway()).state.violations).toEqual([LISTENS]);
  });

  it("tells of a Gateway that presents the certificate of another host", () => {
    const world = served();
    world.update(keyOfRequest(gateway()), gateway(["*.other.example.com"]).spec);
    expect(world.state.violations).toEqual([
      "Gateway gateway presents a certificate for *.cluster.example.com,cluster.example.com to *.other.example.com",
    ]);
  });

  it("lets a Gateway present a wildcard's certificate to one of its hosts", () => {
    const world = served();
    world.update(keyOfRequest(gateway()), gateway([HOST]).spec);
    expect([problemsOf(world, HOST), world.state.violations]).toEqual([[], []]);
  });

  it("tells of a Gateway that presents a Secret which is no certificate", () => {
    const world = served();
    world.put({ kind: "Secret", namespace: ISTIO, name: "tls", spec: { data: {} } });
    world.update(keyOfRequest(gateway()), gateway([HOST]).spec);
    expect(world.state.violations).toEqual([`Gateway gateway presents a certificate for undefined to ${HOST}`]);
  });

  it("tells of the key in a namespace where it must not be", () => {
    const world = reflecting(reflectTo("default,istio-system"));
    pass(world, 2);
    expect(world.state.violations).toEqual(["the certificate's key is in namespace default"]);
  });

  it("takes the certificates of the cluster's own authorities for no secret of the platform's", () => {
    const world = fresh(certManager, selfSigned);
    const internal = { secretName: "internal", issuerRef: { name: "self-signed" }, dnsNames: ["vault.vault.svc"] };
    having(world, { ...certificate(internal), namespace: "vault", name: "internal" });
    expect(world.item("Secret vault/internal")?.spec.hosts).toEqual(["vault.vault.svc"]);
    expect(world.state.violations).toEqual([]);
    having(world, { ...certificate({ ...internal, dnsNames: ["vault.vault.svc", HOST] }), namespace: "vault" });
    expect(world.state.violations).toEqual(["the certificate's key is in namespace vault"]);
  });

  it("lets the key be where it was said that it may", () => {
    const world = fresh(certManager, reflector, selfSigned);
    world.state.keyMayBeIn.push("default");
    having(world, certificate({ issuerRef: { name: "self-signed" }, secretTemplate: reflectTo("default") }));
    expect(copies(world)).toEqual(["default"]);
    expect(world.state.violations).toEqual([]);
  });
});

describe("rule 9b: a route to Vault", () => {
  const PLAIN = `${HOST}: the gateway speaks HTTP to a Vault that speaks TLS`;
  const toVault: Request = { ...route(), namespace: "vault" };
  const trust: Request = { kind: "Secret", namespace: ISTIO, name: "vault-ca", spec: {} };

  it.each<[string, Request, Request[], string[]]>([
    ["with all that it needs", vaultServer("", false), [toVault, trust, destinationRule()], []],
    ["without a rule", vaultServer("", false), [toVault, trust], [PLAIN]],
    ["with a rule of another host", vaultServer("", false), [toVault, trust, destinationRule({ host: "x" })], [PLAIN]],
    ["with a rule beside Vault", vaultServer("", false), [toVault, trust, destinationRule({}, "vault")], [PLAIN]],
    ["without the CA", vaultServer("", false), [toVault, destinationRule()], [PLAIN]],
    [
      "with the CA beside Vault",
      vaultServer("", false),
      [toVault, { ...trust, namespace: "vault" }, destinationRule()],
      [PLAIN],
    ],
    ["that speaks no TLS", vaultServer(), [toVault], []],
    ["elsewhere, and a route to another Service", vaultServer("", false), [route()], []],
  ])("%s", (_, server, requests, problems) => {
    const world = without(served(), route());
    having(world, server);
    for (const request of requests) {
      if (request.kind === "Secret") world.put(request);
      else having(world, request);
    }
    expect(problemsOf(world, HOST)).toEqual(problems);
  });

  it("needs no rule where no Vault is installed", () => {
    expect(problemsOf(having(without(served(), route()), toVault), HOST)).toEqual([]);
  });
});

describe("rule 10: Cloudflare", () => {
  const GONE = "Secret cert-manager/token holds only a token that Cloudflare has deleted";

  it("tells of a token that is deleted while the cluster still holds it, and does not forget it", () => {
    const world = withToken(fresh());
    world.remove("ApiToken /dns-token");
    expect(world.state.violations).toEqual([]);
    pass(world, 0.5);
    expect(world.state.violations).toEqual([GONE]);
    world.removeNow("Secret cert-manager/token");
    withToken(world);
    without(world, apiToken());
    expect(world.state.violations).toEqual([GONE]);
  });

  it("lets a token go that the cluster does not hold any more", () => {
    const world = withToken(fresh());
    world.put({ ...apiToken({ valueHash: sha256("older") }), name: "older" });
    without(world, { ...apiToken(), name: "older" });
    expect(world.items("ApiToken").map(({ name }) => name)).toEqual(["dns-token"]);
    expect(world.state.violations).toEqual([]);
  });

  it("has no token to miss where the Secret is gone first", () => {
    const world = withToken(fresh());
    world.removeNow("Secret cert-manager/token");
    without(world, apiToken());
    expect(world.state.violations).toEqual([]);
  });

  const address = { type: "A", content: "192.0.2.7" };
  const alias = { type: "CNAME", content: "elsewhere.example.com" };
  const BESIDE_ANY = "81053: An A, AAAA, or CNAME record with that host already exists.";
  const BESIDE_ALIAS = "81054: A CNAME record with that host already exists.";

  it.each([
    ["an identical record", address, address, "81058: An identical record already exists."],
    ["an address beside a CNAME", alias, address, BESIDE_ALIAS],
    ["an IPv6 address beside a CNAME", alias, { type: "AAAA", content: "2001:db8::7" }, BESIDE_ALIAS],
    ["a CNAME beside an address", address, alias, BESIDE_ANY],
    ["a CNAME beside a CNAME", alias, { ...alias, content: "other.example.com" }, BESIDE_ANY],
  ])("refuses %s", (_, first, second, refusal) => {
    const world = fresh(record("a", first));
    expect(() => world.create(record("b", second))).toThrow(new Refusal(refusal));
  });

  it("refuses a change to what another record is", () => {
    const world = fresh(record("a"), record("b", { content: "192.0.2.8" }));
    expect(() => world.update("DnsRecord /b", record("a").spec)).toThrow(
      new Refusal("81058: An identical record already exists."),
    );
    expect(world.item("DnsRecord /b")?.spec.content).toBe("192.0.2.8");
  });

  it("takes another address of the same name, the same address of another name, and a TXT record beside them", () => {
    const world = fresh(record("a"));
    having(world, record("b", { content: "192.0.2.8" }), record("c", { name: "cluster.example.com" }));
    having(world, record("d", { type: "TXT", content: "text" }));
    world.update("DnsRecord /a", record("a").spec);
    expect(world.items("DnsRecord").map(({ name }) => name)).toEqual(["a", "b", "c", "d"]);
  });

  it("refuses a record in a zone that is not there", () => {
    expect(() => fresh().create(record("a", { zoneId: "nowhere" }))).toThrow(
      new Refusal("7003: Could not route to /zones/nowhere/dns_records, perhaps your object identifier is invalid?"),
    );
  });
});

describe("a world's story", () => {
  /** Everything at once, with a wait that is too short now and then; then changes, and an end. */
  const steps: [number, (world: World) => void][] = [
    [0, (world) => [certManager, reflector, base, externalSecrets, apiToken()].map((it) => world.create(it))],
    [1, (world) => world.create(kvSecret(sha256("token")))],
    [6, (world) => world.create(istiod)],
    [20, (world) => world.create(ingressGateway(service({ [`${SHAPE}-flex-min`]: "ten" })))],
    [40, (world) => world.create(store())],
    [46, (world) => world.create(issuer("6s"))],
    [46, (world) => world.create(certificate({ secretTemplate: reflectTo(ISTIO) }))],
    [50, (world) => world.create(externalSecret())],
    [60, (world) => [gateway(), route()].map((it) => world.create(it))],
    [100, (world) => world.update(keyOfRequest(ingressGateway()), ingressGateway(service()).spec)],
    [9000, (world) => setVault(world, { sealed: true })],
    [20_000, (world) => world.remove(keyOfRequest(gateway()))],
  ];

  /** Plays it; between any two moments, and before each step, the world may be put aside. */
  function played(seed: number, putAside: (world: World) => World = (world) => world): State {
    let world = openWorld(emptyWorld(seed));
    for (const [at, step] of [...steps, [60_000, () => {}] as const]) {
      while (world.nextEvent !== undefined && world.nextEvent <= at) {
        world.advance(world.nextEvent);
        world = putAside(world);
      }
      world.advance(at);
      world = putAside(world);
      step(world);
    }
    return putAside(world).state;
  }

  it("is the same for the same seed, and another for another", () => {
    expect(played(3)).toEqual(played(3));
    const stories = Array.from({ length: 20 }, (_, seed) => JSON.stringify(played(seed + 1).acme));
    expect(new Set(stories).size).toBeGreaterThan(3);
  });

  it("survives being put aside as JSON at any moment", () => {
    for (let seed = 1; seed <= 10; seed++) {
      let times = 0;
      const aside = (world: World) => {
        times += 1;
        return openWorld(JSON.parse(JSON.stringify(world.state)));
      };
      expect(played(seed, aside)).toEqual(played(seed));
      expect(times).toBeGreaterThan(80);
    }
  });

  it("is the same whether the clock goes in one step or in many", () => {
    const at = (advance: (world: World) => void) => {
      const world = having(vaulted(), store());
      for (const request of [externalSecret(), issuer("2s"), certificate()]) world.create(request);
      advance(world);
      return world.state;
    };
    const many = at((world) => {
      for (let count = 0; count < 20_000; count++) pass(world, 0.5);
    });
    expect(many).toEqual(at((world) => pass(world, 10_000)));
    expect(many.now).toBeGreaterThan(10_000);
  });

  it("has no number twice in a while, all from 0 to 1", () => {
    const world = fresh();
    const numbers = Array.from({ length: 1000 }, () => world.random());
    expect(new Set(numbers).size).toBe(1000);
    expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
    expect(openWorld(emptyWorld()).random()).toBe(numbers[0]);
  });
});
