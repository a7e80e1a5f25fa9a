import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { projectDirectory } from "../../project/stack.ts";
import { copyProject, git } from "../pull-request.ts";
import { makeRunner, type Runner } from "./runner.ts";
import { steps } from "./workflows.ts";

// The plan of a pull request, on a checkout as the runner makes it.

let runner: Runner;
beforeAll(async () => {
  runner = await makeRunner();
  // The packages are there already; .ci/run installs them in a clean clone. Without what an install script makes: the
  // program of the package "node" is not there, and what runs is the Node of PATH.
  const modules = join(projectDirectory, "node_modules");
  await runner.stub(
    "npm",
    `if [ "$*" != "ci --ignore-scripts" ]; then PATH=$REAL_PATH exec npm "$@"; fi
     mkdir node_modules && ln -s '${modules}'/* '${modules}/.package-lock.json' node_modules/
     cp -RP '${modules}/.bin' node_modules/ && rm node_modules/node node_modules/.bin/node
     touch -d 2000-01-01 package-lock.json`,
  );
});
afterAll(() => runner.close());

/** A merge commit of a change and of a main branch that went on, alone in a shallow clone, on no branch. */
async function checkout(change: Readonly<Record<string, (text: string) => string>>): Promise<string> {
  const [origin, clone] = [join(runner.root, "origin"), join(runner.root, "clone")];
  await copyProject(origin);
  git(origin, "checkout", "--quiet", "-b", "change");
  for (const [file, edit] of Object.entries(change))
    await writeFile(join(origin, file), edit(await readFile(join(origin, file), "utf8")));
  git(origin, "commit", "--quiet", "--all", "--message", "the change");
  git(origin, "checkout", "--quiet", "main");
  const prod = join(origin, "Pulumi.prod.yaml");
  await writeFile(prod, (await readFile(prod, "utf8")).replace("minMbps: 100", "minMbps: 150"));
  git(origin, "commit", "--quiet", "--all", "--message", "main goes on");
  git(origin, "merge", "--quiet", "--no-ff", "--message", "merge", "change");
  git(origin, "update-ref", "refs/pull/7/merge", "HEAD");
  git(origin, "reset", "--quiet", "--hard", "HEAD^1");
  // As actions/checkout: https://github.com/actions/checkout/blob/v7.0.1/src/git-command-manager.ts
  const { with: inputs } = steps.find((step) => step.job === "plan" && step.uses?.includes("checkout")) ?? {};
  git(runner.root, "init", "--quiet", clone);
  git(clone, "remote", "add", "origin", `file://${origin}`);
  const [depth, ref] = [`--depth=${inputs?.["fetch-depth"]}`, "+refs/pull/7/merge:refs/remotes/pull/7/merge"];
  git(clone, "fetch", "--quiet", "--no-tags", "--prune", depth, "origin", ref);
  git(clone, "checkout", "--quiet", "--force", "refs/remotes/pull/7/merge");
  expect(git(clone, "rev-parse", "--is-shallow-repository").trim()).toBe("true");
  return clone;
}

/** What a plan says of a stack, from its heading to the next. */
const sectionOf = (markdown: string, stack: string) =>
  new RegExp(`### \`${stack}\`[\\s\\S]*?(?=\\n### |$)`).exec(markdown)?.[0].trim();

it("tells what the change does to what it is merged into, and fails for a mistake, said in the same place", async () => {
  const clone = await checkout({
    "Pulumi.prod.yaml": (text) => `${text}    - name: grafana\n      namespace: monitoring\n      port: 3000\n`,
    "Pulumi.lab.yaml": (text) => text.replace("port: 8200", "port: 0"),
  });
  expect((await runner.run("preview.yml", "npm ci --ignore-scripts", clone)).status).toBe(0);
  const summary = `${clone}-summary.md`;
  expect(await runner.run("preview.yml", "plan -- --diff", clone, { GITHUB_STEP_SUMMARY: summary })).toMatchObject({
    // The tool's verdict, and not that of the programs behind it.
    status: 1,
  });
  const markdown = await readFile(join(clone, "plan.md"), "utf8");
  expect(await readFile(summary, "utf8")).toBe(markdown);
  // The change alone, without what main did meanwhile.
  const golden = await readFile(join(projectDirectory, "tests/golden/a-new-service.md"), "utf8");
  expect(sectionOf(markdown, "prod")).toBe(sectionOf(golden, "prod"));
  expect(sectionOf(markdown, "fresh")).toBe("### `fresh`: nothing changes");
  expect(sectionOf(markdown, "lab")).toBe("### `lab`: the configuration or the program is wrong; see above");
  const [first] = markdown.split("\n### `");
  expect(first).toContain("services[0].port is 0; allowed: a whole number from 1 to 65535");
  expect(git(clone, "status", "--porcelain")).toBe("?? plan.md\n");
  expect(git(clone, "worktree", "list").trim().split("\n")).toHaveLength(1);
});
