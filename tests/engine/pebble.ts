import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:fs";
import { access, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { Agent, get } from "node:https";
import { homedir, tmpdir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { crypto as acme, axios, Client } from "acme-client";
import { closedPort } from "../loopback.ts";
import { issue, newIssuer, type TlsPair } from "../pki.ts";

// Pebble is Let's Encrypt's own small ACME server, for tests: https://github.com/letsencrypt/pebble

const MODULE = "github.com/letsencrypt/pebble/v2/cmd/pebble";
const VERSION = "2.10.1";

/**
 * Finds Pebble: `pebble` on PATH (Debian's package, for one), then the cache in `$XDG_CACHE_HOME/oke-platform` (default
 * `~/.cache`), then `go install`, from where it is put into the cache.
 *
 * @throws when there is none, and Go cannot build it
 */
export async function findPebble(): Promise<string> {
  const { PATH = "", XDG_CACHE_HOME: xdg = "" } = process.env;
  const cache = join(isAbsolute(xdg) ? xdg : join(homedir(), ".cache"), "oke-platform");
  const cached = join(cache, `pebble-${VERSION}`, "pebble");
  for (const candidate of [
    ...PATH.split(delimiter)
      .filter(isAbsolute)
      .map((place) => join(place, "pebble")),
    cached,
  ]) {
    const isThere = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return candidate;
  }
  await mkdir(cache, { recursive: true });
  const directory = await mkdtemp(join(cache, "tmp-"));
  try {
    const env = { ...process.env, GOBIN: directory, GOWORK: "off" };
    await promisify(execFile)("go", ["install", `${MODULE}@v${VERSION}`], { env });
    // In one step, so that another run finds the whole of it or nothing.
    await rename(directory, join(cache, `pebble-${VERSION}`)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY") throw error;
    });
    return cached;
  } catch (error) {
    throw new Error(
      `No Pebble: pebble is not on PATH, not at ${cached}, and go cannot build ${MODULE}@v${VERSION}. Install Debian's ` +
        `package pebble, or Go from https://go.dev/dl/. ${(error as { stderr?: string }).stderr ?? error}`,
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** An ACME server of one test. */
export interface Pebble {
  /** URL of its ACME directory. */
  readonly directory: string;
  /** PEM of the root of what it issues, made anew at each start. */
  readonly root: string;
  /** Has a certificate issued, over ACME, without anything being validated. */
  issue(hosts: string[]): Promise<TlsPair>;
  stop(): Promise<void>;
}

/** Seconds until it answers. */
const START_SECONDS = 30;

/**
 * Starts Pebble.
 *
 * @throws when it ends, or does not answer
 */
export async function startPebble(): Promise<Pebble> {
  const binary = await findPebble();
  const directory = await mkdtemp(join(tmpdir(), "pebble-"));
  const own = await newIssuer("Pebble's own");
  const { cert, key } = await issue(own, ["localhost"]);
  const files = { certificate: join(directory, "cert.pem"), privateKey: join(directory, "key.pem") };
  await writeFile(files.certificate, cert);
  await writeFile(files.privateKey, key);
  const [port, managementPort] = [await closedPort(), await closedPort()];
  const config = join(directory, "config.json");
  const addresses = { listenAddress: `127.0.0.1:${port}`, managementListenAddress: `127.0.0.1:${managementPort}` };
  // The two ports are where it would validate.
  await writeFile(config, JSON.stringify({ pebble: { ...addresses, ...files, httpPort: 5002, tlsPort: 5001 } }));

  const log: string[] = [];
  const env = { ...process.env, PEBBLE_VA_ALWAYS_VALID: "1", PEBBLE_VA_NOSLEEP: "1", PEBBLE_WFE_NONCEREJECT: "0" };
  const child = spawn(binary, ["-config", config], { stdio: ["ignore", "pipe", "pipe"], env });
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => log.push(String(chunk)));
  const ended = once(child, "exit").then(() => {
    throw new Error(`Pebble has ended: ${log.join("")}`);
  });
  ended.catch(() => {});
  const stop = async () => {
    child.kill();
    await ended.catch(() => {});
    await rm(directory, { recursive: true });
  };

  const agent = new Agent({ ca: own.root });
  const url = `https://localhost:${port}/dir`;
  try {
    await Promise.race([awaitAnswer(url, agent), ended]);
    const root = await Promise.race([awaitAnswer(`https://localhost:${managementPort}/roots/0`, agent), ended]);
    axios.defaults.httpsAgent = agent;
    return { directory: url, root, issue: (hosts) => order(url, hosts), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What a server answers, as soon as it does. */
async function awaitAnswer(url: string, agent: Agent): Promise<string> {
  const deadline = Date.now() + START_SECONDS * 1000;
  for (;;) {
    try {
      const [response] = await once(get(url, { agent }), "response");
      return await text(response);
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`${url} does not answer`, { cause: error });
      await pause(20);
    }
  }
}

async function order(directoryUrl: string, hosts: string[]): Promise<TlsPair> {
  const accountKey = await acme.createPrivateEcdsaKey();
  // Its first look is too early; the usual five seconds until the next would be long.
  const client = new Client({ directoryUrl, accountKey, backoffMin: 50, backoffMax: 500 });
  const [key, csr] = await acme.createCsr({ altNames: hosts }, await acme.createPrivateEcdsaKey());
  const cert = await client.auto({
    csr,
    email: "platform@example.com",
    termsOfServiceAgreed: true,
    skipChallengeVerification: true,
    challengePriority: ["dns-01"],
    challengeCreateFn: async () => {},
    challengeRemoveFn: async () => {},
  });
  return { cert, key: key.toString() };
}
