import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSandbox, type Sandbox } from "../../sandbox/sandbox.ts";
import { emptyWorld } from "../../sandbox/world/beginnings.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import { changesIn, HOSTS, oneMore, problemsIn, SCALE, withSettings } from "./harness.ts";

// Who may use what is the platform's, through the real engine, in a world with attackers. Each test goes on from the stack
// that the one before left.

let directory: string;
let sandbox: Sandbox;
let output = "";

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** Runs an `up` with other settings, and says what it did. */
async function up(changes: Record<string, unknown> = {}, scale = SCALE): Promise<string[]> {
  sandbox = await openSandbox({
    directory,
    stack: "prod",
    scale,
    world: emptyWorld(),
    configure: withSettings(changes),
  });
  const events: EngineEvent[] = [];
  output = (await sandbox.stack.up({ onEvent: (event) => void events.push(event) })).stdout;
  return changesIn(events);
}

describe("a prod stack", () => {
  it("keeps what is its own to itself, without a warning", async () => {
    await up();
    expect(await problemsIn(sandbox)).toEqual([]);
    expect(output).not.toContain("tenancy.");
  });

  it("gets one more service, which the table of before refuses for a moment", async () => {
    // As slow as the world is, so that the API server is later than the engine.
    expect(await up({ services: oneMore }, 1)).toEqual([
      "create routes-default/grafana",
      "update route-policy",
      "update tls-gateway",
    ]);
    expect(output).toContain(
      "the API server does not know the new table of hosts for routes-default/grafana yet; the next try is in 1 s",
    );
    expect(await problemsIn(sandbox, [...HOSTS, "grafana.cluster.example.com"])).toEqual([]);
  });

  it("gets one more in a namespace that has one, and then no Gateway changes", async () => {
    const another = { name: "prometheus", namespace: "default", port: 9090 };
    expect(await up({ services: [another, ...oneMore] })).toEqual([
      "create routes-default/prometheus",
      "update route-policy",
    ]);
  });

  it("gives a host to another namespace, and takes it from the one before", async () => {
    const moved = oneMore.map((service) => (service.name === "grafana" ? { ...service, namespace: "evil" } : service));
    expect(await up({ services: moved })).toEqual([
      "create routes-evil/grafana",
      "delete routes-default/grafana",
      "delete routes-default/prometheus",
      "update route-policy",
      "update tls-gateway",
    ]);
    expect(await problemsIn(sandbox, [...HOSTS, "grafana.cluster.example.com"])).toEqual([]);
  });

  it("opens to some, with a warning for each", async () => {
    const tenancy = { routes: ["default"], certificates: ["default"], secrets: ["default"] };
    expect(await up({ tenancy })).toEqual([
      "delete routes-evil/grafana",
      "update certificate-policy",
      "update route-policy",
      "update secret-store",
      "update tls-gateway",
    ]);
    for (const door of ["routes", "certificates", "secrets"])
      expect(output).toContain(`warning: tenancy.${door} is open to default: `);
    // Those who are not among them get nothing.
    expect(await problemsIn(sandbox)).toEqual([]);
  });

  it("opens to all, in words, and then everybody takes what he wants", async () => {
    const tenancy = { routes: "all", certificates: "all", secrets: "all" };
    expect(await up({ tenancy })).toEqual([
      "delete certificate-policy",
      "delete certificate-policy-binding",
      "delete route-policy",
      "delete route-policy-binding",
      "update istio-istiod",
      "update secret-store",
      "update tls-gateway",
    ]);
    for (const door of ["routes", "certificates", "secrets"]) expect(output).toContain(`tenancy.${door} is "all": `);
    const { result } = await sandbox.cloud.visit((world) => {
      world.advance(world.now + 600);
      return world.state.violations;
    });
    expect(result).toEqual(
      expect.arrayContaining([
        "evil answers for * at Gateway istio-gateway",
        "the certificate's key is in namespace evil",
        "the DNS token is in namespace evil",
      ]),
    );
  });

  it("closes again, and a destroy takes the policies last", async () => {
    expect(await up()).toEqual([
      "create certificate-policy",
      "create certificate-policy-binding",
      "create route-policy",
      "create route-policy-binding",
      "update istio-istiod",
      "update secret-store",
      "update tls-gateway",
    ]);
    const events: EngineEvent[] = [];
    await sandbox.stack.destroy({ onEvent: (event) => void events.push(event) });
    const gone = events.flatMap(({ resOutputsEvent }) => resOutputsEvent?.metadata.urn.split("::").at(-1) ?? []);
    const order = (name: string) => gone.indexOf(name);
    expect(order("route-policy-binding")).toBeGreaterThan(order("istio-base"));
    expect(order("route-policy-binding")).toBeGreaterThan(order("tls-gateway"));
    expect(order("certificate-policy-binding")).toBeGreaterThan(order("issuer"));
    const left = openWorld(await sandbox.cloud.look());
    expect(left.items("ValidatingAdmissionPolicy")).toEqual([]);
  });
});
