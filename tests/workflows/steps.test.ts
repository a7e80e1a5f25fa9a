import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeRunner, type Runner } from "./runner.ts";
import { jobs, read, steps, workflows } from "./workflows.ts";

// The steps that hold logic, in their own words.

/** What shows that a step does what it should, by a part of its script: a test that runs it, or why none can. */
const shown = {
  "npm ci --ignore-scripts": "tests/workflows/plan.test.ts",
  "npm test": ".ci/run",
  "plan -- --diff": "tests/workflows/plan.test.ts",
  "'{ stack: $stack": "tests/workflows/comment.test.ts",
  "gh api": "tests/workflows/comment.test.ts",
  "%-preview}": "tests/workflows/pulumi.test.ts",
  "pipx install": "tests/workflows/pulumi.test.ts",
  "oci-login.ts": "tests/tools/oci-login.test.ts",
  "port-forward service": "tests/workflows/pulumi.test.ts",
  "pulumi login": "tests/workflows/pulumi.test.ts",
  "kind create cluster": "needs Docker",
  "tests/e2e/requirements.ts": "tests/e2e/requirements.test.ts",
  "npm run test:e2e": ".ci/run",
  "test:$SUITE": "is what .ci/run runs",
  "kubectl describe": "needs a cluster",
  "preview-$STACK.txt": "tests/workflows/pulumi.test.ts",
  "verify -- --stack": "tests/workflows/pulumi.test.ts",
  "outputs verify": "tests/workflows/pulumi.test.ts",
  "revoke-self": "tests/workflows/pulumi.test.ts",
  "rm -rf": "tests/workflows/pulumi.test.ts",
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

describe("of a release", () => {
  let runner: Runner;
  beforeAll(async () => {
    runner = await makeRunner();
  });
  afterAll(() => runner.close());

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
