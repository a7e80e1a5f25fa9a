import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { projectDirectory } from "../project/stack.ts";
import { engineVersion } from "../sandbox/engine.ts";
import { charts } from "../versions.ts";

// What Renovate finds by renovate.json: its own expressions on the real files. Not run: Renovate itself.

interface CustomManager {
  readonly managerFilePatterns: string[];
  readonly matchStrings: string[];
  readonly datasourceTemplate: string;
  readonly depNameTemplate: string;
  readonly packageNameTemplate?: string;
}

interface PackageRule {
  readonly matchManagers?: string[];
  readonly matchDepNames: string[];
  readonly allowedVersions?: string;
  readonly separateMultipleMinor?: boolean;
  readonly enabled?: boolean;
}

const read = (file: string) => readFileSync(join(projectDirectory, file), "utf8");
const config = JSON.parse(read("renovate.json"));
const { customManagers, packageRules, ignorePaths } = config as {
  customManagers: CustomManager[];
  packageRules: PackageRule[];
  ignorePaths: string[];
};
const listed = ["ls-files", "--cached", "--others", "--exclude-standard"];
const files = execFileSync("git", listed, { cwd: projectDirectory, encoding: "utf8" }).trim().split("\n").sort();

/** Every dependency that the managers find, in their order, and the file that it stands in. */
const found = customManagers.flatMap((manager) =>
  files
    // A pattern between slashes is an expression: https://docs.renovatebot.com/string-pattern-matching/
    .filter((file) => manager.managerFilePatterns.some((pattern) => new RegExp(pattern.slice(1, -1)).test(file)))
    .flatMap((file) =>
      manager.matchStrings.flatMap((expression) =>
        [...read(file).matchAll(new RegExp(expression, "g"))].map(({ 0: text, groups = {} }) => ({
          file,
          text,
          datasource: manager.datasourceTemplate,
          packageName: manager.packageNameTemplate ?? manager.depNameTemplate,
          registryUrl: groups.registryUrl,
          currentValue: groups.currentValue ?? "",
        })),
      ),
    ),
);

/** externalSecrets is external-secrets. */
const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

describe("Renovate", () => {
  it("finds each chart once, with repository and version, and each tool where it is pinned", () => {
    const pulumi = { datasource: "go", packageName: "github.com/pulumi/pulumi/pkg/v3", currentValue: engineVersion };
    const oci = { datasource: "pypi", packageName: "oci-cli", currentValue: "3.95.1" };
    const kubectl = { datasource: "github-releases", packageName: "kubernetes/kubernetes", currentValue: "1.35.4" };
    const workflow = { file: ".github/workflows/pulumi.yml", registryUrl: undefined };
    const mise = { file: "mise.toml", registryUrl: undefined };
    expect(found.map(({ text, ...dependency }) => dependency)).toEqual([
      ...Object.entries(charts).map(([key, { repo, version }]) => ({
        file: "versions.ts",
        datasource: "helm",
        // Istio's charts are base, istiod and gateway, of one version.
        packageName: key === "istio" ? "base" : kebab(key),
        registryUrl: repo,
        currentValue: version,
      })),
      { ...workflow, ...pulumi },
      { ...mise, ...pulumi },
      { ...workflow, ...oci },
      { ...mise, ...oci },
      { ...mise, ...kubectl },
    ]);
    // Renovate's manager for Go finds the sandbox's by the same name.
    expect(read("sandbox/go.mod")).toContain(`require ${pulumi.packageName} v${engineVersion}\n`);
  });

  it("has nothing but the version to write", () => {
    for (const { text, currentValue } of found) {
      expect(currentValue).toMatch(/^v?\d+\.\d+\.\d+$/);
      expect(text.split(currentValue)).toHaveLength(2);
    }
    // RE2 knows no look-around and no back references.
    for (const expression of customManagers.flatMap(({ matchStrings }) => matchStrings))
      expect(expression).not.toMatch(/\(\?<?[=!]|\\[1-9]/);
  });

  it("knows the charts by the names that the components install them by", () => {
    const sources = readdirSync(join(projectDirectory, "components"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => read(`components/${file}`));
    const installed = sources.flatMap((source) =>
      [...source.matchAll(/^(?:\s+chart: |(?:export )?const \w+_CHART = )"([^"]+)"[,;]$/gm)].map(([, it]) => it),
    );
    const names = found.filter(({ datasource }) => datasource === "helm").map(({ packageName }) => packageName);
    // Istio's other two charts go with base.
    expect(installed.sort()).toEqual([...names, "gateway", "istiod"].sort());
  });

  it("waits a week with each release, but not with what mends a known hole, and merges nothing by itself", () => {
    const said = [
      ...JSON.stringify(config).matchAll(
        /"(minimumReleaseAge|automerge|ignoreUnstable|internalChecksFilter)\w*":[^,}]*/g,
      ),
    ];
    expect(said.map(([text]) => text)).toEqual(['"minimumReleaseAge":"7 days"', '"minimumReleaseAge":null']);
    expect(config).toMatchObject({ minimumReleaseAge: "7 days", vulnerabilityAlerts: { minimumReleaseAge: null } });
  });

  it("leaves the article's stack and the end-to-end test's alone", () => {
    expect(ignorePaths).toEqual(expect.arrayContaining(["Pulumi.lab.yaml", "Pulumi.e2e.yaml"]));
    expect(files).toEqual(expect.arrayContaining(ignorePaths.filter((path) => path.startsWith("Pulumi."))));
  });

  it("goes one minor of Istio at a time, and leaves one finder for the Pulumi CLI", () => {
    const rule = (name: string) => packageRules.find(({ matchDepNames }) => matchDepNames.includes(name));
    expect(rule("istio")?.separateMultipleMinor).toBe(true);
    expect(rule("pulumi")?.enabled).toBe(false);
  });

  it("limits packages that are there, at versions that are allowed", () => {
    const { dependencies, devDependencies } = JSON.parse(read("package.json"));
    const pinned: Record<string, string> = { ...dependencies, ...devDependencies };
    for (const { packageName, currentValue } of found) pinned[packageName] = currentValue;
    const limits = packageRules.flatMap(({ matchDepNames, allowedVersions = "" }) =>
      allowedVersions === "" ? [] : matchDepNames.map((name) => ({ name, below: Number(allowedVersions.slice(1)) })),
    );
    expect(limits.map(({ name }) => name)).toEqual(["kubernetes/kubernetes", "node", "@types/node", "typescript"]);
    for (const { name, below } of limits) expect(Number.parseFloat(pinned[name] ?? ""), name).toBeLessThan(below);
  });
});
