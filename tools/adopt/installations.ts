import { loadAll } from "js-yaml";
import { type ChartName, chartOwnership } from "../../settings/chart-ownership.ts";
import { isRecord } from "../../settings/fields.ts";
import { DEFINED, groupOf } from "../doctor/rivals.ts";
import { type HelmRecord, type ObjectName, releaseIn } from "../repair/kubernetes.ts";
import type { Place } from "./actions.ts";
import type { AdoptCluster, LiveObject } from "./cluster.ts";
import { type ApplicationFound, type Installation, keyOf, nameOf } from "./found.ts";

// Which charts of the platform are installed, by whom, and what is in them.

/** The charts that are taken over. Vault stays whose it is: its data is nobody's to move. */
const isOurs = (chart: string | undefined): chart is Exclude<ChartName, "vault"> =>
  chart !== undefined && chart !== "vault" && Object.hasOwn(chartOwnership, chart);

/** Charts whose names others have, too, and by what their repositories are known. */
const SHARED = ["base", "gateway"];

/** Groups whose objects no chart of ours has in it: they are the platform's own, and taken over by themselves. */
const CUSTOM = /(^|\.)(cert-manager\.io|istio\.io|external-secrets\.io|argoproj\.io)$/;

const groupOfObject = ({ apiVersion }: ObjectName) =>
  apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";

/** Chart and version that an object says it is of: `helm.sh/chart: cert-manager-v1.20.0`. */
function labelled({ metadata = {} }: LiveObject): { chart: string; version: string } | undefined {
  const [, chart = "", version = ""] = /^(.+?)-(v?\d.*)$/.exec(metadata.labels?.["helm.sh/chart"] ?? "") ?? [];
  // A label has no "+".
  return isOurs(chart) ? { chart, version: version.replaceAll("_", "+") } : undefined;
}

/** What ArgoCD has installed. */
export function installedByApplication(
  application: ApplicationFound,
  objects: ReadonlyMap<string, LiveObject>,
): Installation[] {
  const inChart = application.objects.filter((object) => !CUSTOM.test(groupOfObject(object)));
  const live = inChart.map((object) => objects.get(keyOf(object))).filter((object) => object !== undefined);
  const charts = application.sources.filter(({ chart, repoURL }) => isOurs(chart) && isKnown(chart, repoURL, live));
  const of = (chart: string) =>
    charts.length > 1 ? inChart.filter((object) => isOf(chart, object, objects.get(keyOf(object)))) : inChart;
  if (charts.length > 0)
    return charts.map(({ chart, revision, releaseName, repoURL, values, valueFiles }) => ({
      chart: chart as ChartName,
      release: { namespace: application.destination, name: releaseName ?? application.name },
      version: /^v?\d+\.\d+\.\d+/.test(revision) ? revision : live.map(labelled).find((it) => it)?.version,
      repoURL,
      values,
      valueFiles,
      objects: of(chart ?? ""),
      application,
      records: [],
    }));
  // A chart in Git, alone or as a part of another.
  const [first] = application.sources;
  const said = live.map(labelled).filter((it) => it !== undefined);
  const found = new Map(said.map((it) => [it.chart, it.version]));
  return [...found].map(([chart, version]) => ({
    chart: chart as ChartName,
    release: { namespace: application.destination, name: first?.releaseName ?? application.name },
    version,
    values: {},
    valueFiles: [`${first?.repoURL ?? "Git"}, where its chart is`],
    objects: found.size > 1 ? inChart.filter((it) => isOf(chart, it, objects.get(keyOf(it)))) : inChart,
    application,
    records: [],
  }));
}

function isKnown(chart: string | undefined, repoURL: string, live: readonly LiveObject[]): boolean {
  return !SHARED.includes(chart ?? "") || /istio/.test(repoURL) || live.some((it) => labelled(it)?.chart === chart);
}

/** Whether a definition is of a chart. */
export const definedBy = (chart: string, definition: string): boolean =>
  Object.entries<readonly string[]>(DEFINED).some(
    ([name, groups]) => name === chart && groups.includes(groupOf(definition)),
  );

/** Whether an object of an Application with several charts is this one's. */
function isOf(chart: string, { kind, name }: ObjectName, live: LiveObject | undefined): boolean {
  const said = live && labelled(live)?.chart;
  if (said !== undefined) return said === chart;
  return kind === "CustomResourceDefinition" && definedBy(chart, name);
}

/** What another Helm than Pulumi's has installed. Its record is read whole: the values are in it. */
export async function installedByHelm(cluster: AdoptCluster): Promise<Installation[]> {
  const installed: Installation[] = [];
  for (const [key, records] of await cluster.records()) {
    const newest = records.at(-1);
    if (newest === undefined || newest.byPulumi) continue;
    const [namespace = "", name = ""] = key.split("/");
    const installation = await readRelease(cluster, { namespace, name }, records, newest);
    if (installation !== undefined) installed.push(installation);
  }
  return installed;
}

async function readRelease(
  cluster: AdoptCluster,
  release: Place,
  records: readonly HelmRecord[],
  newest: HelmRecord,
): Promise<Installation | undefined> {
  const { namespace } = release;
  const secret = await cluster.read({ apiVersion: "v1", kind: "Secret", namespace, name: newest.name });
  const { release: stored = "" } = (secret?.data ?? {}) as { release?: string };
  if (stored === "") return undefined;
  const { chart, config, manifest = "" } = releaseIn(stored);
  const { name, version } = chart?.metadata ?? {};
  if (!isOurs(name)) return undefined;
  if (newest.status !== "deployed")
    throw new Error(
      `Helm release ${release.name} in ${namespace} is ${newest.status}: somebody may still be at work, or was cut off; ` +
        `helm rollback ${release.name} --namespace ${namespace}, and run this again`,
    );
  // Its objects carry its marks already; where a manifest names no namespace, it is the release's.
  const objects = (loadAll(manifest).filter(isRecord) as unknown as LiveObject[])
    .filter(({ kind }) => kind === "Deployment")
    .map((object) => ({ namespace, ...nameOf(object) }));
  return {
    chart: name,
    release,
    version,
    values: config ?? {},
    valueFiles: [],
    objects,
    records: records.map((record) => ({ namespace, name: record.name })),
  };
}
