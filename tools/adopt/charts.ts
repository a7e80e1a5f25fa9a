import { CERT_MANAGER_NAMESPACE } from "../../components/cert-manager.ts";
import { GATEWAY_CHART, GATEWAY_RELEASE } from "../../components/ingress-gateway.ts";
import { ISTIO_NAMESPACE } from "../../components/istio.ts";
import { REFLECTOR_NAMESPACE } from "../../components/reflector.ts";
import { chartOf } from "../../components/release.ts";
import type { Registration } from "../../project/record.ts";
import { plain } from "../../project/registration.ts";
import type { ChartName } from "../../settings/chart-ownership.ts";
import type { ChartValues } from "../../settings/charts.ts";
import { isRecord } from "../../settings/fields.ts";
import type { Balanced } from "../../settings/load-balancer.ts";
import { spelled } from "../../settings/rule.ts";
import { charts as known } from "../../versions.ts";
import { RELEASE } from "../repair/find.ts";
import type { Found, Installation } from "./found.ts";
import { type Row, row } from "./plan.ts";
import { merged, reproduced } from "./values.ts";
import { deploymentsOf } from "./workloads.ts";

// The charts as settings: versions, names of releases, sources and values.

/** Where a stack speaks of each chart. */
const PLACES: Readonly<Record<Exclude<ChartName, "vault">, { key: keyof typeof known; part?: string }>> = {
  "cert-manager": { key: "certManager" },
  reflector: { key: "reflector" },
  base: { key: "istio", part: "base" },
  istiod: { key: "istio", part: "istiod" },
  gateway: { key: "istio", part: "gateway" },
  "external-secrets": { key: "externalSecrets" },
};

type Ours = keyof typeof PLACES;

/** Namespaces that the program decides; External Secrets' is a setting. */
const NAMESPACES: Partial<Record<ChartName, string>> = {
  "cert-manager": CERT_MANAGER_NAMESPACE,
  reflector: REFLECTOR_NAMESPACE,
  base: ISTIO_NAMESPACE,
  istiod: ISTIO_NAMESPACE,
  gateway: ISTIO_NAMESPACE,
};

/** The installations that become the stack's, and what is said of the others. */
export function platformsOwn(
  found: Found,
  installs: { externalSecrets: boolean },
): { own: Installation[]; rows: Row[] } {
  const own: Installation[] = [];
  const rows: Row[] = [];
  for (const installation of found.installations) {
    const { chart, release } = installation;
    const subject = subjectOf(installation);
    const isAnother = chart === GATEWAY_CHART && release.name !== GATEWAY_RELEASE;
    if (chart === "external-secrets" && !installs.externalSecrets)
      rows.push(row("stays", subject, "externalSecrets.install is false"));
    else if (isAnother) rows.push(row("stays", subject, "is another gateway than the platform's"));
    else if ((NAMESPACES[chart] ?? release.namespace) !== release.namespace)
      rows.push(
        row(
          "refuse",
          subject,
          `is in ${release.namespace}, the program's in ${NAMESPACES[chart]}`,
          "move it in ArgoCD first",
        ),
      );
    else if (own.some((it) => it.chart === chart))
      rows.push(row("refuse", subject, `is the second one of chart ${chart}`, "remove one of the two first"));
    else own.push(installation);
  }
  // The load balancer is one Service's alone.
  const gateways = found.installations.filter(({ chart }) => chart === GATEWAY_CHART);
  if (gateways.length > 0 && !own.some(({ chart }) => chart === GATEWAY_CHART))
    rows.push(
      row(
        "refuse",
        gateways.map(subjectOf).join(", "),
        `no gateway's release is called ${GATEWAY_RELEASE}: its pods would be found by another label, which cannot change`,
        `bring a gateway of that name up beside it in ArgoCD, and move the address and the Gateways to it first`,
      ),
    );
  return { own, rows };
}

export const subjectOf = ({ chart, release, application }: Installation): string =>
  application === undefined
    ? `Helm release ${release.namespace}/${release.name} (${chart})`
    : `Application ${application.namespace}/${application.name} (${chart})`;

/** `charts` of a stack but for its values. */
export function sourcesOf(own: readonly Installation[], hasMirror: boolean): { charts: ChartValues; rows: Row[] } {
  let charts: ChartValues = {};
  const rows: Row[] = [];
  for (const installation of own) {
    const { chart, version, release, repoURL, valueFiles, application, objects } = installation;
    const { key, part } = PLACES[chart as Ours];
    const subject = subjectOf(installation);
    if (version === undefined)
      rows.push(row("refuse", subject, "says no exact version", `set charts.${key}.version in the stack's file`));
    const other = own.find((it) => PLACES[it.chart as Ours].key === key && it.version !== version);
    if (other !== undefined)
      rows.push(
        row(
          "refuse",
          subject,
          `is ${version}, ${other.chart} ${other.version}`,
          "bring Istio's charts to one version in ArgoCD",
        ),
      );
    if (application !== undefined && objects.length === 0)
      rows.push(row("refuse", subject, "tells of nothing that it has made", "sync it in ArgoCD, and run this again"));
    if (application !== undefined && !application.isSynced)
      rows.push(
        row("see", subject, "is not synced: what it would make is not what is there", "argocd app diff says where"),
      );
    if (application?.sources.some((source) => source.chart === undefined) && repoURL !== undefined)
      rows.push(
        row(
          "see",
          subject,
          "has sources beside its chart",
          "what they have made is nobody's afterwards: give it to another Application first",
        ),
      );
    if (valueFiles.length > 0)
      rows.push(
        row(
          "see",
          subject,
          `has values that cannot be read here, in ${valueFiles.join(", ")}`,
          `say them as charts.${key}.values${part === undefined ? "" : `.${part}`} before the takeover, or what they say is lost`,
        ),
      );
    const named =
      part === undefined
        ? { releaseName: release.name }
        : chart === GATEWAY_CHART
          ? {}
          : { releaseNames: { [part]: release.name } };
    const repo = hasMirror ? undefined : mirrorOf(key, repoURL);
    charts = merged(charts, {
      [key]: { ...(version !== undefined && { version }), ...named, ...(repo !== undefined && { repo }) },
    });
  }
  return { charts, rows };
}

