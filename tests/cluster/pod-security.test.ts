import { execFile } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { chartOf } from "../../components/release.ts";
import { examples } from "../../project/placeholders.ts";
import { plain } from "../../project/registration.ts";
import { projectDirectory } from "../../project/stack.ts";
import { ClusterReader } from "../../tools/doctor/cluster-reader.ts";
import { podSecurityVerdicts } from "../../tools/doctor/pod-security.ts";
import { settingsOf } from "../../tools/stack.ts";
import { named, registrationsOf } from "../harness.ts";
import { type ApiServer, type Manifest, startApiServer } from "./api-server.ts";
import { findRenderer } from "./binaries.ts";
import { chartDirectory } from "./values-schemas.ts";

// The pods of the charts under the labels of their namespaces, on a real API server: let in, and nothing is warned of.
// cert-manager's and Vault's charts are rendered as they are; those of Istio and External Secrets are in no Go module, and
// their pods are written here as far as the standards ask about them.

let server: ApiServer;

beforeAll(async () => {
  server = await startApiServer();
});

afterAll(() => server?.stop());

interface PodSpec {
  readonly serviceAccountName?: string;
  readonly [field: string]: unknown;
}

const pod = (namespace: string, name: string, spec: PodSpec): Manifest => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace },
  spec,
});

/** What a chart makes with these values. */
async function rendered(chart: string, version: string, namespace: string, values: unknown): Promise<Manifest[]> {
  const [{ path }, directory] = [await findRenderer(), await chartDirectory(chart, version)];
  const files = await new Promise<string>((resolve, reject) => {
    const { stdin } = execFile(path, [directory, chart, namespace], { maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      error ? reject(new Error(stderr)) : resolve(stdout),
    );
    stdin?.end(JSON.stringify(values));
  });
  return Object.entries(JSON.parse(files) as Record<string, string>)
    .filter(([file]) => file.endsWith(".yaml"))
    .flatMap(([, text]) => parseAllDocuments(text).map((document) => document.toJS() as Manifest | null))
    .filter((manifest) => manifest !== null);
}

interface Workload {
  readonly template: { readonly spec: PodSpec & { readonly volumes?: object[] } };
  readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
}

/** The pods that workloads of a chart would make. */
const podsOf = (manifests: readonly Manifest[]): Manifest[] =>
  manifests
    .filter(({ kind }) => ["Deployment", "StatefulSet", "Job"].includes(kind))
    .map(({ metadata: { namespace = "", name }, spec }) => {
      const { template, volumeClaimTemplates = [] } = spec as Workload;
      const claims = volumeClaimTemplates.map(({ metadata }) => ({
        name: metadata.name,
        persistentVolumeClaim: { claimName: metadata.name },
      }));
      return pod(namespace, name, { ...template.spec, volumes: [...(template.spec.volumes ?? []), ...claims] });
    });

/** What is warned of pods in their namespaces, which get their labels and accounts first. */
async function warnedOf(labelled: string, pods: readonly Manifest[]): Promise<string[]> {
  await server.apply(await inputsOf("prod", labelled));
  const warnings = pods.map(async (manifest) => {
    const { serviceAccountName: name = "default" } = manifest.spec as PodSpec;
    const namespace = String(manifest.metadata.namespace);
    await server.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } });
    return server.warningsOf(manifest);
  });
  return (await Promise.all(warnings)).flat();
}

/** What a stack sends for a resource. */
async function inputsOf(stack: string, name: string): Promise<Manifest> {
  const changes = name.startsWith("vault-") && stack !== "fresh" ? { vault: { install: true, initialized: true } } : {};
  return plain(named(await registrationsOf(stack, changes), name).inputs) as unknown as Manifest;
}

async function valuesOf(stack: string, name: string) {
  const inputs = (await inputsOf(stack, name)) as unknown as Record<string, unknown>;
  return { ...chartOf(inputs), values: inputs.values as Record<string, unknown> };
}

