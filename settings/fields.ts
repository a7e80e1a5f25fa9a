import * as v from "valibot";

// The vocabulary of the fields. Each kind says once what is allowed: in a mistake's line, in the documentation, and to editors.

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * A field with its sentence, from which docs/configuration.md, Pulumi.yaml and stack.schema.json are made.
 *
 * @param unset what happens without it. @default - its default is the answer, or it must be given
 */
export const says = <const Schema extends v.GenericSchema>(sentence: string, schema: Schema, unset?: string) =>
  v.pipe(schema, v.description(sentence), v.metadata({ unset }));

/** A map with just these keys. Not `strictObject`, which takes a list for a map and names one unknown key only. */
export function map<const Entries extends v.ObjectEntries>(
  entries: Entries,
): v.GenericSchema<unknown, v.InferOutput<v.ObjectSchema<Entries, undefined>>> {
  const keys = Object.keys(entries);
  const unset = Object.fromEntries(keys.map((key) => [key, undefined]));
  return v.pipe(
    v.custom<Record<string, unknown>>(isRecord, `a map with keys of ${keys.join(", ")}`),
    // A key that is not there would be told in the map's words, one that is undefined in its field's.
    v.transform((given) => ({ ...unset, ...given })),
    v.objectWithRest(entries, v.never(`a map with no other keys than ${keys.join(", ")}`)),
  );
}

/** A map that may be left out, because each of its keys may. */
export const section = <const Entries extends v.ObjectEntries>(entries: Entries) => v.optional(map(entries), {});

/** A string that `ok` accepts; `allowed` completes the sentence "allowed: …". */
export const text = (allowed: string, ok: RegExp | ((value: string) => boolean)) =>
  v.pipe(v.string(allowed), ok instanceof RegExp ? v.regex(ok, allowed) : v.check(ok, allowed));

/** A whole number in a range, both ends included. */
export function whole(unit: string, min: number, max: number) {
  const allowed = `a whole number from ${min} to ${max}${unit && ` (${unit})`}`;
  return v.pipe(v.number(allowed), v.integer(allowed), v.minValue(min, allowed), v.maxValue(max, allowed));
}

export const oneOf = <const Values extends readonly string[]>(...values: Values) =>
  v.picklist(values, values.map((value) => `"${value}"`).join(" or "));

export const flag = v.boolean("true or false");

/** Each item once; `allowed` names what an item is. */
export const once = (allowed: string) => v.check((list: string[]) => new Set(list).size === list.length, allowed);

/** An OCID of one of the given resource types: https://docs.oracle.com/iaas/Content/General/Concepts/identifiers.htm */
export const ocid = (...types: string[]) =>
  text(
    `the OCID of a ${types.join(" or ")}, ${types.map((type) => `ocid1.${type}.<realm>.<region>.<id>`).join(" or ")}`,
    new RegExp(`^ocid1\\.(${types.join("|")})\\.[a-z0-9-]+\\.[a-z0-9-]*(\\.[a-z0-9-]+)?\\.[a-z0-9]+$`),
  );

/**
 * RFC 1123 label, what Kubernetes asks of namespaces and Services.
 *
 * @param longest its characters at most
 */
export const kubernetesName = (what: string, longest = 63) =>
  text(
    `${what && `${what}: `}at most ${longest} lower-case letters, digits and "-", with a letter or digit at both ends`,
    new RegExp(`^[a-z0-9]([-a-z0-9]{0,${longest - 2}}[a-z0-9])?$`),
  );

export const hostName = (allowed: string) =>
  text(allowed, /^(?=.{1,253}$)([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/);

export const isUrl = (value: string, ...schemes: string[]) =>
  URL.canParse(value) && schemes.includes(new URL(value).protocol);

export const pem = text(
  "PEM, one or more -----BEGIN CERTIFICATE----- blocks",
  /^\s*(-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*)+$/,
);

export const innerPath = (what: string) => text(`${what} without slashes at its ends`, /^[^/\s]+(\/[^/\s]+)*$/);
