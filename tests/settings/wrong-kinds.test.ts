import { describe, expect, it } from "vitest";
import { mayBeEmpty } from "../../settings/fields.ts";
import { fields } from "../../settings/schema.ts";
import { type Field, settings } from "../../workbench/docs/fields.ts";
import { mistakesIn, oke, smallest, withValue } from "./stacks.ts";

describe("a value of another kind gets a sentence that says what to write", () => {
  const number = "without quotes YAML reads it as a number: write it in quotes, as all of it stands in your file";
  const flag = "without quotes YAML reads it as yes or no: write it in quotes";
  const date = "2026-11-27 00:00:00 +0000 UTC";
  it.each<[key: string, value: unknown, advice: string]>([
    ["gateway.minTls", 1.2, number],
    ["charts.istio.version", 1.3, number],
    ["externalSecrets.namespace", 5, number],
    ["vault.role", true, flag],
    ["charts.certManager.version", date, 'without quotes YAML reads it as a date: write "2026-11-27", in quotes'],
    ["cluster.endpoint", date, 'without quotes YAML reads it as a date: write "2026-11-27", in quotes'],
    ["cluster.kubeconfig", date, 'without quotes YAML reads it as a date: write "2026-11-27", in quotes'],
    ["domain", date, 'without quotes YAML reads it as a date: write "2026-11-27", in quotes'],
    ["loadBalancer.maxMbps", "100", "write it without quotes"],
    ["loadBalancer.proxyProtocol", "2", "write it without quotes"],
    ["loadBalancer.internal", "yes", "write true, without quotes"],
    ["loadBalancer.internal", "Off", "write false, without quotes"],
    ["cluster", ["id"], "this is a list: write its keys without dashes"],
    ["acme", "staging", "write its keys on lines of their own, below it and indented"],
    ["charts.vault.values", [1], "this is a list: write its keys without dashes"],
    ["services", { name: "a" }, "this is a map: write each item with a dash before it"],
    ["loadBalancer.allowedCidrs", "10.0.0.0/8", "write a list, each item with a dash before it"],
    ["reflector.namespaces", "istio-system", "write a list, each item with a dash before it"],
    ["loadBalancer.allowedCidrs[0]", "203.0.113.7", "one address is 203.0.113.7/32"],
    ["loadBalancer.allowedCidrs[0]", "2001:db8::/32", "IPv6 is out: the load balancer has IPv4 alone"],
    ["domain", "bücher.example", "a name with other letters is written in punycode: xn--bcher-kva.example"],
    ["acme.email", "me@bücher.example", "a name with other letters is written in punycode: xn--bcher-kva.example"],
    ["vault.address", "https://robot:s3same@vault", "no user name and no password belong in an address"],
  ])("%s: %j", (key, value, advice) => {
    const listed = withValue(oke, "loadBalancer.allowedCidrs", []);
    const [line, ...others] = mistakesIn(withValue(key.endsWith("[0]") ? listed : oke, key, value));
    expect(others).toEqual([]);
    expect(line).toMatch(new RegExp(`^${key.replaceAll(/[[\].]/g, "\\$&")} is .*; allowed: .*; `));
    expect(line?.slice(-advice.length - 2)).toBe(`; ${advice}`);
  });

  it.each([5.5, 70_000])("and none where only the value is wrong: %j", (port) => {
    expect(mistakesIn({ ...oke, services: [{ name: "a", namespace: "b", port }] })).toEqual([
      `services[0].port is ${port}; allowed: a whole number from 1 to 65535`,
    ]);
  });
});

describe("what may be left out may be left empty, at any depth", () => {
  const all = (key: string, field: Field): [string, Field][] => [
    [key, field],
    ...(field.type.kind === "map"
      ? Object.entries(field.type.entries).flatMap(([name, it]) => all(`${key}.${name}`, it))
      : []),
  ];
  const every = Object.entries(settings).flatMap(([key, field]) => all(key, field));
  const optional = every.filter(([, { mayBeEmpty }]) => mayBeEmpty).map(([key]) => key);
  const blank = [null, "", [], {}];

  /** A map with no other key would be empty, too. */
  const rich = withValue(withValue(oke, "cluster.endpoint", "PUBLIC_ENDPOINT"), "vault.role", "reader");

  it.each(optional.filter((key) => key.includes(".")))("%s", (key) => {
    // Without it, the same as with nothing in its place.
    const base = withValue({ ...rich, ...(key.startsWith("vault.auth.secret.") ? smallest : {}) }, key, undefined);
    for (const nothing of blank)
      expect(mistakesIn(withValue(base, key, nothing)).map(withoutValue)).toEqual(mistakesIn(base).map(withoutValue));
  });

  /** A rule about a key that must be set shows what stands there. */
  const withoutValue = (line: string) => line.replace(/ is (missing|null|""|\[\]|\{\}|\{.*?\});/, " is;");

  it("but not a list where none would mean something else", () => {
    const filled = every.filter(([, { isRequired, mayBeEmpty }]) => !isRequired && !mayBeEmpty).map(([key]) => key);
    expect(filled).toEqual(["loadBalancer.allowedCidrs", "reflector.namespaces"]);
    expect(mistakesIn(withValue(oke, "loadBalancer.allowedCidrs", []))).toEqual([
      'loadBalancer.allowedCidrs is []; allowed: at least one CIDR; "0.0.0.0/0" is everybody',
    ]);
    expect(mistakesIn(withValue(oke, "loadBalancer.allowedCidrs", null))).toHaveLength(1);
  });

  it("and what must be given is refused empty", () => {
    for (const nothing of blank) {
      const line = mistakesIn({ ...oke, services: [{ name: "a", namespace: nothing, port: 80 }] });
      expect(line).toEqual([
        expect.stringMatching(/^services\[0\]\.namespace is .*; allowed: a namespace that exists/),
      ]);
    }
    expect(mayBeEmpty(fields.domain)).toBe(false);
  });
});

describe("names that JavaScript knows", () => {
  const names = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"];
  // As text: a literal with __proto__ has no such key.
  const keyed = (name: string) => JSON.parse(`{${JSON.stringify(name)}: {"x": 1}}`) as object;

  it.each(names)("are mistakes like any unknown key: %s", (name) => {
    for (const [place, stack] of [
      ["", { ...oke, ...keyed(name) }],
      ["gateway.", { ...oke, gateway: keyed(name) }],
      ["charts.istio.values.", { ...oke, charts: { istio: { values: keyed(name) } } }],
      [
        "services[0].",
        { ...oke, services: [{ name: "a", namespace: "b", port: 80, ...JSON.parse(JSON.stringify(keyed(name))) }] },
      ],
    ] as const) {
      const config = place === "" ? Object.fromEntries([...Object.entries(oke), [name, { x: 1 }]]) : stack;
      expect(mistakesIn(config)).toEqual([
        expect.stringMatching(new RegExp(`^${(place + name).replaceAll(/[[\].]/g, "\\$&")} is no setting; allowed: `)),
      ]);
    }
  });

  it("are harmless as names", () => {
    const services = [{ name: "constructor", namespace: "constructor", service: "constructor", port: 80 }];
    expect(mistakesIn({ ...oke, services, reflector: { namespaces: ["constructor"] } })).toEqual([]);
    for (const name of names)
      expect(mistakesIn(withValue(withValue(oke, "vault.path", name), "vault.mount", `kv/${name}`))).toEqual([]);
  });
});
