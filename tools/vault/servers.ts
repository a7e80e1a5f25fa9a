import { readFile } from "node:fs/promises";
import { CoreV1Api, type KubeConfig } from "@kubernetes/client-node";
import { VAULT_TLS_SECRET } from "../../components/vault/server.ts";
import { isExposed } from "../../settings/addresses.ts";
import type { VaultSettings } from "../../settings/vault.ts";
import { type VaultApi, vaultApi } from "./api.ts";
import { awaitRunning, type Forward, forward, isRunning, nameOf, VAULT_PORT, vaultPods } from "./port-forward.ts";

// A stack's Vault, and the ways to its servers.

/** A stack, its Vault, and the way into its cluster. */
export interface Target {
  readonly stack: string;
  readonly vault: VaultSettings;
  /** Replicas that the program installs. */
  readonly replicas: number;
  readonly kubeConfig: () => Promise<KubeConfig>;
}

/** Seconds for Vault's pod to run after an `up`, its volumes attached and its image pulled. */
const POD_SECONDS = 420;

/** Namespace of a Vault inside the cluster, which is in the name of its Service. */
export const namespaceOf = ({ clusterAddress }: VaultSettings) =>
  new URL(clusterAddress).hostname.split(".")[1] ?? "vault";

/** A way to servers of Vault, to be closed after use. */
export interface Servers {
  readonly first: VaultApi;
  readonly others: VaultApi[];
  readonly close: () => Promise<void>;
}

/**
 * The one server at an address.
 *
 * @param log is told when whoever is on the way can read what it is sent
 */
export async function serverAt(
  address: string,
  caFile: string | undefined,
  log: (line: string) => void = () => {},
): Promise<Servers> {
  if (isExposed(address))
    log(
      `${address} is plain HTTP: whoever is on the way can read Vault's keys; use https, or leave --address out for a port-forward`,
    );
  const ca = caFile === undefined ? undefined : await readFile(caFile, "utf8");
  return { first: vaultApi(address, ca), others: [], close: async () => {} };
}

/** Every server whose pod runs, through port-forwards; the first pod comes first, and is waited for. */
export async function serversInside({ vault, kubeConfig }: Target): Promise<Servers> {
  const config = await kubeConfig();
  const namespace = namespaceOf(vault);
  await awaitRunning(config, namespace, FIRST_POD, POD_SECONDS);
  const pods = (await vaultPods(config, namespace)).filter(isRunning).map(nameOf);
  const ca = await caOf(vault, config);
  const scheme = new URL(vault.address).protocol;
  const forwards: Forward[] = [];
  const close = async () => void (await Promise.all(forwards.map((it) => it.close())));
  try {
    const [first, ...others] = await Promise.all(
      [FIRST_POD, ...pods.filter((name) => name !== FIRST_POD)].map(async (pod) => {
        const way = await forward(config, { namespace, pod, port: VAULT_PORT });
        forwards.push(way);
        return vaultApi(`${scheme}//127.0.0.1:${way.port}`, ca, way.failure);
      }),
    );
    if (first === undefined) throw new Error("no port-forward");
    return { first, others, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The one that is initialised; replicas join it. */
const FIRST_POD = "vault-0";

/** PEM of the CA of Vault's certificate; undefined without TLS, and for the system's trusted roots. */
export async function caOf(vault: VaultSettings, kubeConfig: KubeConfig): Promise<string | undefined> {
  if (!vault.address.startsWith("https:")) return undefined;
  if (vault.kind !== "installed") return vault.caBundle;
  const [name, namespace] = [VAULT_TLS_SECRET, namespaceOf(vault)];
  const { data } = await kubeConfig
    .makeApiClient(CoreV1Api)
    .readNamespacedSecret({ name, namespace })
    .catch((error: { code?: number; message?: string }) => {
      const why = error.code === 404 ? "it is not there; it is made by `pulumi up`" : (error.message ?? error);
      throw new Error(`Vault's CA cannot be read from Secret ${name} in namespace ${namespace}: ${why}`);
    });
  const ca = data?.["ca.crt"];
  if (ca === undefined)
    throw new Error(`Secret ${name} in namespace ${namespace} has no ca.crt; cert-manager puts it there`);
  return Buffer.from(ca, "base64").toString("utf8");
}
