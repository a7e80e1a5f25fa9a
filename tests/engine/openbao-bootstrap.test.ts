import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { projectDirectory } from "../../project/stack.ts";
import { demand, sealStatus, type VaultApi } from "../../tools/vault/api.ts";
import { type KeyStore, type Keys, keysFile } from "../../tools/vault/keys.ts";
import { deployPolicy } from "../../tools/vault/policy.ts";
import { unsealVault } from "../../tools/vault/unseal.ts";
import { bao, begin, copyingRoot, kept, places, setUpOpenBao, status, work } from "./bootstrapping.ts";

// The bootstrap on a real server.

setUpOpenBao();

/** A place for keys that remembers what was written, and fails from the nth write on. */
function failingFrom(store: KeyStore, nth: number): KeyStore & { readonly written: Keys[] } {
  const written: Keys[] = [];
  return {
    ...store,
    written,
    async write(keys) {
      if (written.length + 1 >= nth) throw new Error("no space left");
      written.push(keys);
      await store.write(keys);
    },
  };
}

it("initialises a Vault once, keeps its keys, makes a token for runs and revokes the root token", async () => {
  await begin();
  const { run, file, lines, records, keys } = work();
  const remembered = failingFrom(keys, 99);
  const log = (line: string) => lines.push(line);
  await work({ keys: remembered, log }).run();

  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const first = await kept(file);
  expect(first.keys_base64).toHaveLength(5);
  expect(Object.keys(first).sort()).toEqual(["deploy_token", "keys", "keys_base64"]);
  expect(await sealStatus(bao.api)).toMatchObject({ initialized: true, sealed: false, t: 3, n: 5 });
  const root = remembered.written[0]?.root_token ?? "";
  expect(root).not.toBe("");
  expect(await status("GET", "auth/token/lookup-self", root)).toBe(403);
  const held = await demand<{ data: object }>(bao.api, "lookup", "GET", "auth/token/lookup-self", {
    token: first.deploy_token,
  });
  expect(held.data).toMatchObject({ orphan: true, period: 768 * 3600, policies: ["oke-platform"], renewable: true });

  await run();
  expect(await kept(file)).toEqual(first);
  expect(records()).toBe(1);
  expect(lines).toContain("Vault is initialised already");
  const secrets = [
    root,
    first.deploy_token,
    ...(first.keys_base64 ?? []),
    ...(remembered.written[0] as { keys: string[] }).keys,
  ];
  for (const secret of secrets) expect(lines.join("\n")).not.toContain(secret);
});

it("unseals with the keys that it kept", async () => {
  await begin();
  const { run, lines, records, keys } = work();
  await run();
  await bao.restart();
  expect(await sealStatus(bao.api)).toMatchObject({ sealed: true });
  await run();
  expect(await sealStatus(bao.api)).toMatchObject({ sealed: false });
  expect(records()).toBe(2);

  await bao.restart();
  // Somebody has begun, and with a share that is wrong.
  await bao.api.ask("PUT", "sys/unseal", { body: { key: randomBytes(33).toString("base64") } });
  const servers = { first: bao.api, others: [], close: async () => {} };
  await unsealVault(servers, keys, (line) => lines.push(line));
  expect(await sealStatus(bao.api)).toMatchObject({ sealed: false });
  await unsealVault(servers, keys, (line) => lines.push(line));
  expect(lines.at(-1)).toMatch(/is not sealed$/);
});

it("says so when the keys are another Vault's", async () => {
  await begin();
  const { run, file, records } = work();
  await run();
  const keys = await kept(file);
  const others = keys.keys_base64?.map(() => randomBytes(33).toString("base64"));
  await writeFile(file, JSON.stringify({ ...keys, keys_base64: others }));
  await bao.restart();
  const error: Error = await run().catch((reason) => reason);
  expect(error.message).toMatch(/unsealing with the key shares in the keys file .*: Vault answers 400/);
  for (const share of others ?? []) expect(error.message).not.toContain(share);
  await writeFile(file, JSON.stringify({ ...keys, keys_base64: keys.keys_base64?.slice(0, 2) }));
  await expect(run()).rejects.toThrow("has 2 key shares, and 3 are needed");
  expect(records()).toBe(1);
});

it("has recovery keys, and unseals nothing, where a service unseals Vault", async () => {
  await begin(`seal "static" {
  current_key_id = "one"
  current_key    = "${randomBytes(32).toString("hex")}"
}`);
  const { run, file, records } = work();
  await run();
  const first = await kept(file);
  expect(first.recovery_keys_base64).toHaveLength(5);
  expect(first.keys_base64 ?? []).toEqual([]);
  await bao.restart();
  await run();
  expect(await kept(file)).toEqual(first);
  expect(records()).toBe(2);
});

