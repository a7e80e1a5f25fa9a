import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { get } from "node:https";
import { text } from "node:stream/consumers";
import {
  ApiException,
  AppsV1Api,
  CoreV1Api,
  CustomObjectsApi,
  type KubeConfig,
  KubernetesObjectApi,
} from "@kubernetes/client-node";
import { watchUntil } from "../../tools/lib/watch.ts";
import { type Forward, forward } from "../../tools/vault/port-forward.ts";
import { issue, newIssuer } from "../pki.ts";
import {
  CERT_MANAGER,
  CLOUDFLARE,
  ECHO,
  EVIL,
  type FixtureOptions,
  NAMESPACE,
  namespacesAndServices,
  PEBBLE,
  PORTS,
  REVIEWER,
  TLS_NAMES,
  VAULT,
  workloads,
} from "./fixtures.ts";

// The stand-ins in the cluster, and the ways to them and to what the program made.

/** The namespaces that the program or the test makes. */
const OURS = [NAMESPACE, EVIL, CERT_MANAGER, "istio-system", "external-secrets"];

/** Seconds until a Deployment is available, its image pulled. */
const AVAILABLE_SECONDS = 300;
/** Seconds until a namespace is gone. */
const GONE_SECONDS = 300;

/** The stand-ins, running. */
export interface StandIns extends Pick<FixtureOptions, "token" | "vaultToken" | "root"> {
  /** URLs at which this machine reaches them. */
  readonly vaultAddress: string;
  readonly cloudflareUrl: string;
  /** Address at which pods reach Cloudflare's. */
  readonly cloudflareIp: string;
  /** PEM of the root that Pebble issues from; another at each of its starts. */
  acmeRoot(): Promise<string>;
  /** Ends the ways to them; they go on. */
  close(): Promise<void>;
}

/**
 * Refuses a cluster that has anything of the platform: the test takes for its own what it finds, and removes it.
 *
 * @throws naming the namespaces
 */
export async function refuseUsedCluster(kubeConfig: KubeConfig): Promise<void> {
  const { items } = await kubeConfig.makeApiClient(CoreV1Api).listNamespace();
  const names = items.flatMap(({ metadata }) => metadata?.name ?? []);
  const taken = OURS.filter((name) => names.includes(name));
  if (taken.length === 0) return;
  throw new Error(
    `context ${kubeConfig.getCurrentContext()} has the namespaces ${taken.join(", ")} already; the end-to-end test needs a ` +
      "cluster of its own, such as kind create cluster. If they are left from a run of this test, delete them",
  );
}

/** Brings the stand-ins up in an empty cluster. */
export async function startStandIns(kubeConfig: KubeConfig, zone: string): Promise<StandIns> {
  const objects = KubernetesObjectApi.makeApiClient(kubeConfig);
  const issuer = await newIssuer("oke-platform e2e");
  const options: FixtureOptions = {
    zone,
    // As long as Cloudflare's provider wants one:
    // https://github.com/cloudflare/terraform-provider-cloudflare/blob/v5.22.0/internal/provider.go
    token: randomBytes(20).toString("hex"),
    vaultToken: randomUUID(),
    tls: await issue(issuer, TLS_NAMES),
    root: issuer.root,
  };
  for (const object of namespacesAndServices()) await objects.create(object);
  const service = await kubeConfig
    .makeApiClient(CoreV1Api)
    .readNamespacedService({ name: CLOUDFLARE, namespace: NAMESPACE });
  const cloudflareIp = service.spec?.clusterIP ?? "";
  for (const object of workloads(options, cloudflareIp)) await objects.create(object);
  for (const name of [CLOUDFLARE, PEBBLE, VAULT, ECHO]) await awaitAvailable(kubeConfig, name);

  const ways: Forward[] = [];
  const wayTo = async (name: string, port: number) => {
    const way = await forward(kubeConfig, { namespace: NAMESPACE, pod: await podOf(kubeConfig, name), port });
    ways.push(way);
    return way.port;
  };
  const [vault, api, management] = [
    await wayTo(VAULT, PORTS.vault),
    await wayTo(CLOUDFLARE, PORTS.http),
    await wayTo(PEBBLE, PORTS.management),
  ];
  return {
    ...options,
    cloudflareIp,
    vaultAddress: `http://127.0.0.1:${vault}`,
    cloudflareUrl: `http://127.0.0.1:${api}/client/v4/`,
    acmeRoot: () => rootOf(management, issuer.root),
    close: async () => {
      for (const way of ways) await way.close();
    },
  };
}

