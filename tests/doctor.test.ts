import { spawn, spawnSync } from "node:child_process";
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { parseSettings, type Settings } from "../config.ts";
import { projectDirectory } from "../project/stack.ts";
import type { Finding } from "../tools/doctor/finding.ts";
import { certificateBudget, doctor, findingsText } from "../tools/doctor.ts";
import {
  ADDRESS,
  asked,
  byHelm,
  definition,
  fresh,
  ids,
  limit,
  logged,
  namespace,
  notFound,
  oke,
  oldDefinitions,
  release,
  running,
  type Servers,
  type Systems,
  service,
  startServers,
  tokens,
  writeOci,
} from "./doctor-servers.ts";
import { copyProject } from "./pull-request.ts";

// A healthy setup finds nothing; each row plants one fault, and names every finding that is then another one.

type Raw = Record<string, unknown>;

let servers: Servers;
let directory: string;
beforeAll(async () => {
  servers = await startServers();
  directory = await mkdtemp(join(tmpdir(), "oke-doctor-"));
});
afterAll(async () => {
  await servers.close();
  await rm(directory, { recursive: true });
});

const TODAY = new Date("2026-11-23T20:00:00Z");
const seen: Finding[] = [];
afterEach(() => {
  for (const token of Object.values(tokens)) expect(JSON.stringify(seen)).not.toContain(token);
  // Nobody's Secrets are read, nor the schemas of all CRDs.
  expect(servers.wholeLists).toBe(0);
  seen.length = 0;
});

const loadBalancer = {
  compartmentId: ids.compartment,
  vcnId: ids.vcn,
  subnetId: ids.subnet,
  minMbps: 100,
  maxMbps: 1000,
  rules: "None",
  nodeNsgId: ids.nsg,
  additionalNsgIds: [ids.extraNsg],
  reservedIp: ids.ip,
};

/** What a test looks at: everything but what it plants is well. */
interface Setup {
  readonly systems: Systems;
  readonly raw: Raw;
  readonly env: Record<string, string | undefined>;
  kubeConfig: () => Promise<KubeConfig>;
}

const setupOf = (systems: Systems): Setup => ({
  systems,
  raw: {
    domain: "example.com",
    cluster: { id: ids.cluster },
    size: "production",
    acme: { email: "platform@example.com", server: "production" },
    loadBalancer: { ...loadBalancer },
    vault: { address: servers.vaultUrl },
    services: [
      { name: "vault", namespace: "vault", port: 8200 },
      { name: "argocd", namespace: "argocd", service: "argocd-server", port: 80 },
    ],
  },
  env: {
    PATH: `${directory}:/usr/bin:/bin`,
    HOME: directory,
    CLOUDFLARE_API_TOKEN: tokens.cloudflare,
    VAULT_TOKEN: tokens.vault,
    OCI_CLI_TENANCY: ids.tenancy,
  },
  kubeConfig: async () => servers.kubeConfig,
});

async function examine({ systems, raw, env, kubeConfig }: Setup): Promise<Finding[]> {
  servers.systems = systems;
  await writeOci(directory, systems.oci);
  const settings: Settings = parseSettings(raw, (key) => key === "cloudflareApiToken");
  const { cloudflareUrl, logUrl } = servers;
  const findings = await doctor({ settings, kubeConfig, env, today: TODAY, cloudflareUrl, logUrl });
  seen.push(...findings);
  return findings;
}

/** Findings one a line, without what to do. */
const lines = (findings: Finding[]) => findings.map(({ check, level, reason }) => `${level}: ${check}: ${reason}`);

const healthyFresh = [
  "ok: configuration: valid",
  "ok: configuration: advice: none; no chart is past its end",
  "ok: kubernetes: reachable: Kubernetes v1.34.4",
  "ok: kubernetes: version: Istio 1.31.4 and cert-manager v1.21.2 support v1.34.4",
  "ok: kubernetes: Helm releases: no release of others in the way",
  "ok: kubernetes: custom resource definitions: none of others in the way",
  "ok: kubernetes: cert-manager: no Deployment cert-manager that belongs to no Helm release",
  "ok: kubernetes: ArgoCD: no Application that installs the same",
  "ok: kubernetes: namespaces: istio-system and external-secrets are free, or Pulumi's",
  "ok: kubernetes: services: 2 service(s) are there, with their ports",
  "ok: oci: cluster: the cluster is ACTIVE, v1.34.1",
  "ok: oci: OKE add-ons: neither CertManager nor Istio among them",
  "ok: oci: subnet: there, regional, in the VCN",
  "ok: oci: network security groups: 2 there, in the VCN",
  `ok: oci: reserved IP: ${ADDRESS} is AVAILABLE`,
  "ok: oci: load balancer quota: 12 load balancer(s) and 5000 Mbps are left",
  "ok: cloudflare: token: active",
  "ok: cloudflare: API tokens: may list permission groups",
  "ok: cloudflare: zone: example.com is active",
  "ok: cloudflare: records: none in the way",
  "ok: cloudflare: CAA: none",
  "ok: vault: reachable: Vault 1.21.1 is unsealed",
  "ok: vault: token: may write secret/data/prod/cert-manager",
  "ok: vault: KV mount: secret is KV version 2",
  "ok: certificates: Let's Encrypt's limits: 0 certificate(s) for *.cluster.example.com and cluster.example.com in seven days, of 5",
];

const healthyRunning = healthyFresh.map((line) => {
  if (line.includes("oci: reserved IP")) return `ok: oci: reserved IP: ${ADDRESS} is the gateway's`;
  if (line.includes("quota")) return "ok: oci: load balancer quota: the load balancer is there already";
  if (line.includes("cloudflare: records")) return `ok: cloudflare: records: this stack's, to ${ADDRESS}`;
  return line;
});

