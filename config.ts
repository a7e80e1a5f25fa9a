import { isIP } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { chartDefaults, supportWarnings } from "./components/charts.ts";
import type { Cluster } from "./components/cluster.ts";
import { letsEncrypt } from "./components/issuer.ts";

const PROJECT = "oke-platform";

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A map with just these keys. */
const map = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: (issue) =>
      `a map with ${issue.code === "unrecognized_keys" ? "no other keys than" : "keys of"} ${Object.keys(shape).join(", ")}`,
  });

/** A rule over several fields. It runs even when one of them is wrong, so that all errors come at once. */
const rule = (error: string, ...path: string[]) => ({
  when: (payload: { value: unknown }) => isRecord(payload.value),
  path,
  error,
});

/** Whether none of these fields, such as `charts.istio.repo`, has a mistake so far, so that a rule can build on them. */
const sound =
  (...fields: string[]) =>
  ({ value, issues }: z.core.ParsePayload) =>
    isRecord(value) &&
    !issues.some(
      (issue) =>
        issue.code !== "unrecognized_keys" &&
        fields.some((field) => `${field}.`.startsWith(`${keyOf(issue.path ?? [])}.`)),
    );

/** A string that `ok` accepts; `allowed` completes the sentence "allowed: …". */
const text = (allowed: string, ok: RegExp | ((value: string) => boolean)) =>
  z.string({ error: allowed }).refine((value) => (ok instanceof RegExp ? ok.test(value) : ok(value)), {
    error: allowed,
  });

