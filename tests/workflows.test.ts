import { spawn } from "node:child_process";
import { createHash, createPublicKey } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { registerHooks } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { projectDirectory } from "../project/stack.ts";
import { copyProject, git } from "./pull-request.ts";

// The workflows of .github: by GitHub's own schema, by what they may do, and by running their steps word by word. Not
// run: the actions of others, and what needs a cloud.

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly if?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}
interface Job {
  readonly needs?: string | readonly string[];
  readonly if?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly concurrency?: unknown;
  readonly environment?: string;
  readonly "timeout-minutes"?: number;
  readonly uses?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly secrets?: unknown;
  readonly steps?: readonly Step[];
}
interface Workflow {
  readonly on: unknown;
  readonly permissions?: unknown;
  readonly concurrency?: unknown;
  readonly defaults?: { readonly run: { readonly shell: string } };
  readonly jobs: Readonly<Record<string, Job>>;
}

const directory = join(projectDirectory, ".github/workflows");
const sources = new Map<string, string>();
for (const file of (await readdir(directory)).sort()) sources.set(file, await readFile(join(directory, file), "utf8"));
const workflow = (file: string) => parse(sources.get(file) ?? "") as Workflow;
const workflows = [...sources.keys()].map((file) => ({ file, source: sources.get(file) ?? "", ...workflow(file) }));
const jobs = workflows.flatMap(({ file, jobs }) => Object.entries(jobs).map(([id, job]) => ({ id, file, ...job })));
const steps = jobs.flatMap(({ file, id, steps = [] }) => steps.map((step) => ({ file, job: id, ...step })));

// GitHub's packages import their schema without saying that it is JSON, as a bundler lets them:
// https://github.com/actions/languageservices/blob/main/workflow-parser/src/workflows/workflow-schema.ts
registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    return specifier.endsWith(".json") ? { ...found, importAttributes: { type: "json" } } : found;
  },
});

describe("GitHub's schema", async () => {
  const { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } = await import("@actions/workflow-parser");

  /** What GitHub's own parser has against a workflow, the called one included. */
  async function mistakes(name: string, content: string): Promise<string[]> {
    const { context, value } = parseWorkflow({ name, content }, new NoOperationTraceWriter());
    const called = {
      getFileContent: async () => ({ name: "pulumi.yml", content: sources.get("pulumi.yml") ?? "" }),
    };
    if (value) await convertWorkflowTemplate(context, value, called, { fetchReusableWorkflowDepth: 1 });
    return context.errors.getErrors().map(({ message }) => message);
  }

  it.each(workflows)("takes $file", async ({ file, source }) => {
    expect(await mistakes(file, source)).toEqual([]);
  });

  it("refuses what is wrong", async () => {
    const { source = "" } = workflows.find(({ file }) => file === "deploy.yml") ?? {};
    const broken = {
      "needs: preview": "needs: review",
      "command: up": "comand: up",
      "branches: [main]": "branchs: [main]",
      "if: vars.STACKS": "if: secrets.STACKS",
    };
    for (const [right, wrong] of Object.entries(broken)) {
      expect(source).toContain(right);
      expect(await mistakes("deploy.yml", source.replace(right, wrong)), wrong).not.toEqual([]);
    }
  });
});

