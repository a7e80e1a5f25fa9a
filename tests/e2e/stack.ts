import { mkdir, readFile, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  LocalWorkspace,
  type ProjectSettings,
  PulumiCommand,
  type Stack,
  type StackSettings,
} from "@pulumi/pulumi/automation/index.js";
import { parse } from "yaml";
import { runProgram } from "../../project/program.ts";
import { projectDirectory, readStack } from "../../project/stack.ts";
import { findEngine } from "../../sandbox/engine.ts";
import type { StackConfig } from "../../settings/config.ts";
import { parseSettings, type Settings } from "../../settings/settings.ts";
import { CA_CONFIG_MAP } from "./fixtures.ts";
import type { TestCluster } from "./requirements.ts";

// Stack e2e, with what only a run knows: the unchanged program on the real engine, with the official providers.

const PROJECT = "oke-platform";
const TOKEN = `${PROJECT}:cloudflareApiToken`;

/** What only a run knows. */
export interface RunValues {
  readonly cluster: TestCluster;
  /** URL at which this machine reaches Vault. */
  readonly vaultAddress: string;
  /** URL at which this machine reaches the API of Cloudflare's stand-in. */
  readonly cloudflareUrl: string;
  /** Address at which pods reach it. */
  readonly cloudflareIp: string;
  /** The API token that it takes. */
  readonly token: string;
  /** PEM of the root behind the certificates of Pebble and the stand-in. */
  readonly root: string;
}

/** What the environment asks for. */
export interface Wishes {
  /** One source for all charts, `charts.mirror`. */
  readonly mirror?: string;
  /** Type of the gateway's Service, `gateway.serviceType`. */
  readonly serviceType?: string;
  /** Istio's version to begin with, `charts.istio.version`. */
  readonly istioFrom?: string;
}

/** The wishes of E2E_CHARTS_MIRROR, E2E_SERVICE_TYPE and E2E_ISTIO_FROM; the program checks their values. */
export const wishesOf = (env: NodeJS.ProcessEnv): Wishes => ({
  ...(env.E2E_CHARTS_MIRROR && { mirror: env.E2E_CHARTS_MIRROR }),
  ...(env.E2E_SERVICE_TYPE && { serviceType: env.E2E_SERVICE_TYPE }),
  ...(env.E2E_ISTIO_FROM && { istioFrom: env.E2E_ISTIO_FROM }),
});

/** A stack's values by full key, maps and lists as themselves. */
export type Values = Record<string, unknown>;

/** Of a stack's maps, those that are changed here. */
interface Maps {
  readonly acme: Values;
  readonly vault: Values;
  readonly gateway: Values;
  readonly charts: Values & { readonly istio: Values };
}

const keyed = <T>(values: Record<string, T>) =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`${PROJECT}:${key}`, value]));

