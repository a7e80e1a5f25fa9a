import { expect, it } from "vitest";
import { recordStack } from "../../project/record.ts";
import { type Plan, planOf } from "../../tools/plan/plan.ts";
import { planMermaid } from "../../tools/plan/print.ts";
import { planCommand } from "../../tools/plan.ts";
import { ran } from "./command.ts";
import { registrationOf } from "./diff/registration.ts";

const planned = async (...args: string[]) => {
  const { exitCode, stdout, stderr } = await ran(planCommand, ...args);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return stdout;
};

it("prints prod as a tree where nothing else is asked for", async () => {
  const text = await planned();
  expect(text).toMatch(/^prod: \d+ resources\n {2}\S/);
  expect(text).toMatch(/\n {4}certificate \(Certificate\)\n/);
  expect(text).toMatch(/\n {6}after /);
});

it("prints JSON, sorted, with secrets and what only a cloud knows in words", async () => {
  const { stack, resources } = JSON.parse(await planned("--stack", "lab", "--format", "json")) as Plan;
  expect(stack).toBe("lab");
  const urns = resources.map(({ urn }) => urn);
  expect(urns).toEqual([...urns].sort());
  expect(Object.keys(resources[0] ?? {})).toEqual([
    "urn",
    "type",
    "name",
    "parent",
    "dependsOn",
    "dataDependsOn",
    "inputs",
  ]);
  const text = JSON.stringify(resources);
  expect(text).toContain('"[secret]"');
  expect(text).toContain('"[known after up]"');
  expect(text).not.toContain("4dabf18193072939515e22adb298388d");
});

it("shows no login that stands in a URL, wherever it came from", () => {
  const inputs = { values: { env: "https://robot:s3same@proxy.example.com" }, image: "r.example/a:1@sha256:b" };
  const [release] = planOf("prod", [registrationOf("release", "kubernetes:helm.sh/v3:Release", inputs)]).resources;
  expect(release?.inputs).toEqual({
    image: "r.example/a:1@sha256:b",
    values: { env: "https://[credentials]@proxy.example.com" },
  });
});

it.each<[string[], string]>([
  [["--format", "xml"], '--format is "xml"; allowed: text, json, mermaid, edges'],
  [["--diff", "HEAD", "--format", "json"], '--format is "json"; allowed: text, markdown'],
  [["--stack", "nowhere"], "Pulumi.nowhere.yaml is not in"],
  [["--diff", "no-such-revision"], '--diff is "no-such-revision", which is no commit that git has here'],
])("refuses %s", async (args, words) => {
  expect(await ran(planCommand, ...args)).toEqual({ exitCode: 1, stdout: "", stderr: expect.stringContaining(words) });
});

it("has every component, and an arrow for each declared dependency between two", async () => {
  const picture = planMermaid(planOf("prod", await recordStack("prod")));
  expect(picture.split("\n").slice(0, 2)).toEqual(["```mermaid", "flowchart LR"]);
  expect(picture).toContain("  certificate --> tls_gateway\n");
  expect(picture).toContain("  load_balancer -.-> dns_records\n");
  expect(picture).not.toMatch(/(\w+) -\.?-> \1\n/);
});