describe("who may do what", async () => {
  const { data, Evaluator, Lexer, Parser } = await import("@actions/expressions");

  /** Whether GitHub would run a job, on an event and under variables. */
  function runs({ if: condition = "true" }: Job, github: Record<string, unknown>, stacks: string): boolean {
    const cancelled = { name: "cancelled", minArgs: 0, maxArgs: 0, call: () => new data.BooleanData(false) };
    const contexts = JSON.parse(JSON.stringify({ github, vars: { STACKS: stacks } }), data.reviver);
    const expression = new Parser(new Lexer(condition).lex().tokens, ["github", "vars"], [cancelled]).parse();
    return (
      new Evaluator(expression, contexts, new Map([["cancelled", cancelled]])).evaluate().coerceString() === "true"
    );
  }

  const event = (head: string, actor = "somebody") => ({
    repository: "us/platform",
    actor,
    event: { pull_request: { head: { repo: { full_name: head } } } },
  });

  it.each([
    { what: "a fork", github: event("them/platform"), stacks: '["prod"]', run: ["checks", "plan"] },
    {
      what: "Dependabot",
      github: event("us/platform", "dependabot[bot]"),
      stacks: '["prod"]',
      run: ["checks", "plan"],
    },
    {
      what: "a branch where nothing is set up",
      github: event("us/platform"),
      stacks: "",
      run: ["checks", "plan", "comment"],
    },
    {
      what: "a branch",
      github: event("us/platform"),
      stacks: '["prod"]',
      run: ["checks", "plan", "preview", "comment"],
    },
  ])("runs for a pull request of $what: $run", ({ github, stacks, run }) => {
    const { jobs } = workflow("preview.yml");
    expect(
      Object.entries(jobs)
        .filter(([, job]) => runs(job, github, stacks))
        .map(([id]) => id),
    ).toEqual(run);
  });

  it("deploys and looks for drift only where stacks are named", () => {
    const first = [workflow("deploy.yml").jobs.preview, workflow("drift.yml").jobs.drift];
    expect(first.map((job = {}) => [runs(job, {}, ""), runs(job, {}, '["prod"]')])).toEqual(
      first.map(() => [false, true]),
    );
  });

  it("starts on nothing that gives a fork this repository's rights", () => {
    expect(Object.fromEntries(workflows.map(({ file, on }) => [file, on]))).toEqual({
      "preview.yml": "pull_request",
      "deploy.yml": { push: { branches: ["main"] } },
      "drift.yml": { schedule: [{ cron: expect.any(String) }], workflow_dispatch: null },
      "pulumi.yml": { workflow_call: expect.anything() },
      "e2e.yml": {
        pull_request: { types: ["opened", "reopened", "synchronize", "labeled"] },
        schedule: [{ cron: expect.any(String) }],
        workflow_dispatch: null,
      },
    });
  });

  it("gives each job just the permissions that it needs", () => {
    expect(workflows.map(({ permissions }) => permissions)).toEqual(workflows.map(() => ({})));
    const login = { contents: "read", "id-token": "write" };
    expect(Object.fromEntries(jobs.map(({ file, id, permissions }) => [`${file} ${id}`, permissions]))).toEqual({
      "deploy.yml preview": login,
      "deploy.yml up": login,
      "drift.yml drift": login,
      "e2e.yml e2e": { contents: "read" },
      "preview.yml checks": { contents: "read" },
      "preview.yml plan": { contents: "read" },
      "preview.yml preview": login,
      "preview.yml comment": { "pull-requests": "write" },
      "pulumi.yml pulumi": login,
    });
  });

  it("has secrets only where Pulumi is called", () => {
    const named = workflows.filter(({ source }) => /\bsecrets\.[A-Z]/.test(source)).map(({ file }) => file);
    expect(named).toEqual(["pulumi.yml"]);
    const passed = jobs.filter(({ secrets }) => secrets !== undefined);
    expect(passed.map(({ secrets, uses }) => [secrets, uses])).toEqual(
      passed.map(() => ["inherit", "./.github/workflows/pulumi.yml"]),
    );
    const tokens = jobs.filter(({ permissions }) => permissions?.["pull-requests"] === "write");
    expect(tokens.flatMap(({ steps = [] }) => steps).filter(({ uses = "" }) => /checkout/.test(uses))).toEqual([]);
  });

  it("reads the variables and secrets that docs/ci.md names, and no others", async () => {
    const page = await readFile(join(projectDirectory, "docs/ci.md"), "utf8");
    const rows = page.split("\n").filter((line) => /^\| `[A-Z_]+`/.test(line));
    const named = rows.flatMap((row) => row.split("|")[1]?.match(/[A-Z_]{3,}/g) ?? []);
    const read = workflows.flatMap(({ source }) =>
      [...source.matchAll(/\b(?:vars|secrets)\.([A-Z_]+)/g)].map(([, name]) => name),
    );
    expect(named.sort()).toEqual([...new Set(read)].sort());
  });

  it("asks for approval where the environment of the stack does, and for no other's", () => {
    const { preview, up } = workflow("deploy.yml").jobs;
    expect(preview?.with).toMatchObject({ command: "preview", environment: `\${{ matrix.stack }}-preview` });
    expect(up).toMatchObject({ needs: "preview", with: { command: "up", environment: `\${{ matrix.stack }}` } });
    expect(workflow("pulumi.yml").jobs.pulumi?.environment).toBe(`\${{ inputs.environment }}`);
    const elsewhere = jobs.filter(({ file }) => file !== "deploy.yml");
    expect(elsewhere.flatMap((job) => job.with?.command ?? [])).toEqual(["preview", "preview"]);
  });

  it("never lets two deploys of a stack run at once, nor cuts one off", () => {
    expect(workflow("deploy.yml").concurrency).toEqual({ group: "deploy", "cancel-in-progress": false });
    expect(workflow("deploy.yml").jobs.up?.concurrency).toEqual({
      group: `up-\${{ matrix.stack }}`,
      "cancel-in-progress": false,
    });
  });

  it("puts no text of an event into a script", () => {
    // GitHub fills expressions in before the shell reads the script: https://docs.github.com/en/actions/reference/security/secure-use
    expect(steps.filter(({ run = "" }) => run.includes(`\${{`))).toEqual([]);
  });
});

