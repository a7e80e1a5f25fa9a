import * as v from "valibot";
import { charts as defaults } from "../versions.ts";
import { isRecord, map, says, secret, section, text } from "./fields.ts";
import type { Reach } from "./reach.ts";
import { ownName, releaseNames } from "./releases.ts";
import type { Rule } from "./rule.ts";

/** Values of a Helm chart. */
export type ChartValues = Record<string, unknown>;

const values = v.custom<ChartValues>(isRecord, "a map of chart values, merged over the program's own");

const source = text(
  "https://<repository>, oci://<registry path>, or a directory that starts with / or ./",
  // Nothing that a login could be in: it would be stored and shown in clear.
  /^((https?|oci):\/\/[^\s/?#@]+(\/[^\s?#@]*)?|\.{0,2}\/\S*)$/,
);

const username = text("a user name", /^[^\s:]+$/);

const version = text(
  "one exact version such as 1.31.4, no range",
  /^v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/,
);

const MERGED =
  "Values for Helm, merged over the program's own last; lists are replaced. What the program owns is refused: see below.";

const chart = <const Values extends v.GenericSchema, const More extends v.ObjectEntries>(
  name: string,
  key: keyof typeof defaults,
  ofValues: Values,
  more: More,
) =>
  says(
    `${name}.`,
    section({
      version: says("Its exact version.", v.optional(version, defaults[key].version), "that in `versions.ts`"),
      repo: says("Where it comes from.", v.optional(source), "`charts.mirror`, else its maker's"),
      username: says(
        "User name at its repo; the password is chartsPassword.",
        v.optional(username),
        "repo asks for none",
      ),
      values: ofValues,
      ...more,
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
    username: says(
      "User name at the mirror; the password is chartsPassword.",
      v.optional(username),
      "the mirror asks for none",
    ),
    certManager: chart("The chart of cert-manager", "certManager", plain, ownName.certManager),
    reflector: chart("The chart of Reflector", "reflector", plain, ownName.reflector),
    istio: chart(
      "Istio's three charts, which share a version",
      "istio",
      says("Values of each of the three.", v.optional(map({ base: plain, istiod: plain, gateway: plain })), "none"),
      { releaseNames },
    ),
    externalSecrets: chart("The chart of External Secrets", "externalSecrets", plain, ownName.externalSecrets),
    vault: chart("The chart of Vault", "vault", plain, {}),
  }),
);

export const chartsPassword = says(
  "The password of the user names in charts. Set it with --secret.",
  secret("a password, set with `pulumi config set --secret`", /\S/),
  "the sources of the charts ask for none",
);

export interface ChartsGiven {
  readonly charts: v.InferOutput<typeof charts>;
}

interface SecretGiven {
  readonly chartsPassword?: string | undefined;
}

type Given = ChartsGiven & SecretGiven;
type Name = keyof typeof defaults;
interface Source {
  readonly repo?: string | undefined;
  readonly username?: string | undefined;
}

const names = Object.keys(defaults) as Name[];
/** Where a user name is said, and the source that it is for. */
const logins = [
  {
    key: "charts.username",
    of: "charts.mirror",
    in: ({ charts }: Given): Source => ({ username: charts.username, repo: charts.mirror }),
  },
  ...names.map((name) => ({
    key: `charts.${name}.username`,
    of: `charts.${name}.repo`,
    in: ({ charts }: Given): Source => charts[name],
  })),
];

export const chartsRules: readonly Rule<Given>[] = [
  ...logins.flatMap(({ key, of, in: at }): Rule<Given>[] => [
    {
      key,
      reads: [of],
      when: (given) => at(given).username !== undefined && !/^(https|oci):/.test(at(given).repo ?? ""),
      allowed: `nothing without an https:// or oci:// source in ${of}, for which it is; remove it`,
    },
    {
      key,
      reads: ["chartsPassword"],
      when: (given) => at(given).username !== undefined && given.chartsPassword === undefined,
      allowed: "a user name with its password as a secret; pulumi config set --secret chartsPassword",
    },
  ]),
  {
    key: "chartsPassword",
    reads: logins.map(({ key }) => key),
    when: (given) =>
      given.chartsPassword !== undefined && logins.every(({ in: at }) => at(given).username === undefined),
    allowed: "nothing without a user name in charts.username or in that of a chart; set one, or remove the password",
  },
];

/** Which chart, and where it comes from. */
export interface ChartSource {
  /** Exact version, as the chart's maker writes it. */
  readonly version: string;
  /** An HTTP repository, `oci://` registry path, or directory of `<chart>-<version>.tgz`. */
  readonly repo: string;
  /** Who asks there. @default - nobody is asked for */
  readonly login?: Login | undefined;
}

/** Name and password at a chart's source. */
interface Login {
  readonly username: string;
  /** A secret. */
  readonly password: string;
}

/** A chart as a stack asks for it; Istio's values are those of its three charts. */
export interface Chart<Values = ChartValues> extends ChartSource {
  /** What the stack sets, merged over the program's own. */
  readonly values?: Values | undefined;
  /** What its pods must reach, where its own NetworkPolicies keep them from all else. @default - it has none */
  readonly reach?: Reach | undefined;
}

/** A chart whose release has a name of the stack's choice. */
export type NamedChart = Chart & { readonly releaseName: string };

export interface IstioChart extends Chart<NonNullable<ChartsGiven["charts"]["istio"]["values"]>> {
  readonly releaseNames: Readonly<ChartsGiven["charts"]["istio"]["releaseNames"]>;
}

export interface ChartsSettings {
  readonly certManager: NamedChart;
  readonly reflector: NamedChart;
  readonly externalSecrets: NamedChart;
  readonly istio: IstioChart;
  readonly vault: Chart;
}

/** Each chart with its source, its own, else the mirror, else its maker's, and the login there. */
export function chartsOf({
  charts: { mirror, username: mirrorName, ...given },
  chartsPassword,
}: Given): ChartsSettings {
  const located = <Asked extends Source>(name: Name, { repo, username, ...asked }: Asked) => {
    const who = repo === undefined ? mirrorName : username;
    return {
      ...asked,
      repo: repo ?? mirror ?? defaults[name].repo,
      // The password is given where a name is, by the rule about it.
      ...(who !== undefined && { login: { username: who, password: chartsPassword as string } }),
    };
  };
  return {
    certManager: located("certManager", given.certManager),
    reflector: located("reflector", given.reflector),
    istio: located("istio", given.istio),
    externalSecrets: located("externalSecrets", given.externalSecrets),
    vault: located("vault", given.vault),
  };
}
