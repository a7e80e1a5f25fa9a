import { afterEach, describe, expect, it } from "vitest";
import { doctor } from "../../../tools/doctor/doctor.ts";
import { closeAll } from "../../loopback.ts";
import { settingsFrom } from "../settings.ts";
import { startLogs } from "./certificate-logs.ts";
import { type CloudflareState, freshZone, record, runningZone, startCloudflare } from "./cloudflare-stand-in.ts";
import {
  byHelm,
  byPulumi,
  type ClusterState,
  freshCluster,
  keptSecrets,
  kubeConfigFor,
  namespace,
  release,
  runningCluster,
  service,
  startCluster,
} from "./cluster-stand-in.ts";
import { keptDefinitions } from "./definitions.ts";
import { AMPLE, type Raw, tokens, wholeStack } from "./examination.ts";
import { ADDRESS, asked, freshOci, ids, type OciAnswers, recorded, runningOci } from "./oci-stand-in.ts";
import { healthyVault, startVault } from "./vault-stand-in.ts";

// What the doctor says in each state of a stack, all systems together: no advice may break the next step.

afterEach(closeAll);

/** The systems of one state. */
interface State {
  readonly raw?: Raw;
  readonly cluster: ClusterState;
  readonly zone: CloudflareState;
  readonly oci: OciAnswers;
}

/** What is a problem or a warning, and what to do about it. */
async function troublesIn({ raw = {}, cluster, zone, oci }: State): Promise<string[]> {
  const server = await startCluster(cluster);
  const vault = { address: await startVault(healthyVault()) };
  const charts = { istio: { version: "1.29.8" }, certManager: { version: "v1.20.3" } };
  const findings = await doctor({
    stack: "live",
    settings: settingsFrom({ ...wholeStack(), charts, ...raw, vault: { ...vault, ...(raw.vault as Raw | undefined) } }),
    kubeConfig: async () => kubeConfigFor(server),
    env: { CLOUDFLARE_API_TOKEN: tokens.cloudflare, VAULT_TOKEN: tokens.vault, OCI_CLI_TENANCY: ids.tenancy },
    // Before the charts' ends of support.
    today: new Date("2026-05-23T20:00:00Z"),
    oci: recorded(oci),
    cloudflareUrl: await startCloudflare(zone),
    logUrl: await startLogs([]),
    limits: AMPLE,
  });
  return findings
    .filter(({ level }) => level === "problem" || level === "warning")
    .map(({ check, level, reason, action }) => `${level}: ${check}: ${reason} → ${action}`);
}

/** Beside the two shipped services, one of a namespace that the program makes. */
const services = [
  { name: "vault", namespace: "vault", port: 8200 },
  { name: "argocd", namespace: "argocd", service: "argocd-server", port: 80 },
  { name: "kiali", namespace: "istio-system", port: 20001 },
];
const kiali = service("istio-system", "kiali", 20001);
const installed = (vault: Raw = {}) => ({ vault: { install: true, ...vault }, size: "small" });
const ownVault = release("vault", "vault", { managedFields: byPulumi });

/** Before anything of the platform is there. */
const before = (): State => ({ cluster: freshCluster(), zone: freshZone(), oci: freshOci() });
/** After the last up. */
const running = (): State => ({ cluster: runningCluster(), zone: runningZone(), oci: runningOci() });

/** A cluster that has no Vault yet, or its namespace. */
function vaultless(): ClusterState {
  const cluster = freshCluster();
  cluster.namespaces = cluster.namespaces.filter(({ name }) => name !== "vault");
  cluster.services = cluster.services.filter(({ metadata }) => metadata.namespace !== "vault");
  cluster.releases = cluster.releases.filter((record) => record.namespace !== "vault");
  return cluster;
}

/** A first up that has failed while the gateway waited for its load balancer. */
function failed(): State {
  const cluster = freshCluster();
  cluster.namespaces.push(
    namespace("cert-manager", byPulumi),
    namespace("istio-system", []),
    namespace("external-secrets", []),
  );
  cluster.releases.push(
    release("istio-system", "istiod", { managedFields: byPulumi }),
    release("istio-system", "istio-ingressgateway", { managedFields: byPulumi, status: "failed" }),
  );
  cluster.definitions = keptDefinitions();
  cluster.services.push(service("istio-system", "istio-ingressgateway", 80, 443));
  const oci = { ...runningOci() };
  return { cluster, zone: runningZone(), oci };
}

