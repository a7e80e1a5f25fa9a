import { CERT_MANAGER_CHART } from "../../components/cert-manager.ts";
import { GATEWAY_CHART } from "../../components/ingress-gateway.ts";
import { ISTIO_CHARTS } from "../../components/istio.ts";
import { CHART_INPUTS, chartOf } from "../../components/release.ts";
import { isReplicas } from "../../components/sizing.ts";
import type { Registration } from "../../project/record.ts";
import { ownedAt } from "../../settings/chart-values.ts";
import { forbiddenIstioStep } from "../../settings/istio-step.ts";
import { supportedKubernetes } from "../../settings/support.ts";
import { type Change, isUnder } from "./compare.ts";
import { ONE_DOOR } from "./load-balancer.ts";
import { arrow, briefly, code, codes, has, isKind, type Statement, type Story } from "./statement.ts";

const isRelease = isKind("Release");
const stays = (it: Registration, change: Change) => isRelease(it) && has(change, "changed");

/** Charts in other versions, or from other sources. */
export function versions({ untold }: Story): Statement[] {
  const moves = new Map<string, Change[]>();
  for (const change of untold.take(stays, (path) => isUnder(path, ...CHART_INPUTS))) {
    const move = moveOf(change);
    moves.set(move, [...(moves.get(move) ?? []), change]);
  }
  return [...moves].map(([move, changes]) => {
    const charts = changes.map(({ resource }) => chartOf(resource.inputs).chart).sort();
    const [noun, verb] = charts.length > 1 ? ["Charts", "go"] : ["Chart", "goes"];
    const risks = [riskyStep, narrowerRange].flatMap(
      (riskOf) => changes.map(riskOf).find((it) => it !== undefined) ?? [],
    );
    const risk = risks.length === 0 ? undefined : risks.join(" ");
    return { text: `${noun} ${codes(charts)} ${verb} ${move}`, risk, changes };
  });
}

function moveOf({ before, after }: Change): string {
  const [from, to] = [before, after].map((it) => it && chartOf(it.inputs));
  return [
    ...(from?.version === to?.version ? [] : [`from ${code(from?.version)} to ${code(to?.version)}`]),
    ...(from?.repo === to?.repo ? [] : [`to the source ${code(to?.repo)} instead of ${code(from?.repo)}`]),
    ...(from?.username === to?.username
      ? []
      : [`to a login ${to?.username ? `as ${code(to.username)}` : "of nobody"}`]),
  ].join(", ");
}

/** Why the step from one version of a chart to another is a risk. */
function riskyStep({ before, after }: Change): string | undefined {
  const forbidden =
    isIstios(after) && forbiddenIstioStep(String(before?.inputs.version), String(after?.inputs.version));
  if (forbidden) return `up refuses it: ${forbidden.why}. The next step is ${forbidden.next}.`;
  const [from, to] = [before, after].map((it) => /^v?(\d+)\.(\d+)\.(\d+)/.exec(String(it?.inputs.version))?.slice(1));
  if (from === undefined || to === undefined) return undefined;
  const [old, now] = [from, to].map((parts) => parts.reduce((sum, part) => sum * 10_000 + Number(part), 0));
  if ((now ?? 0) < (old ?? 0)) return "An older version: what the newer one wrote may be unknown to it.";
  return from[0] === to[0] ? undefined : "Another major version: read its release notes for what breaks.";
}

const isIstios = (it: Registration | undefined) => it !== undefined && ISTIO_CHARTS.includes(chartOf(it.inputs).chart);

/** Which Kubernetes a chart no longer supports; undefined where it supports as many as before, or nobody knows. */
function narrowerRange({ before, after }: Change): string | undefined {
  const [was, is] = [before, after].map((it) => it && rangeOf(it));
  if (!was || !is) return undefined;
  const ends = [
    ...(is.first > was.first ? [{ minors: minors(was.first, Math.min(is.first - 1, was.last)), before: true }] : []),
    ...(is.last < was.last ? [{ minors: minors(Math.max(is.last + 1, was.first), was.last), before: false }] : []),
  ];
  if (ends.length === 0) return undefined;
  const gone = ends.map((end) => end.minors).join(" and ");
  const advice = ends.some((end) => end.before) ? "upgrade an older cluster first" : "a newer cluster must not have it";
  return `${is.product} ${is.version} supports Kubernetes ${minors(is.first, is.last)}, no longer ${gone}: ${advice}.`;
}

function rangeOf(release: Registration) {
  const { chart, version } = chartOf(release.inputs);
  const unknown = "0.0.0";
  const certManager = chart === CERT_MANAGER_CHART ? version : unknown;
  return supportedKubernetes({ istio: isIstios(release) ? version : unknown, certManager })[0];
}

const minors = (first: number, last: number) => (first === last ? `1.${first}` : `1.${first} to 1.${last}`);

/** Replicas, and all other values of charts; and charts that come or go. */
export function releases({ untold }: Story): Statement[] {
  const replicas = untold
    .take(stays, (path) => path.startsWith("values.") && isReplicas(path))
    .map((change) => {
      const parts = change.fields.map(
        ({ path, before, after }) => `${code(path.replace("values.", ""))} ${arrow(before, after)}`,
      );
      return { text: `Replicas of ${code(change.resource.name)}: ${parts.join(", ")}`, changes: [change] };
    });
  const values = untold
    .take(stays, (path) => path.startsWith("values."))
    .map((change) => {
      const keys = [...new Set(change.fields.map(({ path }) => /^values\.(\w+)/.exec(path)?.[1] ?? path))];
      const many = `${codes(keys)}, ${change.fields.length} fields in all`;
      const what = change.fields.length > 3 ? many : briefly(change.fields);
      return {
        text: `Values of the chart of ${code(change.resource.name)}: ${what}`,
        risk: undoneBy(change),
        changes: [change],
      };
    });
  const whole = untold.take((it, change) => isRelease(it) && has(change, "added", "removed")).map(comingOrGoing);
  return [...replicas, ...values, ...whole];
}

/** What of the program's own changes with the values, which no stack can ask for. */
function undoneBy({ resource, fields }: Change): string | undefined {
  const { chart } = chartOf(resource.inputs);
  const found = fields.flatMap(({ path }) => {
    const parts = [...path.matchAll(/\["([^"]*)"\]|([^.[\]]+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
    return ownedAt(chart, parts.slice(1)).map(
      ({ because }) => `${code(parts.slice(1).join("."))} is the program's own: ${because}.`,
    );
  });
  return found.length === 0 ? undefined : [...new Set(found)].join(" ");
}

function comingOrGoing(change: Change): Statement {
  const { inputs } = change.resource;
  const { chart, version } = chartOf(inputs);
  const where = code(inputs.namespace);
  if (has(change, "added"))
    return { text: `Chart ${code(chart)} ${code(version)} is installed in ${where}`, changes: [change] };
  return {
    text: `Chart ${code(chart)} is uninstalled from ${where}`,
    risk: chart === GATEWAY_CHART ? ONE_DOOR : "What it runs stops, and its CRDs may go with all their objects.",
    changes: [change],
  };
}
