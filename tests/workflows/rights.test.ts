import { describe, expect, it } from "vitest";
import { evaluated, jobs, read, runs, steps, workflow, workflows } from "./workflows.ts";

// What starts the workflows, what they may do, and whose code they take.

describe("who may do what", () => {
  /** A pull request of somebody to this repository, but for what is said. */
  const event = ({ head = "us/platform", actor = "somebody", author = "User", branch = "change" }) => ({
    repository: "us/platform",
    actor,
    head_ref: branch,
    event: { pull_request: { head: { repo: { full_name: head } }, user: { type: author } } },
  });
  const fork = event({ head: "them/platform" });
  const dependabot = event({ actor: "dependabot[bot]", author: "Bot" });
  const branch = event({});
  const unseen = ["checks", "plan", "comment"];

  it.each([
    { what: "a fork", github: fork, stacks: '["prod"]', run: ["checks", "plan"] },
    { what: "Dependabot", github: dependabot, stacks: '["prod"]', run: ["checks", "plan"] },
    { what: "a branch where nothing is set up", github: branch, stacks: "", run: unseen },
    { what: "Renovate", github: event({ actor: "renovate[bot]", author: "Bot" }), stacks: '["prod"]', run: unseen },
    { what: "Renovate, as a user", github: event({ branch: "renovate/vitest-6.x" }), stacks: '["prod"]', run: unseen },
    { what: "a bot, that a person has reopened", github: event({ author: "Bot" }), stacks: '["prod"]', run: unseen },
    {
      what: "a person, that a bot has pushed to",
      github: event({ actor: "fix[bot]" }),
      stacks: '["prod"]',
      run: unseen,
    },
    { what: "a branch", github: branch, stacks: '["prod"]', run: ["checks", "plan", "preview", "comment"] },
  ])("runs for a pull request of $what: $run", ({ github, stacks, run }) => {
    const started = Object.entries(workflow("preview.yml").jobs).filter(([, job]) => runs(job, github, stacks));
    expect(started.map(([id]) => id)).toEqual(run);
  });

  it("deploys and looks for drift only where stacks are named", () => {
    const first = [workflow("deploy.yml").jobs.preview, workflow("drift.yml").jobs.drift];
    for (const job of first) expect([runs(job ?? {}, {}, ""), runs(job ?? {}, {}, '["prod"]')]).toEqual([false, true]);
  });

  it("starts on nothing that gives a fork this repository's rights", () => {
    const labeled = { pull_request: { types: ["opened", "reopened", "synchronize", "labeled"] } };
    const nightly = { schedule: [{ cron: expect.any(String) }], workflow_dispatch: null };
    expect(Object.fromEntries(workflows.map(({ file, on }) => [file, on]))).toEqual({
      "preview.yml": "pull_request",
      "deploy.yml": { push: { branches: ["main"] } },
      "drift.yml": nightly,
      "pulumi.yml": { workflow_call: expect.anything() },
      "e2e.yml": { ...nightly, ...labeled },
      "proof.yml": { ...nightly, ...labeled, workflow_call: null },
      "release.yml": { push: { tags: ["v*"] } },
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
      "proof.yml proof": { contents: "read" },
      "pulumi.yml pulumi": login,
      "release.yml checks": { contents: "read" },
      "release.yml proof": { contents: "read" },
      "release.yml release": { contents: "write" },
    });
  });

  it("runs none of the code beside a token that may write", () => {
    const mayWrite = jobs.filter(
      ({ permissions = {} }) => permissions.contents === "write" || "pull-requests" in permissions,
    );
    expect(mayWrite.map(({ file, id }) => `${file} ${id}`)).toEqual(["preview.yml comment", "release.yml release"]);
    const scripts = mayWrite.flatMap(({ steps = [] }) => steps.flatMap(({ run = [] }) => run));
    expect(scripts.filter((script) => /\b(npm|npx|node|bash|sh|make|\.\/)\s/.test(script))).toEqual([]);
  });

  it("has secrets only where Pulumi is called", () => {
    const named = workflows.filter(({ source }) => /\bsecrets\.[A-Z]/.test(source)).map(({ file }) => file);
    expect(named).toEqual(["pulumi.yml"]);
    const passed = jobs.filter(({ secrets }) => secrets !== undefined);
    expect(passed.map(({ secrets, uses }) => [secrets, uses])).toEqual(
      passed.map(() => ["inherit", "./.github/workflows/pulumi.yml"]),
    );
  });

  it("reads the variables and secrets that docs/ci.md names, and no others", async () => {
    const rows = (await read("docs/ci.md")).split("\n").filter((line) => /^\| `[A-Z_]+`/.test(line));
    const named = rows.flatMap((row) => row.split("|")[1]?.match(/[A-Z_]{3,}/g) ?? []);
    const used = workflows.flatMap(({ source }) =>
      [...source.matchAll(/\b(?:vars|secrets)\.([A-Z_]+)/g)].map(([, name]) => name),
    );
    expect(named.sort()).toEqual([...new Set(used)].sort());
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
    const once = { "cancel-in-progress": false };
    expect(workflow("deploy.yml").concurrency).toEqual({ group: "deploy", ...once });
    expect(workflow("deploy.yml").jobs.up?.concurrency).toEqual({ group: `up-\${{ matrix.stack }}`, ...once });
  });

  it("makes a release of nothing that the tests refuse", () => {
    expect(workflow("release.yml").jobs.release?.needs).toEqual(["checks", "proof"]);
    const { proof } = workflow("proof.yml").jobs;
    const on = (event_name: string, label: string) =>
      runs(proof ?? {}, { event_name, event: { pull_request: { labels: [{ name: label }] } } });
    expect([on("push", ""), on("pull_request", "proof"), on("pull_request", "proofs")]).toEqual([true, true, false]);
  });

  it("proves what npm test does not: each suite that .ci/run has beside it", async () => {
    const { matrix } = workflow("proof.yml").jobs.proof?.strategy ?? {};
    const suites = [...(await read(".ci/run")).matchAll(/^tests npm run test:(\w+)$/gm)].map(([, suite]) => suite);
    expect(matrix?.suite).toEqual(suites);
  });

  it("puts no text of an event into a script", () => {
    // GitHub fills expressions in before the shell reads the script: https://docs.github.com/en/actions/reference/security/secure-use
    expect(steps.filter(({ run = "" }) => run.includes(`\${{`))).toEqual([]);
  });

  it("runs nothing but main where deploys run, if another runner is named", () => {
    const { "runs-on": place = "" } = workflow("pulumi.yml").jobs.pulumi ?? {};
    const [, expression = ""] = /^\$\{\{ (.*) \}\}$/.exec(place) ?? [];
    // Of a pull request, of main, and of a branch whose own workflow calls this one.
    const on = (vars: Record<string, string>) =>
      ["pull/7/merge", "heads/main", "heads/change"].map((ref) =>
        evaluated(expression, { github: { ref: `refs/${ref}` }, vars }),
      );
    expect(on({})).toEqual(["ubuntu-24.04", "ubuntu-24.04", "ubuntu-24.04"]);
    expect(on({ RUNNER: "ours" })).toEqual(["ours", "ours", "ours"]);
    expect(on({ RUNNER: "ours", PREVIEW_RUNNER: "theirs" })).toEqual(["theirs", "ours", "theirs"]);
    expect(on({ PREVIEW_RUNNER: "theirs" })).toEqual(["theirs", "ubuntu-24.04", "theirs"]);
  });

  it("keeps what programs write of their logins where the runner empties it", () => {
    const homes = Object.fromEntries(
      steps.flatMap(({ env = {} }) => Object.entries(env).filter(([name]) => /^(PULUMI_HOME|PIPX_)/.test(name))),
    );
    const temp = (name: string) => `\${{ runner.temp }}/${name}`;
    expect(homes).toEqual({ PULUMI_HOME: temp("pulumi"), PIPX_HOME: temp("pipx"), PIPX_BIN_DIR: temp("bin") });
    // Whatever calls Pulumi.
    const calls = steps.filter(({ run = "" }) => /^\s*pulumi /m.test(run));
    expect(calls.map(({ env = {} }) => env.PULUMI_HOME)).toEqual([temp("pulumi")]);
  });

  it("logs out whatever happens, of whatever was logged in", () => {
    const last = workflow("pulumi.yml").jobs.pulumi?.steps?.slice(-3) ?? [];
    const contexts = (outcome?: string) => ({ steps: { vault: { outcome }, oci: { outcome } } });
    const always = (condition = "") => condition.replace("always()", "true");
    const run = (outcome?: string) => last.map((step) => evaluated(always(step.if), contexts(outcome)) === "true");
    expect(last.map((step) => step.if?.startsWith("always()"))).toEqual([true, true, true]);
    expect(run("success")).toEqual([true, true, true]);
    // A login to OCI that failed may have written some of its files.
    expect(run("failure")).toEqual([false, true, true]);
    expect(run("skipped")).toEqual([false, false, true]);
    expect(run()).toEqual([false, false, true]);
  });

  it("ends some day, each job; beside an identity each step, and each call that could hang there", () => {
    const own = jobs.filter(({ uses }) => uses === undefined);
    for (const job of own) expect(job["timeout-minutes"], job.id).toBeLessThanOrEqual(60);
    const beside = steps.filter(({ file }) => file === "pulumi.yml");
    for (const step of beside)
      expect(step["timeout-minutes"], step.name ?? step.run ?? step.uses).toBeLessThanOrEqual(45);
    const calls = steps.flatMap(({ run = "" }) => run.match(/\b(curl|kubectl .*\bget secret)\b.*/g) ?? []);
    expect(calls.length).toBeGreaterThan(2);
    for (const call of calls) expect(call).toMatch(/--max-time \d|--request-timeout \d/);
  });

  it("installs what the lock file holds, and runs none of its scripts", () => {
    const installs = steps.flatMap(({ run = "" }) => run.match(/\bnpm (ci|i|install|add)\b.*/g) ?? []);
    expect(installs.length).toBeGreaterThan(4);
    expect(new Set(installs)).toEqual(new Set(["npm ci --ignore-scripts"]));
    // A job that installs takes Node from its own step.
    for (const { file, id, steps: all = [] } of jobs.filter(({ steps = [] }) =>
      steps.some(({ run }) => run?.startsWith("npm ci")),
    ))
      expect(
        all.some(({ uses }) => uses?.startsWith("actions/setup-node@")),
        `${file} ${id}`,
      ).toBe(true);
  });
});

describe("the actions", () => {
  const inputsOf = (action: string) =>
    steps.filter(({ uses }) => uses?.startsWith(`${action}@`)).map(({ with: inputs = {} }) => inputs);

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
    for (const inputs of inputsOf("actions/checkout")) expect(inputs).toMatchObject({ "persist-credentials": false });
    for (const inputs of inputsOf("actions/setup-node"))
      expect(inputs).toEqual({ "node-version": "22", "package-manager-cache": false });
  });

  it("install Pulumi's CLI and do not run it: their summary lets a stack's texts out of its block", () => {
    expect(inputsOf("pulumi/actions")).toEqual([{ "pulumi-version": expect.any(String) }]);
  });

  it("look for drift in drift.yml alone", () => {
    const asked = jobs.filter((job) => job.with?.["expect-no-changes"] !== undefined);
    expect(asked.map(({ file, id }) => `${file} ${id}`)).toEqual(["drift.yml drift"]);
  });
});