describe("a healthy setup", () => {
  it("has no problem before the first up", async () => {
    expect(lines(await examine(setupOf(fresh())))).toEqual(healthyFresh);
  });

  it("has no problem when the platform runs", async () => {
    expect(lines(await examine(setupOf(running())))).toEqual(healthyRunning);
  });

  it("has no problem after a destroy, which keeps a namespace and definitions", async () => {
    const systems = fresh();
    systems.kubernetes.namespaces.push(namespace("cert-manager", byHelm));
    systems.kubernetes.definitions = oldDefinitions();
    expect(lines(await examine(setupOf(systems)))).toEqual(healthyFresh);
  });

  it("is asked what it can without a credential, and says what is skipped", async () => {
    const setup = setupOf(fresh());
    setup.env.CLOUDFLARE_API_TOKEN = undefined;
    setup.env.VAULT_TOKEN = "";
    setup.env.OCI_CLI_TENANCY = undefined;
    expect(changed(await examine(setup), healthyFresh)).toEqual([
      "skipped: oci: load balancer quota: the tenancy's OCID is in neither OCI_CLI_TENANCY nor the configuration of the oci CLI",
      ...["token", "API tokens", "zone", "records", "CAA"].map(
        (check) => `skipped: cloudflare: ${check}: CLOUDFLARE_API_TOKEN is not set`,
      ),
      "skipped: vault: token: VAULT_TOKEN is not set",
      "skipped: vault: KV mount: VAULT_TOKEN is not set",
    ]);
  });

  it("takes the tenancy from the CLI's own configuration, by profile", async () => {
    const setup = setupOf(fresh());
    setup.env.OCI_CLI_TENANCY = undefined;
    setup.env.OCI_CLI_CONFIG_FILE = join(directory, "config");
    setup.env.OCI_CLI_PROFILE = "OURS";
    const other = "[DEFAULT]\ntenancy=ocid1.tenancy.oc1..aaaaother\n";
    await writeFile(setup.env.OCI_CLI_CONFIG_FILE, `${other}[OURS]\nregion=eu-frankfurt-1\ntenancy = ${ids.tenancy}\n`);
    expect(lines(await examine(setup))).toEqual(healthyFresh);
  });

  it("without any cloud is a cluster alone", async () => {
    const setup = setupOf(fresh());
    const { domain, services } = setup.raw;
    const raw = {
      domain,
      services,
      cluster: { context: "test" },
      acme: { server: "ca" },
      cloudflare: { token: "none" },
    };
    const findings = await examine({ ...setup, raw, env: {} });
    expect(new Set(findings.map(({ check, level }) => `${level}: ${check.split(":")[0]}`))).toEqual(
      new Set([
        ...["ok: configuration", "ok: kubernetes", "skipped: oci", "skipped: cloudflare", "skipped: vault"],
        "skipped: certificates",
      ]),
    );
  });

  it("needs nothing of External Secrets' own when another installation is used", async () => {
    const setup = setupOf(fresh());
    setup.raw.externalSecrets = { install: false };
    const { kubernetes } = setup.systems;
    kubernetes.namespaces.push(namespace("external-secrets"));
    kubernetes.releases.push(release("external-secrets", "external-secrets"));
    kubernetes.definitions.push(definition("clustersecretstores.external-secrets.io", "ops/eso"));
    expect(changed(await examine(setup), healthyFresh)).toEqual([
      "ok: kubernetes: namespaces: istio-system are free, or Pulumi's",
    ]);
  });

  it("does not look for a Vault that the program is yet to install", async () => {
    const setup = setupOf(fresh());
    const { kubernetes } = setup.systems;
    kubernetes.namespaces = kubernetes.namespaces.filter(({ name }) => name !== "vault");
    kubernetes.services = kubernetes.services.filter(({ metadata }) => metadata.name !== "vault");
    kubernetes.releases = [];
    setup.raw.vault = { install: true };
    const skipped = "vault.install: the program installs Vault, which is set up after that";
    const [advice, ...rest] = changed(await examine(setup), healthyFresh);
    expect(advice).toMatch(/^warning: configuration: advice: vault.initialized is false/);
    expect(rest).toEqual(["reachable", "token", "KV mount"].map((check) => `skipped: vault: ${check}: ${skipped}`));
  });

  it("leaves the mount to the program where that makes it", async () => {
    const setup = setupOf(fresh());
    setup.raw.vault = { address: servers.vaultUrl, access: "managed" };
    setup.systems.vault.mounts = {};
    expect(changed(await examine(setup), healthyFresh)).toEqual([
      "ok: vault: KV mount: secret is not there, or not to be seen; the program makes it",
    ]);
  });

  it("takes a supplied token's run for what it needs, a token of the account's own too", async () => {
    const setup = setupOf(fresh());
    setup.raw.cloudflare = { token: "supplied" };
    setup.raw.cloudflareApiToken = "[secret]";
    setup.systems.cloudflare.status = undefined;
    expect(changed(await examine(setup), healthyFresh)).toEqual([
      "warning: cloudflare: token: Cloudflare answers 401: Invalid API Token (1000); it is no user's token, or no token",
      'skipped: cloudflare: API tokens: cloudflare.token is "supplied": the program makes no token',
    ]);
  });

  it("asks a namespace of Vault, by a CA of its own", async () => {
    const setup = setupOf(fresh());
    setup.systems.vault.namespace = "team/platform";
    setup.env.VAULT_NAMESPACE = "team/platform";
    const { url, close, ca } = await tlsBefore(servers.vaultUrl);
    setup.raw.vault = { address: url };
    try {
      const [untrusted, ...rest] = changed(await examine(setup), healthyFresh);
      expect(untrusted).toMatch(/^problem: vault: reachable: https:.*(self-signed|unable to verify)/);
      expect(rest).toHaveLength(2);
      setup.env.VAULT_CACERT = join(directory, "vault-ca.pem");
      await writeFile(setup.env.VAULT_CACERT, ca);
      expect(lines(await examine(setup))).toEqual(healthyFresh);
    } finally {
      await close();
    }
  });
});

/** The findings that are not the healthy ones, in their order. */
const changed = (findings: Finding[], healthy: readonly string[]) =>
  lines(findings).filter((line) => !healthy.includes(line));

/** A certificate for 127.0.0.1 and its key, as PEM: https://www.rfc-editor.org/rfc/rfc5280#appendix-A */
function selfSigned() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const der = (tag: number, ...parts: Uint8Array[]): Buffer => {
    const content = Buffer.concat(parts);
    const size = content.length < 128 ? [content.length] : [0x82, content.length >> 8, content.length & 255];
    return Buffer.concat([Buffer.from([tag, ...size]), content]);
  };
  const text = (tag: number, value: string) => der(tag, Buffer.from(value));
  const oid = (hex: string) => der(0x06, Buffer.from(hex, "hex"));
  const [SEQUENCE, SET] = [0x30, 0x31];
  const ecdsaWithSha256 = der(SEQUENCE, oid("2a8648ce3d040302"));
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, oid("550403"), text(0x0c, "vault"))));
  const validity = der(SEQUENCE, text(0x17, "250101000000Z"), text(0x17, "491231235959Z"));
  const address = der(SEQUENCE, der(0x87, Buffer.from([127, 0, 0, 1])));
  const extensions = der(0xa3, der(SEQUENCE, der(SEQUENCE, oid("551d11"), der(0x04, address))));
  const spki = publicKey.export({ type: "spki", format: "der" });
  const version3 = der(0xa0, Buffer.from([0x02, 0x01, 0x02]));
  const serial = Buffer.from([0x02, 0x01, 0x01]);
  const signed = der(SEQUENCE, version3, serial, ecdsaWithSha256, name, validity, name, spki, extensions);
  const signature = der(0x03, Buffer.from([0]), sign("sha256", signed, privateKey));
  const lines =
    der(SEQUENCE, signed, ecdsaWithSha256, signature)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }),
    ca: ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n"),
  };
}

/** A server before another that speaks TLS with a certificate of its own. */
async function tlsBefore(target: string) {
  const { key, ca } = selfSigned();
  const server = createServer({ key, cert: ca }, async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => name.startsWith("x-vault")));
    const answer = await fetch(`${target}${request.url}`, {
      method: request.method,
      headers: headers as Record<string, string>,
      ...(parts.length > 0 && { body: Buffer.concat(parts) }),
    });
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(await answer.text());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ca,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

interface Fault {
  readonly what: string;
  /** @default - before the first up */
  readonly when?: "running";
  readonly plant: (setup: Setup) => void;
  /** Every finding that is then another one. */
  readonly found: readonly string[];
  /** What to do about the first of them, in part. */
  readonly action: string;
}

