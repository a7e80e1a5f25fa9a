import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSandbox, type Sandbox } from "../../sandbox/sandbox.ts";
import { projectDirectory, type StackConfig } from "../../sandbox/stack.ts";
import { emptyWorld, problemsOf, sha256, World } from "../../sandbox/world.ts";

// The unchanged program through the real engine, against the simulated clouds. What a real cloud does with it beyond
// the world's rules is not proven here.

/** Real seconds for each second of the world: a whole `up` in about three. */
const SCALE = 0.005;
const HOSTS = ["vault.cluster.example.com", "argocd.cluster.example.com"];

/** A change of the stack's settings, by key below `oke-platform:`. */
const withSettings =
  (changes: Record<string, unknown>) =>
  (config: StackConfig): StackConfig => {
    const values = { ...config.values };
    for (const [key, value] of Object.entries(changes)) values[`oke-platform:${key}`] = JSON.stringify(value);
    return { ...config, values };
  };

const oneMore = [
  { name: "grafana", namespace: "default", port: 3000 },
  { name: "vault", namespace: "vault", port: 8200 },
  { name: "argocd", namespace: "argocd", service: "argocd-server", port: 80 },
];

const lastName = (urn: string) => urn.split("::").slice(3).join("::");

/** What an operation did, by resource: `create name`, sorted; what stays the same is left out. */
function changesIn(events: EngineEvent[]): string[] {
  return events
    .flatMap(({ resourcePreEvent }) => resourcePreEvent?.metadata ?? [])
    .filter(
      ({ op, type }) => !["same", "read", "refresh", "discard"].includes(op) && !/^(pulumi|oke-platform):/.test(type),
    )
    .map(({ op, urn }) => `${op} ${lastName(urn)}`)
    .sort();
}

/** Everything that a run left in a directory, as text. */
async function everythingIn(directory: string): Promise<string> {
  const files = await readdir(directory, { recursive: true, withFileTypes: true });
  const texts = files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), "utf8"));
  return (await Promise.all(texts)).join("\n");
}

/** The SDK's debug events hold every response in clear; the CLI shows them with --debug alone. */
const shown = (events: EngineEvent[]) =>
  events.filter(({ diagnosticEvent }) => String(diagnosticEvent?.severity) !== "debug");

const gitStatus = () => execFileSync("git", ["status", "--porcelain"], { cwd: projectDirectory, encoding: "utf8" });

describe.each(["prod", "lab"])("%s", (name) => {
  let directory: string;
  let sandbox: Sandbox;
  let events: EngineEvent[];
  let output: string;
  const before = gitStatus();

  const open = async (changes: Record<string, unknown> = {}) => {
    sandbox = await openSandbox({ directory, stack: name, scale: SCALE, configure: withSettings(changes) });
    events = [];
    output = "";
  };
  const options = {
    onEvent(event: EngineEvent) {
      events.push(event);
    },
    onOutput(text: string) {
      output += text;
    },
  };
  const look = async () => new World(await sandbox.cloud.look());
  /** What is wrong for a user, once Reflector's second is over. */
  const problems = async () => {
    const { result } = await sandbox.cloud.visit((world) => {
      world.advance(world.now + world.latencies.reflection);
      return [...world.state.violations, ...HOSTS.flatMap((host) => problemsOf(world, host))];
    });
    return result;
  };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
  });
  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  it("previews an empty world: plans everything and touches nothing", async () => {
    await open();
    const { changeSummary } = await sandbox.stack.preview(options);
    expect(changeSummary).toEqual({ create: name === "prod" ? 45 : 38 });
    expect((await sandbox.cloud.look()).items).toEqual(emptyWorld().items);
  });

  it("brings everything up, served over TLS", async () => {
    await open();
    const { outputs } = await sandbox.stack.up(options);
    expect(await problems()).toEqual([]);
    const world = await look();
    const [ip] = world.items("PublicIp");
    expect(Object.fromEntries(Object.entries(outputs).map(([key, { value }]) => [key, value]))).toEqual({
      loadBalancerAddress: ip?.status.ipAddress,
      reservedIp: ip?.id,
      urls: HOSTS.map((host) => `https://${host}`),
      keptOnDestroy: [
        "namespace cert-manager: the certificate with its key, and the ACME account key",
        "custom resource definitions of cert-manager and Istio",
        `reserved IP ${ip?.id}; set loadBalancer.reservedIp to it before the next up`,
      ],
    });
  });

  it("changes nothing in a second up, nor in one with a refresh", async () => {
    await open();
    await sandbox.stack.up({ ...options, expectNoChanges: true });
    await sandbox.stack.up({ ...options, refresh: true, expectNoChanges: true });
    expect(changesIn(events)).toEqual([]);
  });

  it("adds one service as exactly one create", async () => {
    await open({ services: oneMore });
    await sandbox.stack.up(options);
    expect(changesIn(events)).toEqual(["create routes-default/grafana"]);
    expect(problemsOf(await look(), "grafana.cluster.example.com")).toEqual([]);
  });

  it("brings a changed token to Vault and replaces nothing else", async () => {
    const tokensInUse = async () => {
      const world = await look();
      const data = world.item("KvSecret /secret/prod/cert-manager")?.spec.data as Record<string, string> | undefined;
      return data?.["cf-api-token"];
    };
    const old = await tokensInUse();
    await open({ cloudflare: { tokenSerial: 2 }, services: oneMore });
    await sandbox.stack.up(options);
    expect(changesIn(events)).toEqual(["create dns-token-2", "update vault-secret"]);
    const world = await look();
    expect(await tokensInUse()).not.toBe(old);
    // Both are valid: the cluster holds the older one until its next sync.
    expect(world.items("ApiToken").map(({ spec }) => spec.valueHash)).toEqual([old, await tokensInUse()]);
  });

  it("keeps tokens and keys out of state, output, log and the world's file", async () => {
    const exported = JSON.stringify(await sandbox.stack.exportStack());
    const tokens = new Set(exported.match(/sandbox-[0-9a-f]{40}/g));
    // The export is in clear, so that they are known here; the world knows their digests.
    expect([...tokens].map(sha256).sort()).toEqual(
      (await look())
        .items("ApiToken")
        .map(({ spec }) => spec.valueHash)
        .sort(),
    );
    const left = `${await everythingIn(directory)}\n${output}\n${JSON.stringify(shown(events))}`;
    expect(left).toContain("oke-platform-");
    expect([...tokens].filter((token) => left.includes(token))).toEqual([]);
  });

  it("destroys everything but what it keeps", async () => {
    await sandbox.stack.destroy(options);
    const left = Object.keys((await sandbox.cloud.look()).items).filter((key) => !(key in emptyWorld().items));
    expect(left.sort()).toEqual([
      "Namespace /cert-manager",
      `PublicIp /oke-platform-${name}`,
      "Secret cert-manager/cert-manager-tls-wildcard-cluster",
    ]);
  });

  it("uses again what was kept: one address, one certificate", async () => {
    const [ip] = (await look()).items("PublicIp");
    const { loadBalancer } = await settingsOf(name);
    await open({ loadBalancer: { ...loadBalancer, reservedIp: ip?.id } });
    const { outputs } = await sandbox.stack.up(options);
    expect(outputs.loadBalancerAddress?.value).toBe(ip?.status.ipAddress);
    expect(await problems()).toEqual([]);
    const world = await look();
    expect(world.items("PublicIp").map(({ id }) => id)).toEqual([ip?.id]);
    expect(world.state.acme.map(({ failed }) => failed)).toEqual([false]);
  });

  it("leaves the checkout as it was", () => {
    expect(gitStatus()).toBe(before);
  });
});

