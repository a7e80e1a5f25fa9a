import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { commandsToBeginAnew, initializeVault, recordInitialized } from "../../../tools/vault/init.ts";
import { keysFile } from "../../../tools/vault/keys.ts";
import { serverAt, serversInside } from "../../../tools/vault/servers.ts";
import { unsealVault } from "../../../tools/vault/unseal.ts";
import { FakePulumi } from "../fake-pulumi.ts";
import { vaultPod } from "../vault-cluster.ts";
import {
  closedLater,
  cluster,
  DEPLOY_TOKEN,
  directory,
  FakeVault,
  inPod,
  kms,
  PODS,
  setUpVault,
  targetOf,
} from "./scene.ts";

setUpVault();

describe("vault:init", () => {
  it("waits for the pod, initialises it through a port-forward, and says what comes next", async () => {
    const vault = await inPod("vault-0", new FakeVault());
    vault.initialized = false;
    const target = targetOf();
    const file = join(directory, "keys.json");
    const lines: string[] = [];
    cluster.put(`${PODS}/vault-0`, vaultPod("vault-0", { running: false }));
    const opening = serversInside(target);
    await expect.poll(() => cluster.requests.filter((it) => it.includes(PODS)).length).toBeGreaterThan(1);
    cluster.put(`${PODS}/vault-0`, vaultPod("vault-0"));
    const servers = closedLater(await opening);
    let recorded = 0;
    const record = async () => {
      recorded += 1;
    };
    const options = { keys: keysFile(file), record, log: (line: string) => lines.push(line) };
    await initializeVault(target, servers, options);
    expect(recorded).toBe(1);
    expect(vault.requests.filter((it) => it === "PUT sys/init")).toHaveLength(1);
    expect(vault).toMatchObject({ initialized: true, sealed: false });
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual({
      keys: vault.shares,
      keys_base64: vault.shares,
      deploy_token: DEPLOY_TOKEN,
    });
    const said = lines.join("\n");
    expect(said).toContain(
      "vault.initialized is true in stack prod\nnext: npm run vault -- run --stack prod --keys-file",
    );
    for (const secret of [...vault.shares, DEPLOY_TOKEN, "the-root-token"]) expect(said).not.toContain(secret);
  });

  it.each([
    ["http://vault.example.com:8200", 1],
    ["http://127.0.0.1:8200", 0],
    ["https://vault.example.com", 0],
  ])("tells who names an address where keys can be read on the way: %s", async (address, told) => {
    const lines: string[] = [];
    await serverAt(address, undefined, (line) => lines.push(line));
    const words =
      "is plain HTTP: whoever is on the way can read Vault's keys; use https, or leave --address out for a port-forward";
    expect(lines).toEqual(Array(told).fill(`${address} ${words}`));
  });

  it("begins anew with commands for each volume", () => {
    expect(commandsToBeginAnew(targetOf({ ...kms }, "production").vault, 3)).toEqual([
      "kubectl --namespace vault scale statefulset vault --replicas 0",
      "kubectl --namespace vault delete persistentvolumeclaim data-vault-0 audit-vault-0 data-vault-1 audit-vault-1 data-vault-2 audit-vault-2",
      "kubectl --namespace vault scale statefulset vault --replicas 3",
    ]);
  });

  it("asks the other replicas too whether they are initialised", async () => {
    const empty = await inPod("vault-0", new FakeVault());
    empty.initialized = false;
    await inPod("vault-1", new FakeVault());
    cluster.put(`${PODS}/vault-2`, vaultPod("vault-2", { running: false }));
    const servers = closedLater(await serversInside(targetOf()));
    expect(servers.others).toHaveLength(1);
    const options = { keys: keysFile(join(directory, "keys.json")), record: async () => {}, log: () => {} };
    await expect(initializeVault(targetOf(), servers, options)).rejects.toThrow("another replica of it is");
    expect(empty.initialized).toBe(false);
    expect(await readdir(directory)).toEqual([]);
  });

  it("records in the stack's configuration that it is done, and says what to do when that fails", async () => {
    const pulumi = new FakePulumi();
    await recordInitialized("prod", pulumi);
    expect(pulumi.calls).toEqual(["config set --path oke-platform:vault.initialized true --stack prod"]);
    pulumi.read = async () => ({ code: 255, stdout: "", stderr: "error: no stack" });
    await expect(recordInitialized("prod", pulumi)).rejects.toThrow(
      /^all is done in Vault, but .* cannot be written: error: no stack\nRun this yourself:\n {2}pulumi config set --path oke-platform:vault.initialized true --stack prod$/,
    );
  });
});

describe("unseal", () => {
  it("unseals each pod that is sealed, and no other", async () => {
    const [open, sealed] = [await inPod("vault-0", new FakeVault()), await inPod("vault-1", new FakeVault())];
    sealed.sealed = true;
    const servers = closedLater(await serversInside(targetOf()));
    const keys = keysFile(join(directory, "keys.json"));
    await expect(unsealVault(servers, keys, () => {})).rejects.toThrow("keys.json holds no keys");
    await keys.write({ keys_base64: sealed.shares });
    const lines: string[] = [];
    await unsealVault(servers, keys, (line) => lines.push(line));
    expect(sealed.sealed).toBe(false);
    expect(open.requests).not.toContain("PUT sys/unseal");
    expect(lines).toEqual([expect.stringMatching(/is not sealed$/), expect.stringMatching(/^unsealed Vault at /)]);
  });
});
