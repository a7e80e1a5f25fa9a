import { execFile } from "node:child_process";
import { type FileHandle, mkdtemp, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";

// Where the keys of a Vault are kept. They are never printed, and no process has them among its arguments.

/** What Vault answers when it is initialised, and what is made with it. */
export interface Keys {
  /** Shamir's key shares, which unseal it. */
  readonly keys_base64?: string[];
  /** Key shares of a Vault that a service unseals; a quorum of them can make a root token. */
  readonly recovery_keys_base64?: string[];
  /** Until the deploy token is made. */
  readonly root_token?: string;
  /** What Pulumi's runs use. */
  readonly deploy_token?: string;
}

/** A place for keys. */
export interface KeyStore {
  /** How a message names it. */
  readonly place: string;
  /** The options that name it on a command line. */
  readonly options: string;
  /** Undefined when nothing is there, or only the empty place. */
  read(): Promise<Keys | undefined>;
  /**
   * Makes the empty place, and so proves that there can be one.
   *
   * @throws when something is there that would be overwritten
   */
  reserve(): Promise<void>;
  /** Durable when it returns. */
  write(keys: Keys): Promise<void>;
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;

/** A file that only its owner reads. */
export function keysFile(path: string): KeyStore {
  const file = resolve(path);
  const place = `the keys file ${file}`;
  const contents = () =>
    readFile(file, "utf8").catch((error: unknown) => {
      if (codeOf(error) === "ENOENT") return "";
      throw error;
    });
  return {
    place,
    options: `--keys-file ${path}`,
    async read() {
      const text = await contents();
      return text === "" ? undefined : parseKeys(text, place);
    },
    async reserve() {
      try {
        await synced(file, "wx", "");
      } catch (error) {
        if (codeOf(error) !== "EEXIST") throw error;
        // What a run leaves that was stopped before it had keys.
        if ((await contents()) !== "") {
          throw new Error(`${place} is there already, and is not overwritten; name one that is not there`);
        }
      }
      await syncDirectory(file);
    },
    async write(keys) {
      const text = `${JSON.stringify(keys, null, 2)}\n`;
      if ((await contents()) === "") {
        await synced(file, "w", text);
      } else {
        // In one step: a run that is stopped here leaves the keys from before, and no half of them.
        const next = `${file}.new`;
        await rm(next, { force: true });
        await synced(next, "wx", text);
        await rename(next, file);
      }
      await syncDirectory(file);
    },
  };
}

/** Readable and writable by the owner alone. */
const MODE = 0o600;

async function synced(file: string, flags: "w" | "wx", text: string): Promise<void> {
  const handle = await open(file, flags, MODE);
  await syncing(handle, async () => {
    // An empty file that was there has its own mode.
    await handle.chmod(MODE);
    await handle.writeFile(text);
  });
}

/** A new name in a directory is durable when the directory is. */
async function syncDirectory(file: string): Promise<void> {
  await syncing(await open(dirname(file)), async () => {});
}

async function syncing(handle: FileHandle, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Not with what JSON.parse says, which quotes the text. */
function parseKeys(text: string, place: string): Keys {
  try {
    const keys = JSON.parse(text) as Keys;
    if (typeof keys === "object" && keys !== null && !Array.isArray(keys)) return keys;
  } catch {}
  throw new Error(`${place} holds no keys of Vault: it is no JSON object as vault:init writes it`);
}

/** A secret in an OCI Vault. */
export interface OciSecret {
  readonly name: string;
  /** OCID of the OCI Vault. */
  readonly vault: string;
  /** OCID of the key that encrypts the secret; needed to make it. */
  readonly key?: string;
  /** OCID of the compartment that the secret goes to; needed to make it. */
  readonly compartment?: string;
}

/** A secret in an OCI Vault, through the `oci` CLI. */
export function ociKeys({ name, vault, key, compartment }: OciSecret): KeyStore {
  const place = `the secret ${name} of the OCI Vault ${vault}`;
  const id = async () => {
    const args = ["vault", "secret", "list", "--compartment-id", needed(compartment, "--keys-compartment"), "--all"];
    const { data = [] } = ((await oci([...args, "--vault-id", vault, "--name", name])) ?? {}) as { data?: Summary[] };
    return data.find((secret) => secret["lifecycle-state"] !== "DELETED");
  };
  const read = async () => {
    const args = ["secrets", "secret-bundle", "get-secret-bundle-by-name", "--secret-name", name, "--vault-id", vault];
    const bundle = (await oci(args)) as { data: { "secret-bundle-content": { content: string } } };
    const text = Buffer.from(bundle.data["secret-bundle-content"].content, "base64").toString("utf8");
    return text === EMPTY ? undefined : parseKeys(text, place);
  };
  return {
    place,
    options: [
      `--keys-secret ${name} --keys-vault ${vault}`,
      ...(key === undefined ? [] : [`--keys-key ${key}`]),
      ...(compartment === undefined ? [] : [`--keys-compartment ${compartment}`]),
    ].join(" "),
    async read() {
      // Without its compartment a secret can be read, but not looked for.
      return compartment !== undefined && (await id()) === undefined ? undefined : read();
    },
    async reserve() {
      const there = await id();
      if (there !== undefined) {
        const { "lifecycle-state": state } = there;
        if (state === "ACTIVE" && (await read()) === undefined) return;
        throw new Error(`${place} is there already (${state}), and is not overwritten; name one that is not there`);
      }
      await ociWith(["vault", "secret", "create-base64", ...ACTIVE], {
        compartmentId: compartment,
        vaultId: vault,
        keyId: needed(key, "--keys-key"),
        secretName: name,
        description: "Keys of the Vault that oke-platform installs",
        secretContentContent: Buffer.from(EMPTY).toString("base64"),
      });
    },
    async write(keys) {
      const content = Buffer.from(JSON.stringify(keys)).toString("base64");
      const secretId = (await id())?.id;
      await ociWith(["vault", "secret", "update-base64", "--force", ...ACTIVE], {
        secretId,
        secretContentContent: content,
      });
    },
  };
}

interface Summary {
  readonly id: string;
  readonly "lifecycle-state": string;
}

/** OCI has no secret without content. */
const EMPTY = "{}";
/** A secret is not updated while an update is under way. */
const ACTIVE = ["--wait-for-state", "ACTIVE", "--max-wait-seconds", "120", "--wait-interval-seconds", "2"];

function needed(value: string | undefined, option: string): string {
  if (value === undefined) throw new Error(`${option} is needed to keep keys in an OCI Vault, beside --keys-secret`);
  return value;
}

/** Calls the `oci` CLI with values that must not be seen among its arguments. */
async function ociWith(args: string[], input: Record<string, unknown>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "oke-platform-"));
  try {
    const file = join(directory, "input.json");
    await writeFile(file, JSON.stringify(input), { mode: MODE, flag: "wx" });
    await oci([...args, "--from-json", `file://${file}`]);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function oci(args: string[]): Promise<unknown> {
  const command = `oci ${args.slice(0, 3).join(" ")}`;
  const { stdout } = await promisify(execFile)("oci", args).catch((error: { code?: unknown; stderr?: string }) => {
    if (error.code === "ENOENT") {
      throw new Error("oci is not on PATH; install the OCI CLI, or keep the keys in a file with --keys-file");
    }
    // Not the error's own message, which repeats the arguments, nor its standard output.
    throw new Error(`${command} failed: ${(error.stderr ?? "").trim().slice(0, 1000) || `it ends with ${error.code}`}`);
  });
  // The CLI prints nothing for an empty list.
  return stdout.trim() === "" ? undefined : JSON.parse(stdout);
}
