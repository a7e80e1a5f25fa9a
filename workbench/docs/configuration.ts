import { chartOwnership } from "../../settings/chart-ownership.ts";
import { PROJECT } from "../../settings/config.ts";
import type { Owned, Ownership } from "../../settings/ownership.ts";
import { spelled } from "../../settings/rule.ts";
import { type Field, settings } from "./fields.ts";

/** The page for whoever writes a stack's file: every key, what it may be, and what happens without it. */
export const configurationPage = (): string =>
  `${[
    "# Configuration",
    `For whoever writes or reviews a \`Pulumi.<stack>.yaml\`: every key that may stand in it, what it may be, and what happens without it. Each is written \`${PROJECT}:<key>\`. \`npm run docs\` makes this page from [settings/](../settings/), where the rules over several keys are, too; a preview tells all mistakes of a stack at once.`,
    tableOf(Object.entries(settings)),
    ...Object.entries(settings).flatMap(([name, field]) => sectionOf(name, field)),
    ...ownershipSection(),
  ].join("\n\n")}\n`;

/** What of the charts' values a stack may not say: rows of one table in the code, which the refusals read. */
function ownershipSection(): string[] {
  const rows = Object.entries<Ownership>(chartOwnership).flatMap(([chart, { owned, merged = [], alsoBelow = [] }]) => [
    ...merged.map(({ at, as }) => [
      chart,
      `\`${spelled(at)}\``,
      as === "list" ? "yours come after the program's" : "both are merged, key by key",
      "",
    ]),
    ...owned.map((row) => [chart, `\`${placeOf(row)}\``, text(row.because), insteadOf(row)]),
    ...alsoBelow.map((key) => [chart, `\`${key}.<any of these>\``, "the chart reads it as if it stood at its top", ""]),
  ]);
  return [
    "## Values of charts",
    "What a chart's `values` may not say, because the platform stands on it, and what is merged where Helm would replace it. What is not named here is yours. A takeover of what others have installed reproduces by the setting in the last column what it finds; what has none must be as it is here.",
    ["| chart | value | why | instead |", "|---|---|---|---|", ...rows.map((row) => `| ${row.join(" | ")} |`)].join(
      "\n",
    ),
  ];
}

const placeOf = ({ at, having }: Owned) => {
  const parts = at.map((part) =>
    typeof part === "string" ? part : part.source === "^\\d+$" ? "0" : `/${part.source}/`,
  );
  return `${spelled(parts).replaceAll(".0", "[]")}${having ? ` with /${having.source}/` : ""}`.replaceAll("|", "\\|");
};

const insteadOf = ({ setting, is, balanced }: Owned) =>
  [
    ...(setting === undefined ? [] : [`\`${setting}\``]),
    ...(is === undefined ? [] : [`it is \`${JSON.stringify(is)}\``]),
    ...(balanced ? ["only with `loadBalancer`"] : []),
  ].join("; ");

function sectionOf(name: string, field: Field): string[] {
  const rows = below(name, field);
  return rows.length === 0 ? [] : [`## ${name}`, text(field.sentence ?? ""), tableOf(rows)];
}

/** All keys below one, however deep. */
function below(key: string, { type }: Field): [key: string, field: Field][] {
  if (type.kind === "list") return below(`${key}[]`, type.item);
  if (type.kind !== "map") return [];
  return Object.entries(type.entries).flatMap(([name, field]) => [
    [`${key}.${name}`, field] satisfies [string, Field],
    ...below(`${key}.${name}`, field),
  ]);
}

const tableOf = (rows: [key: string, field: Field][]) =>
  [
    "| key | allowed | without it | |",
    "|---|---|---|---|",
    ...rows.map(
      ([key, field]) =>
        `| ${keyOf(key, field)} | ${allowedOf(field)} | ${withoutIt(field)} | ${text(field.sentence ?? "")} |`,
    ),
  ].join("\n");

const keyOf = (key: string, field: Field) =>
  key in settings && below(key, field).length > 0 ? `[\`${key}\`](#${key.toLowerCase()})` : `\`${key}\``;

function allowedOf({ type, allowed, isSecret }: Field): string {
  if (isSecret) return "a secret";
  if (type.kind === "choice") return type.values.map((value) => `\`${JSON.stringify(value)}\``).join(" or ");
  // Its keys have rows of their own.
  return type.kind === "map" ? "a map" : text(allowed);
}

function withoutIt({ isRequired, byDefault, unset, type }: Field): string {
  if (isRequired) return "required";
  if (unset !== undefined) return text(unset);
  return type.kind === "map" ? "" : `\`${JSON.stringify(byDefault)}\``;
}

/** As Markdown shows it word for word, but for what stands between backquotes. */
const text = (words: string) =>
  words
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith("`") ? part : part.replaceAll(/[<*]/g, "\\$&")))
    .join("")
    .replaceAll("|", "\\|");