const bundle = (setup: Setup) => setup.raw.loadBalancer as Record<string, unknown>;
const data = ({ systems }: Setup, question: string) => {
  const answer = systems.oci[question];
  if (answer === undefined || !("data" in answer)) throw new Error(`nothing is recorded for ${question}`);
  return answer.data as Record<string, unknown>;
};
const sameNames = ["*.cluster.example.com", "cluster.example.com"];
const caa = (name: string, tag: string, value: string) => ({
  id: `${name}-${tag}-${value}`,
  type: "CAA",
  name,
  content: `0 ${tag} "${value}"`,
  data: { flags: 0, tag, value },
});
const record = (type: string, name: string, content: string) => ({ id: `${type}-${name}`, type, name, content });
const application = (name: string, spec: Record<string, unknown>) => ({
  metadata: { name, namespace: "argocd" },
  spec,
});
const issued = (count: number, names = sameNames) =>
  Array.from({ length: count }, (_, at) => logged(`0${at}a`, `2026-11-2${at % 3}T10:00:00.123`, names)).flat();

const budget = (level: string, count: number) =>
  `${level}: certificates: Let's Encrypt's limits: ${count} certificate(s) for *.cluster.example.com and cluster.example.com in seven days, of 5`;

const faults: Fault[] = [
  // Configuration.
  {
    what: "a chart past its end",
    plant: ({ raw, systems }) => {
      raw.charts = { istio: { version: "1.28.4" } };
      systems.kubernetes.version = { major: "1", minor: "33+", gitVersion: "v1.33.1" };
    },
    found: [
      "warning: configuration: advice: Istio 1.28.4 is past its end of support, 2026-07-01; choose a newer version in charts",
      "ok: kubernetes: reachable: Kubernetes v1.33.1",
      "ok: kubernetes: version: Istio 1.28.4 and cert-manager v1.21.2 support v1.33.1",
    ],
    action: "",
  },
  // Cluster.
  {
    what: "a Kubernetes that is too new",
    plant: ({ systems }) => {
      systems.kubernetes.version = { major: "1", minor: "37", gitVersion: "v1.37.0" };
    },
    found: [
      "ok: kubernetes: reachable: Kubernetes v1.37.0",
      "problem: kubernetes: version: the cluster runs v1.37.0, and Istio 1.31.4 supports 1.32 to 1.36",
      "problem: kubernetes: version: the cluster runs v1.37.0, and cert-manager v1.21.2 supports 1.33 to 1.36",
    ],
    action: "",
  },
  {
    what: "a Kubernetes that is too new, by a maker who marks his minors",
    plant: ({ systems }) => {
      systems.kubernetes.version = { major: "1", minor: "37+", gitVersion: "v1.37.2-oke" };
    },
    found: [
      "ok: kubernetes: reachable: Kubernetes v1.37.2-oke",
      "problem: kubernetes: version: the cluster runs v1.37.2-oke, and Istio 1.31.4 supports 1.32 to 1.36",
      "problem: kubernetes: version: the cluster runs v1.37.2-oke, and cert-manager v1.21.2 supports 1.33 to 1.36",
    ],
    action: "",
  },
  {
    what: "a Kubernetes that is too old",
    plant: ({ systems }) => {
      systems.kubernetes.version = { major: "1", minor: "31", gitVersion: "v1.31.9" };
    },
    found: [
      "ok: kubernetes: reachable: Kubernetes v1.31.9",
      "problem: kubernetes: version: the cluster runs v1.31.9, and Istio 1.31.4 supports 1.32 to 1.36",
      "problem: kubernetes: version: the cluster runs v1.31.9, and cert-manager v1.21.2 supports 1.33 to 1.36",
    ],
    action: "",
  },
  {
    what: "a cluster that refuses the credential",
    plant: (setup) => {
      setup.kubeConfig = async () => {
        const config = new KubeConfig();
        config.loadFromString(servers.kubeConfig.exportConfig());
        config.users = [{ name: "test", token: "another" }];
        return config;
      };
    },
    found: [
      "problem: kubernetes: reachable: the API server answers 401",
      ...[
        ...["version", "Helm releases", "custom resource definitions", "cert-manager", "ArgoCD", "namespaces"],
        "services",
      ].map((check) => `skipped: kubernetes: ${check}: the cluster cannot be asked`),
    ],
    action: "oci ce cluster create-kubeconfig",
  },
  {
    what: "rights that are too few",
    plant: ({ systems }) => {
      systems.kubernetes.forbidden = /customresourcedefinitions/;
    },
    found: [
      'skipped: kubernetes: custom resource definitions: could not be asked: the API server answers 403: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions" is forbidden: User "doctor" cannot list it',
    ],
    action: "",
  },
  {
    what: "Istio by Helm's own command line, under the very names",
    plant: ({ systems: { kubernetes } }) => {
      kubernetes.namespaces.push(namespace("istio-system"));
      kubernetes.releases.push(release("istio-system", "istio-base"));
      kubernetes.definitions.push(definition("gateways.networking.istio.io", "istio-system/istio-base"));
    },
    found: [
      "problem: kubernetes: Helm releases: release istio-base in istio-system (deployed) is not Pulumi's",
      "problem: kubernetes: namespaces: namespace istio-system exists, and Pulumi did not make it",
    ],
    action: "helm uninstall istio-base --namespace istio-system",
  },
  {
    what: "cert-manager elsewhere, by Helm",
    plant: ({ systems: { kubernetes } }) => {
      kubernetes.releases.push(release("ops", "cert-manager"));
      kubernetes.definitions.push(
        definition("issuers.cert-manager.io", "ops/cert-manager"),
        definition("certificates.cert-manager.io", "ops/cert-manager"),
      );
    },
    found: [
      "problem: kubernetes: Helm releases: release cert-manager in ops (deployed) owns things of the whole cluster that ours is to make",
      "problem: kubernetes: custom resource definitions: 2 definition(s), such as certificates.cert-manager.io, belong to the Helm release ops/cert-manager: Helm installs no cert-manager/cert-manager over them",
    ],
    action: "helm uninstall cert-manager --namespace ops",
  },
  {
    what: "a release whose run was cut off",
    when: "running",
    plant: ({ systems: { kubernetes } }) => {
      const pending = {
        revision: 2,
        status: "pending-upgrade",
        managedFields: [{ manager: "pulumi-kubernetes", operation: "Update" }],
      };
      kubernetes.releases.unshift(release("istio-system", "istiod", pending));
    },
    found: [
      "problem: kubernetes: Helm releases: release istiod in istio-system is pending-upgrade: a run was cut off, and Helm refuses another",
    ],
    action: "helm rollback istiod --namespace istio-system",
  },
  {
    what: "definitions that somebody applied",
    plant: ({ systems: { kubernetes } }) => {
      kubernetes.definitions.push({ name: "externalsecrets.external-secrets.io" });
    },
    found: [
      "problem: kubernetes: custom resource definitions: 1 definition(s), such as externalsecrets.external-secrets.io, belong to nobody that says so: Helm installs no external-secrets/external-secrets over them",
    ],
    action: "kubectl delete crd",
  },
  {
    what: "definitions with the annotations of ours, but without Helm's label",
    plant: ({ systems: { kubernetes } }) => {
      const { name, annotations } = definition("gateways.networking.istio.io", "istio-system/istio-base");
      kubernetes.definitions.push({ name, annotations });
    },
    found: [
      "problem: kubernetes: custom resource definitions: 1 definition(s), such as gateways.networking.istio.io, belong to nobody that says so: Helm installs no istio-system/istio-base over them",
    ],
    action: "kubectl delete crd",
  },
  {
    what: "External Secrets that is to be there, and is not",
    plant: ({ raw }) => {
      raw.externalSecrets = { install: false };
    },
    found: [
      "problem: kubernetes: custom resource definitions: externalSecrets.install is false, and the cluster has no clustersecretstores.external-secrets.io",
      "ok: kubernetes: namespaces: istio-system are free, or Pulumi's",
    ],
    action: "install External Secrets",
  },
  {
    what: "the article's ArgoCD Applications, tracked by annotation",
    plant: ({ systems: { kubernetes } }) => {
      kubernetes.applications = [
        application("wildcard", { source: { repoURL: "https://git.example.com/platform", path: "." } }),
        application("istio", {
          sources: [{ repoURL: "https://istio-release.storage.googleapis.com/charts", chart: "base" }],
        }),
        application("shop", { source: { repoURL: "https://charts.example.com", chart: "base" } }),
      ];
      const tracking = "argocd.argoproj.io/tracking-id";
      kubernetes.definitions.push({
        name: "gateways.networking.istio.io",
        annotations: {
          [tracking]: "istio:apiextensions.k8s.io/CustomResourceDefinition:istio-system/gateways.networking.istio.io",
        },
      });
      kubernetes.namespaces.push({
        ...namespace("istio-system"),
        annotations: { [tracking]: "istio:/Namespace:istio-system/istio-system" },
      });
    },
    found: [
      "problem: kubernetes: custom resource definitions: 1 definition(s), such as gateways.networking.istio.io, belong to the ArgoCD Application istio: Helm installs no istio-system/istio-base over them",
      "problem: kubernetes: ArgoCD: Application istio in argocd installs the chart base, and would undo what this program does",
      "problem: kubernetes: namespaces: namespace istio-system exists, made by the ArgoCD Application istio",
    ],
    action: "",
  },
  {
    what: "ArgoCD's cert-manager, tracked by label",
    plant: ({ systems: { kubernetes } }) => {
      kubernetes.applications = [
        application("certs", { source: { repoURL: "https://charts.jetstack.io", chart: "cert-manager" } }),
      ];
      kubernetes.definitions.push({
        name: "issuers.cert-manager.io",
        labels: { "app.kubernetes.io/instance": "certs" },
      });
    },
    found: [
      "problem: kubernetes: custom resource definitions: 1 definition(s), such as issuers.cert-manager.io, belong to no Helm release, but the instance certs, which may be an ArgoCD Application: Helm installs no cert-manager/cert-manager over them",
      "problem: kubernetes: ArgoCD: Application certs in argocd installs the chart cert-manager, and would undo what this program does",
    ],
    action: "",
  },
  {
    what: "OKE's add-on, as OCI tells of it",
    plant: (setup) => {
      (data(setup, asked.addOns) as unknown as unknown[]).push(oke("CertManager"), {
        ...oke("Istio"),
        "lifecycle-state": "DELETED",
      });
    },
    found: [
      "problem: oci: OKE add-ons: OKE's own add-on CertManager is ACTIVE: it installs what this program does, and puts its own version back",
    ],
    action: `oci ce cluster disable-addon --cluster-id ${ids.cluster} --addon-name CertManager --is-remove-existing-add-on true`,
  },
  {
    what: "OKE's add-on, as the cluster shows it",
    plant: ({ systems: { kubernetes } }) => {
      kubernetes.deployments.push("cert-manager/cert-manager");
    },
    found: [
      "problem: kubernetes: cert-manager: Deployment cert-manager in namespace cert-manager belongs to no Helm release",
    ],
    action: "oci ce cluster disable-addon",
  },
  {
    what: "a namespace of External Secrets' that somebody made",
    plant: ({ systems: { kubernetes } }) => {
      kubernetes.namespaces.push(namespace("external-secrets"));
    },
    found: ["problem: kubernetes: namespaces: namespace external-secrets exists, and Pulumi did not make it"],
    action: "kubectl delete namespace external-secrets",
  },
  {
    what: "a service's namespace that is missing",
    plant: ({ raw }) => {
      (raw.services as Raw[]).push({ name: "grafana", namespace: "monitoring", port: 3000 });
    },
    found: ["problem: kubernetes: services: namespace monitoring does not exist, and services names it"],
    action: "kubectl create namespace monitoring",
  },
  {
    what: "a Service that is missing",
    plant: ({ systems: { kubernetes } }) => {
      kubernetes.services = [service("vault", "vault", 8200), service("vault", "argocd-server", 80)];
    },
    found: [
      "problem: kubernetes: services: services entry argocd: Service argocd-server does not exist in argocd; its host would answer 503",
    ],
    action: "deploy it first",
  },
  {
    what: "a port that a Service lacks",
    plant: ({ systems: { kubernetes } }) => {
      kubernetes.services = [service("vault", "vault", 8200), service("argocd", "argocd-server", 8080, 8443)];
    },
    found: [
      "problem: kubernetes: services: services entry argocd: Service argocd-server in argocd has no port 80; it has 8080, 8443",
    ],
    action: "correct port",
  },
  // OCI.
  {
    what: "no oci CLI",
    plant: ({ env }) => {
      env.PATH = "/nowhere";
    },
    found: [
      "problem: oci: cluster: the oci CLI is not on PATH",
      ...["OKE add-ons", "subnet", "network security groups", "reserved IP", "load balancer quota"].map(
        (check) => `skipped: oci: ${check}: OCI cannot be asked`,
      ),
    ],
    action: "oci setup config",
  },
  {
    what: "an oci CLI that is not set up",
    plant: ({ systems }) => {
      systems.oci = {
        [asked.cluster]: {
          stderr: "ERROR: Could not find config file at /home/me/.oci/config\nPlease run: oci setup config",
        },
      };
    },
    found: [
      "problem: oci: cluster: ERROR: Could not find config file at /home/me/.oci/config Please run: oci setup config",
      ...["OKE add-ons", "subnet", "network security groups", "reserved IP", "load balancer quota"].map(
        (check) => `skipped: oci: ${check}: OCI cannot be asked`,
      ),
    ],
    action: "oci setup config",
  },
  {
    what: "a cluster that is being deleted",
    plant: (setup) => {
      data(setup, asked.cluster)["lifecycle-state"] = "DELETING";
    },
    found: ["problem: oci: cluster: the cluster is DELETING"],
    action: "correct cluster.id",
  },
  {
    what: "a subnet that is not there",
    plant: ({ systems }) => {
      systems.oci[asked.subnet] = notFound;
    },
    found: [
      `problem: oci: subnet: loadBalancer.subnetId ${ids.subnet} does not exist, or this identity may not see it`,
    ],
    action: "correct the OCID",
  },
  {
    what: "a subnet of another VCN",
    plant: (setup) => {
      data(setup, asked.subnet)["vcn-id"] = ids.otherVcn;
    },
    found: [`problem: oci: subnet: loadBalancer.subnetId is in ${ids.otherVcn}, and loadBalancer.vcnId in ${ids.vcn}`],
    action: "name one of that VCN",
  },
  {
    what: "a VCN of the settings that is not the cluster's, and has the subnet",
    plant: (setup) => {
      data(setup, asked.cluster)["vcn-id"] = ids.otherVcn;
    },
    found: [`problem: oci: cluster: the cluster is in ${ids.otherVcn}, and loadBalancer.vcnId is ${ids.vcn}`],
    action: "correct loadBalancer.vcnId",
  },
  {
    what: "a subnet of another VCN than the cluster's",
    plant: (setup) => {
      data(setup, asked.cluster)["vcn-id"] = ids.otherVcn;
      setup.raw.loadBalancer = { compartmentId: ids.compartment, rules: "SL-All", subnetId: ids.subnet };
    },
    found: [
      `problem: oci: subnet: loadBalancer.subnetId is in ${ids.vcn}, and the cluster in ${ids.otherVcn}`,
      "skipped: oci: network security groups: loadBalancer names none",
      "skipped: oci: reserved IP: loadBalancer.reservedIp is not set: the program makes or has its own",
    ],
    action: "name one of that VCN",
  },
  {
    what: "a private subnet for a public load balancer",
    plant: (setup) => {
      data(setup, asked.subnet)["prohibit-public-ip-on-vnic"] = true;
    },
    found: ["problem: oci: subnet: loadBalancer.subnetId is private, and the load balancer public"],
    action: "name a public subnet",
  },
  {
    what: "a subnet of one availability domain",
    plant: (setup) => {
      data(setup, asked.subnet)["availability-domain"] = "Uocm:EU-FRANKFURT-1-AD-1";
    },
    found: ["problem: oci: subnet: loadBalancer.subnetId is in one availability domain"],
    action: "regional subnet",
  },
  {
    what: "a node NSG that is not there",
    plant: ({ systems }) => {
      systems.oci[asked.nsg] = notFound;
    },
    found: [
      `problem: oci: network security groups: loadBalancer.nodeNsgId ${ids.nsg} does not exist, or this identity may not see it`,
    ],
    action: "correct the OCID",
  },
  {
    what: "an additional NSG of another VCN",
    plant: (setup) => {
      data(setup, asked.extraNsg)["vcn-id"] = ids.otherVcn;
    },
    found: [
      `problem: oci: network security groups: loadBalancer.additionalNsgIds[0] is in ${ids.otherVcn}, and loadBalancer.vcnId in ${ids.vcn}`,
    ],
    action: "name one of that VCN",
  },
  {
    what: "OCI that fails at one thing",
    plant: ({ systems }) => {
      systems.oci[asked.nsg] = {
        stderr: 'ServiceError:\n{\n  "code": "TooManyRequests",\n  "message": "Slow down.",\n  "status": 429\n}\n',
      };
    },
    found: ["skipped: oci: network security groups: could not be asked: OCI answers 429 TooManyRequests: Slow down."],
    action: "",
  },
  {
    what: "a reserved IP that is not there",
    plant: ({ systems }) => {
      systems.oci[asked.ip] = notFound;
    },
    found: [
      `problem: oci: reserved IP: loadBalancer.reservedIp ${ids.ip} does not exist, or this identity may not see it`,
    ],
    action: "correct the OCID",
  },
  {
    what: "a reserved IP that something else has",
    plant: (setup) => {
      Object.assign(data(setup, asked.ip), {
        "lifecycle-state": "ASSIGNED",
        "assigned-entity-id": "ocid1.natgateway.oc1..aaaanat",
      });
    },
    found: [
      `problem: oci: reserved IP: loadBalancer.reservedIp ${ADDRESS} is ASSIGNED, in use by ocid1.natgateway.oc1..aaaanat`,
    ],
    action: "name an IP that is AVAILABLE",
  },
  {
    what: "an IP that is not reserved",
    plant: (setup) => {
      data(setup, asked.ip).lifetime = "EPHEMERAL";
    },
    found: [`problem: oci: reserved IP: loadBalancer.reservedIp ${ADDRESS} is EPHEMERAL`],
    action: "whose lifetime is RESERVED",
  },
  {
    what: "no load balancer left",
    plant: ({ systems }) => {
      systems.oci[asked.count] = limit(0);
    },
    found: ["problem: oci: load balancer quota: no flexible load balancer is left in the tenancy's limit"],
    action: "ask OCI for a higher limit",
  },
  {
    what: "less bandwidth left than is always there",
    plant: ({ systems }) => {
      systems.oci[asked.mbps] = limit(99);
    },
    found: ["problem: oci: load balancer quota: 99 Mbps of flexible load balancers are left in the tenancy's limit"],
    action: "lower loadBalancer.maxMbps (1000)",
  },
  {
    what: "less bandwidth left than it may grow to",
    plant: ({ systems }) => {
      systems.oci[asked.mbps] = limit(999);
    },
    found: ["warning: oci: load balancer quota: 999 Mbps of flexible load balancers are left in the tenancy's limit"],
    action: "lower loadBalancer.maxMbps (1000)",
  },
  {
    what: "limits that OCI does not tell",
    plant: ({ systems }) => {
      systems.oci[asked.count] = limit(null);
    },
    found: ["ok: oci: load balancer quota: unknown load balancer(s) and 5000 Mbps are left"],
    action: "",
  },
  // Cloudflare.
  {
    what: "a token that Cloudflare does not know",
    plant: ({ systems }) => {
      systems.cloudflare.status = undefined;
    },
    found: ["problem: cloudflare: token: Cloudflare answers 401: Invalid API Token (1000)"],
    action: "CLOUDFLARE_API_TOKEN",
  },
  {
    what: "a token that has ended",
    plant: ({ systems }) => {
      systems.cloudflare.status = "expired";
    },
    found: ["problem: cloudflare: token: the token is expired"],
    action: "CLOUDFLARE_API_TOKEN",
  },
  {
    what: "a token that may make none",
    plant: ({ systems }) => {
      systems.cloudflare.forbidden = /permission_groups/;
    },
    found: [
      "problem: cloudflare: API tokens: may not list permission groups: Cloudflare answers 403: Unauthorized to access requested resource (9109)",
    ],
    action: "User > API Tokens > Edit",
  },
  {
    what: "a permission group that is only an account's",
    plant: ({ systems }) => {
      systems.cloudflare.groups = [
        { id: "g1", name: "DNS Write", scopes: ["com.cloudflare.api.account"] },
        { id: "g2", name: "Zone Read", scopes: ["com.cloudflare.api.account.zone"] },
      ];
    },
    found: ['problem: cloudflare: API tokens: Cloudflare lists no permission group "DNS Write" for zones'],
    action: "User > API Tokens > Edit",
  },
  {
    what: "a zone that is not there",
    plant: ({ systems }) => {
      systems.cloudflare.zones = ["example.net"];
    },
    found: [
      "problem: cloudflare: zone: the token sees no zone example.com",
      "skipped: cloudflare: records: the zone cannot be seen",
      "skipped: cloudflare: CAA: the zone cannot be seen",
    ],
    action: "correct domain",
  },
  {
    what: "a zone that the world does not ask Cloudflare for",
    plant: ({ systems }) => {
      systems.cloudflare.zoneStatus = "pending";
    },
    found: ["problem: cloudflare: zone: the zone example.com is pending: the world does not ask Cloudflare for it"],
    action: "name servers",
  },
  {
    what: "a token that may not see zones",
    plant: ({ systems }) => {
      systems.cloudflare.forbidden = /^\/zones$/;
    },
    found: [
      "problem: cloudflare: zone: Cloudflare answers 403: Unauthorized to access requested resource (9109)",
      "skipped: cloudflare: records: the zone cannot be seen",
      "skipped: cloudflare: CAA: the zone cannot be seen",
    ],
    action: "Zone > Zone > Read",
  },
  {
    what: "a token that may not read records",
    plant: ({ systems }) => {
      systems.cloudflare.forbidden = /dns_records/;
    },
    found: ["records", "CAA"].map(
      (check) =>
        `problem: cloudflare: ${check}: may not read DNS records: Cloudflare answers 403: Unauthorized to access requested resource (9109)`,
    ),
    action: "Zone > DNS > Edit",
  },
  {
    what: "a CNAME in the wildcard's place",
    plant: ({ systems }) => {
      systems.cloudflare.records.push(record("CNAME", "*.cluster.example.com", "old.example.net"));
    },
    found: ["problem: cloudflare: records: *.cluster.example.com has a record already: CNAME old.example.net"],
    action: "delete it at Cloudflare",
  },
  {
    what: "an A record before there is a gateway",
    plant: ({ systems }) => {
      systems.cloudflare.records.push(record("A", "cluster.example.com", ADDRESS));
    },
    found: [`problem: cloudflare: records: cluster.example.com has a record already: A ${ADDRESS}`],
    action: "delete it at Cloudflare",
  },
  {
    what: "an A record beside somebody else's Istio",
    plant: ({ systems }) => {
      systems.kubernetes.releases.push(release("istio-system", "istiod"));
      systems.cloudflare.records.push(record("A", "cluster.example.com", ADDRESS));
    },
    found: [
      "problem: kubernetes: Helm releases: release istiod in istio-system (deployed) is not Pulumi's",
      `problem: cloudflare: records: cluster.example.com has a record already: A ${ADDRESS}`,
    ],
    action: "helm uninstall istiod",
  },
  {
    what: "an A record to another address beside this stack's",
    when: "running",
    plant: ({ systems }) => {
      systems.cloudflare.records.push(record("A", "cluster.example.com", "198.51.100.9"));
    },
    found: ["problem: cloudflare: records: cluster.example.com has a record already: A 198.51.100.9"],
    action: "delete it at Cloudflare",
  },
  {
    what: "an AAAA record beside this stack's",
    when: "running",
    plant: ({ systems }) => {
      systems.cloudflare.records.push(record("AAAA", "cluster.example.com", "2001:db8::1"));
    },
    found: ["problem: cloudflare: records: cluster.example.com has a record already: AAAA 2001:db8::1"],
    action: "delete it at Cloudflare",
  },
  {
    what: "an A record that a half-made platform may have",
    when: "running",
    plant: (setup) => {
      const { kubernetes, cloudflare } = setup.systems;
      kubernetes.services = kubernetes.services.filter(({ metadata }) => metadata.name !== "istio-ingressgateway");
      cloudflare.records = [record("A", "cluster.example.com", ADDRESS)];
      bundle(setup).reservedIp = undefined;
      setup.systems.oci[asked.count] = limit(3);
      setup.systems.oci[asked.mbps] = limit(1000);
    },
    found: [
      "skipped: oci: reserved IP: loadBalancer.reservedIp is not set: the program makes or has its own",
      "ok: oci: load balancer quota: 3 load balancer(s) and 1000 Mbps are left",
      `warning: cloudflare: records: cluster.example.com has a record already: A ${ADDRESS}, and whether it is this stack's is not known`,
    ],
    action: "",
  },
  {
    what: "CAA records of the zone that name another CA",
    plant: ({ systems }) => {
      systems.cloudflare.records.push(
        caa("example.com", "issue", "digicert.com"),
        caa("example.com", "iodef", "mailto:a@example.com"),
      );
    },
    found: sameNames.map(
      (host) =>
        `problem: cloudflare: CAA: the CAA records of example.com do not let Let's Encrypt issue ${host} by DNS: issue "digicert.com"`,
    ),
    action: 'example.com CAA 0 issue "letsencrypt.org"',
  },
  {
    what: "CAA records that forbid the wildcard alone",
    plant: ({ systems }) => {
      systems.cloudflare.records.push(
        caa("example.com", "issue", "letsencrypt.org"),
        caa("example.com", "issuewild", ";"),
      );
    },
    found: [
      'problem: cloudflare: CAA: the CAA records of example.com do not let Let\'s Encrypt issue *.cluster.example.com by DNS: issuewild ";"',
    ],
    action: 'example.com CAA 0 issuewild "letsencrypt.org"',
  },
  {
    what: "CAA records closer by, which decide",
    plant: ({ systems }) => {
      systems.cloudflare.records.push(
        caa("example.com", "issue", "letsencrypt.org"),
        caa("cluster.example.com", "issue", "sectigo.com"),
        caa("cluster.example.com", "issuewild", "letsencrypt.org"),
      );
    },
    found: [
      'problem: cloudflare: CAA: the CAA records of cluster.example.com do not let Let\'s Encrypt issue cluster.example.com by DNS: issue "sectigo.com"',
    ],
    action: 'cluster.example.com CAA 0 issue "letsencrypt.org"',
  },
  {
    what: "CAA records that allow another validation only",
    plant: ({ systems }) => {
      systems.cloudflare.records.push(
        caa("example.com", "issue", "letsencrypt.org; validationmethods=http-01,tls-alpn-01"),
      );
    },
    found: sameNames.map(
      (host) =>
        `problem: cloudflare: CAA: the CAA records of example.com do not let Let's Encrypt issue ${host} by DNS: issue "letsencrypt.org; validationmethods=http-01,tls-alpn-01"`,
    ),
    action: 'example.com CAA 0 issue "letsencrypt.org"',
  },
  {
    what: "CAA records that allow it",
    plant: ({ systems }) => {
      systems.cloudflare.records.push(
        caa("example.com", "issue", "digicert.com"),
        caa("example.com", "issue", "letsencrypt.org; validationmethods=dns-01"),
        // Of another name, and below.
        caa("www.example.com", "issue", ";"),
        caa("vault.cluster.example.com", "issue", ";"),
      );
    },
    found: ["ok: cloudflare: CAA: those of example.com allow letsencrypt.org"],
    action: "",
  },
  // Vault.
  {
    what: "a Vault that is sealed",
    plant: ({ systems }) => {
      systems.vault.sealed = true;
    },
    found: [
      "problem: vault: reachable: Vault is sealed",
      ...["token", "KV mount"].map((check) => `skipped: vault: ${check}: Vault does not answer, or is not ready`),
    ],
    action: "vault operator unseal",
  },
  {
    what: "a Vault that is not initialised",
    plant: ({ systems }) => {
      systems.vault.initialized = false;
    },
    found: [
      "problem: vault: reachable: Vault is not initialised",
      ...["token", "KV mount"].map((check) => `skipped: vault: ${check}: Vault does not answer, or is not ready`),
    ],
    action: "vault operator init",
  },
  {
    what: "a token that Vault does not know",
    plant: ({ env }) => {
      env.VAULT_TOKEN = "another";
    },
    found: [
      "problem: vault: token: Vault does not take the token: 403 permission denied",
      "problem: vault: KV mount: vault.mount secret does not exist, or the token may not see it: 403 permission denied",
    ],
    action: "VAULT_TOKEN",
  },
  {
    what: "a Vault token that may only read the path",
    plant: ({ systems }) => {
      systems.vault.capabilities["secret/data/prod/cert-manager"] = ["read"];
    },
    found: [
      "problem: vault: token: the token has no create, update on secret/data/prod/cert-manager, needed to write the Cloudflare token",
    ],
    action: "policy",
  },
  {
    what: "a Vault token that may make no child",
    plant: ({ systems }) => {
      systems.vault.capabilities["auth/token/create"] = ["deny"];
    },
    found: [
      "problem: vault: token: the token has no update on auth/token/create, needed for the short-lived token of Pulumi's provider",
    ],
    action: "policy",
  },
  {
    what: "a Vault token that may not delete the secret",
    plant: ({ systems }) => {
      systems.vault.capabilities["secret/metadata/prod/cert-manager"] = ["deny"];
    },
    found: [
      "warning: vault: token: the token has no delete on secret/metadata/prod/cert-manager, needed to delete the secret on destroy",
    ],
    action: "policy",
  },
  {
    what: "a mount of KV version 1",
    plant: ({ systems }) => {
      systems.vault.mounts = { secret: { type: "kv", options: null } };
    },
    found: ["problem: vault: KV mount: vault.mount secret is KV version 1; allowed: KV version 2"],
    action: "vault kv enable-versioning secret",
  },
  {
    what: "a mount of something else",
    plant: ({ systems }) => {
      systems.vault.mounts = { secret: { type: "transit", options: null } };
    },
    found: ["problem: vault: KV mount: vault.mount secret is of type transit; allowed: KV version 2"],
    action: "name another mount",
  },
  {
    what: "a mount that is not there",
    plant: ({ systems }) => {
      systems.vault.mounts = {};
    },
    found: [
      'problem: vault: KV mount: vault.mount secret does not exist, or the token may not see it: 403 preflight capability check returned 403, please ensure client\'s policies grant access to path "secret/"',
    ],
    action: "vault secrets enable -path=secret -version=2 kv",
  },
  // Certificates.
  {
    what: "two certificates for the same names in the week",
    plant: ({ systems }) => {
      systems.logs = issued(2);
    },
    found: [budget("ok", 2)],
    action: "",
  },
  {
    what: "three certificates for the same names in the week",
    plant: ({ systems }) => {
      systems.logs = issued(3);
    },
    found: [budget("warning", 3)],
    action: "acme.server staging",
  },
  {
    what: "five certificates for the same names in the week",
    plant: ({ systems }) => {
      systems.logs = issued(5);
    },
    found: [budget("problem", 5)],
    action: "acme.server staging",
  },
  {
    what: "fifty certificates below the domain in the week",
    plant: ({ systems }) => {
      systems.logs = issued(50, ["shop.cluster.example.com"]);
    },
    found: [
      "problem: certificates: Let's Encrypt's limits: 50 certificates below cluster.example.com in seven days; a registered domain gets 50",
    ],
    action: "202 minutes",
  },
  {
    what: "a log search that is overloaded",
    plant: ({ systems }) => {
      systems.logs = "overloaded";
    },
    found: [
      "skipped: certificates: Let's Encrypt's limits: could not be asked: the log search answers 502, and no list",
    ],
    action: "",
  },
  {
    what: "another ACME server, to which limits and CAA do not apply",
    plant: ({ raw, systems }) => {
      raw.acme = { email: "platform@example.com", server: "https://acme.example.org/directory" };
      systems.logs = issued(5);
      systems.cloudflare.records.push(caa("example.com", "issue", "digicert.com"));
    },
    found: [
      "skipped: cloudflare: CAA: the ACME server is not Let's Encrypt",
      "skipped: certificates: Let's Encrypt's limits: acme.server is not production",
    ],
    action: "",
  },
];

