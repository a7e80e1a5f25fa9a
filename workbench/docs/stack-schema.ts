import { PROJECT } from "../../settings/config.ts";
import { textKeys } from "../../settings/schema.ts";
import { type Field, settings, type Type } from "./fields.ts";

/** A JSON schema, https://json-schema.org/draft-07: what editors check a stack's file with. */
type Schema = Readonly<Record<string, unknown>>;

const definitions = {
  stand_in: {
    description: "A value of the shipped examples that waits for your own, or a secret.",
    anyOf: [
      { type: "string", pattern: "^<[^<>]+>$" },
      { type: "object", properties: { secure: { type: "string" } }, required: ["secure"], additionalProperties: false },
    ],
  },
  json: {
    description: "The same as JSON in text, as pulumi config set writes it.",
    type: "string",
    pattern: "^\\s*[\\[{]",
  },
  nothing: {
    description: "Nothing, which is as if it were not set.",
    type: ["string", "array", "object", "null"],
    maxLength: 0,
    maxItems: 0,
    maxProperties: 0,
  },
};
const reference = (name: keyof typeof definitions) => ({ $ref: `#/definitions/${name}` });

const keys = Object.entries(settings).map(([name, field]) => [name, `${PROJECT}:${name}`, field] as const);

/** What editors check a stack's file with. What a rule over several keys says is left to the preview. */
export const stackSchema: Schema = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: `A stack of ${PROJECT}`,
  type: "object",
  properties: {
    config: {
      type: "object",
      properties: Object.fromEntries(
        keys.map(([name, key, field]) => [
          key,
          schemaOf(field, ...(textKeys.includes(name) ? [] : [reference("json")])),
        ]),
      ),
      patternProperties: { [`^${PROJECT}:(?!(${keys.map(([name]) => name).join("|")})$)`]: false },
    },
  },
  // Values may come from the environments that a file imports.
  if: { not: { required: ["environment"] } },
  // biome-ignore lint/suspicious/noThenProperty: JSON schema's own word.
  then: {
    required: ["config"],
    properties: {
      config: { type: "object", required: keys.filter(([, , { isRequired }]) => isRequired).map(([, key]) => key) },
    },
  },
  definitions,
};

/** A value, or what stands in for it anywhere. */
function schemaOf(field: Field, ...others: Schema[]): Schema {
  const { sentence, unset, byDefault, isSecret, type } = field;
  const words = [sentence, unset && `Without it: ${unset.replaceAll("`", "")}.`].filter((text) => text !== undefined);
  return {
    ...(words.length > 0 && { description: words.join(" ") }),
    ...(byDefault !== undefined && unset === undefined && type.kind !== "map" && { default: byDefault }),
    // A secret stands nowhere in clear.
    anyOf: [
      ...(isSecret ? [] : [checkOf(type)]),
      reference("stand_in"),
      ...(field.mayBeEmpty ? [reference("nothing")] : []),
      ...others,
    ],
  };
}

function checkOf(type: Type): Schema {
  switch (type.kind) {
    case "text":
      return {
        type: "string",
        ...(type.pattern !== undefined && { pattern: type.pattern }),
        ...(type.not !== undefined && { not: { const: type.not } }),
      };
    case "whole":
      return { type: "integer", minimum: type.min, maximum: type.max };
    case "choice":
      return { enum: type.values };
    case "flag":
      return { type: "boolean" };
    case "values":
      return { type: "object" };
    case "record":
      return { type: "object", additionalProperties: schemaOf(type.item) };
    case "either":
      return { anyOf: type.options.map((option) => checkOf(option.type)) };
    case "list":
      return {
        type: "array",
        items: schemaOf(type.item),
        ...(type.isFilled && { minItems: 1 }),
        ...(type.isOnce && { uniqueItems: true }),
      };
    case "map": {
      const entries = Object.entries(type.entries);
      const required = entries.filter(([, { isRequired }]) => isRequired).map(([key]) => key);
      return {
        type: "object",
        properties: Object.fromEntries(entries.map(([key, field]) => [key, schemaOf(field)])),
        ...(required.length > 0 && { required }),
        additionalProperties: false,
      };
    }
  }
}
