import { X509Certificate } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { CoreV1Api, type KubeConfig } from "@kubernetes/client-node";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { issuerName } from "../../components/issuer.ts";
import { kubeConfigOf } from "../../tools/stack.ts";
import { checksText } from "../../tools/verify/check.ts";
import { verify } from "../../tools/verify/verify.ts";
import { charts } from "../../versions.ts";
import {
  issuances,
  isThere,
  nodePortsOf,
  refuseUsedCluster,
  removeAll,
  type StandIns,
  startStandIns,
} from "./cluster.ts";
import { certificateBy, refusalOf, routeOf, tokenRefusal } from "./evil.ts";
import { EVIL } from "./fixtures.ts";
import { reasonNotToRun, testClusterOf } from "./requirements.ts";
import {
  openStack,
  settingsIn,
  setValues,
  type Values,
  valuesOf,
  wishesOf,
  withIstio,
  withService,
  withTenancy,
} from "./stack.ts";
import { goOnStepByStep } from "./steps.ts";
import { describeTakeover, reasonWithoutHelm } from "./takeover.ts";

// The program on a real cluster, with the official providers and the real charts. Simulated are what is outside of the
// cluster: Let's Encrypt, by Pebble, which validates for real, and Cloudflare, by cloudflare.ts. Each test goes on where
// the one before ended; the first that fails leaves everything as it is, to be looked at.

const ZONE = "platform.test";
const SECRET = "cert-manager-tls-wildcard-cluster";
/** Seconds in which a new copy of the certificate, or a new route, reaches Envoy; it takes one or two. */
const SERVED_SECONDS = 60;
const ONE_MORE = { name: "one-more", namespace: "oke-platform-e2e", service: "echo", port: 80 };

const reason = await reasonNotToRun(process.env);
if (reason !== undefined) console.log(`tests/e2e is skipped: ${reason}`);

