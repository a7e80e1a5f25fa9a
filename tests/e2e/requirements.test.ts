import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectDirectory } from "../../project/stack.ts";
import { reasonNotToRun } from "./requirements.ts";

// When the end-to-end test runs, and what it says where it cannot.

const read = (file: string) => readFile(join(projectDirectory, file), "utf8");

describe("whether it can run", () => {
  let home: string;
  let kubeconfig: string;
  let versions: Record<string, string>;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), "oke-platform-e2e-"));
    kubeconfig = join(home, "kubeconfig");
    const context = { name: "kind-test", context: { cluster: "kind", user: "me" } };
    const cluster = { name: "kind", cluster: { server: "https://127.0.0.1:6443" } };
    const config = { apiVersion: "v1", kind: "Config", contexts: [context], clusters: [cluster], users: [] };
    await writeFile(kubeconfig, JSON.stringify(config));
    const { dependencies } = JSON.parse(await read("package.json"));
    const names = ["kubernetes", "cloudflare", "vault"];
    versions = Object.fromEntries(names.map((name) => [name, dependencies[`@pulumi/${name}`]]));
  });
  afterAll(() => rm(home, { recursive: true }));

  const pluginFile = (root: string, name: string) =>
    join(root, "plugins", `resource-${name}-v${versions[name]}`, `pulumi-resource-${name}`);

  async function withPlugins(root: string, names = Object.keys(versions)): Promise<string> {
    for (const name of names) {
      await mkdir(dirname(pluginFile(root, name)), { recursive: true });
      await writeFile(pluginFile(root, name), "", { mode: 0o755 });
    }
    return root;
  }

  const noContext =
    "E2E_CONTEXT is not set; name the kubeconfig context of an empty cluster, and in E2E_KUBECONFIG its file where that is not the usual one";

  it("can with a cluster and the plugins", async () => {
    const PULUMI_HOME = await withPlugins(join(home, "all"));
    expect(await reasonNotToRun({ PULUMI_HOME, E2E_CONTEXT: "kind-test", E2E_KUBECONFIG: kubeconfig })).toBe(undefined);
  });

  it("cannot without a cluster, a kubeconfig, or that context in it", async () => {
    const PULUMI_HOME = await withPlugins(join(home, "all"));
    expect(await reasonNotToRun({ PULUMI_HOME })).toBe(noContext);
    expect(await reasonNotToRun({ PULUMI_HOME, E2E_CONTEXT: "", E2E_KUBECONFIG: kubeconfig })).toBe(noContext);
    expect(await reasonNotToRun({ PULUMI_HOME, E2E_CONTEXT: "prod", E2E_KUBECONFIG: kubeconfig })).toBe(
      'E2E_CONTEXT: the kubeconfig has no context "prod"; it has kind-test',
    );
    const none = join(home, "nowhere");
    expect(await reasonNotToRun({ PULUMI_HOME, E2E_CONTEXT: "kind-test", E2E_KUBECONFIG: none })).toBe(
      "E2E_CONTEXT: cluster.kubeconfig is neither one file that is there, seen from the project's directory, nor a " +
        "kubeconfig with contexts itself; the program takes nothing else",
    );
  });

  it("cannot without each plugin in the version of its SDK", async () => {
    const PULUMI_HOME = await withPlugins(join(home, "one"), ["vault"]);
    // Another version does not do.
    await mkdir(join(PULUMI_HOME, "plugins/resource-cloudflare-v0.0.1"), { recursive: true });
    const env = { PULUMI_HOME, E2E_CONTEXT: "kind-test", E2E_KUBECONFIG: kubeconfig };
    expect(await reasonNotToRun(env)).toBe(
      `${PULUMI_HOME}/plugins lacks the official plugin of kubernetes ${versions.kubernetes}, cloudflare ${versions.cloudflare}; ` +
        "node tests/e2e/requirements.ts installs it",
    );
    await chmod(pluginFile(await withPlugins(PULUMI_HOME), "vault"), 0o644);
    expect(await reasonNotToRun(env)).toContain(`lacks the official plugin of vault ${versions.vault};`);
  });

  const run = (file: string, args: string[], env: Record<string, string>) =>
    promisify(execFile)(file, args, {
      cwd: projectDirectory,
      env: { HOME: home, PATH: process.env.PATH ?? "", ...env },
    })
      .then(({ stdout, stderr }) => ({ code: 0, stdout, stderr }))
      .catch(({ code, stdout, stderr }) => ({ code, stdout, stderr }));

  describe("the command", () => {
    const command = (env: Record<string, string>) => run(process.execPath, ["tests/e2e/requirements.ts"], env);

    it("says that it can", async () => {
      const PULUMI_HOME = await withPlugins(join(home, "all"));
      expect(await command({ PULUMI_HOME, E2E_CONTEXT: "kind-test", E2E_KUBECONFIG: kubeconfig })).toEqual({
        code: 0,
        stdout: "the end-to-end test can run: npm run test:e2e\n",
        stderr: "",
      });
    });

    it("installs what is missing and nothing else, and fails with what the Pulumi CLI says where it cannot", async () => {
      const PULUMI_HOME = await withPlugins(join(home, "some"), ["cloudflare"]);
      const bin = join(home, "bin");
      await mkdir(bin);
      // A CLI that installs nothing but Kubernetes' plugin.
      const install = `file="$PULUMI_HOME/plugins/resource-$4-v$5/pulumi-resource-$4"; mkdir -p "$(dirname "$file")" && touch "$file" && chmod 755 "$file"`;
      const script = `#!/bin/sh\ncase "$*" in version*) echo v3.259.0;; "plugin install resource kubernetes"*) ${install};; *) echo "no $*" >&2; exit 1;; esac\n`;
      await writeFile(join(bin, "pulumi"), script, { mode: 0o755 });
      const env = { PULUMI_HOME, E2E_CONTEXT: "kind-test", E2E_KUBECONFIG: kubeconfig };
      const { code, stderr } = await command({ ...env, PATH: [bin, process.env.PATH].join(delimiter) });
      expect(code).toBe(1);
      expect(stderr).toContain(`installing the plugin of kubernetes ${versions.kubernetes}\n`);
      expect(stderr).not.toContain("cloudflare");
      const failed = `plugin install resource vault ${versions.vault}`;
      expect(stderr).toContain(`pulumi ${failed}: no ${failed}\n`);
      expect(await reasonNotToRun(env)).toContain(`plugin of vault ${versions.vault};`);
    });
  });
});
