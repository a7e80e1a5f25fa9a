import type { V1Container, V1Deployment, V2HorizontalPodAutoscaler } from "@kubernetes/client-node";
import { same } from "../../project/registration.ts";
import type { ChartName } from "../../settings/chart-ownership.ts";
import type { ChartValues } from "../../settings/charts.ts";
import { isRecord } from "../../settings/fields.ts";
import { fullName } from "../../settings/releases.ts";
import { type Found, type Installation, keyOf } from "./found.ts";
import { type Row, row } from "./plan.ts";

// The Deployments of the charts, and by which values their pods stay as they are.

/** A Deployment of a chart, as it is. */
export interface Workload {
  /** Where the chart's values speak of it. */
  readonly at: readonly string[];
  readonly name: string;
  readonly deployment: V1Deployment;
  readonly autoscaler: V2HorizontalPodAutoscaler | undefined;
}

interface Part {
  readonly at: readonly string[];
  readonly deployment: (release: string) => string;
}

const part = (chart: string, key?: string, suffix = key): Part => ({
  at: key === undefined ? [] : [key],
  deployment: (release) => `${fullName(chart, release)}${suffix === undefined ? "" : `-${suffix}`}`,
});

const parts: Readonly<Record<ChartName, readonly Part[]>> = {
  "cert-manager": [part("cert-manager"), part("cert-manager", "webhook"), part("cert-manager", "cainjector")],
  reflector: [part("reflector")],
  base: [],
  istiod: [{ at: [], deployment: () => "istiod" }],
  gateway: [{ at: [], deployment: (release) => release }],
  "external-secrets": [
    part("external-secrets"),
    part("external-secrets", "webhook"),
    part("external-secrets", "certController", "cert-controller"),
  ],
  vault: [],
};

/** The Deployments of a chart under a release's name, and those that are not there. */
export function deploymentsOf(
  { chart, release: { name: release, namespace } }: Pick<Installation, "chart" | "release">,
  { objects }: Found,
): { there: Workload[]; missing: string[] } {
  const names = parts[chart].map(({ at, deployment }) => ({ at, name: deployment(release) }));
  const autoscalers = [...objects.values()].filter(
    ({ kind }) => kind === "HorizontalPodAutoscaler",
  ) as unknown as V2HorizontalPodAutoscaler[];
  const there = names.flatMap(({ at, name }): Workload[] => {
    const live = objects.get(keyOf({ apiVersion: "apps/v1", kind: "Deployment", namespace, name }));
    if (live === undefined) return [];
    const autoscaler = autoscalers.find(
      ({ metadata, spec }) => metadata?.namespace === namespace && spec?.scaleTargetRef.name === name,
    );
    return [{ at, name, deployment: live as V1Deployment, autoscaler }];
  });
  const missing = names.map(({ name }) => name).filter((name) => there.every((it) => it.name !== name));
  return { there, missing };
}

/** The values by which pods and their number stay as they are, beside those that are said already; and which pods do not. */
export function workloadsOf(
  chart: ChartName,
  workloads: readonly Workload[],
  said: ChartValues,
): { values: ChartValues; rows: Row[] } {
  const all = workloads.map((workload) => workloadOf(chart, workload, within(said, workload.at)));
  const values: ChartValues = {};
  for (const { at, values: own } of all) Object.assign(values, at.length === 0 ? own : put(at, own));
  return { values, rows: all.flatMap(({ rows }) => rows) };
}

const within = (values: ChartValues, at: readonly string[]) =>
  at.reduce<ChartValues>((inside, key) => (isRecord(inside[key]) ? inside[key] : {}), values);

const put = ([key = ""]: readonly string[], own: ChartValues): ChartValues =>
  Object.keys(own).length === 0 ? {} : { [key]: own };