describe("the pods of a chart", () => {
  it.each([
    ["cert-manager", "prod", 4],
    ["vault-server", "fresh", 1],
    ["vault-server", "lab", 1],
  ])("%s, as %s asks for it, are let in without a warning", async (name, stack, count) => {
    const { chart, version, values } = await valuesOf(stack, name);
    const pods = podsOf(await rendered(chart, version, chart, values));
    expect(pods).toHaveLength(count);
    expect(await warnedOf(`${name}-namespace`, pods)).toEqual([]);
  });

  it.each(["cert-manager", "vault-server"])("%s come with network policies that the API server takes", async (name) => {
    const all = await registrationsOf("fresh", { networkPolicies: true });
    const inputs = named(all, name).inputs;
    const { chart, version } = chartOf(inputs);
    const policies = (await rendered(chart, version, chart, plain(inputs.values as Record<string, unknown>))).filter(
      ({ kind }) => kind === "NetworkPolicy",
    );
    expect(policies).toHaveLength(name === "vault-server" ? 1 : 6);
    await server.apply(await inputsOf("fresh", `${name}-namespace`));
    for (const policy of policies) expect(await server.apply(policy, { dryRun: true })).toMatchObject(policy);
  });

  it("Vault's, as the chart has it, are not", async () => {
    const { chart, version } = await valuesOf("fresh", "vault-server");
    const pods = podsOf(await rendered(chart, version, chart, { injector: { enabled: false } }));
    await expect(warnedOf("vault-server-namespace", pods)).rejects.toThrow(
      /violates PodSecurity "restricted:latest": unrestricted capabilities .*, seccompProfile/,
    );
  });
});

/** https://github.com/istio/istio/blob/1.31.4/manifests/charts/istio-control/istio-discovery/templates/deployment.yaml */
const istiod = (seccompProfile: unknown): PodSpec => ({
  containers: [
    {
      name: "discovery",
      image: "istio/pilot",
      securityContext: {
        ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsNonRoot: true },
        capabilities: { drop: ["ALL"] },
        seccompProfile,
      },
    },
  ],
  volumes: [{ name: "local-certs", emptyDir: { medium: "Memory" } }],
});

/**
 * As istiod's injection leaves it.
 * https://github.com/istio/istio/blob/1.31.4/manifests/charts/gateway/templates/deployment.yaml
 * https://github.com/istio/istio/blob/1.31.4/manifests/charts/istio-control/istio-discovery/files/gateway-injection-template.yaml
 */
const gateway = (securityContext: unknown): PodSpec => ({
  securityContext,
  containers: [
    {
      name: "istio-proxy",
      image: "istio/proxyv2",
      securityContext: {
        ...{ allowPrivilegeEscalation: false, privileged: false, readOnlyRootFilesystem: true },
        ...{ runAsGroup: 1337, runAsNonRoot: true, runAsUser: 1337 },
        capabilities: { drop: ["ALL"] },
      },
    },
  ],
  volumes: [
    { name: "istio-data", emptyDir: {} },
    { name: "istio-podinfo", downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] } },
  ],
});

/** https://github.com/external-secrets/external-secrets/blob/v2.9.0/deploy/charts/external-secrets/values.yaml */
const externalSecrets: PodSpec = {
  containers: [
    {
      name: "external-secrets",
      image: "external-secrets",
      securityContext: {
        ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, runAsNonRoot: true, runAsUser: 1000 },
        capabilities: { drop: ["ALL"] },
        seccompProfile: { type: "RuntimeDefault" },
      },
    },
  ],
};

