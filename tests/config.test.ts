import * as pulumi from "@pulumi/pulumi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSettings, type Settings, warnings } from "../config.ts";
import { supportWarnings } from "../versions.ts";

type Raw = Record<string, unknown>;

const clusterId = "ocid1.cluster.oc1.eu-frankfurt-1.aaaacluster";
const compartmentId = "ocid1.compartment.oc1..aaaacompartment";
const vcnId = "ocid1.vcn.oc1.eu-frankfurt-1.aaaavcn";
const nodeNsgId = "ocid1.networksecuritygroup.oc1.eu-frankfurt-1.aaaansg";
const publicIpId = "ocid1.publicip.oc1.eu-frankfurt-1.aaaaip";
const kmsVaultId = "ocid1.vault.oc1.eu-frankfurt-1.aaaavault.abcdefgh";
const kmsKeyId = "ocid1.key.oc1.eu-frankfurt-1.aaaavault.abcdefgi";
const pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const directories = {
  production: "https://acme-v02.api.letsencrypt.org/directory",
  staging: "https://acme-staging-v02.api.letsencrypt.org/directory",
};

/** The smallest stack of all: no OCI, no Cloudflare, no Vault. */
const smallest: Raw = {
  domain: "example.com",
  cluster: { context: "kind" },
  acme: { server: "ca" },
  cloudflare: { token: "none" },
};

/** The smallest stack on OKE. */
const oke: Raw = {
  domain: "example.com",
  cluster: { id: clusterId },
  acme: { email: "platform@example.com" },
  loadBalancer: { compartmentId, rules: "SL-All" },
  vault: { address: "https://vault.example.com" },
};

const balanced = (changes: Raw) => ({ loadBalancer: { compartmentId, rules: "SL-All", ...changes } });
const account = (changes: Raw) => ({ acme: { email: "platform@example.com", ...changes } });
/** A Vault that is there. */
const there = (changes: Raw) => ({ vault: { address: "https://vault.example.com", ...changes } });
/** A Vault that is installed. */
const installed = (changes: Raw = {}) => ({ vault: { install: true, ...changes } });
const vaultLogin = { name: "vault-login", namespace: "default", key: "secret-id" };
const vaultService = { name: "vault", namespace: "vault", port: 8200 };
const serving = (...services: Raw[]) => ({
  services: services.map((changes) => ({ ...vaultService, ...changes })),
});

/** The whole message about a wrong stack. */
function messageOf(raw: Raw, isSecret?: (key: string) => boolean): string {
  try {
    parseSettings(raw, isSecret);
  } catch (error) {
    if (error instanceof pulumi.RunError) return error.message;
    throw error;
  }
  throw new Error("no mistake was found");
}

/** The whole message that has just these lines. */
const message = (...lines: readonly string[]) =>
  [`${lines.length} mistake(s) in the stack's configuration:`, ...lines.map((line) => `  oke-platform:${line}`)].join(
    "\n",
  );

const topLevelKeys = [
  ...["domain", "baseDomain", "cluster", "size", "acme", "loadBalancer", "cloudflare", "cloudflareApiToken", "vault"],
  ...["externalSecrets", "reflector", "gateway", "charts", "services"],
];
const vaultKeys = [
  ...["address", "clusterAddress", "mount", "path", "role", "authPath", "auth", "caBundle", "access", "install"],
  ...["kmsVaultId", "kmsKeyId", "initialized"],
].join(", ");
const noOtherKeys = `is no setting; allowed: a map with no other keys than ${topLevelKeys.join(", ")}`;
const aZone = "a DNS zone such as example.com: lower case, no wildcard, no scheme, no path";
const aBaseDomain = "a host name such as cluster.example.com: no wildcard, no scheme, no path";
const anEmail = "an e-mail address such as platform@example.com";
const bandwidth = "a whole number from 10 to 8192 (Mbps)";
const aPort = "a whole number from 1 to 65535";
const aName = 'at most 60 lower-case letters, digits and "-", with a letter or digit at both ends';
const aLabel = 'at most 63 lower-case letters, digits and "-", with a letter or digit at both ends';
const aHost = "a lower-case host name such as vault.cluster.example.com";
const aCidr = "an IPv4 CIDR without host bits, such as 203.0.113.0/24";
const covered = "cluster.example.com or one label below it: the certificate covers nothing else";
const ownHost = "a host that no other service has; services[0] has it already";
const ownName = "a name that no other service of the namespace has; services[0] has it already";
const nodeNsgRequired =
  'is missing; allowed: the OCID of the worker nodes\' networksecuritygroup, required with rules "NSG" and "None"';
const oneCluster = "either id (an OKE cluster's OCID) or context (of a kubeconfig), not both";
const onlyCa = '"ca" with cloudflare.token "none": without a DNS token no public server can validate';
const acmeServer = '"staging", "production", "ca" or the https URL of an ACME directory';
const tenSeconds = "10 or more with Let's Encrypt, where a validation that comes too early counts against five an hour";
const onlyWithUrl = "only with the URL of an ACME directory in acme.server; remove it";
const noSetWait =
  "nothing with cert-manager below v1.21, which cannot wait a set time; remove it or raise charts.certManager.version";
const exactVersion = "one exact version such as 1.31.4, no range";
const aSource = "https://<repository>, oci://<registry path>, or a directory that starts with / or ./";
const noVault =
  'vault is missing; allowed: a map with address or install: true, required where a DNS token is kept; or set cloudflare.token to "none"';
const noVaultAddress =
  "vault.address is missing; allowed: the http or https URL at which this program reaches Vault, required without install";
const inCluster =
  'the URL of a Service of this cluster with access "managed", such as http://vault.vault:8200: a Vault elsewhere cannot review this cluster\'s tokens';
const noKey =
  "vault.kmsKeyId is missing; allowed: the OCID of a key, with kmsVaultId: without loadBalancer there is no compartment to make one in";
const unused = (field: string, shown: string, method: string) =>
  `vault.auth.${field} is ${shown}; allowed: nothing with method "${method}"; remove it`;
const beforeTheFirstUp =
  "a namespace that is there before the first up, such as default: the Secret must be in it by then";
const placeholder = (value: string) => `still holds the placeholder ${value}; put your own value there`;
const ocid = (type: string) => `the OCID of a ${type}, ocid1.${type}.<realm>.<region>.<id>`;
const compartmentOcid =
  "the OCID of a compartment or tenancy, ocid1.compartment.<realm>.<region>.<id> or ocid1.tenancy.<realm>.<region>.<id>";