describe("a planted fault", () => {
  it.each(faults)("$what is found, and nothing else changes", async ({ when, plant, found, action }) => {
    const setup = setupOf(when === "running" ? running() : fresh());
    plant(setup);
    const findings = await examine(setup);
    const healthy = when === "running" ? healthyRunning : healthyFresh;
    expect(changed(findings, healthy)).toEqual(found);
    // Nothing is left out either: each check that is well says so.
    const checks = (all: readonly string[]) => [...new Set(all.map((line) => line.split(": ").slice(1, 3).join(": ")))];
    expect(checks(lines(findings))).toEqual(checks(healthy));
    const told = findings.find((finding) => lines([finding])[0] === found[0]);
    expect(told?.action ?? "").toContain(action);
    for (const { level, action = "" } of findings) if (level === "problem") expect(action).not.toBe("");
  });
});

describe("a system that is down", () => {
  it("never stops the others", async () => {
    const setup = setupOf(fresh());
    setup.systems.silent = new Set(["kubernetes", "cloudflare", "vault"]);
    const findings = await examine(setup);
    const of = (check: string) => lines(findings.filter((finding) => finding.check === check));
    expect(of("kubernetes: reachable")).toEqual(["problem: kubernetes: reachable: no answer in time"]);
    expect(of("cloudflare: zone")).toEqual(["skipped: cloudflare: zone: could not be asked: no answer in time"]);
    expect(of("vault: reachable")).toEqual([`problem: vault: reachable: ${servers.vaultUrl}: no answer in time`]);
    const others = healthyFresh.filter((line) => / (configuration|oci|certificates)/.test(line));
    expect(lines(findings)).toEqual(expect.arrayContaining(others));
  }, 30_000);

  it("is told in its own words when nothing listens there", async () => {
    const setup = setupOf(fresh());
    // A port that was free a moment ago.
    const { url, close } = await tlsBefore("http://127.0.0.1:1");
    await close();
    const address = url.replace("https", "http");
    setup.raw.vault = { address };
    setup.kubeConfig = async () => {
      throw new Error('the kubeconfig has no context "test"; it has none');
    };
    const [kubernetes, ...rest] = changed(await examine(setup), healthyFresh);
    expect(kubernetes).toBe('problem: kubernetes: reachable: the kubeconfig has no context "test"; it has none');
    expect(rest.find((line) => line.includes("vault: reachable"))).toMatch(
      new RegExp(`^problem: vault: reachable: ${address}: .*ECONNREFUSED`),
    );
  });

  it("leaves open what only it could tell", async () => {
    const setup = setupOf(running());
    setup.kubeConfig = async () => {
      throw new Error("no kubeconfig");
    };
    const told = changed(await examine(setup), healthyRunning).filter((line) => !line.includes("kubernetes"));
    expect(told).toEqual([
      `warning: oci: reserved IP: loadBalancer.reservedIp ${ADDRESS} is ASSIGNED, in use by ocid1.privateip.oc1.eu-frankfurt-1.aaaabalancer; whether that is the gateway's load balancer is not known`,
      "problem: oci: load balancer quota: no flexible load balancer is left in the tenancy's limit",
      "problem: oci: load balancer quota: 0 Mbps of flexible load balancers are left in the tenancy's limit",
      ...sameNames.map(
        (host) =>
          `warning: cloudflare: records: ${host} has a record already: A ${ADDRESS}, and whether it is this stack's is not known`,
      ),
    ]);
  });
});

