import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { examples } from "../../project/placeholders.ts";
import type { Registration } from "../../project/record.ts";
import { projectDirectory } from "../../project/stack.ts";
import { openSandbox, type Sandbox } from "../../sandbox/sandbox.ts";
import { emptyWorld } from "../../sandbox/world/beginnings.ts";
import type { State } from "../../sandbox/world/state.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import { settingsOf } from "../../tools/stack.ts";
import { registrationsOf } from "../harness.ts";
import { changesIn, hasLanguageHost, problemsIn, refusalOf, SCALE, settingOf, withSettings } from "./harness.ts";
import { repaired } from "./repairing.ts";

// What stands in the way at the edge of the cloud, through the real engine.

let directory: string;
let registrations: Registration[];
beforeAll(async () => {
  registrations = await registrationsOf("prod");
});
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true, force: true });
});

const open = (world: State, changes: Record<string, unknown> = {}, at = directory): Promise<Sandbox> =>
  openSandbox({ directory: at, stack: "prod", scale: SCALE, world, configure: withSettings(changes) });

describe("a zone that has a record for the host", () => {
  const foreign = (spec: Record<string, unknown>) => {
    const world = openWorld(emptyWorld());
    const zoneId = world.items("Zone")[0]?.id;
    world.put(
      {
        kind: "DnsRecord",
        name: "somebody's",
        spec: { zoneId, name: "cluster.example.com", ttl: 300, proxied: false, ...spec },
      },
      "record1",
    );
    return world.state;
  };

  const command =
    'echo \'{"nameTable":{},"resources":[{"type":"oke-platform:platform:DnsRecords","name":"dns-records","component":true},' +
    '{"type":"cloudflare:index/dnsRecord:DnsRecord","name":"dns-records-base","id":"zone0000000000000000000000sandbox/record1","parent":"dns-records"}]}\'' +
    " | pulumi import --file /dev/stdin --protect=false --generate-code=false --stack prod";

  it("is refused in the preview, with the command that tells what to do", async () => {
    const sandbox = await open(foreign({ type: "A", content: "198.51.100.1" }));
    expect(await refusalOf(sandbox)).toBe(
      "cluster.example.com has a record already: A 198.51.100.1. If a run of this stack made it and was cut off: npm run " +
        "repair -- --stack prod, and up again. If it is somebody else's, remove it first; the same command says how to take it over.",
    );
    const settings = await settingsOf("prod", projectDirectory, examples);
    const { findings, isWhole } = await repaired(directory, sandbox, { settings, registrations });
    expect(isWhole).toBe(false);
    expect(findings).toEqual([
      {
        subject: "DNS record A cluster.example.com",
        found: "is there, to 198.51.100.1, and no run is known to have been cut off in it",
        plan: `delete it at Cloudflare, or take it over and run up again: ${command}`,
        kind: "tell",
        steps: [],
      },
    ]);
  });

  // pulumi import loads the project's language host, which the official download has and the engine's module has not.
  it.skipIf(!hasLanguageHost())("is the stack's own after the command that takes it over", async () => {
    const sandbox = await open(foreign({ type: "A", content: "198.51.100.1" }));
    // In the same words, with what a terminal would add.
    const { workDir, envVars } = sandbox.stack.workspace;
    execFileSync("sh", ["-c", `${command} --yes --skip-preview`], {
      cwd: workDir,
      env: { ...process.env, ...envVars, PATH: `${directory}/engine/bin:${process.env.PATH}` },
    });
    const events: EngineEvent[] = [];
    await sandbox.stack.up({ onEvent: (event) => void events.push(event) });
    expect(changesIn(events)).toContain("update dns-records-base");
    expect(await problemsIn(sandbox)).toEqual([]);
    const records = openWorld(await sandbox.cloud.look())
      .items("DnsRecord")
      .map(({ spec }) => spec.name);
    expect(records.sort()).toEqual(["*.cluster.example.com", "cluster.example.com"]);
  });

  it("is refused without a way to take over what cannot be an A record", async () => {
    const sandbox = await open(foreign({ type: "CNAME", content: "elsewhere.example.org" }));
    expect(await refusalOf(sandbox)).toBe(
      "cluster.example.com has a record already: CNAME elsewhere.example.org. Delete it at Cloudflare, and run up again; an A record cannot be made of it",
    );
  });
});

describe("a second stack in the same compartment", () => {
  it("comes up beside the first, with an address and a firewall of its own, and is refused the first one's address", async () => {
    const first = await open(emptyWorld());
    await first.stack.up();
    const taken = openWorld(await first.cloud.look()).items("PublicIp")[0];

    // Another cluster: the same clouds, with nothing of the platform in Kubernetes.
    const clouds = await first.cloud.look();
    const kept = [
      "PublicIp",
      "NetworkSecurityGroup",
      "NetworkSecurityGroupRule",
      "DnsRecord",
      "ApiToken",
      "LoadBalancer",
    ];
    const items = { ...emptyWorld().items };
    for (const [key, item] of Object.entries(clouds.items))
      if (kept.includes(item.kind)) items[item.kind === "LoadBalancer" ? `${key} of the first` : key] = item;
    const world = { ...emptyWorld(), items };

    const elsewhere = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
    try {
      const loadBalancer = await settingOf("prod", "loadBalancer");
      const greedy = await open(
        world,
        { baseDomain: "second.example.com", loadBalancer: { ...loadBalancer, reservedIp: taken?.id } },
        elsewhere,
      );
      expect(await refusalOf(greedy)).toBe(
        `loadBalancer.reservedIp is ${taken?.status.ipAddress} (${taken?.id}), which is ASSIGNED, in use by ` +
          `${clouds.items["LoadBalancer /istio-ingressgateway"]?.id}; name an IP that is AVAILABLE, free this one first, or remove the setting to have one made. If it is the load balancer of this stack's gateway, whose run was cut off: npm run repair -- --stack prod`,
      );
      // In a takeover the address is the gateway's own, which was compared before.
      vi.stubEnv("PULUMI_K8S_UPSERT_EXISTING_OBJECTS", "true");
      await greedy.stack.preview();
      vi.unstubAllEnvs();
      const second = await open(world, { baseDomain: "second.example.com" }, elsewhere);
      await second.stack.up();
      expect(await problemsIn(second, ["vault.second.example.com", "argocd.second.example.com"])).toEqual([]);
      const both = openWorld(await second.cloud.look());
      expect(new Set(both.items("PublicIp").map(({ id }) => id)).size).toBe(2);
      expect(both.items("NetworkSecurityGroup")).toHaveLength(3);
      expect(
        both
          .items("DnsRecord")
          .map(({ spec }) => spec.name)
          .sort(),
      ).toEqual(["*.cluster.example.com", "*.second.example.com", "cluster.example.com", "second.example.com"]);
    } finally {
      await rm(elsewhere, { recursive: true, force: true });
    }
  });
});
