import { type ExecFileException, execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { constants, readFileSync } from "node:fs";
import { access, mkdir, mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { promisify } from "node:util";

/** A Pulumi CLI that the Automation API of this project accepts. */
export interface Engine {
  /** Absolute path of the executable. */
  path: string;
  /** What `pulumi version` reports, without the leading "v". */
  version: string;
  /** Where it was found, or how it was made. */
  source: "PATH" | "cache" | "download" | "build";
}

/** Settings of {@link findEngine}. */
export interface EngineOptions {
  /** Environment that is searched and handed to each command. Default: `process.env`. */
  env?: NodeJS.ProcessEnv;
  /** Takes each line of progress. Default: writes it to stderr. */
  log?: (line: string) => void;
}

const goModule = "github.com/pulumi/pulumi/pkg/v3";

/**
 * Version that is downloaded or built, without a leading "v". Source: the pin in `sandbox/go.mod`.
 * Loading this module throws when the pin is missing.
 */
export const engineVersion: string = readPin(join(import.meta.dirname, "go.mod"));

/** The first CLI that calls the program's hooks on every error: https://github.com/pulumi/pulumi/releases/tag/v3.244.0 */
const oldest = { major: 3, minor: 244 };
const allowed = `version ${oldest.major}.${oldest.minor} or newer, below ${oldest.major + 1}`;
const releases = "https://get.pulumi.com/releases/sdk";
const executable = process.platform === "win32" ? "pulumi.exe" : "pulumi";

// The first request also pays for the connection; a slower network is better served by the build.
const connectSeconds = 5;
// About what the build takes on two cores, so that a slow download is given up for it.
const archiveSeconds = 300;
const versionSeconds = 30;
const progressSeconds = 15;

/**
 * Finds a Pulumi CLI, in this order: `pulumi` on PATH; `oke-platform/pulumi-<version>/pulumi` in
 * `$XDG_CACHE_HOME` (default `~/.cache`); the official download, put into that cache; `go build` of
 * the version that `sandbox/go.mod` pins, put there too (four to five minutes on two cores).
 *
 * Accepted is version 3.244 or newer, below 4.
 *
 * @throws Error when no way works, with the reason for each and what to do.
 */
export async function findEngine(options: EngineOptions = {}): Promise<Engine> {
  const { env = process.env, log = (line: string) => void process.stderr.write(`${line}\n`) } = options;
  const cached = cachePath(env);
  const failures: string[] = [];
  const ways: {
    source: Engine["source"];
    note?: string;
    find: () => Promise<Omit<Engine, "source">>;
  }[] = [
    { source: "PATH", find: async () => checked(await findOnPath(env), env) },
    { source: "cache", find: () => checked(cached, env) },
    {
      source: "download",
      note: `downloading Pulumi ${engineVersion} from ${releases}`,
      find: () => install(cached, env, (file) => download(file, env)),
    },
    {
      source: "build",
      note: `building Pulumi ${engineVersion} with go, which takes four to five minutes on two cores`,
      find: () => install(cached, env, (file) => build(file, env, log)),
    },
  ];
  for (const { source, note, find } of ways) {
    if (note !== undefined) log(`sandbox engine: ${note}, because: ${failures.join("; ")}`);
    try {
      return { ...(await find()), source };
    } catch (error) {
      failures.push(`${source}: ${reason(error)}`);
    }
  }
  throw new Error(
    [
      `No Pulumi CLI for the sandbox. Allowed is ${allowed}. What was tried:`,
      ...failures.map((failure) => `- ${failure}`),
      "Do one of these, then run again:",
      "- install Pulumi: https://www.pulumi.com/docs/install/",
      "- install Go, for the build: https://go.dev/dl/",
      `- put the pulumi executable at ${cached}`,
      "- if that directory cannot be written, set XDG_CACHE_HOME to one that can",
    ].join("\n"),
  );
}

function readPin(file: string): string {
  const pin = new RegExp(`\\s${goModule} v(\\d\\S*)`).exec(readFileSync(file, "utf8"))?.[1];
  if (pin === undefined) throw new Error(`${file} does not require ${goModule}; add it with \`go get\``);
  return pin;
}

function cachePath(env: NodeJS.ProcessEnv): string {
  // The XDG base directory specification has relative paths ignored.
  const { XDG_CACHE_HOME: xdg = "" } = env;
  const base = isAbsolute(xdg) ? xdg : join(homedir(), ".cache");
  return join(base, "oke-platform", `pulumi-${engineVersion}`, executable);
}

async function findOnPath(env: NodeJS.ProcessEnv): Promise<string> {
  for (const directory of (env.PATH ?? "").split(delimiter).filter(Boolean)) {
    const file = resolve(directory, executable);
    const runnable = await access(file, constants.X_OK).then(
      async () => (await stat(file)).isFile(),
      () => false,
    );
    if (runnable) return file;
  }
  throw new Error("no directory on it holds a pulumi executable");
}

async function checked(path: string, env: NodeJS.ProcessEnv): Promise<Omit<Engine, "source">> {
  // Without the variable the CLI asks the network for a newer version first.
  const output = await run(path, ["version"], {
    env: { ...env, PULUMI_SKIP_UPDATE_CHECK: "true" },
    timeout: versionSeconds * 1000,
  });
  const [, version, major, minor] = /^v?((\d+)\.(\d+)\.\d+(?:[-+]\S+)?)$/.exec(output.trim()) ?? [];
  if (version === undefined || Number(major) !== oldest.major || Number(minor) < oldest.minor) {
    throw new Error(`${path} reports version ${JSON.stringify(output.trim())}; allowed is ${allowed}`);
  }
  return { path, version };
}

/** Makes `target` from what `produce` writes: another run sees the whole file there, or none. */
async function install(
  target: string,
  env: NodeJS.ProcessEnv,
  produce: (file: string) => Promise<void>,
): Promise<Omit<Engine, "source">> {
  await mkdir(dirname(target), { recursive: true });
  const temporary = await mkdtemp(join(dirname(target), "tmp-"));
  try {
    const file = join(temporary, basename(target));
    await produce(file);
    const { version } = await checked(file, env);
    await rename(file, target);
    return { path: target, version };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function download(file: string, env: NodeJS.ProcessEnv): Promise<void> {
  const { platform, arch } = process;
  if (!["linux", "darwin"].includes(platform) || !["x64", "arm64"].includes(arch)) {
    throw new Error(
      `skipped on ${platform}-${arch}; it covers linux and darwin on x64 and arm64 (the Windows archive is a zip)`,
    );
  }
  const name = `pulumi-v${engineVersion}-${platform}-${arch}.tar.gz`;
  const checksums = `${releases}/pulumi-${engineVersion}-checksums.txt`;
  const lines = (await get(checksums, connectSeconds)).toString("utf8").split("\n");
  const expected = lines.map((line) => line.trim().split(/\s+/)).find((fields) => fields[1] === name)?.[0];
  if (expected === undefined) throw new Error(`${checksums} has no line for ${name}`);

  const content = await get(`${releases}/${name}`, archiveSeconds);
  const actual = createHash("sha256").update(content).digest("hex");
  if (actual !== expected) {
    throw new Error(`${releases}/${name} has sha256 ${actual}; ${checksums} asks for ${expected}`);
  }
  const archive = join(dirname(file), name);
  await writeFile(archive, content);
  // -o: extracted by root, the file would otherwise belong to a user id of the release machine.
  const args = ["-xzof", archive, "-C", dirname(file), "--strip-components=1", "pulumi/pulumi"];
  await run("tar", args, { env });
}

async function get(url: string, seconds: number): Promise<Buffer> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(seconds * 1000) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  } catch (error) {
    throw new Error(`${url}: ${reason(error)} (limit ${seconds} s)`, { cause: error });
  }
}

async function build(file: string, env: NodeJS.ProcessEnv, log: (line: string) => void): Promise<void> {
  const start = performance.now();
  const timer = setInterval(() => {
    log(`sandbox engine: still building, ${Math.round((performance.now() - start) / 1000)} s`);
  }, progressSeconds * 1000);
  const ldflags = `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${engineVersion}`;
  try {
    // A go.work file above, or -mod in GOFLAGS, would replace the pins of sandbox/go.mod.
    await run("go", ["build", "-mod=readonly", "-ldflags", ldflags, "-o", file, `${goModule}/cmd/pulumi`], {
      env: { ...env, GOWORK: "off" },
      cwd: import.meta.dirname,
    });
  } finally {
    clearInterval(timer);
  }
}

async function run(
  command: string,
  args: string[],
  options: { env: NodeJS.ProcessEnv; cwd?: string; timeout?: number },
): Promise<string> {
  try {
    return (await promisify(execFile)(command, args, options)).stdout;
  } catch (error) {
    const { code, killed, message, stderr = "" } = error as ExecFileException & { stderr?: string };
    if (String(code) === "ENOENT") {
      throw new Error(`${command} ${isAbsolute(command) ? "does not exist" : "is not on PATH"}`, {
        cause: error,
      });
    }
    // Go lists hundreds of downloads before the line that matters.
    const lines = stderr.split("\n").filter((line) => line.trim() && !line.startsWith("go: downloading"));
    const detail = killed ? `no end within ${(options.timeout ?? 0) / 1000} s` : lines.slice(-3).join("; ") || message;
    throw new Error(`${command} ${args[0]} failed: ${detail.trim()}`, { cause: error });
  }
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // fetch says only "fetch failed"; the network error is its cause.
  const cause = error instanceof TypeError ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
  return cause ? `${error.message} (${cause.message || cause.code})` : error.message;
}
