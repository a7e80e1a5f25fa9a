import * as v from "valibot";
import { isRecord, says } from "./fields.ts";
import type { Rule } from "./rule.ts";

// Limits and characters: https://docs.oracle.com/iaas/Content/Tagging/Concepts/taggingoverview.htm

const MOST_FREEFORM = 10;
const MOST_DEFINED = 64;

/** A defined tag's namespace and key; neither holds a dot or a space. */
const NAME = /^[^\s.]{1,100}$/;

const VALUE = "text of at most 256 characters, in quotes where it looks like a number";
const value = v.pipe(v.string(VALUE), v.maxLength(256, VALUE));

const FREEFORM = "a map of keys, at most 100 characters, to text";
const DEFINED = 'a map of tag namespaces to maps of keys to text, such as { Operations: { CostCenter: "42" } }';
const BY_NAME = "names of at most 100 characters without dots and spaces";

const UNSEEN = /^(__proto__|prototype|constructor)$/;

/** Of a map, and not of a list, which valibot takes for one. */
const mapOf = <const Value extends v.GenericSchema>(name: v.GenericSchema<string>, of: Value, allowed: string) =>
  v.pipe(
    v.custom<Record<string, unknown>>(isRecord, allowed),
    // Names that valibot would pass over: what is not seen is not made.
    v.check(
      (given) => !Object.keys(given).some((key) => UNSEEN.test(key)),
      `${allowed}, and no key __proto__, prototype or constructor`,
    ),
    v.record(name, of, allowed),
  );

const WHERE =
  "what this program makes at OCI, the reserved IP, the NSG and what unseals an installed Vault (its KMS vault and key), and, when it is made, of the load balancer";

export const freeformTags = says(
  `Free-form tags of ${WHERE}.`,
  v.optional(
    v.pipe(
      mapOf(v.pipe(v.string(), v.regex(/^.{1,100}$/, FREEFORM)), value, FREEFORM),
      v.check((tags) => Object.keys(tags).length <= MOST_FREEFORM, `at most ${MOST_FREEFORM} free-form tags`),
    ),
    {},
  ),
  "none",
);

export const definedTags = says(
  `Defined tags, by namespace and key, of ${WHERE}. Tags that OCI adds itself come back as a change unless the run ignores them: pulumi config set --path 'oci:ignoreDefinedTags[0]' Oracle-Tags.CreatedBy.`,
  v.optional(
    v.pipe(
      mapOf(
        v.pipe(v.string(), v.regex(NAME, BY_NAME)),
        mapOf(v.pipe(v.string(), v.regex(NAME, BY_NAME)), value, DEFINED),
        DEFINED,
      ),
      v.check(
        (tags) => Object.values(tags).flatMap(Object.keys).length <= MOST_DEFINED,
        `at most ${MOST_DEFINED} defined tags`,
      ),
    ),
    {},
  ),
  "none",
);

/** Tags of what is made at OCI. */
export interface TagsSettings {
  readonly freeformTags: Readonly<Record<string, string>>;
  /** By namespace and key. */
  readonly definedTags: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** The tags alone, of all that a stack says. */
export const tagsOf = ({ freeformTags, definedTags }: TagsSettings): TagsSettings => ({ freeformTags, definedTags });

const needsOci = (key: keyof TagsSettings): Rule<TagsSettings & { readonly loadBalancer?: unknown }> => ({
  key,
  reads: ["loadBalancer"],
  when: ({ loadBalancer, [key]: tags }) => loadBalancer === undefined && Object.keys(tags).length > 0,
  allowed: "nothing without loadBalancer: nothing is made at OCI; remove it",
});

export const tagsRules = [needsOci("freeformTags"), needsOci("definedTags")];