describe.skipIf(reason !== undefined)("the program on a real cluster", () => {
  let kubeConfig: KubeConfig;
  let standIns: StandIns;
  let directory: string;
  let stack: Stack;
  /** What the stack has now. */
  let values: Values;
  /** Of the one certificate. */
  let serial: string;
  let isRemoved = false;

  beforeAll(async () => {
    const cluster = testClusterOf(process.env);
    if (cluster === undefined) throw new Error("no cluster");
    kubeConfig = await kubeConfigOf(cluster);
    await refuseUsedCluster(kubeConfig);
    directory = await mkdtemp(join(tmpdir(), "oke-platform-e2e-"));
    standIns = await startStandIns(kubeConfig, ZONE);
    values = await valuesOf({ ...standIns, cluster }, wishesOf(process.env));
    stack = await openStack(directory, values, standIns);
  });

  goOnStepByStep();

  afterAll(async () => {
    await standIns?.close();
    if (isRemoved) await rm(directory, { recursive: true });
    else if (directory !== undefined)
      console.log(`everything is left as it is; Pulumi's state is in ${directory}, its passphrase is e2e`);
  });

  const onOutput = (line: string) => void process.stdout.write(line);

  /** How many resources an `up` does what to. */
  async function up(wanted: Values = values): Promise<Record<string, number>> {
    if (wanted !== values) {
      await setValues(stack, wanted);
      values = wanted;
    }
    const { summary } = await stack.up({ onOutput });
    return { ...summary.resourceChanges };
  }

  /** What of `verify` does not pass, once everything had the time to arrive. */
  async function failures(): Promise<string> {
    const settings = settingsIn(values, standIns.token);
    const options = { settings, kubeConfig, roots: await standIns.acmeRoot() };
    const { ip, http, https } =
      settings.gateway.serviceType === "LoadBalancer"
        ? { ip: undefined, http: 0, https: 0 }
        : await nodePortsOf(kubeConfig, process.env.E2E_NODE_ADDRESS);
    const at = ip === undefined ? {} : { https: { ip, port: https }, http: { ip, port: http } };
    const deadline = Date.now() + SERVED_SECONDS * 1000;
    for (;;) {
      const checks = await verify({ ...options, ...at });
      const failed = checks.filter(({ status }) => status === "FAIL");
      if (failed.length > 0 && Date.now() < deadline) {
        await pause(1000);
        continue;
      }
      // Of each host: handshake, trust, certificate, old TLS and redirect; of each service, that it answers.
      const hosts = 1 + settings.services.length;
      const passed = checks.filter(({ host, status }) => host !== undefined && status === "pass");
      expect(passed.length, checksText(checks)).toBeGreaterThanOrEqual(5 * hosts + settings.services.length);
      return failed.length === 0 ? "" : checksText(failed);
    }
  }

  async function expectNoChanges(): Promise<void> {
    expect(Object.keys(await up())).toEqual(["same"]);
    // It rejects when anything would change.
    await stack.preview({ refresh: true, expectNoChanges: true, onOutput });
  }

  async function serialOf(namespace: string): Promise<string> {
    const secret = await kubeConfig.makeApiClient(CoreV1Api).readNamespacedSecret({ name: SECRET, namespace });
    return new X509Certificate(Buffer.from(secret.data?.["tls.crt"] ?? "", "base64")).serialNumber;
  }

  it("comes up, and serves as verify wants it", async () => {
    // Vault in dev mode has its KV mount already.
    expect(await up()).toEqual({ create: expect.any(Number), import: 1 });
    expect(await failures()).toBe("");
    serial = await serialOf("cert-manager");
    expect(await issuances(kubeConfig)).toEqual({ certificaterequests: 1, orders: 1 });
  });

  it("changes nothing in a second up, nor after a refresh", expectNoChanges);

  it("makes one resource for one service more", async () => {
    const { same, ...changed } = await up(withService(values, ONE_MORE));
    // Its VirtualService, and its line in the table of hosts.
    expect(changed).toEqual({ create: 1, update: 1 });
    expect(await failures()).toBe("");
  });

  it("keeps what is its own from another namespace, in words, until it is opened", async () => {
    const { issuer, baseDomain } = settingsIn(values, standIns.token);
    const free = `free.${baseDomain}`;
    expect(await refusalOf(kubeConfig, routeOf(`echo.${baseDomain}`))).toContain(
      `echo.${baseDomain} is not for namespace ${EVIL}: services gives it to namespace oke-platform-e2e.`,
    );
    expect(await refusalOf(kubeConfig, routeOf(free))).toContain(
      `add an entry to services, or ${EVIL} to tenancy.routes`,
    );
    const certificate = certificateBy(issuerName(issuer), [`www.${ZONE}`, `*.${baseDomain}`]);
    expect(await refusalOf(kubeConfig, certificate)).toContain(
      `ClusterIssuer ${issuerName(issuer)} is the platform's and does not sign for namespace ${EVIL}.`,
    );
    expect(await tokenRefusal(kubeConfig)).toMatch(/^False: /);

    const { same, ...changed } = await up(withTenancy(values, { routes: [EVIL], certificates: [EVIL] }));
    // Both tables, and the Gateway's hosts.
    expect(changed).toEqual({ update: 3 });
    await expect.poll(() => refusalOf(kubeConfig, routeOf(free)), { timeout: 10_000 }).toBe(undefined);
    await expect.poll(() => refusalOf(kubeConfig, certificate), { timeout: 10_000 }).toBe(undefined);
    expect(await refusalOf(kubeConfig, routeOf(`echo.${baseDomain}`))).toContain("services gives it to namespace");
    await up(withTenancy(values, {}));
    expect(await failures()).toBe("");
  });

  it("goes to Istio's default release in place", async () => {
    const from = settingsIn(values, standIns.token).charts.istio.version;
    const to = charts.istio.version;
    expect(from, `set E2E_ISTIO_FROM to a release before ${to}`).not.toBe(to);
    expect([0, 1], `Istio goes one minor at a time: set E2E_ISTIO_FROM nearer to ${to}`).toContain(
      minorOf(to) - minorOf(from),
    );
    const { same, ...changed } = await up(withIstio(values));
    // Its three charts, and nothing replaced.
    expect(changed).toEqual({ update: 3 });
    expect(await failures()).toBe("");
    await expectNoChanges();
  });

  it("keeps the certificate in a destroy", async () => {
    await stack.destroy({ onOutput });
    expect(await serialOf("cert-manager")).toBe(serial);
    const core = kubeConfig.makeApiClient(CoreV1Api);
    for (const name of ["istio-system", "external-secrets"])
      expect(await isThere(core.readNamespace({ name })), name).toBe(false);
  });

  it("comes up again with the same certificate, and has nothing issued", async () => {
    // The mount, the auth backend and its configuration outlived the destroy.
    expect(await up()).toEqual({ create: expect.any(Number), import: 3 });
    expect(await failures()).toBe("");
    expect(await serialOf("cert-manager")).toBe(serial);
    expect(await issuances(kubeConfig)).toEqual({ certificaterequests: 0, orders: 0 });
  });

  it("goes, and leaves CRDs alone behind", async () => {
    await stack.destroy({ onOutput });
    await removeAll(kubeConfig);
    isRemoved = true;
    await refuseUsedCluster(kubeConfig);
  });
});

describeTakeover(reason ?? (await reasonWithoutHelm()));

/** 31 of "1.31.4". */
const minorOf = (version: string) => Number(version.split(".")[1]);
