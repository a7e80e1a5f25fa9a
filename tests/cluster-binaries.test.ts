import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { pinOf } from "../sandbox/binary.ts";
import { findEtcd, findKubeApiserver } from "./cluster/binaries.ts";

// What is particular to these two; how a program is looked for at all is in engine-binary.test.ts.

const goMod = join(import.meta.dirname, "cluster/go.mod");
const kubernetes = pinOf(goMod, "k8s.io/kubernetes");
const etcd = pinOf(goMod, "go.etcd.io/etcd/server/v3");
const minor = kubernetes.split(".").slice(0, 2).join(".");
const releases = `https://dl.k8s.io/v${kubernetes}/bin/linux/${process.arch === "x64" ? "amd64" : process.arch}`;

let root: string;
let env: NodeJS.ProcessEnv;
let responses: Map<string, string>;

const script = (file: string, body: string) => {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return file;
};
const onPath = (name: string, output: string) => script(join(root, "bin", name), `echo '${output}'`);
const inCache = (name: string, version: string, output: string) =>
  script(join(root, `cache/oke-platform/${name}-${version}/${name}`), `echo '${output}'`);
const options = () => ({ env, log: () => {} });

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cluster-binaries-"));
  env = { PATH: join(root, "bin"), XDG_CACHE_HOME: join(root, "cache") };
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

it("replaces every staging module of Kubernetes by its release of the same patch", () => {
  const replaced = [...readFileSync(goMod, "utf8").matchAll(/^\t(k8s\.io\/\S+) => (\S+) v0\.(\S+)$/gm)];
  expect(replaced.length).toBeGreaterThan(25);
  expect(replaced.map(([, module, by, version]) => ({ module, by, version }))).toEqual(
    replaced.map(([, module]) => ({ module, by: module, version: kubernetes.replace(/^1\./, "") })),
  );
});

describe.skipIf(process.platform === "win32")("findKubeApiserver", () => {
  it("takes the pinned minor from PATH, whatever its patch", async () => {
    const path = onPath("kube-apiserver", `Kubernetes v${minor}.99`);
    expect(await findKubeApiserver(options())).toEqual({ path, version: `${minor}.99`, source: "PATH" });
  });

  it("leaves another minor on PATH for the cache", async () => {
    onPath("kube-apiserver", `Kubernetes v${minor}0.1`);
    const path = inCache("kube-apiserver", kubernetes, `Kubernetes v${kubernetes}`);
    expect(await findKubeApiserver(options())).toEqual({ path, version: kubernetes, source: "cache" });
  });

  it.runIf(process.platform === "linux")(
    "downloads the executable, and refuses another than was promised",
    async () => {
      const executable = `#!/bin/sh\necho 'Kubernetes v${kubernetes}'\n`;
      responses.set(`${releases}/kube-apiserver`, executable);
      responses.set(`${releases}/kube-apiserver.sha256`, "f00d");
      await expect(findKubeApiserver(options())).rejects.toThrow(
        `${releases}/kube-apiserver.sha256 asks for f00d\n- build: go is not on PATH`,
      );
      responses.set(`${releases}/kube-apiserver.sha256`, createHash("sha256").update(executable).digest("hex"));
      const path = join(root, `cache/oke-platform/kube-apiserver-${kubernetes}/kube-apiserver`);
      expect(await findKubeApiserver(options())).toEqual({ path, version: kubernetes, source: "download" });
    },
  );
});

describe.skipIf(process.platform === "win32")("findEtcd", () => {
  it("takes Debian's from PATH", async () => {
    const path = onPath("etcd", "etcd Version: 3.4.23\nGit SHA: Not provided");
    expect(await findEtcd(options())).toEqual({ path, version: "3.4.23", source: "PATH" });
  });

  it("leaves one that is too old, and says how else it is had", async () => {
    const path = onPath("etcd", "etcd Version: 3.3.25");
    const cached = join(root, `cache/oke-platform/etcd-${etcd}/etcd`);
    await expect(findEtcd(options())).rejects.toThrow(
      new Error(
        [
          "No etcd for the tests' API server. Allowed is version 3.4 or newer, below 4. What was tried:",
          `- PATH: ${path} reports version "etcd Version: 3.3.25"; allowed is version 3.4 or newer, below 4`,
          `- cache: ${cached} does not exist`,
          "- build: go is not on PATH",
          "Do one of these, then run again:",
          "- install etcd, such as Debian's package etcd-server: https://etcd.io/docs/latest/install/",
          "- install Go, for the build: https://go.dev/dl/",
          `- put the etcd executable at ${cached}`,
          "- if that directory cannot be written, set XDG_CACHE_HOME to one that can",
        ].join("\n"),
      ),
    );
  });
});