describe("a pod as a chart makes it", () => {
  it("of Istio's is let in without a warning, and with one where its values are not the program's", async () => {
    const [control, proxy] = [await valuesOf("prod", "istio-istiod"), await valuesOf("prod", "ingress-gateway")];
    const of = (profile: unknown, security: unknown) => [
      pod("istio-system", "istiod", istiod(profile)),
      pod("istio-system", "istio-ingressgateway", gateway(security)),
    ];
    const own = of(control.values.seccompProfile, proxy.values.securityContext);
    expect(await warnedOf("istio-namespace", own)).toEqual([]);
    const { sysctls } = proxy.values.securityContext as { sysctls: unknown };
    const warned = await warnedOf("istio-namespace", of(undefined, { sysctls }));
    expect(warned.map((text) => /restricted:latest\\": (\w+)/.exec(text)?.[1])).toEqual([
      "seccompProfile",
      "seccompProfile",
    ]);
  });

  it("of External Secrets is let in without a warning", async () => {
    const pods = [pod("external-secrets", "external-secrets", externalSecrets)];
    expect(await warnedOf("external-secrets-namespace", pods)).toEqual([]);
  });

  it("that gets at its node is let in nowhere", async () => {
    const spec = { hostNetwork: true, containers: [{ name: "evil", image: "evil" }] };
    for (const [labelled, name] of [
      ["istio-namespace", "istio-system"],
      ["cert-manager-namespace", "cert-manager"],
    ] as const)
      await expect(warnedOf(labelled, [pod(name, "evil", spec)])).rejects.toThrow(
        /violates PodSecurity .*host namespaces/,
      );
  });
});

describe("the doctor", () => {
  const settings = async () => {
    const shipped = await settingsOf("prod", projectDirectory, examples);
    return { ...shipped, externalSecrets: { ...shipped.externalSecrets, namespace: "eso" } };
  };
  const judged = async (user?: string) =>
    (await podSecurityVerdicts(await settings(), new ClusterReader(server.kubeConfig(user), 20_000))).map(
      ({ level, reason }) => `${level}: ${reason}`,
    );
  const labels = (level: string) => ({ "pod-security.kubernetes.io/enforce": level });
  const eso = (level?: string): Manifest => ({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "eso", ...(level !== undefined && { labels: labels(level) }) },
  });

  it("names the pods that would not be let in again, and changes nothing", async () => {
    await server.apply(eso());
    await server.apply({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default", namespace: "eso" } });
    const containers = [{ name: "driver", image: "driver" }];
    for (const name of ["driver-a", "driver-b"]) await server.apply(pod("eso", name, { hostPID: true, containers }));
    expect(await judged()).toEqual([
      expect.stringMatching(
        /^warning: namespace eso becomes restricted, and a pod that is there would not be let in again: driver-a \(and 1 other pod\): .*host namespaces/,
      ),
    ]);
    const { metadata } = (await server.call("GET", "/api/v1/namespaces/eso")) as Manifest;
    expect(metadata.labels).toEqual({ "kubernetes.io/metadata.name": "eso" });
  });

  it("names who has set another level, unless Pulumi did", async () => {
    await server.apply(eso("baseline"), { manager: "pulumi-kubernetes-3f2a91bc" });
    expect(await judged()).toEqual([expect.stringContaining("driver-a")]);
    await server.apply(eso("privileged"), { manager: "an-operator" });
    expect(await judged()).toEqual([
      "problem: namespace eso: an-operator has set another level of Pod Security than restricted, and the up is refused",
    ]);
    await server.apply(eso("restricted"), { manager: "an-operator" });
    expect(await judged()).toEqual(["ok: cert-manager restricted, istio-system baseline, eso restricted"]);
  });

  it("is skipped for who may read and not label", async () => {
    const rbac = { apiVersion: "rbac.authorization.k8s.io/v1", metadata: { name: "reader" } };
    await server.apply({
      ...rbac,
      kind: "ClusterRole",
      rules: [{ apiGroups: [""], resources: ["namespaces"], verbs: ["get"] }],
    });
    await server.apply({
      ...rbac,
      kind: "ClusterRoleBinding",
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "reader" },
      subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "reader" }],
    });
    const said = await judged("reader");
    expect(said.length).toBeGreaterThan(0);
    for (const line of said)
      expect(line).toMatch(
        /^skipped: the API server answers 403: namespaces "\S+" is forbidden: User "reader" cannot patch/,
      );
  });
});
