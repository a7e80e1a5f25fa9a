import * as v from "valibot";
import { emailAddress, hostPattern } from "./addresses.ts";

// The vocabulary of the fields. Each kind says once what is allowed: in a mistake's line, in the documentation, and to editors.

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether nothing stands there: what may be left out may be left empty, too. */
export const isEmpty = (value: unknown) =>
  value === undefined ||
  value === null ||
  value === "" ||
  (Array.isArray(value) && value.length === 0) ||
  (isRecord(value) && Object.keys(value).length === 0);

/**
 * A field with its sentence, from which docs/configuration.md, Pulumi.yaml and stack.schema.json are made.
 *
 * @param unset what happens without it. @default - its default is the answer, or it must be given
 */
export const says = <const Schema extends v.GenericSchema>(sentence: string, schema: Schema, unset?: string) =>
  v.pipe(schema, v.description(sentence), v.metadata({ unset }));

/**
 * Names that valibot passes over, wherever they come from; so marked, they are keys like any other:
 * https://github.com/fabian-hiller/valibot/blob/v1.5.0/library/src/utils/_isValidObjectKey/_isValidObjectKey.ts
 */
const marked = (key: string) => (/^(__proto__|prototype|constructor)$/.test(key) ? `\0${key}` : key);
/** A key as it stands in a stack. */
export const unmarked = (key: string) => key.replace(/^\0/, "");

/** A map with just these keys. Not `strictObject`, which takes a list for a map and names one unknown key only. */
export function map<const Entries extends v.ObjectEntries>(
  entries: Entries,
): v.GenericSchema<unknown, v.InferOutput<v.ObjectSchema<Entries, undefined>>> {
  const keys = Object.keys(entries);
  const emptied = keys.filter((key) => mayBeEmpty(entries[key] as v.GenericSchema));
  return v.pipe(
    v.custom<Record<string, unknown>>(isRecord, `a map with keys of ${keys.join(", ")}`),
    v.transform((given) =>
      Object.fromEntries([
        // A key that is not there would be told in the map's words, one that is undefined in its field's.
        ...keys.map((key) => [key, undefined]),
        ...Object.entries(given).map(([key, value]) => [
          marked(key),
          emptied.includes(key) && isEmpty(value) ? undefined : value,
        ]),
      ]),
    ),
    v.objectWithRest(entries, v.never(`a map with no other keys than ${keys.join(", ")}`)),
  );
}

/** Parts of valibot's schemas that say whether nothing is an answer. */
interface Emptiable {
  readonly type: string;
  readonly wrapped?: Emptiable;
  readonly pipe?: readonly Emptiable[];
  readonly options?: readonly unknown[];
}

/** Whether a field that is left empty is as one that is not set: not where an empty list would mean something else. */
export function mayBeEmpty(schema: v.GenericSchema): boolean {
  const { type, wrapped } = schema as Emptiable;
  return type === "optional" && wrapped !== undefined && !isFilled(wrapped);
}

const isFilled = ({ type, pipe = [], options = [] }: Emptiable): boolean =>
  [...pipe.slice(1), ...(type === "union" ? (options as Emptiable[]) : [])].some(
    (part) => part.type === "non_empty" || isFilled(part),
  );

/** A map that may be left out, because each of its keys may. */
export const section = <const Entries extends v.ObjectEntries>(entries: Entries) => v.optional(map(entries), {});

/**
 * A date of YAML's, which arrives as the text that Go writes of it; what stood in the file is lost.
 */
export const isDate = (value: unknown) =>
  typeof value === "string" && /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? [-+]\d{4} \S+$/.test(value);

/** A string that `ok` accepts; `allowed` completes the sentence "allowed: …". */
export const text = (allowed: string, ok: RegExp | ((value: string) => boolean)) =>
  v.pipe(
    v.string(allowed),
    ok instanceof RegExp ? v.regex(ok, allowed) : v.check(ok, allowed),
    v.check((value) => !isDate(value), allowed),
  );

/** What stands for a secret that cannot be read, as in what `pulumi config` prints. */
export const SEALED = "[secret]";

/** A text that must be stored as a secret. Tools see it sealed, and whether it is right only the program knows. */
export const secret = (allowed: string, ok: RegExp) =>
  v.pipe(v.optional(text(allowed, (value) => value === SEALED || ok.test(value))), v.metadata({ secret: true }));

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

/** RFC 1123 subdomain, what Kubernetes asks of Secrets and service accounts. */
export const kubernetesSubdomain = (what: string) =>
  text(
    `${what}: at most 253 lower-case letters, digits, "-" and ".", with a letter or digit at both ends of each part`,
    /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
  );

/** A DNS name, in small letters and without the dot of its end, neither of which means anything: RFC 1035, RFC 4343. */
export const hostName = (allowed: string) =>
  v.pipe(
    text(allowed, hostPattern),
    v.transform((name) => name.toLowerCase().replace(/\.$/, "")),
  );

export const email = (allowed: string) => text(allowed, emailAddress);

export const pem = text(
  "PEM, one or more -----BEGIN CERTIFICATE----- blocks",
  /^\s*(-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*)+$/,
);

/**
 * A path inside of Vault. None of what a policy or a URL reads in another way: `*` and `+`, quotes, braces, `?`, `#` and `%`, and
 * the names `.` and `..`: https://developer.hashicorp.com/vault/docs/concepts/policies#policy-syntax
 */
export const innerPath = (what: string) =>
  text(
    `${what} without slashes at its ends, and without spaces, control characters, *, +, ?, #, %, quotes, backslashes, braces, and parts that are . or ..`,
    /^(?!\S*\s)(?!\.{1,2}(\/|$))[!$&(),\-.0-9:->@-[\]-z|~\u00a1-\uffff]+(\/(?!\.{1,2}(\/|$))[!$&(),\-.0-9:->@-[\]-z|~\u00a1-\uffff]+)*$/,
  );
