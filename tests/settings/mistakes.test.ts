import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fields, secretKeys } from "../../settings/schema.ts";
import { balanced, elsewhere, ids, itRefuses, mistakesIn, oke, PEM, type Raw, smallest, withValue } from "./stacks.ts";

// A failure prints its seed: FAST_CHECK_SEED=<seed> runs it again.
const seed = process.env.FAST_CHECK_SEED;
const parameters = seed === undefined ? {} : { seed: Number(seed) };

const keys = Object.keys(fields);
const placeholder = (value: string) => `still holds the placeholder ${value}; put your own value there`;
const marked =
  "is stored as a secret, but goes in clear into the cluster and the state; take the mark off, and keep what is secret in Vault or in a Secret of the cluster";
const noEmail =
  "acme.email is missing; allowed: an e-mail address such as platform@example.com; the ACME server asks for a contact";
const sizes = '"small" or "production"';

describe("mistakes", () => {
  it("come in one message, with nothing but what is required where nothing is set", () => {
    expect(mistakesIn({})).toEqual([
      noEmail,
      "cluster is missing; allowed: a map with keys of id, endpoint, context, kubeconfig",
      "domain is missing; allowed: a DNS zone such as example.com: no wildcard, no scheme, no path",
      'vault is missing; allowed: a map with address or install: true, required where a DNS token is kept; or set cloudflare.token to "none"',
    ]);
  });

  itRefuses([
    ["a placeholder", { domain: "<zone>" }, `domain ${placeholder("<zone>")}`],
    [
      "nested placeholders and those in lists",
      {
        cluster: { id: "<OKE cluster OCID>" },
        ...balanced({ allowedCidrs: ["10.0.0.0/8", "<office CIDR>"] }),
        reflector: { namespaces: ["<namespace>"] },
        charts: { istio: { values: { istiod: { global: { hubs: ["<registry>"] } } } } },
        services: [{ name: "<name>", namespace: "vault", port: 80, host: "<host>" }],
      },
      `charts.istio.values.istiod.global.hubs[0] ${placeholder("<registry>")}`,
      `cluster.id ${placeholder("<OKE cluster OCID>")}`,
      `loadBalancer.allowedCidrs[1] ${placeholder("<office CIDR>")}`,
      `reflector.namespaces[0] ${placeholder("<namespace>")}`,
      `services[0].host ${placeholder("<host>")}`,
      `services[0].name ${placeholder("<name>")}`,
    ],
    [
      "only a load balancer that is none, when what it decides would be judged by it",
      {
        loadBalancer: "x",
        gateway: { serviceType: "NodePort" },
        charts: { istio: { values: { gateway: { service: { type: "NodePort" } } } } },
      },
      'loadBalancer is "x"; allowed: a map with keys of compartmentId, vcnId, subnetId, minMbps, maxMbps, rules, nodeNsgIds, allowedCidrs, reservedIp, ownAddress, internal, additionalNsgIds, idleTimeoutSeconds, proxyProtocol, externalTrafficPolicy, healthCheckRetries, healthCheckTimeoutMs, healthCheckIntervalMs, alwaysFree; write its keys on lines of their own, below it and indented',
    ],
    [
      "a placeholder once, where a rule about its key comes later",
      {
        charts: {
          istio: {
            values: { gateway: { service: { annotations: { "oci.oraclecloud.com/load-balancer-type": "<type>" } } } },
          },
        },
      },
      `charts.istio.values.gateway.service.annotations["oci.oraclecloud.com/load-balancer-type"] ${placeholder("<type>")}`,
    ],
    [
      "a key with a space or a line break in it, on one line",
      { freeformTags: { "a b": 1, "c\nd": "x", "": "y" } },
      'freeformTags[""] is ""; allowed: a map of keys, at most 100 characters, to text',
      'freeformTags["a b"] is 1; allowed: text of at most 256 characters, in quotes where it looks like a number; without quotes YAML reads it as a number: write it in quotes, as all of it stands in your file',
      'freeformTags["c\\nd"] is "c\\nd"; allowed: a map of keys, at most 100 characters, to text',
    ],
    ["text with angle brackets inside as such", { size: "a<b>" }, `size is "a<b>"; allowed: ${sizes}`],
  ]);

  it.each(keys.filter((key) => !(key in smallest)))("take an empty %s as if it were not set", (key) => {
    for (const empty of [
      "",
      ...(["baseDomain", "size", "cloudflareApiToken", "chartsPassword", "acmeEabHmacKey"].includes(key)
        ? []
        : [[], {}]),
    ])
      expect(mistakesIn({ ...smallest, [key]: empty })).toEqual([]);
  });
});

describe("a value is shown", () => {
  it("whole with 100 characters, cut with more", () => {
    const shown = (length: number) => mistakesIn({ ...oke, size: "x".repeat(length) });
    expect(shown(98)).toEqual([`size is "${"x".repeat(98)}"; allowed: ${sizes}`]);
    expect(shown(99)).toEqual([`size is "${"x".repeat(99)}…; allowed: ${sizes}`]);
  });

  it("cut as a placeholder too", () => {
    expect(mistakesIn({ ...oke, size: `<${"x".repeat(100)}>` })).toEqual([
      `size ${placeholder(`<${"x".repeat(99)}…`)}`,
    ]);
  });

  const key = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n";
  const aBundle = "PEM, one or more -----BEGIN CERTIFICATE----- blocks";
  it.each<[what: string, at: string, value: unknown, line: string]>([
    ["in a certificate's place", "vault.caBundle", key, `vault.caBundle is [a private key]; allowed: ${aBundle}`],
    [
      "after certificates",
      "vault.caBundle",
      PEM.repeat(10) + key,
      `vault.caBundle is [a private key]; allowed: ${aBundle}`,
    ],
    [
      "somewhere in a value",
      "services",
      { tls: [key] },
      "services is [a private key]; allowed: a list of services; this is a map: write each item with a dash before it",
    ],
    ["like a placeholder", "domain", "<PRIVATE KEY AAAA>", `domain ${placeholder("[a private key]")}`],
  ])("never when it is a private key %s", (_what, at, value, line) => {
    expect(mistakesIn(withValue(oke, at, value))).toEqual([line]);
  });
});

