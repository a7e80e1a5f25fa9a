import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { registerHooks } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { projectDirectory } from "../project/stack.ts";
import { charts as chartDefaults } from "../versions.ts";
import {
  CA_CONFIG_MAP,
  type FixtureOptions,
  NAMESPACE,
  namespacesAndServices,
  standInFiles,
  TLS_NAMES,
  workloads,
} from "./e2e/fixtures.ts";
import { reasonNotToRun } from "./e2e/requirements.ts";
import { settingsIn, valuesOf, wishesOf, withIstio, withService } from "./e2e/stack.ts";
import { newIssuer } from "./pki.ts";

// Of the end-to-end test, what can be known without a cluster: when it runs, what it says where it cannot, and whether
// what it brings fits together. What workflows.test.ts asks of every workflow is asked there of this one too.

const read = (file: string) => readFile(join(projectDirectory, file), "utf8");

// GitHub's package imports its JSON without saying so; workflows.test.ts has the source.
registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    return specifier.endsWith(".json") ? { ...found, importAttributes: { type: "json" } } : found;
  },
});

describe("the workflow", async () => {
  const { data, Evaluator, Lexer, Parser } = await import("@actions/expressions");
  const source = await read(".github/workflows/e2e.yml");
  const { on, jobs } = parse(source);

  /** Whether GitHub would run the job on an event. */
  function runsOn(event_name: string, labels?: string[]): boolean {
    const event = labels === undefined ? {} : { pull_request: { labels: labels.map((name) => ({ name })) } };
    const contexts = JSON.parse(JSON.stringify({ github: { event_name, event } }), data.reviver);
    const expression = new Parser(new Lexer(jobs.e2e.if).lex().tokens, ["github"], []).parse();
    return new Evaluator(expression, contexts).evaluate().coerceString() === "true";
  }

  it("runs every week, by hand, and for pull requests with the label e2e, whenever that is set", () => {
    expect(Object.keys(on).sort()).toEqual(["pull_request", "schedule", "workflow_dispatch"]);
    expect(on.pull_request.types).toEqual(["opened", "reopened", "synchronize", "labeled"]);
    expect(runsOn("schedule")).toBe(true);
    expect(runsOn("workflow_dispatch")).toBe(true);
    expect(runsOn("pull_request", ["e2e"])).toBe(true);
    expect(runsOn("pull_request", ["bug", "e2e-later"])).toBe(false);
    expect(runsOn("pull_request", [])).toBe(false);
  });

  it("has no secret, and nothing that is not pinned", () => {
    expect(source).not.toMatch(/\b(secrets|vars)\./);
    expect(source.match(/@\S+/g)?.filter((pin) => !/^@([0-9a-f]{40}|v\d+\.\d+\.\d+)$/.test(pin))).toEqual([]);
  });

  it("makes the cluster that the test is told of, and fails before it where it would be skipped", async () => {
    const [, name] = /create cluster --name (\S+)/.exec(source) ?? [];
    expect(jobs.e2e.env).toEqual({ E2E_CONTEXT: `kind-${name}` });
    const scripts: string[] = jobs.e2e.steps.flatMap(({ run = [] }) => run);
    expect(scripts.indexOf("node tests/e2e/requirements.ts")).toBe(scripts.indexOf("npm run test:e2e") - 1);
    const shipped = parse(await read("Pulumi.e2e.yaml")).config["oke-platform:cluster"];
    expect(shipped).toEqual({ context: `kind-${name}` });
  });
});

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
    expect(await reasonNotToRun({ PULUMI_HOME, E2E_CONTEXT: "kind-test", E2E_KUBECONFIG: none })).toMatch(
      /^E2E_CONTEXT: ENOENT: .*nowhere/,
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

  it("is skipped where it cannot, without failing, and says why in one line", async () => {
    const vitest = join(projectDirectory, "node_modules/.bin/vitest");
    const PULUMI_HOME = await withPlugins(join(home, "all"));
    const env = { PULUMI_HOME, NO_COLOR: "1", CI: "1" };
    const { code, stdout } = await run(vitest, ["run", "--dir", "tests/e2e", "e2e.test.ts"], env);
    expect(code).toBe(0);
    expect(stdout).toContain(`\ntests/e2e is skipped: ${noContext}\n`);
    expect(stdout).toMatch(/Tests +7 skipped \(7\)/);
  }, 30_000);

  describe("the command", { timeout: 30_000 }, () => {
    const command = (env: Record<string, string>) => run(process.execPath, ["tests/e2e/requirements.ts"], env);

    it("says that it can, or fails and says why", async () => {
      const PULUMI_HOME = await withPlugins(join(home, "all"));
      const able = { PULUMI_HOME, E2E_CONTEXT: "kind-test", E2E_KUBECONFIG: kubeconfig };
      expect(await command(able)).toEqual({
        code: 0,
        stdout: "the end-to-end test can run: npm run test:e2e\n",
        stderr: "",
      });
      expect(await command({ PULUMI_HOME })).toEqual({
        code: 1,
        stdout: "",
        stderr: `the end-to-end test cannot run: ${noContext}\n`,
      });
    });

    it("installs what is missing and nothing else, and tells what the Pulumi CLI says where it cannot", async () => {
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

describe("the stack", () => {
  const run = {
    cluster: { context: "kind-test", kubeconfig: "some/kubeconfig" },
    vaultAddress: "http://127.0.0.1:4001",
    cloudflareUrl: "http://127.0.0.1:4002/client/v4/",
    cloudflareIp: "10.96.0.10",
    token: "0123456789abcdef0123456789abcdef01234567",
    root: "",
  };
  beforeAll(async () => {
    run.root = (await newIssuer("e2e")).root;
  });

  it("has what only the run knows, and keeps every rule of the settings", async () => {
    const values = await valuesOf(run, {});
    expect(values["cloudflare:baseUrl"]).toBe(run.cloudflareUrl);
    // The engine stores it as a secret.
    expect(JSON.stringify(values)).not.toContain(run.token);
    expect(settingsIn(values, run.token)).toMatchObject({
      cluster: run.cluster,
      hosts: ["*.cluster.platform.test", "cluster.platform.test"],
      acme: { directory: `https://${TLS_NAMES[1]}:14000/dir`, caBundle: run.root, propagationSeconds: 0 },
      cloudflare: { token: "supplied" },
      cloudflareApiToken: run.token,
      vault: { address: run.vaultAddress, clusterAddress: `http://vault.${NAMESPACE}:8200`, access: "managed" },
      gateway: { serviceType: "NodePort" },
      services: [{ host: "echo.cluster.platform.test", service: "echo", namespace: NAMESPACE, port: 80 }],
    });
  });

  it("leads cert-manager to the stand-in by the names that its chart has for that", async () => {
    const { charts } = settingsIn(await valuesOf(run, {}), run.token);
    expect(charts.certManager.values).toEqual({
      hostAliases: [{ ip: "10.96.0.10", hostnames: [TLS_NAMES[0]] }],
      volumes: [{ name: "e2e-ca", configMap: { name: CA_CONFIG_MAP } }],
      volumeMounts: [{ name: "e2e-ca", mountPath: "/e2e-ca", readOnly: true }],
      extraEnv: [{ name: "SSL_CERT_DIR", value: "/e2e-ca" }],
    });
  });

  it("takes a mirror, a type of Service and a release of Istio from the environment", async () => {
    const env = {
      E2E_CHARTS_MIRROR: "oci://registry.test/charts",
      E2E_SERVICE_TYPE: "LoadBalancer",
      E2E_ISTIO_FROM: "",
    };
    const { charts, gateway } = settingsIn(await valuesOf(run, wishesOf(env)), run.token);
    expect(gateway.serviceType).toBe("LoadBalancer");
    for (const { repo } of Object.values(charts)) expect(repo).toBe("oci://registry.test/charts");
    const shipped = parse(await read("Pulumi.e2e.yaml")).config["oke-platform:charts"];
    expect(charts.istio.version).toBe(shipped.istio.version);
    const older = settingsIn(await valuesOf(run, wishesOf({ E2E_ISTIO_FROM: "1.29.9" })), run.token);
    expect(older.charts.istio.version).toBe("1.29.9");
    await expect(async () =>
      settingsIn(await valuesOf(run, wishesOf({ E2E_SERVICE_TYPE: "ExternalName" })), run.token),
    ).rejects.toThrow('gateway.serviceType is "ExternalName"');
  });

  it("goes on from step to step with one change each", async () => {
    const values = await valuesOf(run, {});
    const before = settingsIn(values, run.token);
    const more = settingsIn(
      withService(values, { name: "one-more", namespace: NAMESPACE, service: "echo", port: 80 }),
      run.token,
    );
    expect({ ...more, services: more.services.slice(0, 1) }).toEqual(before);
    expect(more.services[1]?.host).toBe("one-more.cluster.platform.test");
    const newer = settingsIn(withIstio(values), run.token);
    expect(newer.charts.istio.version).toBe(chartDefaults.istio.version);
    expect({ ...newer, charts: { ...newer.charts, istio: before.charts.istio } }).toEqual(before);
    expect(values).toEqual(await valuesOf(run, {}));
  });
});

describe("what it brings into the cluster", () => {
  // Of a Deployment, a Service, a Secret and a ConfigMap, what is read here.
  interface Brought {
    readonly kind: string;
    readonly metadata: { readonly name: string; readonly namespace?: string };
    readonly data?: Record<string, string>;
    readonly stringData?: Record<string, string>;
    readonly spec: {
      readonly ports: { port: number; targetPort: number }[];
      readonly template: {
        spec: {
          containers: { image: string; env?: { valueFrom?: { secretKeyRef: { name: string; key: string } } }[] }[];
          volumes: {
            secret?: { secretName: string; items: { key: string }[] };
            configMap?: { name: string; items?: { key: string; path: string }[] };
          }[];
        };
      };
    };
  }
  const options: FixtureOptions = {
    zone: "platform.test",
    token: "the stand-in's token",
    vaultToken: "Vault's token",
    tls: { cert: "the certificate", key: "the key" },
    root: "the root",
  };
  const objects = [...namespacesAndServices(), ...workloads(options, "10.96.0.10")] as unknown as Brought[];
  const find = (kind: string, name: string) => {
    const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
    if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
    return found;
  };
  const deployments = objects.filter(({ kind }) => kind === "Deployment");

  it("is each object once, after its namespace", () => {
    const names = objects.map(({ kind, metadata: { namespace, name } }) => `${kind} ${namespace ?? ""}/${name}`);
    expect(new Set(names).size).toBe(names.length);
    for (const [index, { metadata }] of objects.entries()) {
      if (metadata.namespace === undefined) continue;
      expect(names.indexOf(`Namespace /${metadata.namespace}`), names[index]).toBeLessThan(index);
      expect(names).toContain(`Namespace /${metadata.namespace}`);
    }
  });

  it("mounts and reads what is there", () => {
    expect(deployments.map(({ metadata }) => metadata.name).sort()).toEqual(["cloudflare", "echo", "pebble", "vault"]);
    for (const { metadata, spec } of deployments) {
      expect(find("Service", metadata.name).spec.ports.length).toBeGreaterThan(0);
      for (const { secret, configMap } of spec.template.spec.volumes) {
        const data = secret
          ? find("Secret", secret.secretName).stringData
          : find("ConfigMap", configMap?.name ?? "").data;
        const items = secret?.items ?? configMap?.items ?? [];
        expect(Object.keys(data ?? {})).toEqual(expect.arrayContaining(items.map(({ key }) => key)));
      }
      for (const { env = [], image } of spec.template.spec.containers) {
        expect(image).toMatch(/^[\w./-]+:\d+\.\d+\.\d+(-\w+)?$/);
        for (const { valueFrom } of env) {
          const { name = "", key = "" } = valueFrom?.secretKeyRef ?? {};
          if (valueFrom !== undefined) expect(find("Secret", name).stringData).toHaveProperty(key);
        }
      }
    }
  });

  it("has the CA that cert-manager is told to mount, where that looks for it", () => {
    const { metadata, data } = find("ConfigMap", CA_CONFIG_MAP);
    expect({ namespace: metadata.namespace, data }).toEqual({
      namespace: "cert-manager",
      data: { "ca.crt": "the root" },
    });
  });

  it("puts the stand-in's files where its program looks for them", () => {
    const { data = {} } = find("ConfigMap", "cloudflare");
    for (const key of Object.keys(data)) expect(key).toMatch(/^[-._a-zA-Z0-9]+$/);
    const volumes = find("Deployment", "cloudflare").spec.template.spec.volumes;
    const items = volumes.flatMap(({ configMap }) => configMap?.items ?? []);
    expect(Object.fromEntries(items.map(({ key, path }) => [path, data[key]]))).toEqual(standInFiles());
    // What a ConfigMap takes: https://kubernetes.io/docs/concepts/configuration/configmap/
    expect(JSON.stringify(data).length).toBeLessThan(1_000_000);
  });

  it("has secrets in Secrets alone", () => {
    for (const object of objects.filter(({ kind }) => kind !== "Secret"))
      expect(JSON.stringify(object)).not.toMatch(/the stand-in's token|Vault's token|the key/);
  });

  it("lets Pebble ask the stand-in's DNS, where its Service has it", () => {
    expect(JSON.stringify(find("Deployment", "pebble"))).toContain('"-dnsserver","10.96.0.10:53"');
    const ports = find("Service", "cloudflare").spec.ports.filter(({ port }) => port === 53);
    expect(ports.map(({ targetPort }) => targetPort)).toEqual([5353, 5353]);
    expect(JSON.stringify(find("Deployment", "cloudflare"))).toContain('{"name":"DNS_PORT","value":"5353"}');
  });
});