/** A whole number in a range, both ends included. */
const whole = (unit: string, min: number, max: number) => {
  const error = `a whole number from ${min} to ${max}${unit && ` (${unit})`}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
};

const oneOf = <const T extends readonly [string, ...string[]]>(...values: T) =>
  z.enum(values, { error: values.map((value) => `"${value}"`).join(" or ") });

const flag = () => z.boolean({ error: "true or false" });

/** An OCID of one of the given resource types: https://docs.oracle.com/iaas/Content/General/Concepts/identifiers.htm */
const ocid = (...types: string[]) =>
  text(
    `the OCID of a ${types[0]}, ocid1.${types[0]}.<realm>.<region>.<id>`,
    new RegExp(`^ocid1\\.(${types.join("|")})\\.[a-z0-9-]+\\.[a-z0-9-]*(\\.[a-z0-9-]+)?\\.[a-z0-9]+$`),
  );

/** RFC 1123 label, what Kubernetes asks of namespaces and Services. */
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const kubernetesName = (what: string) =>
  text(`${what}: at most 63 lower-case letters, digits and "-", with a letter or digit at both ends`, LABEL);

const HOST_NAME = /^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const hostName = (allowed: string) => text(allowed, (value) => value.length <= 253 && HOST_NAME.test(value));

const httpUrl = (allowed: string, schemes: readonly string[]) =>
  text(allowed, (value) => URL.canParse(value) && schemes.includes(new URL(value).protocol));

const pem = () =>
  text(
    "PEM, one or more -----BEGIN CERTIFICATE----- blocks",
    /^\s*(-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*)+$/,
  );

/** The network address of an IPv4 CIDR, or undefined when it is none. */
function networkOf(cidr: string): string | undefined {
  const [address = "", bits = "", ...rest] = cidr.split("/");
  if (rest.length > 0 || isIP(address) !== 4 || !/^(\d|[12]\d|3[0-2])$/.test(bits)) return undefined;
  const value = address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const size = 2 ** (32 - Number(bits));
  const network = Math.floor(value / size) * size;
  return `${[24, 16, 8, 0].map((shift) => Math.floor(network / 2 ** shift) % 256).join(".")}/${bits}`;
}

const cidr = () =>
  z.string({ error: "an IPv4 CIDR such as 203.0.113.0/24" }).superRefine((value, context) => {
    const network = networkOf(value);
    if (network === value) return;
    const hint = `, such as ${network ?? "203.0.113.0/24"}`;
    context.addIssue({ code: "custom", message: "an IPv4 CIDR without host bits", params: { hint } });
  });

const chartValues = () =>
  z.record(z.string(), z.unknown(), { error: "a map of chart values, merged over the program's own" });

const chartVersion = () =>
  text("one exact version such as 1.31.4, no range", /^v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/);

/** Where a chart comes from: an HTTP repository, an OCI registry, or a directory of `<chart>-<version>.tgz`. */
const chartSource = () =>
  text(
    "https://<repository>, oci://<registry path>, or a directory that starts with / or ./",
    /^((https?|oci):\/\/[^\s/]|\.{0,2}\/)\S*$/,
  );

const chart = <Values extends z.ZodType>(version: string, values: Values) =>
  map({
    version: chartVersion().default(version),
    repo: chartSource().optional(),
    values: values.optional(),
  }).prefault({});

const cluster = map({
  /** OCID of the OKE cluster; its kubeconfig is asked of OCI at each run. */
  id: ocid("cluster").optional(),
  /** Which of the cluster's endpoints the program talks to. */
  endpoint: oneOf("PUBLIC_ENDPOINT", "PRIVATE_ENDPOINT", "VCN_HOSTNAME", "LEGACY_KUBERNETES").optional(),
  /** Context of a kubeconfig, for any other cluster. */
  context: text("the name of a kubeconfig context", /\S/).optional(),
  /** Path of that kubeconfig. */
  kubeconfig: text("the path of a kubeconfig file", /\S/).optional(),
})
  .refine(
    (it) => (it.id === undefined) !== (it.context === undefined),
    rule("either id (an OKE cluster's OCID) or context (of a kubeconfig), not both"),
  )
  .refine((it) => it.endpoint === undefined || it.context === undefined, rule("only with id; remove it", "endpoint"))
  .refine(
    (it) => it.kubeconfig === undefined || it.id === undefined,
    rule("only with context; remove it", "kubeconfig"),
  );

const acme = map({
  /** Contact of the ACME account; Let's Encrypt writes there when something is wrong. */
  email: text(
    "an e-mail address such as platform@example.com",
    (value) => z.email().safeParse(value).success,
  ).optional(),
  server: text(
    '"staging", "production", "ca" or the https URL of an ACME directory',
    (value) =>
      ["staging", "production", "ca"].includes(value) || (URL.canParse(value) && new URL(value).protocol === "https:"),
  ).default("staging"),
  /** PEM of the CA that signed the ACME server's own certificate. */
  caBundle: pem().optional(),
  /** Seconds to wait for DNS instead of cert-manager's self-check. */
  propagationSeconds: whole("seconds", 0, 3600).optional(),
})
  .refine(
    (it) => it.caBundle === undefined || !["staging", "production", "ca"].includes(String(it.server)),
    rule("only with the URL of an ACME directory in acme.server; remove it", "caBundle"),
  )
  .refine(
    (it) => it.propagationSeconds === undefined || it.server !== "ca",
    rule('nothing with acme.server "ca", which asks no DNS; remove it', "propagationSeconds"),
  )
  .refine(
    (it) => !(Number(it.propagationSeconds) < 10) || !isLetsEncrypt(String(it.server)),
    rule(
      "10 or more with Let's Encrypt, where a validation that comes too early counts against five an hour",
      "propagationSeconds",
    ),
  )
  .prefault({});

const loadBalancer = map({
  /** Compartment of the reserved IP and the NSG. */
  compartmentId: ocid("compartment", "tenancy"),
  /** VCN of the NSG. */
  vcnId: ocid("vcn").optional(),
  /** Regional subnet of the load balancer; the cluster's own choice when absent. */
  subnetId: ocid("subnet").optional(),
  minMbps: whole("Mbps", 10, 8192).default(10),
  maxMbps: whole("Mbps", 10, 8192).default(10),
  /** Who opens the firewall: the controller in the subnets' security lists, the controller in NSGs, or this program. */
  rules: oneOf("SL-All", "NSG", "None"),
  /** NSG of the worker nodes. */
  nodeNsgId: ocid("networksecuritygroup").optional(),
  /** Who may connect to ports 80 and 443. */
  allowedCidrs: z
    .array(cidr(), { error: "a list of IPv4 CIDRs" })
    .min(1, { error: 'at least one CIDR; "0.0.0.0/0" is everybody' })
    .refine((list) => new Set(list).size === list.length, { error: "each CIDR once" })
    .default(["0.0.0.0/0"]),
  /** OCID of a reserved public IP to use instead of making one. */
  reservedIp: ocid("publicip").optional(),
  /** A load balancer without a public address. */
  internal: flag().default(false),
  /** Refuse what leaves Oracle's Always Free tier. */
  alwaysFree: flag().default(false),
})
  .refine((it) => !(it.minMbps > it.maxMbps), {
    ...rule("at most maxMbps; lower minMbps or raise maxMbps", "minMbps"),
    when: sound("maxMbps"),
  })
  .refine(
    (it) => it.nodeNsgId !== undefined || !["NSG", "None"].includes(it.rules),
    rule('the OCID of the worker nodes\' networksecuritygroup, required with rules "NSG" and "None"', "nodeNsgId"),
  )
  .refine(
    (it) => it.vcnId !== undefined || it.rules !== "None",
    rule('the OCID of the vcn, required with rules "None"', "vcnId"),
  )
  .refine(
    (it) => it.reservedIp === undefined || it.internal !== true,
    rule("nothing with internal: true, whose load balancer has no public IP; remove one of the two", "reservedIp"),
  )
  .refine(
    (it) => it.alwaysFree !== true || !(it.maxMbps > 10),
    rule(
      "10 with alwaysFree: the tier has one flexible load balancer of 10 Mbps; lower it or remove alwaysFree",
      "maxMbps",
    ),
  );

const cloudflare = map({
  /** Where the DNS-01 token comes from: made by the program for the one zone, given as a secret, or not at all. */
  token: oneOf("scoped", "supplied", "none").default("scoped"),
  /** Raise it by one to rotate the scoped token. */
  tokenSerial: whole("", 1, 1_000_000).default(1),
  /** Days until the scoped token ends; absent: never. */
  tokenExpiresDays: whole("days", 1, 3650).optional(),
  /** Whether Cloudflare's proxy stands before the load balancer. */
  proxied: flag().default(false),
  /** TTL of the A records. */
  ttlSeconds: whole("seconds", 60, 86_400).default(300),
}).prefault({});

const vault = map({
  /** Where this program reaches Vault. */
  address: httpUrl("the http or https URL at which this program reaches Vault", ["http:", "https:"]),
  /** Where External Secrets reaches Vault. */
  clusterAddress: httpUrl("the http or https URL at which External Secrets reaches Vault", ["http:", "https:"]).default(
    "http://vault.vault:8200",
  ),
  /** Mount of the KV version 2 engine. */
  mount: text("a mount path without slashes at its ends", /^[^/\s]+(\/[^/\s]+)*$/).default("secret"),
  /** Path of the secret in the mount. */
  path: text("a path without slashes at its ends", /^[^/\s]+(\/[^/\s]+)*$/).default("prod/cert-manager"),
  /** Role of the Kubernetes auth backend that External Secrets logs in with. */
  role: text("the name of a role of the Kubernetes auth backend", /^[\w.-]+$/).default("external-secrets"),
  /** Mount path of the Kubernetes auth backend. */
  authPath: text("a mount path without slashes at its ends", /^[^/\s]+(\/[^/\s]+)*$/).default("kubernetes"),
  /** PEM of the CA that signed Vault's certificate. */
  caBundle: pem().optional(),
});

const externalSecrets = map({
  /** Install it, or use the one that is there. */
  install: flag().default(true),
  namespace: kubernetesName("a namespace").default("external-secrets"),
  serviceAccount: kubernetesName("a service account").default("external-secrets"),
}).prefault({});

const reflector = map({
  /** Exact namespaces that get a copy of the key, or "all". */
  namespaces: z
    .union(
      [
        z.literal("all"),
        z
          .array(
            kubernetesName("a namespace").refine((name) => name !== "cert-manager", {
              error: "a namespace other than cert-manager, where the key is already",
            }),
          )
          .min(1, { error: 'at least one namespace, or "all"; Reflector reads an empty list as all' }),
      ],
      { error: 'a list of namespaces, or "all"' },
    )
    .transform((names) => (names === "all" ? names : [...new Set(["istio-system", ...names])].sort()))
    .default(["istio-system"]),
}).prefault({});

const gateway = map({
  /** Lowest TLS version that is accepted. */
  minTls: oneOf("1.2", "1.3").default("1.2"),
  /** Service type where there is no OCI load balancer. */
  serviceType: oneOf("LoadBalancer", "NodePort", "ClusterIP").optional(),
}).prefault({});

const charts = map({
  /** One source for all charts. */
  mirror: chartSource().optional(),
  certManager: chart(chartDefaults.certManager.version, chartValues()),
  reflector: chart(chartDefaults.reflector.version, chartValues()),
  istio: chart(
    chartDefaults.istio.version,
    map({ base: chartValues().optional(), istiod: chartValues().optional(), gateway: chartValues().optional() }),
  ),
  externalSecrets: chart(chartDefaults.externalSecrets.version, chartValues()),
}).prefault({});

const service = map({
  /** Names the VirtualService (`<name>-vs`) and, by default, the host and the Service. */
  name: text(
    'at most 60 lower-case letters, digits and "-", with a letter or digit at both ends',
    (value) => LABEL.test(value) && value.length <= 60,
  ),
  /** Namespace of the Service; it must exist. */
  namespace: kubernetesName("a namespace that exists"),
  /** Name of the Service. */
  service: kubernetesName("the name of a Service").optional(),
  port: whole("", 1, 65_535),
  host: hostName("a lower-case host name such as vault.cluster.example.com").optional(),
});

const schema = map({
  /** The Cloudflare zone. */
  domain: hostName("a DNS zone such as example.com: lower case, no wildcard, no scheme, no path"),
  /** What the wildcard certificate covers: this name and one label below it. */
  baseDomain: hostName("a host name such as cluster.example.com: no wildcard, no scheme, no path").optional(),
  cluster,
  /** `small`: one replica each, fits Always Free. `production`: two or more, spread over nodes. */
  size: oneOf("small", "production").default("small"),
  acme,
  /** Absent: no OCI and no A records. */
  loadBalancer: loadBalancer.optional(),
  cloudflare,
  cloudflareApiToken: text("a Cloudflare API token, set with `pulumi config set --secret`", /^\S+$/).optional(),
  vault: vault.optional(),
  externalSecrets,
  reflector,
  gateway,
  charts,
  services: z.array(service, { error: "a list of services" }).default([]),
})
  .refine(
    (it) => it.loadBalancer !== undefined || it.cluster?.id === undefined,
    rule("a map with compartmentId and rules, required on OKE", "loadBalancer"),
  )
  .refine(
    (it) => it.loadBalancer === undefined || [undefined, "LoadBalancer"].includes(it.gateway?.serviceType),
    rule(
      'nothing but "LoadBalancer" with loadBalancer, whose contract it is; remove one of the two',
      "gateway",
      "serviceType",
    ),
  )
  .refine((it) => it.vault !== undefined || it.cloudflare?.token === "none", {
    ...rule('a map with address, required where a DNS token is kept; or set cloudflare.token to "none"', "vault"),
    when: sound("cloudflare.token"),
  })
  .refine(
    (it) =>
      it.cloudflare?.token === "none" || !isRecord(it.acme) || it.acme.server === "ca" || it.acme.email !== undefined,
    rule("an e-mail address such as platform@example.com; the ACME server asks for a contact", "acme", "email"),
  )
  .refine(
    (it) => it.cloudflare?.token !== "none" || !isRecord(it.acme) || it.acme.server === "ca",
    rule('"ca" with cloudflare.token "none": without a DNS token no public server can validate', "acme", "server"),
  )
  .refine(
    (it) => it.cloudflare?.token !== "supplied" || it.cloudflareApiToken !== undefined,
    rule(
      'a secret, required with cloudflare.token "supplied"; pulumi config set --secret cloudflareApiToken',
      "cloudflareApiToken",
    ),
  )
  .refine((it) => it.cloudflareApiToken === undefined || it.cloudflare?.token === "supplied", {
    ...rule('nothing unless cloudflare.token is "supplied"; set that, or remove the token', "cloudflareApiToken"),
    when: sound("cloudflare.token"),
  })
  .refine((it) => it.acme?.propagationSeconds === undefined || atLeast(it.charts?.certManager?.version, 1, 21), {
    ...rule(
      "nothing with cert-manager below v1.21, which cannot wait a set time; remove it or raise charts.certManager.version",
      "acme",
      "propagationSeconds",
    ),
    when: sound("charts.certManager.version"),
  })
  .refine(
    (it) => it.baseDomain === undefined || it.baseDomain === it.domain || it.baseDomain.endsWith(`.${it.domain}`),
    {
      ...rule("a name in the zone `domain`, such as cluster.<domain>", "baseDomain"),
      when: sound("domain", "baseDomain"),
    },
  )
  .superRefine(
    (it, context) => {
      const known = sound(it.baseDomain === undefined ? "domain" : "baseDomain")(context);
      // Hosts below a wrong domain can still be compared with each other.
      const baseDomain = known ? (it.baseDomain ?? `cluster.${it.domain}`) : "<baseDomain>";
      const seen = new Map<string, number>();
      for (const [index, entry] of (Array.isArray(it.services) ? it.services : []).entries()) {
        if (!isRecord(entry)) continue;
        const isSound = (field: string) => sound(`services[${index}].${field}`)(context);
        const refuse = (field: "host" | "name", got: string, message: string) =>
          context.addIssue({ code: "custom", path: ["services", index, field], message, params: { got } });
        const once = (field: "host" | "name", got: string, id: string, allowed: string) => {
          const first = seen.get(`${field} ${id}`);
          if (first === undefined) seen.set(`${field} ${id}`, index);
          else refuse(field, got, `${allowed}; services[${first}] has it already`);
        };
        if (isSound("name") && isSound("namespace")) {
          const id = `${entry.namespace}/${entry.name}`;
          once("name", entry.name, id, "a name that no other service of the namespace has");
        }
        // A host by default is right when the name is.
        if (!isSound(entry.host === undefined ? "name" : "host")) continue;
        const host = entry.host ?? `${entry.name}.${baseDomain}`;
        if (known && !covers(baseDomain, host)) {
          refuse("host", host, `${baseDomain} or one label below it: the certificate covers nothing else`);
        }
        once("host", host, host, "a host that no other service has");
      }
    },
    { when: (payload) => isRecord(payload.value) },
  );

/** Whether a certificate for `baseDomain` and its wildcard covers the host: a wildcard stands for exactly one label. */
const covers = (baseDomain: string, host: string) =>
  host === baseDomain || (host.endsWith(`.${baseDomain}`) && !host.slice(0, -baseDomain.length - 1).includes("."));

/** Whether a chart version such as "v1.21.2" is of the given minor or a later one. */
function atLeast(version: string | undefined, major: number, minor: number): boolean {
  const [, ours = 0, theirs = 0] = /^v?(\d+)\.(\d+)/.exec(version ?? "")?.map(Number) ?? [];
  return ours > major || (ours === major && theirs >= minor);
}

/** The ACME directory behind `acme.server`, or undefined for the CA in the cluster. */
const directoryOf = (server: string) =>
  server === "ca" ? undefined : (letsEncrypt[server as keyof typeof letsEncrypt] ?? server);

function isLetsEncrypt(server: string): boolean {
  const url = directoryOf(server) ?? "";
  const directory = URL.canParse(url) ? new URL(url).href : url;
  return directory === letsEncrypt.production || directory === letsEncrypt.staging;
}

/** What a stack asks for: every default filled in, every rule kept. */
export type Settings = ReturnType<typeof parseSettings>;

/**
 * Checks a stack's settings and fills in the defaults.
 *
 * @param raw the stack's values below `oke-platform:`, objects and lists already parsed
 * @param isSecret whether a top-level key is stored as a secret; its value is then kept out of errors
 * @throws {pulumi.RunError} with one line for each mistake: the key, the value, and what is allowed
 */
export function parseSettings(raw: Record<string, unknown>, isSecret: (key: string) => boolean = () => false) {
  const set = Object.fromEntries(
    Object.entries(raw).filter(([key, value]) => !(Object.hasOwn(schema.shape, key) && isEmpty(value))),
  );
  const parsed = schema.safeParse(set);
  const mistakes = new Map(
    placeholders(set).map(({ path, value }) => [
      keyOf(path),
      `still holds the placeholder ${isHidden(path) ? "[secret]" : value}; put your own value there`,
    ]),
  );
  for (const issue of parsed.error?.issues ?? []) {
    const unknown = issue.code === "unrecognized_keys" ? issue.keys : [];
    const { got: byDefault, hint = "" } = (issue.code === "custom" && issue.params) || {};
    for (const path of unknown.length > 0 ? unknown.map((name) => [...issue.path, name]) : [issue.path]) {
      const key = keyOf(path);
      const given = path.reduce<unknown>((at, name) => (at as Record<PropertyKey, unknown> | undefined)?.[name], set);
      const value = given === undefined ? byDefault : given;
      const got =
        unknown.length > 0
          ? "is no setting"
          : value === undefined
            ? "is missing"
            : `is ${isHidden(path) ? "[secret]" : JSON.stringify(value)}`;
      // The first complaint about a value says what is wrong with it; a later one would only follow from it.
      if (!mistakes.has(key)) mistakes.set(key, `${got}; allowed: ${issue.message}${isHidden(path) ? "" : hint}`);
    }
  }
  if (parsed.data === undefined || mistakes.size > 0) {
    // Hosts are made of the domain, so messages about them repeat it.
    const hiddenHosts = ["baseDomain", "domain"]
      .filter((key) => isHidden([key]))
      .map((key) => String(set[key]))
      .filter((host) => HOST_NAME.test(host));
    const lines = [...mistakes]
      .map(
        ([key, text]) =>
          `  ${PROJECT}:${key} ${hiddenHosts.reduce((line, host) => line.replaceAll(host, "[secret]"), text)}`,
      )
      .sort();
    throw new pulumi.RunError([`${lines.length} mistake(s) in the stack's configuration:`, ...lines].join("\n"));
  }
  const { baseDomain = `cluster.${parsed.data.domain}`, cluster, acme, charts, services, ...rest } = parsed.data;
  const { mirror, ...eachChart } = charts;
  const directory = directoryOf(acme.server);
  return {
    ...rest,
    baseDomain,
    /** DNS names of the certificate, and hosts of the gateway. */
    hosts: [`*.${baseDomain}`, baseDomain],
    // One of the two is there, by the cluster's own rule.
    cluster: (cluster.id === undefined
      ? { context: cluster.context, kubeconfig: cluster.kubeconfig }
      : { id: cluster.id, endpoint: cluster.endpoint }) as Cluster,
    /** The ACME account; undefined for a CA in the cluster. */
    acme:
      directory === undefined
        ? undefined
        : {
            directory,
            // Given, by acme's own rule.
            email: acme.email as string,
            caBundle: acme.caBundle,
            propagationSeconds: acme.propagationSeconds,
          },
    charts: {
      certManager: {
        ...eachChart.certManager,
        repo: eachChart.certManager.repo ?? mirror ?? chartDefaults.certManager.repo,
      },
      reflector: { ...eachChart.reflector, repo: eachChart.reflector.repo ?? mirror ?? chartDefaults.reflector.repo },
      istio: { ...eachChart.istio, repo: eachChart.istio.repo ?? mirror ?? chartDefaults.istio.repo },
      externalSecrets: {
        ...eachChart.externalSecrets,
        repo: eachChart.externalSecrets.repo ?? mirror ?? chartDefaults.externalSecrets.repo,
      },
    },
    services: services.map((entry) => ({
      ...entry,
      service: entry.service ?? entry.name,
      host: entry.host ?? `${entry.name}.${baseDomain}`,
    })),
  };

  function isHidden([key]: readonly PropertyKey[]): boolean {
    return key === "cloudflareApiToken" || isSecret(String(key));
  }
}

