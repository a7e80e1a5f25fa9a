import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { projectDirectory } from "../project/stack.ts";
import { engineVersion } from "../sandbox/engine.ts";
import { charts as chartDefaults } from "../versions.ts";

// What Renovate finds by renovate.json: its own expressions on the real files. Not run: Renovate itself.

interface CustomManager {
  readonly customType: string;
  readonly managerFilePatterns: string[];
  readonly matchStrings: string[];
  readonly datasourceTemplate: string;
  readonly depNameTemplate: string;
  readonly packageNameTemplate?: string;
  readonly extractVersionTemplate?: string;
}

interface PackageRule {
  readonly matchDepNames: string[];
  readonly allowedVersions?: string;
  readonly separateMultipleMinor?: boolean;
  readonly enabled?: boolean;
}

const read = (file: string) => readFileSync(join(projectDirectory, file), "utf8");
const { customManagers, packageRules, ignorePaths } = JSON.parse(read("renovate.json")) as {
  customManagers: CustomManager[];
  packageRules: PackageRule[];
  ignorePaths: string[];
};
const packages = JSON.parse(read("package.json")) as Record<"dependencies" | "devDependencies", Record<string, string>>;
const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: projectDirectory,
  encoding: "utf8",
})
  .trim()
  .split("\n");

/** A pattern between slashes is an expression: https://docs.renovatebot.com/string-pattern-matching/ */
const filesOf = ({ managerFilePatterns }: CustomManager) =>
  files.filter((file) => managerFilePatterns.some((pattern) => new RegExp(pattern.slice(1, -1)).test(file)));

/** What a manager's expressions find in a text. */
const matchesIn = ({ matchStrings }: CustomManager, source: string) =>
  matchStrings.flatMap((expression) => [...source.matchAll(new RegExp(expression, "g"))]);

/** Every dependency that a manager finds, and the file that it stands in. */
const found = customManagers.flatMap((manager) =>
  filesOf(manager).flatMap((file) =>
    matchesIn(manager, read(file)).map(({ 0: text, groups = {} }) => ({
      file,
      text,
      datasource: manager.datasourceTemplate,
      depName: manager.depNameTemplate,
      packageName: manager.packageNameTemplate ?? manager.depNameTemplate,
      ...(groups.registryUrl !== undefined && { registryUrl: groups.registryUrl }),
      currentValue: groups.currentValue ?? "",
    })),
  ),
);

/** externalSecrets is external-secrets. */
const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

describe("charts", () => {
  const charts = found.filter(({ datasource }) => datasource === "helm");

  it("are found each once, with repository and version, also one that is added", () => {
    const expected = Object.entries(chartDefaults).map(([key, { repo, version }]) => ({
      file: "versions.ts",
      depName: kebab(key),
      // Istio's charts are base, istiod and gateway, of one version.
      packageName: key === "istio" ? "base" : kebab(key),
      registryUrl: repo,
      currentValue: version,
    }));
    expect(charts.map(({ text, datasource, ...chart }) => chart)).toEqual(expected);
  });

  it("have the names that the components install them by", () => {
    const components = readdirSync(join(projectDirectory, "components")).map((file) => read(`components/${file}`));
    const installed = components.flatMap((source) =>
      [...source.matchAll(/^\s+chart: "([^"]+)",$/gm)].map(([, name]) => name),
    );
    for (const { packageName } of charts) expect(installed).toContain(packageName);
    // No chart but Istio's other two goes without.
    const names = charts.map(({ packageName }) => packageName);
    expect(installed.filter((name = "") => !names.includes(name)).sort()).toEqual(["gateway", "istiod"]);
  });

  it("keep to one minor of Istio at a time", () => {
    const rule = packageRules.find(({ matchDepNames }) => matchDepNames.includes("istio"));
    expect(rule?.separateMultipleMinor).toBe(true);
  });
});

