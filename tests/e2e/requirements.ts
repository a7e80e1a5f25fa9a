import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { findEngine } from "../../sandbox/engine.ts";
import { kubeConfigOf } from "../../tools/stack.ts";

// What the end-to-end test needs and no test can bring: a cluster, and the official providers. As a command it installs
// the providers, and says whether the test can run.

/** The cluster that the test may have for itself. */
export interface TestCluster {
  /** Context of the kubeconfig. */
  readonly context: string;
  /** Path of the kubeconfig. @default - the usual file */
  readonly kubeconfig?: string;
}

/** The cluster of E2E_CONTEXT and E2E_KUBECONFIG; undefined when none is named. */
export function testClusterOf({ E2E_CONTEXT, E2E_KUBECONFIG }: NodeJS.ProcessEnv): TestCluster | undefined {
  if (E2E_CONTEXT === undefined || E2E_CONTEXT === "") return undefined;
  return { context: E2E_CONTEXT, ...(E2E_KUBECONFIG && { kubeconfig: E2E_KUBECONFIG }) };
}

interface Plugin {
  readonly name: string;
  readonly version: string;
}

/** The provider plugins that stack e2e uses, each in the version of its SDK. */
const plugins: readonly Plugin[] = ["kubernetes", "cloudflare", "vault"].map((name) => {
  const { version } = createRequire(import.meta.url)(`@pulumi/${name}/package.json`) as { version: string };
  return { name, version };
});

/** Where the Pulumi CLI keeps its plugins: https://www.pulumi.com/docs/iac/cli/environment-variables/ */
const pluginDirectory = ({ PULUMI_HOME }: NodeJS.ProcessEnv) =>
  join(PULUMI_HOME || join(homedir(), ".pulumi"), "plugins");

const isExecutable = (file: string) =>
  access(file, constants.X_OK).then(
    () => true,
    () => false,
  );

async function missingPlugins(env: NodeJS.ProcessEnv): Promise<Plugin[]> {
  const there = await Promise.all(
    plugins.map(({ name, version }) =>
      isExecutable(join(pluginDirectory(env), `resource-${name}-v${version}`, `pulumi-resource-${name}`)),
    ),
  );
  return plugins.filter((_, index) => !there[index]);
}

/** Why the end-to-end test cannot run, in one line with what to do; undefined when it can. */
export async function reasonNotToRun(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const reasons: string[] = [];
  const cluster = testClusterOf(env);
  if (cluster === undefined) {
    reasons.push(
      "E2E_CONTEXT is not set; name the kubeconfig context of an empty cluster, and in E2E_KUBECONFIG its file where that is not the usual one",
    );
  } else {
    await kubeConfigOf(cluster).catch((error: Error) => reasons.push(`E2E_CONTEXT: ${error.message}`));
  }
  const missing = await missingPlugins(env);
  if (missing.length > 0)
    reasons.push(
      `${pluginDirectory(env)} lacks the official plugin of ${missing.map(({ name, version }) => `${name} ${version}`).join(", ")}; ` +
        "node tests/e2e/requirements.ts installs it",
    );
  return reasons.length === 0 ? undefined : reasons.join("; ");
}

/**
 * Installs the plugins that are missing.
 *
 * @throws when there is no Pulumi CLI, or it cannot download them
 */
async function installPlugins(env: NodeJS.ProcessEnv): Promise<void> {
  const missing = await missingPlugins(env);
  if (missing.length === 0) return;
  const { path } = await findEngine({ env });
  for (const { name, version } of missing) {
    console.error(`installing the plugin of ${name} ${version}`);
    await promisify(execFile)(path, ["plugin", "install", "resource", name, version], { env }).catch(
      (error: Error & { stderr?: string }) => {
        throw new Error(`pulumi plugin install resource ${name} ${version}: ${error.stderr?.trim() || error.message}`);
      },
    );
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    await installPlugins(process.env);
    const reason = await reasonNotToRun(process.env);
    if (reason !== undefined) throw new Error(`the end-to-end test cannot run: ${reason}`);
    console.log("the end-to-end test can run: npm run test:e2e");
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
