import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { isProviders, lastName } from "../../project/registration.ts";
import { projectDirectory, readStack, type StackConfig } from "../../project/stack.ts";
import type { Sandbox } from "../../sandbox/sandbox.ts";
import { problemsOf } from "../../sandbox/world/served.ts";
import type { World } from "../../sandbox/world/world.ts";

/** Real seconds for each second of the world: a whole `up` in about three. */
export const SCALE = 0.005;
export const HOSTS = ["vault.cluster.example.com", "argocd.cluster.example.com"];

/** Definitions that the charts of cert-manager and Istio keep, in their groups. */
export const DEFINITIONS = [
  ...["acme.cert-manager.io", "cert-manager.io", "extensions.istio.io", "external-secrets.io", "networking.istio.io"],
  ...["security.istio.io", "telemetry.istio.io"],
].map((group) => `CustomResourceDefinition *.${group}`);

/** A change of the stack's settings, by key below `oke-platform:`. */
export const withSettings =
  (changes: Record<string, unknown>) =>
  (config: StackConfig): StackConfig => {
    const values = { ...config.values };
    for (const [key, value] of Object.entries(changes))
      values[`oke-platform:${key}`] = typeof value === "string" ? value : JSON.stringify(value);
    return { ...config, values };
  };

export const oneMore = [
  { name: "grafana", namespace: "default", port: 3000 },
  { name: "vault", namespace: "vault", port: 8200 },
  { name: "argocd", namespace: "argocd", service: "argocd-server", port: 80 },
];

/** What an operation did, by resource: `create name`, sorted; what stays the same is left out. */
export function changesIn(events: EngineEvent[]): string[] {
  return events
    .flatMap(({ resourcePreEvent }) => resourcePreEvent?.metadata ?? [])
    .filter(({ op, type }) => !["same", "read", "refresh", "discard"].includes(op) && isProviders(type))
    .map(({ op, urn }) => `${op} ${lastName(urn)}`)
    .sort();
}

/** Everything that a run left in a directory, as text. */
export async function everythingIn(directory: string): Promise<string> {
  const files = await readdir(directory, { recursive: true, withFileTypes: true });
  const texts = files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), "utf8"));
  return (await Promise.all(texts)).join("\n");
}

export const gitStatus = () =>
  execFileSync("git", ["status", "--porcelain"], { cwd: projectDirectory, encoding: "utf8" });

/** What is wrong for a user, once Reflector's second is over; empty when all is well. */
export async function problemsIn({ cloud }: Sandbox, hosts = HOSTS): Promise<string[]> {
  const { result } = await cloud.visit((world) => {
    world.advance(world.now + world.seconds("reflection"));
    return [...world.state.violations, ...hosts.flatMap((host) => problemsOf(world, host))];
  });
  return result;
}

/** A setting of a stack, as the sandbox hands it to the program. */
export async function settingOf(stack: string, key: string): Promise<Record<string, unknown>> {
  const { values } = await readStack(stack);
  return JSON.parse(values[`oke-platform:${key}`] ?? "{}");
}

/** Digests of the tokens: what the cluster holds, once a sync that was asked for is over, and what Cloudflare knows. */
export function tokensOf(world: World): { inCluster: string | undefined; valid: unknown[] } {
  world.advance(world.now + world.seconds("ExternalSecret"));
  const { data } = world.item("Secret cert-manager/cloudflare-token-secret")?.spec ?? {};
  return {
    inCluster: (data as Record<string, string> | undefined)?.["api-token"],
    valid: world.items("ApiToken").map(({ spec }) => spec.valueHash),
  };
}

/** Whether the CLI's Node.js host is on PATH, which the official download has and the engine's module has not. */
export function hasLanguageHost(): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((path) => existsSync(join(path, "pulumi-language-nodejs")));
}

/** The refusal that a preview ends with. */
export async function refusalOf({ stack }: Sandbox): Promise<string> {
  const error: Error = await stack.preview().then(
    () => new Error("nothing was refused"),
    (reason) => reason,
  );
  return /before hook .* failed: (.*)/.exec(error.message)?.[1] ?? error.message;
}
