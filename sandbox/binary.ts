import { type ExecFileException, execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { constants, readFileSync } from "node:fs";
import { access, chmod, mkdir, mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { promisify } from "node:util";

// How a program that no package registry has ready is had: found on this machine, downloaded from its makers, or built
// from its Go module.

/** A program that can be run. */
export interface Binary {
  /** Absolute path of the executable. */
  path: string;
  /** What it says of itself, without a leading "v". */
  version: string;
  /** Where it was found, or how it was made. */
  source: "PATH" | "cache" | "download" | "build";
}

/** Settings of {@link findBinary}. */
export interface FindOptions {
  /** Environment that is searched and handed to each command. Default: `process.env`. */
  env?: NodeJS.ProcessEnv;
  /** Takes each line of progress. Default: writes it to stderr. */
  log?: (line: string) => void;
}

/** What a version is told by. */
interface VersionCheck {
  /** Arguments that make it tell its version. */
  readonly args: readonly string[];
  /** Environment for that, beside the given one. */
  readonly env?: Readonly<Record<string, string>>;
  /** The version in what it prints; undefined when there is none, or one that is not accepted. */
  readonly read: (output: string) => string | undefined;
  /** What is accepted, in words. */
  readonly allowed: string;
}

/** What its makers offer for download. */
interface Release {
  /** URL of the directory. */
  readonly directory: string;
  /** The file there for Node's name of a platform and of an architecture; undefined where there is none. */
  readonly file: (platform: NodeJS.Platform, arch: string) => string | undefined;
  /** What it covers, in words. */
  readonly covers: string;
  /** The file there with a line `<SHA-256>  <file>`, or with nothing but the SHA-256. */
  readonly checksums: (file: string) => string;
  /** Path of the executable in the archive, which is a .tar.gz. @default - the file is the executable */
  readonly member?: string;
}

/** What `go build` makes it of. */
interface Source {
  /** Directory of the `go.mod` that pins it. */
  readonly directory: string;
  readonly package: string;
  readonly ldflags: string;
  /** Time that it takes, in words. */
  readonly takes: string;
}

/** A program that is wanted. */
export interface Wanted {
  /** What wants it: begins each line of progress. */
  readonly by: string;
  /** What it is called in those lines. */
  readonly name: string;
  /** What is missing without it, in words. */
  readonly purpose: string;
  /** File name, without the ending that Windows wants. */
  readonly executable: string;
  /** Version that is downloaded or built, without a leading "v". */
  readonly version: string;
  readonly check: VersionCheck;
  /** @default - none that this project uses */
  readonly release?: Release;
  readonly source: Source;
  /** How a user gets it, in words. */
  readonly install: string;
}

// The first request also pays for the connection; a slower network is better served by the build.
const connectSeconds = 5;
// About what the build takes on two cores, so that a slow download is given up for it.
const archiveSeconds = 300;
const versionSeconds = 30;
const progressSeconds = 15;

/**
 * Finds a program, in this order: on PATH; `oke-platform/<executable>-<version>/<executable>` in `$XDG_CACHE_HOME`
 * (default `~/.cache`); its makers' download, put into that cache; `go build` of the version that is pinned, put there too.
 *
 * @throws Error when no way works, with the reason for each and what to do.
 */
export async function findBinary(wanted: Wanted, options: FindOptions = {}): Promise<Binary> {
  const { env = process.env, log = (line: string) => void process.stderr.write(`${line}\n`) } = options;
  const { by, name, version, check, release, source } = wanted;
  const executable = process.platform === "win32" ? `${wanted.executable}.exe` : wanted.executable;
  const cached = join(cacheOf(env), `${wanted.executable}-${version}`, executable);
  const failures: string[] = [];
  const ways: { source: Binary["source"]; note?: string; find: () => Promise<Omit<Binary, "source">> }[] = [
    { source: "PATH", find: async () => checked(await findOnPath(executable, env), check, env) },
    { source: "cache", find: () => checked(cached, check, env) },
  ];
  if (release !== undefined)
    ways.push({
      source: "download",
      note: `downloading ${name} ${version} from ${release.directory}`,
      find: () => install(cached, check, env, (file) => download(release, file, env)),
    });
  ways.push({
    source: "build",
    note: `building ${name} ${version} with go, which takes ${source.takes}`,
    find: () => install(cached, check, env, (file) => build(wanted, file, env, log)),
  });
  for (const { source, note, find } of ways) {
    if (note !== undefined) log(`${by}: ${note}, because: ${failures.join("; ")}`);
    try {
      return { ...(await find()), source };
    } catch (error) {
      failures.push(`${source}: ${reason(error)}`);
    }
  }
  throw new Error(
    [
      `No ${wanted.purpose}. Allowed is ${check.allowed}. What was tried:`,
      ...failures.map((failure) => `- ${failure}`),
      "Do one of these, then run again:",
      `- ${wanted.install}`,
      "- install Go, for the build: https://go.dev/dl/",
      `- put the ${wanted.executable} executable at ${cached}`,
      "- if that directory cannot be written, set XDG_CACHE_HOME to one that can",
    ].join("\n"),
  );
}

/**
 * The version of a module that a `go.mod` requires, without a leading "v".
 *
 * @throws when it requires none
 */
export function pinOf(goMod: string, module: string): string {
  const pin = new RegExp(`\\s${module} v(\\d\\S*)`).exec(readFileSync(goMod, "utf8"))?.[1];
  if (pin === undefined) throw new Error(`${goMod} does not require ${module}; add it with \`go get\``);
  return pin;
}

function cacheOf(env: NodeJS.ProcessEnv): string {
  // The XDG base directory specification has relative paths ignored.
  const { XDG_CACHE_HOME: xdg = "" } = env;
  return join(isAbsolute(xdg) ? xdg : join(homedir(), ".cache"), "oke-platform");
}

async function findOnPath(executable: string, env: NodeJS.ProcessEnv): Promise<string> {
  for (const directory of (env.PATH ?? "").split(delimiter).filter(Boolean)) {
    const file = resolve(directory, executable);
    const runnable = await access(file, constants.X_OK).then(
      async () => (await stat(file)).isFile(),
      () => false,
    );
    if (runnable) return file;
  }
  throw new Error(`no directory on it holds a ${executable} executable`);
}

async function checked(path: string, check: VersionCheck, env: NodeJS.ProcessEnv): Promise<Omit<Binary, "source">> {
  const output = await run(path, [...check.args], {
    env: { ...env, ...check.env },
    timeout: versionSeconds * 1000,
  });
  const version = check.read(output.trim());
  if (version === undefined)
    throw new Error(`${path} reports version ${JSON.stringify(output.trim())}; allowed is ${check.allowed}`);
  return { path, version };
}

/** Makes `target` from what `produce` writes: another run sees the whole file there, or none. */
async function install(
  target: string,
  check: VersionCheck,
  env: NodeJS.ProcessEnv,
  produce: (file: string) => Promise<void>,
): Promise<Omit<Binary, "source">> {
  await mkdir(dirname(target), { recursive: true });
  const temporary = await mkdtemp(join(dirname(target), "tmp-"));
  try {
    const file = join(temporary, basename(target));
    await produce(file);
    const { version } = await checked(file, check, env);
    await rename(file, target);
    return { path: target, version };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function download(release: Release, file: string, env: NodeJS.ProcessEnv): Promise<void> {
  const { platform, arch } = process;
  const { directory, member } = release;
  const name = release.file(platform, arch);
  if (name === undefined) throw new Error(`skipped on ${platform}-${arch}; it covers ${release.covers}`);
  const checksums = `${directory}/${release.checksums(name)}`;
  const lines = (await get(checksums, connectSeconds)).toString("utf8").trim().split("\n");
  const fields = lines.map((line) => line.trim().split(/\s+/));
  const expected = fields.find(([, of = name]) => of === name)?.[0];
  if (expected === undefined) throw new Error(`${checksums} has no line for ${name}`);

  const content = await get(`${directory}/${name}`, archiveSeconds);
  const actual = createHash("sha256").update(content).digest("hex");
  if (actual !== expected) {
    throw new Error(`${directory}/${name} has sha256 ${actual}; ${checksums} asks for ${expected}`);
  }
  if (member === undefined) {
    await writeFile(file, content);
    await chmod(file, 0o755);
    return;
  }
  const archive = join(dirname(file), "archive.tar.gz");
  await writeFile(archive, content);
  // -o: extracted by root, the file would otherwise belong to a user id of the release machine.
  const depth = String(member.split("/").length - 1);
  await run("tar", ["-xzof", archive, "-C", dirname(file), "--strip-components", depth, member], { env });
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

async function build(
  { by, source }: Wanted,
  file: string,
  env: NodeJS.ProcessEnv,
  log: (line: string) => void,
): Promise<void> {
  const start = performance.now();
  const timer = setInterval(() => {
    log(`${by}: still building, ${Math.round((performance.now() - start) / 1000)} s`);
  }, progressSeconds * 1000);
  try {
    // A go.work file above, or -mod in GOFLAGS, would replace the pins of the go.mod.
    await run("go", ["build", "-mod=readonly", "-ldflags", source.ldflags, "-o", file, source.package], {
      env: { ...env, GOWORK: "off" },
      cwd: source.directory,
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
