import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { projectDirectory } from "../../../project/stack.ts";
import { doctor, doctorCommand } from "../../../tools/doctor/doctor.ts";
import type { Finding } from "../../../tools/doctor/findings.ts";
import { closeAll, silentPort } from "../../loopback.ts";
import { ran } from "../command.ts";
import { settingsFrom } from "../settings.ts";
import { writeStack } from "../stack-file.ts";
import { startLogs } from "./certificate-logs.ts";
import { freshZone, runningZone, startCloudflare } from "./cloudflare-stand-in.ts";
import { freshCluster, kubeConfigFor, runningCluster, startCluster } from "./cluster-stand-in.ts";
import { AMPLE, tokens, wholeStack } from "./examination.ts";
import { ADDRESS, freshOci, ids, recorded, runningOci } from "./oci-stand-in.ts";
import { healthyVault, startVault } from "./vault-stand-in.ts";

afterEach(closeAll);

const env = { CLOUDFLARE_API_TOKEN: tokens.cloudflare, VAULT_TOKEN: tokens.vault, OCI_CLI_TENANCY: ids.tenancy };

/** All systems, and the settings that use them. */
async function systems({ isRunning = false } = {}) {
  const cluster = await startCluster(isRunning ? runningCluster() : freshCluster());
  const charts = { istio: { version: "1.29.8" }, certManager: { version: "v1.20.3" } };
  const vault = { address: await startVault(healthyVault()) };
  return {
    stack: "live",
    settings: settingsFrom({ ...wholeStack(), charts, vault }),
    kubeConfig: async () => kubeConfigFor(cluster),
    env,
    // Before the charts' ends of support.
    today: new Date("2026-05-23T20:00:00Z"),
    oci: recorded(isRunning ? runningOci() : freshOci()),
    cloudflareUrl: await startCloudflare(isRunning ? runningZone() : freshZone()),
    logUrl: await startLogs([]),
    limits: AMPLE,
  };
}

/** Findings one a line, without what to do. */
const lines = (findings: readonly Finding[]) =>
  findings.map(({ check, level, reason }) => `${level}: ${check}: ${reason}`);

const fresh = [
  "ok: configuration: valid",
  "ok: configuration: advice: none; no chart is past its end",
  "ok: kubernetes: reachable: Kubernetes v1.34.4",
  "ok: kubernetes: version: Istio 1.29.8 and cert-manager v1.20.3 support v1.34.4",
  "ok: kubernetes: Helm releases: no release of others in the way",
  "ok: kubernetes: custom resource definitions: none of others in the way",
  "ok: kubernetes: cert-manager: no Deployment cert-manager that belongs to no Helm release",
  "ok: kubernetes: ArgoCD: no Application that installs the same",
  "ok: kubernetes: namespaces: istio-system and external-secrets are free, or Pulumi's",
  "ok: kubernetes: pod security: cert-manager restricted, istio-system baseline, external-secrets restricted",
  "ok: kubernetes: services: 2 service(s) are there, with their ports",
  "ok: oci: cluster: the cluster is ACTIVE, v1.34.1",
  "ok: oci: OKE add-ons: neither CertManager nor Istio among them",
  "ok: oci: subnet: there, regional, in the VCN",
  "ok: oci: network security groups: 2 there, in the VCN",
  `ok: oci: reserved IP: ${ADDRESS} is AVAILABLE`,
  "ok: oci: load balancer quota: 12 load balancer(s) and 5000 Mbps are left",
  "ok: cloudflare: token: active",
  "ok: cloudflare: API tokens: may list permission groups",
  "ok: cloudflare: zone: example.com is active",
  "ok: cloudflare: records: none in the way",
  "ok: cloudflare: challenge: neither alias nor delegation in its way",
  "ok: cloudflare: CAA: none",
  "skipped: cloudflare: SSL mode: cloudflare.proxied is false: visitors come directly",
  "ok: vault: reachable: Vault 1.21.1 is unsealed",
  "ok: vault: token: may write secret/data/prod/cert-manager",
  "ok: vault: KV mount: secret is KV version 2",
  "ok: certificates: Let's Encrypt's limits: 0 certificate(s) for *.cluster.example.com and cluster.example.com in seven days, of 5",
];

