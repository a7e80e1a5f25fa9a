import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { projectDirectory } from "../../project/stack.ts";
import { schema, secretKeys, textKeys } from "../../settings/schema.ts";
import { type Field, settings } from "../../workbench/docs/fields.ts";
import { ids, PEM, type Raw, withValue } from "../settings/stacks.ts";

const accepts = new Ajv({ allowUnionTypes: true }).compile(
  JSON.parse(readFileSync(join(projectDirectory, "stack.schema.json"), "utf8")),
);
const fileOf = (raw: Raw) => ({
  config: Object.fromEntries(Object.entries(raw).map(([key, value]) => [`oke-platform:${key}`, value])),
});
const stacks = readdirSync(projectDirectory).filter((file) => /^Pulumi\..+\.yaml$/.test(file));

/** A stack with something in every map and list, so that each key can be changed. */
const full: Raw = {
  domain: "example.com",
  cluster: { id: ids.cluster },
  acme: { email: "platform@example.com", eab: { keyId: "kid-1" } },
  loadBalancer: {
    compartmentId: ids.compartment,
    rules: "SL-All",
    allowedCidrs: ["10.0.0.0/8"],
    additionalNsgIds: [ids.nodeNsg],
    nodeNsgIds: [ids.nodeNsg],
  },
  vault: {
    address: "https://vault.example.com",
    audiences: ["vault"],
    auth: { secret: { name: "a", namespace: "b", key: "c" } },
  },
  reflector: { namespaces: ["apps"] },
  charts: { istio: { values: { base: {} } } },
  services: [{ name: "vault", namespace: "vault", port: 8200 }],
  tenancy: { routes: ["apps"], certificates: ["apps"], secrets: ["apps"] },
};

/** Every key, with those of the first of each list. */
function below(key: string, field: Field): [key: string, field: Field][] {
  const { type } = field;
  if (type.kind === "map")
    return [[key, field], ...Object.entries(type.entries).flatMap(([name, it]) => below(`${key}.${name}`, it))];
  if (type.kind === "list") return [[key, field], ...below(`${key}[0]`, type.item)];
  const lists = type.kind === "either" ? type.options.filter((option) => option.type.kind === "list") : [];
  return [[key, field], ...lists.flatMap((list) => below(key, list).slice(1))];
}
const every = Object.entries(settings)
  .filter(([key]) => !secretKeys.includes(key))
  .flatMap(([key, field]) => below(key, field));

/** Values of all types, on both sides of every limit. */
const pool: unknown[] = [
  ...[null, true, false, {}, [], [[]], [null], { unheardOf: 1 }, { values: [] }, 10.5, -1, 0, 1, 2, 3],
  ...[10, 60, 100, 1000, 3600, 3650, 7200, 8192, 65_535, 86_400, 600_000, 1_000_000, 1_800_000].flatMap((limit) => [
    limit - 1,
    limit,
    limit + 1,
  ]),
  ...["text", "Text", "two words", "", "a/b", "/a", "a--", "a.b", "1.2", "1.31.4", "v1.x", "all", "cert-manager"],
  ...["small", "None", "scoped", "ca", "managed", "appRole", "LoadBalancer", "Local", "PRIVATE_ENDPOINT", "true", "10"],
  ...[
    "a".repeat(60),
    "a".repeat(61),
    "a".repeat(63),
    "a".repeat(64),
    "https://example.com",
    "oci://x",
    "./charts",
    PEM,
  ],
  ...Object.values(ids),
  ...[["apps"], ["cert-manager"], ["10.0.0.0/8", "10.0.0.0/8"], [ids.nodeNsg, ids.nodeNsg], [ids.nodeNsg], [5]],
];

/** Formats that the schema leaves to the parser: they are more than an expression can say. */
function isFormat(value: unknown, { type }: Field): boolean {
  if (type.kind === "list") return Array.isArray(value) && value.some((item) => isFormat(item, type.item));
  return typeof value === "string" && type.kind === "text" && type.pattern === undefined && type.not === undefined;
}

