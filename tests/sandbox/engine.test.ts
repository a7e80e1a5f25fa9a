import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { engineVersion, findEngine } from "../../sandbox/engine.ts";

const releases = "https://get.pulumi.com/releases/sdk";
const archive = `pulumi-v${engineVersion}-${process.platform}-${process.arch}.tar.gz`;
const checksums = `pulumi-${engineVersion}-checksums.txt`;

let root: string;
let bin: string;
let cached: string;
let env: NodeJS.ProcessEnv;
let lines: string[];
let responses: Map<string, string | Uint8Array<ArrayBuffer>>;

function script(file: string, body: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
}

function fakePulumi(file: string, version: string): void {
  script(file, `echo ${version}`);
}

/** A stand-in for go that writes a fake pulumi to the file after -o, and its arguments beside itself. */
function fakeGo(): void {
  script(
    join(bin, "go"),
    `printf '%s\\n' "$PWD" "$GOWORK" "$@" > '${join(root, "go-call")}'
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\necho v${engineVersion}\\n' > "$2"
/bin/chmod 755 "$2"`,
  );
}

/** Serves the official archive, which holds a fake pulumi, and the given checksum for it. */
function serveRelease(checksum?: string): void {
  fakePulumi(join(root, "release/pulumi/pulumi"), `v${engineVersion}`);
  fakePulumi(join(root, "release/pulumi/pulumi-language-nodejs"), "unused");
  const content = execFileSync("tar", ["-czf", "-", "-C", join(root, "release"), "pulumi"]);
  const actual = createHash("sha256").update(content).digest("hex");
  responses.set(`${releases}/${archive}`, Uint8Array.from(content));
  responses.set(`${releases}/${checksums}`, `0000  other.tar.gz\n${checksum ?? actual}  ${archive}\n`);
}

const find = () => findEngine({ env, log: (line) => lines.push(line) });

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "engine-binary-"));
  bin = join(root, "bin");
  mkdirSync(bin);
  cached = join(root, `cache/oke-platform/pulumi-${engineVersion}/pulumi`);
  env = { PATH: bin, XDG_CACHE_HOME: join(root, "cache") };
  lines = [];
  responses = new Map();
  vi.stubGlobal("fetch", async (url: string) => {
    const body = responses.get(url);
    if (body === undefined) throw new TypeError("fetch failed", { cause: new Error("no network here") });
    return new Response(body);
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
  rmSync(root, { recursive: true, force: true });
});

it("pins the version that sandbox/go.mod requires", () => {
  const goMod = readFileSync(new URL("../../sandbox/go.mod", import.meta.url), "utf8");
  expect(goMod).toContain(`\nrequire github.com/pulumi/pulumi/pkg/v3 v${engineVersion}\n`);
});