describe("the doctor", () => {
  it("has no problem before the first up", async () => {
    const findings = await doctor(await systems());
    expect(lines(findings)).toEqual(fresh);
    for (const token of Object.values(tokens)) expect(JSON.stringify(findings)).not.toContain(token);
  });

  it("knows of OCI and Cloudflare what the cluster says is this stack's", async () => {
    const running = lines(await doctor(await systems({ isRunning: true })));
    expect(running.filter((line) => !fresh.includes(line))).toEqual([
      `ok: oci: reserved IP: ${ADDRESS} is the gateway's`,
      "ok: oci: load balancer quota: the load balancer is there already",
      `ok: cloudflare: records: this stack's, to ${ADDRESS}`,
    ]);
  });

  it("never stops at a system that is silent", async () => {
    const silent = `http://127.0.0.1:${await silentPort()}`;
    const all = await systems();
    const findings = await doctor({
      ...all,
      settings: settingsFrom({ ...wholeStack(), charts: all.settings.charts, vault: { address: silent } }),
      kubeConfig: async () => kubeConfigFor(silent),
      cloudflareUrl: silent,
      // Of the logs, which answer, only their own limit is asked.
      limits: { ...AMPLE, callMs: 50 },
    });
    const isSilent = (line: string) => / (kubernetes|cloudflare|vault):/.test(line);
    expect(lines(findings).filter((line) => !isSilent(line))).toEqual(fresh.filter((line) => !isSilent(line)));
    expect(lines(findings).filter((line) => line.includes("in time"))).toEqual([
      "problem: kubernetes: reachable: no answer in time",
      ...["token", "API tokens", "zone", "records", "challenge", "CAA", "SSL mode"].map(
        (check) => `skipped: cloudflare: ${check}: could not be asked: no answer in time`,
      ),
      `problem: vault: reachable: ${silent}: no answer in time`,
    ]);
  });

  it("warns of a chart past its end", async () => {
    const findings = await doctor({ ...(await systems()), today: new Date("2026-10-13T00:00:00Z") });
    expect(findings.filter(({ check }) => check === "configuration: advice")).toEqual([
      {
        check: "configuration: advice",
        level: "warning",
        reason: "Istio 1.29.8 is past its end of support, 2026-10-12; choose a newer version in charts",
        action: "change it, or leave it so knowingly",
      },
    ]);
  });
});

describe("the command", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "oke-doctor-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  /** Writes the file of a stack that is a cluster alone. */
  async function stackFile(context: string): Promise<void> {
    const kubeconfig = join(directory, "kubeconfig");
    await writeFile(kubeconfig, kubeConfigFor(await startCluster(freshCluster())).exportConfig());
    await writeStack(directory, "kind", {
      domain: "example.com",
      cluster: { context, kubeconfig },
      acme: { server: "ca" },
      cloudflare: { token: "none" },
    });
  }

  const run = (...args: string[]) => ran(doctorCommand(directory, { PATH: "/nowhere" }), ...args);

  it("ends with 0 when there is no problem", async () => {
    await stackFile("test");
    const { stdout, ...rest } = await run("--stack", "kind");
    expect(rest).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toMatch(/^ok {7}configuration .*\n\n0 problem\(s\), 0 warning\(s\), 11 ok, 17 skipped\n$/s);
  });

  it("ends with 1 when there is one, and says the same in JSON", async () => {
    await stackFile("gone");
    const { stdout, ...rest } = await run("--stack", "kind", "--json");
    expect(rest).toEqual({ exitCode: 1, stderr: "" });
    const findings = JSON.parse(stdout) as Finding[];
    expect(findings.filter(({ level }) => level === "problem")).toEqual([
      {
        check: "kubernetes: reachable",
        level: "problem",
        reason: 'the kubeconfig has no context "gone"; it has test',
        action: "try kubectl --context gone version",
      },
    ]);
  });

  it("asks nobody about a stack whose configuration has mistakes", async () => {
    await writeStack(directory, "new", { domain: "<zone>" });
    const { stdout, ...rest } = await run("--stack", "new", "--json");
    expect(rest).toEqual({ exitCode: 1, stderr: "" });
    const [configuration, ...others] = JSON.parse(stdout) as Finding[];
    expect(configuration).toEqual({
      check: "configuration",
      level: "problem",
      reason: expect.stringContaining("oke-platform:domain still holds the placeholder <zone>"),
      action: "correct Pulumi.<stack>.yaml, and run this again",
    });
    expect(others).toEqual(
      [
        ...["configuration: advice", "kubernetes", "oci", "cloudflare", "vault"],
        "certificates: Let's Encrypt's limits",
      ].map((check) => ({ check, level: "skipped", reason: "the configuration has mistakes" })),
    );
  });

  it("names a stack that is not there", async () => {
    await stackFile("test");
    const { stdout, ...rest } = await run("--stack", "nowhere");
    expect(rest).toEqual({ exitCode: 1, stderr: "" });
    expect(stdout).toMatch(/^PROBLEM {2}configuration .*Pulumi\.nowhere\.yaml is not in /);
  });

  it("has no stack that it takes by itself, and names those that there are", async () => {
    expect(await run()).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: expect.stringMatching(/^--stack is missing: .*there are: .*prod.* npm run doctor -- --help\n$/),
    });
  });

  it("starts", async () => {
    const tool = join(projectDirectory, "tools/doctor/doctor.ts");
    const child = execFile(process.execPath, [tool, "--stack", "prod", "--json"], { env: { HOME: directory } });
    let printed = "";
    child.stdout?.on("data", (part) => {
      printed += part;
    });
    const exitCode = await new Promise((resolve) => child.once("close", resolve));
    expect({ exitCode, findings: JSON.parse(printed).length }).toEqual({ exitCode: 1, findings: 7 });
  });
});
