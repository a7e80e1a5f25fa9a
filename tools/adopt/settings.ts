import type { Registration } from "../../project/record.ts";
import { same } from "../../project/registration.ts";
import type { ChartValues } from "../../settings/charts.ts";
import { PROJECT, type StackConfig, valuesOf } from "../../settings/config.ts";
import { isEmpty, isRecord } from "../../settings/fields.ts";
import { judge } from "../../settings/mistakes.ts";
import { parseSettings, type Settings } from "../../settings/settings.ts";
import type { Json } from "./actions.ts";
import { balancerOf, gatewayService, type ReservedIpAt } from "./balancer.ts";
import { valuesOf as chartValuesOf, platformsOwn, sourcesOf } from "./charts.ts";
import type { Found, Installation } from "./found.ts";
import { issuanceOf } from "./issuance.ts";
import { type Row, row } from "./plan.ts";
import { routesIn } from "./routes.ts";
import { secretsIn } from "./secrets.ts";
import { merged } from "./values.ts";

// The settings that reproduce what was found. What the stack's file says of things that nobody can find stays.

/** How the program would run with a configuration. */
export type RecordProgram = (config: StackConfig) => Promise<Registration[]>;

export interface Reproduction {
  /** All of the stack's configuration, with what was found. */
  readonly config: StackConfig;
  readonly settings: Settings;
  readonly registrations: readonly Registration[];
  /** The installations that become the stack's. */
  readonly own: readonly Installation[];
  /** Top-level keys that change, in full, with their new values and those of before. */
  readonly values: Readonly<Record<string, Json>>;
  readonly before: Readonly<Record<string, Json>>;
  readonly rows: readonly Row[];
}

/** @throws {SettingsError} with what the stack's file must say, because it cannot be found */
export async function reproduce(
  found: Found,
  config: StackConfig,
  record: RecordProgram,
  reservedIpAt: ReservedIpAt,
): Promise<Reproduction> {
  const given = Object.fromEntries(Object.entries(valuesOf(config)).filter(([, value]) => !isEmpty(value)));
  const section = (key: string) => (isRecord(given[key]) ? given[key] : {});
  const { own, rows } = platformsOwn(found, { externalSecrets: section("externalSecrets").install !== false });
  const all: Row[] = [...rows];
  const said: ChartValues = {};
  const say = (key: string, value: ChartValues) => {
    if (Object.keys(value).length > 0) said[key] = merged(section(key), value);
  };

  const issuance = issuanceOf(found);
  all.push(...issuance.rows);
  const { baseDomain, ...signing } = issuance.settings;
  for (const [key, value] of Object.entries(signing)) say(key, value as ChartValues);
  if (baseDomain !== undefined && baseDomain !== `cluster.${given.domain}`) said.baseDomain = baseDomain;

  const service = gatewayService(found);
  if (service !== undefined && section("cluster").id !== undefined) {
    const { reservedIp } = section("loadBalancer");
    const known: ReservedIpAt = async (address) => (reservedIp as string | undefined) ?? reservedIpAt(address);
    const balancer = await balancerOf(service, known);
    all.push(...balancer.rows);
    say("loadBalancer", balancer.settings);
  } else if (service?.spec?.type !== undefined) say("gateway", { serviceType: service.spec.type });

  const secrets = secretsIn(found);
  all.push(...secrets.rows);
  say("vault", secrets.vault);
  const reader = own.find(({ chart }) => chart === "external-secrets");
  say("externalSecrets", { ...secrets.externalSecrets, ...(reader && { namespace: reader.release.namespace }) });

  const routes = routesIn(found, String(baseDomain ?? given.baseDomain ?? `cluster.${given.domain}`));
  all.push(...routes.rows);
  const listed = Array.isArray(given.services) ? given.services : [];
  const isListed = (entry: Json) => listed.some((it) => isSameRoute(it, entry));
  const more = routes.services.filter((entry) => !isListed(entry));
  if (more.length > 0) said.services = [...listed, ...more];
  // As open as it was: who used the Gateway, the issuer and the store goes on.
  said.tenancy = merged(OPEN, section("tenancy"));
  all.push(...closedRoutes(said.tenancy as ChartValues, routes.foreign));

  const sources = sourcesOf(own, section("charts").mirror !== undefined);
  all.push(...sources.rows);
  say("charts", sources.charts);

  const first = configOf(config, said);
  const { loadBalancer } = valuesOf(first) as { loadBalancer?: Parameters<typeof chartValuesOf>[3] };
  parseSettings(first);
  const values = chartValuesOf(own, found, await record(first), loadBalancer);
  all.push(...values.rows);
  // What the stack's file says of a chart's values was said with the program in mind.
  if (Object.keys(values.charts).length > 0)
    said.charts = merged(merged(values.charts, section("charts")), (said.charts ?? {}) as ChartValues);

  const told = withoutDefaults(said, given, defaults());
  const changed = Object.entries(told).filter(([key, value]) => !same(value, given[key]));
  const whole = configOf(config, told);
  return {
    config: whole,
    settings: parseSettings(whole),
    registrations: await record(whole),
    own,
    values: Object.fromEntries(changed.map(([key, value]) => [`${PROJECT}:${key}`, value as Json])),
    before: Object.fromEntries(changed.map(([key]) => [`${PROJECT}:${key}`, (given[key] as Json | undefined) ?? null])),
    rows: all,
  };
}

/** Routes that stay are served where their namespace may use the Gateway alone. */
function closedRoutes({ routes }: ChartValues, foreign: readonly string[]): Row[] {
  const open = Array.isArray(routes) ? routes : [];
  const shut = routes === "all" ? [] : foreign.filter((namespace) => !open.includes(namespace));
  if (shut.length === 0) return [];
  return [
    row(
      "refuse",
      `VirtualServices of ${shut.join(", ")}`,
      "stay as they are, and tenancy.routes in the stack's file does not let them",
      "take it out of the file, and close it after the takeover",
    ),
  ];
}

const OPEN: ChartValues = { routes: "all", certificates: "all", secrets: "all" };

/** What a stack is told that says nothing. */
const defaults = () =>
  judge(configOf({ values: {}, secrets: [] }, { vault: { address: "" }, loadBalancer: { rules: "" } })).given;

/** Without what holds anyhow; but for versions, which would go on with the program, and what the file says itself. */
function withoutDefaults(said: ChartValues, given: ChartValues, byDefault: ChartValues): ChartValues {
  const mapAt = (values: ChartValues, key: string) => (isRecord(values[key]) ? values[key] : {});
  const entries = Object.entries(said).flatMap(([key, value]) => {
    if (key === "version" || same(value, given[key])) return [[key, value] as const];
    if (!isRecord(value)) return same(value, byDefault[key]) ? [] : [[key, value] as const];
    const inside = withoutDefaults(value, mapAt(given, key), mapAt(byDefault, key));
    return Object.keys(inside).length === 0 ? [] : [[key, inside] as const];
  });
  return Object.fromEntries(entries);
}

const isSameRoute = (one: unknown, other: unknown) =>
  isRecord(one) && isRecord(other) && one.name === other.name && one.namespace === other.namespace;

/** The configuration with other values, as the engine hands them over. */
function configOf(config: StackConfig, said: ChartValues): StackConfig {
  const told = Object.entries(said).map(([key, value]) => [
    `${PROJECT}:${key}`,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return { ...config, values: { ...config.values, ...Object.fromEntries(told) } };
}
