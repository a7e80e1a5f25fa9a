import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { CoreV1Api, type KubeConfig, KubernetesObjectApi } from "@kubernetes/client-node";
import type { Stack } from "@pulumi/pulumi/automation/index.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { recordStack } from "../../project/record.ts";
import { look, planText } from "../../tools/adopt/adopt.ts";
import { adoptClusterOf } from "../../tools/adopt/live.ts";
import { takeOver } from "../../tools/adopt/takeover.ts";
import { kubeConfigOf, settingsOf } from "../../tools/stack.ts";
import { checksText } from "../../tools/verify/check.ts";
import { verify } from "../../tools/verify/verify.ts";
import { cliWithUp } from "../engine/takeover.ts";
import { ARGOCD, applicationDefinition } from "./argocd.ts";
import { applyAsArgo, isIssued, podsOf, until } from "./article.ts";
import { issuances, nodePortsOf, refuseUsedCluster, removeAll, type StandIns, startStandIns } from "./cluster.ts";
import { type Connections, connect, countText, steadily } from "./connections.ts";
import { testClusterOf } from "./requirements.ts";
import { configOf, openStack, type Values, valuesOf, wishesOf, withVaultSetUp } from "./stack.ts";
import { goOnStepByStep } from "./steps.ts";
import { setUpVault } from "./vault.ts";

// The takeover of the article's platform on a real cluster: charts rendered and applied as ArgoCD does, Applications beside
// them, visitors all the while, and `adopt`. ArgoCD itself is not there: that it stops is shown in the world.

const ZONE = "platform.test";
const HOST = `echo.cluster.${ZONE}`;
/** New connections a second. */
const PER_SECOND = 20;
/** Milliseconds for a call of the API server's. */
const CALL_MS = 30_000;

/** Why it cannot run beside what the end-to-end test needs; undefined when it can. */
export const reasonWithoutHelm = (): Promise<string | undefined> =>
  promisify(execFile)("helm", ["version", "--short"]).then(
    () => undefined,
    () => "there is no helm on PATH, which renders the charts as ArgoCD does: https://helm.sh/docs/intro/install/",
  );

/** The tests, in a cluster that the ones before have left empty. */
export function describeTakeover(reason: string | undefined): void {
  if (reason !== undefined) console.log(`the takeover of tests/e2e is skipped: ${reason}`);
  describe.skipIf(reason !== undefined)("a takeover on a real cluster", () => {
    let kubeConfig: KubeConfig;
    let standIns: StandIns;
    let directory: string;
    let stack: Stack;
    let values: Values;
    let visitors: Connections | undefined;
    let podsBefore: ReadonlyMap<string, string>;
    let issuedBefore: Record<string, number>;

    beforeAll(async () => {
      const cluster = testClusterOf(process.env);
      if (cluster === undefined) throw new Error("no cluster");
      kubeConfig = await kubeConfigOf(cluster);
      await refuseUsedCluster(kubeConfig);
      directory = await mkdtemp(join(tmpdir(), "oke-platform-e2e-"));
      standIns = await startStandIns(kubeConfig, ZONE);
      values = withVaultSetUp(await valuesOf({ ...standIns, cluster }, wishesOf(process.env)));
      stack = await openStack(directory, values, standIns);
    });
    goOnStepByStep();
    afterAll(async () => {
      await visitors?.end();
      await standIns?.close();
    });

    it("begins with what ArgoCD has applied, and one certificate", async () => {
      await setUpVault(standIns.vaultAddress, standIns.vaultToken, standIns.token);
      await applyAsArgo(kubeConfig, values, standIns.token);
      await until("the certificate is Ready", () => isIssued(kubeConfig));
      issuedBefore = await issuances(kubeConfig);
      expect(issuedBefore).toEqual({ certificaterequests: 1, orders: 1 });
    });

    it("is taken over while it serves", async () => {
      const { ip, https: port } = await nodePortsOf(kubeConfig, process.env.E2E_NODE_ADDRESS);
      podsBefore = await podsOf(kubeConfig);
      visitors = connect({ host: HOST, ip, port, roots: await standIns.acmeRoot() }, steadily(PER_SECOND));
      expect(await takeOver(takeover({ kubeConfig, standIns, directory, stack, values }))).toBe(true);
    });

    it("has lost no connection, and had nothing issued", async () => {
      const count = await visitors?.end();
      visitors = undefined;
      if (count === undefined) throw new Error("nobody has counted");
      const after = await podsOf(kubeConfig);
      const rolled = [...podsBefore].flatMap(([uid, workload]) => (after.has(uid) ? [] : [workload]));
      const issued = await issuances(kubeConfig);
      const certificatesIssued = (issued.certificaterequests ?? 0) - (issuedBefore.certificaterequests ?? 0);
      console.log(countText(count, { podsRolled: [...new Set(rolled)].sort(), certificatesIssued }));
      expect(count.made).toBeGreaterThan(PER_SECOND * 10);
      expect({ lost: count.lost, certificates: count.certificates.length, certificatesIssued }).toEqual({
        lost: 0,
        certificates: 1,
        certificatesIssued: 0,
      });
    });

    it("changes nothing in the next up", async () => {
      await stack.up({ expectNoChanges: true, onOutput });
    });

    it("goes", async () => {
      await stack.destroy({ onOutput });
      await removeAll(kubeConfig);
      await kubeConfig.makeApiClient(CoreV1Api).deleteNamespace({ name: ARGOCD });
      await KubernetesObjectApi.makeApiClient(kubeConfig).delete(applicationDefinition());
      await rm(directory, { recursive: true });
    });
  });
}

const onOutput = (line: string) => void process.stdout.write(line);

interface Parts {
  readonly kubeConfig: KubeConfig;
  readonly standIns: StandIns;
  readonly directory: string;
  readonly stack: Stack;
  readonly values: Values;
}

/** `npm run adopt`, with the program in this process. */
function takeover({ kubeConfig, standIns, directory, stack, values }: Parts): Parameters<typeof takeOver>[0] {
  const { workDir } = stack.workspace;
  const cluster = adoptClusterOf(kubeConfig, CALL_MS);
  const pulumi = cliWithUp(directory, { stack }, () => stack.up({ onOutput }));
  return {
    ...{ stack: "e2e", cluster, pulumi },
    plan: () =>
      look({
        ...{ stack: "e2e", cluster, pulumi, removed: [] },
        config: configOf(values, standIns.token),
        record: (config) => recordStack("e2e", { configure: () => config }),
        cloudflare: () => {
          throw new Error("a cluster without OCI has no records");
        },
        reservedIpAt: async () => undefined,
      }),
    repair: async () => {
      throw new Error("nothing was cut off");
    },
    async verify() {
      const settings = await settingsOf("e2e", workDir);
      const { ip, http, https } = await nodePortsOf(kubeConfig, process.env.E2E_NODE_ADDRESS);
      const at = { https: { ip, port: https }, http: { ip, port: http } };
      const checks = await verify({ settings, kubeConfig, roots: await standIns.acmeRoot(), ...at });
      console.log(checksText(checks.filter(({ status }) => status === "FAIL")));
      return checks;
    },
    pause: () => pause(1000),
    approve: async () => true,
    say: (plan) => console.log(planText(plan)),
    log: (line) => console.log(line),
  };
}
