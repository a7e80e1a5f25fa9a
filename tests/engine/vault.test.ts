import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { placeholdersOf } from "../../project/placeholders.ts";
import { projectDirectory } from "../../project/stack.ts";
import { forgetInitialised, openSandbox, type Sandbox } from "../../sandbox/sandbox.ts";
import { isStolen } from "../../sandbox/world/attackers.ts";
import { peaceful, worldWithBareVault, worldWithoutVault } from "../../sandbox/world/beginnings.ts";
import { remains } from "../../sandbox/world/leftovers.ts";
import { keyOf, type State } from "../../sandbox/world/state.ts";
import { openWorld } from "../../sandbox/world/systems.ts";
import { settingsOf } from "../../tools/stack.ts";
import { deployPolicy } from "../../tools/vault/policy.ts";
import { initialise } from "../../workbench/bootstrap.ts";
import { changesIn, DEFINITIONS, problemsIn, SCALE, settingOf, withSettings } from "./harness.ts";

// Vault from nothing to a token in use, through the real engine.

const VAULT_HOST = ["vault.cluster.example.com"];

describe("a cluster without Vault", () => {
  let directory: string;
  let sandbox: Sandbox;
  let events: EngineEvent[];

  const open = async (changes: Record<string, unknown> = {}) => {
    events = [];
    sandbox = await openSandbox({ directory, stack: "fresh", scale: SCALE, configure: withSettings(changes) });
  };
  const options = { onEvent: (event: EngineEvent) => void events.push(event) };
  const look = async () => openWorld(await sandbox.cloud.look());
  const warnings = () =>
    events.flatMap(({ diagnosticEvent }) =>
      String(diagnosticEvent?.severity) === "warning" ? [diagnosticEvent?.message ?? ""] : [],
    );
  /** What is told of the phase. */
  const PHASE = expect.stringMatching(/^vault\.initialized is false: phase 1 of 2/);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
  });
  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  it("previews the first phase, and says that it is that", async () => {
    await open();
    const { changeSummary } = await sandbox.stack.preview(options);
    expect(changeSummary).toEqual({ create: 51 });
    expect(warnings()).toEqual([PHASE]);
    expect((await look()).state.items).toEqual(peaceful(worldWithoutVault()).items);
  });

  it("makes in the first all that needs nothing out of Vault", async () => {
    await open();
    const { outputs } = await sandbox.stack.up(options);
    expect([outputs.phase?.value, outputs.tokenSerial?.value]).toEqual(["bootstrap", null]);
    const world = await look();
    expect(world.item("Vault /vault")?.spec).toEqual({ installed: true, initialized: false, sealed: true });
    const ours = (kind: string) => world.items(kind).filter((item) => !isStolen(keyOf(item)));
    expect(ours("Gateway")).toEqual([]);
    expect(ours("VirtualService").map(({ ready }) => ready)).toEqual([true]);
    expect(world.state.violations).toEqual([]);
  });

  it("stays in the first as long as the settings say so, though Vault answers", async () => {
    await open();
    await sandbox.stack.up({ ...options, expectNoChanges: true });
    expect(warnings()).toEqual([PHASE]);
  });

  it("makes the rest in the second, and serves", async () => {
    await initialise(sandbox, "fresh", directory);
    await open();
    await sandbox.stack.preview(options);
    const { outputs } = await sandbox.stack.up(options);
    expect([outputs.phase?.value, outputs.tokenSerial?.value, outputs.kvVersion?.value]).toEqual(["complete", 1, "1"]);
    expect(warnings()).toEqual([]);
    expect(changesIn(events).filter((change) => !change.startsWith("create "))).toEqual([]);
    expect(await problemsIn(sandbox, VAULT_HOST)).toEqual([]);
    expect((await look()).item("Vault /vault")?.spec).toMatchObject({ initialized: true, sealed: false });
  });

  it("changes nothing in a second up, nor in one with a refresh", async () => {
    await open();
    await sandbox.stack.up({ ...options, expectNoChanges: true });
    await sandbox.stack.up({ ...options, refresh: true, expectNoChanges: true });
    expect(changesIn(events)).toEqual([]);
  });

  it("refuses a Vault that is sealed or gone before any step, and goes back to no earlier phase", async () => {
    const setVault = (spec: object) =>
      sandbox.cloud.visit((world) => {
        const vault = world.item("Vault /vault");
        if (vault) vault.spec = { ...vault.spec, ...spec };
      });
    const refusal = (error: Error) => /Vault at .*/.exec(error.message)?.[0] ?? error.message;
    const sayingWhy = (reason: string) =>
      `Vault at https://127.0.0.1:8200 cannot be used: ${reason}. It must be reachable from here, initialised and unsealed, ` +
      "and VAULT_TOKEN must be valid; for a Vault inside the cluster: npm run vault -- run --stack <stack> -- pulumi up";
    for (const [spec, reason] of [
      [{ sealed: true }, "Vault is sealed"],
      [{ installed: false, reachable: false }, "dial tcp: connect: connection refused"],
    ] as const) {
      const before = (await look()).item("Vault /vault")?.spec ?? {};
      await setVault(spec);
      // One service more, which has nothing to do with Vault, is not made either.
      await open({ services: [{ name: "grafana", namespace: "default", port: 3000 }] });
      expect(await sandbox.stack.preview(options).then(() => "no refusal", refusal)).toBe(sayingWhy(reason));
      expect(await sandbox.stack.up(options).then(() => "no refusal", refusal)).toBe(sayingWhy(reason));
      expect(changesIn(events)).toEqual([]);
      await setVault({ reachable: undefined, ...before });
    }
    await open();
    await sandbox.stack.up({ ...options, expectNoChanges: true });
  });

  it("is refused what the policy of the run does not allow, and is told who changes it", async () => {
    const changes = { vault: { install: true, initialized: true, audiences: ["vault"] } };
    await open(changes);
    await expect(sandbox.stack.up(options)).rejects.toThrow();
    const errors = events.flatMap(({ diagnosticEvent }) =>
      String(diagnosticEvent?.severity) === "error" ? [diagnosticEvent?.message ?? ""] : [],
    );
    expect(errors.join("\n")).toContain("Code: 403");
    expect(errors).toContainEqual(
      expect.stringContaining(
        "Vault refuses vault-access-role (vault:kubernetes/authBackendRole:AuthBackendRole): the policy of VAULT_TOKEN allows what it was written for, and no other value.",
      ),
    );
    const role = async () => (await look()).item("AuthBackendRole /kubernetes/external-secrets")?.spec.audience;
    expect(await role()).toBeUndefined();

    // Whoever holds root writes what `vault -- policy` prints.
    const { vault } = await settingsOf("fresh", projectDirectory, placeholdersOf("fresh"));
    if (vault?.login.method !== "kubernetes") throw new Error("fresh has another Vault");
    const runPolicy = deployPolicy({ ...vault, login: { ...vault.login, audiences: ["vault"] } });
    await sandbox.cloud.visit((world) => {
      const item = world.item("Vault /vault");
      if (item) item.spec = { ...item.spec, runPolicy };
    });
    await sandbox.stack.up(options);
    expect(await role()).toBe("vault");
  });

  it("takes Vault down last, and keeps what it holds", async () => {
    await sandbox.stack.destroy(options);
    expect(remains((await look()).state, worldWithoutVault().items)).toEqual([
      "AuthBackend /kubernetes",
      "AuthBackendConfig /kubernetes",
      ...DEFINITIONS,
      "Key /oke-platform-fresh",
      "KmsVault /oke-platform-fresh",
      "Mount /secret",
      "Namespace /cert-manager",
      "Namespace /vault",
      "PersistentVolumeClaim vault/data-vault-0",
      "PublicIp /oke-platform-fresh",
      "Secret cert-manager/cert-manager-tls-wildcard-cluster",
      "Secret cert-manager/vault-ca",
      "Secret vault/vault-ca",
      "Secret vault/vault-ca-for-ingressgateway",
      "Secret vault/vault-tls",
      "Vault /vault",
    ]);
  });

  it("comes up again on what was kept, with the settings that the outputs named", async () => {
    const world = await look();
    const idOf = (kind: string) => world.items(kind)[0]?.id;
    const kept = {
      loadBalancer: { ...(await settingOf("fresh", "loadBalancer")), reservedIp: idOf("PublicIp") },
      vault: { install: true, kmsVaultId: idOf("KmsVault"), kmsKeyId: idOf("Key") },
    };
    await forgetInitialised(directory);
    await open(kept);
    await sandbox.stack.up(options);
    // It unseals itself with the key of before, and is not initialised anew.
    const unsealed = (await look()).item("Vault /vault")?.spec;
    expect(unsealed).toMatchObject({ initialized: true, sealed: false });
    await initialise(sandbox, "fresh", directory);
    expect((await look()).item("Vault /vault")?.spec).toEqual(unsealed);
    await open({ ...kept, vault: { ...kept.vault, initialized: true } });
    await sandbox.stack.up(options);
    expect(changesIn(events)).toContain("import vault-access-mount");
    expect(await problemsIn(sandbox, VAULT_HOST)).toEqual([]);
    expect((await look()).state.acme.filter(({ hosts }) => hosts.includes("example.com"))).toHaveLength(1);
  });
});

