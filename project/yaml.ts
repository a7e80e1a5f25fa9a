import { isScalar, parseAllDocuments, type ScalarTag } from "yaml";

// YAML as the Pulumi CLI reads it, which is neither version of the standard: `0777` and `1_000` are numbers, `yes` is
// text, and a date is text that Go has written. Its parser is gopkg.in/yaml.v3 at v3.0.1.

/** What a document holds. Integers are exact; a date is the text that the CLI makes of it. */
export type YamlValue = null | boolean | bigint | number | string | YamlValue[] | Map<YamlValue, YamlValue>;

/**
 * The first document of a file; null where there is none.
 *
 * @throws when it is no YAML
 */
export function parseYaml(source: string): YamlValue {
  const [document] = parseAllDocuments(source, {
    schema: "failsafe",
    customTags: ["merge", untagged, ...tagged],
    resolveKnownTags: false,
    // By their text, so that `1` and `"1"` are one key.
    uniqueKeys: (one, other) => isScalar(one) && isScalar(other) && one.source === other.source,
  });
  const [mistake] = document?.errors ?? [];
  if (mistake !== undefined) throw mistake;
  // The guard against a file that grows when its aliases are followed is not for one's own.
  return document?.toJS({ mapAsMap: true, maxAliasCount: -1 }) ?? null;
}

/**
 * A value as the engine hands it over: text as it is, nothing as empty text, objects and lists as JSON.
 *
 * Source: https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/go/common/resource/config/object.go
 *
 * @throws for a number that JSON cannot say
 */
export function engineText(value: YamlValue): string {
  if (typeof value === "string") return rewritten(value);
  if (typeof value === "bigint") return String(value);
  return value === null ? "" : json(value);
}

