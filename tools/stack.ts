import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { KubeConfig } from "@kubernetes/client-node";
import { loadContext } from "../components/kubeconfig.ts";
import { projectDirectory, readStack } from "../project/stack.ts";
import type { Cluster } from "../settings/cluster.ts";
import { clusterIn, parseSettings, type Settings } from "../settings/settings.ts";

// What the tools that look at the real thing need to know of a stack.

/**
 * A stack's settings, as the program reads them. A placeholder that is left is a mistake here, too.
 *
 * @param directory where Pulumi.yaml is
 * @param placeholders what stands in the place of the shipped examples' `<…>`
 * @throws as {@link parseSettings} and {@link readStack}
 */
export async function settingsOf(
  stack: string,
  directory = projectDirectory,
  placeholders: Readonly<Record<string, string>> = {},
): Promise<Settings> {
  return parseSettings(await readStack(stack, directory, placeholders));
}

/**
 * The cluster of a stack, of which nothing else need be sound yet.
 *
 * @throws {SettingsError} when it says none
 */
export async function clusterSettingsOf(stack: string, directory = projectDirectory): Promise<Cluster> {
  return clusterIn(await readStack(stack, directory));
}

const run = promisify(execFile);

/**
 * The kubeconfig with which the tools reach a cluster: the stack's own, or for OKE the one that the `oci` CLI writes.
 *
 * @throws when the `oci` CLI cannot write it, when there is no kubeconfig, or when the context is not in it
 */
export async function kubeConfigOf(cluster: Cluster): Promise<KubeConfig> {
  const config = new KubeConfig();
  if ("context" in cluster) {
    loadContext(config, cluster, projectDirectory);
    return config;
  }
  const directory = await mkdtemp(join(tmpdir(), "oke-platform-"));
  try {
    const file = join(directory, "kubeconfig");
    const endpoint = cluster.endpoint === undefined ? [] : ["--kube-endpoint", cluster.endpoint];
    const args = ["ce", "cluster", "create-kubeconfig", "--cluster-id", cluster.id, "--file", file];
    await run("oci", [...args, "--token-version", "2.0.0", ...endpoint]);
    config.loadFromFile(file);
  } finally {
    await rm(directory, { recursive: true });
  }
  return config;
}
