import * as v from "valibot";
import { charts as defaults } from "../versions.ts";
import { isRecord, map, says, section, text } from "./fields.ts";
import type { LoadBalancerGiven } from "./load-balancer.ts";
import type { Rule } from "./rule.ts";

/** Values of a Helm chart. */
export type ChartValues = Record<string, unknown>;

const values = v.custom<ChartValues>(isRecord, "a map of chart values, merged over the program's own");

const source = text(
  "https://<repository>, oci://<registry path>, or a directory that starts with / or ./",
  /^((https?|oci):\/\/[^\s/]|\.{0,2}\/)\S*$/,
);

const version = text(
  "one exact version such as 1.31.4, no range",
  /^v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/,
);

const MERGED = "Values for Helm, merged over the program's own last; lists are replaced.";

const chart = <const Values extends v.GenericSchema>(name: string, key: keyof typeof defaults, ofValues: Values) =>
  says(
    `${name}.`,
    section({
      version: says("Its exact version.", v.optional(version, defaults[key].version), "that in `versions.ts`"),
      repo: says("Where it comes from.", v.optional(source), "`charts.mirror`, else its maker's"),
      values: ofValues,
    }),
  );

const plain = says(MERGED, v.optional(values), "none");

export const charts = says(
  "Which charts are installed, from where, and with what values.",
  section({
    mirror: says(
      "One source for all charts: an HTTP repository, an OCI registry, or a directory of <chart>-<version>.tgz.",
      v.optional(source),
      "each maker's own",
    ),
    certManager: chart("The chart of cert-manager", "certManager", plain),
    reflector: chart("The chart of Reflector", "reflector", plain),
    istio: chart(
      "Istio's three charts, which share a version",
      "istio",
      says(
        "Values of each of the three. What loadBalancer decides is refused in the gateway's.",
        v.optional(map({ base: plain, istiod: plain, gateway: plain })),
        "none",
      ),
    ),
    externalSecrets: chart("The chart of External Secrets", "externalSecrets", plain),
    vault: chart("The chart of Vault", "vault", plain),
  }),
);

export interface ChartsGiven {
  readonly charts: v.InferOutput<typeof charts>;
}

export const chartsRules: readonly Rule<ChartsGiven & LoadBalancerGiven>[] = [
  ...(Object.keys(defaults) as (keyof typeof defaults)[]).map((name) => ({
    key: `charts.${name}.values`,
    reads: ["loadBalancer.alwaysFree"],
    when: ({ charts, loadBalancer }: ChartsGiven & LoadBalancerGiven) =>
      loadBalancer?.alwaysFree === true && balancersIn(charts[name].values).length > 0,
    allowed: ({ charts }: ChartsGiven) =>
      `no Service of type LoadBalancer with loadBalancer.alwaysFree, whose one load balancer is the gateway's; change ${balancersIn(charts[name].values)[0]}`,
  })),
  {
    key: "charts.istio.values",
    reads: ["loadBalancer"],
    when: ({ charts, loadBalancer }) =>
      loadBalancer !== undefined && overridesIn(charts.istio.values?.gateway).length > 0,
    allowed: ({ charts }) =>
      `nothing in gateway.${overridesIn(charts.istio.values?.gateway)[0]}, which loadBalancer decides; use its settings`,
  },
];

/** Where in a chart's values a load balancer is asked for. */
function balancersIn(value: unknown, path: readonly string[] = []): string[] {
  if (value === "LoadBalancer") return [path.join(".")];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => balancersIn(item, [...path, key]));
}

/** The annotations that the load balancer's settings are written to. */
const CONTRACT =
  /(load-balancer-type|security-(rule|list)-management-mode|network-security-groups?|oci-load-balancer-(connection|health-check|internal|shape|subnet).*)$/;

/** What in the values for Istio's gateway would undo the load balancer's settings. */
function overridesIn(values: ChartValues | undefined): string[] {
  const service = isRecord(values?.service) ? values.service : {};
  const fields = ["type", "loadBalancerIP", "loadBalancerSourceRanges", "externalTrafficPolicy"];
  const annotations = Object.keys(isRecord(service.annotations) ? service.annotations : {});
  return [
    ...fields.filter((field) => Object.hasOwn(service, field)).map((field) => `service.${field}`),
    ...annotations.filter((key) => CONTRACT.test(key)).map((key) => `service.annotations.${key}`),
  ];
}

/** Which chart, and where it comes from. */
export interface ChartSource {
  /** Exact version, as the chart's maker writes it. */
  readonly version: string;
  /** An HTTP repository, `oci://` registry path, or directory of `<chart>-<version>.tgz`. */
  readonly repo: string;
}

/** A chart as a stack asks for it; Istio's values are those of its three charts. */
export interface Chart<Values = ChartValues> extends ChartSource {
  /** What the stack sets, merged over the program's own. */
  readonly values?: Values | undefined;
}

export type IstioChart = Chart<NonNullable<ChartsGiven["charts"]["istio"]["values"]>>;

export type ChartsSettings = Readonly<Record<Exclude<keyof typeof defaults, "istio">, Chart>> & {
  readonly istio: IstioChart;
};

/** Each chart with its source: its own, else the mirror, else its maker's. */
export function chartsOf({ mirror, ...given }: ChartsGiven["charts"]): ChartsSettings {
  const located = <Values>(
    name: keyof typeof defaults,
    asked: Omit<Chart<Values>, "repo"> & { repo?: string | undefined },
  ) => ({
    ...asked,
    repo: asked.repo ?? mirror ?? defaults[name].repo,
  });
  return {
    certManager: located("certManager", given.certManager),
    reflector: located("reflector", given.reflector),
    istio: located("istio", given.istio),
    externalSecrets: located("externalSecrets", given.externalSecrets),
    vault: located("vault", given.vault),
  };
}