/** JSON in the words of Go's encoder: keys in the order of their bytes, and nothing that HTML would read. */
function json(value: YamlValue): string {
  if (typeof value === "string") return quoted(rewritten(value));
  if (Array.isArray(value)) return `[${value.map(json).join(",")}]`;
  if (value instanceof Map) {
    const entries = [...value].map(([key, item]) => [key === null ? "<nil>" : rewritten(String(key)), item] as const);
    entries.sort(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
    return `{${entries.map(([key, item]) => `${quoted(key)}:${json(item)}`).join(",")}}`;
  }
  // Inside of objects the CLI reads integers again, and has 64 bits with a sign for them.
  if (typeof value === "bigint") return String(BigInt.asIntN(64, value) === value ? value : Number(value));
  if (typeof value === "number" && !Number.isFinite(value)) throw new Error(`${value} is no value that JSON can say`);
  return String(value);
}

const quoted = (text: string) =>
  JSON.stringify(text).replace(/[<>&\u2028\u2029]/g, (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** What a literal block of YAML cannot hold: spaces at the end of a line, and what is not printable. */
const NOT_LITERAL = / [\n\u2028\u2029]| $(?!\n)|[^\t\n -~\u00a0-\ud7ff\ue000-\ufefe\uff00-\ufffd]/;

/**
 * The CLI writes a file anew in memory, to give each key its namespace, and reads that; as a literal block a text loses the
 * line break that it begins with: https://github.com/go-yaml/yaml/blob/v3.0.1/emitterc.go, yaml_emitter_write_literal_scalar
 */
const rewritten = (text: string) =>
  /^[\n\u2028\u2029]/.test(text) && text.includes("\n") && !NOT_LITERAL.test(text) ? text.slice(1) : text;

/** What has neither quotes nor a tag. */
const untagged: ScalarTag = { tag: "untagged", default: true, test: /^/, resolve: scalarOf };

/** What has a tag of YAML's own; any other tag leaves a scalar text. */
const tagged: ScalarTag[] = [
  { tag: "tag:yaml.org,2002:binary", resolve: (text) => Buffer.from(text, "base64").toString() },
  ...Object.entries({
    null: (value: unknown) => value === null,
    bool: (value: unknown) => typeof value === "boolean",
    int: (value: unknown) => typeof value === "bigint",
    float: (value: unknown) => typeof value === "bigint" || typeof value === "number",
    timestamp: (value: unknown, text: string) => typeof value === "string" && value !== text,
  }).map(
    ([kind, accepts]): ScalarTag => ({
      tag: `tag:yaml.org,2002:${kind}`,
      resolve(text, refuse) {
        const value = scalarOf(text);
        if (!accepts(value, text)) refuse(`${JSON.stringify(text)} is no ${kind}`);
        return value;
      },
    }),
  ),
];

const CONSTANTS = new Map<string, null | boolean | number>([
  ...["", "~", "null", "Null", "NULL"].map((text) => [text, null] as const),
  ...["true", "True", "TRUE"].map((text) => [text, true] as const),
  ...["false", "False", "FALSE"].map((text) => [text, false] as const),
  ...[".nan", ".NaN", ".NAN"].map((text) => [text, Number.NaN] as const),
  ...[".inf", ".Inf", ".INF"].flatMap((text) => [
    [text, Number.POSITIVE_INFINITY] as const,
    [`+${text}`, Number.POSITIVE_INFINITY] as const,
    [`-${text}`, Number.NEGATIVE_INFINITY] as const,
  ]),
]);

/** What a scalar without quotes says: https://github.com/go-yaml/yaml/blob/v3.0.1/resolve.go */
function scalarOf(text: string): null | boolean | bigint | number | string {
  const constant = CONSTANTS.get(text);
  if (constant !== undefined) return constant;
  if (/^[-+\d]/.test(text)) return dateOf(text) ?? numberOf(text.replaceAll("_", "")) ?? text;
  return text.startsWith(".") ? (floatOf(text) ?? text) : text;
}

function numberOf(text: string): bigint | number | undefined {
  const [, sign, digits] = /^([-+]?)(0[xX][\da-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|\d+)$/.exec(text) ?? [];
  // Eight and nine make a number with a leading zero a decimal one, which is then a float.
  if (digits === undefined || /^0\d*[89]/.test(digits)) return floatOf(text);
  const size = BigInt(digits.replace(/^0(?=[0-7])/, "0o"));
  const value = sign === "-" ? -size : size;
  // 64 bits, of which one is the sign where there is one.
  const fits = BigInt.asIntN(64, value) === value || (sign === "" && BigInt.asUintN(64, value) === value);
  return fits ? value : floatOf(text);
}

function floatOf(text: string): number | undefined {
  if (!/^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$/.test(text)) return undefined;
  const value = Number(text);
  // Zero has no sign once the CLI has written it down.
  return Number.isFinite(value) ? value + 0 : undefined;
}

const DATE = /^(\d{4})-(\d\d?)-(\d\d?)(?:([Tt ])(\d\d?):(\d\d?):(\d\d?)(?:[.,](\d+))?(Z|[-+]\d\d:\d\d)?)?$/;

/**
 * A date as Go writes it. Where a date's offset is that of the machine's own time zone, Go ends it with the zone's name
 * instead of the offset; no setting is a date, so that this is left.
 */
function dateOf(text: string): string | undefined {
  const [, year, month, day, t, hour = "0", minute = "0", second = "0", fraction = "", zone] = DATE.exec(text) ?? [];
  if (year === undefined) return undefined;
  // Only a date with a T has a zone, and has to have one.
  if (t !== undefined && (t === " ") === (zone !== undefined)) return undefined;
  const [y = 0, mo = 0, ...rest] = [year, month, day, hour, minute, second].map(Number);
  const date = new Date(Date.UTC(y, mo - 1, ...rest));
  const written = [date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes()];
  const said = [mo, ...rest.slice(0, 3)];
  if (written.join() !== said.join() || Number(second) > 59) return undefined;
  const nanoseconds = fraction.slice(0, 9).replace(/0+$/, "");
  const [on, at] = date.toISOString().split(/[T.]/);
  const offset = zone?.replace(":", "") ?? "Z";
  const ending = /^(Z|[-+]0000)$/.test(offset) ? "+0000 UTC" : `${offset} ${offset}`;
  return `${on} ${at}${nanoseconds === "" ? "" : `.${nanoseconds}`} ${ending}`;
}
