import { describe, expect, it } from "vitest";
import { elsewhere, itJudges, itRefuses, settingsOf } from "./stacks.ts";

const FREEFORM = "a map of keys, at most 100 characters, to text";
const DEFINED = 'a map of tag namespaces to maps of keys to text, such as { Operations: { CostCenter: "42" } }';
const VALUE = "text of at most 256 characters, in quotes where it looks like a number";
const NAMES = "names of at most 100 characters without dots and spaces";
const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`key-${at}`, "x"]));

describe("tags", () => {
  itJudges([
    ["freeformTags", FREEFORM, ["team=web", ["team"], 5], [undefined, {}, { team: "web", "cost center": "" }]],
    ["freeformTags.team", VALUE, [42, true, null, "x".repeat(257)], ["42", "x".repeat(256)]],
    ["freeformTags", "at most 10 free-form tags", [many(11)], [many(10)]],
    [
      "definedTags",
      DEFINED,
      ["Operations.CostCenter=42", ["x"]],
      [undefined, {}, { Operations: { CostCenter: "42" } }],
    ],
    ["definedTags.Operations", DEFINED, ["42", ["x"]], [{ CostCenter: "42" }]],
    ["definedTags.Operations.CostCenter", VALUE, [42], ["42"]],
    ["definedTags", "at most 64 defined tags", [{ A: many(33), B: many(32) }], [{ A: many(32), B: many(32) }]],
  ]);

  itRefuses([
    [
      "a defined tag in the dotted form of Pulumi's provider",
      { definedTags: { "Operations.CostCenter": { x: "42" } } },
      `definedTags["Operations.CostCenter"] is "Operations.CostCenter"; allowed: ${NAMES}`,
    ],
    [
      "any without OCI",
      { ...elsewhere, freeformTags: { team: "web" }, definedTags: { A: { B: "c" } } },
      'definedTags is {"A":{"B":"c"}}; allowed: nothing without loadBalancer: nothing is made at OCI; remove it',
      'freeformTags is {"team":"web"}; allowed: nothing without loadBalancer: nothing is made at OCI; remove it',
    ],
  ]);

  const tags = { freeformTags: { team: "web" }, definedTags: { Operations: { CostCenter: "42" } } };

  it("are the load balancer's, and those of a key that is made for Vault", () => {
    expect(settingsOf(tags).loadBalancer?.tags).toEqual(tags);
    const { vault } = settingsOf({ ...tags, size: "production", vault: { install: true } });
    expect(vault).toMatchObject({ seal: { tags } });
  });
});