describe("a Vault that is there", () => {
  const run = async (changes: Record<string, unknown>, world: State) => {
    const directory = await mkdtemp(join(tmpdir(), "oke-sandbox-"));
    try {
      const events: EngineEvent[] = [];
      const configure = withSettings(changes);
      const sandbox = await openSandbox({ directory, stack: "prod", scale: SCALE, world, configure });
      await sandbox.stack.up({ onEvent: (event) => void events.push(event) });
      const problems = await problemsIn(sandbox);
      await sandbox.stack.up({ expectNoChanges: true });
      const changes_ = changesIn(events);
      await sandbox.stack.destroy();
      return { problems, changes: changes_, left: openWorld(await sandbox.cloud.look()) };
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  };
  const inVault = ["AuthBackend", "AuthBackendConfig", "AuthBackendRole", "Mount", "Policy", "KvSecret"];

  it("gets what External Secrets needs where it holds nothing, and keeps the places that others may use by then", async () => {
    const vault = { address: "http://127.0.0.1:8200", access: "managed" };
    const { problems, changes, left } = await run({ vault }, worldWithBareVault());
    expect(problems).toEqual([]);
    expect(changes.filter((change) => change.includes("vault-access"))).toEqual([
      "create vault-access-backend",
      "create vault-access-backend-config",
      "create vault-access-mount",
      "create vault-access-policy",
      "create vault-access-role",
    ]);
    expect(inVault.filter((kind) => left.items(kind).length > 0)).toEqual([
      "AuthBackend",
      "AuthBackendConfig",
      "Mount",
    ]);
  });

  it("is left as others have set it up", async () => {
    const world = openWorld(worldWithBareVault());
    world.put({ kind: "Mount", name: "secret", spec: { type: "kv", version: "2" } });
    world.put({ kind: "AuthBackend", name: "kubernetes", spec: { type: "kubernetes" } });
    world.put({ kind: "AuthBackendConfig", name: "kubernetes", spec: { host: "https://10.0.0.1:6443" } });
    const vault = { address: "http://127.0.0.1:8200", access: "managed" };
    const { problems, changes, left } = await run({ vault }, world.state);
    expect(problems).toEqual([]);
    expect(changes.filter((change) => change.includes("vault-access"))).toEqual([
      "create vault-access-policy",
      "create vault-access-role",
      "import vault-access-backend",
      "import vault-access-backend-config",
      "import vault-access-mount",
    ]);
    expect(left.item("AuthBackendConfig /kubernetes")?.spec).toEqual({ host: "https://10.0.0.1:6443" });
  });

  it("may be elsewhere, with a login of its own", async () => {
    const world = openWorld(worldWithBareVault());
    world.put({ kind: "Mount", name: "secret", spec: { type: "kv", version: "2" } });
    const policy = 'path "secret/data/prod/cert-manager" { capabilities = ["read"] }';
    world.put({ kind: "Policy", name: "reader", spec: { policy } });
    const there = world.item("Vault /vault");
    if (there) there.spec.logins = { "approle/role-1/its-digest": ["reader"] };
    const secret = { name: "vault-login", namespace: "default", key: "secret-id" };
    world.put({ kind: "Secret", ...secret, spec: { data: { "secret-id": "its-digest" } } });
    const vault = {
      address: "https://vault.example.org",
      clusterAddress: "https://vault.example.org",
      auth: { method: "appRole", roleId: "role-1", secret },
    };
    const { problems, changes, left } = await run({ vault }, world.state);
    expect(problems).toEqual([]);
    expect(changes.filter((change) => change.includes("vault-access"))).toEqual([]);
    expect(left.item("Secret default/vault-login")).toBeDefined();
  });
});