const isEmpty = (value: unknown) =>
  value === "" || (Array.isArray(value) && value.length === 0) || (isRecord(value) && Object.keys(value).length === 0);

/** `loadBalancer.allowedCidrs[1]`, as `pulumi config set --path` spells it. */
const keyOf = (path: readonly PropertyKey[]) =>
  path.map((part, at) => (typeof part === "number" ? `[${part}]` : `${at > 0 ? "." : ""}${String(part)}`)).join("");

/** The values that still stand as in the shipped examples, `<…>`. */
function placeholders(value: unknown, path: PropertyKey[] = []): { path: PropertyKey[]; value: string }[] {
  if (typeof value === "string") return /^<[^<>]+>$/.test(value) ? [{ path, value }] : [];
  if (Array.isArray(value)) return value.flatMap((item, index) => placeholders(item, [...path, index]));
  return isRecord(value) ? Object.entries(value).flatMap(([key, item]) => placeholders(item, [...path, key])) : [];
}

/** The top-level settings that are plain text; all others are objects or lists, which Pulumi hands over as JSON. */
const PLAIN = ["domain", "baseDomain", "size", "cloudflareApiToken"];

/**
 * Reads the settings of the stack that runs. The only reader of Pulumi config.
 *
 * @throws {pulumi.RunError} as {@link parseSettings}
 */