it("begins anew after it was killed between Vault's answer and the keys' place", async () => {
  await begin();
  const { run, file, records } = work();
  const program = `
      import { bootstrap } from "${projectDirectory}/tools/vault/bootstrap.ts";
      import { vaultApi } from "${projectDirectory}/tools/vault/api.ts";
      import { keysFile } from "${projectDirectory}/tools/vault/keys.ts";
      const keys = { ...keysFile(process.env.FILE), write: () => process.kill(process.pid, "SIGKILL") };
      await bootstrap({ vault: vaultApi(process.env.ADDRESS), others: [], keys, rescue: keys, policy: "", anew: [], log() {} });`;
  const env = { ...process.env, FILE: file, ADDRESS: bao.api.address };
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { env, stdio: "inherit" });
  expect((await once(child, "exit"))[1]).toBe("SIGKILL");
  expect(await sealStatus(bao.api)).toMatchObject({ initialized: true, sealed: true });
  expect((await readFile(file, "utf8")).trim()).toBe("");

  await expect(run()).rejects.toThrow(
    /holds no keys.*no data are lost.*To begin anew:\n {2}kubectl scale\n {2}kubectl delete/s,
  );
  expect(records()).toBe(0);
  await bao.empty();
  await run();
  expect((await kept(file)).keys_base64).toHaveLength(5);
  expect(records()).toBe(1);
});

it.each([
  ["before the deploy token is kept", 2],
  ["before the root token is forgotten", 3],
])("goes on after it was stopped %s", async (_when, nth) => {
  await begin();
  const { run, file, records, keys } = work();
  await expect(work({ keys: failingFrom(keys, nth) }).run()).rejects.toThrow("no space left");
  expect((await kept(file)).root_token).toBeDefined();
  await run();
  const { root_token, deploy_token = "" } = await kept(file);
  expect(root_token).toBeUndefined();
  expect(await status("GET", "auth/token/lookup-self", deploy_token)).toBe(200);
  expect(records()).toBe(1);
});

it("keeps the keys elsewhere when their place fails, and continues with that", async () => {
  await begin();
  const { keys } = work();
  const { run, file, rescue } = work({ keys: failingFrom(keys, 1) });
  await expect(run()).rejects.toThrow(
    /cannot be written: no space left\nIts keys are in the keys file .*rescue.json. Continue with --keys-file /,
  );
  expect((await readFile(file, "utf8")).trim()).toBe("");
  expect((await stat(rescue)).mode & 0o777).toBe(0o600);
  await work({ keys: keysFile(rescue) }).run();
  expect((await kept(rescue)).deploy_token).toBeDefined();
});

it("refuses before it initialises when the keys would overwrite something, or another replica has data", async () => {
  await begin();
  const { run, file } = work();
  await writeFile(file, "{}");
  await expect(run()).rejects.toThrow("is there already, and is not overwritten");
  const other: VaultApi = {
    address: "http://vault-1",
    ask: async () => ({
      status: 200,
      body: { initialized: true, sealed: false, type: "shamir" } as never,
      errors: "",
    }),
  };
  await expect(work({ keys: keysFile(join(bao.directory, "other.json")), others: [other] }).run()).rejects.toThrow(
    "another replica of it is",
  );
  expect(await sealStatus(bao.api)).toMatchObject({ initialized: false });
});

it("asks for a root token when the policy must change, and gives the token in use the new one", async () => {
  await begin();
  const unmanaged = deployPolicy({ ...places, access: "existing", kind: "installed" });
  const { run, file, keys } = work({ policy: unmanaged });
  const copying = copyingRoot(keys);
  await work({ policy: unmanaged, keys: copying }).run();
  const { root } = copying;
  await run();
  const first = await kept(file);
  expect(await status("GET", "sys/mounts/secret", first.deploy_token ?? "")).toBe(403);

  await expect(work().run()).rejects.toThrow("has the policy of other settings or of another version of this program");
  await work({ rootToken: root }).run();
  expect(await kept(file)).toEqual(first);
  expect(await status("GET", "sys/mounts/secret", first.deploy_token ?? "")).not.toBe(403);

  await demand(bao.api, "revoke", "PUT", "auth/token/revoke", { token: root, body: { token: first.deploy_token } });
  await expect(work().run()).rejects.toThrow("has ended");
  await work({ rootToken: root }).run();
  expect((await kept(file)).deploy_token).not.toBe(first.deploy_token);
});
