import { expect, it } from "vitest";
import { SEALED } from "../../settings/fields.ts";
import { fields, secretKeys, textKeys } from "../../settings/schema.ts";
import { mistakesIn, oke } from "./stacks.ts";

it("knows which settings are text, and which must be secrets", () => {
  expect(textKeys).toEqual(["domain", "baseDomain", "size", "acmeEabHmacKey", "cloudflareApiToken", "chartsPassword"]);
  expect(secretKeys).toEqual(["acmeEabHmacKey", "cloudflareApiToken", "chartsPassword"]);
});

it.each([
  ["acmeEabHmacKey", { acme: { email: "a@b.example", server: "https://acme.example/dir", eab: { keyId: "k" } } }],
  ["cloudflareApiToken", { cloudflare: { token: "supplied" } }],
  ["chartsPassword", { charts: { mirror: "oci://registry.example/charts", username: "robot" } }],
] as const)("takes a secret that cannot be read here: %s", (key, changes) => {
  expect(secretKeys).toContain(key);
  expect(mistakesIn({ ...oke, ...changes, [key]: SEALED }, [key])).toEqual([]);
});

it("names all settings where one is unknown", () => {
  expect(mistakesIn({ ...oke, colour: "red" })).toEqual([
    `colour is no setting; allowed: a map with no other keys than ${Object.keys(fields).join(", ")}`,
  ]);
});

it.each(["toString", "1"])("takes the key %s for no setting, also without a value", (key) => {
  for (const value of ["x"])
    expect(mistakesIn({ ...oke, [key]: value })).toEqual([expect.stringContaining(`${key} is no setting`)]);
});