describe("parseSettings refuses", () => {
  it.each<[what: string, changes: Raw, lines: string[]]>([
    ["an unknown key", { colour: "red" }, [`colour ${noOtherKeys}`]],
    ["an unknown key without a value", { colour: "" }, [`colour ${noOtherKeys}`]],
    ["a key that every object inherits", { toString: "" }, [`toString ${noOtherKeys}`]],
    ["a number as key", { 1: "x" }, [`1 ${noOtherKeys}`]],
    [
      "unknown nested keys, each on its own line",
      balanced({ shape: "flexible", 2: "x" }),
      ["2", "shape"].map(
        (key) =>
          `loadBalancer.${key} is no setting; allowed: a map with no other keys than compartmentId, vcnId, subnetId, minMbps, maxMbps, rules, nodeNsgId, allowedCidrs, reservedIp, internal, additionalNsgIds, idleTimeoutSeconds, proxyProtocol, externalTrafficPolicy, healthCheckRetries, healthCheckTimeoutMs, healthCheckIntervalMs, alwaysFree`,
      ),
    ],
    [
      "an unknown key of a service",
      serving({ prot: 80 }),
      ["services[0].prot is no setting; allowed: a map with no other keys than name, namespace, service, port, host"],
    ],

    ["no domain", { domain: undefined }, [`domain is missing; allowed: ${aZone}`]],
    ["an empty domain", { domain: "" }, [`domain is missing; allowed: ${aZone}`]],
    ["a wildcard as domain", { domain: "*.example.com" }, [`domain is "*.example.com"; allowed: ${aZone}`]],
    ["a URL as domain", { domain: "https://example.com" }, [`domain is "https://example.com"; allowed: ${aZone}`]],
    ["an upper-case domain", { domain: "Example.com" }, [`domain is "Example.com"; allowed: ${aZone}`]],
    ["a single label as domain", { domain: "localhost" }, [`domain is "localhost"; allowed: ${aZone}`]],
    ["an address as domain", { domain: "192.0.2.1" }, [`domain is "192.0.2.1"; allowed: ${aZone}`]],
    [
      "a domain of more than 253 characters",
      { domain: `${"a.".repeat(125)}comm` },
      // The quote is one of the 100 characters that are shown.
      [`domain is "${"a.".repeat(49)}a…; allowed: ${aZone}`],
    ],
    [
      "a wildcard as base domain",
      { baseDomain: "*.example.com" },
      [`baseDomain is "*.example.com"; allowed: ${aBaseDomain}`],
    ],
    ["null as base domain", { baseDomain: null }, [`baseDomain is null; allowed: ${aBaseDomain}`]],
    ["a number as base domain", { baseDomain: 5 }, [`baseDomain is 5; allowed: ${aBaseDomain}`]],
    [
      // It ends like the zone, but not at a dot.
      "a base domain outside the zone",
      { baseDomain: "notexample.com" },
      ['baseDomain is "notexample.com"; allowed: a name in the zone `domain`, such as cluster.<domain>'],
    ],
    [
      "only the domain when the base domain would be judged by a wrong one",
      { domain: "Example.com", baseDomain: "cluster.example.com" },
      [`domain is "Example.com"; allowed: ${aZone}`],
    ],
    [
      "only the domain when services' hosts would be judged by a wrong one",
      { domain: "*.example.com", ...serving({ host: "vault.cluster.example.com" }) },
      [`domain is "*.example.com"; allowed: ${aZone}`],
    ],
    [
      "two services with one host, even below a wrong domain",
      { domain: "*.example.com", ...serving({}, { namespace: "other" }) },
      [`domain is "*.example.com"; allowed: ${aZone}`, `services[1].host is "vault.<baseDomain>"; allowed: ${ownHost}`],
    ],

    ["an unknown size", { size: "large" }, ['size is "large"; allowed: "small" or "production"']],
    [
      "a list where a map is wanted",
      { acme: ["x"] },
      ['acme is ["x"]; allowed: a map with keys of email, server, caBundle, propagationSeconds'],
    ],
    ["null where a map is wanted", { vault: null }, [`vault is null; allowed: a map with keys of ${vaultKeys}`]],
    [
      "a map where a list is wanted",
      { services: { vault: {} } },
      ['services is {"vault":{}}; allowed: a list of services'],
    ],
    [
      "text where a service is wanted",
      { services: ["vault", null, 5, []] },
      [
        'services[0] is "vault"; allowed: a map with keys of name, namespace, service, port, host',
        "services[1] is null; allowed: a map with keys of name, namespace, service, port, host",
        "services[2] is 5; allowed: a map with keys of name, namespace, service, port, host",
        "services[3] is []; allowed: a map with keys of name, namespace, service, port, host",
      ],
    ],
    [
      "text where true or false is wanted",
      { externalSecrets: { install: "no" } },
      ['externalSecrets.install is "no"; allowed: true or false'],
    ],

    [
      "no cluster",
      { cluster: {} },
      ["cluster is missing; allowed: a map with keys of id, endpoint, context, kubeconfig"],
    ],
    [
      "neither cluster id nor context",
      { cluster: { endpoint: "PUBLIC_ENDPOINT" } },
      [`cluster is {"endpoint":"PUBLIC_ENDPOINT"}; allowed: ${oneCluster}`],
    ],
    [
      "both cluster id and context",
      { cluster: { id: clusterId, context: "kind" } },
      [`cluster is {"id":"${clusterId}","context":"kind"}; allowed: ${oneCluster}`],
    ],
    [
      "an endpoint with a context",
      { cluster: { context: "kind", endpoint: "PUBLIC_ENDPOINT" } },
      ['cluster.endpoint is "PUBLIC_ENDPOINT"; allowed: only with id; remove it'],
    ],
    [
      "a kubeconfig with an id",
      { cluster: { id: clusterId, kubeconfig: "~/.kube/config" } },
      ['cluster.kubeconfig is "~/.kube/config"; allowed: only with context; remove it'],
    ],
    [
      "an unknown endpoint",
      { cluster: { id: clusterId, endpoint: "PUBLIC" } },
      [
        'cluster.endpoint is "PUBLIC"; allowed: "PUBLIC_ENDPOINT" or "PRIVATE_ENDPOINT" or "VCN_HOSTNAME" or "LEGACY_KUBERNETES"',
      ],
    ],
    [
      "a context of blanks",
      { cluster: { context: " " } },
      ['cluster.context is " "; allowed: the name of a kubeconfig context'],
    ],
    [
      "a malformed OCID",
      { cluster: { id: "ocid1.cluster.oc1" } },
      [`cluster.id is "ocid1.cluster.oc1"; allowed: ${ocid("cluster")}`],
    ],
    [
      "an OCID with upper case",
      { cluster: { id: clusterId.toUpperCase() } },
      [`cluster.id is "${clusterId.toUpperCase()}"; allowed: ${ocid("cluster")}`],
    ],
    [
      "OCIDs of another type",
      {
        cluster: { id: vcnId },
        ...balanced({ compartmentId: vcnId, vcnId: nodeNsgId, subnetId: vcnId, nodeNsgId: vcnId, reservedIp: vcnId }),
      },
      [
        `cluster.id is "${vcnId}"; allowed: ${ocid("cluster")}`,
        `loadBalancer.compartmentId is "${vcnId}"; allowed: ${compartmentOcid}`,
        `loadBalancer.nodeNsgId is "${vcnId}"; allowed: ${ocid("networksecuritygroup")}`,
        `loadBalancer.reservedIp is "${vcnId}"; allowed: ${ocid("publicip")}`,
        `loadBalancer.subnetId is "${vcnId}"; allowed: ${ocid("subnet")}`,
        `loadBalancer.vcnId is "${nodeNsgId}"; allowed: ${ocid("vcn")}`,
      ],
    ],
    [
      "an address where an OCID is wanted",
      balanced({ reservedIp: "203.0.113.7" }),
      [`loadBalancer.reservedIp is "203.0.113.7"; allowed: ${ocid("publicip")}`],
    ],

    ["an e-mail that is none", account({ email: "platform" }), [`acme.email is "platform"; allowed: ${anEmail}`]],
    ["an empty e-mail", account({ email: "" }), [`acme.email is ""; allowed: ${anEmail}`]],
    ["null as e-mail", account({ email: null }), [`acme.email is null; allowed: ${anEmail}`]],
    [
      "no e-mail for Let's Encrypt",
      { acme: { server: "production" } },
      [`acme.email is missing; allowed: ${anEmail}; the ACME server asks for a contact`],
    ],
    [
      "no acme at all",
      { acme: undefined },
      [`acme.email is missing; allowed: ${anEmail}; the ACME server asks for a contact`],
    ],
    ["an unknown ACME server", account({ server: "live" }), [`acme.server is "live"; allowed: ${acmeServer}`]],
    [
      "an ACME server without TLS",
      account({ server: "http://acme.example.com/" }),
      [`acme.server is "http://acme.example.com/"; allowed: ${acmeServer}`],
    ],
    [
      "a public ACME server without a DNS token",
      { cloudflare: { token: "none" }, ...account({ server: "production" }) },
      [`acme.server is "production"; allowed: ${onlyCa}`],
    ],
    [
      "an ACME server by URL without a DNS token",
      {
        cloudflare: { token: "none" },
        ...account({ server: "https://acme.example.com/" }),
      },
      [`acme.server is "https://acme.example.com/"; allowed: ${onlyCa}`],
    ],
    [
      // The server is "staging" where a stack does not say, and the contact would be no help.
      "no ACME server, and that alone, without a DNS token",
      { cloudflare: { token: "none" }, acme: undefined },
      [`acme.server is missing; allowed: ${onlyCa}`],
    ],
    [
      "a CA bundle that is no PEM",
      account({ server: "https://acme.example.com/", caBundle: "AAAA" }),
      ['acme.caBundle is "AAAA"; allowed: PEM, one or more -----BEGIN CERTIFICATE----- blocks'],
    ],
    [
      "a CA bundle without an ACME server",
      account({ caBundle: pem }),
      [`acme.caBundle is ${JSON.stringify(pem)}; allowed: ${onlyWithUrl}`],
    ],
    [
      "a CA bundle with an ACME server by name",
      account({ server: "production", caBundle: pem }),
      [`acme.caBundle is ${JSON.stringify(pem)}; allowed: ${onlyWithUrl}`],
    ],
    [
      "a CA bundle with the CA in the cluster",
      account({ server: "ca", caBundle: pem }),
      [`acme.caBundle is ${JSON.stringify(pem)}; allowed: ${onlyWithUrl}`],
    ],
    [
      "a wait of more than an hour",
      account({ propagationSeconds: 3601 }),
      ["acme.propagationSeconds is 3601; allowed: a whole number from 0 to 3600 (seconds)"],
    ],
    [
      "a wait below ten seconds where the server is not named",
      account({ propagationSeconds: 9 }),
      [`acme.propagationSeconds is 9; allowed: ${tenSeconds}`],
    ],
    ...["staging", "production", directories.staging, directories.production].map((server): [string, Raw, string[]] => [
      `a wait below ten seconds with ${server}`,
      account({ server, propagationSeconds: 0 }),
      [`acme.propagationSeconds is 0; allowed: ${tenSeconds}`],
    ]),
    [
      "a wait below ten seconds with Let's Encrypt spelt otherwise",
      account({
        server: "https://ACME-v02.api.letsencrypt.org:443/directory",
        propagationSeconds: 9,
      }),
      [`acme.propagationSeconds is 9; allowed: ${tenSeconds}`],
    ],
    [
      "a wait with cert-manager 1.20",
      {
        ...account({ propagationSeconds: 30 }),
        charts: { certManager: { version: "v1.20.9" } },
      },
      [`acme.propagationSeconds is 30; allowed: ${noSetWait}`],
    ],
    [
      "a wait with cert-manager 0.99",
      {
        ...account({ propagationSeconds: 30 }),
        charts: { certManager: { version: "v0.99.0" } },
      },
      [`acme.propagationSeconds is 30; allowed: ${noSetWait}`],
    ],
    [
      "only cert-manager's version when the wait would be judged by a wrong one",
      {
        ...account({ propagationSeconds: 30 }),
        charts: { certManager: { version: "1.21" } },
      },
      [`charts.certManager.version is "1.21"; allowed: ${exactVersion}`],
    ],
    [
      "a wait with the CA in the cluster",
      account({ server: "ca", propagationSeconds: 30 }),
      ['acme.propagationSeconds is 30; allowed: nothing with acme.server "ca", which asks no DNS; remove it'],
    ],

    [
      "no load balancer on OKE",
      { loadBalancer: undefined },
      ["loadBalancer is missing; allowed: a map with compartmentId and rules, required on OKE"],
    ],
    [
      "a load balancer without what it needs",
      { loadBalancer: { internal: true } },
      [
        `loadBalancer.compartmentId is missing; allowed: ${compartmentOcid}`,
        'loadBalancer.rules is missing; allowed: "SL-All" or "NSG" or "None"',
      ],
    ],
    ["a bandwidth below 10", balanced({ minMbps: 9 }), [`loadBalancer.minMbps is 9; allowed: ${bandwidth}`]],
    [
      // The default of minMbps is above it, but nobody asked for that.
      "a highest bandwidth below 10",
      balanced({ maxMbps: 9 }),
      [`loadBalancer.maxMbps is 9; allowed: ${bandwidth}`],
    ],
    ["a bandwidth above 8192", balanced({ maxMbps: 8193 }), [`loadBalancer.maxMbps is 8193; allowed: ${bandwidth}`]],
    ["a fractional bandwidth", balanced({ maxMbps: 10.5 }), [`loadBalancer.maxMbps is 10.5; allowed: ${bandwidth}`]],
    [
      "a string as bandwidth",
      balanced({ minMbps: 50, maxMbps: "10" }),
      [`loadBalancer.maxMbps is "10"; allowed: ${bandwidth}`],
    ],
    ["null as bandwidth", balanced({ maxMbps: null }), [`loadBalancer.maxMbps is null; allowed: ${bandwidth}`]],
    [
      "a lowest bandwidth above the highest",
      balanced({ minMbps: 101, maxMbps: 100 }),
      ["loadBalancer.minMbps is 101; allowed: at most maxMbps; lower minMbps or raise maxMbps"],
    ],
    [
      "a lowest bandwidth above the highest by default",
      balanced({ minMbps: 11 }),
      ["loadBalancer.minMbps is 11; allowed: at most maxMbps; lower minMbps or raise maxMbps"],
    ],
    [
      "more than 10 Mbps with alwaysFree",
      balanced({ alwaysFree: true, maxMbps: 11 }),
      [
        "loadBalancer.maxMbps is 11; allowed: 10 with alwaysFree: the tier has one flexible load balancer of 10 Mbps; lower it or remove alwaysFree",
      ],
    ],
    [
      "a second load balancer with alwaysFree",
      {
        ...balanced({ alwaysFree: true }),
        charts: { externalSecrets: { values: { webhook: { service: { type: "LoadBalancer" } } } } },
      },
      [
        'charts.externalSecrets.values is {"webhook":{"service":{"type":"LoadBalancer"}}}; allowed: no Service of type LoadBalancer with loadBalancer.alwaysFree, whose one load balancer is the gateway\'s; change webhook.service.type',
      ],
    ],
    [
      "a load balancer for Vault with alwaysFree",
      {
        ...balanced({ alwaysFree: true }),
        charts: { vault: { values: { ui: { serviceType: "LoadBalancer" } } } },
      },
      [
        'charts.vault.values is {"ui":{"serviceType":"LoadBalancer"}}; allowed: no Service of type LoadBalancer with loadBalancer.alwaysFree, whose one load balancer is the gateway\'s; change ui.serviceType',
      ],
    ],
    [
      "chart values that undo the load balancer's settings",
      {
        ...balanced({}),
        charts: {
          istio: {
            values: {
              gateway: {
                service: {
                  type: "ClusterIP",
                  annotations: { "service.beta.kubernetes.io/oci-load-balancer-shape": "x" },
                },
              },
            },
          },
        },
      },
      [
        'charts.istio.values is {"gateway":{"service":{"type":"ClusterIP","annotations":{"service.beta.kubernetes.io/oci-load-balanc…; allowed: nothing in gateway.service.type, which loadBalancer decides; use its settings',
      ],
    ],
    [
      "Cloudflare's proxy before an address that it cannot reach",
      { ...balanced({ internal: true }), cloudflare: { proxied: true } },
      ["cloudflare.proxied is true; allowed: false with loadBalancer.internal, whose address Cloudflare cannot reach"],
    ],
    [
      "a sixth NSG",
      balanced({ additionalNsgIds: [1, 2, 3, 4, 5, 6].map((id) => `${nodeNsgId}${id}`) }),
      [
        `loadBalancer.additionalNsgIds is ${JSON.stringify([1, 2, 3, 4, 5, 6].map((id) => `${nodeNsgId}${id}`)).slice(0, 100)}…; allowed: at most 5 with rules "SL-All": OCI attaches five to a load balancer`,
      ],
    ],
    [
      "a fifth NSG beside the program's own",
      balanced({ rules: "None", vcnId, nodeNsgId, additionalNsgIds: [1, 2, 3, 4, 5].map((id) => `${nodeNsgId}${id}`) }),
      [
        `loadBalancer.additionalNsgIds is ${JSON.stringify([1, 2, 3, 4, 5].map((id) => `${nodeNsgId}${id}`)).slice(0, 100)}…; allowed: at most 4 with rules "None": OCI attaches five to a load balancer, and one is the listeners' own`,
      ],
    ],
    [
      "an NSG twice",
      balanced({ additionalNsgIds: [nodeNsgId, nodeNsgId] }),
      [
        `loadBalancer.additionalNsgIds is ${JSON.stringify([nodeNsgId, nodeNsgId]).slice(0, 100)}…; allowed: each OCID once`,
      ],
    ],
    [
      "numbers of the wrong size or kind for health checks and connections",
      balanced({
        idleTimeoutSeconds: 0,
        proxyProtocol: true,
        externalTrafficPolicy: "local",
        healthCheckRetries: 0,
        healthCheckTimeoutMs: "3s",
        healthCheckIntervalMs: 10,
      }),
      [
        'loadBalancer.externalTrafficPolicy is "local"; allowed: "Cluster" or "Local"',
        "loadBalancer.healthCheckIntervalMs is 10; allowed: a whole number from 1000 to 1800000 (ms)",
        "loadBalancer.healthCheckRetries is 0; allowed: a whole number from 1 to 100",
        'loadBalancer.healthCheckTimeoutMs is "3s"; allowed: a whole number from 1 to 600000 (ms)',
        "loadBalancer.idleTimeoutSeconds is 0; allowed: a whole number from 1 to 7200 (seconds)",
        "loadBalancer.proxyProtocol is true; allowed: 1 or 2, the version of the PROXY protocol",
      ],
    ],
    [
      "an unknown way to open the firewall",
      balanced({ rules: "nsg" }),
      ['loadBalancer.rules is "nsg"; allowed: "SL-All" or "NSG" or "None"'],
    ],
    ["NSG without the nodes' NSG", balanced({ rules: "NSG" }), [`loadBalancer.nodeNsgId ${nodeNsgRequired}`]],
    ["None without the nodes' NSG", balanced({ rules: "None", vcnId }), [`loadBalancer.nodeNsgId ${nodeNsgRequired}`]],
    [
      "None without the VCN",
      balanced({ rules: "None", nodeNsgId }),
      ['loadBalancer.vcnId is missing; allowed: the OCID of the vcn, required with rules "None"'],
    ],
    [
      "a reserved IP for an internal load balancer",
      balanced({ reservedIp: publicIpId, internal: true }),
      [
        `loadBalancer.reservedIp is "${publicIpId}"; allowed: nothing with internal: true, whose load balancer has no public IP; remove one of the two`,
      ],
    ],
    [
      "malformed CIDRs",
      balanced({ allowedCidrs: ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/08", "10.0.0/24", "::/0", ""] }),
      [
        `loadBalancer.allowedCidrs[0] is "10.0.0.0"; allowed: ${aCidr}`,
        `loadBalancer.allowedCidrs[1] is "10.0.0.0/33"; allowed: ${aCidr}`,
        `loadBalancer.allowedCidrs[2] is "10.0.0.0/08"; allowed: ${aCidr}`,
        `loadBalancer.allowedCidrs[3] is "10.0.0/24"; allowed: ${aCidr}`,
        `loadBalancer.allowedCidrs[4] is "::/0"; allowed: ${aCidr}`,
        `loadBalancer.allowedCidrs[5] is ""; allowed: ${aCidr}`,
      ],
    ],
    [
      "a CIDR with host bits",
      balanced({ allowedCidrs: ["192.168.7.9/22"] }),
      [
        'loadBalancer.allowedCidrs[0] is "192.168.7.9/22"; allowed: an IPv4 CIDR without host bits, such as 192.168.4.0/22',
      ],
    ],
    [
      "a number as CIDR",
      balanced({ allowedCidrs: [10] }),
      ["loadBalancer.allowedCidrs[0] is 10; allowed: an IPv4 CIDR such as 203.0.113.0/24"],
    ],
    [
      "a CIDR outside a list",
      balanced({ allowedCidrs: "10.0.0.0/8" }),
      ['loadBalancer.allowedCidrs is "10.0.0.0/8"; allowed: a list of IPv4 CIDRs'],
    ],
    [
      "one CIDR twice",
      balanced({ allowedCidrs: ["10.0.0.0/8", "10.0.0.0/8"] }),
      ['loadBalancer.allowedCidrs is ["10.0.0.0/8","10.0.0.0/8"]; allowed: each CIDR once'],
    ],
    [
      "an empty list of CIDRs",
      balanced({ allowedCidrs: [] }),
      ['loadBalancer.allowedCidrs is []; allowed: at least one CIDR; "0.0.0.0/0" is everybody'],
    ],

    [
      "an unknown kind of token",
      { cloudflare: { token: "given" } },
      ['cloudflare.token is "given"; allowed: "scoped" or "supplied" or "none"'],
    ],
    [
      "only the kind of token when other keys would be judged by a wrong one",
      {
        cloudflare: { token: "Supplied" },
        cloudflareApiToken: "s3same",
        vault: undefined,
      },
      ['cloudflare.token is "Supplied"; allowed: "scoped" or "supplied" or "none"'],
    ],
    [
      "supplied without a token",
      { cloudflare: { token: "supplied" } },
      [
        'cloudflareApiToken is missing; allowed: a secret, required with cloudflare.token "supplied"; pulumi config set --secret cloudflareApiToken',
      ],
    ],
    [
      "a token that nothing uses",
      { cloudflareApiToken: "s3same" },
      [
        'cloudflareApiToken is [secret]; allowed: nothing unless cloudflare.token is "supplied"; set that, or remove the token',
      ],
    ],
    [
      "serial 0 of the token",
      { cloudflare: { tokenSerial: 0 } },
      ["cloudflare.tokenSerial is 0; allowed: a whole number from 1 to 1000000"],
    ],
    [
      "a token that ends at once",
      { cloudflare: { tokenExpiresDays: 0 } },
      ["cloudflare.tokenExpiresDays is 0; allowed: a whole number from 1 to 3650 (days)"],
    ],
    [
      "a TTL of 59 seconds",
      { cloudflare: { ttlSeconds: 59 } },
      ["cloudflare.ttlSeconds is 59; allowed: a whole number from 60 to 86400 (seconds)"],
    ],

    ["no Vault for a scoped token", { vault: undefined }, [noVault]],
    [
      "no Vault for a supplied token",
      { cloudflare: { token: "supplied" }, cloudflareApiToken: "s3same", vault: {} },
      [noVault],
    ],
    [
      "a Vault without address and with wrong paths",
      { vault: { mount: "/secret", path: "a//b", authPath: "a/" } },
      [
        noVaultAddress,
        'vault.authPath is "a/"; allowed: a mount path without slashes at its ends',
        'vault.mount is "/secret"; allowed: a mount path without slashes at its ends',
        'vault.path is "a//b"; allowed: a path without slashes at its ends',
      ],
    ],
    [
      "a Vault address without scheme",
      { vault: { address: "vault:8200" } },
      ['vault.address is "vault:8200"; allowed: the http or https URL at which this program reaches Vault'],
    ],
    ["a Vault neither there nor installed", { vault: { mount: "kv" } }, [noVaultAddress]],
    [
      "an unknown key of Vault, and one of its login",
      there({ keysFile: "keys", auth: { token: "s3same" } }),
      [
        "vault.auth.token is no setting; allowed: a map with no other keys than method, secret, roleId, path",
        `vault.keysFile is no setting; allowed: a map with no other keys than ${vaultKeys}`,
      ],
    ],
    [
      "values of the wrong kind for Vault",
      there({
        clusterAddress: "vault:8200",
        role: "a/b",
        caBundle: "AAAA",
        access: "mine",
        install: "no",
        initialized: 1,
        kmsVaultId: kmsKeyId,
        kmsKeyId: kmsVaultId,
      }),
      [
        'vault.access is "mine"; allowed: "existing" or "managed"',
        'vault.caBundle is "AAAA"; allowed: PEM, one or more -----BEGIN CERTIFICATE----- blocks',
        'vault.clusterAddress is "vault:8200"; allowed: the http or https URL at which External Secrets reaches Vault',
        "vault.initialized is 1; allowed: true or false",
        'vault.install is "no"; allowed: true or false',
        `vault.kmsKeyId is "${kmsVaultId}"; allowed: ${ocid("key")}`,
        `vault.kmsVaultId is "${kmsKeyId}"; allowed: ${ocid("vault")}`,
        'vault.role is "a/b"; allowed: the name of a role of the Kubernetes auth backend',
      ],
    ],
    [
      "an installed Vault where no token is to be kept",
      { acme: { server: "ca" }, cloudflare: { token: "none" }, ...installed() },
      ['vault.install is true; allowed: false with cloudflare.token "none", which leaves nothing to keep in it'],
    ],
    [
      "only that, though more about it is wrong",
      { acme: { server: "ca" }, cloudflare: { token: "none" }, ...installed({ access: "existing", caBundle: pem }) },
      ['vault.install is true; allowed: false with cloudflare.token "none", which leaves nothing to keep in it'],
    ],
    [
      "TLS to a small Vault that is installed",
      installed({ address: "https://127.0.0.1:8200" }),
      ['vault.address is "https://127.0.0.1:8200"; allowed: an http URL with install: true and size "small"'],
    ],
    [
      "no TLS to an installed Vault in production",
      { size: "production", ...installed({ address: "http://127.0.0.1:8200" }) },
      ['vault.address is "http://127.0.0.1:8200"; allowed: an https URL with install: true and size "production"'],
    ],
    [
      "a number as address of an installed Vault",
      installed({ address: 5 }),
      ["vault.address is 5; allowed: the http or https URL at which this program reaches Vault"],
    ],
    [
      "null as address of an installed Vault",
      installed({ address: null }),
      ["vault.address is null; allowed: the http or https URL at which this program reaches Vault"],
    ],
    [
      "what an installed Vault knows by itself",
      installed({ clusterAddress: "https://vault.example.org", access: "existing", caBundle: pem }),
      [
        'vault.access is "existing"; allowed: "managed" with install: true: a Vault that is new has no access yet; remove it',
        `vault.caBundle is ${JSON.stringify(pem)}; allowed: nothing with install: true, whose CA is the program's own; remove it`,
        'vault.clusterAddress is "https://vault.example.org"; allowed: nothing with install: true, which knows its own address; remove it',
      ],
    ],
    [
      "the phase and the key of a Vault that is not installed",
      there({ initialized: true, kmsVaultId, kmsKeyId }),
      [
        "vault.initialized is true; allowed: nothing without install: a Vault that is there is taken to be ready; remove it",
        `vault.kmsKeyId is "${kmsKeyId}"; allowed: nothing without install; remove it`,
        `vault.kmsVaultId is "${kmsVaultId}"; allowed: nothing without install; remove it`,
      ],
    ],
    [
      // Its vault would be refused too.
      "only the key of a Vault that is not installed, not that its vault is missing",
      there({ kmsKeyId }),
      [`vault.kmsKeyId is "${kmsKeyId}"; allowed: nothing without install; remove it`],
    ],
    [
      "a key without its vault",
      installed({ kmsKeyId }),
      ["vault.kmsVaultId is missing; allowed: the OCID of the vault of the key in vault.kmsKeyId"],
    ],
    [
      "no key, and nowhere to make one, in production",
      { cluster: { context: "kind" }, loadBalancer: undefined, size: "production", ...installed() },
      [noKey],
    ],
    [
      "no key in a given vault, and nowhere to make one",
      { cluster: { context: "kind" }, loadBalancer: undefined, ...installed({ kmsVaultId }) },
      [noKey],
    ],
    [
      // The compartment to make a key in is part of it.
      "only that the load balancer is missing on OKE",
      { loadBalancer: undefined, size: "production", ...installed() },
      ["loadBalancer is missing; allowed: a map with compartmentId and rules, required on OKE"],
    ],
    ...["https://vault.example.org", "http://vault:8200", "http://192.0.2.1:8200", "http://vault.vault.svc.local"].map(
      (clusterAddress): [string, Raw, string[]] => [
        `access managed in a Vault at ${clusterAddress}`,
        there({ access: "managed", clusterAddress }),
        [`vault.clusterAddress is "${clusterAddress}"; allowed: ${inCluster}`],
      ],
    ),
    [
      "only the kind of access when other keys would be judged by a wrong one",
      there({ access: "Managed", clusterAddress: "https://vault.example.org" }),
      ['vault.access is "Managed"; allowed: "existing" or "managed"'],
    ],
    [
      "only whether Vault is installed when other keys would be judged by a wrong answer",
      { vault: { install: "yes", caBundle: pem, kmsKeyId, initialized: true } },
      ['vault.install is "yes"; allowed: true or false'],
    ],
    [
      "only the size when Vault's address would be judged by a wrong one",
      { size: "large", ...installed({ address: "https://127.0.0.1:8200" }) },
      ['size is "large"; allowed: "small" or "production"'],
    ],

    [
      "text where the login to Vault is wanted",
      there({ auth: "token" }),
      ['vault.auth is "token"; allowed: a map with keys of method, secret, roleId, path'],
    ],
    [
      "an unknown way to log in to Vault, and that alone",
      there({ access: "managed", auth: { method: "approle", roleId: "role", path: "approle" } }),
      ['vault.auth.method is "approle"; allowed: "kubernetes" or "token" or "appRole"'],
    ],
    [
      "a login to Vault with wrong values",
      there({
        auth: { method: "appRole", roleId: "two words", path: "/a", secret: { name: "A", namespace: "b.c", key: "/" } },
      }),
      [
        'vault.auth.path is "/a"; allowed: a mount path without slashes at its ends',
        'vault.auth.roleId is "two words"; allowed: the role id of an AppRole',
        'vault.auth.secret.key is "/"; allowed: a key in the Secret',
        `vault.auth.secret.name is "A"; allowed: the name of a Secret: ${aLabel}`,
        `vault.auth.secret.namespace is "b.c"; allowed: a namespace that exists: ${aLabel}`,
      ],
    ],
    [
      "text where a Secret is wanted",
      there({ auth: { method: "token", secret: "s3same" } }),
      ['vault.auth.secret is "s3same"; allowed: a map with keys of name, namespace, key'],
    ],
    [
      "a Secret without what it needs",
      there({ auth: { method: "token", secret: { name: "login" } } }),
      [
        "vault.auth.secret.key is missing; allowed: a key in the Secret",
        `vault.auth.secret.namespace is missing; allowed: a namespace that exists: ${aLabel}`,
      ],
    ],
    [
      "a login by token without a Secret",
      there({ auth: { method: "token" } }),
      ["vault.auth.secret is missing; allowed: a map with name, namespace and key of the Secret that holds the token"],
    ],
    [
      "a login by AppRole without anything",
      there({ auth: { method: "appRole" } }),
      [
        'vault.auth.roleId is missing; allowed: the role id, required with method "appRole"',
        "vault.auth.secret is missing; allowed: a map with name, namespace and key of the Secret that holds the secret id",
      ],
    ],
    [
      "a login as a service account with what others need",
      there({ auth: { secret: vaultLogin, roleId: "role", path: "approle" } }),
      [
        unused("path", '"approle"', "kubernetes"),
        unused("roleId", '"role"', "kubernetes"),
        unused("secret", JSON.stringify(vaultLogin), "kubernetes"),
      ],
    ],
    [
      "a login by token with what an AppRole needs",
      there({ auth: { method: "token", secret: vaultLogin, roleId: "role", path: "approle" } }),
      [unused("path", '"approle"', "token"), unused("roleId", '"role"', "token")],
    ],
    ...["cert-manager", "istio-system", "external-secrets"].map((namespace): [string, Raw, string[]] => [
      `a Secret for the login in ${namespace}, which the program makes`,
      there({ auth: { method: "token", secret: { ...vaultLogin, namespace } } }),
      [`vault.auth.secret.namespace is "${namespace}"; allowed: ${beforeTheFirstUp}`],
    ]),
    [
      "a Secret for the login in the namespace that External Secrets is installed in",
      {
        externalSecrets: { namespace: "eso" },
        ...there({ auth: { method: "appRole", roleId: "role", secret: { ...vaultLogin, namespace: "eso" } } }),
      },
      [`vault.auth.secret.namespace is "eso"; allowed: ${beforeTheFirstUp}`],
    ],
    [
      "only whether External Secrets is installed when a namespace would be judged by a wrong answer",
      {
        externalSecrets: { install: "no" },
        ...there({ auth: { method: "token", secret: { ...vaultLogin, namespace: "external-secrets" } } }),
      },
      ['externalSecrets.install is "no"; allowed: true or false'],
    ],
    [
      "null for External Secrets",
      { externalSecrets: null },
      ["externalSecrets is null; allowed: a map with keys of install, namespace, serviceAccount"],
    ],
    ...[
      ["managed", there({ access: "managed", auth: { method: "token", secret: vaultLogin } })],
      ["of an installed Vault", installed({ auth: { method: "token", secret: vaultLogin } })],
    ].map(([what, changes]): [string, Raw, string[]] => [
      `access ${what} with another login than the one it is made for`,
      changes as Raw,
      ['vault.auth.method is "token"; allowed: "kubernetes" with access "managed", which makes the role for it'],
    ]),
    [
      // What the other login needs is of no use either.
      "only the login of managed access, not what is missing for it",
      there({ access: "managed", auth: { method: "appRole" } }),
      ['vault.auth.method is "appRole"; allowed: "kubernetes" with access "managed", which makes the role for it'],
    ],
    [
      "names for External Secrets that Kubernetes refuses",
      { externalSecrets: { namespace: "A", serviceAccount: "a." } },
      [
        `externalSecrets.namespace is "A"; allowed: a namespace: ${aLabel}`,
        `externalSecrets.serviceAccount is "a."; allowed: a service account: ${aLabel}`,
      ],
    ],

    [
      "an empty list of namespaces for the key",
      { reflector: { namespaces: [] } },
      ['reflector.namespaces is []; allowed: at least one namespace, or "all"; Reflector reads an empty list as all'],
    ],
    [
      "cert-manager among the namespaces for the key",
      { reflector: { namespaces: ["apps", "cert-manager"] } },
      [
        'reflector.namespaces[1] is "cert-manager"; allowed: a namespace other than cert-manager, where the key is already',
      ],
    ],
    [
      "a namespace for the key that Kubernetes refuses",
      { reflector: { namespaces: ["Apps"] } },
      [`reflector.namespaces[0] is "Apps"; allowed: a namespace: ${aLabel}`],
    ],
    [
      "a pattern of namespaces for the key",
      { reflector: { namespaces: "apps-.*" } },
      ['reflector.namespaces is "apps-.*"; allowed: a list of namespaces, or "all"'],
    ],

    ["TLS 1.1", { gateway: { minTls: "1.1" } }, ['gateway.minTls is "1.1"; allowed: "1.2" or "1.3"']],
    [
      "a TLS version that YAML reads as a number",
      { gateway: { minTls: 1.2 } },
      ['gateway.minTls is 1.2; allowed: "1.2" or "1.3"'],
    ],
    [
      "another type of Service with a load balancer",
      { gateway: { serviceType: "NodePort" } },
      [
        'gateway.serviceType is "NodePort"; allowed: nothing but "LoadBalancer" with loadBalancer, whose contract it is; remove one of the two',
      ],
    ],

    ...["^1.31.4", "~1.31.4", ">=1.31.4", "1.31.x", "1.31", "latest", ""].map((version): [string, Raw, string[]] => [
      `"${version}" as a chart's version`,
      { charts: { istio: { version } } },
      [`charts.istio.version is "${version}"; allowed: ${exactVersion}`],
    ]),
    ...["charts.jetstack.io", "ftp://charts.example.com", "git@example.com:charts", "https://", "charts/"].map(
      (repo): [string, Raw, string[]] => [
        `"${repo}" as a source of charts`,
        { charts: { mirror: repo, certManager: { repo } } },
        [
          `charts.certManager.repo is "${repo}"; allowed: ${aSource}`,
          `charts.mirror is "${repo}"; allowed: ${aSource}`,
        ],
      ],
    ),
    [
      "a wrong version, source and values of Vault's chart",
      { charts: { vault: { version: "0.x", repo: "helm", values: [1] } } },
      [
        `charts.vault.repo is "helm"; allowed: ${aSource}`,
        "charts.vault.values is [1]; allowed: a map of chart values, merged over the program's own",
        `charts.vault.version is "0.x"; allowed: ${exactVersion}`,
      ],
    ],
    [
      "an unknown chart",
      { charts: { argocd: {} } },
      [
        "charts.argocd is no setting; allowed: a map with no other keys than mirror, certManager, reflector, istio, externalSecrets, vault",
      ],
    ],
    [
      "values of an unknown Istio chart",
      { charts: { istio: { values: { cni: {} } } } },
      ["charts.istio.values.cni is no setting; allowed: a map with no other keys than base, istiod, gateway"],
    ],
    [
      "a list as values",
      { charts: { reflector: { values: [1] } } },
      ["charts.reflector.values is [1]; allowed: a map of chart values, merged over the program's own"],
    ],

    ["port 0", serving({ port: 0 }), [`services[0].port is 0; allowed: ${aPort}`]],
    ["port 65536", serving({ port: 65536 }), [`services[0].port is 65536; allowed: ${aPort}`]],
    ["text as port", serving({ port: "80" }), [`services[0].port is "80"; allowed: ${aPort}`]],
    [
      "an empty service",
      { services: [{}, {}] },
      [0, 1].flatMap((index) => [
        `services[${index}].name is missing; allowed: ${aName}`,
        `services[${index}].namespace is missing; allowed: a namespace that exists: ${aLabel}`,
        `services[${index}].port is missing; allowed: ${aPort}`,
      ]),
    ],
    [
      "names of a service that Kubernetes refuses",
      serving({ name: "-a", namespace: "Vault_NS", service: "a.b" }),
      [
        `services[0].name is "-a"; allowed: ${aName}`,
        `services[0].namespace is "Vault_NS"; allowed: a namespace that exists: ${aLabel}`,
        `services[0].service is "a.b"; allowed: the name of a Service: ${aLabel}`,
      ],
    ],
    [
      // As a label it would do, but "-vs" is added to it.
      "a name of 61 characters",
      serving({ name: "a".repeat(61) }),
      [`services[0].name is "${"a".repeat(61)}"; allowed: ${aName}`],
    ],
    [
      // Its default host would be two labels below the base domain.
      "a name with a dot, once",
      serving({ name: "a.b" }),
      [`services[0].name is "a.b"; allowed: ${aName}`],
    ],
    [
      "two services with one host by default",
      serving({}, { namespace: "other" }),
      [`services[1].host is "vault.cluster.example.com"; allowed: ${ownHost}`],
    ],
    [
      "two services with one host by hand",
      serving({ host: "a.cluster.example.com" }, { name: "b", host: "a.cluster.example.com" }),
      [`services[1].host is "a.cluster.example.com"; allowed: ${ownHost}`],
    ],
    [
      "two services with one host, by default and by hand",
      serving({}, { name: "b", host: "vault.cluster.example.com" }),
      [`services[1].host is "vault.cluster.example.com"; allowed: ${ownHost}`],
    ],
    [
      "two services with one namespace and name",
      serving({}, { host: "a.cluster.example.com" }),
      [`services[1].name is "vault"; allowed: ${ownName}`],
    ],
    [
      // They have one host as well, but only because they have one name.
      "the same service twice, once",
      serving({}, {}),
      [`services[1].name is "vault"; allowed: ${ownName}`],
    ],
    [
      "a host in another domain",
      serving({ host: "vault.example.org" }),
      [`services[0].host is "vault.example.org"; allowed: ${covered}`],
    ],
    [
      "a host beside the base domain",
      serving({ host: "vault.example.com" }),
      [`services[0].host is "vault.example.com"; allowed: ${covered}`],
    ],
    [
      "a host two labels below the base domain",
      serving({ host: "a.b.cluster.example.com" }),
      [`services[0].host is "a.b.cluster.example.com"; allowed: ${covered}`],
    ],
    [
      // It ends like the base domain, but not at a dot.
      "a host that only looks covered",
      serving({ host: "xcluster.example.com" }),
      [`services[0].host is "xcluster.example.com"; allowed: ${covered}`],
    ],
    [
      "a wildcard as host",
      serving({ host: "*.cluster.example.com" }),
      [`services[0].host is "*.cluster.example.com"; allowed: ${aHost}`],
    ],
    [
      "an upper-case host",
      serving({ host: "Vault.cluster.example.com" }),
      [`services[0].host is "Vault.cluster.example.com"; allowed: ${aHost}`],
    ],
    ["a number as host", serving({ host: 5 }), [`services[0].host is 5; allowed: ${aHost}`]],
    ["null as host", serving({ host: null }), [`services[0].host is null; allowed: ${aHost}`]],

    ["a placeholder", { domain: "<zone>" }, [`domain ${placeholder("<zone>")}`]],
    [
      "nested placeholders and those in lists",
      {
        cluster: { id: "<OKE cluster OCID>" },
        ...balanced({ allowedCidrs: ["10.0.0.0/8", "<office CIDR>"] }),
        reflector: { namespaces: ["<namespace>"] },
        charts: { istio: { values: { istiod: { global: { hubs: ["<registry>"] } } } } },
        ...serving({ name: "<name>", host: "<host>" }),
      },
      [
        `charts.istio.values.istiod.global.hubs[0] ${placeholder("<registry>")}`,
        `cluster.id ${placeholder("<OKE cluster OCID>")}`,
        `loadBalancer.allowedCidrs[1] ${placeholder("<office CIDR>")}`,
        `reflector.namespaces[0] ${placeholder("<namespace>")}`,
        `services[0].host ${placeholder("<host>")}`,
        `services[0].name ${placeholder("<name>")}`,
      ],
    ],
  ])("%s", (_what, changes, lines) => {
    expect(messageOf({ ...oke, ...changes })).toBe(message(...lines));
  });

  it("nothing at all with what is required, in one message", () => {
    expect(messageOf({})).toBe(
      message(
        `acme.email is missing; allowed: ${anEmail}; the ACME server asks for a contact`,
        "cluster is missing; allowed: a map with keys of id, endpoint, context, kubeconfig",
        `domain is missing; allowed: ${aZone}`,
        noVault,
      ),
    );
  });

  it("many mistakes with all their lines, sorted, and no other", () => {
    const wrong = {
      ...oke,
      colour: "red",
      size: "large",
      cluster: { id: clusterId, kubeconfig: "config" },
      acme: { server: "production", propagationSeconds: 5 },
      ...balanced({ rules: "None", minMbps: 200, maxMbps: 100, allowedCidrs: ["10.0.0.1/8"], colour: "red" }),
      cloudflareApiToken: "s3same",
      vault: { address: "<Vault address>" },
      gateway: { serviceType: "ClusterIP" },
      ...serving({ port: 0 }, { host: "vault.example.org" }, { name: "b", host: "vault.cluster.example.com" }),
    };
    expect(messageOf(wrong)).toBe(
      message(
        `acme.email is missing; allowed: ${anEmail}; the ACME server asks for a contact`,
        `acme.propagationSeconds is 5; allowed: ${tenSeconds}`,
        'cloudflareApiToken is [secret]; allowed: nothing unless cloudflare.token is "supplied"; set that, or remove the token',
        'cluster.kubeconfig is "config"; allowed: only with context; remove it',
        `colour ${noOtherKeys}`,
        'gateway.serviceType is "ClusterIP"; allowed: nothing but "LoadBalancer" with loadBalancer, whose contract it is; remove one of the two',
        'loadBalancer.allowedCidrs[0] is "10.0.0.1/8"; allowed: an IPv4 CIDR without host bits, such as 10.0.0.0/8',
        "loadBalancer.colour is no setting; allowed: a map with no other keys than compartmentId, vcnId, subnetId, minMbps, maxMbps, rules, nodeNsgId, allowedCidrs, reservedIp, internal, additionalNsgIds, idleTimeoutSeconds, proxyProtocol, externalTrafficPolicy, healthCheckRetries, healthCheckTimeoutMs, healthCheckIntervalMs, alwaysFree",
        "loadBalancer.minMbps is 200; allowed: at most maxMbps; lower minMbps or raise maxMbps",
        `loadBalancer.nodeNsgId ${nodeNsgRequired}`,
        'loadBalancer.vcnId is missing; allowed: the OCID of the vcn, required with rules "None"',
        `services[0].port is 0; allowed: ${aPort}`,
        `services[1].host is "vault.example.org"; allowed: ${covered}`,
        `services[1].name is "vault"; allowed: ${ownName}`,
        `services[2].host is "vault.cluster.example.com"; allowed: ${ownHost}`,
        'size is "large"; allowed: "small" or "production"',
        `vault.address ${placeholder("<Vault address>")}`,
      ),
    );
  });
});

describe("A secret stays out of the message", () => {
  it.each(["two words", "<token>", 5, { token: "s3same" }])("when cloudflareApiToken is %j", (cloudflareApiToken) => {
    const got =
      cloudflareApiToken === "<token>"
        ? placeholder("[secret]")
        : "is [secret]; allowed: a Cloudflare API token, set with `pulumi config set --secret`";
    expect(messageOf({ ...oke, cloudflare: { token: "supplied" }, cloudflareApiToken })).toBe(
      message(`cloudflareApiToken ${got}`),
    );
  });

  it.each(topLevelKeys)("when %s is stored as one", (key) => {
    const wrong = { ...oke, [key]: "s3 same" };
    expect(messageOf(wrong, (name) => name === key)).toBe(messageOf(wrong).replaceAll('"s3 same"', "[secret]"));
    expect(messageOf({ ...oke, [key]: "<s3same>" }, (name) => name === key)).toBe(
      message(`${key} ${placeholder("[secret]")}`),
    );
  });

  it("when it is part of a map, where only the names of keys are shown", () => {
    const wrong = {
      ...oke,
      ...balanced({ minMbps: 5, s3: "s3same", reservedIp: "<s3same>", allowedCidrs: ["10.1.2.3/24"] }),
    };
    expect(messageOf(wrong, (key) => key === "loadBalancer")).toBe(
      message(
        "loadBalancer.allowedCidrs[0] is [secret]; allowed: an IPv4 CIDR without host bits",
        `loadBalancer.minMbps is [secret]; allowed: ${bandwidth}`,
        `loadBalancer.reservedIp ${placeholder("[secret]")}`,
        "loadBalancer.s3 is no setting; allowed: a map with no other keys than compartmentId, vcnId, subnetId, minMbps, maxMbps, rules, nodeNsgId, allowedCidrs, reservedIp, internal, additionalNsgIds, idleTimeoutSeconds, proxyProtocol, externalTrafficPolicy, healthCheckRetries, healthCheckTimeoutMs, healthCheckIntervalMs, alwaysFree",
      ),
    );
  });

  it("when it is of no known key", () => {
    expect(messageOf({ ...oke, colour: "s3same" }, (key) => key === "colour")).toBe(message(`colour ${noOtherKeys}`));
  });

  it.each([
    ["domain", { domain: "s3same.example" }, "cluster.[secret]"],
    ["baseDomain", { baseDomain: "s3same.example.com" }, "[secret]"],
  ])("when it is the %s that a service's host is made of", (key, changes, shown) => {
    const wrong = { ...oke, ...changes, ...serving({}, { namespace: "b" }, { name: "c", host: "c.example.org" }) };
    expect(messageOf(wrong, (name) => name === key)).toBe(
      message(
        `services[1].host is "vault.${shown}"; allowed: ${ownHost}`,
        `services[2].host is "c.example.org"; allowed: ${shown} or one label below it: the certificate covers nothing else`,
      ),
    );
  });
});

describe("A private key stays out of the message", () => {
  const key = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n";
  const aBundle = "PEM, one or more -----BEGIN CERTIFICATE----- blocks";

  it.each<[what: string, changes: Raw, line: string]>([
    [
      "that stands where a certificate belongs",
      { vault: { ...(oke.vault as Raw), caBundle: key } },
      `vault.caBundle is [a private key]; allowed: ${aBundle}`,
    ],
    [
      "that comes after the certificates",
      { vault: { ...(oke.vault as Raw), caBundle: pem.repeat(10) + key } },
      `vault.caBundle is [a private key]; allowed: ${aBundle}`,
    ],
    [
      "that is somewhere in a value",
      { services: { vault: { tls: [key] } } },
      "services is [a private key]; allowed: a list of services",
    ],
    ["that looks like a placeholder", { domain: "<PRIVATE KEY AAAA>" }, `domain ${placeholder("[a private key]")}`],
  ])("%s", (_what, changes, line) => {
    expect(messageOf({ ...oke, ...changes })).toBe(message(line));
  });
});

describe("A value is shown", () => {
  const shownSize = (size: string, isSecret?: (key: string) => boolean) => messageOf({ ...oke, size }, isSecret);
  const sizes = '"small" or "production"';

  it("whole with 100 characters, cut with more", () => {
    expect(shownSize("x".repeat(98))).toBe(message(`size is "${"x".repeat(98)}"; allowed: ${sizes}`));
    expect(shownSize("x".repeat(99))).toBe(message(`size is "${"x".repeat(99)}…; allowed: ${sizes}`));
  });

  it("cut as a placeholder too", () => {
    expect(shownSize(`<${"x".repeat(100)}>`)).toBe(message(`size ${placeholder(`<${"x".repeat(99)}…`)}`));
  });

  it("cut only after a secret domain is taken out of it", () => {
    const host = `${"h".repeat(63)}.${"i".repeat(31)}.s3same.example`;
    expect(messageOf({ ...oke, domain: "s3same.example", ...serving({ host }) }, (name) => name === "domain")).toBe(
      message(
        `services[0].host is "${"h".repeat(63)}.${"i".repeat(31)}.[se…; allowed: cluster.[secret] or one label below it: the certificate covers nothing else`,
      ),
    );
  });
});

describe("parseSettings fills in", () => {
  const charts: Settings["charts"] = {
    certManager: { version: "v1.21.2", repo: "https://charts.jetstack.io" },
    reflector: { version: "10.0.63", repo: "https://emberstack.github.io/helm-charts" },
    istio: { version: "1.31.4", repo: "https://blob.istio.io/istio-release/charts" },
    externalSecrets: { version: "2.9.0", repo: "https://charts.external-secrets.io" },
    vault: { version: "0.34.1", repo: "https://helm.releases.hashicorp.com" },
  };
  const common = {
    domain: "example.com",
    baseDomain: "cluster.example.com",
    hosts: ["*.cluster.example.com", "cluster.example.com"],
    size: "small",
    externalSecrets: { install: true, namespace: "external-secrets", serviceAccount: "external-secrets" },
    reflector: { namespaces: ["istio-system"] },
    gateway: { minTls: "1.2" },
    charts,
    services: [],
  };

  it("the smallest stack", () => {
    expect(parseSettings(smallest)).toEqual({
      ...common,
      cluster: { context: "kind" },
      cloudflare: { token: "none", tokenSerial: 1, proxied: false, ttlSeconds: 300 },
    });
  });

  it("the smallest stack on OKE", () => {
    expect(parseSettings(oke)).toEqual({
      ...common,
      cluster: { id: clusterId },
      acme: { directory: directories.staging, email: "platform@example.com" },
      loadBalancer: {
        compartmentId,
        minMbps: 10,
        maxMbps: 10,
        rules: "SL-All",
        allowedCidrs: ["0.0.0.0/0"],
        internal: false,
        externalTrafficPolicy: "Cluster",
        alwaysFree: false,
      },
      cloudflare: { token: "scoped", tokenSerial: 1, proxied: false, ttlSeconds: 300 },
      vault: {
        address: "https://vault.example.com",
        clusterAddress: "http://vault.vault:8200",
        mount: "secret",
        path: "prod/cert-manager",
        role: "external-secrets",
        authPath: "kubernetes",
        auth: { method: "kubernetes" },
        access: "existing",
        install: false,
        initialized: false,
      },
    });
  });

  const optional = topLevelKeys.filter((key) => !(key in smallest));
  it.each(optional)("an empty %s as if it were not set", (key) => {
    for (const empty of ["", [], {}]) {
      expect(parseSettings({ ...smallest, [key]: empty })).toEqual(parseSettings(smallest));
    }
  });

  it("no acme and no cloudflare where they are empty", () => {
    expect(parseSettings({ ...oke, cloudflare: {} })).toEqual(parseSettings(oke));
    expect(messageOf({ ...oke, acme: {} })).toBe(messageOf({ ...oke, acme: undefined }));
  });

  it.each([
    ["another name in the zone", "apps.eu.example.com"],
    ["the zone itself", "example.com"],
  ])("hosts below a base domain that is %s", (_what, baseDomain) => {
    expect(parseSettings({ ...smallest, baseDomain, ...serving({}) })).toEqual({
      ...parseSettings(smallest),
      baseDomain,
      hosts: [`*.${baseDomain}`, baseDomain],
      services: [{ ...vaultService, service: "vault", host: `vault.${baseDomain}` }],
    });
  });

  it("a service's Service and host where they are not given", () => {
    const given = {
      name: "argocd",
      namespace: "vault",
      service: "argocd-server",
      port: 80,
      host: "cluster.example.com",
    };
    expect(parseSettings({ ...smallest, services: [vaultService, given] }).services).toEqual([
      { ...vaultService, service: "vault", host: "vault.cluster.example.com" },
      given,
    ]);
  });

  it.each([
    [
      ["apps", "apps", "a"],
      ["a", "apps", "istio-system"],
    ],
    [
      ["istio-system", "z"],
      ["istio-system", "z"],
    ],
    ["all", "all"],
  ])("the namespaces of the key: %j are %j", (namespaces, expected) => {
    expect(parseSettings({ ...smallest, reflector: { namespaces } }).reflector).toEqual({ namespaces: expected });
  });

  it("a chart's repository: its own, else the mirror, else the default", () => {
    const own = { certManager: { version: "1.21.3", repo: "./charts" }, istio: { values: { base: { a: 1 } } } };
    expect(parseSettings({ ...smallest, charts: own }).charts).toEqual({
      ...charts,
      certManager: { version: "1.21.3", repo: "./charts" },
      istio: { ...charts.istio, values: { base: { a: 1 } } },
    });
    expect(parseSettings({ ...smallest, charts: { ...own, mirror: "oci://mirror/charts" } }).charts).toEqual({
      certManager: { version: "1.21.3", repo: "./charts" },
      reflector: { ...charts.reflector, repo: "oci://mirror/charts" },
      istio: { ...charts.istio, repo: "oci://mirror/charts", values: { base: { a: 1 } } },
      externalSecrets: { ...charts.externalSecrets, repo: "oci://mirror/charts" },
      vault: { ...charts.vault, repo: "oci://mirror/charts" },
    });
  });

  it.each([
    ["staging", directories.staging],
    ["production", directories.production],
    ["https://acme.example.com/dir", "https://acme.example.com/dir"],
  ])("the ACME directory of %s", (server, directory) => {
    expect(parseSettings({ ...oke, ...account({ server }) }).acme).toEqual({
      directory,
      email: "platform@example.com",
    });
  });

  it("no ACME account for the CA in the cluster, though an e-mail is given", () => {
    expect(parseSettings({ ...oke, ...account({ server: "ca" }) }).acme).toBeUndefined();
  });
});

describe("parseSettings accepts", () => {
  const accepted = parseSettings(oke);
  const acme = { directory: directories.staging, email: "platform@example.com" };
  const installedVault = {
    ...accepted.vault,
    install: true,
    access: "managed",
    address: "http://127.0.0.1:8200",
    clusterAddress: "http://vault.vault:8200",
  };
  const overTls = { address: "https://127.0.0.1:8200", clusterAddress: "https://vault.vault:8200" };

  it.each<[what: string, changes: Raw, resolved: Raw]>([
    [
      "the lowest and the highest bandwidth",
      balanced({ minMbps: 10, maxMbps: 8192 }),
      {
        loadBalancer: { ...accepted.loadBalancer, maxMbps: 8192 },
      },
    ],
    [
      "10 Mbps with alwaysFree",
      balanced({ alwaysFree: true }),
      {
        loadBalancer: { ...accepted.loadBalancer, alwaysFree: true },
      },
    ],
    [
      "the tenancy as compartment",
      balanced({ compartmentId: "ocid1.tenancy.oc1..aaaa" }),
      {
        loadBalancer: { ...accepted.loadBalancer, compartmentId: "ocid1.tenancy.oc1..aaaa" },
      },
    ],
    [
      "NSG with the nodes' NSG and without a VCN",
      balanced({ rules: "NSG", nodeNsgId }),
      {
        loadBalancer: { ...accepted.loadBalancer, rules: "NSG", nodeNsgId },
      },
    ],
    [
      "None with the nodes' NSG and the VCN",
      balanced({ rules: "None", nodeNsgId, vcnId }),
      {
        loadBalancer: { ...accepted.loadBalancer, rules: "None", nodeNsgId, vcnId },
      },
    ],
    [
      "a reserved IP",
      balanced({ reservedIp: publicIpId }),
      {
        loadBalancer: { ...accepted.loadBalancer, reservedIp: publicIpId },
      },
    ],
    [
      "an endpoint of an OKE cluster",
      { cluster: { id: clusterId, endpoint: "PRIVATE_ENDPOINT" } },
      {
        cluster: { id: clusterId, endpoint: "PRIVATE_ENDPOINT" },
      },
    ],
    [
      "a context with its kubeconfig",
      { cluster: { context: "kind", kubeconfig: "config" } },
      {
        cluster: { context: "kind", kubeconfig: "config" },
      },
    ],
    [
      "a load balancer's own type of Service",
      { gateway: { serviceType: "LoadBalancer", minTls: "1.3" } },
      {
        gateway: { serviceType: "LoadBalancer", minTls: "1.3" },
      },
    ],
    [
      "another type of Service without a load balancer",
      {
        cluster: { context: "kind" },
        loadBalancer: undefined,
        gateway: { serviceType: "NodePort" },
      },
      {
        cluster: { context: "kind" },
        loadBalancer: undefined,
        gateway: { serviceType: "NodePort", minTls: "1.2" },
      },
    ],
    [
      "a supplied token",
      { cloudflare: { token: "supplied" }, cloudflareApiToken: "s3same" },
      {
        cloudflare: { ...accepted.cloudflare, token: "supplied" },
        cloudflareApiToken: "s3same",
      },
    ],
    [
      "access managed in a Vault of this cluster",
      there({ access: "managed" }),
      { vault: { ...accepted.vault, access: "managed" } },
    ],
    ...["http://vault.vault:8200", "https://vault-active.secrets.svc:8200", "http://vault.vault.svc.cluster.local"].map(
      (clusterAddress): [string, Raw, Raw] => [
        `access managed in a Vault at ${clusterAddress}`,
        there({ access: "managed", clusterAddress }),
        { vault: { ...accepted.vault, access: "managed", clusterAddress } },
      ],
    ),
    [
      "an existing access, said so",
      there({ access: "existing", clusterAddress: "https://vault.example.org", caBundle: pem }),
      { vault: { ...accepted.vault, clusterAddress: "https://vault.example.org", caBundle: pem } },
    ],
    [
      "every other place in Vault",
      there({ mount: "team/kv", path: "a/b", role: "A_b-c.1", authPath: "k8s/eu", initialized: false }),
      { vault: { ...accepted.vault, mount: "team/kv", path: "a/b", role: "A_b-c.1", authPath: "k8s/eu" } },
    ],
    [
      "a login by token",
      there({ auth: { method: "token", secret: vaultLogin } }),
      { vault: { ...accepted.vault, auth: { method: "token", secret: vaultLogin } } },
    ],
    [
      "a login by AppRole, and where",
      there({ auth: { method: "appRole", roleId: "3e5f-7a", path: "a/b", secret: { ...vaultLogin, key: "A_b-c.1" } } }),
      {
        vault: {
          ...accepted.vault,
          auth: { method: "appRole", roleId: "3e5f-7a", path: "a/b", secret: { ...vaultLogin, key: "A_b-c.1" } },
        },
      },
    ],
    [
      "a Secret for the login in the namespace of External Secrets that is there",
      {
        externalSecrets: { install: false },
        ...there({ auth: { method: "token", secret: { ...vaultLogin, namespace: "external-secrets" } } }),
      },
      {
        externalSecrets: { ...accepted.externalSecrets, install: false },
        vault: {
          ...accepted.vault,
          auth: { method: "token", secret: { ...vaultLogin, namespace: "external-secrets" } },
        },
      },
    ],
    ["an installed Vault", installed(), { vault: installedVault }],
    [
      "an installed Vault in production, which speaks TLS",
      { size: "production", ...installed() },
      { size: "production", vault: { ...installedVault, ...overTls } },
    ],
    [
      "an installed Vault at an address of one's own, initialised",
      installed({ address: "http://127.0.0.1:9200", access: "managed", initialized: true }),
      { vault: { ...installedVault, address: "http://127.0.0.1:9200", initialized: true } },
    ],
    [
      "an address with TLS of an installed Vault in production",
      { size: "production", ...installed({ address: "https://vault.cluster.example.com" }) },
      { size: "production", vault: { ...installedVault, ...overTls, address: "https://vault.cluster.example.com" } },
    ],
    [
      "a KMS vault to make a key in, and a key that is there",
      installed({ kmsVaultId }),
      { vault: { ...installedVault, kmsVaultId } },
    ],
    [
      "a key that is there, without a load balancer",
      {
        cluster: { context: "kind" },
        loadBalancer: undefined,
        size: "production",
        ...installed({ kmsVaultId, kmsKeyId }),
      },
      {
        cluster: { context: "kind" },
        loadBalancer: undefined,
        size: "production",
        vault: { ...installedVault, ...overTls, kmsVaultId, kmsKeyId },
      },
    ],
    [
      "an installed Vault without a load balancer, unsealed by hand",
      { cluster: { context: "kind" }, loadBalancer: undefined, ...installed() },
      { cluster: { context: "kind" }, loadBalancer: undefined, vault: installedVault },
    ],
    [
      "a Vault that is there in production, without a load balancer",
      { cluster: { context: "kind" }, loadBalancer: undefined, size: "production" },
      { cluster: { context: "kind" }, loadBalancer: undefined, size: "production" },
    ],
    [
      "a Vault that nothing is kept in",
      { ...account({ server: "ca" }), cloudflare: { token: "none" } },
      { acme: undefined, cloudflare: { ...accepted.cloudflare, token: "none" } },
    ],
    [
      "another version, source and values of Vault's chart",
      { charts: { vault: { version: "0.31.0", repo: "oci://mirror/charts", values: { ui: { enabled: true } } } } },
      {
        charts: {
          ...accepted.charts,
          vault: { version: "0.31.0", repo: "oci://mirror/charts", values: { ui: { enabled: true } } },
        },
      },
    ],
    [
      "a TTL of 60 seconds",
      { cloudflare: { ttlSeconds: 60 } },
      {
        cloudflare: { ...accepted.cloudflare, ttlSeconds: 60 },
      },
    ],
    [
      "a wait of ten seconds with Let's Encrypt",
      account({ propagationSeconds: 10 }),
      {
        acme: { ...acme, propagationSeconds: 10 },
      },
    ],
    [
      "no wait at another ACME server, with its CA",
      account({
        server: "https://acme.example.com/dir",
        propagationSeconds: 0,
        caBundle: pem,
      }),
      { acme: { ...acme, directory: "https://acme.example.com/dir", propagationSeconds: 0, caBundle: pem } },
    ],
    ...["v1.21.0", "1.100.0", "v2.0.0"].map((version): [string, Raw, Raw] => [
      `a wait with cert-manager ${version}`,
      { ...account({ propagationSeconds: 30 }), charts: { certManager: { version } } },
      {
        acme: { ...acme, propagationSeconds: 30 },
        charts: { ...accepted.charts, certManager: { ...accepted.charts.certManager, version } },
      },
    ]),
    [
      "the first and the last port, and names of full length",
      {
        services: [
          { name: "a".repeat(60), namespace: "n".repeat(63), port: 1 },
          { name: "b", namespace: "n", port: 65535, service: "s".repeat(63) },
        ],
      },
      {
        services: [
          {
            name: "a".repeat(60),
            namespace: "n".repeat(63),
            port: 1,
            service: "a".repeat(60),
            host: `${"a".repeat(60)}.cluster.example.com`,
          },
          { name: "b", namespace: "n", port: 65535, service: "s".repeat(63), host: "b.cluster.example.com" },
        ],
      },
    ],
    [
      "one name in two namespaces with two hosts",
      serving({}, { namespace: "other", host: "other.cluster.example.com" }),
      {
        services: [
          { ...vaultService, service: "vault", host: "vault.cluster.example.com" },
          { ...vaultService, namespace: "other", service: "vault", host: "other.cluster.example.com" },
        ],
      },
    ],
  ])("%s", (_what, changes, resolved) => {
    expect(parseSettings({ ...oke, ...changes })).toEqual({ ...accepted, ...resolved });
  });
});

describe("For any input", () => {
  // A failure prints its seed: FAST_CHECK_SEED=<seed> runs it again.
  const seed = process.env.FAST_CHECK_SEED;
  const parameters = seed === undefined ? {} : { seed: Number(seed) };

  const spell = (address: number, bits: number) =>
    `${[24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join(".")}/${bits}`;
  const hostMask = (bits: number) => (bits === 32 ? 0 : 0xffff_ffff >>> bits);
  const anyAddress = fc.integer({ min: 0, max: 0xffff_ffff });

  it("an aligned IPv4 CIDR is accepted", () => {
    fc.assert(
      fc.property(anyAddress, fc.integer({ min: 0, max: 32 }), (address, bits) => {
        const cidr = spell(address & ~hostMask(bits), bits);
        expect(parseSettings({ ...oke, ...balanced({ allowedCidrs: [cidr] }) }).loadBalancer?.allowedCidrs).toEqual([
          cidr,
        ]);
      }),
      parameters,
    );
  });

  it("an IPv4 CIDR with host bits is refused, and the aligned one named", () => {
    const withHostBits = fc
      .integer({ min: 0, max: 31 })
      .chain((bits) => fc.tuple(anyAddress, fc.integer({ min: 1, max: hostMask(bits) }), fc.constant(bits)));
    fc.assert(
      fc.property(withHostBits, ([address, host, bits]) => {
        const network = address & ~hostMask(bits);
        const cidr = spell(network | host, bits);
        expect(messageOf({ ...oke, ...balanced({ allowedCidrs: [cidr] }) })).toBe(
          message(
            `loadBalancer.allowedCidrs[0] is "${cidr}"; allowed: an IPv4 CIDR without host bits, such as ${spell(network, bits)}`,
          ),
        );
      }),
      parameters,
    );
  });

  it("each of several independent mistakes gets exactly one line", () => {
    const right = {
      ...oke,
      acme: { email: "platform@example.com", server: "production" },
      ...balanced({ rules: "None", vcnId, nodeNsgId, internal: true, minMbps: 100, maxMbps: 1000 }),
      cloudflare: {},
      externalSecrets: {},
      reflector: {},
      gateway: {},
      charts: {},
      ...serving({}, { name: "argocd" }, { name: "grafana" }),
    };
    const mistakes: { section?: string; entry?: number; key: string; value?: unknown; line: string }[] = [
      { key: "colour", value: "red", line: `colour ${noOtherKeys}` },
      { key: "size", value: "large", line: 'size is "large"; allowed: "small" or "production"' },
      {
        key: "cloudflareApiToken",
        value: "s3same",
        line: 'cloudflareApiToken is [secret]; allowed: nothing unless cloudflare.token is "supplied"; set that, or remove the token',
      },
      {
        section: "cluster",
        key: "kubeconfig",
        value: "config",
        line: 'cluster.kubeconfig is "config"; allowed: only with context; remove it',
      },
      {
        section: "acme",
        key: "email",
        line: `acme.email is missing; allowed: ${anEmail}; the ACME server asks for a contact`,
      },
      {
        section: "acme",
        key: "propagationSeconds",
        value: 9,
        line: `acme.propagationSeconds is 9; allowed: ${tenSeconds}`,
      },
      {
        section: "acme",
        key: "caBundle",
        value: pem,
        line: `acme.caBundle is ${JSON.stringify(pem)}; allowed: ${onlyWithUrl}`,
      },
      {
        section: "loadBalancer",
        key: "vcnId",
        line: 'loadBalancer.vcnId is missing; allowed: the OCID of the vcn, required with rules "None"',
      },
      { section: "loadBalancer", key: "nodeNsgId", line: `loadBalancer.nodeNsgId ${nodeNsgRequired}` },
      {
        section: "loadBalancer",
        key: "minMbps",
        value: 1001,
        line: "loadBalancer.minMbps is 1001; allowed: at most maxMbps; lower minMbps or raise maxMbps",
      },
      {
        section: "loadBalancer",
        key: "reservedIp",
        value: publicIpId,
        line: `loadBalancer.reservedIp is "${publicIpId}"; allowed: nothing with internal: true, whose load balancer has no public IP; remove one of the two`,
      },
      {
        section: "loadBalancer",
        key: "allowedCidrs",
        value: ["10.0.0.0/33"],
        line: `loadBalancer.allowedCidrs[0] is "10.0.0.0/33"; allowed: ${aCidr}`,
      },
      {
        section: "vault",
        key: "address",
        value: "<Vault address>",
        line: `vault.address ${placeholder("<Vault address>")}`,
      },
      {
        section: "vault",
        key: "role",
        value: "a b",
        line: 'vault.role is "a b"; allowed: the name of a role of the Kubernetes auth backend',
      },
      {
        section: "vault",
        key: "auth",
        value: { method: "token" },
        line: "vault.auth.secret is missing; allowed: a map with name, namespace and key of the Secret that holds the token",
      },
      {
        section: "vault",
        key: "initialized",
        value: true,
        line: "vault.initialized is true; allowed: nothing without install: a Vault that is there is taken to be ready; remove it",
      },
      {
        section: "vault",
        key: "kmsVaultId",
        value: kmsVaultId,
        line: `vault.kmsVaultId is "${kmsVaultId}"; allowed: nothing without install; remove it`,
      },
      {
        section: "cloudflare",
        key: "ttlSeconds",
        value: 59,
        line: "cloudflare.ttlSeconds is 59; allowed: a whole number from 60 to 86400 (seconds)",
      },
      {
        section: "externalSecrets",
        key: "namespace",
        value: "A",
        line: `externalSecrets.namespace is "A"; allowed: a namespace: ${aLabel}`,
      },
      {
        section: "reflector",
        key: "namespaces",
        value: [],
        line: 'reflector.namespaces is []; allowed: at least one namespace, or "all"; Reflector reads an empty list as all',
      },
      {
        section: "gateway",
        key: "serviceType",
        value: "NodePort",
        line: 'gateway.serviceType is "NodePort"; allowed: nothing but "LoadBalancer" with loadBalancer, whose contract it is; remove one of the two',
      },
      { section: "charts", key: "mirror", value: "ftp://x", line: `charts.mirror is "ftp://x"; allowed: ${aSource}` },
      {
        section: "charts",
        key: "istio",
        value: { version: "1.x" },
        line: `charts.istio.version is "1.x"; allowed: ${exactVersion}`,
      },
      { section: "services", entry: 0, key: "port", value: 0, line: `services[0].port is 0; allowed: ${aPort}` },
      {
        section: "services",
        entry: 1,
        key: "host",
        value: "argocd.example.org",
        line: `services[1].host is "argocd.example.org"; allowed: ${covered}`,
      },
      {
        section: "services",
        entry: 2,
        key: "name",
        value: "vault",
        line: `services[2].name is "vault"; allowed: ${ownName}`,
      },
    ];
    expect(parseSettings(right).services).toHaveLength(3);
    fc.assert(
      fc.property(fc.subarray(mistakes, { minLength: 1 }), (chosen) => {
        const wrong: Raw = structuredClone(right);
        for (const { section, entry, key, value } of chosen) {
          const at = section === undefined ? wrong : wrong[section];
          Object.assign(entry === undefined ? (at as Raw) : ((at as Raw[])[entry] as Raw), { [key]: value });
        }
        expect(messageOf(wrong)).toBe(message(...chosen.map(({ line }) => line).sort()));
      }),
      parameters,
    );
  });
});

describe("warnings", () => {
  const warningsOf = (changes: Raw, today = "2026-11-23") =>
    warnings(parseSettings({ ...oke, ...changes }), new Date(today));
  const labPins = {
    certManager: { version: "v1.20.0" },
    reflector: { version: "10.0.17" },
    istio: { version: "1.26.4" },
  };
  const past = "Istio 1.26.4 is past its end of support, 2025-12-22; choose a newer version in charts";

  it("are none with the default pins", () => {
    expect(warningsOf({})).toEqual([]);
  });

  it("name the lab's pin that is past its end", () => {
    expect(warningsOf({ charts: labPins })).toEqual([past]);
  });

  it("name it from the day after its last", () => {
    expect(warningsOf({ charts: labPins }, "2025-12-22T23:59:59Z")).toEqual([]);
    expect(warningsOf({ charts: labPins }, "2025-12-23T00:00:00Z")).toEqual([past]);
  });

  // All of the table's pairs have a Kubernetes minor in common, so only another table shows the warning about that.
  it("say that two versions have no Kubernetes minor in common", () => {
    expect(
      supportWarnings({ istio: "1.31.4", certManager: "v1.20.0" }, new Date("2026-11-23"), {
        Istio: { "1.31": { kubernetes: [36, 37] } },
        "cert-manager": { "1.20": { kubernetes: [32, 35] } },
      }),
    ).toEqual([
      "no Kubernetes minor is supported by both Istio 1.31.4 (1.36 to 1.37) and cert-manager v1.20.0 (1.32 to 1.35)",
    ]);
  });

  it.each(
    ["1.26.4", "1.27.0", "1.28.0", "1.29.0", "1.30.0", "1.31.4"].flatMap((istio) =>
      ["v1.20.0", "v1.21.2"].map((certManager) => [istio, certManager]),
    ),
  )("are none about the Kubernetes minors of Istio %s and cert-manager %s", (istio, certManager) => {
    expect(
      warningsOf({ charts: { istio: { version: istio }, certManager: { version: certManager } } }, "2025-01-01"),
    ).toEqual([]);
  });

  it("say when the table does not know a version", () => {
    expect(
      warningsOf({ charts: { istio: { version: "9.9.9" }, certManager: { version: "v9.9.9" } } }, "2099-01-01"),
    ).toEqual([
      "what Istio 9.9.9 supports, and until when, is not known to this program",
      "what cert-manager v9.9.9 supports, and until when, is not known to this program",
    ]);
  });

  it("say that the key is copied everywhere", () => {
    expect(warningsOf({ reflector: { namespaces: "all" } })).toEqual([
      'reflector.namespaces is "all": the certificate\'s private key is copied into every namespace',
    ]);
  });

  it("say when the token ends", () => {
    expect(warningsOf({ cloudflare: { tokenExpiresDays: 90 } })).toEqual([
      "cloudflare.tokenExpiresDays is 90: raise cloudflare.tokenSerial and run up before then, or renewals stop",
    ]);
  });

  const firstPhase =
    "vault.initialized is false: phase 1 of 2, Vault is installed and what needs it waits (on a running stack this takes certificate and Gateway down); after this up: npm run vault:init -- --stack <stack> --keys-file <file>";

  it("say which phase of an installed Vault it is, and what ends it", () => {
    expect(warningsOf(installed())).toEqual([firstPhase]);
  });

  it.each<[what: string, changes: Raw]>([
    ["the phase of a Vault that is initialised", installed({ initialized: true })],
    ["the phase of a Vault that is there", there({ access: "managed" })],
    [
      "the end of a token that is supplied",
      { cloudflare: { token: "supplied", tokenExpiresDays: 90 }, cloudflareApiToken: "s3same" },
    ],
    ["the end of a token that is not there", { ...smallest, cloudflare: { token: "none", tokenExpiresDays: 90 } }],
    [
      "the proxy without a load balancer",
      { cluster: { context: "kind" }, loadBalancer: undefined, cloudflare: { proxied: true } },
    ],
    [
      "the proxy without a token for A records",
      { acme: { server: "ca" }, cloudflare: { token: "none", proxied: true } },
    ],
  ])("are none about %s", (_what, changes) => {
    expect(warningsOf(changes)).toEqual([]);
  });

  it("say when a proxied host gets its A record with a supplied token", () => {
    expect(warningsOf({ cloudflare: { token: "supplied", proxied: true }, cloudflareApiToken: "s3same" })).toHaveLength(
      1,
    );
  });

  it("say what Cloudflare's proxy does not cover", () => {
    expect(warningsOf({ cloudflare: { proxied: true } })).toEqual([
      "cloudflare.proxied is true: Cloudflare's own certificate covers *.example.com only; *.cluster.example.com needs a paid edge certificate",
    ]);
  });

  it("are none about the proxy where its own certificate covers the hosts", () => {
    expect(warningsOf({ baseDomain: "example.com", cloudflare: { proxied: true } })).toEqual([]);
  });

  it("come all at once", () => {
    expect(
      warningsOf({
        reflector: { namespaces: "all" },
        cloudflare: { tokenExpiresDays: 1, proxied: true },
        ...installed(),
        charts: labPins,
      }),
    ).toEqual([
      'reflector.namespaces is "all": the certificate\'s private key is copied into every namespace',
      "cloudflare.tokenExpiresDays is 1: raise cloudflare.tokenSerial and run up before then, or renewals stop",
      firstPhase,
      "cloudflare.proxied is true: Cloudflare's own certificate covers *.example.com only; *.cluster.example.com needs a paid edge certificate",
      past,
    ]);
  });
});