function workloadOf(chart: ChartName, { at, name, deployment, autoscaler }: Workload, said: ChartValues) {
  const values: ChartValues = { ...countOf(chart, deployment, autoscaler, said) };
  const rows: Row[] = [];
  const pod = deployment.spec?.template.spec;
  const container = pod?.containers[0];
  const { requests: asked } = (said.resources ?? {}) as { requests?: ChartValues };
  const has = container?.resources?.requests;
  if (asked !== undefined && !same(asked, has)) {
    if (has !== undefined && Object.keys(asked).every((key) => Object.hasOwn(has, key)))
      values.resources = { requests: has };
    else rows.push(row("roll", `pods of ${name}`, `they get requests: ${listed(asked)}; they have ${listed(has)}`));
  }
  const wanted = said.topologySpreadConstraints;
  const spread = pod?.topologySpreadConstraints ?? [];
  if (Array.isArray(wanted) && wanted.length > 0 && !same(wanted, spread)) values.topologySpreadConstraints = spread;
  for (const [variable, value] of Object.entries(at.length === 0 && isRecord(said.env) ? said.env : {}))
    if (container?.env?.every((has) => has.name !== variable) !== false)
      rows.push(row("roll", `pods of ${name}`, `they get ${variable}: ${String(value)}`));
  const profile = profileOf(chart, said);
  const profiles = [pod?.securityContext?.seccompProfile, container?.securityContext?.seccompProfile];
  if (isRecord(profile) && profiles.every((it) => !same(it, profile))) {
    const key = chart === "gateway" ? "securityContext" : "seccompProfile";
    // Of what the chart does by itself where nothing is said, which null says: the provider and both charts keep it.
    if (chart === "istiod" || same(pod?.securityContext, UNPRIVILEGED)) values[key] = null;
    else rows.push(row("roll", `pods of ${name}`, `they get the profile of system calls ${String(profile.type)}`));
  }
  const policy = policyOf(chart, container, said);
  if (policy !== undefined) values.imagePullPolicy = policy;
  if (chart === "external-secrets" && at.length === 0 && said.leaderElect === true && !elects(container))
    values.leaderElect = false;
  const { topologySpreadConstraints: shared } = (said.global ?? {}) as { topologySpreadConstraints?: unknown[] };
  if (at.length === 0 && Array.isArray(shared) && shared.length > 0 && spread.length === 0)
    values.global = { topologySpreadConstraints: [] };
  return { at, values, rows };
}

const listed = (requests: Readonly<Record<string, unknown>> = {}) =>
  Object.entries(requests)
    .map(([key, value]) => `${key} ${value}`)
    .join(", ") || "none";

/** Of the gateway alone the program says it; whether a node may start it without its registry can wait. */
const policyOf = (chart: ChartName, container: V1Container | undefined, said: ChartValues) =>
  chart === "gateway" && container?.imagePullPolicy !== undefined && container.imagePullPolicy !== said.imagePullPolicy
    ? container.imagePullPolicy
    : undefined;

/** The profile of system calls that the program gives to pods of Istio's. */
const profileOf = (chart: ChartName, said: ChartValues) =>
  chart === "gateway" ? (said.securityContext as ChartValues | undefined)?.seccompProfile : said.seccompProfile;

/** https://github.com/istio/istio/blob/1.26.4/manifests/charts/gateway/templates/deployment.yaml */
const UNPRIVILEGED = { sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }] };

const elects = (container: V1Container | undefined) =>
  container?.args?.some((arg) => /^--enable-leader-election(=true)?$/.test(arg)) === true;

/** How many pods there are, in the chart's words. */
function countOf(
  chart: ChartName,
  { spec }: V1Deployment,
  autoscaler: V2HorizontalPodAutoscaler | undefined,
  said: ChartValues,
): ChartValues {
  const [min, max] = [autoscaler?.spec?.minReplicas ?? 1, autoscaler?.spec?.maxReplicas ?? 1];
  const count = spec?.replicas ?? 1;
  if (chart === "gateway") {
    const own = (said.autoscaling ?? {}) as ChartValues;
    if (autoscaler === undefined)
      return differing({ replicaCount: count, autoscaling: differing({ enabled: false }, own) }, said);
    return differing({ autoscaling: differing({ enabled: true, minReplicas: min, maxReplicas: max }, own) }, said);
  }
  if (chart === "istiod")
    return autoscaler === undefined
      ? differing({ autoscaleEnabled: false, replicaCount: count }, said)
      : differing({ autoscaleEnabled: true, autoscaleMin: min, autoscaleMax: max }, said);
  // Two Reflectors would both write each copy.
  return chart === "reflector" ? {} : differing({ replicaCount: count }, said);
}

/** What is not said so already; of maps with nothing in them nothing is said. */
const differing = (wanted: ChartValues, said: ChartValues): ChartValues =>
  Object.fromEntries(
    Object.entries(wanted).filter(
      ([key, value]) => !same(value, said[key]) && !(isRecord(value) && Object.keys(value).length === 0),
    ),
  );
