import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { Writable } from "node:stream";
import { CoreV1Api, type KubeConfig, PortForward, type V1Pod } from "@kubernetes/client-node";
import { watchUntil } from "../lib/watch.ts";

// The way to a Vault inside the cluster.

/** The pods of Vault's chart that serve: https://github.com/hashicorp/vault-helm/blob/v0.34.1/templates/server-statefulset.yaml */
const SERVERS = "app.kubernetes.io/name=vault,component=server";
/** The label with which Vault marks its active server: https://developer.hashicorp.com/vault/docs/configuration/service-registration/kubernetes */
const ACTIVE = "vault-active";

export const VAULT_PORT = 8200;

/** Vault's pods, by name. */
export async function vaultPods(kubeConfig: KubeConfig, namespace: string): Promise<V1Pod[]> {
  const api = kubeConfig.makeApiClient(CoreV1Api);
  const { items } = await api.listNamespacedPod({ namespace, labelSelector: SERVERS });
  return items.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

export const nameOf = ({ metadata }: V1Pod) => metadata?.name ?? "";

const isReady = ({ status }: V1Pod) =>
  status?.conditions?.some((condition) => condition.type === "Ready" && condition.status === "True") ?? false;

/** Whether its server runs; only an unsealed one is ready. */
export const isRunning = ({ status }: V1Pod) =>
  status?.containerStatuses?.some(({ name, state }) => name === "vault" && state?.running !== undefined) ?? false;

/**
 * The pod that answers for Vault: the active one, or one that is ready and asks it.
 *
 * @throws when none is ready, with what to do
 */
export async function readyPod(kubeConfig: KubeConfig, namespace: string, stack: string): Promise<string> {
  const pods = await vaultPods(kubeConfig, namespace);
  const ready = pods.filter(isReady);
  const pod = ready.find(({ metadata }) => metadata?.labels?.[ACTIVE] === "true") ?? ready[0];
  if (pod !== undefined) return nameOf(pod);
  if (pods.length === 0)
    throw new Error(`namespace ${namespace} has no pod with ${SERVERS}, as Vault's chart makes them`);
  const states = pods.map(
    (it) => `${nameOf(it)} (${isRunning(it) ? "running, sealed or not initialised" : it.status?.phase})`,
  );
  throw new Error(
    `no pod of Vault is ready in namespace ${namespace}: ${states.join(", ")}; ` +
      `initialise it with npm run vault:init, or unseal it with npm run vault -- unseal --stack ${stack} --keys-file <file>`,
  );
}

/**
 * Waits until a pod's server runs: an `up` does not wait for the pods of Vault.
 *
 * @throws when it does not within that time
 */
export async function awaitRunning(
  kubeConfig: KubeConfig,
  namespace: string,
  pod: string,
  seconds: number,
): Promise<void> {
  let seen = "there is no such pod; Vault is installed by `pulumi up`";
  const collection = `/api/v1/namespaces/${namespace}/pods`;
  const found = await watchUntil(kubeConfig, { collection, name: pod }, seconds, async () => {
    const it = (await vaultPods(kubeConfig, namespace)).find((candidate) => nameOf(candidate) === pod);
    if (it === undefined) return undefined;
    const { waiting } = it.status?.containerStatuses?.[0]?.state ?? {};
    seen = `it is ${it.status?.phase}${waiting?.reason === undefined ? "" : `, ${waiting.reason}`}`;
    return isRunning(it) || undefined;
  });
  if (found === undefined)
    throw new Error(
      `pod ${pod} in namespace ${namespace} does not run within ${seconds} s: ${seen}; kubectl --namespace ${namespace} describe pod ${pod}`,
    );
}

/** A local port whose connections end at a pod. */
export interface Forward {
  readonly port: number;
  /** Why the last connection failed; undefined when none did. */
  readonly failure: () => string | undefined;
  /** Ends it, with its connections. */
  readonly close: () => Promise<void>;
}

/**
 * Forwards a port of 127.0.0.1 to a pod, each connection through the API server.
 *
 * @param localPort 0 for one that is free
 * @throws when the local port is taken
 */
export async function forward(
  kubeConfig: KubeConfig,
  { namespace, pod, port }: { namespace: string; pod: string; port: number },
  localPort = 0,
): Promise<Forward> {
  let failure: string | undefined;
  const ends = new Map<Socket, (() => void) | undefined>();
  const connect = async (socket: Socket) => {
    const problems = new Writable({
      write(chunk: Buffer, _encoding, done) {
        // The kubelet's own words, such as "connection refused".
        if (chunk.length > 0) {
          failure = chunk.toString("utf8").trim();
          socket.destroy();
        }
        done();
      },
    });
    const channel = await new PortForward(kubeConfig).portForward(namespace, pod, [port], socket, problems, socket);
    // Without retries it is the channel itself.
    if (typeof channel === "function") throw new Error("port-forward without a channel");
    channel.onclose = () => socket.end();
    const close = () => channel.close();
    if (socket.destroyed) close();
    else ends.set(socket, close);
  };
  const server = createServer((socket) => {
    ends.set(socket, undefined);
    socket.on("error", () => {});
    socket.on("close", () => {
      ends.get(socket)?.();
      ends.delete(socket);
    });
    connect(socket).catch((error: unknown) => {
      failure = `port-forward to pod ${pod}: ${(error as { message?: string }).message ?? error}`;
      socket.destroy();
    });
  });
  server.listen(localPort, "127.0.0.1");
  await once(server, "listening").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EADDRINUSE") throw error;
    throw new Error(
      `port ${localPort} of 127.0.0.1 is taken; end what listens there, or give vault.address another port, such as 127.0.0.1:${localPort + 1}`,
    );
  });
  return {
    port: (server.address() as AddressInfo).port,
    failure: () => failure,
    async close() {
      for (const socket of ends.keys()) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
