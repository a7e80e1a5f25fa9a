import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Registration } from "../../project/record.ts";
import type { Sandbox } from "../../sandbox/sandbox.ts";
import { deleteRecord, failRecord, recordsOf } from "../../sandbox/world/helm.ts";
import type { Item, State } from "../../sandbox/world/state.ts";
import type { World } from "../../sandbox/world/world.ts";
import type { Settings } from "../../settings/settings.ts";
import type { AskOci } from "../../tools/doctor/oci-cli.ts";
import type { AskVault } from "../../tools/doctor/vault-api.ts";
import type { AskCloudflare } from "../../tools/lib/cloudflare-api.ts";
import type { PulumiCli } from "../../tools/lib/pulumi.ts";
import type { Systems } from "../../tools/repair/find.ts";
import type { Finding } from "../../tools/repair/findings.ts";
import type { Cluster, HelmRecord } from "../../tools/repair/kubernetes.ts";
import { repair } from "../../tools/repair/repair.ts";
import type { KilledRun } from "./killed-run.ts";

// Kills of the engine in the sandbox, and the repair of what they leave.

/**
 * Runs an `up`, and kills the engine at a create; false when there was no such one.
 *
 * @param parallel how much is done at once. @default - as much as can be
 * @throws when the run ends otherwise, with what it said
 */