// The sandbox does not download on Windows, and a shell script does not run there.
describe.skipIf(process.platform === "win32")("findEngine", () => {
  it.each(["v3.259.0", "3.244.0", "v3.300.0-dev.1"])("takes %s from PATH", async (version) => {
    fakePulumi(join(bin, "pulumi"), version);
    fakePulumi(cached, "v3.258.0");
    const engine = {
      path: join(bin, "pulumi"),
      version: version.replace("v", ""),
      source: "PATH",
    };
    expect(await find()).toEqual(engine);
    expect(lines).toEqual([]);
  });

  it.each(["v3.1.0", "v2.25.2", "v4.0.0", "v30.0.0", "unknown"])("leaves %s on PATH for the cache", async (version) => {
    fakePulumi(join(bin, "pulumi"), version);
    fakePulumi(cached, "v3.258.0");
    expect(await find()).toEqual({ path: cached, version: "3.258.0", source: "cache" });
  });

  it("skips a directory and a file without execute permission named pulumi on PATH", async () => {
    mkdirSync(join(bin, "pulumi"));
    writeFileSync(join(root, "pulumi"), "");
    fakePulumi(join(root, "last/pulumi"), "v3.258.0");
    env.PATH = ["", bin, root, join(root, "last")].join(delimiter);
    expect(await find()).toEqual({
      path: join(root, "last/pulumi"),
      version: "3.258.0",
      source: "PATH",
    });
  });

  it("downloads, and finds the result in the cache the next time", async () => {
    serveRelease();
    fakePulumi(join(bin, "pulumi"), "v3.1.0");
    env.PATH = [bin, process.env.PATH].join(delimiter);
    expect(await find()).toEqual({ path: cached, version: engineVersion, source: "download" });
    expect(readdirSync(dirname(cached))).toEqual(["pulumi"]);
    expect(lines).toEqual([
      `sandbox engine: downloading Pulumi ${engineVersion} from ${releases}, because: ` +
        `PATH: ${join(bin, "pulumi")} reports version "v3.1.0"; allowed is version 3.244 or newer, below 4; ` +
        `cache: ${cached} does not exist`,
    ]);
    expect((await find()).source).toBe("cache");
  });

  it("replaces a broken file in the cache, also when two runs do it at once", async () => {
    fakeGo();
    script(cached, "exit 1");
    const engine = { path: cached, version: engineVersion, source: "build" };
    expect(await Promise.all([find(), find()])).toEqual([engine, engine]);
    expect(readdirSync(dirname(cached))).toEqual(["pulumi"]);
  });

  it("builds the pinned module in sandbox/ after a download with a wrong checksum", async () => {
    serveRelease("f00d");
    fakeGo();
    expect(await find()).toEqual({ path: cached, version: engineVersion, source: "build" });
    const call = readFileSync(join(root, "go-call"), "utf8").trim().split("\n");
    const output = call.splice(call.indexOf("-o") + 1, 1);
    expect(dirname(dirname(output[0] ?? ""))).toBe(dirname(cached));
    expect(call).toEqual([
      join(import.meta.dirname, "../../sandbox"),
      "off",
      "build",
      "-mod=readonly",
      "-ldflags",
      `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${engineVersion}`,
      "-o",
      "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    ]);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/^sandbox engine: building Pulumi .* on two cores, because: PATH: /);
    expect(lines[1]).toContain(`${archive} has sha256 `);
    expect(lines[1]).toMatch(/asks for f00d$/);
  });

  it("does not keep a build that is not accepted", async () => {
    script(join(bin, "go"), `while [ "$1" != -o ]; do shift; done; echo > "$2"; /bin/chmod 755 "$2"`);
    await expect(find()).rejects.toThrow(
      /\n- build: .* reports version ""; allowed is version 3.244 or newer, below 4/,
    );
    expect(existsSync(cached)).toBe(false);
    expect(readdirSync(dirname(cached))).toEqual([]);
  });

  it("names every way, its failure and the remedies when nothing works", async () => {
    await expect(find()).rejects.toThrow(
      new Error(
        [
          "No Pulumi CLI for the sandbox. Allowed is version 3.244 or newer, below 4. What was tried:",
          "- PATH: no directory on it holds a pulumi executable",
          `- cache: ${cached} does not exist`,
          `- download: ${releases}/${checksums}: fetch failed (no network here) (limit 5 s)`,
          "- build: go is not on PATH",
          "Do one of these, then run again:",
          "- install Pulumi: https://www.pulumi.com/docs/install/",
          "- install Go, for the build: https://go.dev/dl/",
          `- put the pulumi executable at ${cached}`,
          "- if that directory cannot be written, set XDG_CACHE_HOME to one that can",
        ].join("\n"),
      ),
    );
  });

  it("repeats the last lines of go, without its downloads", async () => {
    script(join(bin, "go"), "echo 'go: downloading a v1' >&2; echo 'go: no space left' >&2; exit 1");
    await expect(find()).rejects.toThrow("\n- build: go build failed: go: no space left\n");
  });
});
