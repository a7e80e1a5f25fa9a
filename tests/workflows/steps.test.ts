import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectDirectory } from "../../project/stack.ts";
import { makeRunner, type Runner } from "./runner.ts";
import { jobs, read, steps, workflows } from "./workflows.ts";

// The steps that hold logic, in their own words.

/** What shows that a step does what it should, by a part of its script: a test that runs it, or why none can. */
const shown = {
  "npm ci": "tests/workflows/plan.test.ts",
  "npm test": ".ci/run",
  "plan -- --diff": "tests/workflows/plan.test.ts",
  "cat plan.md": "tests/workflows/steps.test.ts",
  "gh api": "tests/workflows/steps.test.ts",
  "pipx install": "installs one pinned package",
  "oci-login": "tests/tools/oci-login.test.ts",
  "port-forward": "needs a cloud",
  "kind create cluster": "needs Docker",
  "tests/e2e/requirements.ts": "tests/e2e/requirements.test.ts",
  "npm run test:e2e": ".ci/run",
  "kubectl describe": "needs a cluster",
  "preview-$STACK.txt": "tests/workflows/steps.test.ts",
  "del(.output)": "tests/workflows/steps.test.ts",
  "verify -- --stack": "tests/workflows/steps.test.ts",
  "CHANGELOG.md": "tests/workflows/steps.test.ts",
  "gh release": "tests/workflows/steps.test.ts",
};

