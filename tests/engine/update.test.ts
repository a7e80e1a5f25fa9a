import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSandbox, type Sandbox } from "../../sandbox/sandbox.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import { changesIn, problemsIn, SCALE, settingOf, withSettings } from "./harness.ts";

// What each change of a running stack touches, through the real engine: exactly what it must, and nothing that drops
// traffic is replaced. Each test goes on from the stack that the one before left.

const services = [
  { name: "vault", namespace: "vault", port: 8200 },
  { name: "argocd", namespace: "argocd", service: "argocd-server", port: 80 },
];

describe("a running prod stack", () => {
  let directory: string;
  let sandbox: Sandbox;
  let settings: Record<string, unknown> = {};
  let output = "";

  /** Changes settings for good, runs an operation, and says what it did. */
  async function change(changes: Record<string, unknown>): Promise<string[]> {
    settings = { ...settings, ...changes };
    sandbox = await openSandbox({ directory, stack: "prod", scale: SCALE, configure: withSettings(settings) });
    const events: EngineEvent[] = [];
    output = (await sandbox.stack.up({ onEvent: (event) => void events.push(event) })).stdout;
    return changesIn(events);
  }
  /** What a preview of a change ends with. */
  async function refusalOf(changes: Record<string, unknown>): Promise<string> {
    const refused = await openSandbox({
      directory,
      stack: "prod",
      scale: SCALE,
      configure: withSettings({ ...settings, ...changes }),
    });
    const error: Error = await refused.stack.preview().then(
      () => new Error("nothing was refused"),
      (reason) => reason,
    );
    return /before hook .* failed: (.*)/.exec(error.message)?.[1] ?? error.message;
  }
  const loadBalancer = async (changes: Record<string, unknown>) => ({
    loadBalancer: { ...(await settingOf("prod", "loadBalancer")), ...(settings.loadBalancer as object), ...changes },
  });

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
    await change({});
  });
  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  it("upgrades Istio's three releases in place", async () => {
    expect(await change({ charts: { istio: { version: "1.31.5" } } })).toEqual([
      "update ingress-gateway",
      "update istio-base",
      "update istio-istiod",
    ]);
  });

  it("changes the bandwidth in place", async () => {
    expect(await change(await loadBalancer({ minMbps: 200, maxMbps: 2000 }))).toEqual(["update ingress-gateway"]);
    const [balancer] = openWorld(await sandbox.cloud.look()).items("LoadBalancer");
    expect(balancer?.spec).toMatchObject({ minMbps: 200, maxMbps: 2000 });
  });

  it("changes tags on what it made, and warns that the load balancer keeps its own", async () => {
    const tagged = await change({ freeformTags: { team: "web" } });
    expect(tagged).toEqual(["update ingress-gateway", "update load-balancer-ip", "update load-balancer-nsg"]);
    expect(output).toContain(
      "freeformTags change on what the program makes at OCI, but not on the load balancer, whose tags the cloud controller sets when it makes it",
    );
    const world = openWorld(await sandbox.cloud.look());
    expect(world.items("LoadBalancer")[0]?.status.tags).toBe(undefined);
    expect(world.items("PublicIp")[0]?.spec).toMatchObject({ freeformTags: { team: "web" } });
  });

  it("adds a rule for each listener for one CIDR more, and takes them away again", async () => {
    const rules = ["load-balancer-listener-443-198.51.100.0/24", "load-balancer-listener-80-198.51.100.0/24"];
    expect(await change(await loadBalancer({ allowedCidrs: ["0.0.0.0/0", "198.51.100.0/24"] }))).toEqual(
      rules.map((rule) => `create ${rule}`),
    );
    expect(await change(await loadBalancer({ allowedCidrs: ["0.0.0.0/0"] }))).toEqual(
      rules.map((rule) => `delete ${rule}`),
    );
  });

  it("changes the e-mail in the issuer alone", async () => {
    const acme = { ...(await settingOf("prod", "acme")), email: "somebody@example.com" };
    expect(await change({ acme })).toEqual(["update issuer"]);
  });

  it("really issues a new certificate for another ACME server", async () => {
    const issuedBefore = openWorld(await sandbox.cloud.look()).state.acme.length;
    const acme = { ...(settings.acme as object), server: "staging" };
    // A policy for each issuer: that of the old one goes after it.
    const replaced = ["certificate-policy", "certificate-policy-binding", "issuer"];
    expect(await change({ acme })).toEqual([
      ...["create-replacement", "delete-replaced", "replace"].flatMap((op) => replaced.map((name) => `${op} ${name}`)),
      "update certificate",
    ]);
    const { state } = openWorld(await sandbox.cloud.look());
    expect(state.acme.slice(issuedBefore).map(({ issuer, failed }) => ({ issuer, failed }))).toEqual([
      { issuer: "cluster-issuer-letsencrypt-staging", failed: false },
    ]);
  });

  it("routes to another port in place", async () => {
    expect(await change({ services: [{ ...services[0], port: 8201 }, services[1]] })).toEqual([
      "update routes-vault/vault",
    ]);
  });

  it("takes a service's name for its identity", async () => {
    expect(await change({ services: [{ ...services[0], name: "secrets", service: "vault" }, services[1]] })).toEqual([
      "create routes-vault/secrets",
      "delete routes-vault/vault",
      "update route-policy",
    ]);
  });

  it("serves all through", async () => {
    expect(await problemsIn(sandbox, ["secrets.cluster.example.com", "argocd.cluster.example.com"])).toEqual([]);
  });

  it("refuses in a preview what the cloud controller cannot do", async () => {
    const address = openWorld(await sandbox.cloud.look()).items("PublicIp")[0]?.status.ipAddress;
    const way = (setting: string, after: string) =>
      `loadBalancer.${setting} changes: the load balancer is public at ${address} and would be ${after}, which the cloud ` +
      "controller cannot do to one that exists. Take the change back, or make a new load balancer, with the time that " +
      "this takes without service: pulumi destroy --target-dependents --target " +
      "'urn:pulumi:prod::oke-platform::oke-platform:platform:IngressGateway$kubernetes:helm.sh/v3:Release::ingress-gateway', then pulumi up";
    expect(await refusalOf(await loadBalancer({ internal: true }))).toBe(way("internal", "internal"));
    const elsewhere = await loadBalancer({ compartmentId: "ocid1.compartment.oc1..aaaaother" });
    expect(await refusalOf(elsewhere)).toBe(way("reservedIp", "public at an address not known yet"));
    expect(await refusalOf(await loadBalancer({ ownAddress: true }))).toBe(
      way("reservedIp", "public at its own address"),
    );
  });

  it("refuses it without a preview too, before the gateway is touched", async () => {
    const { internal: _, ...rest } = (await loadBalancer({ internal: true })).loadBalancer as Record<string, unknown>;
    const changed = await openSandbox({
      directory,
      stack: "prod",
      scale: SCALE,
      configure: withSettings({ ...settings, loadBalancer: { ...rest, internal: true } }),
    });
    await expect(changed.stack.up()).rejects.toThrow('before hook "load-balancer-edge-fixed" failed');
    expect(await problemsIn(changed, ["secrets.cluster.example.com", "argocd.cluster.example.com"])).toEqual([]);
  });
});