/** The values of Pulumi.e2e.yaml with those of a run in their places, but for the secret one. */
export async function valuesOf(run: RunValues, { mirror, serviceType, istioFrom }: Wishes): Promise<Values> {
  const { values } = await readStack("e2e", projectDirectory, {});
  const shipped = Object.fromEntries(
    Object.entries(values)
      .filter(([key]) => key !== TOKEN)
      .map(([key, value]) => [key, /^[[{]/.test(value) ? JSON.parse(value) : value]),
  );
  const of = <Key extends keyof Maps>(key: Key) => shipped[`${PROJECT}:${key}`] as Maps[Key];
  const charts = of("charts");
  return {
    ...shipped,
    "cloudflare:baseUrl": run.cloudflareUrl,
    ...keyed({
      cluster: run.cluster,
      acme: { ...of("acme"), caBundle: run.root },
      vault: { ...of("vault"), address: run.vaultAddress },
      gateway: { ...of("gateway"), ...(serviceType !== undefined && { serviceType }) },
      charts: {
        ...charts,
        ...(mirror !== undefined && { mirror }),
        istio: { ...charts.istio, ...(istioFrom !== undefined && { version: istioFrom }) },
        certManager: { values: toStandIn(run.cloudflareIp) },
      },
    }),
  };
}

/**
 * Values of cert-manager's chart that lead its controller, which knows one address of Cloudflare's API, to the stand-in:
 * https://github.com/cert-manager/cert-manager/blob/v1.21.0/deploy/charts/cert-manager/values.yaml
 */
const toStandIn = (ip: string) => ({
  hostAliases: [{ ip, hostnames: ["api.cloudflare.com"] }],
  volumes: [{ name: "e2e-ca", configMap: { name: CA_CONFIG_MAP } }],
  volumeMounts: [{ name: "e2e-ca", mountPath: "/e2e-ca", readOnly: true }],
  // Go reads it beside the image's own file of roots: https://github.com/golang/go/blob/go1.26.0/src/crypto/x509/root_unix.go
  extraEnv: [{ name: "SSL_CERT_DIR", value: "/e2e-ca" }],
});

/**
 * The settings behind the values, as the program reads them.
 *
 * @throws as {@link parseSettings}
 */
export const settingsIn = (values: Values, token: string): Settings => parseSettings(configOf(values, token));

/** The values as the program is handed them. */
export function configOf(values: Values, token: string): StackConfig {
  const own = Object.entries({ ...values, [TOKEN]: token });
  return {
    values: Object.fromEntries(
      own.map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
    ),
    secrets: [TOKEN],
  };
}

/** With a Vault that others have set up, as the article has it. */
export function withVaultSetUp(values: Values): Values {
  const key = `${PROJECT}:vault`;
  const { access: _, ...vault } = values[key] as Values;
  return { ...values, [key]: vault };
}

/** Another release of Istio: the default where none is named. */
export function withIstio(values: Values, version?: string): Values {
  const { istio: before, ...charts } = values[`${PROJECT}:charts`] as Maps["charts"];
  const { version: _, ...istio } = before;
  return {
    ...values,
    [`${PROJECT}:charts`]: { ...charts, istio: { ...istio, ...(version !== undefined && { version }) } },
  };
}

/** One service more. */
export function withService(values: Values, service: Values): Values {
  const key = `${PROJECT}:services`;
  return { ...values, [key]: [...(values[key] as Values[]), service] };
}

/** Other doors. */
export const withTenancy = (values: Values, tenancy: Values): Values => ({
  ...values,
  [`${PROJECT}:tenancy`]: tenancy,
});

/** The plugins that are in the CLI's own home are used, and no others brought. */
const ENVIRONMENT = {
  // What it protects is worth nothing outside of the test's cluster.
  PULUMI_CONFIG_PASSPHRASE: "e2e",
  PULUMI_SKIP_UPDATE_CHECK: "true",
  PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
};

/**
 * Makes the stack, its state and its file in a directory of the run's own.
 *
 * @param secrets of the run, for the stand-in and for Vault
 */
export async function openStack(
  directory: string,
  values: Values,
  secrets: { readonly token: string; readonly vaultToken: string },
): Promise<Stack> {
  const { path } = await findEngine();
  const [workDir, state, root] = ["project", "state", "engine"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  await mkdir(workDir, { recursive: true });
  await mkdir(state, { recursive: true });
  // The Automation API looks for `bin/pulumi` below a root.
  const link = join(root, "bin", "pulumi");
  await mkdir(dirname(link), { recursive: true });
  await symlink(path, link);
  const projectSettings = parse(await readFile(join(projectDirectory, "Pulumi.yaml"), "utf8")) as ProjectSettings;
  const stack = await LocalWorkspace.createOrSelectStack(
    {
      stackName: "e2e",
      projectName: projectSettings.name,
      program: () => runProgram(),
    },
    {
      workDir,
      pulumiCommand: await PulumiCommand.get({ root }),
      projectSettings,
      stackSettings: { e2e: { config: values } as StackSettings },
      envVars: {
        ...ENVIRONMENT,
        PULUMI_BACKEND_URL: `file://${state}`,
        CLOUDFLARE_API_TOKEN: secrets.token,
        VAULT_TOKEN: secrets.vaultToken,
      },
    },
  );
  await stack.setConfig(TOKEN, { value: secrets.token, secret: true });
  return stack;
}

/** Gives a stack other values. */
export async function setValues(stack: Stack, values: Values): Promise<void> {
  const { config: _, ...salt } = (await stack.workspace.stackSettings("e2e")) as StackSettings;
  const { [TOKEN]: token } = await stack.getAllConfig();
  await stack.workspace.saveStackSettings("e2e", { ...salt, config: values } as StackSettings);
  await stack.setConfig(TOKEN, { value: token?.value ?? "", secret: true });
}