/** A destroy that is over. */
function destroyed(): State {
  const cluster = freshCluster();
  cluster.namespaces.push(namespace("cert-manager", byHelm));
  cluster.definitions = keptDefinitions();
  cluster.secrets = keptSecrets();
  return { ...before(), cluster };
}

const withCluster = (state: State, change: (cluster: ClusterState) => void): State => {
  change(state.cluster);
  return state;
};

const perhapsOurs = (host: string) =>
  `warning: cloudflare: records: ${host} has a record already: A ${ADDRESS}, and whether it is this stack's is not known → where pulumi preview does not refuse it, it is: leave it; else delete it at Cloudflare, or take it over: npm run repair has the command for an A record`;
const inUse = `oci: reserved IP: loadBalancer.reservedIp ${ADDRESS} is ASSIGNED, in use by ocid1.privateip.oc1.eu-frankfurt-1.aaaabalancer`;
const noKiali =
  "problem: kubernetes: services: services entry kiali: Service kiali does not exist in istio-system; its host would answer 503 → deploy it first, or correct service and namespace";

interface Case {
  readonly state: string;
  readonly as: () => State;
  readonly said: readonly string[];
}

const cases: readonly Case[] = [
  { state: "before the first up", as: before, said: [] },
  {
    state: "before the first up, with a service in a namespace that it makes",
    as: () => ({ ...before(), raw: { services } }),
    said: [
      "warning: kubernetes: services: services entry kiali: Service kiali cannot be there yet: this up makes the namespace istio-system → deploy it after the up, unless a chart of the platform has it; until then its host answers 503",
    ],
  },
  {
    state: "before the first up, with services in namespaces that come at any time in it, or before",
    as: () => ({
      ...before(),
      raw: {
        services: [
          { name: "secrets", namespace: "external-secrets", port: 80 },
          { name: "certificates", namespace: "cert-manager", port: 80 },
        ],
      },
    }),
    said: [
      "problem: kubernetes: services: services entry secrets: this up makes the namespace external-secrets, and perhaps not before the route → add the entry after the up",
      "problem: kubernetes: services: namespace cert-manager does not exist, and services names it → kubectl create namespace cert-manager, or remove the entry",
    ],
  },
  {
    state: "before the first up, with a Vault to install, and one more route to it",
    as: () => ({
      ...before(),
      cluster: vaultless(),
      raw: {
        ...installed(),
        services: [
          { name: "vault", namespace: "vault", port: 8200 },
          { name: "ui", namespace: "vault", service: "vault-ui", port: 8200 },
        ],
      },
    }),
    said: [
      "warning: configuration: advice: vault.initialized is false: phase 1 of 2, Vault is installed and what needs it waits (on a running stack this takes certificate and Gateway down); after this up: npm run vault:init -- --stack <stack> --keys-file <file> → change it, or leave it so knowingly",
      "warning: kubernetes: services: services entry ui: Service vault-ui cannot be there yet: this up makes the namespace vault → deploy it after the up, unless a chart of the platform has it; until then its host answers 503",
    ],
  },
  {
    state: "after a first up that has failed",
    as: failed,
    said: [
      `warning: ${inUse}; whether that is the gateway's load balancer is not known → kubectl -n istio-system describe service istio-ingressgateway; its UID is the load balancer's name`,
      perhapsOurs("*.cluster.example.com"),
      perhapsOurs("cluster.example.com"),
    ],
  },
  {
    state: "after a run that was killed",
    as: () =>
      withCluster(running(), (cluster) =>
        cluster.releases.push(
          release("istio-system", "istiod", { revision: 2, managedFields: byPulumi, status: "pending-upgrade" }),
        ),
      ),
    said: [
      "problem: kubernetes: Helm releases: release istiod in istio-system is pending-upgrade: a run was cut off, and Helm refuses another → npm run repair -- --stack <stack>, unless somebody is still at work",
    ],
  },
  {
    state: "in the second phase of two",
    as: () => ({
      ...withCluster(running(), (cluster) => {
        cluster.releases = [...cluster.releases.filter((record) => record.namespace !== "vault"), ownVault];
      }),
      raw: installed({ initialized: true }),
    }),
    said: [],
  },
  {
    state: "with a stranger's Vault in the place of the one to install",
    as: () => ({ ...running(), raw: installed({ initialized: true }) }),
    said: [
      "problem: kubernetes: Helm releases: release vault in vault (deployed) is not Pulumi's → remove it: helm uninstall vault --namespace vault; the program installs its own; or set vault.install to false, and the rest of vault to its own",
    ],
  },
  { state: "while the platform runs", as: running, said: [] },
  {
    state: "while the platform runs, with a service in its own namespace",
    as: () => ({ ...withCluster(running(), (cluster) => cluster.services.push(kiali)), raw: { services } }),
    said: [],
  },
  {
    state: "while the platform runs, with one that is not deployed in its own namespace",
    as: () => ({ ...running(), raw: { services } }),
    said: [noKiali],
  },
  {
    state: "while the platform runs, its namespaces labelled by somebody",
    as: () =>
      withCluster(running(), (cluster) => {
        const byHand = [{ manager: "kubectl", operation: "Apply" }];
        cluster.namespaces = cluster.namespaces.map((metadata) => ({ ...metadata, managedFields: byHand }));
      }),
    said: [],
  },
  {
    state: "while the platform runs, a record changed by somebody",
    as: () => {
      const zone = freshZone();
      zone.records.push(record("A", "cluster.example.com", "198.51.100.9"));
      return { ...running(), zone };
    },
    said: [
      `problem: cloudflare: records: cluster.example.com has a record already: A 198.51.100.9, and the gateway is at ${ADDRESS} → pulumi up --refresh puts this stack's own right; one that it leaves is somebody else's: delete that at Cloudflare`,
    ],
  },
  {
    state: "while the platform runs, with another reserved IP in its settings",
    as: () =>
      withCluster(running(), (cluster) => {
        for (const { metadata, status } of cluster.services)
          if (metadata.name === "istio-ingressgateway") status.loadBalancer.ingress = [{ ip: "203.0.113.99" }];
      }),
    said: [
      `problem: ${inUse} → set it to the IP of the gateway, which is at 203.0.113.99 and cannot change`,
      ...["*.cluster.example.com", "cluster.example.com"].map(
        (host) =>
          `problem: cloudflare: records: ${host} has a record already: A ${ADDRESS}, and the gateway is at 203.0.113.99 → pulumi up --refresh puts this stack's own right; one that it leaves is somebody else's: delete that at Cloudflare`,
      ),
    ],
  },
  { state: "after a destroy", as: destroyed, said: [] },
  {
    state: "after a destroy, a service still deployed in no namespace of its own",
    as: () => ({ ...destroyed(), raw: { services } }),
    said: [
      "warning: kubernetes: services: services entry kiali: Service kiali cannot be there yet: this up makes the namespace istio-system → deploy it after the up, unless a chart of the platform has it; until then its host answers 503",
    ],
  },
  {
    state: "while a destroy goes on, or was cut off",
    as: () =>
      withCluster(destroyed(), (cluster) => {
        cluster.namespaces.push({ ...namespace("istio-system", []), deletionTimestamp: "2026-05-23T19:59:00Z" });
        cluster.releases.push(
          release("istio-system", "istio-base", { managedFields: byPulumi, status: "uninstalling" }),
        );
      }),
    said: [
      "problem: kubernetes: Helm releases: release istio-base in istio-system is uninstalling: a destroy was cut off, and Helm refuses to install it → pulumi destroy once more; it goes on with it",
      "problem: kubernetes: namespaces: namespace istio-system is being deleted, and takes nothing new → wait until it is gone; what it waits for: kubectl get namespace istio-system -o jsonpath='{.status.conditions}'",
    ],
  },
  {
    state: "with External Secrets to go to a namespace of everybody's",
    as: () => ({ ...before(), raw: { externalSecrets: { namespace: "kube-system" } } }),
    said: [
      "problem: kubernetes: namespaces: namespace kube-system exists, and Pulumi did not make it → the program makes it itself: name another with externalSecrets.namespace",
    ],
  },
];

describe("the doctor", () => {
  it.each(cases)("says what helps $state", async ({ as, said }) => {
    expect(await troublesIn(as())).toEqual(said);
  });

  it("has no quota to look at where a load balancer may be counted already", async () => {
    const { cluster } = failed();
    const none = { ...runningOci(), [asked.ip]: freshOci()[asked.ip] ?? {} };
    const said = await troublesIn({ cluster, zone: freshZone(), oci: none });
    expect(said).toEqual([]);
  });
});
