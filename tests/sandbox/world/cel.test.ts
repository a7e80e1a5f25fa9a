import { describe, expect, it } from "vitest";
import { evaluate } from "../../../sandbox/world/cel.ts";

// What CEL makes of an expression: https://github.com/google/cel-spec/blob/master/doc/langdef.md

const scope = {
  object: { metadata: { name: "web" }, spec: { hosts: ["a.example.com", "B.example.com."], on: true, off: false } },
  other: { metadata: { name: "web" } },
  table: { "a.example.com": "apps" },
  nothing: null,
};

describe("an expression", () => {
  it.each<[source: string, value: unknown]>([
    ['"a" + "b" == "ab"', true],
    ['"it\'s" + \' \\"x\\"\'', 'it\'s "x"'],
    ["1 == 1 && 2 != 1 || false", true],
    ["false && nowhere", false],
    ["true || nowhere", true],
    ['!object.spec.off && "x" in ["x", "y"]', true],
    ['"web" in table || "a.example.com" in table', true],
    ["(true || false) && false", false],
    ["true || true && false", true],
    ['object.spec.on ? "yes" : nowhere', "yes"],
    ['object.spec.off ? nowhere : object.spec.on ? "b" : "c"', "b"],
    ['table["a.example.com"]', "apps"],
    ['object.spec.hosts[0].startsWith("a.") && object.spec.hosts[0].endsWith(".com")', true],
    ['object.spec.hosts.map(host, host.lowerAscii()).filter(host, host.startsWith("b"))', ["b.example.com."]],
    ['object.spec.hosts.exists(host, host.endsWith("."))', true],
    ['object.spec.hosts.exists(host, host == "x")', false],
    ['"abc.".substring(0, "abc.".size() - 1) + "abc".substring(2)', "abcc"],
    ["object.spec.hosts.size() == 2", true],
    ['object.?spec.?gateways.orValue(["mesh"])', ["mesh"]],
    ["object.?spec.?hosts.orValue([]).size()", 2],
    ['nothing.?spec.orValue("none")', "none"],
    ['table[?"a.example.com"].orValue("")', "apps"],
    ['table[?"x"].or(table[?"a.example.com"]).orValue("")', "apps"],
    ['{"x": "y"}[?"z"].or({}[?"z"]).orValue("")', ""],
    ["object.?spec == other.?spec", false],
    ["object.?metadata == other.?metadata", true],
    ["object.?x == other.?x", true],
    ['{"a": [1, 2], "b": null} == {"b": null, "a": [1, 2]}', true],
    ["[1, 2] == [2, 1]", false],
    ["nothing == null", true],
    ["\n  true &&\n  !false\n", true],
  ])("%s", (source, value) => {
    expect(evaluate(source, scope)).toEqual(value);
  });

  it.each([
    ["object.spec.gateways", "CEL: no such key: gateways"],
    ["nowhere", "CEL: no such key: nowhere"],
    ['1 + "a"', "CEL: no such overload: +"],
    ["object.spec.exists(x, true)", "CEL: exists of what is no list"],
  ])("that comes to an error: %s", (source, error) => {
    expect(() => evaluate(source, scope)).toThrow(error);
  });

  it.each([
    ['"a".matches("b")', "CEL: matches is not known here"],
    ["1 @ 2", "CEL: @ 2 is not understood"],
    ["(1", "CEL: ) is missing before the end"],
    ["1 2", "CEL: 2 comes too much"],
    ["1 +", "CEL: it ends too early"],
    ["* 1", "CEL: * 1 is not understood"],
  ])("that is not understood: %s", (source, error) => {
    expect(() => evaluate(source, scope)).toThrow(error);
  });
});
