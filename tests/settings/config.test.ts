import { describe, expect, it } from "vitest";
import { valuesOf } from "../../settings/config.ts";

const parsed = (key: string, value: string) => valuesOf({ values: { [key]: value }, secrets: [] });

describe("the values of a stack", () => {
  it.each([
    ["a map", "oke-platform:acme", '{"server":"ca"}', { acme: { server: "ca" } }],
    ["a list", "oke-platform:services", "[]", { services: [] }],
    ["text where JSON is wanted, for its rule to name", "oke-platform:acme", "s3 same", { acme: "s3 same" }],
    ["half of a map, likewise", "oke-platform:acme", '{"server', { acme: '{"server' }],
    ["what a secret leaves", "oke-platform:acme", "[secret]", { acme: "[secret]" }],
    ["null", "oke-platform:vault", "null", { vault: null }],
    ["nothing", "oke-platform:vault", "", { vault: "" }],
    // What looks like JSON is none here.
    ["text", "oke-platform:domain", "123", { domain: "123" }],
    ["a size", "oke-platform:size", "true", { size: "true" }],
    ["a token", "oke-platform:cloudflareApiToken", "[1]", { cloudflareApiToken: "[1]" }],
    ["a base domain", "oke-platform:baseDomain", "{}", { baseDomain: "{}" }],
    ["an unknown key", "oke-platform:colour", "[1]", { colour: [1] }],
    ["a provider's key", "oci:region", "eu-frankfurt-1", {}],
    ["a key of a project whose name begins like ours", "oke-platform2:size", "small", {}],
  ])("are read: %s", (_what, key, value, values) => {
    expect(parsed(key, value)).toEqual(values);
  });

  it("may have a key that objects inherit", () => {
    expect(Object.entries(parsed("oke-platform:__proto__", "[1]"))).toEqual([["__proto__", [1]]]);
  });
});
