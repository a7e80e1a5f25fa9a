import { afterEach, describe, expect, it } from "vitest";
import { examineCluster } from "../../../tools/doctor/cluster.ts";
import { closeAll, closedPort, silentPort } from "../../loopback.ts";
import {
  byHelm,
  type ClusterState,
  freshCluster,
  keptSecrets,
  kubeConfigFor,
  namespace,
  runningCluster,
  service,
  startCluster,
} from "./cluster-stand-in.ts";
import { keptDefinitions } from "./definitions.ts";
import { each, examination, nothing, type Raw, running, told, wholeStack } from "./examination.ts";

afterEach(closeAll);

/** Charts whose support has been settled: Kubernetes 1.31 to 1.35, and 1.32 to 1.35. */
const charts = { istio: { version: "1.29.8" }, certManager: { version: "v1.20.3" } };
const stack = () => ({ ...wholeStack(), charts });

/** Examines a cluster, which is asked for no Secret's content and no CRD's schema. */
async function examine(state: ClusterState, raw: Raw = stack()) {
  const kubeConfig = kubeConfigFor(await startCluster(state));
  const { outcomes, installed } = await examineCluster(examination(raw), async () => kubeConfig);
  expect(state.wholeLists).toBe(0);
  return { told: told(outcomes), installed };
}

const healthy = {
  "kubernetes: reachable": "ok: Kubernetes v1.34.4",
  "kubernetes: version": "ok: Istio 1.29.8 and cert-manager v1.20.3 support v1.34.4",
  "kubernetes: Helm releases": "ok: no release of others in the way",
  "kubernetes: custom resource definitions": "ok: none of others in the way",
  "kubernetes: cert-manager": "ok: no Deployment cert-manager that belongs to no Helm release",
  "kubernetes: ArgoCD": "ok: no Application that installs the same",
  "kubernetes: namespaces": "ok: istio-system and external-secrets are free, or Pulumi's",
  "kubernetes: pod security": "ok: cert-manager restricted, istio-system baseline, external-secrets restricted",
  "kubernetes: services": "ok: 2 service(s) are there, with their ports",
};

describe("a healthy cluster", () => {
  it("has no problem before the first up", async () => {
    expect(await examine(freshCluster())).toEqual({ told: healthy, installed: nothing });
  });

  it("has no problem when the platform runs, and tells the gateway's address", async () => {
    expect(await examine(runningCluster())).toEqual({ told: healthy, installed: running });
  });

  it("has no problem after a destroy, which keeps a namespace and definitions", async () => {
    const cluster = freshCluster();
    cluster.namespaces.push(namespace("cert-manager", byHelm));
    cluster.definitions = keptDefinitions();
    cluster.secrets = keptSecrets();
    // The key is there, and whose account it opens is not said.
    const installed = { any: false, account: undefined, hasCertificate: true };
    expect(await examine(cluster)).toEqual({ told: healthy, installed });
  });

  it("is not asked for a namespace of External Secrets where another installation is used", async () => {
    const cluster = freshCluster();
    cluster.namespaces.push(namespace("external-secrets"));
    cluster.definitions = keptDefinitions();
    const raw = { ...stack(), externalSecrets: { install: false } };
    expect((await examine(cluster, raw)).told).toEqual({
      ...healthy,
      "kubernetes: namespaces": "ok: istio-system is free, or Pulumi's",
      "kubernetes: pod security": "ok: cert-manager restricted, istio-system baseline",
    });
  });

  it("is not asked for a Vault that the program is yet to install", async () => {
    const cluster = freshCluster();
    cluster.namespaces = cluster.namespaces.filter(({ name }) => name !== "vault");
    cluster.services = cluster.services.filter(({ metadata }) => metadata.name !== "vault");
    cluster.releases = [];
    expect((await examine(cluster, { ...stack(), vault: { install: true } })).told).toEqual({
      ...healthy,
      "kubernetes: pod security": `${healthy["kubernetes: pod security"]}, vault restricted`,
    });
  });
});

interface Fault {
  readonly what: string;
  readonly plant: (cluster: ClusterState, raw: Raw) => void;
  /** What is then told otherwise. */
  readonly found: Record<string, string | string[]>;
}

