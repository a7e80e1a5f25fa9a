import { constants } from "node:fs";
import { type FileHandle, lstat, open, readFile, readlink, realpath, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";

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

/** A file that only its owner reads. Where its name is a link, it is the file that the link leads to. */
export function keysFile(path: string): KeyStore {
  const place = `the keys file ${resolve(path)}`;
  let target: string | undefined;
  /** Found once: all of it goes to one file, whatever becomes of a link on the way. */
  const file = async () => {
    target ??= await endOf(resolve(path));
    return target;
  };
  const contents = async () => readFile(await file(), "utf8").then((text) => text.trim(), without("ENOENT", ""));
  return {
    place,
    options: `--keys-file ${path}`,
    async read() {
      const text = await contents();
      return text === "" ? undefined : parseKeys(text, place);
    },
    async reserve() {
      const at = await file();
      const found = await lstat(at).catch(without("ENOENT", undefined));
      if (found !== undefined && (!found.isFile() || found.nlink > 1))
        throw new Error(`${place} is no file, or one with other names too; name one that is not there`);
      // What a run leaves that was stopped before it had keys.
      if ((await contents()) !== "")
        throw new Error(`${place} is there already, and is not overwritten; name one that is not there`);
      await written(at, found === undefined ? "wx" : "r+", " ".repeat(RESERVED_BYTES));
      await syncDirectory(at);
    },
    async write(keys) {
      const at = await file();
      const text = `${JSON.stringify(keys, null, 2)}\n`;
      if ((await contents()) === "") await written(at, constants.O_RDWR | constants.O_CREAT, text);
      else await replaced(at, text);
      await syncDirectory(at);
    },
  };
}

/** What is taken of the disk before Vault is initialised: the keys, some 1,500 bytes, cannot fail for a full one. */
const RESERVED_BYTES = 16_384;

/** Readable and writable by the owner alone. */
const MODE = 0o600;

/** Where links lead to, be there a file or not. */
async function endOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  const link = await readlink(path).catch(without(["ENOENT", "EINVAL"], undefined));
  return link === undefined ? join(await realpath(dirname(path)), basename(path)) : endOf(resolve(dirname(path), link));
}

/** Writes over what is there, and cuts the rest off when that is safe: what is reserved is blank, and JSON does not mind it. */
async function written(file: string, flags: string | number, text: string): Promise<void> {
  await syncing(await open(file, flags, MODE), async (handle) => {
    // An empty file that was there has its own mode.
    await handle.chmod(MODE);
    await handle.write(text, 0);
    await handle.sync();
    await handle.truncate(Buffer.byteLength(text));
  });
}

/** In one step: a run that is stopped here leaves the keys from before, and no half of them. */
async function replaced(file: string, text: string): Promise<void> {
  const next = `${file}.new`;
  await rm(next, { force: true });
  try {
    await written(next, "wx", text);
    await rename(next, file);
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  }
}

/** A new name in a directory is durable when the directory is. */
const syncDirectory = async (file: string): Promise<void> => syncing(await open(dirname(file)), async () => {});

async function syncing(handle: FileHandle, work: (handle: FileHandle) => Promise<void>): Promise<void> {
  try {
    await work(handle);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;

/** What to take in an error's place. */
const without =
  <T>(codes: string | string[], instead: T) =>
  (error: unknown): T => {
    if ([codes].flat().includes(codeOf(error) ?? "")) return instead;
    throw error;
  };

/** Not with what JSON.parse says, which quotes the text. */
export function parseKeys(text: string, place: string): Keys {
  try {
    const keys = JSON.parse(text) as Keys;
    if (typeof keys === "object" && keys !== null && !Array.isArray(keys)) return keys;
  } catch {}
  throw new Error(`${place} holds no keys of Vault: it is no JSON object as vault:init writes it`);
}
