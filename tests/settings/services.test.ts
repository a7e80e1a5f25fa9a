import { describe, expect, it } from "vitest";
import { aLabel, itJudges, itRefuses, LONGEST_LABEL, type Raw, settingsOf } from "./stacks.ts";

const vault = { name: "vault", namespace: "vault", port: 8200 };
const serving = (...services: object[]) => ({ services: services.map((changes) => ({ ...vault, ...changes })) });
const aName = 'at most 60 lower-case letters, digits and "-", with a letter or digit at both ends';
const aMap = "a map with keys of name, namespace, service, port, protocol, timeoutSeconds, host";
const aZone = "a DNS zone such as example.com: no wildcard, no scheme, no path";
const covered = "cluster.example.com or one label below it: the certificate covers nothing else";
const ownHost = "a host that no other service has; services[0] has it already";
const ownName = "a name that no other service of the namespace has; services[0] has it already";
const otherZone = 'domain is "example"; allowed: ';

describe("the services", () => {
  itJudges(
    [
      ["services", "a list of services", [{ vault: {} }, "vault"], [undefined, []]],
      ["services[0]", aMap, ["vault", 5, []], []],
      // Longer it would do as a label, but "-vs" is added to it. With a dot its host would be two labels below the base domain.
      ["services[0].name", aName, ["-a", "a.b", "A", "a".repeat(61), undefined], ["a", "a".repeat(60)]],
      ["services[0].namespace", `a namespace that exists: ${aLabel}`, ["Vault_NS", undefined], [LONGEST_LABEL]],
      ["services[0].service", `the name of a Service: ${aLabel}`, ["a.b"], [undefined, LONGEST_LABEL]],
      ["services[0].port", "a whole number from 1 to 65535", [0, 65_536, "80", undefined], [1, 65_535]],
      ["services[0].protocol", '"http" or "https" or "h2c"', ["HTTPS", "grpc", 2], [undefined, "https", "h2c"]],
      [
        "services[0].timeoutSeconds",
        "a whole number from 1 to 86400 (seconds)",
        [0, "30s", 1.5],
        [undefined, 1, 86_400],
      ],
      [
        "services[0].host",
        "a host name such as vault.cluster.example.com",
        ["*.cluster.example.com", "vault_.cluster.example.com", 5],
        [undefined, "cluster.example.com", "a.cluster.example.com"],
      ],
      [
        "services[0].host",
        covered,
        ["vault.example.org", "vault.example.com", "a.b.cluster.example.com", "xcluster.example.com"],
        [],
      ],
    ],
    serving({}),
  );

  itRefuses([
    [
      "empty ones",
      { services: [{}, {}] },
      ...[0, 1].flatMap((index) => [
        `services[${index}].name is missing; allowed: ${aName}`,
        `services[${index}].namespace is missing; allowed: a namespace that exists: ${aLabel}`,
        `services[${index}].port is missing; allowed: a whole number from 1 to 65535`,
      ]),
    ],
    [
      "an unknown key",
      serving({ prot: 80 }),
      "services[0].prot is no setting; allowed: a map with no other keys than name, namespace, service, port, protocol, timeoutSeconds, host",
    ],
    [
      "two with one host by default",
      serving({}, { namespace: "other" }),
      `services[1].host is "vault.cluster.example.com"; allowed: ${ownHost}`,
    ],
    [
      "two with one host by hand",
      serving({ host: "a.cluster.example.com" }, { name: "b", host: "a.cluster.example.com" }),
      `services[1].host is "a.cluster.example.com"; allowed: ${ownHost}`,
    ],
    [
      "two with one host, by default and by hand",
      serving({}, { name: "b", host: "vault.cluster.example.com" }),
      `services[1].host is "vault.cluster.example.com"; allowed: ${ownHost}`,
    ],
    [
      "two with one namespace and name",
      serving({}, { host: "a.cluster.example.com" }),
      `services[1].name is "vault"; allowed: ${ownName}`,
    ],
    [
      "two that speak to one port in two ways",
      serving({ protocol: "https" }, { name: "b", service: "vault", protocol: "h2c" }),
      'services[1].protocol is "h2c"; allowed: "https", which services[0] says of the same port',
    ],
    [
      "two that speak to one port in two ways, one of them by default",
      serving({ protocol: "https" }, { name: "b", service: "vault" }),
      'services[1].protocol is "http"; allowed: "https", which services[0] says of the same port',
    ],
    [
      "a wrong protocol alone, and not what another says of the same port",
      serving({ protocol: "HTTPS" }, { name: "b", service: "vault" }),
      'services[0].protocol is "HTTPS"; allowed: "http" or "https" or "h2c"',
    ],
    ...["name", "namespace", "service", "port"].map((field): [string, Raw, string] => [
      `as ${field} a map of which JavaScript can make no text`,
      serving({ [field]: { toString: 1 }, host: "vault.cluster.example.com" }),
      expect.stringMatching(`^services\\[0\\]\\.${field} is {"toString":1}; allowed: `),
    ]),
    [
      "a protocol for the Vault that is installed here",
      { vault: { install: true }, ...serving({ protocol: "https" }) },
      'services[0].protocol is "https"; allowed: nothing for the Vault that is installed here, to which the program leads the gateway itself; remove it',
    ],
    // They have one host as well, but only because they have one name.
    ["the same one twice, once", serving({}, {}), `services[1].name is "vault"; allowed: ${ownName}`],
    [
      "a host that a third has as well as a second, where the second's comes of a wrong name",
      serving({ host: "a.cluster.example.com" }, {}, { namespace: "other" }),
      `services[1].name is "vault"; allowed: ${ownName}`,
    ],
    [
      "only the zone when hosts would be judged by a wrong one",
      { domain: "example", ...serving({ host: "vault.cluster.example.org" }) },
      `${otherZone}${aZone}`,
    ],
    [
      "two with one host even below a wrong zone",
      { domain: "example", ...serving({}, { namespace: "other" }) },
      `${otherZone}${aZone}`,
      `services[1].host is "vault.<baseDomain>"; allowed: ${ownHost}`,
    ],
    [
      "a host beside a base domain of its own, even below a wrong zone",
      { domain: "example", baseDomain: "apps.example.com", ...serving({ host: "vault.example.com" }) },
      `${otherZone}${aZone}`,
      'services[0].host is "vault.example.com"; allowed: apps.example.com or one label below it: the certificate covers nothing else',
    ],
  ]);

  const argocd = {
    name: "argocd",
    namespace: "vault",
    service: "argocd-server",
    port: 80,
    protocol: "h2c",
    timeoutSeconds: 30,
    host: "cluster.example.com",
  };
  it.each<[what: string, changes: Raw, made: object[]]>([
    ["none", {}, []],
    [
      "all by default, and all by hand",
      serving({}, argocd),
      [{ ...vault, service: "vault", protocol: "http", host: "vault.cluster.example.com" }, argocd],
    ],
    [
      "one name in two namespaces with two hosts",
      serving({}, { namespace: "other", host: "other.cluster.example.com" }),
      [
        { ...vault, service: "vault", protocol: "http", host: "vault.cluster.example.com" },
        { ...vault, namespace: "other", service: "vault", protocol: "http", host: "other.cluster.example.com" },
      ],
    ],
    [
      "another base domain",
      { baseDomain: "example.com", ...serving({}) },
      [{ ...vault, service: "vault", protocol: "http", host: "vault.example.com" }],
    ],
  ])("are made of %s", (_what, changes, made) => {
    expect(settingsOf(changes).services).toEqual(made);
  });
});