describe("the actions", () => {
  it("are pinned by commit, with the version beside it, and each the same everywhere", () => {
    const pins = new Map<string, string>();
    for (const line of workflows.flatMap(({ source }) => source.match(/^.*\buses: .*$/gm) ?? [])) {
      if (line.includes("uses: ./")) continue;
      const [, action = "", pin = ""] = /uses: ([\w-]+\/[\w-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)$/.exec(line) ?? [];
      expect(pin, line).not.toBe("");
      expect(pins.get(action) ?? pin, line).toBe(pin);
      pins.set(action, pin);
    }
    expect([...pins.keys()].sort()).toEqual([
      "actions/checkout",
      "actions/download-artifact",
      "actions/setup-node",
      "actions/upload-artifact",
      "hashicorp/vault-action",
      "pulumi/actions",
      "pulumi/auth-actions",
    ]);
  });

  it("leave no token in the checkout, and take nothing from a cache that a fork could have filled", () => {
    const uses = (action: string) => steps.filter((step) => step.uses?.startsWith(`${action}@`));
    for (const { with: inputs } of uses("actions/checkout"))
      expect(inputs).toMatchObject({ "persist-credentials": false });
    for (const { with: inputs } of uses("actions/setup-node")) {
      expect(inputs).toEqual({ "node-version": "22", "package-manager-cache": false });
    }
  });

  it("run the Pulumi that the sandbox is tested with", async () => {
    const [, version] =
      /pulumi\/pkg\/v3 v(\S+)/.exec(await readFile(join(projectDirectory, "sandbox/go.mod"), "utf8")) ?? [];
    const { with: inputs } = steps.find(({ uses }) => uses?.startsWith("pulumi/actions@")) ?? {};
    expect(inputs).toMatchObject({ "pulumi-version": version });
  });

  it("refresh and allow no change when drift is looked for, and only then", () => {
    const { with: inputs } = steps.find(({ uses }) => uses?.startsWith("pulumi/actions@")) ?? {};
    const drift = `\${{ inputs.expect-no-changes }}`;
    expect(inputs).toMatchObject({ refresh: drift, "expect-no-changes": drift });
    const asked = jobs.filter((job) => job.with?.["expect-no-changes"] !== undefined);
    expect(asked.map(({ file, id }) => `${file} ${id}`)).toEqual(["drift.yml drift"]);
  });

  it("end some day, each job of them", () => {
    for (const job of jobs.filter(({ uses }) => uses === undefined))
      expect(job["timeout-minutes"]).toBeLessThanOrEqual(60);
  });
});

// The steps, in their own words.

/** How each step that runs a script is shown to do what it should, by a part of the script. */
const shown = {
  "npm ci": "by .ci/run",
  "npm test": "by .ci/run",
  "plan -- --diff": "run here",
  "cat plan.md": "run here",
  "gh api": "run here",
  "pipx install": "run here",
  "oci-login": "run here",
  "port-forward": "needs a cloud",
  "kind create cluster": "needs Docker",
  "tests/e2e/requirements.ts": "by tests/e2e",
  "npm run test:e2e": "by .ci/run",
  "kubectl describe": "needs a cluster",
  "preview-$STACK.txt": "run here",
  "del(.output)": "run here",
  "verify -- --stack": "run here",
} as const;
/** The parts of scripts that have been run. */
const done = new Set<string>();

let root: string;
let stubs: string;
let ran: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "oke-workflows-"));
  stubs = join(root, "bin");
  ran = join(root, "ran");
  await mkdir(stubs);
  await writeFile(ran, "");
  await stubNpm();
  await stub("pipx", "");
  await stub("gh", `case "$*" in *--paginate*) jq -r "$5" < comments.json;; *) cat "\${7#body=@}" > written.md;; esac`);
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** The packages are there already, and the tests run just now; .ci/run does both in a clean clone. */
const stubNpm = () =>
  stub(
    "npm",
    `if [ "$1" = ci ]; then ln -s '${join(projectDirectory, "node_modules")}' node_modules && touch -d 2000-01-01 package-lock.json
     else PATH=$REAL_PATH exec npm "$@"; fi`,
  );