describe("certificateBudget", () => {
  const count = (entries: Systems["logs"], hosts?: string[]) => {
    servers.systems = { ...fresh(), logs: entries };
    return certificateBudget("cluster.example.com", TODAY, hosts, servers.logUrl);
  };

  it("counts a certificate once, whatever the order of its names", async () => {
    const entries = [
      ...logged("0a", "2026-11-20T10:00:00.123", sameNames),
      ...logged("0b", "2026-11-21T10:00:00.123", [...sameNames].reverse()),
    ];
    expect(await count(entries)).toEqual({ sameNames: 2, any: 2 });
  });

  it("counts the last seven days, to the second, in UTC", async () => {
    const { TZ } = process.env;
    process.env.TZ = "America/New_York";
    expect(new Date().getTimezoneOffset()).not.toBe(0);
    const entries = [
      ...logged("0a", "2026-11-16T19:59:59", sameNames),
      ...logged("0b", "2026-11-16T20:00:01", sameNames),
      ...logged("0c", "2026-11-23T19:59:59", sameNames),
    ];
    try {
      expect(await count(entries)).toEqual({ sameNames: 2, any: 2 });
    } finally {
      if (TZ === undefined) delete process.env.TZ;
      else process.env.TZ = TZ;
    }
  });

  it("leaves out other issuers, and names that only end alike", async () => {
    const entries = [
      ...logged("0a", "2026-11-20T10:00:00", sameNames, "C=US, O=DigiCert Inc, CN=DigiCert G2"),
      ...logged("0b", "2026-11-20T10:00:00", ["mycluster.example.com"]),
    ];
    expect(await count(entries)).toEqual({ sameNames: 0, any: 0 });
  });

  it("tells other name sets apart", async () => {
    const entries = [
      ...logged("0a", "2026-11-20T10:00:00", ["cluster.example.com"]),
      ...logged("0b", "2026-11-20T10:00:00", [...sameNames, "a.b.cluster.example.com"]),
      ...logged("0c", "2026-11-20T10:00:00", sameNames),
    ];
    expect(await count(entries)).toEqual({ sameNames: 1, any: 3 });
    expect(await count(entries, ["cluster.example.com"])).toEqual({ sameNames: 1, any: 3 });
  });

  it("fails when the search does not answer with a list", async () => {
    await expect(count("overloaded")).rejects.toThrow("the log search answers 502, and no list");
  });
});