it("are each run by a test, or named as what needs a cloud", async () => {
  const scripts = steps.flatMap(({ run }) => run ?? []);
  const parts = scripts.map((script) => Object.keys(shown).filter((part) => script.includes(part)));
  expect(parts.map((found) => found.length)).toEqual(scripts.map(() => 1));
  expect(new Set(parts.flat())).toEqual(new Set(Object.keys(shown)));
  for (const [part, where] of Object.entries(shown).filter(([, where]) => /^[.\w]+\//.test(where)))
    expect(await read(where), `${where} runs ${part}`).toContain(part);
});

it("have the shell that they are run in here", () => {
  const own = new Set(jobs.flatMap(({ file, steps }) => (steps === undefined ? [] : [file])));
  for (const { file, defaults } of workflows)
    if (own.has(file)) expect(defaults, file).toEqual({ run: { shell: "bash" } });
  expect(steps.filter((step) => "shell" in step)).toEqual([]);
});

describe("run as a runner does", () => {
  let runner: Runner;
  let golden: string;
  beforeAll(async () => {
    runner = await makeRunner();
    golden = await readFile(join(projectDirectory, "tests/golden/a-new-service.md"), "utf8");
  });
  afterAll(() => runner.close());

  it("put plan and previews into one comment that GitHub takes, new or again", async () => {
    await runner.stub(
      "gh",
      `case "$*" in *--paginate*) jq -r "$5" < comments.json;; *) cat "\${7#body=@}" > written.md;; esac`,
    );
    const place = join(runner.root, "comment");
    await mkdir(place);
    await writeFile(join(place, "plan.md"), golden);
    await writeFile(join(place, "preview-lab.txt"), "Resources:\n    39 unchanged\n");
    await writeFile(join(place, "preview-prod.txt"), "+ kubernetes:… create\n".repeat(10_000));
    const url = "https://github.com/us/platform/actions/runs/1";
    const well = { status: 0, output: "" };
    expect(await runner.run("preview.yml", "cat plan.md", place, { PREVIEW: "success", RUN: url })).toEqual(well);
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
      await rm(join(place, "written.md"), { force: true });
      await writeFile(join(place, "comments.json"), JSON.stringify(comments));
      expect(await runner.run("preview.yml", "gh api", place, github)).toEqual(well);
      expect(await runner.calls()).toContain(`gh api --silent ${call} --field body=@comment.md\n`);
      expect(await readFile(join(place, "written.md"), "utf8")).toBe(comment);
    }
  });

  it("keep a preview, and list what is served", async () => {
    const place = join(runner.root, "outputs");
    await mkdir(place);
    const PREVIEW = "Previewing update (prod)\n$(touch pwned) `touch pwned`";
    await runner.run("pulumi.yml", "preview-$STACK.txt", place, { STACK: "prod", PREVIEW });
    expect(await readFile(join(place, "preview-prod.txt"), "utf8")).toBe(`${PREVIEW}\n`);
    const outputs = {
      output: "Updating (prod)",
      loadBalancerAddress: "203.0.113.7",
      urls: '["https://a.example.com"]',
    };
    const GITHUB_STEP_SUMMARY = join(place, "summary.md");
    await runner.run("pulumi.yml", "del(.output)", place, { OUTPUTS: JSON.stringify(outputs), GITHUB_STEP_SUMMARY });
    expect(await readFile(GITHUB_STEP_SUMMARY, "utf8")).toBe(
      '- loadBalancerAddress: `203.0.113.7`\n- urls: `["https://a.example.com"]`\n',
    );
    expect((await readdir(place)).sort()).toEqual(["preview-prod.txt", "summary.md"]);
  });

  it.each([
    { ROOTS: "", status: 0, args: "" },
    { ROOTS: "-----BEGIN CERTIFICATE-----", status: 1, args: " --roots RUNNER/roots.pem" },
  ])("verify what is up, and end with its verdict $status", async ({ ROOTS, status, args }) => {
    const place = await mkdtemp(join(runner.root, "verify-"));
    // The verdict is played; the tool itself has its own tests.
    await runner.stub("npm", `echo 'port 443  FAIL or not'; exit ${status}`);
    const summary = join(place, "summary.md");
    const env = { STACK: "live", ROOTS, RUNNER_TEMP: place, GITHUB_STEP_SUMMARY: summary };
    const output = "port 443  FAIL or not\n";
    expect(await runner.run("pulumi.yml", "verify -- --stack", place, env)).toEqual({ status, output });
    expect(await readFile(summary, "utf8")).toBe(`\`\`\`\n${output}\`\`\`\n`);
    expect(await runner.calls()).toBe(`npm run --silent verify -- --stack live${args.replace("RUNNER", place)}\n`);
    if (ROOTS) expect(await readFile(join(place, "roots.pem"), "utf8")).toBe(`${ROOTS}\n`);
  });

  describe("of a release", () => {
    const changelog =
      "# Changelog\n\n## [Unreleased]\n\n- later\n\n## [1.2.0] - 2026-12-01\n\n### Added\n\n- now\n\n## [1.1.0]\n\n- before\n";

    async function release(tag: string, text: string) {
      const place = await mkdtemp(join(runner.root, "release-"));
      await writeFile(join(place, "package.json"), '{ "version": "1.2.0" }');
      await writeFile(join(place, "CHANGELOG.md"), text);
      const { status, output } = await runner.run("release.yml", "CHANGELOG.md", place, {
        TAG: tag,
        RUNNER_TEMP: place,
      });
      return { status, output, notes: join(place, "notes.md"), place };
    }

    it("take the section of the tag's version as its notes, and make it of that tag", async () => {
      await runner.stub("gh", "");
      const { status, output, notes, place } = await release("v1.2.0", changelog);
      expect({ status, output }).toEqual({ status: 0, output: "" });
      expect(await readFile(notes, "utf8")).toBe("\n### Added\n\n- now\n\n");
      const env = { GH_TOKEN: "token", REPOSITORY: "us/platform", TAG: "v1.2.0", RUNNER_TEMP: place };
      expect((await runner.run("release.yml", "gh release", place, env)).status).toBe(0);
      expect(await runner.calls()).toBe(
        `gh release create v1.2.0 --repo us/platform --verify-tag --title v1.2.0 --notes-file ${notes}\n`,
      );
    });

    it.each([
      ["v1.3.0", changelog, "the tag is v1.3.0, and package.json has the version 1.2.0"],
      ["v1.2.0", "## [1.2.0]\n\n## [1.1.0]\n\n- before\n", "CHANGELOG.md has nothing below ## [1.2.0]"],
    ])("refuse %s without its version or its notes", async (tag, text, mistake) => {
      expect(await release(tag, text)).toMatchObject({ status: 1, output: `::error::${mistake}\n` });
    });
  });
});