/** Pebble's root: https://github.com/letsencrypt/pebble/blob/v2.10.1/README.md#ca-root-and-intermediate-certificates */
async function rootOf(port: number, ca: string): Promise<string> {
  const request = get({ host: "127.0.0.1", port, path: "/roots/0", ca, servername: TLS_NAMES[1], agent: false });
  const [response] = await once(request, "response");
  return text(response);
}

/** @throws when it is not available in time, with what to look at */
async function awaitAvailable(kubeConfig: KubeConfig, name: string): Promise<void> {
  const api = kubeConfig.makeApiClient(AppsV1Api);
  const collection = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments`;
  const found = await watchUntil(kubeConfig, { collection, name }, AVAILABLE_SECONDS, async () => {
    const { status } = await api.readNamespacedDeployment({ name, namespace: NAMESPACE });
    return (status?.availableReplicas ?? 0) > 0 || undefined;
  });
  if (found === undefined)
    throw new Error(
      `Deployment ${name} is not available within ${AVAILABLE_SECONDS} s; kubectl -n ${NAMESPACE} describe pods -l app=${name}`,
    );
}

async function podOf(kubeConfig: KubeConfig, name: string): Promise<string> {
  const api = kubeConfig.makeApiClient(CoreV1Api);
  const { items } = await api.listNamespacedPod({ namespace: NAMESPACE, labelSelector: `app=${name}` });
  const found = items[0]?.metadata?.name;
  if (found === undefined) throw new Error(`namespace ${NAMESPACE} has no pod with the label app=${name}`);
  return found;
}

/** Removes the stand-ins, and what a destroy keeps. The CRDs stay, as their charts ask. */
export async function removeAll(kubeConfig: KubeConfig): Promise<void> {
  const core = kubeConfig.makeApiClient(CoreV1Api);
  const objects = KubernetesObjectApi.makeApiClient(kubeConfig);
  await objects.delete({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: REVIEWER },
  });
  for (const name of [CERT_MANAGER, NAMESPACE, EVIL]) await core.deleteNamespace({ name });
  for (const name of [CERT_MANAGER, NAMESPACE, EVIL]) {
    const gone = await watchUntil(kubeConfig, { collection: "/api/v1/namespaces", name }, GONE_SECONDS, () =>
      isThere(core.readNamespace({ name })).then((there) => !there || undefined),
    );
    if (gone === undefined)
      throw new Error(`namespace ${name} is not gone within ${GONE_SECONDS} s; kubectl get namespace ${name} -o yaml`);
  }
}

/** Whether there is what is asked for. */
export const isThere = (request: Promise<unknown>): Promise<boolean> =>
  request.then(
    () => true,
    (error) => {
      if (error instanceof ApiException && error.code === 404) return false;
      throw error;
    },
  );

/** What cert-manager keeps of each issuance, by kind; gone with the Certificate that it was for. */
export async function issuances(kubeConfig: KubeConfig): Promise<Record<string, number>> {
  const api = kubeConfig.makeApiClient(CustomObjectsApi);
  const count = async (group: string, plural: string) => {
    const { items } = await api.listNamespacedCustomObject({ group, version: "v1", namespace: CERT_MANAGER, plural });
    return items.length as number;
  };
  return {
    certificaterequests: await count("cert-manager.io", "certificaterequests"),
    orders: await count("acme.cert-manager.io", "orders"),
  };
}

/** Where the gateway is met without a load balancer: a node, and the two ports of the Service there. */
export interface NodePorts {
  readonly ip: string;
  readonly http: number;
  readonly https: number;
}

/**
 * Where a Service of type NodePort is.
 *
 * @param ip of a node. @default - the internal one of the first node
 * @throws when it has no such ports
 */
export async function nodePortsOf(kubeConfig: KubeConfig, ip?: string): Promise<NodePorts> {
  const core = kubeConfig.makeApiClient(CoreV1Api);
  const { spec } = await core.readNamespacedService({ name: "istio-ingressgateway", namespace: "istio-system" });
  const at = (port: number) => {
    const found = spec?.ports?.find((it) => it.port === port)?.nodePort;
    if (found === undefined)
      throw new Error(`the gateway's Service of type ${spec?.type} has no node port for ${port}; E2E_SERVICE_TYPE`);
    return found;
  };
  const { items } = await core.listNode();
  const first = items[0]?.status?.addresses?.find(({ type }) => type === "InternalIP")?.address;
  return { ip: ip ?? first ?? "", http: at(80), https: at(443) };
}
