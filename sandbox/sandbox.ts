import { execFile } from "node:child_process";
import { chmod, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  type EngineEvent,
  LocalWorkspace,
  type ProjectSettings,
  PulumiCommand,
  type Stack,
  type StackSettings,
} from "@pulumi/pulumi/automation/index.js";
import { parse } from "yaml";
import { runProgram } from "../project/program.ts";
import { projectDirectory, readStack, type StackConfig } from "../project/stack.ts";
import { Cloud } from "./cloud.ts";
import { findEngine } from "./engine.ts";
import { emptyWorld, peaceful, worldWithoutVault } from "./world/beginnings.ts";
import type { State } from "./world/state.ts";
import type { Latencies } from "./world/world.ts";

export interface SandboxOptions {
  /** Where state, world and the stack's copy are kept; made when missing. */
  readonly directory: string;
  /** Name of the stack, whose configuration is `Pulumi.<stack>.yaml`. */
  readonly stack: string;
  /** Changes to that configuration. @default - none */
  readonly configure?: (config: StackConfig) => StackConfig;
  /** Real seconds for each second of the world. */
  readonly scale: number;
  /** The world to start with, when the directory holds none yet. @default - nothing of the platform in it, and no attackers */
  readonly world?: State;
  readonly latencies?: Latencies;
}

export interface Sandbox {
  /** The program's stack on the real engine. */
  readonly stack: Stack;
  /** What the providers act on. */
  readonly cloud: Cloud;
}

const run = promisify(execFile);

/** The packages whose providers the sandbox stands in for. */
const PACKAGES = ["kubernetes", "oci", "cloudflare", "vault"];

/**
 * The unchanged program on the real engine, with a world in the place of the clouds.
 *
 * @throws when there is no engine to be had, or no such stack
 */
export async function openSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { directory, stack, scale, configure = (config) => config } = options;
  const engine = await findEngine();
  const config = await withRecorded(directory, configure(await readStack(stack)));
  const workDir = join(directory, "project");
  await mkdir(workDir, { recursive: true });
  await mkdir(join(directory, "state"), { recursive: true });

  const cloud = new Cloud(join(directory, "world.json"));
  const { vault } = settingsOf(config);
  const world = options.world ?? peaceful(vault?.install === true ? worldWithoutVault() : emptyWorld());
  await cloud.start(world, scale, options.latencies);

  const project = parse(await readFile(join(projectDirectory, "Pulumi.yaml"), "utf8")) as ProjectSettings;
  const plugins = await makePlugins(join(directory, "plugins"));
  const selected = await LocalWorkspace.createOrSelectStack(
    {
      stackName: stack,
      projectName: project.name,
      program: () => runProgram(),
    },
    {
      workDir,
      pulumiCommand: await PulumiCommand.get({ root: await makeRoot(join(directory, "engine"), engine.path) }),
      // The types lag behind: https://www.pulumi.com/docs/iac/concepts/projects/project-file/#plugins-options
      projectSettings: {
        ...project,
        plugins: { providers: PACKAGES.map((name) => ({ name, path: plugins })) },
      } as ProjectSettings,
      stackSettings: { [stack]: await stackSettings(workDir, stack, config) },
      envVars: {
        PULUMI_BACKEND_URL: `file://${join(directory, "state")}`,
        PULUMI_CONFIG_PASSPHRASE: "sandbox",
        PULUMI_HOME: join(directory, "home"),
        PULUMI_SKIP_UPDATE_CHECK: "true",
        OKE_SANDBOX_WORLD: cloud.file,
      },
    },
  );
  const { envVars } = selected.workspace;
  for (const key of config.secrets) {
    const setting = run(engine.path, ["config", "set", key, "--secret", "--stack", stack], {
      cwd: workDir,
      env: { ...process.env, ...envVars },
    });
    // Not as an argument, which every user of the machine can read.
    setting.child.stdin?.end(config.values[key] ?? "");
    await setting;
  }
  return { stack: selected, cloud };
}