/** A program that is not here, or must not do its work. */
async function stub(name: string, script: string): Promise<void> {
  await writeFile(join(stubs, name), `#!/usr/bin/env bash\necho "${name} $*" >> '${ran}'\n${script}\n`);
  await chmod(join(stubs, name), 0o755);
}

const stepOf = (file: string, text: string) => {
  const step = steps.find((candidate) => candidate.file === file && candidate.run?.includes(text));
  if (step?.run === undefined) throw new Error(`no step of ${file} runs ${text}`);
  return { ...step, run: step.run };
};

/** Runs a step's script as a runner does: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell */
async function run(file: string, text: keyof typeof shown, cwd: string, env: Record<string, string> = {}) {
  const step = stepOf(file, text);
  done.add(text);
  // Each variable that the step sets is given here, and no other.
  expect(Object.keys(step.env ?? {}).sort()).toEqual(
    Object.keys(env)
      .filter((name) => !RUNNERS.test(name))
      .sort(),
  );
  const script = join(root, `${Math.random().toString(36).slice(2)}.sh`);
  await writeFile(script, step.run);
  const path = [join(projectDirectory, "node_modules/.bin"), process.env.PATH].join(delimiter);
  const child = spawn("bash", ["--noprofile", "--norc", "-eo", "pipefail", script], {
    cwd,
    env: { HOME: root, ...env, REAL_PATH: path, PATH: [stubs, path].join(delimiter) },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      output += chunk;
    });
  }
  const status = await new Promise((resolve) => child.on("close", resolve));
  return { status, output };
}
/** Set by the runner itself. */
const RUNNERS = /^(GITHUB_|ACTIONS_|RUNNER_|HOME$)/;

