import { setTimeout as pause } from "node:timers/promises";
import { AppsV1Api, CoreV1Api, CustomObjectsApi, type KubeConfig } from "@kubernetes/client-node";
import { recordStack } from "../../project/record.ts";
import { plain } from "../../project/registration.ts";
import {
  ARGOCD,
  type ArgoChart,
  applicationDefinition,
  applicationOf,
  apply,
  chartApplication,
  type Rendered,
  render,
} from "./argocd.ts";
import { CERT_MANAGER } from "./fixtures.ts";
import { configOf, settingsIn, type Values } from "./stack.ts";

// The article's platform in a cluster, as ArgoCD has applied it; and what of it runs.

/** Seconds until Deployments are up and the certificate is issued, the images pulled. */
const UP_SECONDS = 600;

/** Looks again each second. @throws when it is not so in time */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let second = 0; !(await isSo()); second++) {
    if (second > UP_SECONDS) throw new Error(`${what}: not within ${UP_SECONDS} s`);
    await pause(1000);
  }
}

/** Whether the one certificate is there. */
export async function isIssued(kubeConfig: KubeConfig): Promise<boolean> {
  const api = kubeConfig.makeApiClient(CustomObjectsApi);
  const kind = { group: "cert-manager.io", version: "v1", plural: "certificates" };
  const { items } = await api.listNamespacedCustomObject({ ...kind, namespace: CERT_MANAGER });
  const [certificate] = items as { status?: { conditions?: { type: string; status: string }[] } }[];
  return certificate?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
}

/** The charts of the article with what it says to them, in the versions and from the source of the stack. */
function chartsOf(values: Values, token: string): ArgoChart[] {
  const { charts } = settingsIn(values, token);
  const small = { resources: { requests: { cpu: "100m", memory: "128Mi" } } };
  const istio = (name: string, chart: string, more: Record<string, unknown>): ArgoChart => ({
    ...{ name, chart, repo: charts.istio.repo, version: charts.istio.version, namespace: "istio-system" },
    values: more,
  });
  const ports = [
    { name: "http2", port: 80, targetPort: 8080, protocol: "TCP" },
    { name: "https", port: 443, targetPort: 8443, protocol: "TCP" },
  ];
  const service = { type: process.env.E2E_SERVICE_TYPE ?? "NodePort", ports };
  return [
    {
      ...{ name: "cert-manager", chart: "cert-manager", namespace: "cert-manager", ...charts.certManager },
      values: { ...charts.certManager.values, crds: { enabled: true } },
    },
    { ...{ name: "reflector", chart: "reflector", namespace: "kube-system", ...charts.reflector }, values: {} },
    istio("istio-base", "base", {}),
    istio("istiod", "istiod", { autoscaleEnabled: false, ...small }),
    istio("istio-ingressgateway", "gateway", { labels: { istio: "ingressgateway" }, service, ...small }),
    {
      ...{ name: "external-secrets", chart: "external-secrets", namespace: "external-secrets" },
      ...charts.externalSecrets,
      values: { installCRDs: true },
    },
  ];
}

/** Kinds beside the charts, which the article has in Applications of their own. */
const OWN = /^(ClusterSecretStore|ExternalSecret|ClusterIssuer|Certificate|Gateway|VirtualService)$/;

/**
 * Renders and applies the charts and what is beside them, each when the one before is up, with their Applications.
 *
 * @throws when something is not up in time
 */
export async function applyAsArgo(kubeConfig: KubeConfig, values: Values, token: string): Promise<void> {
  const charts = chartsOf(values, token);
  const namespaces = [...new Set([ARGOCD, ...charts.map(({ namespace }) => namespace)])];
  await apply(
    kubeConfig,
    namespaces.map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })),
  );
  await apply(kubeConfig, [applicationDefinition()]);
  for (const chart of charts) {
    const objects = await render(chart);
    await apply(kubeConfig, objects);
    await apply(kubeConfig, [chartApplication(chart, objects)]);
    await until(`Application ${chart.name} is healthy`, () => isHealthy(kubeConfig, objects));
  }
  const own = await ownObjects(values, token);
  const before = (kind: string) => OWN.source.indexOf(kind);
  // A webhook that has just come up is not believed at once.
  for (const object of own.sort((a, b) => before(a.kind) - before(b.kind)))
    await until(`${object.kind} is taken`, () =>
      apply(kubeConfig, [object]).then(
        () => true,
        () => false,
      ),
    );
  const source = { repoURL: "https://git.example.com/platform", path: "platform" };
  await apply(kubeConfig, [applicationOf("platform", "istio-system", source, own)]);
}

/** What the program makes beside the charts, as the article has it: with a common name. */
async function ownObjects(values: Values, token: string): Promise<Rendered[]> {
  const registrations = await recordStack("e2e", { configure: () => configOf(values, token) });
  return registrations
    .map(({ inputs }) => plain(inputs) as unknown as Rendered & { spec: Record<string, unknown> })
    .filter(({ kind, metadata }) => OWN.test(kind ?? "") && metadata !== undefined)
    .map(({ apiVersion, kind, metadata: { name, namespace }, spec }) => {
      const metadata = { name, ...(namespace !== undefined && { namespace }) };
      const [wildcard] = (spec.dnsNames ?? []) as string[];
      return {
        ...{ apiVersion, kind, metadata },
        spec: { ...spec, ...(kind === "Certificate" && { commonName: wildcard }) },
      };
    });
}

async function isHealthy(kubeConfig: KubeConfig, objects: readonly Rendered[]): Promise<boolean> {
  const api = kubeConfig.makeApiClient(AppsV1Api);
  const deployments = objects.filter(({ kind }) => kind === "Deployment");
  const ready = await Promise.all(
    deployments.map(async ({ metadata: { name, namespace = "" } }) => {
      const { spec, status } = await api.readNamespacedDeployment({ name, namespace });
      return (status?.availableReplicas ?? 0) >= (spec?.replicas ?? 1);
    }),
  );
  return ready.every(Boolean);
}

/** Pods by their UID, with what they are of. */
export async function podsOf(kubeConfig: KubeConfig): Promise<Map<string, string>> {
  const api = kubeConfig.makeApiClient(CoreV1Api);
  const namespaces = ["cert-manager", "external-secrets", "istio-system", "kube-system"];
  const lists = await Promise.all(namespaces.map((namespace) => api.listNamespacedPod({ namespace })));
  return new Map(
    lists
      .flatMap(({ items }) => items)
      .map(({ metadata }) => {
        const owner = metadata?.ownerReferences?.[0]?.name.replace(/-[a-z0-9]+$/, "");
        return [metadata?.uid ?? "", `${metadata?.namespace}/${owner}`] as const;
      }),
  );
}