export function readSettings() {
  const raw: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(pulumi.runtime.allConfig())) {
    if (!key.startsWith(`${PROJECT}:`)) continue;
    const name = key.slice(PROJECT.length + 1);
    raw[name] = PLAIN.includes(name) ? value : parseJson(value);
  }
  // Not in the SDK's types, but what Config itself asks: https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/nodejs/runtime/config.ts
  const { isConfigSecret } = pulumi.runtime as unknown as { isConfigSecret(key: string): boolean };
  const { cloudflareApiToken, ...settings } = parseSettings(raw, (name) => isConfigSecret(`${PROJECT}:${name}`));
  return {
    ...settings,
    cloudflareApiToken: cloudflareApiToken === undefined ? undefined : pulumi.secret(cloudflareApiToken),
  };
}

/** A value that is no JSON stays text, so that its own rule names it. */
function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/**
 * What an operator should know before these settings are applied; none of it stops an `up`.
 *
 * @param today the date that support windows are compared with
 */
export function warnings(settings: Omit<Settings, "cloudflareApiToken">, today: Date): string[] {
  const { reflector, cloudflare, charts } = settings;
  return [
    ...(reflector.namespaces === "all"
      ? ['reflector.namespaces is "all": the certificate\'s private key is copied into every namespace']
      : []),
    ...(cloudflare.tokenExpiresDays === undefined
      ? []
      : [
          `cloudflare.tokenExpiresDays is ${cloudflare.tokenExpiresDays}: raise cloudflare.tokenSerial and run up before then, or renewals stop`,
        ]),
    ...(cloudflare.proxied && settings.baseDomain !== settings.domain
      ? [
          `cloudflare.proxied is true: Cloudflare's own certificate covers *.${settings.domain} only; *.${settings.baseDomain} needs a paid edge certificate`,
        ]
      : []),
    ...supportWarnings({ certManager: charts.certManager.version, istio: charts.istio.version }, today),
  ];
}
