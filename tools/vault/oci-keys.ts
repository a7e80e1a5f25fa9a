import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type FileHandle, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type KeyStore, parseKeys } from "./keys.ts";

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

/** Calls the `oci` CLI with values that must not be seen among its arguments, nor stay on a disk: their file has no name. */
async function ociWith(args: string[], input: Record<string, unknown>): Promise<void> {
  const path = join(tmpdir(), `oke-platform-${randomUUID()}`);
  const handle = await open(path, "wx+", 0o600);
  try {
    await rm(path);
    await handle.write(JSON.stringify(input), 0);
    await oci([...args, "--from-json", `file:///dev/fd/${INPUT}`], handle);
  } finally {
    await handle.close();
  }
}

/** The file that the CLI finds open when it starts, after the three that every process has. */
const INPUT = 3;

/** Seconds after which a call is given up; the longest waits 120 itself. */
const LIMIT_SECONDS = 240;

async function oci(args: string[], input?: FileHandle): Promise<unknown> {
  const command = `oci ${args.slice(0, 3).join(" ")}`;
  const child = spawn("oci", args, {
    stdio: ["ignore", "pipe", "pipe", ...(input === undefined ? [] : [input.fd])],
    // A group of its own: Ctrl-C and a closed terminal would end it while the keys are on their way.
    detached: true,
    timeout: LIMIT_SECONDS * 1000,
  });
  const [stdout, stderr, ended] = await Promise.all([
    child.stdout === null ? "" : text(child.stdout),
    child.stderr === null ? "" : text(child.stderr),
    once(child, "close"),
  ]).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    throw new Error("oci is not on PATH; install the OCI CLI, or keep the keys in a file with --keys-file");
  });
  // Not the arguments, which name what is whose, nor its standard output.
  if (ended[0] !== 0)
    throw new Error(`${command} failed: ${stderr.trim().slice(0, 1000) || `it ends with ${ended[0] ?? ended[1]}`}`);
  // The CLI prints nothing for an empty list.
  return stdout.trim() === "" ? undefined : JSON.parse(stdout);
}
