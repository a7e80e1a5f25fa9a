import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { projectDirectory } from "../../project/stack.ts";
import { makeRunner, type Runner } from "./runner.ts";

// The comment of a pull request: plan and previews, in as many characters as GitHub takes.

const URL = "https://github.com/us/platform/actions/runs/1";

let runner: Runner;
let plan: string;
let place: string;
beforeAll(async () => {
  runner = await makeRunner();
  plan = await readFile(join(projectDirectory, "tests/golden/a-new-service.md"), "utf8");
});
beforeEach(async () => {
  place = await mkdtemp(join(runner.root, "comment-"));
});
afterAll(() => runner.close());

/** The comment that is made of a plan and of previews, by their stacks. */
async function comment(previews: Readonly<Record<string, string>>, text = plan): Promise<string> {
  await writeFile(join(place, "plan.md"), text);
  for (const [stack, preview] of Object.entries(previews))
    await writeFile(join(place, `preview-${stack}.txt`), preview);
  const env = { PREVIEW: "success", RUN: URL };
  expect(await runner.run("preview.yml", "'{ stack: $stack", place, env)).toEqual({ status: 0, output: "" });
  return readFile(join(place, "comment.md"), "utf8");
}

const end = `\nPreview against the clouds: success. [The whole run](${URL})\n`;
const block = (stack: string, text: string) =>
  `\n<details><summary><code>pulumi preview</code> of <code>${stack}</code></summary>\n\n<pre>\n${text}\n</pre>\n\n</details>\n`;

it("has the plan, each preview and where the rest is", async () => {
  const preview = "Resources:\n    39 unchanged\n";
  expect(await comment({})).toBe(plan + end);
  expect(await comment({ lab: preview, prod: "é" })).toBe(plan + block("lab", preview) + block("prod", "é") + end);
});

it("is there, to be found again, where there is no plan", async () => {
  const [mark = ""] = plan.split("\n");
  const none = `${mark}\n## What this change does\n\nThere is no plan of it: the log of the job Plan says why.\n`;
  expect(await comment({}, "")).toBe(none + end);
  await rm(join(place, "plan.md"));
  expect((await runner.run("preview.yml", "'{ stack: $stack", place, { PREVIEW: "skipped", RUN: URL })).status).toBe(0);
  expect((await readFile(join(place, "comment.md"), "utf8")).startsWith(none)).toBe(true);
});

it("lets no text of a preview or a stack's name out of its block", async () => {
  const hostile = "</pre></details><img src=x>\n````\n@everyone <!-- \u202e";
  const escaped = "&lt;/pre&gt;&lt;/details&gt;&lt;img src=x&gt;\n````\n@everyone &lt;!-- \ufffd";
  expect(await comment({ "a<b>&": hostile })).toBe(plan + block("a&lt;b&gt;&amp;", escaped) + end);
  // What is no text becomes one.
  await writeFile(join(place, "preview-b.txt"), Buffer.from([0xff, 0xfe, 0x0a]));
  expect(await comment({})).toContain("<pre>\n\ufffd\ufffd\n\n</pre>");
});

it.each([
  { what: "a long preview", previews: { prod: "+ create\n".repeat(100_000) }, text: "p\n".repeat(20_000) },
  { what: "one that grows when it is escaped", previews: { prod: "<&'\"".repeat(30_000) } },
  { what: "many", previews: Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`s${at}`, "x".repeat(9_000)])) },
  {
    what: "long names",
    previews: Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`${"&".repeat(200)}${at}`, "é".repeat(9_000)])),
  },
  { what: "a plan that does not keep to its room", previews: { prod: "x".repeat(99_999) }, text: "p".repeat(70_000) },
])("fits for $what, and says of which stack what is left out", async ({ previews, text }) => {
  const whole = await comment(previews, text);
  expect(whole.length).toBeLessThanOrEqual(65_536);
  expect(whole.length).toBeGreaterThan(40_000);
  expect(whole.endsWith(end)).toBe(true);
  const count = Object.keys(previews).length;
  expect(whole.match(/<details>/g)).toHaveLength(Math.min(count, 20));
  expect(whole.match(/^… \d+ characters are left out here; the log of the run has them …$/gm)).toHaveLength(
    Math.min(count, 20),
  );
  expect(/^(\d+) more previews are in the run alone\.$/m.exec(whole)?.[1]).toBe(
    count > 20 ? String(count - 20) : undefined,
  );
});

it("keeps how a preview begins and how it ends", async () => {
  const whole = await comment({ prod: `Previewing\n${"x\n".repeat(50_000)}error: no\n` });
  expect(whole).toContain("<pre>\nPreviewing\n");
  expect(whole).toContain("error: no\n\n</pre>");
});

it("is written anew by the next run", async () => {
  await runner.stub(
    "gh",
    `case "$*" in *--paginate*) jq -r "$5" < comments.json;; *) cat "\${7#body=@}" > written.md;; esac`,
  );
  const written = await comment({});
  const github = { GH_TOKEN: "token", REPOSITORY: "us/platform", NUMBER: "7" };
  const by = (login: string, id: number, body: string) => ({ id, body, user: { login } });
  const others = [by("somebody", 1, plan), by("github-actions[bot]", 2, "something else")];
  for (const [comments, call] of [
    [others, "--method POST repos/us/platform/issues/7/comments"],
    [[...others, by("github-actions[bot]", 3, plan)], "--method PATCH repos/us/platform/issues/comments/3"],
  ] as const) {
    await rm(join(place, "written.md"), { force: true });
    await writeFile(join(place, "comments.json"), JSON.stringify(comments));
    expect(await runner.run("preview.yml", "gh api", place, github)).toEqual({ status: 0, output: "" });
    expect(await runner.calls()).toContain(`gh api --silent ${call} --field body=@comment.md\n`);
    expect(await readFile(join(place, "written.md"), "utf8")).toBe(written);
  }
});
