import { PROJECT } from "../../settings/config.ts";
import { type Field, settings } from "./fields.ts";

/** The page for whoever writes a stack's file: every key, what it may be, and what happens without it. */
export const configurationPage = (): string =>
  `${[
    "# Configuration",
    `For whoever writes or reviews a \`Pulumi.<stack>.yaml\`: every key that may stand in it, what it may be, and what happens without it. Each is written \`${PROJECT}:<key>\`. \`npm run docs\` makes this page from [settings/](../settings/), where the rules over several keys are, too; a preview tells all mistakes of a stack at once.`,
    tableOf(Object.entries(settings)),
    ...Object.entries(settings).flatMap(([name, field]) => sectionOf(name, field)),
  ].join("\n\n")}\n`;

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
