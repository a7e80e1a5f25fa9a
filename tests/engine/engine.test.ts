import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StackConfig } from "../../project/stack.ts";
import { openSandbox, type Sandbox } from "../../sandbox/sandbox.ts";
import { emptyWorld, peaceful } from "../../sandbox/world/beginnings.ts";
import { remains } from "../../sandbox/world/leftovers.ts";
import { problemsOf } from "../../sandbox/world/served.ts";
import { sha256 } from "../../sandbox/world/state.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import {
  changesIn,
  DEFINITIONS,
  everythingIn,
  gitStatus,
  HOSTS,
  oneMore,
  problemsIn,
  SCALE,
  settingOf,
  tokensOf,
  withSettings,
} from "./harness.ts";

// The unchanged program through the real engine, against the simulated clouds. What a real cloud does with it beyond
// the world's rules is not proven here.

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
  const look = async () => openWorld(await sandbox.cloud.look());

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
  });
  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  it("previews an empty world: plans everything and touches nothing", async () => {
    await open();
    const { changeSummary } = await sandbox.stack.preview(options);
    expect(changeSummary).toEqual({ create: name === "prod" ? 53 : 46 });
    expect((await sandbox.cloud.look()).items).toEqual(peaceful(emptyWorld()).items);
  });

  it("brings everything up, served over TLS", async () => {
    await open();
    const { outputs } = await sandbox.stack.up(options);
    expect(await problemsIn(sandbox)).toEqual([]);
    const world = await look();
    const [ip] = world.items("PublicIp");
    expect(Object.fromEntries(Object.entries(outputs).map(([key, { value }]) => [key, value]))).toEqual({
      loadBalancerAddress: ip?.status.ipAddress,
      reservedIp: ip?.id,
      loadBalancerName: "uid-istio-system-istio-ingressgateway",
      zone: "example.com",
      phase: "complete",
      tokenSerial: 1,
      kvVersion: "1",
      vaultIamPolicy: null,
      urls: HOSTS.map((host) => `https://${host}`),
      keptOnDestroy: [
        "namespace cert-manager: the certificate with its key, and the key of the ACME account or CA",
        "custom resource definitions of cert-manager",
        "custom resource definitions of Istio",
        "custom resource definitions of External Secrets",
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

  it("adds one service as one create, with its line in the policy and its namespace in the Gateway", async () => {
    await open({ services: oneMore });
    await sandbox.stack.up(options);
    expect(changesIn(events)).toEqual(["create routes-default/grafana", "update route-policy", "update tls-gateway"]);
    expect(problemsOf(await look(), "grafana.cluster.example.com")).toEqual([]);
  });

  it("brings a new token through Vault into the cluster at once, and replaces nothing", async () => {
    const tokensInUse = async () => (await tokensOf(await look())).inCluster;
    const old = await tokensInUse();
    await open({ cloudflare: { tokenSerial: 2 }, services: oneMore });
    await sandbox.stack.up(options);
    expect(changesIn(events)).toEqual(["create dns-token-2", "update token-secret", "update vault-secret"]);
    const world = await look();
    expect(await tokensInUse()).not.toBe(old);
    // The one before stays valid: a certificate may be on its way with it.
    expect(world.items("ApiToken").map(({ spec }) => spec.valueHash)).toEqual([old, await tokensInUse()]);
    expect(world.state.violations).toEqual([]);
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
    const left = `${await everythingIn(directory)}\n${output}\n${JSON.stringify(events)}`;
    expect(left).toContain("oke-platform-");
    expect([...tokens].filter((token) => left.includes(token))).toEqual([]);
  });

  it("destroys everything but what it keeps", async () => {
    await sandbox.stack.destroy(options);
    expect(remains(await sandbox.cloud.look())).toEqual([
      ...DEFINITIONS,
      "Namespace /cert-manager",
      `PublicIp /oke-platform-${name}`,
      "Secret cert-manager/cert-manager-tls-wildcard-cluster",
    ]);
  });

  it("uses again what was kept: one address, one certificate", async () => {
    const [ip] = (await look()).items("PublicIp");
    await open({ loadBalancer: { ...(await settingOf(name, "loadBalancer")), reservedIp: ip?.id } });
    const { outputs } = await sandbox.stack.up(options);
    expect(outputs.loadBalancerAddress?.value).toBe(ip?.status.ipAddress);
    expect(await problemsIn(sandbox)).toEqual([]);
    const world = await look();
    expect(world.items("PublicIp").map(({ id }) => id)).toEqual([ip?.id]);
    expect(world.state.acme.map(({ failed }) => failed)).toEqual([false]);
  });

  it("leaves the checkout as it was", () => {
    expect(gitStatus()).toBe(before);
  });
});

describe("a cluster without clouds", () => {
  it("comes up with a CA of its own", async () => {
    const directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
    const plain: (config: StackConfig) => StackConfig = ({ values, secrets }) => {
      const { "oke-platform:loadBalancer": _, "oke-platform:vault": __, ...rest } = values;
      return withSettings({ cluster: { context: "kind-kind" }, cloudflare: { token: "none" }, acme: { server: "ca" } })(
        { values: rest, secrets },
      );
    };
    const sandbox = await openSandbox({ directory, stack: "prod", scale: SCALE, configure: plain });
    const { outputs } = await sandbox.stack.up();
    expect(outputs.loadBalancerAddress?.value).toBe(null);
    expect(await problemsIn(sandbox)).toEqual([]);
    await sandbox.stack.destroy();
    await rm(directory, { recursive: true, force: true });
  });
});

describe("a supplied token", () => {
  const HMAC_KEY = "hmac-key-of-the-operator_42";

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
      openWorld(world).put({ kind: "ApiToken", name: `the operator's ${sha256(token).slice(0, 4)}`, spec });
      return openSandbox({
        directory,
        stack: "prod",
        scale: SCALE,
        world,
        configure: (config) => {
          // Beside it, a key that binds the ACME account, which is as secret.
          const eab = { email: "a@example.com", server: "https://acme.zerossl.com/v2/DV90", eab: { keyId: "kid-1" } };
          const { values, secrets } = withSettings({ cloudflare: { token: "supplied" }, acme: eab })(config);
          const given = { cloudflareApiToken: token, acmeEabHmacKey: HMAC_KEY };
          const own = Object.entries(given).map(([key, value]) => [`oke-platform:${key}`, value] as const);
          return {
            values: { ...values, ...Object.fromEntries(own) },
            secrets: [...secrets, ...own.map(([key]) => key)],
          };
        },
      });
    };
    const events: EngineEvent[] = [];
    const first = await open("a-token-of-the-operator");
    const { stdout } = await first.stack.up();
    expect(await problemsIn(first)).toEqual([]);
    const second = await open("another-token-of-the-operator");
    const changed = await second.stack.up({ onEvent: (event) => void events.push(event) });
    expect(changesIn(events)).toEqual(["update token-secret", "update vault-secret"]);
    const { inCluster } = await tokensOf(openWorld(await second.cloud.look()));
    expect(inCluster).toBe(sha256("another-token-of-the-operator"));
    const left = `${await everythingIn(directory)}\n${stdout}\n${changed.stdout}\n${JSON.stringify(events)}`;
    expect(left).not.toContain("token-of-the-operator");
    for (const key of [HMAC_KEY, Buffer.from(HMAC_KEY).toString("base64")]) expect(left).not.toContain(key);
    await rm(directory, { recursive: true, force: true });
  });
});