describe("the steps", () => {
  it("are each shown to do what they should, or named as what needs a cloud", () => {
    const scripts = steps.flatMap(({ run }) => run ?? []);
    const parts = scripts.map((script) => Object.keys(shown).filter((part) => script.includes(part)));
    expect(parts.map((found) => found.length)).toEqual(scripts.map(() => 1));
    expect(new Set(parts.flat())).toEqual(new Set(Object.keys(shown)));
    // The shell that the tests below run them in.
    for (const { defaults, jobs } of workflows.filter(({ jobs }) => Object.values(jobs).some((job) => job.steps))) {
      expect(defaults).toEqual({ run: { shell: "bash" } });
      expect(
        Object.values(jobs)
          .flatMap(({ steps = [] }) => steps)
          .filter((step) => "shell" in step),
      ).toEqual([]);
    }
  });

  it("are run by .ci/run where this says so", async () => {
    const ci = await readFile(join(projectDirectory, ".ci/run"), "utf8");
    expect(ci).toMatch(/^tests npm test$/m);
    const { scripts } = JSON.parse(await readFile(join(projectDirectory, "package.json"), "utf8"));
    expect(scripts.test).toContain("npm run --silent setup");
    expect(scripts.setup).toContain("|| npm ci");
  });

  describe("of a pull request, checked out as the runner does it", { timeout: 30_000 }, () => {
    /** A merge commit of a change and of a main branch that went on, alone in a shallow clone, on no branch. */
    async function checkout(name: string, edit: (text: string) => string): Promise<string> {
      const [origin, clone] = [join(root, `${name}-origin`), join(root, name)];
      await copyProject(origin);
      const config = join(origin, "Pulumi.prod.yaml");
      const before = await readFile(config, "utf8");
      git(origin, "checkout", "--quiet", "-b", "change");
      await writeFile(config, edit(before));
      git(origin, "commit", "--quiet", "--all", "--message", "the change");
      git(origin, "checkout", "--quiet", "main");
      await writeFile(config, before.replace("minMbps: 100", "minMbps: 150"));
      git(origin, "commit", "--quiet", "--all", "--message", "main goes on");
      git(origin, "merge", "--quiet", "--no-ff", "--message", "merge", "change");
      git(origin, "update-ref", "refs/pull/7/merge", "HEAD");
      git(origin, "reset", "--quiet", "--hard", "HEAD^1");
      // As actions/checkout: https://github.com/actions/checkout/blob/v7.0.1/src/git-command-manager.ts
      const { with: inputs } = steps.find((step) => step.job === "plan" && step.uses?.includes("checkout")) ?? {};
      git(root, "init", "--quiet", clone);
      git(clone, "remote", "add", "origin", `file://${origin}`);
      const [depth, ref] = [`--depth=${inputs?.["fetch-depth"]}`, "+refs/pull/7/merge:refs/remotes/pull/7/merge"];
      git(clone, "fetch", "--quiet", "--no-tags", "--prune", depth, "origin", ref);
      git(clone, "checkout", "--quiet", "--force", "refs/remotes/pull/7/merge");
      expect(git(clone, "rev-parse", "--is-shallow-repository").trim()).toBe("true");
      expect(git(clone, "branch", "--show-current").trim()).toBe("");
      return clone;
    }

    /** Of each plan; other tests share the cores, so the best one counts. */
    const seconds: number[] = [];

    async function plan(clone: string) {
      const summary = `${clone}-summary.md`;
      expect((await run("preview.yml", "npm ci", clone)).status).toBe(0);
      const began = performance.now();
      const { status, output } = await run("preview.yml", "plan -- --diff", clone, { GITHUB_STEP_SUMMARY: summary });
      seconds.push((performance.now() - began) / 1000);
      const markdown = await readFile(join(clone, "plan.md"), "utf8");
      expect(await readFile(summary, "utf8")).toBe(markdown);
      return { status, output, markdown };
    }

    it("tell what it does to what it is merged into, and leave nothing behind", async () => {
      const grafana = "    - name: grafana\n      namespace: monitoring\n      port: 3000\n";
      const clone = await checkout("new", (text) => text + grafana);
      const { status, output, markdown } = await plan(clone);
      expect({ status, output }).toEqual({ status: 0, output: expect.not.stringMatching(/error/i) });
      const golden = await readFile(join(projectDirectory, "tests/golden/a-new-service.md"), "utf8");
      // Without what main did meanwhile.
      // The golden file is of these two; the other stacks are told of as well.
      const others = /### `(?!lab`|prod`)[^`]+`: nothing changes\n\n/g;
      expect(markdown.match(others)).toContain("### `fresh`: nothing changes\n\n");
      expect(markdown.replaceAll(others, "")).toBe(golden.replace("`main`", "`HEAD^1`"));
      expect(git(clone, "status", "--porcelain", "--", ".", ":!node_modules")).toBe("?? plan.md\n");
      expect(git(clone, "worktree", "list").trim().split("\n")).toHaveLength(1);
    });

    it("fail for a broken configuration, with the mistakes in the same place", async () => {
      const clone = await checkout("broken", (text) => text.replace("port: 8200", "port: 0"));
      const { status, markdown } = await plan(clone);
      expect(status).toBe(1);
      expect(markdown).toContain("### `prod`: the configuration or the program is wrong");
      expect(markdown).toContain("oke-platform:services[0].port is 0; allowed: a whole number from 1 to 65535");
      expect(markdown).toContain("### `lab`: nothing changes");
    });

    it("take less than ten seconds for both stacks", () => {
      expect(Math.min(...seconds)).toBeLessThan(10);
    });
  });

  it("put plan and previews into one comment that GitHub takes, new or again", async () => {
    const place = join(root, "comment");
    await mkdir(place);
    const golden = await readFile(join(projectDirectory, "tests/golden/a-new-service.md"), "utf8");
    await writeFile(join(place, "plan.md"), golden);
    await writeFile(join(place, "preview-lab.txt"), "Resources:\n    39 unchanged\n");
    await writeFile(join(place, "preview-prod.txt"), "+ kubernetes:… create\n".repeat(10_000));
    const url = "https://github.com/us/platform/actions/runs/1";
    expect(await run("preview.yml", "cat plan.md", place, { PREVIEW: "success", RUN: url })).toEqual({
      status: 0,
      output: "",
    });
    const comment = await readFile(join(place, "comment.md"), "utf8");
    expect(comment.startsWith(golden)).toBe(true);
    expect(comment).toContain(
      "<code>pulumi preview</code> of <code>lab</code></summary>\n\n````text\nResources:\n    39 unchanged",
    );
    expect(comment.endsWith(`\nPreview against the clouds: success. [The whole run](${url})\n`)).toBe(true);
    expect(comment.length).toBeLessThan(65_536 - 40_000 + golden.length);

    const github = { GH_TOKEN: "token", REPOSITORY: "us/platform", NUMBER: "7" };
    const by = (login: string, id: number, body: string) => ({ id, body, user: { login } });
    const others = [by("somebody", 1, golden), by("github-actions[bot]", 2, "something else")];
    for (const [comments, call] of [
      [others, "--method POST repos/us/platform/issues/7/comments"],
      [[...others, by("github-actions[bot]", 3, golden)], "--method PATCH repos/us/platform/issues/comments/3"],
    ] as const) {
      await writeFile(ran, "");
      await rm(join(place, "written.md"), { force: true });
      await writeFile(join(place, "comments.json"), JSON.stringify(comments));
      expect(await run("preview.yml", "gh api", place, github)).toEqual({ status: 0, output: "" });
      expect(await readFile(ran, "utf8")).toContain(`gh api --silent ${call} --field body=@comment.md\n`);
      expect(await readFile(join(place, "written.md"), "utf8")).toBe(comment);
    }
  });

  it("keep a preview, and list what is served", async () => {
    const place = join(root, "outputs");
    await mkdir(place);
    const preview = "Previewing update (prod)\n$(touch pwned) `touch pwned`";
    await run("pulumi.yml", "preview-$STACK.txt", place, { STACK: "prod", PREVIEW: preview });
    expect(await readFile(join(place, "preview-prod.txt"), "utf8")).toBe(`${preview}\n`);
    const outputs = {
      output: "Updating (prod)",
      loadBalancerAddress: "203.0.113.7",
      urls: '["https://a.example.com"]',
    };
    const summary = join(place, "summary.md");
    await run("pulumi.yml", "del(.output)", place, { OUTPUTS: JSON.stringify(outputs), GITHUB_STEP_SUMMARY: summary });
    expect(await readFile(summary, "utf8")).toBe(
      '- loadBalancerAddress: `203.0.113.7`\n- urls: `["https://a.example.com"]`\n',
    );
    expect((await readdir(place)).sort()).toEqual(["preview-prod.txt", "summary.md"]);
  });

  it.each([
    { roots: "", status: 0, asked: "npm run --silent verify -- --stack live" },
    {
      roots: "-----BEGIN CERTIFICATE-----",
      status: 1,
      asked: "npm run --silent verify -- --stack live --roots RUNNER/roots.pem",
    },
  ])("verify what is up, and end with its verdict $status", async ({ roots, status, asked }) => {
    const place = await mkdtemp(join(root, "verify-"));
    await writeFile(ran, "");
    // The verdict is played; the tool itself has its own tests.
    await stub("npm", `echo 'port 443  FAIL or not'; exit ${status}`);
    try {
      const summary = join(place, "summary.md");
      const env = { STACK: "live", ROOTS: roots, RUNNER_TEMP: place, GITHUB_STEP_SUMMARY: summary };
      expect(await run("pulumi.yml", "verify -- --stack", place, env)).toEqual({
        status,
        output: "port 443  FAIL or not\n",
      });
      expect(await readFile(summary, "utf8")).toBe("```\nport 443  FAIL or not\n```\n");
      expect(await readFile(ran, "utf8")).toBe(`${asked.replace("RUNNER", place)}\n`);
      if (roots) expect(await readFile(join(place, "roots.pem"), "utf8")).toBe(`${roots}\n`);
    } finally {
      await stubNpm();
    }
  });

  it("install one exact oci CLI", async () => {
    await writeFile(ran, "");
    expect((await run("pulumi.yml", "pipx install", root)).status).toBe(0);
    expect(await readFile(ran, "utf8")).toMatch(/^pipx install oci-cli==\d+\.\d+\.\d+\n$/);
  });
});