const VAULT = "oke-platform:vault";

/** The settings that are maps, of which the sandbox reads one. */
const settingsOf = ({ values }: StackConfig) =>
  ({ vault: JSON.parse(values[VAULT] || "null") }) as { vault: Record<string, unknown> | null };

const recordedIn = (directory: string) => join(directory, "vault.initialized");

/** Records that the stack's Vault is initialised, as `npm run vault:init` does in the stack's own file. */
export const recordInitialised = (directory: string) => writeFile(recordedIn(directory), "");

/** Forgets it, as the operator does after a destroy. */
export const forgetInitialised = (directory: string) => rm(recordedIn(directory), { force: true });

/** The stack's file is not the sandbox's to change, so that what is recorded stands beside the world. */
async function withRecorded(directory: string, config: StackConfig): Promise<StackConfig> {
  const { vault } = settingsOf(config);
  const isRecorded = await readFile(recordedIn(directory)).then(
    () => true,
    () => false,
  );
  if (vault?.install !== true || !isRecorded) return config;
  return { ...config, values: { ...config.values, [VAULT]: JSON.stringify({ ...vault, initialized: true }) } };
}

/** The stack's copy, with the salt of the copy before: without it, the secrets in the state could not be read. */
async function stackSettings(workDir: string, stack: string, config: StackConfig): Promise<StackSettings> {
  const before = await readFile(join(workDir, `Pulumi.${stack}.yaml`), "utf8").catch(() => "");
  const { encryptionsalt } = (parse(before) ?? {}) as StackSettings & { encryptionsalt?: string };
  const values = Object.entries(config.values).filter(([key]) => !config.secrets.includes(key));
  // Text, all of it: it is as text that the engine hands over objects and lists, too.
  const settings = { config: Object.fromEntries(values) };
  return { ...settings, ...(encryptionsalt !== undefined && { encryptionsalt }) } as StackSettings;
}

/** The Automation API looks for `bin/pulumi` below a root. */
async function makeRoot(root: string, engine: string): Promise<string> {
  const link = join(root, "bin", "pulumi");
  await mkdir(dirname(link), { recursive: true });
  await rm(link, { force: true });
  await symlink(engine, link);
  return root;
}

/** The engine starts `pulumi-resource-<name>` and reads a port from it. */
async function makePlugins(directory: string): Promise<string> {
  const provider = fileURLToPath(new URL("plugin/provider.ts", import.meta.url));
  await mkdir(directory, { recursive: true });
  for (const name of PACKAGES) {
    const { version } = createRequire(import.meta.url)(`@pulumi/${name}/package.json`) as { version: string };
    const script = join(directory, `pulumi-resource-${name}`);
    await writeFile(script, `#!/bin/sh\nOKE_SANDBOX_VERSION=${version} exec '${process.execPath}' '${provider}'\n`);
    await chmod(script, 0o755);
  }
  return directory;
}

/** One resource's part of an operation. */
export interface Step {
  readonly urn: string;
  readonly parent: string;
  readonly type: string;
  readonly op: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  endedAt?: number;
}

/** Collects what an operation does, resource by resource; `done` is told of each that ended. */
export function collectSteps(
  steps: Map<string, Step>,
  done: (step: Step) => void = () => undefined,
): (event: EngineEvent) => void {
  return ({ resourcePreEvent, resOutputsEvent }) => {
    const { metadata } = resourcePreEvent ?? resOutputsEvent ?? {};
    if (metadata === undefined) return;
    if (resourcePreEvent) {
      const { urn, type, op } = metadata;
      const parent = metadata.new?.parent ?? metadata.old?.parent ?? "";
      steps.set(urn, { urn, parent, type, op, startedAt: Date.now() });
    }
    const step = steps.get(metadata.urn);
    if (resOutputsEvent && step) {
      step.endedAt = Date.now();
      done(step);
    }
  };
}
