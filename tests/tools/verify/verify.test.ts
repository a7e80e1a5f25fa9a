import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KubeConfig } from "@kubernetes/client-node";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { projectDirectory } from "../../../project/stack.ts";
import type { Check } from "../../../tools/verify/check.ts";
import { verify, verifyCommand } from "../../../tools/verify/verify.ts";
import { closeAll, closedPort } from "../../loopback.ts";
import { type Issuer, issue, newIssuer, type TlsPair } from "../../pki.ts";
import { ran } from "../command.ts";
import { writeStack } from "../stack-file.ts";
import { ARGOCD, BASE, NAMES, settingsWith, stack, VAULT, type WayIn } from "./deploy.ts";
import { envoySays } from "./gateway.ts";
import { startDeploy } from "./whole.ts";

let issuer: Issuer;
let good: TlsPair;
beforeAll(async () => {
  issuer = await newIssuer("Trusted");
  good = await issue(issuer, NAMES);
});
afterEach(closeAll);

it("finds what the program makes, and passes when all is right", async () => {
  const checks = await verify({ ...(await startDeploy(good, settingsWith())), roots: issuer.root });
  const perHost = ["DNS", "handshake", "trust", "certificate", "old TLS", "redirect"];
  const at = (host: string, ...names: string[]) => names.map((name) => `pass ${name} ${host}`);
  expect(checks.map(({ status, name, host }) => `${status} ${name}${host === undefined ? "" : ` ${host}`}`)).toEqual([
    ...[
      ...["API server", "ExternalSecret", "ClusterIssuer", "Certificate", "certificate's Secret", "gateway's copy"],
      ...["key elsewhere", "load balancer", "port 443", "port 80"],
    ].map((name) => `pass ${name}`),
    ...at(BASE, ...perHost),
    ...at(VAULT, ...perHost, "service"),
    ...at(ARGOCD, ...perHost, "service"),
  ]);
});

it("fails once for a certificate whose key is another than the settings say", async () => {
  const settings = settingsWith({ certificate: { key: "rsa-2048" } });
  const checks = await verify({ ...(await startDeploy(good, settings)), roots: issuer.root });
  const name = "cert-manager/cert-manager-tls-wildcard-cluster";
  expect(checks.filter(({ status }) => status === "FAIL")).toEqual([
    {
      name: "certificate's Secret",
      status: "FAIL",
      reason: `the key of ${name} is ecdsa-p256, and certificate.key is rsa-2048`,
      action:
        "run pulumi up, which has it issued anew; else kubectl -n cert-manager describe certificate,order,challenge",
    },
  ]);
});

it("fails for a cluster whose credential never comes", async () => {
  const https = { ip: "127.0.0.1", port: await closedPort() };
  const [first] = await verify({
    settings: settingsWith(),
    kubeConfig: new Promise<never>(() => {}),
    https,
    http: https,
    checkMs: 50,
  });
  expect(first).toEqual({
    name: "API server",
    status: "FAIL",
    reason: "could not be asked: no answer in 0.05 s",
  });
});