export async function killedAt(
  directory: string,
  { cloud, stack }: Sandbox,
  crash: NonNullable<State["crash"]>,
  parallel?: number,
): Promise<boolean> {
  await cloud.visit((world) => {
    world.state.crash = crash;
  });
  const { workDir, envVars } = stack.workspace;
  const { name: projectName } = await stack.workspace.projectSettings();
  const run: KilledRun = {
    stackName: stack.name,
    projectName,
    workDir,
    envVars,
    engine: join(directory, "engine"),
    ...(parallel !== undefined && { parallel }),
  };
  const program = fileURLToPath(new URL("killed-run.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(run)]);
  await cloud.visit((world) => {
    delete world.state.crash;
  });
  if (stdout !== "done\n" && stdout !== "killed\n") throw new Error(stdout);
  return stdout === "killed\n";
}

export interface Repaired {
  readonly findings: readonly Finding[];
  readonly said: readonly string[];
  /** Whether nothing is left that somebody must see to. */
  readonly isWhole: boolean;
}

/** Repairs the stack of a sandbox, as the command does. */
export async function repaired(
  directory: string,
  { cloud, stack }: Sandbox,
  known: { readonly settings: Settings; readonly registrations: readonly Registration[] },
): Promise<Repaired> {
  const findings: Finding[] = [];
  const said: string[] = [];
  const isWhole = await repair({
    ...known,
    stack: stack.name,
    systems: systemsIn(async (visitor) => (await cloud.visit(visitor)).result),
    pulumi: cliOf(directory, stack.workspace),
    approve: async () => true,
    say: (all) => void findings.push(...all),
    log: (line) => void said.push(line),
  });
  return { findings, said, isWhole };
}

/** The engine of a sandbox, as a command on PATH; it shows nothing, as no repair does. */
export function cliOf(
  directory: string,
  { workDir, envVars }: Pick<Sandbox["stack"]["workspace"], "workDir" | "envVars">,
): PulumiCli {
  const options = { cwd: workDir, env: { ...process.env, ...envVars } };
  return {
    read: (args) =>
      promisify(execFile)(join(directory, "engine", "bin", "pulumi"), args, options).then(
        (printed) => ({ code: 0, ...printed }),
        ({ code, stdout = "", stderr = "" }) => ({ code, stdout, stderr }),
      ),
    show: () => Promise.reject(new Error("a repair shows nothing of Pulumi's")),
  };
}

type Visit = <T>(visitor: (world: World) => T) => Promise<T>;

/** The world in the place of the clouds. */
const systemsIn = (visit: Visit): Systems => ({
  cluster: clusterIn(visit),
  cloudflare: () => cloudflareIn(visit),
  oci: ociIn(visit),
  vault: (async (path: string) => {
    if (path !== "sys/audit") throw new Error(`nobody answers for ${path}`);
    const devices = await visit((world) => world.items("Audit").map(({ name }) => [`${name}/`, {}]));
    return { status: 200, body: { data: Object.fromEntries(devices) } };
  }) as AskVault,
});

function clusterIn(visit: Visit): Cluster {
  const release = (world: World, namespace: string, { name }: HelmRecord): Item => {
    const key = `Release ${namespace}/${name.split(".").at(-2)}`;
    const found = world.item(key);
    if (found === undefined || recordOf(found).at(-1)?.name !== name) throw new Error(`${name} is not the newest`);
    return found;
  };
  const recordOf = (item: Item): HelmRecord[] =>
    recordsOf(item).map(({ revision, status }) => {
      const name = `sh.helm.release.v1.${item.name}.v${revision}`;
      return { name, uid: name, revision, status, changedAt: new Date(), byPulumi: true };
    });
  return {
    object: ({ kind, namespace = "", name }) =>
      visit((world) => world.item(`${kind} ${namespace}/${name}`) && { byPulumi: true, manager: undefined }),
    records: () => visit((world) => new Map(world.items("Release").map((item) => [item.id, recordOf(item)]))),
    deleteRecord: (namespace, record) => visit((world) => deleteRecord(world, release(world, namespace, record))),
    failRecord: (namespace, record) => visit((world) => failRecord(release(world, namespace, record))),
  };
}

const cloudflareIn = (visit: Visit): AskCloudflare =>
  (async (path: string, method = "GET") => {
    const { pathname, searchParams } = new URL(path, "http://cloudflare");
    const [, id = ""] = /\/user\/tokens\/(.+)/.exec(pathname) ?? [];
    if (method === "DELETE") {
      await visit((world) => {
        for (const token of world.items("ApiToken")) if (token.id === id) world.drop(token);
      });
      return { result: {} };
    }
    const result = await visit((world) => {
      if (pathname === "/zones") return world.items("Zone").map(({ id }) => ({ id, status: "active" }));
      if (pathname === "/user/tokens") return searchParams.get("page") === "1" ? world.items("ApiToken") : [];
      const records = world.items("DnsRecord").map(({ id, spec }) => ({ id, ...spec }));
      return records.filter((record) => (record as { name?: unknown }).name === searchParams.get("name.exact"));
    });
    return { result };
  }) as AskCloudflare;

/** Kinds of the world, by the beginning of the command that lists them. */
const LISTS: Record<string, string> = {
  "network public-ip list": "PublicIp",
  "network nsg list": "NetworkSecurityGroup",
  "kms management vault list": "KmsVault",
  "kms management key list": "Key",
};

const ociIn = (visit: Visit): AskOci =>
  (async (...args: string[]) => {
    const command = args.join(" ");
    if (command.startsWith("network nsg rules list")) return visit((world) => rulesOf(world, args[5] ?? ""));
    const [, kind] = Object.entries(LISTS).find(([list]) => command.startsWith(list)) ?? [];
    if (kind === undefined) throw new Error(`nobody answers for oci ${command}`);
    return visit((world) =>
      world.items(kind).map(({ id, name }) => ({
        id,
        "display-name": name.replace(/ \(\d+\)$/, ""),
        "lifecycle-state": "AVAILABLE",
        "time-created": "2026-11-27T10:00:00.000Z",
      })),
    );
  }) as AskOci;

const rulesOf = (world: World, nsg: string) =>
  world
    .items("NetworkSecurityGroupRule")
    .filter(({ spec }) => spec.nsg === nsg)
    .map(({ id, spec }) => ({
      id,
      description: spec.description,
      direction: spec.direction,
      protocol: "6",
      source: spec.direction === "INGRESS" ? spec.peer : null,
      destination: spec.direction === "EGRESS" ? spec.peer : null,
      "tcp-options": { "destination-port-range": { min: spec.min, max: spec.max } },
    }));
