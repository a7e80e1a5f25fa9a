import { expect, it } from "vitest";
import type { Registration } from "../../../project/record.ts";
import { changesBetween } from "../../../tools/diff/compare.ts";
import { registrationOf } from "./registration.ts";

const unheard = (inputs: Registration["inputs"], more: Partial<Registration> = {}) =>
  registrationOf("something", "acme:index/unheard:Unheard", inputs, more);

/** What becomes of one resource, and its fields. */
const between = (before: Registration[], after: Registration[]) =>
  changesBetween(before, after).map(({ what, fields }) => [what, ...fields]);

it("tells the fields of any type, however deep, and nothing that is the same in another order", () => {
  const [before, after] = ["1h", "2h"].map((every) => unheard({ deep: [{ "a.b": every, same: 1 }] }));
  expect(between(before ? [before] : [], after ? [after] : [])).toEqual([
    ["changed", { path: 'deep[0]["a.b"]', before: "1h", after: "2h" }],
  ]);
  expect(between([unheard({ a: 1, b: { c: 2, d: 3 } })], [unheard({ b: { d: 3, c: 2 }, a: 1 })])).toEqual([]);
});

it("tells a list of plain values as a whole, and a map that comes with all of its parts", () => {
  expect(between([unheard({ hosts: ["a", "b"] })], [unheard({ hosts: ["a", "c"], at: { x: 1 } })])).toEqual([
    [
      "changed",
      { path: "hosts", before: ["a", "b"], after: ["a", "c"] },
      { path: "at.x", before: undefined, after: 1 },
    ],
  ]);
});

it("tells what comes, what goes, and what another object takes the place of", () => {
  const record = (inputs: Registration["inputs"]) =>
    registrationOf("r", "cloudflare:index/dnsRecord:DnsRecord", inputs);
  expect(between([], [unheard({ a: 1 })])).toEqual([["added", { path: "a", before: undefined, after: 1 }]]);
  expect(between([unheard({ a: 1 })], [])).toEqual([["removed", { path: "a", before: 1, after: undefined }]]);
  expect(between([record({ name: "a", ttl: 1 })], [record({ name: "a", ttl: 2 })])[0]?.[0]).toBe("changed");
  expect(between([record({ name: "a", ttl: 1 })], [record({ name: "b", ttl: 1 })])[0]?.[0]).toBe("replaced");
});

it("leaves out what Pulumi is told to leave alone, and tells of options and order", () => {
  const options = { ...unheard({}).options, ignoreChanges: ["until"] };
  expect(between([unheard({ until: 1 }, { options })], [unheard({ until: 2 }, { options })])).toEqual([]);
  const [first, second] = ["first", "second"].map((name) => `urn:pulumi:prod::oke-platform::a:b:C::${name}`);
  const before = unheard({}, { dependsOn: [first ?? ""], options: { ...options, retainOnDelete: true } });
  const after = unheard({}, { dataDependsOn: [second ?? ""], options });
  expect(between([before], [after])).toEqual([
    [
      "changed",
      { path: "options.retainOnDelete", before: true, after: undefined },
      { path: "after first", before: true, after: undefined },
      { path: "with values of second", before: undefined, after: true },
    ],
  ]);
});