/** An empty top-level value is as if it were not set, which is before its field is asked. */
const isUnset = (key: string, value: unknown) =>
  key in settings && ["", "[]", "{}"].includes(JSON.stringify(value).replaceAll('"', ""));

describe("the schema for a stack's file", () => {
  it.each(stacks)("accepts %s, which names it in its first line", (file) => {
    const source = readFileSync(join(projectDirectory, file), "utf8");
    expect(source.split("\n")[0]).toBe("# yaml-language-server: $schema=./stack.schema.json");
    expect([accepts(parse(source)), accepts.errors]).toEqual([true, null]);
  });

  it("accepts the stack that the others are made of", () => {
    expect(v.safeParse(schema, full).issues).toBeUndefined();
    expect(accepts(fileOf(full))).toBe(true);
  });

  it.each(every)("says of %s what its field says", (key, field) => {
    for (const value of pool) {
      const raw = withValue(full, key, value);
      const sound = v.safeParse(schema, raw).success;
      if (isFormat(value, field) || isUnset(key, value)) continue;
      expect({ key, value, accepted: accepts(fileOf(raw)) }).toEqual({ key, value, accepted: sound });
    }
  });

  it.each(every)(
    "refuses an unknown key in %s, and that it is missing where it must be there",
    (key, { type, isRequired }) => {
      if (type.kind === "map") expect(accepts(fileOf(withValue(full, `${key}.unheardOf`, 1)))).toBe(false);
      if (key.endsWith("]")) return;
      const without = JSON.parse(JSON.stringify(withValue(full, key, undefined)));
      // Where it is all that a map has, nothing is left, which is as if the map were not set.
      const parent = key.slice(0, key.lastIndexOf(".") + 1);
      const isAlone = parent !== "" && every.filter(([other]) => other.startsWith(parent)).length === 1;
      expect(accepts(fileOf(without))).toBe(!isRequired || isAlone);
    },
  );

  it.each(every)("accepts a placeholder and a secret in the place of %s", (key, { type }) => {
    for (const value of ["<yours>", { secure: "AAAB" }])
      expect(accepts(fileOf(withValue(full, key, value)))).toBe(true);
    expect(accepts(fileOf(withValue(full, key, { secure: 5 })))).toBe(type.kind === "values");
  });

  it("accepts a token that is a secret, and none in clear", () => {
    expect(accepts(fileOf({ ...full, cloudflareApiToken: { secure: "AAAB" } }))).toBe(true);
    expect(accepts(fileOf({ ...full, cloudflareApiToken: "s3same" }))).toBe(false);
  });

  it.each(Object.keys(settings))(
    "accepts %s as pulumi config set writes it, and empty where it may be left out",
    (key) => {
      const isText = textKeys.includes(key);
      expect(accepts(fileOf({ ...full, [key]: '{"a": 1}' }))).toBe(!isText);
      for (const empty of ["", [], {}])
        if (settings[key]?.isRequired === false) expect(accepts(fileOf({ ...full, [key]: empty }))).toBe(true);
    },
  );

  it("asks for what is required where no environment may have it", () => {
    expect(accepts({})).toBe(false);
    expect(accepts({ config: { "oke-platform:domain": "example.com" } })).toBe(false);
    expect(accepts({ environment: ["prod"] })).toBe(true);
    expect(accepts({ environment: ["prod"], config: { "oke-platform:domain": "example" } })).toBe(false);
  });

  it("leaves alone what is not this project's", () => {
    const { config } = fileOf(full);
    const rest = { encryptionsalt: "v1:a", secretsprovider: "passphrase", encryptedkey: "a" };
    expect(accepts({ ...rest, config: { ...config, "oci:region": "eu-frankfurt-1", "oke-platform2:a": 1 } })).toBe(
      true,
    );
    expect(accepts({ config: { ...config, "oke-platform:colour": "red" } })).toBe(false);
    expect(accepts({ config: { ...config, "oke-platform:domain2": "red" } })).toBe(false);
  });
});
