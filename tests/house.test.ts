import { execFile, execFileSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectDirectory } from "../project/stack.ts";
import { placesOf, sourcesIn } from "../workbench/mutants.ts";
import { mutations } from "../workbench/mutations.ts";

// What holds of the sources themselves: how long a file may be, who may import whom, and that lint sees it.

const tracked = execFileSync("git", ["ls-files", "*.ts"], { cwd: projectDirectory, encoding: "utf8" })
  .split("\n")
  .filter(Boolean);

/** Lines that a file may have; what has more cannot be held in the head. */
const limitOf = (file: string) => (file === "index.ts" ? 220 : file.startsWith("settings/") ? 200 : 300);

describe("the sources", () => {
  // Lint counts neither the lines of a long text nor comments at the end.
  it("have no file that is too long", async () => {
    const long = await Promise.all(
      tracked.map(async (file) => {
        const lines = (await readFile(join(projectDirectory, file), "utf8")).split("\n").length - 1;
        return lines > limitOf(file) ? [`${file}: ${lines}`] : [];
      }),
    );
    expect(long.flat()).toEqual([]);
  });

  it("have each of the forty mutations in one place", async () => {
    const sources = await sourcesIn(projectDirectory, tracked);
    const unfit = mutations.filter((mutation) => placesOf(mutation, sources).length !== 1);
    expect(unfit.map(({ name }) => name)).toEqual([]);
    expect(mutations).toHaveLength(40);
  });
});

const importing = (...modules: string[]) =>
  modules.map((module, at) => `import { it as it${at} } from "${module}";\nexport const is${at} = it${at};\n`).join("");

/** Files that break a rule each, in as many words as it takes. */
const broken: Record<string, { readonly text: string; readonly rule: string }> = Object.fromEntries(
  [
    ["versions.ts", "./settings/size.ts"],
    ["settings/size.ts", "../components/istio.ts"],
    ["settings/gateway.ts", "@pulumi/pulumi"],
    ["settings/read.ts", "../project/stack.ts"],
    ["components/istio.ts", "../project/stack.ts"],
    ["index.ts", "./sandbox/sandbox.ts"],
    ["project/stack.ts", "../tools/plan.ts"],
    ["sandbox/sandbox.ts", "../settings/size.ts"],
    ["sandbox/world/oci.ts", "../cloud.ts"],
    ["sandbox/world/vault.ts", "@pulumi/pulumi"],
    ["sandbox/world/istio.ts", "../../project/stack.ts"],
    ["tools/rotate.ts", "../sandbox/sandbox.ts"],
    ["tools/verify/verify.ts", "../../workbench/bench.ts"],
    ["tools/plan.ts", "../sandbox/sandbox.ts"],
    ["workbench/bench.ts", "../tests/harness.ts"],
  ].map(([file = "", module = ""]) => [file, { text: importing(module), rule: "lint/style/noRestrictedImports" }]),
);
broken["components/one.ts"] = {
  text: 'import type { Two } from "./two.ts";\nexport type One = Two;\n',
  rule: "lint/suspicious/noImportCycles",
};
broken["components/two.ts"] = {
  text: 'import type { One } from "./one.ts";\nexport type Two = One;\n',
  rule: "lint/suspicious/noImportCycles",
};
broken["tools/long.ts"] = {
  text: Array.from({ length: 301 }, (_, at) => `export const line${at} = ${at};\n`).join(""),
  rule: "lint/style/noExcessiveLinesPerFile",
};
broken["tools/hidden.ts"] = { text: 'export const hidden = () => import("./long.ts");\n', rule: "plugin" };
broken["components/typed.ts"] = {
  text: 'export type Typed = import("../project/stack.ts").StackConfig;\n',
  rule: "plugin",
};

describe("lint", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "oke-house-"));
    for (const file of ["biome.json", "dynamic-import.grit", ".gitignore"])
      await cp(join(projectDirectory, file), join(directory, file));
    for (const [file, { text }] of Object.entries(broken)) {
      await mkdir(dirname(join(directory, file)), { recursive: true });
      await writeFile(join(directory, file), text);
    }
  });
  afterAll(() => rm(directory, { recursive: true }));

  it("refuses each arrow that points the wrong way, cycles of types, long files and hidden imports", async () => {
    const biome = join(projectDirectory, "node_modules/.bin/biome");
    const { stdout } = await promisify(execFile)(
      biome,
      ["lint", "--vcs-enabled=false", "--reporter=json", "--max-diagnostics=none"],
      {
        cwd: directory,
      },
    ).catch((error: { stdout: string }) => error);
    const { diagnostics } = JSON.parse(stdout) as { diagnostics: { category: string; location: { path: string } }[] };
    const seen = diagnostics.map(({ category, location }) => `${location.path}: ${category}`);
    const expected = Object.entries(broken).map(([file, { rule }]) => `${file}: ${rule}`);
    expect(expected.filter((line) => !seen.includes(line))).toEqual([]);
  });
});