/** Hosts at which the charts' makers publish them, or did. */
const MAKERS = [
  ...Object.values(known).map(({ repo }) => new URL(repo).host),
  "istio-release.storage.googleapis.com",
  "ghcr.io",
  "quay.io",
];

/** The source of a chart where it is not its maker's own. */
function mirrorOf(key: keyof typeof known, repoURL: string | undefined): string | undefined {
  if (repoURL === undefined || repoURL === known[key].repo) return undefined;
  // An OCI registry's URL has no scheme in ArgoCD.
  const url = /^[a-z]+:\/\//.test(repoURL) ? repoURL : `oci://${repoURL}`;
  return MAKERS.includes(URL.parse(url)?.host ?? "") ? undefined : url;
}

/** Values of the charts by which everything stays as it is, and what cannot. */
export function valuesOf(
  own: readonly Installation[],
  found: Found,
  registrations: readonly Registration[],
  loadBalancer: Balanced | undefined,
): { charts: ChartValues; rows: Row[] } {
  const releases = registrations.filter(({ type }) => type === RELEASE).map(({ inputs }) => plain(inputs));
  let charts: ChartValues = {};
  const rows: Row[] = [];
  for (const installation of own) {
    const { chart } = installation;
    const { key, part } = PLACES[chart as Ours];
    const release = releases.find((inputs) => chartOf(inputs).chart === chart);
    const { there, missing } = deploymentsOf(installation, found);
    rows.push(...selectorRows(installation, there, missing));
    const ours = isRecord(release?.values) ? release.values : {};
    const result = reproduced(installation, ours, there, loadBalancer);
    rows.push(...result.rows);
    rows.push(...loginsIn(result.values).map((path) => loginRow(chart, path)));
    if (Object.keys(result.values).length === 0) continue;
    charts = merged(charts, { [key]: { values: part === undefined ? result.values : { [part]: result.values } } });
  }
  return { charts, rows };
}

const LOGIN = /(password|passwd|token|api_?key|private_?key|client_?secret|secret_?(access_?)?key)$/i;

/** Where a chart's values seem to hold a login. */
function loginsIn(values: ChartValues, at: readonly (string | number)[] = []): string[] {
  return Object.entries(values).flatMap(([key, value]) => {
    if (isRecord(value)) return loginsIn(value, [...at, key]);
    if (Array.isArray(value))
      return value.filter(isRecord).flatMap((item, index) => {
        const place = [...at, key, index];
        const { name, value: said } = item;
        const isLogin = typeof name === "string" && LOGIN.test(name) && typeof said === "string" && said !== "";
        return [...(isLogin ? [spelled([...place, "value"])] : []), ...loginsIn(item, place)];
      });
    return typeof value === "string" && value !== "" && LOGIN.test(key) ? [spelled([...at, key])] : [];
  });
}

const loginRow = (chart: ChartName, path: string) =>
  row(
    "refuse",
    `values of ${chart}`,
    `${path} looks like a login, and would stand in clear in the stack's file`,
    "have the chart read it from a Secret, in ArgoCD first",
  );

/** Labels of the gateway's pods, by which the program's Gateway and Service find them. */
const GATEWAY_LABELS = { app: GATEWAY_RELEASE, istio: "ingressgateway" };

/** Refuses a Deployment whose selector ours could not keep, for it can never change. */
function selectorRows(
  { chart, release, objects }: Installation,
  there: ReturnType<typeof deploymentsOf>["there"],
  missing: readonly string[],
): Row[] {
  const refused = there.flatMap(({ name, deployment }) => {
    const labels = deployment.spec?.selector.matchLabels ?? {};
    const wanted: Readonly<Record<string, string>> =
      chart === GATEWAY_CHART ? GATEWAY_LABELS : { "app.kubernetes.io/instance": release.name };
    const wrong = Object.entries(wanted).find(([key, value]) => labels[key] !== undefined && labels[key] !== value);
    const lacks = chart === GATEWAY_CHART && Object.keys(wanted).some((key) => labels[key] === undefined);
    if (wrong === undefined && !lacks) return [];
    const [key, value] = wrong ?? ["istio", "ingressgateway"];
    return [
      row(
        "refuse",
        `Deployment ${release.namespace}/${name}`,
        `finds its pods by ${key} ${labels[key] ?? "nothing"}, ours by ${value}; a selector can never change`,
        "install it once under the program's names in ArgoCD",
      ),
    ];
  });
  // Under another name the old one would go on beside ours.
  const others = objects.filter(({ kind, name }) => kind === "Deployment" && there.every((it) => it.name !== name));
  const absent = missing.map((name) =>
    others.length > 0
      ? row(
          "refuse",
          `Deployment ${release.namespace}/${name}`,
          `is called ${others.map((other) => other.name).join(", ")}`,
          "install it once without nameOverride and fullnameOverride in ArgoCD",
        )
      : row("see", `Deployment ${release.namespace}/${name}`, "is not there; the program makes it"),
  );
  return [...refused, ...absent];
}
