import { chmod, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { keysFile } from "../../../tools/vault/keys.ts";
import { ociKeys } from "../../../tools/vault/oci-keys.ts";
import { withCommand } from "../fake-command.ts";
import { OCI } from "./oci.ts";

const DEPLOY_TOKEN = "the-deploy-token";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "vault-keys-"));
});
afterEach(() => rm(directory, { recursive: true }));

describe("the keys file", () => {
  it("is made for its owner alone, and overwrites nothing", async () => {
    const file = join(directory, "keys.json");
    const keys = keysFile(file);
    expect(await keys.read()).toBeUndefined();
    await keys.reserve();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await keys.read()).toBeUndefined();
    await chmod(file, 0o644);
    await keys.reserve();
    await keys.write({ deploy_token: "one" });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await keys.write({ deploy_token: "two" });
    expect(await keys.read()).toEqual({ deploy_token: "two" });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(["keys.json"]);
    await expect(keys.reserve()).rejects.toThrow(
      "is there already, and is not overwritten; name one that is not there",
    );
    await expect(keysFile(join(directory, "no", "keys.json")).reserve()).rejects.toThrow("ENOENT");
  });
});

describe("keys in an OCI Vault", () => {
  const secret = { name: "vault-keys", vault: "ocid1.vault", key: "ocid1.key", compartment: "ocid1.compartment" };

  it("are written and read through the oci CLI, and never among its arguments", async () => {
    const keys = ociKeys(secret);
    await withCommand(directory, "oci", OCI, async () => {
      expect(await keys.read()).toBeUndefined();
      await keys.reserve();
      expect(await keys.read()).toBeUndefined();
      await keys.reserve();
      await keys.write({ keys_base64: ["share-1"], deploy_token: DEPLOY_TOKEN });
      expect(await keys.read()).toEqual({ keys_base64: ["share-1"], deploy_token: DEPLOY_TOKEN });
      expect(await ociKeys({ name: secret.name, vault: secret.vault }).read()).toMatchObject({
        deploy_token: DEPLOY_TOKEN,
      });
      await expect(keys.reserve()).rejects.toThrow(
        "the secret vault-keys of the OCI Vault ocid1.vault is there already (ACTIVE)",
      );
    });
    const calls = await readFile(join(directory, "log.args"), "utf8");
    expect(calls).not.toContain(DEPLOY_TOKEN);
    expect(calls).not.toContain(Buffer.from(DEPLOY_TOKEN).toString("base64").slice(4, 12));
    expect(calls).toContain(
      "vault secret list --compartment-id ocid1.compartment --all --vault-id ocid1.vault --name vault-keys",
    );
    expect(await readFile(join(directory, "log.modes"), "utf8")).toBe("600\n600\n");
  });

  it("say what the CLI says, and nothing of the keys", async () => {
    const keys = ociKeys(secret);
    const fails = 'echo "NotAuthorizedOrNotFound" >&2; exit 1';
    await expect(withCommand(directory, "oci", fails, () => keys.reserve())).rejects.toThrow(
      "oci vault secret list failed: NotAuthorizedOrNotFound",
    );
    await expect(ociKeys({ name: "x", vault: "ocid1.vault" }).reserve()).rejects.toThrow(
      "--keys-compartment is needed",
    );
  });
});
