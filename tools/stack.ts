import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { KubeConfig } from "@kubernetes/client-node";
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
    load(config, cluster.kubeconfig);
    if (config.getContextObject(cluster.context) === null) {
      const known = config.getContexts().map(({ name }) => name);
      throw new Error(`the kubeconfig has no context "${cluster.context}"; it has ${known.join(", ") || "none"}`);
    }
    config.setCurrentContext(cluster.context);
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

/**
 * Loads what the program's provider would: from the setting or else KUBECONFIG, each a kubeconfig itself or one file, with
 * its paths seen from the project's directory, where the engine starts the provider; or from the usual file.
 *
 * Source: https://github.com/pulumi/pulumi-kubernetes/blob/94977969d/provider/pkg/provider/util.go, parseKubeconfigString
 */
function load(config: KubeConfig, setting: string | undefined): void {
  const pathOrContents = setting ?? process.env.KUBECONFIG;
  if (pathOrContents === undefined || pathOrContents === "") {
    config.loadFromDefault();
    return;
  }
  // The home of the user that runs, whatever HOME says.
  const file = resolve(
    projectDirectory,
    pathOrContents.replace(/^~(?=\/|$)/, () => userInfo().homedir),
  );
  const isFile = existsSync(file);
  const contents = isFile ? readFileSync(file, "utf8") : pathOrContents;
  try {
    config.loadFromString(contents);
  } catch {
    // A parser's message would show what it was parsing.
  }
  if (!isFile && config.getContexts().length === 0) {
    throw new Error(
      `${setting === undefined ? "KUBECONFIG" : "cluster.kubeconfig"} is neither one file that is there, seen from the ` +
        "project's directory, nor a kubeconfig with contexts itself; the program takes nothing else",
    );
  }
  config.makePathsAbsolute(projectDirectory);
}
