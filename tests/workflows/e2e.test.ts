import { expect, it } from "vitest";
import { parse } from "yaml";
import { read, runs, workflow } from "./workflows.ts";

const { source, jobs } = workflow("e2e.yml");
const job = jobs.e2e ?? {};

it("runs every week, by hand, and for pull requests with the label e2e, whenever that is set", () => {
  const on = (event_name: string, labels: string[] = []) =>
    runs(job, { event_name, event: { pull_request: { labels: labels.map((name) => ({ name })) } } });
  expect(on("schedule")).toBe(true);
  expect(on("workflow_dispatch")).toBe(true);
  expect(on("pull_request", ["e2e"])).toBe(true);
  expect(on("pull_request", ["bug", "e2e-later"])).toBe(false);
  expect(on("pull_request")).toBe(false);
});

it("has no secret, and nothing that is not pinned", () => {
  expect(source).not.toMatch(/\b(secrets|vars)\./);
  expect(source.match(/@\S+/g)?.filter((pin) => !/^@([0-9a-f]{40}|v\d+\.\d+\.\d+)$/.test(pin))).toEqual([]);
});

it("makes the cluster that the test is told of, and fails before it where it would be skipped", async () => {
  const [, name] = /create cluster --name (\S+)/.exec(source) ?? [];
  expect(job.env).toEqual({ E2E_CONTEXT: `kind-${name}` });
  const scripts = (job.steps ?? []).flatMap(({ run = [] }) => run);
  expect(scripts.indexOf("node tests/e2e/requirements.ts")).toBe(scripts.indexOf("npm run test:e2e") - 1);
  const shipped = parse(await read("Pulumi.e2e.yaml")).config["oke-platform:cluster"];
  expect(shipped).toEqual({ context: `kind-${name}` });
});