const faults: Fault[] = [
  {
    what: "a Kubernetes that is too new, by a maker who marks his minors",
    plant: (cluster) => {
      cluster.version = { major: "1", minor: "36+", gitVersion: "v1.36.2-oke" };
    },
    found: {
      "kubernetes: reachable": "ok: Kubernetes v1.36.2-oke",
      "kubernetes: version": [
        "problem: the cluster runs v1.36.2-oke, and Istio 1.29.8 supports 1.31 to 1.35 → choose a newer Istio in charts",
        "problem: the cluster runs v1.36.2-oke, and cert-manager v1.20.3 supports 1.32 to 1.35 → choose a newer cert-manager in charts",
      ],
    },
  },
  {
    what: "a Kubernetes that the next upgrade takes out of what the charts support",
    plant: (cluster) => {
      cluster.version = { major: "1", minor: "35", gitVersion: "v1.35.2" };
    },
    found: {
      "kubernetes: reachable": "ok: Kubernetes v1.35.2",
      "kubernetes: version": [
        "warning: the cluster runs v1.35.2, the last that Istio 1.29.8 supports (1.31 to 1.35) → choose a newer Istio in charts before the cluster goes to 1.36",
        "warning: the cluster runs v1.35.2, the last that cert-manager v1.20.3 supports (1.32 to 1.35) → choose a newer cert-manager in charts before the cluster goes to 1.36",
      ],
    },
  },
  {
    what: "a Kubernetes that is too old",
    plant: (cluster) => {
      cluster.version = { major: "1", minor: "29", gitVersion: "v1.29.9" };
    },
    found: {
      "kubernetes: reachable": "ok: Kubernetes v1.29.9",
      "kubernetes: version": [
        "problem: the cluster runs v1.29.9, and Istio 1.29.8 supports 1.31 to 1.35 → upgrade the cluster, or choose an older Istio",
        "problem: the cluster runs v1.29.9, and cert-manager v1.20.3 supports 1.32 to 1.35 → upgrade the cluster, or choose an older cert-manager",
      ],
    },
  },
  {
    what: "rights that are too few",
    plant: (cluster) => {
      cluster.forbidden = /customresourcedefinitions/;
    },
    found: {
      "kubernetes: custom resource definitions":
        'skipped: could not be asked: the API server answers 403: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions" is forbidden: User "doctor" cannot list it',
    },
  },
  {
    what: "rights that are too few for Helm's Secrets",
    plant: (cluster) => {
      cluster.forbidden = /v1\/secrets$/;
    },
    found: each(
      ["kubernetes: Helm releases", "kubernetes: cert-manager"],
      'skipped: could not be asked: the API server answers 403: "/api/v1/secrets" is forbidden: User "doctor" cannot list it',
    ),
  },
  {
    what: "OKE's add-on",
    plant: (cluster) => {
      cluster.deployments.push("cert-manager/cert-manager");
    },
    found: {
      "kubernetes: cert-manager":
        "problem: Deployment cert-manager in namespace cert-manager belongs to no Helm release → remove that installation: " +
        "oci ce cluster disable-addon --cluster-id <OCID> --addon-name CertManager --is-remove-existing-add-on true, if it is OKE's add-on, or whatever else applied it; or npm run adopt -- --stack <stack>, which takes over what ArgoCD applied",
    },
  },
  {
    what: "a namespace that somebody made",
    plant: (cluster) => {
      cluster.namespaces.push(namespace("external-secrets"));
    },
    found: {
      "kubernetes: namespaces":
        "problem: namespace external-secrets exists, and Pulumi did not make it → the program makes it itself: if it is somebody else's, move what is in it, then kubectl delete namespace external-secrets, or name another with externalSecrets.namespace; if a run of this stack made it, leave it: npm run repair -- --stack <stack>",
    },
  },
  {
    what: "a namespace that ArgoCD made",
    plant: (cluster) => {
      const tracking = { "argocd.argoproj.io/tracking-id": "istio:/Namespace:istio-system/istio-system" };
      cluster.namespaces.push({ ...namespace("istio-system"), annotations: tracking });
    },
    found: {
      "kubernetes: namespaces":
        "problem: namespace istio-system exists, made by the ArgoCD Application istio → the program makes it itself: npm run adopt -- --stack <stack> takes it over; if it is somebody else's, move what is in it, then kubectl delete namespace istio-system; if a run of this stack made it, leave it: npm run repair -- --stack <stack>",
    },
  },
  {
    what: "a service's namespace that is missing",
    plant: (_, { services }) => {
      (services as Raw[]).push({ name: "grafana", namespace: "monitoring", port: 3000 });
    },
    found: {
      "kubernetes: services":
        "problem: namespace monitoring does not exist, and services names it → kubectl create namespace monitoring, or remove the entry",
    },
  },
  {
    what: "a Service that is missing, and one of that name elsewhere",
    plant: (cluster) => {
      cluster.services = [service("vault", "vault", 8200), service("vault", "argocd-server", 80)];
    },
    found: {
      "kubernetes: services":
        "problem: services entry argocd: Service argocd-server does not exist in argocd; its host would answer 503 → deploy it first, or correct service and namespace",
    },
  },
  {
    what: "a port that a Service lacks",
    plant: (cluster) => {
      cluster.services = [service("vault", "vault", 8200), service("argocd", "argocd-server", 8080, 8443)];
    },
    found: {
      "kubernetes: services":
        "problem: services entry argocd: Service argocd-server in argocd has no port 80; it has 8080, 8443 → correct port",
    },
  },
  {
    what: "a port that speaks TLS by its name, and one that does by its appProtocol",
    plant: (cluster, { services }) => {
      const named = service("vault", "vault", 8200);
      named.spec.ports = [{ port: 8200, name: "https-web" }];
      const said = service("argocd", "argocd-server", 80);
      said.spec.ports = [{ port: 80, name: "http", appProtocol: "https" }];
      cluster.services = [named, said];
      Object.assign((services as Raw[])[0] ?? {}, { protocol: "h2c" });
    },
    found: {
      "kubernetes: services": [
        "warning: services entry vault: port 8200 of Service vault in vault calls itself https-web, and protocol is h2c: what speaks TLS answers 400 to anything else → set protocol to https, if it does",
        "warning: services entry argocd: port 80 of Service argocd-server in argocd calls itself https, and protocol is http: what speaks TLS answers 400 to anything else → set protocol to https, if it does",
      ],
    },
  },
  {
    what: "a port that speaks no TLS by its name, where https is asked for",
    plant: (cluster, { services }) => {
      const named = service("vault", "vault", 8200);
      named.spec.ports = [{ port: 8200, name: "grpc-api" }];
      cluster.services = [named, service("argocd", "argocd-server", 80)];
      for (const entry of services as Raw[]) entry.protocol = "https";
    },
    found: {
      "kubernetes: services":
        "warning: services entry vault: port 8200 of Service vault in vault calls itself grpc-api, and protocol is https: what speaks no TLS is answered for with 503 → set protocol to http or h2c, if it does not",
    },
  },
];

