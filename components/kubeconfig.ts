import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { resolve } from "node:path";
import type { KubeConfig } from "@kubernetes/client-node";
import type { Cluster } from "../settings/cluster.ts";

/**
 * Loads what the program's provider would for a cluster by its context: from the setting or else KUBECONFIG, each a kubeconfig
 * itself or one file; or from the usual file.
 *
 * Source: https://github.com/pulumi/pulumi-kubernetes/blob/94977969d/provider/pkg/provider/util.go, parseKubeconfigString
 *
 * @param directory the project's, where the engine starts the provider, and from where paths are seen
 * @throws when there is no kubeconfig, or the context is not in it
 */
export function loadContext(
  config: KubeConfig,
  { context, kubeconfig }: Extract<Cluster, { context: string }>,
  directory: string,
): void {
  load(config, kubeconfig, directory);
  if (config.getContextObject(context) === null) {
    const known = config.getContexts().map(({ name }) => name);
    throw new Error(`the kubeconfig has no context "${context}"; it has ${known.join(", ") || "none"}`);
  }
  config.setCurrentContext(context);
}

function load(config: KubeConfig, setting: string | undefined, directory: string): void {
  const pathOrContents = setting ?? process.env.KUBECONFIG;
  if (pathOrContents === undefined || pathOrContents === "") {
    config.loadFromDefault();
    return;
  }
  // The home of the user that runs, whatever HOME says.
  const file = resolve(
    directory,
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
  config.makePathsAbsolute(directory);
}