describe("a setting that is stored as a secret", () => {
  it.each(keys.filter((key) => !secretKeys.includes(key)))("is refused, right or wrong: %s", (key) => {
    // With it, what follows from its absence would be told, too.
    for (const value of ["s3same", "<s3same>", "", { s3: "same" }, oke[key] ?? "x"])
      expect(mistakesIn({ ...oke, [key]: value }, [key])).toEqual([`${key} ${marked}`]);
  });

  it("is refused beside all other mistakes, and no value of it is shown", () => {
    const wrong = { ...oke, domain: "s3same.example", size: "large", services: [{ name: "a", namespace: "b" }] };
    expect(mistakesIn(wrong, ["domain", "acme"])).toEqual([
      `acme ${marked}`,
      `domain ${marked}`,
      "services[0].port is missing; allowed: a whole number from 1 to 65535",
      `size is "large"; allowed: ${sizes}`,
    ]);
  });

  it("is no setting where its key is unknown", () => {
    for (const value of ["s3same", "<s3same>", { s3: "<s3same>" }])
      expect(mistakesIn({ ...oke, colour: value }, ["colour"])).toEqual([
        `colour is no setting; allowed: a map with no other keys than ${keys.join(", ")}`,
      ]);
  });
});

describe("for any input", () => {
  const right: Raw = {
    ...oke,
    acme: { email: "platform@example.com", server: "production" },
    loadBalancer: {
      compartmentId: ids.compartment,
      rules: "None",
      vcnId: ids.vcn,
      nodeNsgIds: [ids.nodeNsg],
      internal: true,
      minMbps: 100,
      maxMbps: 1000,
    },
    services: ["vault", "argocd", "grafana"].map((name) => ({ name, namespace: "vault", port: 80 })),
  };

  it("each of several mistakes that do not depend on each other gets exactly one line", () => {
    const mistakes: [key: string, value: unknown][] = [
      ["colour", "red"],
      ["size", "large"],
      ["cloudflareApiToken", "s3same"],
      ["cluster.kubeconfig", "config"],
      ["acme.email", undefined],
      ["acme.propagationSeconds", 9],
      ["acme.caBundle", PEM],
      ["loadBalancer.vcnId", undefined],
      ["loadBalancer.nodeNsgIds", undefined],
      ["loadBalancer.minMbps", 1001],
      ["loadBalancer.reservedIp", ids.publicIp],
      ["loadBalancer.allowedCidrs[0]", "10.0.0.0/33"],
      ["vault.address", "<Vault address>"],
      ["vault.role", "a b"],
      ["vault.auth.roleId", "role"],
      ["vault.initialized", true],
      ["vault.kmsVaultId", ids.kmsVault],
      ["cloudflare.ttlSeconds", 59],
      ["externalSecrets.namespace", "A"],
      ["reflector.namespaces", []],
      ["gateway.serviceType", "NodePort"],
      ["charts.mirror", "ftp://x"],
      ["charts.istio.version", "1.x"],
      ["services[0].port", 0],
      ["services[1].host", "argocd.example.org"],
      ["services[2].name", "vault"],
    ];
    const start = withValue(right, "loadBalancer.allowedCidrs", ["10.0.0.0/8"]);
    const alone = new Map(mistakes.map(([key, value]) => [key, mistakesIn(withValue(start, key, value))]));
    for (const [key, lines] of alone)
      expect(lines).toEqual([expect.stringMatching(`^${key.replaceAll(/[[\]]/g, "\\$&")} `)]);
    fc.assert(
      fc.property(fc.subarray(mistakes, { minLength: 1 }), (chosen) => {
        const wrong = chosen.reduce((stack, [key, value]) => withValue(stack, key, value), start);
        expect(mistakesIn(wrong)).toEqual(chosen.flatMap(([key]) => alone.get(key) ?? []).sort());
      }),
      parameters,
    );
  });

  it("nothing but mistakes is thrown", () => {
    const junk = fc.oneof(
      fc.constantFrom<unknown>(null, 5, true, "x", "<x>", [], {}, [null], ["x"], { x: 1 }, { values: null }),
      // A map that is no text to anybody.
      fc.constantFrom<unknown>({ toString: 1 }, [{ name: { toString: 1 }, namespace: "b", port: 80 }]),
      fc.constantFrom<unknown>(
        { install: true },
        { token: "none" },
        { server: "ca" },
        { istio: { values: { gateway: 1 } } },
      ),
      fc.constantFrom<unknown>([{ name: "a" }, { name: "a", namespace: "b" }, { host: "x" }], { auth: null }),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(right, smallest, { ...oke, ...elsewhere }),
        fc.dictionary(fc.constantFrom(...keys), junk, { maxKeys: 6 }),
        (stack, changes) => {
          mistakesIn({ ...stack, ...changes });
        },
      ),
      parameters,
    );
  });
});