async function settingsOf(stack: string): Promise<{ loadBalancer: Record<string, unknown> }> {
  const { readStack } = await import("../../sandbox/stack.ts");
  const { values } = await readStack(stack);
  return { loadBalancer: JSON.parse(values["oke-platform:loadBalancer"] ?? "{}") };
}

describe("a cluster without clouds", () => {
  it("comes up with a CA of its own", async () => {
    const directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
    const plain: (config: StackConfig) => StackConfig = ({ values, secrets }) => {
      const { "oke-platform:loadBalancer": _, "oke-platform:vault": __, ...rest } = values;
      return withSettings({ cluster: { context: "kind-kind" }, cloudflare: { token: "none" }, acme: { server: "ca" } })(
        { values: rest, secrets },
      );
    };
    const { stack, cloud } = await openSandbox({ directory, stack: "prod", scale: SCALE, configure: plain });
    const { outputs } = await stack.up();
    expect(outputs.loadBalancerAddress?.value).toBe(null);
    const { result } = await cloud.visit((world) => {
      world.advance(world.now + world.latencies.reflection);
      return [...world.state.violations, ...HOSTS.flatMap((host) => problemsOf(world, host))];
    });
    expect(result).toEqual([]);
    await stack.destroy();
    await rm(directory, { recursive: true, force: true });
  });
});

describe("a supplied token", () => {
  it("reaches Vault, and is nowhere in clear", async () => {
    const directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
    const world = emptyWorld();
    const open = async (token: string) => {
      // The operator made it at Cloudflare.
      const spec = {
        valueHash: sha256(token),
        zones: ["zone0000000000000000000000sandbox"],
        permissions: ["DNS Write", "Zone Read"],
      };
      new World(world).put({ kind: "ApiToken", name: `the operator's ${sha256(token).slice(0, 4)}`, spec });
      return openSandbox({
        directory,
        stack: "prod",
        scale: SCALE,
        world,
        configure: (config) => {
          const { values, secrets } = withSettings({ cloudflare: { token: "supplied" } })(config);
          return {
            values: { ...values, "oke-platform:cloudflareApiToken": token },
            secrets: [...secrets, "oke-platform:cloudflareApiToken"],
          };
        },
      });
    };
    const events: EngineEvent[] = [];
    const { stack, cloud } = await open("a-token-of-the-operator");
    const { stdout } = await stack.up();
    const { result } = await cloud.visit((it) => {
      it.advance(it.now + it.latencies.reflection);
      return [...it.state.violations, ...HOSTS.flatMap((host) => problemsOf(it, host))];
    });
    expect(result).toEqual([]);
    const second = await open("another-token-of-the-operator");
    const changed = await second.stack.up({ onEvent: (event) => void events.push(event) });
    expect(changesIn(events)).toEqual(["update vault-secret"]);
    const left = `${await everythingIn(directory)}\n${stdout}\n${changed.stdout}\n${JSON.stringify(shown(events))}`;
    expect(left).not.toContain("token-of-the-operator");
    await rm(directory, { recursive: true, force: true });
  });
});