describe("the table", () => {
  it("shows what to do below what it is about, and counts", () => {
    const text = findingsText([
      { check: "a", level: "ok", reason: "fine" },
      { check: "longer", level: "problem", reason: "first\nsecond", action: "do this" },
      { check: "b", level: "skipped", reason: "not set" },
    ]);
    expect(text).toBe(
      [
        "ok       a       fine",
        "PROBLEM  longer  first",
        "                 second",
        "                 → do this",
        "skipped  b       not set",
        "",
        "1 problem(s), 0 warning(s), 1 ok, 1 skipped",
      ].join("\n"),
    );
  });
});

// Each run is a process, which takes its time on a machine with other work.
describe("the command", { timeout: 60_000 }, () => {
  /** Runs it; the servers of this process do not answer meanwhile. */
  const run = (directory: string, ...args: string[]) =>
    spawnSync(process.execPath, [join(directory, "tools/doctor.ts"), ...args], {
      encoding: "utf8",
      env: { PATH: "/usr/bin:/bin", HOME: directory },
    });

  it("ends with 1 and the mistakes of the configuration, and asks nobody", () => {
    const { status, stdout, stderr } = run(projectDirectory, "--stack", "prod", "--json");
    const findings = JSON.parse(stdout) as Finding[];
    expect({ status, stderr }).toEqual({ status: 1, stderr: "" });
    expect(findings[0]?.reason).toContain("oke-platform:domain still holds the placeholder <zone>");
    expect(findings.slice(1).map(({ level, reason }) => `${level}: ${reason}`)).toEqual(
      findings.slice(1).map(() => "skipped: the configuration has mistakes"),
    );
    expect(findings.length).toBeGreaterThan(5);
  });

  it("names a stack that is not there", () => {
    const { status, stdout } = run(projectDirectory, "--stack", "nowhere");
    expect(status).toBe(1);
    expect(stdout).toMatch(/^PROBLEM {2}configuration .*Pulumi\.nowhere\.yaml is not in /);
  });

  it("says how it is used when it is used otherwise", () => {
    const { status, stdout, stderr } = run(projectDirectory, "--stak", "prod");
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain("--stak");
    expect(stderr).toContain("usage: npm run doctor --");
    expect(run(projectDirectory, "--help")).toMatchObject({ status: 0, stderr: "" });
  });

  it("ends with 0 when there is no problem, and 1 when the cluster is one", async () => {
    const copy = join(directory, "project");
    await copyProject(copy);
    await symlink(join(projectDirectory, "node_modules"), join(copy, "node_modules"));
    // The child is not to wait for this process, so the cluster is a process of its own.
    const kubeconfig = join(directory, "kubeconfig");
    const program = `
      import { startServers } from ${JSON.stringify(join(projectDirectory, "tests/doctor-servers.ts"))};
      const servers = await startServers();
      process.stdout.write(servers.kubeConfig.exportConfig() + "\\n");`;
    const cluster = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const exported = await new Promise<string>((resolve) =>
        cluster.stdout.once("data", (part) => resolve(String(part))),
      );
      await writeFile(kubeconfig, exported);
      const settings = {
        domain: "example.com",
        cluster: { context: "test", kubeconfig },
        acme: { server: "ca" },
        cloudflare: { token: "none" },
      };
      const config = Object.fromEntries(Object.entries(settings).map(([key, value]) => [`oke-platform:${key}`, value]));
      await writeFile(join(copy, "Pulumi.kind.yaml"), JSON.stringify({ config }));
      const healthy = run(copy, "--stack", "kind");
      expect(healthy.stderr).toBe("");
      expect(healthy.stdout).toContain("0 problem(s), 0 warning(s)");
      expect(healthy.status).toBe(0);
      const gone = { ...settings, cluster: { context: "gone", kubeconfig } };
      await writeFile(
        join(copy, "Pulumi.kind.yaml"),
        JSON.stringify({
          config: Object.fromEntries(Object.entries(gone).map(([key, value]) => [`oke-platform:${key}`, value])),
        }),
      );
      const broken = run(copy, "--stack", "kind");
      expect(broken.stdout).toContain('the kubeconfig has no context "gone"; it has test');
      expect(broken.status).toBe(1);
    } finally {
      cluster.kill();
    }
  });
});
