import { afterEach, expect, it } from "vitest";
import { examineCluster } from "../../../tools/doctor/cluster.ts";
import { closeAll, type Reply } from "../../loopback.ts";
import {
  type ClusterState,
  failure,
  freshCluster,
  kubeConfigFor,
  namespace,
  startCluster,
} from "./cluster-stand-in.ts";
import { examination, told, wholeStack } from "./examination.ts";

afterEach(closeAll);

/** What is said of the namespaces' levels in a cluster that has these, when labels are answered so. */
async function judged(names: readonly string[], labelled: ClusterState["labelled"], vault?: object) {
  const state = { ...freshCluster(), labelled };
  state.namespaces.push(...names.map((name) => namespace(name)));
  const kubeConfig = kubeConfigFor(await startCluster(state));
  const raw = { ...wholeStack(), ...(vault && { vault }) };
  const { outcomes } = await examineCluster(examination(raw), async () => kubeConfig);
  return told(outcomes)["kubernetes: pod security"];
}

const warns = (...lines: string[]): Reply => ({
  body: {},
  headers: { warning: lines.map((line) => `299 - ${JSON.stringify(line)}`) },
});
const conflict = (message: string) => failure(409, "Conflict", message);
const ENFORCE = ".metadata.labels.pod-security.kubernetes.io/enforce";
const DRIVER = 'csi-driver-x7 (and 2 other pods): host namespaces, privileged ("driver" must not)';

it("is fine where the namespaces are not there yet, and where nobody is kept out", async () => {
  const fine = "ok: cert-manager restricted, istio-system baseline, external-secrets restricted";
  expect(await judged([], { "cert-manager": warns(DRIVER) })).toBe(fine);
  expect(await judged(["cert-manager"], {})).toBe(fine);
});

it("names every pod that would not be let in again, in the API server's words", async () => {
  const first =
    'existing pods in namespace "cert-manager" violate the new PodSecurity enforce level "restricted:latest"';
  const labelled = { "cert-manager": warns(first, DRIVER), "istio-system": warns("ztunnel-a: hostPath volumes") };
  const to =
    "let it fit, or move it to a namespace of its own: https://kubernetes.io/docs/concepts/security/pod-security-standards/; what the platform's own charts have made fits after the up";
  const line = (name: string, level: string, pod: string) =>
    `warning: namespace ${name} becomes ${level}, and a pod that is there would not be let in again: ${pod} → ${to}`;
  expect(await judged(["cert-manager", "istio-system"], labelled)).toEqual([
    line("cert-manager", "restricted", DRIVER),
    line("istio-system", "baseline", "ztunnel-a: hostPath volumes"),
  ]);
});

it("names who has set another level, which an up would not take away", async () => {
  const labelled = {
    vault: conflict(`Apply failed with 1 conflict: conflict with "kubectl-label" using v1: ${ENFORCE}`),
  };
  expect(await judged([], labelled, { install: true })).toBe(
    "problem: namespace vault: kubectl-label has set another level of Pod Security than restricted, and the up is refused → " +
      "kubectl label namespace vault pod-security.kubernetes.io/enforce- pod-security.kubernetes.io/audit- pod-security.kubernetes.io/warn-",
  );
});

it("asks again by force where Pulumi itself has set another", async () => {
  const labelled = {
    "istio-system": conflict(`Apply failed with 1 conflict: conflict with "pulumi-kubernetes-3f2a91bc": ${ENFORCE}`),
    "istio-system, by force": warns(DRIVER),
  };
  expect(await judged(["istio-system"], labelled)).toContain(`would not be let in again: ${DRIVER}`);
});

it("is not known to who may not label namespaces", async () => {
  const labelled = { "cert-manager": failure(403, "Forbidden", 'namespaces "cert-manager" is forbidden') };
  expect(await judged(["cert-manager"], labelled)).toBe(
    'skipped: the API server answers 403: namespaces "cert-manager" is forbidden → run this as who may label namespaces, as an up does',
  );
});
