import files, {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
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

  it("takes its room on the disk before there are keys, and they go there", async () => {
    const file = join(directory, "keys.json");
    const keys = keysFile(file);
    await keys.reserve();
    const { size, blocks, ino } = await stat(file);
    expect(size).toBe(16_384);
    // Not a hole in a file.
    expect(blocks * 512).toBeGreaterThanOrEqual(size);
    await keys.write({ deploy_token: "one" });
    expect((await stat(file)).ino).toBe(ino);
    expect(await readFile(file, "utf8")).toBe('{\n  "deploy_token": "one"\n}\n');
  });

  it.each(["to nothing yet", "to an empty file", "to another link"])("is what a link leads to: %s", async (what) => {
    const [link, target] = [join(directory, "link.json"), join(directory, "safe", "keys.json")];
    await mkdir(join(directory, "safe"));
    if (what === "to an empty file") await writeFile(target, "");
    if (what === "to another link") {
      await symlink(target, join(directory, "safe", "second"));
      await symlink(join("safe", "second"), link);
    } else await symlink(join("safe", "keys.json"), link);
    const keys = keysFile(link);
    await keys.reserve();
    for (const deploy_token of ["one", "two"]) {
      await keys.write({ deploy_token });
      expect(JSON.parse(await readFile(target, "utf8"))).toEqual({ deploy_token });
      expect((await lstat(link)).isSymbolicLink()).toBe(true);
      expect(await keysFile(link).read()).toEqual({ deploy_token });
    }
    expect(await readdir(directory)).toEqual(["link.json", "safe"]);
  });

  it("stays the one that its link led to at first", async () => {
    const link = join(directory, "link.json");
    await symlink("one.json", link);
    const keys = keysFile(link);
    await keys.reserve();
    await rm(link);
    await symlink("two.json", link);
    await keys.write({ deploy_token: "x" });
    expect(await readdir(directory)).toEqual(["link.json", "one.json"]);
  });

  it("is no device, no directory, and no file with a second name", async () => {
    await mkdir(join(directory, "folder"));
    await writeFile(join(directory, "one"), "");
    await link(join(directory, "one"), join(directory, "two"));
    for (const path of ["/dev/null", join(directory, "folder"), join(directory, "two")])
      await expect(keysFile(path).reserve()).rejects.toThrow("is no file, or one with other names too");
    await symlink("loop", join(directory, "loop"));
    await expect(keysFile(join(directory, "loop")).reserve()).rejects.toThrow("ELOOP");
  });

  it("leaves nothing beside itself when it cannot be replaced", async () => {
    const keys = keysFile(join(directory, "keys.json"));
    await keys.write({ deploy_token: "one" });
    const { rename } = files;
    files.rename = () => Promise.reject(new Error("no space left"));
    syncBuiltinESMExports();
    await expect(keys.write({ deploy_token: "two" })).rejects.toThrow("no space left");
    files.rename = rename;
    syncBuiltinESMExports();
    expect(await keys.read()).toEqual({ deploy_token: "one" });
    expect(await readdir(directory)).toEqual(["keys.json"]);
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
    const { PATH } = process.env;
    process.env.PATH = join(directory, "nowhere");
    await expect(keys.read()).rejects.toThrow(/^oci is not on PATH; install the OCI CLI, or keep the keys in a file/);
    process.env.PATH = PATH;
    await expect(ociKeys({ name: "x", vault: "ocid1.vault" }).reserve()).rejects.toThrow(
      "--keys-compartment is needed",
    );
  });
});