describe("the login to OCI", () => {
  /** GitHub's OIDC service and OCI's token exchange, as their pages describe them. */
  let server: Server;
  let refuse = false;
  let asked: { path: string; authorization: string; form: URLSearchParams }[];

  beforeAll(async () => {
    server = createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      const { url: path = "", headers } = request;
      asked.push({ path, authorization: headers.authorization ?? "", form: new URLSearchParams(body) });
      response.statusCode = refuse && path.startsWith("/oauth2") ? 401 : 200;
      const answer = path.startsWith("/oauth2") ? { token: "the-session-token" } : { value: "the-github-token" };
      response.end(JSON.stringify(response.statusCode === 401 ? { error: "invalid_client" } : answer));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  async function login(home: string) {
    asked = [];
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return run("pulumi.yml", "oci-login", projectDirectory, {
      HOME: home,
      GITHUB_ENV: join(home, "env"),
      ACTIONS_ID_TOKEN_REQUEST_URL: `${origin}/id?api-version=2`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: "the-job-token",
      OCI_DOMAIN_URL: `${origin}/`,
      OCI_CLIENT_ID: "client",
      OCI_CLIENT_SECRET: "the-client-secret",
      OCI_TENANCY: "ocid1.tenancy.oc1..aaaa",
      OCI_REGION: "eu-frankfurt-1",
    });
  }

  it("exchanges the job's token for one that both the CLI and Pulumi's provider find", async () => {
    const home = join(root, "home");
    await mkdir(home);
    const { status, output } = await login(home);
    expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining("logged in to OCI") });
    expect(output).toContain("::add-mask::the-session-token\n");
    expect(output.replace("::add-mask::the-session-token", "")).not.toMatch(
      /the-(session|github|job)-token|the-client-secret/,
    );

    const [identity, exchange] = asked;
    expect(identity).toMatchObject({ path: "/id?api-version=2&audience=oci", authorization: "bearer the-job-token" });
    expect(exchange?.path).toBe("/oauth2/v1/token");
    expect(exchange?.authorization).toBe(`Basic ${Buffer.from("client:the-client-secret").toString("base64")}`);
    const { public_key: sent = "", ...form } = Object.fromEntries(exchange?.form ?? []);
    expect(form).toEqual({
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      requested_token_type: "urn:oci:token-type:oci-upst",
      subject_token: "the-github-token",
      subject_token_type: "jwt",
    });

    const config = await readFile(join(home, ".oci/config"), "utf8");
    const values = Object.fromEntries(
      config.split("\n").flatMap((line) => (line.includes("=") ? [line.split("=")] : [])),
    );
    expect(config).toContain("\n[DEFAULT]\n");
    expect(values).toMatchObject({ tenancy: "ocid1.tenancy.oc1..aaaa", region: "eu-frankfurt-1" });
    expect(await readFile(values.security_token_file, "utf8")).toBe("the-session-token");
    const der = createPublicKey(await readFile(values.key_file, "utf8")).export({ type: "spki", format: "der" });
    expect(sent).toBe(der.toString("base64"));
    expect(values.fingerprint.replaceAll(":", "")).toBe(createHash("md5").update(der).digest("hex"));
    expect(values.fingerprint).toMatch(/^([0-9a-f]{2}:){15}[0-9a-f]{2}$/);
    for (const file of ["config", "key.pem", "token"])
      expect((await stat(join(home, ".oci", file))).mode & 0o077).toBe(0);
    expect(await readFile(join(home, "env"), "utf8")).toBe(
      "OCI_CLI_AUTH=security_token\nTF_VAR_auth=SecurityToken\nTF_VAR_config_file_profile=DEFAULT\nTF_VAR_region=eu-frankfurt-1\n",
    );
    // The same runner, the next job.
    expect((await login(home)).status).toBe(0);
  });

  it("says what is wrong, in the service's words and without a secret", async () => {
    const home = join(root, "refused");
    await mkdir(home);
    refuse = true;
    const { status, output } = await login(home).finally(() => {
      refuse = false;
    });
    expect(status).toBe(1);
    expect(output).toContain('OCI\'s token exchange answers 401: {"error":"invalid_client"}');
    expect(output).not.toMatch(/the-(session|github|job)-token|the-client-secret/);
    await expect(stat(join(home, ".oci"))).rejects.toThrow("ENOENT");
  });

  it("leaves a configuration alone that is somebody's", async () => {
    const home = join(root, "mine");
    await mkdir(join(home, ".oci"), { recursive: true });
    await writeFile(join(home, ".oci/config"), "[DEFAULT]\nuser=me\n");
    const { status, output } = await login(home);
    expect(status).toBe(1);
    expect(output).toContain("is there already, and not from here");
    expect(asked).toEqual([]);
  });
});

it("has run every step that it says it runs", () => {
  const here = Object.entries(shown).flatMap(([part, how]) => (how === "run here" ? [part] : []));
  expect(here.filter((part) => !done.has(part))).toEqual([]);
});