describe("a planted fault", () => {
  it.each(faults)("$what is found, and nothing else changes", async ({ plant, found }) => {
    const [cluster, raw] = [freshCluster(), stack()];
    plant(cluster, raw);
    expect((await examine(cluster, raw)).told).toEqual({ ...healthy, ...found });
  });
});

describe("a cluster that is not reached", () => {
  const { "kubernetes: reachable": _, ...rest } = healthy;
  const unasked = each(Object.keys(rest), "skipped: the cluster cannot be asked");
  const inOke =
    "try oci ce cluster create-kubeconfig --cluster-id <OCID>, then kubectl version; a private endpoint needs a way into the VCN";

  it.each([
    { what: "refuses", way: async () => kubeConfigFor(await startCluster(freshCluster()), "another") },
    { what: "is not there", way: async () => kubeConfigFor(`http://127.0.0.1:${await closedPort()}`) },
    { what: "is silent", way: async () => kubeConfigFor(`http://127.0.0.1:${await silentPort()}`) },
    { what: "never gives a credential", way: () => new Promise<never>(() => {}) },
    {
      what: "has no kubeconfig",
      way: async () => {
        throw new Error('the kubeconfig has no context "test"; it has none');
      },
    },
  ])("is told of with all that it leaves open, when it $what", async ({ what, way }) => {
    // Only what never answers meets a limit.
    const limits = /silent|never/.test(what) ? { callMs: 50, checkMs: 100 } : {};
    const { outcomes, installed } = await examineCluster(examination(wholeStack(), {}, limits), way);
    const reason = {
      refuses: "the API server answers 401",
      "is not there": "nothing listens there (ECONNREFUSED)",
      "is silent": "no answer in time",
      "never gives a credential": "no answer in 0.1 s",
      "has no kubeconfig": 'the kubeconfig has no context "test"; it has none',
    }[what];
    expect(told(outcomes)).toEqual({ "kubernetes: reachable": `problem: ${reason} → ${inOke}`, ...unasked });
    expect(installed).toBe(undefined);
  });

  it("is to be tried by its context where it is none of OKE", async () => {
    const raw = { ...wholeStack(), cluster: { context: "kind" }, loadBalancer: undefined };
    const nobody = async () => kubeConfigFor(`http://127.0.0.1:${await closedPort()}`);
    const { outcomes } = await examineCluster(examination(raw), nobody);
    expect(told(outcomes)).toEqual({
      "kubernetes: reachable": "problem: nothing listens there (ECONNREFUSED) → try kubectl --context kind version",
      ...unasked,
    });
  });
});