describe("the article's stack", () => {
  it.each(["Pulumi.lab.yaml", "Pulumi.prod.yaml"])("%s is no file that anything is found in", (file) => {
    expect(files).toContain(file);
    for (const manager of customManagers) {
      expect(filesOf(manager)).not.toContain(file);
      expect(matchesIn(manager, read(file))).toEqual([]);
    }
  });

  it("is not looked at by Renovate's own managers either", () => {
    expect(ignorePaths).toContain("Pulumi.lab.yaml");
  });
});

describe("the tools of the workflows", () => {
  it("are the Pulumi CLI, as the sandbox has it, and the oci CLI", () => {
    const tools = found.filter(({ datasource }) => datasource !== "helm");
    expect(tools.map(({ file, datasource, packageName }) => ({ file, datasource, packageName }))).toEqual([
      { file: ".github/workflows/pulumi.yml", datasource: "go", packageName: "github.com/pulumi/pulumi/pkg/v3" },
      { file: ".github/workflows/pulumi.yml", datasource: "pypi", packageName: "oci-cli" },
    ]);
    expect(tools[0]?.currentValue).toBe(engineVersion);
    // Renovate's own manager for workflows finds it too, as "pulumi", and by GitHub's releases.
    expect(packageRules.find(({ matchDepNames }) => matchDepNames.includes("pulumi"))?.enabled).toBe(false);
    // Its manager for Go finds the module there, by this very name.
    expect(read("sandbox/go.mod")).toMatch(`require github.com/pulumi/pulumi/pkg/v3 v${engineVersion}\n`);
  });

  it("are told by a Go version with its v, and written without", () => {
    const [go] = customManagers.filter(({ datasourceTemplate }) => datasourceTemplate === "go");
    expect(new RegExp(go?.extractVersionTemplate ?? "").exec(`v${engineVersion}`)?.groups?.version).toBe(engineVersion);
  });

  it("pin each action by a commit with its version, as Renovate reads and writes it", () => {
    const workflows = files.filter((file) => file.startsWith(".github/workflows/"));
    const uses = workflows.flatMap((file) =>
      [...read(file).matchAll(/^\s*(?:- )?uses: (.*)$/gm)].map(([, use = ""]) => use),
    );
    const others = uses.filter((use) => !use.startsWith("./"));
    expect(others.length).toBeGreaterThan(5);
    for (const use of others) expect(use).toMatch(/^[\w.-]+\/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });
});

it("leaves nothing but the version for Renovate to write", () => {
  for (const { text, currentValue } of found) {
    expect(currentValue).toMatch(/^v?\d+\.\d+\.\d+$/);
    expect(text.split(currentValue)).toHaveLength(2);
  }
});

it("is written for RE2, which knows no look-around and no back references", () => {
  for (const expression of customManagers.flatMap(({ matchStrings }) => matchStrings)) {
    expect(expression).not.toMatch(/\(\?<?[=!]|\\[1-9]/);
  }
});

describe("limits of versions", () => {
  const all: Record<string, string> = { ...packages.dependencies, ...packages.devDependencies };
  const limited = packageRules.flatMap(({ matchDepNames, allowedVersions }) =>
    allowedVersions === undefined ? [] : matchDepNames.map((name) => ({ name, allowedVersions })),
  );

  it.each(limited)(
    "$name $allowedVersions is a package, and what is pinned is allowed",
    ({ name, allowedVersions }) => {
      const [, major = ""] = /^<(\d+)$/.exec(allowedVersions) ?? [];
      expect(Object.keys(all)).toContain(name);
      expect(Number(all[name]?.split(".")[0])).toBeLessThan(Number(major));
    },
  );

  it("name nothing that nobody has", () => {
    const known = [...Object.keys(all), ...found.map(({ depName }) => depName)];
    const enabled = packageRules.filter(({ enabled }) => enabled !== false);
    for (const name of enabled.flatMap(({ matchDepNames }) => matchDepNames)) expect(known).toContain(name);
  });
});