describe("the command", () => {
  let directory: string;
  let roots: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "oke-verify-"));
    roots = join(directory, "roots.pem");
    await writeFile(roots, `The roots of the test.\n${issuer.root}\n`);
  });
  afterEach(() => rm(directory, { recursive: true }));

  /** A stack's file, a kubeconfig and the options for a deploy. */
  async function argumentsFor(way: WayIn = {}): Promise<string[]> {
    const kubeconfig = join(directory, "kubeconfig");
    const settings = { ...stack, cluster: { context: "loaded-context", kubeconfig } };
    const { kubeConfig, resolver = "", https, http } = await startDeploy(good, settingsWith(settings), way);
    await writeFile(kubeconfig, ((await kubeConfig) as KubeConfig).exportConfig());
    await writeStack(directory, "live", settings);
    const ports = ["--address", `${https?.ip}:${https?.port}`, "--http-address", `${http?.ip}:${http?.port}`];
    return ["--stack", "live", "--resolver", resolver, ...ports];
  }

  const run = (...args: string[]) => ran(verifyCommand(directory), ...args);

  it("ends with 0 when all passes, and says so in JSON", async () => {
    const { stdout, ...rest } = await run(...(await argumentsFor()), "--roots", roots, "--json");
    expect(rest).toEqual({ exitCode: 0, stderr: "" });
    const checks = JSON.parse(stdout) as Check[];
    expect(checks).toHaveLength(30);
    expect(checks.filter(({ status }) => status !== "pass")).toEqual([]);
    expect(checks[0]).toEqual({ name: "API server", status: "pass", reason: "Kubernetes v1.34.1" });
  });

  it("ends with 1 when one fails, and tells it in the table", async () => {
    const args = await argumentsFor({ answers: { [VAULT]: envoySays.noRoute } });
    const { stdout, ...rest } = await run(...args, "--roots", roots);
    expect(rest).toEqual({ exitCode: 1, stderr: "" });
    expect(stdout).toMatch(
      /\nFAIL {5}service vault\.cluster\.example\.com +404 from the gateway: .*\n +→ run pulumi up/,
    );
    expect(stdout).toMatch(/\n30 checks: 29 pass, 1 FAIL, 0 skipped\n$/);
  });

  it("trusts nothing but Node's roots without --roots", async () => {
    const { stdout, exitCode } = await run(...(await argumentsFor()));
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/\n30 checks: 27 pass, 3 FAIL, 0 skipped\n$/);
  });

  const allowed = "allowed: <ip> or <ip>:<port>, such as 192.0.2.1:8443 or [2001:db8::1]:8443";
  it.each([
    [["--stack", "live", "--address", "localhost:443"], `--address is "localhost:443"; ${allowed}`],
    [["--stack", "live", "--http-address", "127.0.0.1:70000"], `--http-address is "127.0.0.1:70000"; ${allowed}`],
    [["--stack", "live", "--address", "127.0.0.1:0"], `--address is "127.0.0.1:0"; ${allowed}`],
    [["--stack", "live", "--resolver", "1.1.1"], `--resolver is "1.1.1"; ${allowed}`],
    [["--stack", "live", "--verbose"], "unknown option '--verbose'\nSee npm run verify -- --help"],
  ])("refuses %s", async (args, mistake) => {
    expect(await run(...args)).toEqual({ exitCode: 1, stdout: "", stderr: `${mistake}\n` });
  });

  it("has no stack that it takes by itself, and names those that there are", async () => {
    expect(await run()).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: expect.stringMatching(/^--stack is missing: .*there are: .*prod.* npm run verify -- --help\n$/),
    });
  });

  it.each([["[::1]"], ["::1"], ["192.0.2.1"], ["[2001:db8::1]:8443"]])("takes %s for an address", async (address) => {
    // The next thing that it looks at is the stack.
    const { stderr } = await run("--stack", "nowhere", "--address", address);
    expect(stderr).toMatch(/^Pulumi\.yaml is not in /);
  });

  it.each([
    ["no PEM at all", /^--roots .*roots\.pem holds no -----BEGIN CERTIFICATE----- block; allowed: PEM\n$/],
    [
      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
      /^--roots .*roots\.pem holds a block that is no certificate: /,
    ],
  ])("refuses roots that are %j", async (content, mistake) => {
    await writeFile(roots, content);
    const { stderr, exitCode } = await run("--stack", "live", "--roots", roots);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(mistake);
  });

  it("starts, and refuses a stack of placeholders without a stack trace", async () => {
    const tool = join(projectDirectory, "tools/verify/verify.ts");
    const child = execFile(process.execPath, [tool, "--stack", "prod"]);
    let said = "";
    child.stderr?.on("data", (part) => {
      said += part;
    });
    expect(await new Promise((resolve) => child.once("close", resolve))).toBe(1);
    expect(said.split("\n").filter((line) => !/^ {2}oke-platform:.* still holds the placeholder </.test(line))).toEqual(
      [expect.stringMatching(/^\d+ mistake\(s\) in the stack's configuration:$/), ""],
    );
  });
});
