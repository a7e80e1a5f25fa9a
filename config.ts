import { isIP } from "node:net";
import * as pulumi from "@pulumi/pulumi";
import * as v from "valibot";
import { letsEncrypt } from "./settings/acme.ts";
import type { ChartValues } from "./settings/charts.ts";
import type { Cluster } from "./settings/cluster.ts";
import { charts as chartDefaults, supportWarnings } from "./versions.ts";

const PROJECT = "oke-platform";

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A map with just these keys. Not `strictObject`, which takes a list for a map and names one unknown key only. */
function map<const Entries extends v.ObjectEntries>(
  entries: Entries,
): v.GenericSchema<unknown, v.InferOutput<v.ObjectSchema<Entries, undefined>>> {
  const keys = Object.keys(entries);
  const unset = Object.fromEntries(keys.map((key) => [key, undefined]));
  return v.pipe(
    v.custom<Record<string, unknown>>(isRecord, `a map with keys of ${keys.join(", ")}`),
    // A key that is not there would be told in the map's words, one that is undefined in its field's.
    v.transform((given) => ({ ...unset, ...given })),
    v.objectWithRest(entries, v.never(`a map with no other keys than ${keys.join(", ")}`)),
  );
}

/** A map that may be left out, because each of its keys may. */
const section = <const Entries extends v.ObjectEntries>(entries: Entries) => v.optional(map(entries), {});

/** A string that `ok` accepts; `allowed` completes the sentence "allowed: …". */
const text = (allowed: string, ok: RegExp | ((value: string) => boolean)) =>
  v.pipe(
    v.string(allowed),
    v.check((value) => (ok instanceof RegExp ? ok.test(value) : ok(value)), allowed),
  );

/** A whole number in a range, both ends included. */
function whole(unit: string, min: number, max: number) {
  const allowed = `a whole number from ${min} to ${max}${unit && ` (${unit})`}`;
  return v.pipe(v.number(allowed), v.integer(allowed), v.minValue(min, allowed), v.maxValue(max, allowed));
}

const oneOf = <const Values extends readonly string[]>(...values: Values) =>
  v.picklist(values, values.map((value) => `"${value}"`).join(" or "));

const flag = v.boolean("true or false");

/** An OCID of one of the given resource types: https://docs.oracle.com/iaas/Content/General/Concepts/identifiers.htm */
const ocid = (...types: string[]) =>
  text(
    `the OCID of a ${types.join(" or ")}, ${types.map((type) => `ocid1.${type}.<realm>.<region>.<id>`).join(" or ")}`,
    new RegExp(`^ocid1\\.(${types.join("|")})\\.[a-z0-9-]+\\.[a-z0-9-]*(\\.[a-z0-9-]+)?\\.[a-z0-9]+$`),
  );

/** RFC 1123 label, what Kubernetes asks of namespaces and Services. */
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const kubernetesName = (what: string) =>
  text(`${what}: at most 63 lower-case letters, digits and "-", with a letter or digit at both ends`, LABEL);

const HOST_NAME = /^(?=.{1,253}$)([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;

const isUrl = (value: string, ...schemes: string[]) => URL.canParse(value) && schemes.includes(new URL(value).protocol);

const vaultUrl = (who: string) =>
  text(`the http or https URL at which ${who} reaches Vault`, (value) => isUrl(value, "http:", "https:"));

const innerPath = (what: string) => text(`${what} without slashes at its ends`, /^[^/\s]+(\/[^/\s]+)*$/);

const pem = text(
  "PEM, one or more -----BEGIN CERTIFICATE----- blocks",
  /^\s*(-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*)+$/,
);

/** The network address of an IPv4 CIDR, or undefined when it is none. */
function networkOf(cidr: string): string | undefined {
  const [, address = "", bits] = /^([\d.]+)\/(\d|[12]\d|3[0-2])$/.exec(cidr) ?? [];
  if (isIP(address) !== 4) return undefined;
  const value = address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const size = 2 ** (32 - Number(bits));
  const network = Math.floor(value / size) * size;
  return `${[24, 16, 8, 0].map((shift) => Math.floor(network / 2 ** shift) % 256).join(".")}/${bits}`;
}

const cidr = v.pipe(
  v.string("an IPv4 CIDR such as 203.0.113.0/24"),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const network = networkOf(dataset.value);
    if (network === dataset.value) return;
    // Not part of the message, because it tells what a secret CIDR is.
    const expected = `, such as ${network ?? "203.0.113.0/24"}`;
    addIssue({ message: "an IPv4 CIDR without host bits", expected });
  }),
);

const chartValues = v.custom<ChartValues>(isRecord, "a map of chart values, merged over the program's own");

/** Where a chart comes from: an HTTP repository, an OCI registry, or a directory of `<chart>-<version>.tgz`. */
const chartSource = text(
  "https://<repository>, oci://<registry path>, or a directory that starts with / or ./",
  /^((https?|oci):\/\/[^\s/]|\.{0,2}\/)\S*$/,
);

const chartVersion = text(
  "one exact version such as 1.31.4, no range",
  /^v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/,
);

const chart = <Values extends v.GenericSchema>(version: string, values: Values) =>
  section({ version: v.optional(chartVersion, version), repo: v.optional(chartSource), values: v.optional(values) });

const NAMED_SERVERS = ["staging", "production", "ca"];

const EMAIL = "an e-mail address such as platform@example.com";

const namespaces = v.pipe(
  v.array(
    v.pipe(
      kubernetesName("a namespace"),
      v.notValue("cert-manager", "a namespace other than cert-manager, where the key is already"),
    ),
  ),
  v.nonEmpty('at least one namespace, or "all"; Reflector reads an empty list as all'),
);

const fields = {
  /** The Cloudflare zone. */
  domain: text("a DNS zone such as example.com: lower case, no wildcard, no scheme, no path", HOST_NAME),
  /** What the wildcard certificate covers: this name and one label below it. */
  baseDomain: v.optional(text("a host name such as cluster.example.com: no wildcard, no scheme, no path", HOST_NAME)),
  cluster: map({
    /** OCID of the OKE cluster; its kubeconfig is asked of OCI at each run. */
    id: v.optional(ocid("cluster")),
    /** Which of the cluster's endpoints the program talks to. */
    endpoint: v.optional(oneOf("PUBLIC_ENDPOINT", "PRIVATE_ENDPOINT", "VCN_HOSTNAME", "LEGACY_KUBERNETES")),
    /** Context of a kubeconfig, for any other cluster. */
    context: v.optional(text("the name of a kubeconfig context", /\S/)),
    /** Path of that kubeconfig. */
    kubeconfig: v.optional(text("the path of a kubeconfig file", /\S/)),
  }),
  /** `small`: one replica each, fits Always Free. `production`: two or more, spread over nodes. */
  size: v.optional(oneOf("small", "production"), "small"),
  acme: section({
    /** Contact of the ACME account; Let's Encrypt writes there when something is wrong. */
    email: v.optional(text(EMAIL, v.EMAIL_REGEX)),
    server: v.optional(
      text(
        '"staging", "production", "ca" or the https URL of an ACME directory',
        (value) => NAMED_SERVERS.includes(value) || isUrl(value, "https:"),
      ),
      "staging",
    ),
    /** PEM of the CA that signed the ACME server's own certificate. */
    caBundle: v.optional(pem),
    /** Seconds to wait for DNS instead of cert-manager's self-check. */
    propagationSeconds: v.optional(whole("seconds", 0, 3600)),
  }),
  /** Absent: no OCI and no A records. */
  loadBalancer: v.optional(
    map({
      /** Compartment of the reserved IP and the NSG. */
      compartmentId: ocid("compartment", "tenancy"),
      /** VCN of the NSG. */
      vcnId: v.optional(ocid("vcn")),
      /** Regional subnet of the load balancer; the cluster's own choice when absent. */
      subnetId: v.optional(ocid("subnet")),
      minMbps: v.optional(whole("Mbps", 10, 8192), 10),
      maxMbps: v.optional(whole("Mbps", 10, 8192), 10),
      /** Who opens the firewall: the controller in the subnets' security lists, the controller in NSGs, or this program. */
      rules: oneOf("SL-All", "NSG", "None"),
      /** NSG of the worker nodes. */
      nodeNsgId: v.optional(ocid("networksecuritygroup")),
      /** Who may connect to ports 80 and 443. */
      allowedCidrs: v.optional(
        v.pipe(
          v.array(cidr, "a list of IPv4 CIDRs"),
          v.nonEmpty('at least one CIDR; "0.0.0.0/0" is everybody'),
          v.check((list) => new Set(list).size === list.length, "each CIDR once"),
        ),
        ["0.0.0.0/0"],
      ),
      /** OCID of a reserved public IP to use instead of making one. */
      reservedIp: v.optional(ocid("publicip")),
      /** A load balancer without a public address. */
      internal: v.optional(flag, false),
      /** NSGs to attach beside the program's own, five in all. */
      additionalNsgIds: v.optional(
        v.pipe(
          v.array(ocid("networksecuritygroup"), "a list of OCIDs of networksecuritygroups"),
          v.nonEmpty("at least one OCID; remove the key to attach none"),
          v.check((list) => new Set(list).size === list.length, "each OCID once"),
        ),
      ),
      /** How long a connection may be silent; TCP's longest at OCI is 7200. */
      idleTimeoutSeconds: v.optional(whole("seconds", 1, 7200)),
      /** Version of the PROXY protocol that carries the client's address to Envoy. */
      proxyProtocol: v.optional(v.picklist([1, 2], "1 or 2, the version of the PROXY protocol")),
      /** `Local`: only nodes that run a gateway pod get traffic. */
      externalTrafficPolicy: v.optional(oneOf("Cluster", "Local"), "Cluster"),
      /** Failed health checks until a node is out. */
      healthCheckRetries: v.optional(whole("", 1, 100)),
      /** How long a health check may take. */
      healthCheckTimeoutMs: v.optional(whole("ms", 1, 600_000)),
      /** How often a node is asked: https://github.com/oracle/oci-cloud-controller-manager/blob/1100ac362/docs/load-balancer-annotations.md */
      healthCheckIntervalMs: v.optional(whole("ms", 1000, 1_800_000)),
      /** Refuse what leaves Oracle's Always Free tier. */
      alwaysFree: v.optional(flag, false),
    }),
  ),
  cloudflare: section({
    /** Where the DNS-01 token comes from: made by the program for the one zone, given as a secret, or not at all. */
    token: v.optional(oneOf("scoped", "supplied", "none"), "scoped"),
    /** Raise it by one to rotate the scoped token. */
    tokenSerial: v.optional(whole("", 1, 1_000_000), 1),
    /** Days until the scoped token ends; absent: never. */
    tokenExpiresDays: v.optional(whole("days", 1, 3650)),
    /** Whether Cloudflare's proxy stands before the load balancer. */
    proxied: v.optional(flag, false),
    /** TTL of the A records. */
    ttlSeconds: v.optional(whole("seconds", 60, 86_400), 300),
  }),
  cloudflareApiToken: v.optional(text("a Cloudflare API token, set with `pulumi config set --secret`", /^\S+$/)),
  vault: v.optional(
    map({
      /** Where this program reaches Vault. */
      address: v.optional(vaultUrl("this program")),
      /** Where External Secrets reaches Vault. */
      clusterAddress: v.optional(vaultUrl("External Secrets")),
      /** Mount of the KV version 2 engine. */
      mount: v.optional(innerPath("a mount path"), "secret"),
      /** Path of the secret in the mount. */
      path: v.optional(innerPath("a path"), "prod/cert-manager"),
      /** Role of the Kubernetes auth backend that External Secrets logs in with. */
      role: v.optional(text("the name of a role of the Kubernetes auth backend", /^[\w.-]+$/), "external-secrets"),
      /** Mount path of the Kubernetes auth backend. */
      authPath: v.optional(innerPath("a mount path"), "kubernetes"),
      /** How External Secrets logs in to a Vault that cannot ask this cluster who somebody is. */
      auth: section({
        method: v.optional(oneOf("kubernetes", "token", "appRole"), "kubernetes"),
        /** The Secret that holds the token, or the AppRole's secret id. */
        secret: v.optional(
          map({
            name: kubernetesName("the name of a Secret"),
            namespace: kubernetesName("a namespace that exists"),
            key: text("a key in the Secret", /^[-._a-zA-Z0-9]+$/),
          }),
        ),
        /** The AppRole's role id, which is no secret. */
        roleId: v.optional(text("the role id of an AppRole", /^\S+$/)),
        /** Mount path of the AppRole auth backend. */
        path: v.optional(innerPath("a mount path")),
      }),
      /** PEM of the CA that signed Vault's certificate. */
      caBundle: v.optional(pem),
      /** Whether the mount, the policy and the role are there, or made here. */
      access: v.optional(oneOf("existing", "managed")),
      /** Install Vault in this cluster. */
      install: v.optional(flag, false),
      /** The OCI KMS vault of the key that unseals Vault. */
      kmsVaultId: v.optional(ocid("vault")),
      /** The OCI KMS key that unseals Vault. */
      kmsKeyId: v.optional(ocid("key")),
      /** Whether the bootstrap of an installed Vault is over; `npm run vault:init` says so. */
      initialized: v.optional(flag, false),
    }),
  ),
  externalSecrets: section({
    /** Install it, or use the one that is there. */
    install: v.optional(flag, true),
    namespace: v.optional(kubernetesName("a namespace"), "external-secrets"),
    serviceAccount: v.optional(kubernetesName("a service account"), "external-secrets"),
  }),
  reflector: section({
    /** Exact namespaces that get a copy of the key, or "all". */
    namespaces: v.optional(
      v.pipe(
        v.union([v.literal("all"), namespaces], 'a list of namespaces, or "all"'),
        v.transform((names) => (names === "all" ? names : [...new Set(["istio-system", ...names])].sort())),
      ),
      ["istio-system"],
    ),
  }),
  gateway: section({
    /** Lowest TLS version that is accepted. */
    minTls: v.optional(oneOf("1.2", "1.3"), "1.2"),
    /** Service type where there is no OCI load balancer. */
    serviceType: v.optional(oneOf("LoadBalancer", "NodePort", "ClusterIP")),
  }),
  charts: section({
    /** One source for all charts. */
    mirror: v.optional(chartSource),
    certManager: chart(chartDefaults.certManager.version, chartValues),
    reflector: chart(chartDefaults.reflector.version, chartValues),
    istio: chart(
      chartDefaults.istio.version,
      map(v.entriesFromList(["base", "istiod", "gateway"], v.optional(chartValues))),
    ),
    externalSecrets: chart(chartDefaults.externalSecrets.version, chartValues),
    vault: chart(chartDefaults.vault.version, chartValues),
  }),
  services: v.optional(
    v.array(
      map({
        /** Names the VirtualService (`<name>-vs`) and, by default, the host and the Service. */
        name: text(
          'at most 60 lower-case letters, digits and "-", with a letter or digit at both ends',
          (value) => LABEL.test(value) && value.length <= 60,
        ),
        /** Namespace of the Service; it must exist. */
        namespace: kubernetesName("a namespace that exists"),
        /** Name of the Service. */
        service: v.optional(kubernetesName("the name of a Service")),
        port: whole("", 1, 65_535),
        host: v.optional(text("a lower-case host name such as vault.cluster.example.com", HOST_NAME)),
      }),
      "a list of services",
    ),
    [],
  ),
};

const schema = map(fields);

/**
 * The rules over several fields. Each runs when what it reads is sound, so that no mistake follows from another; and
 * of several mistakes in one field the first is told, so that a rule need not ask for the field that it is about.
 *
 * @param it its type holds only for what is sound
 */
function judge(
  it: v.InferOutput<typeof schema>,
  sound: (...keys: string[]) => boolean,
  refuse: (key: string, allowed: string, byDefault?: string) => void,
) {
  const { acme, cloudflare, cluster, loadBalancer } = it;
  if (sound("cluster")) {
    const { id, context, endpoint, kubeconfig } = cluster;
    if ((id === undefined) === (context === undefined))
      refuse("cluster", "either id (an OKE cluster's OCID) or context (of a kubeconfig), not both");
    if (endpoint !== undefined && context !== undefined) refuse("cluster.endpoint", "only with id; remove it");
    if (kubeconfig !== undefined && id !== undefined) refuse("cluster.kubeconfig", "only with context; remove it");
    if (id !== undefined && loadBalancer === undefined)
      refuse("loadBalancer", "a map with compartmentId and rules, required on OKE");
  }
  if (sound("acme.server")) {
    const { server, caBundle, propagationSeconds: wait } = acme;
    if (caBundle !== undefined && NAMED_SERVERS.includes(server))
      refuse("acme.caBundle", "only with the URL of an ACME directory in acme.server; remove it");
    if (wait !== undefined && server === "ca")
      refuse("acme.propagationSeconds", 'nothing with acme.server "ca", which asks no DNS; remove it');
    if (wait !== undefined && wait < 10 && isLetsEncrypt(server))
      refuse(
        "acme.propagationSeconds",
        "10 or more with Let's Encrypt, where a validation that comes too early counts against five an hour",
      );
  }
  if (sound("acme", "charts.certManager.version")) {
    if (acme.propagationSeconds !== undefined && !canWait(it.charts.certManager.version))
      refuse(
        "acme.propagationSeconds",
        "nothing with cert-manager below v1.21, which cannot wait a set time; remove it or raise charts.certManager.version",
      );
  }
  if (loadBalancer !== undefined && sound("loadBalancer")) {
    const { rules, minMbps, maxMbps, vcnId, nodeNsgId, reservedIp, internal, alwaysFree } = loadBalancer;
    if (sound("loadBalancer.maxMbps") && minMbps > maxMbps)
      refuse("loadBalancer.minMbps", "at most maxMbps; lower minMbps or raise maxMbps");
    if (alwaysFree === true && maxMbps > 10)
      refuse(
        "loadBalancer.maxMbps",
        "10 with alwaysFree: the tier has one flexible load balancer of 10 Mbps; lower it or remove alwaysFree",
      );
    if (nodeNsgId === undefined && ["NSG", "None"].includes(rules))
      refuse(
        "loadBalancer.nodeNsgId",
        'the OCID of the worker nodes\' networksecuritygroup, required with rules "NSG" and "None"',
      );
    if (vcnId === undefined && rules === "None")
      refuse("loadBalancer.vcnId", 'the OCID of the vcn, required with rules "None"');
    if (reservedIp !== undefined && internal === true)
      refuse(
        "loadBalancer.reservedIp",
        "nothing with internal: true, whose load balancer has no public IP; remove one of the two",
      );
    const attachable = rules === "SL-All" ? 5 : 4;
    if (sound("loadBalancer.rules") && (loadBalancer.additionalNsgIds?.length ?? 0) > attachable)
      refuse(
        "loadBalancer.additionalNsgIds",
        `at most ${attachable} with rules "${rules}": OCI attaches five to a load balancer${attachable < 5 ? ", and one is the listeners' own" : ""}`,
      );
    if (alwaysFree === true && sound("charts")) {
      for (const { chart, path } of leavesAlwaysFree(it.charts))
        refuse(
          `charts.${chart}.values`,
          `no Service of type LoadBalancer with loadBalancer.alwaysFree, whose one load balancer is the gateway's; change ${path}`,
        );
    }
    if (sound("charts")) {
      for (const path of overridesOf(it.charts.istio.values?.gateway))
        refuse("charts.istio.values", `nothing in gateway.${path}, which loadBalancer decides; use its settings`);
    }
    if (internal === true && sound("cloudflare") && cloudflare.proxied)
      refuse("cloudflare.proxied", "false with loadBalancer.internal, whose address Cloudflare cannot reach");
    if (sound("gateway") && ![undefined, "LoadBalancer"].includes(it.gateway.serviceType))
      refuse(
        "gateway.serviceType",
        'nothing but "LoadBalancer" with loadBalancer, whose contract it is; remove one of the two',
      );
  }
  if (sound("cloudflare.token")) {
    const { token } = cloudflare;
    if (token !== "none" && it.vault === undefined)
      refuse(
        "vault",
        'a map with address or install: true, required where a DNS token is kept; or set cloudflare.token to "none"',
      );
    if (token === "none" && it.vault?.install === true)
      refuse("vault.install", 'false with cloudflare.token "none", which leaves nothing to keep in it');
    if (token === "supplied" && it.cloudflareApiToken === undefined)
      refuse(
        "cloudflareApiToken",
        'a secret, required with cloudflare.token "supplied"; pulumi config set --secret cloudflareApiToken',
      );
    if (token !== "supplied" && it.cloudflareApiToken !== undefined)
      refuse("cloudflareApiToken", 'nothing unless cloudflare.token is "supplied"; set that, or remove the token');
    if (token === "none" && sound("acme.server") && acme.server !== "ca")
      refuse("acme.server", '"ca" with cloudflare.token "none": without a DNS token no public server can validate');
    if (token !== "none" && sound("acme.server") && acme.server !== "ca" && acme.email === undefined)
      refuse("acme.email", `${EMAIL}; the ACME server asks for a contact`);
  }
  judgeVault(it, sound, refuse);
  if (sound("domain") && it.baseDomain !== undefined && !`.${it.baseDomain}`.endsWith(`.${it.domain}`))
    refuse("baseDomain", "a name in the zone `domain`, such as cluster.<domain>");

  if (!sound("services")) return;
  const known = sound(it.baseDomain === undefined ? "domain" : "baseDomain");
  // Hosts below a wrong domain can still be compared with each other.
  const baseDomain = known ? (it.baseDomain ?? `cluster.${it.domain}`) : "<baseDomain>";
  const seen = new Map<string, string>();
  for (const [index, entry] of it.services.entries()) {
    const at = `services[${index}]`;
    const once = (field: "host" | "name", id: string, value: string, allowed: string) => {
      const first = seen.get(`${field} ${id}`);
      if (first === undefined) seen.set(`${field} ${id}`, at);
      else refuse(`${at}.${field}`, `${allowed}; ${first} has it already`, value);
    };
    if (sound(`${at}.name`, `${at}.namespace`)) {
      const { name, namespace } = entry;
      once("name", `${namespace}/${name}`, name, "a name that no other service of the namespace has");
    }
    // A host by default is right when the name is.
    if (!sound(at) || !sound(`${at}.${entry.host === undefined ? "name" : "host"}`)) continue;
    const host = entry.host ?? `${entry.name}.${baseDomain}`;
    if (known && !covers(baseDomain, host)) {
      refuse(`${at}.host`, `${baseDomain} or one label below it: the certificate covers nothing else`, host);
    }
    once("host", host, host, "a host that no other service has");
  }
}

/** The rules about Vault, which is there or made here, and is reached in one of three ways. */
function judgeVault(...[it, sound, refuse]: Parameters<typeof judge>) {
  const { vault, externalSecrets } = it;
  if (vault === undefined || !sound("vault", "vault.install")) return;
  const { address, clusterAddress, access, auth, install, kmsVaultId, kmsKeyId } = vault;
  if (install) {
    const scheme = schemeOf(it);
    if (sound("vault.address", "size") && address !== undefined && !address.startsWith(`${scheme}:`))
      refuse("vault.address", `an ${scheme} URL with install: true and size "${it.size}"`);
    if (clusterAddress !== undefined)
      refuse("vault.clusterAddress", "nothing with install: true, which knows its own address; remove it");
    if (access === "existing")
      refuse("vault.access", '"managed" with install: true: a Vault that is new has no access yet; remove it');
    if (vault.caBundle !== undefined)
      refuse("vault.caBundle", "nothing with install: true, whose CA is the program's own; remove it");
  } else {
    if (address === undefined)
      refuse("vault.address", "the http or https URL at which this program reaches Vault, required without install");
    if (vault.initialized)
      refuse("vault.initialized", "nothing without install: a Vault that is there is taken to be ready; remove it");
    if (kmsVaultId !== undefined) refuse("vault.kmsVaultId", "nothing without install; remove it");
    if (kmsKeyId !== undefined) refuse("vault.kmsKeyId", "nothing without install; remove it");
  }
  if (install && kmsKeyId !== undefined && kmsVaultId === undefined)
    refuse("vault.kmsVaultId", "the OCID of the vault of the key in vault.kmsKeyId");
  const makesKey = kmsKeyId === undefined && (it.size === "production" || kmsVaultId !== undefined);
  if (install && makesKey && sound("size", "loadBalancer") && it.loadBalancer === undefined)
    refuse(
      "vault.kmsKeyId",
      "the OCID of a key, with kmsVaultId: without loadBalancer there is no compartment to make one in",
    );

  const managed = install || access === "managed";
  if (managed && !isInCluster(clusterAddress ?? IN_CLUSTER))
    refuse(
      "vault.clusterAddress",
      'the URL of a Service of this cluster with access "managed", such as http://vault.vault:8200: a Vault elsewhere cannot review this cluster\'s tokens',
    );
  if (!sound("vault.auth", "vault.auth.method")) return;
  if (managed && auth.method !== "kubernetes")
    refuse("vault.auth.method", '"kubernetes" with access "managed", which makes the role for it');
  // What goes with a method that is refused is not asked for.
  if (!sound("vault.auth.method")) return;
  if (auth.method !== "kubernetes" && auth.secret === undefined)
    refuse(
      "vault.auth.secret",
      `a map with name, namespace and key of the Secret that holds ${auth.method === "token" ? "the token" : "the secret id"}`,
    );
  if (auth.method === "appRole" && auth.roleId === undefined)
    refuse("vault.auth.roleId", 'the role id, required with method "appRole"');
  for (const field of ["secret", "roleId", "path"] as const) {
    const used = field === "secret" ? auth.method !== "kubernetes" : auth.method === "appRole";
    if (!used && auth[field] !== undefined)
      refuse(`vault.auth.${field}`, `nothing with method "${auth.method}"; remove it`);
  }
  if (!sound("vault.auth.secret", "externalSecrets", "externalSecrets.install", "externalSecrets.namespace")) return;
  const made = ["cert-manager", "istio-system", ...(externalSecrets.install ? [externalSecrets.namespace] : [])];
  if (auth.secret !== undefined && made.includes(auth.secret.namespace))
    refuse(
      "vault.auth.secret.namespace",
      "a namespace that is there before the first up, such as default: the Secret must be in it by then",
    );
}

/** The Service of the Vault that this program installs, as others have it by default. */
const IN_CLUSTER = "http://vault.vault:8200";

/** Whether a URL is that of a Service, `<service>.<namespace>` with or without what DNS adds. */
const isInCluster = (url: string) =>
  /^[a-z0-9-]+\.[a-z0-9-]+(\.svc(\.cluster\.local)?)?$/.test(URL.parse(url)?.hostname ?? "");

/** An installed Vault speaks TLS in production, where its CA is cert-manager's. */
const schemeOf = ({ size }: { size: string }) => (size === "production" ? "https" : "http");

/** The annotations that the load balancer's settings are written to. */
const CONTRACT =
  /(load-balancer-type|security-(rule|list)-management-mode|network-security-groups?|oci-load-balancer-(connection|health-check|internal|shape|subnet).*)$/;

/** What in the values for Istio's gateway would undo the load balancer's settings. */
function overridesOf(values: ChartValues | undefined): string[] {
  const service = isRecord(values?.service) ? values.service : {};
  const fields = ["type", "loadBalancerIP", "loadBalancerSourceRanges", "externalTrafficPolicy"];
  const annotations = Object.keys(isRecord(service.annotations) ? service.annotations : {});
  return [
    ...fields.filter((field) => Object.hasOwn(service, field)).map((field) => `service.${field}`),
    ...annotations.filter((key) => CONTRACT.test(key)).map((key) => `service.annotations.${key}`),
  ];
}

/** What in the operator's chart values is a load balancer beside the one that Always Free has. */
function leavesAlwaysFree(charts: v.InferOutput<typeof schema>["charts"]) {
  const found: { chart: string; path: string }[] = [];
  const visit = (chart: string, path: string, value: unknown): void => {
    if (value === "LoadBalancer") found.push({ chart, path });
    if (typeof value !== "object" || value === null) return;
    for (const [key, item] of Object.entries(value)) visit(chart, path === "" ? key : `${path}.${key}`, item);
  };
  for (const chart of ["certManager", "reflector", "istio", "externalSecrets", "vault"] as const)
    visit(chart, "", charts[chart].values);
  return found;
}

/** Whether a certificate for `baseDomain` and its wildcard covers the host: a wildcard stands for exactly one label. */
const covers = (baseDomain: string, host: string) =>
  host === baseDomain || host.slice(host.indexOf(".") + 1) === baseDomain;

/** The ACME directory behind `acme.server`, or undefined for the CA in the cluster. */
const directoryOf = (server: string) =>
  server === "ca" ? undefined : (letsEncrypt[server as keyof typeof letsEncrypt] ?? server);

const isLetsEncrypt = (server: string) =>
  Object.values<string>(letsEncrypt).includes(URL.parse(directoryOf(server) ?? "")?.href ?? "");

/** Whether this version of cert-manager, such as "v1.21.2", can wait a set time for DNS. */
function canWait(version: string): boolean {
  const [major = 0, minor = 0] = version.replace("v", "").split(".").map(Number);
  return major > 1 || (major === 1 && minor >= 21);
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
    Object.entries(raw).filter(([key, value]) => !(Object.hasOwn(fields, key) && isEmpty(value))),
  );
  const parsed = v.safeParse(schema, set);
  const mistakes = mistakesIn(set, parsed, (key) => key === "cloudflareApiToken" || isSecret(key));
  if (!parsed.success || mistakes.length > 0) {
    throw new pulumi.RunError([`${mistakes.length} mistake(s) in the stack's configuration:`, ...mistakes].join("\n"));
  }
  const {
    baseDomain = `cluster.${parsed.output.domain}`,
    cluster,
    acme,
    vault,
    charts,
    services,
    ...rest
  } = parsed.output;
  const scheme = schemeOf(parsed.output);
  const { server, ...account } = acme;
  const directory = directoryOf(server);
  const located = <Chart extends { repo?: string | undefined }>(chart: Chart, { repo }: { repo: string }) => ({
    ...chart,
    repo: chart.repo ?? charts.mirror ?? repo,
  });
  return {
    ...rest,
    baseDomain,
    /** DNS names of the certificate, and hosts of the gateway. */
    hosts: [`*.${baseDomain}`, baseDomain],
    // One of the two is there, by the rule about them.
    cluster: (cluster.id === undefined
      ? { context: cluster.context, kubeconfig: cluster.kubeconfig }
      : { id: cluster.id, endpoint: cluster.endpoint }) as Cluster,
    // The e-mail is given, by the rule about it.
    /** The ACME account; undefined for a CA in the cluster. */
    acme: directory === undefined ? undefined : { ...account, directory, email: account.email as string },
    vault: vault && {
      ...vault,
      // Given unless it is installed, by the rule about it; then a port-forward brings it here.
      address: vault.address ?? `${scheme}://127.0.0.1:8200`,
      clusterAddress: vault.install ? IN_CLUSTER.replace("http", scheme) : (vault.clusterAddress ?? IN_CLUSTER),
      access: vault.install ? "managed" : (vault.access ?? "existing"),
    },
    charts: {
      certManager: located(charts.certManager, chartDefaults.certManager),
      reflector: located(charts.reflector, chartDefaults.reflector),
      istio: located(charts.istio, chartDefaults.istio),
      externalSecrets: located(charts.externalSecrets, chartDefaults.externalSecrets),
      vault: located(charts.vault, chartDefaults.vault),
    },
    services: services.map((entry) => ({
      ...entry,
      service: entry.service ?? entry.name,
      host: entry.host ?? `${entry.name}.${baseDomain}`,
    })),
  };
}

const isEmpty = (value: unknown) =>
  value === "" || (Array.isArray(value) && value.length === 0) || (isRecord(value) && Object.keys(value).length === 0);

/** One line for each mistake, sorted by key. */
function mistakesIn(
  set: Record<string, unknown>,
  parsed: v.SafeParseResult<typeof schema>,
  isHidden: (topLevelKey: string) => boolean,
): string[] {
  // Hosts are made of the domain, so messages about them repeat it.
  const hiddenHosts = ["baseDomain", "domain"]
    .filter((key) => isHidden(key))
    .map((key) => String(set[key]))
    .filter((host) => HOST_NAME.test(host));
  const hide = (text: string) => hiddenHosts.reduce((shown, host) => shown.replaceAll(host, "[secret]"), text);
  const shown = (topLevelKey: string, value: string) => (isHidden(topLevelKey) ? "[secret]" : brief(hide(value)));

  const mistakes = new Map<string, string>();
  // The first complaint about a value says what is wrong with it; a later one would only follow from it.
  const add = (key: string, mistake: string) => mistakes.has(key) || mistakes.set(key, mistake);
  const refuse = (key: string, allowed: string, byDefault?: unknown, hint?: string | null) => {
    const [name = "", ...inner] = key.match(/[^.[\]]+/g) ?? [];
    const given = inner.reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], set[name]);
    const value = given ?? byDefault;
    const is = value === undefined ? "missing" : shown(name, JSON.stringify(value));
    add(key, `is ${is}; allowed: ${hide(allowed)}${hint && !isHidden(name) ? hint : ""}`);
  };

  for (const [name, setting] of Object.entries(set)) {
    for (const [key, value] of placeholders(name, setting)) {
      add(key, `still holds the placeholder ${shown(name, value)}; put your own value there`);
    }
  }
  for (const issue of parsed.issues ?? []) {
    if (issue.type === "never") add(keyOf(issue), `is no setting; allowed: ${issue.message}`);
    else refuse(keyOf(issue), issue.message, issue.input, issue.type === "raw_check" ? issue.expected : undefined);
  }
  judge(
    parsed.output as v.InferOutput<typeof schema>,
    (...keys) => ![...mistakes.keys()].some((wrong) => keys.some((key) => `${key}.`.startsWith(`${wrong}.`))),
    refuse,
  );
  return [...mistakes].map(([key, mistake]) => `  ${PROJECT}:${key} ${mistake}`).sort();
}

/** `loadBalancer.allowedCidrs[1]`, as `pulumi config set --path` spells it. */
const keyOf = ({ path }: v.BaseIssue<unknown>) =>
  (path ?? []).map(({ key }, at) => (typeof key === "number" ? `[${key}]` : `${at > 0 ? "." : ""}${key}`)).join("");

/** A value as a message shows it: not at length, and never a private key. */
function brief(value: string): string {
  if (value.includes("PRIVATE KEY")) return "[a private key]";
  return value.length > 100 ? `${value.slice(0, 100)}…` : value;
}

/** The values that still stand as in the shipped examples, `<…>`, each with its key. */
function placeholders(key: string, value: unknown): [key: string, value: string][] {
  if (typeof value === "string") return /^<[^<>]+>$/.test(value) ? [[key, value]] : [];
  if (Array.isArray(value)) return value.flatMap((item, index) => placeholders(`${key}[${index}]`, item));
  return isRecord(value) ? Object.entries(value).flatMap(([name, item]) => placeholders(`${key}.${name}`, item)) : [];
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
  const isSecret = (name: string) => isConfigSecret(`${PROJECT}:${name}`);
  const { cloudflareApiToken, ...settings } = parseSettings(raw, isSecret);
  if (cloudflareApiToken !== undefined && !isSecret("cloudflareApiToken")) {
    throw new pulumi.RunError(
      `${PROJECT}:cloudflareApiToken stands in clear in the stack's file; set it with pulumi config set --secret, and ` +
        "revoke this one at Cloudflare",
    );
  }
  const marked = Object.keys(settings).find(isSecret);
  if (marked !== undefined) {
    throw new pulumi.RunError(
      `${PROJECT}:${marked} is stored as a secret, but goes in clear into the cluster and the state; take the mark off, ` +
        "and keep what is secret in Vault or in a Secret of the cluster",
    );
  }
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
  const { reflector, cloudflare, charts, domain, baseDomain } = settings;
  const recordsAreMade = settings.loadBalancer !== undefined && cloudflare.token !== "none";
  const notes: [applies: boolean, note: string][] = [
    [
      reflector.namespaces === "all",
      'reflector.namespaces is "all": the certificate\'s private key is copied into every namespace',
    ],
    [
      cloudflare.token === "scoped" && cloudflare.tokenExpiresDays !== undefined,
      `cloudflare.tokenExpiresDays is ${cloudflare.tokenExpiresDays}: raise cloudflare.tokenSerial and run up before then, or renewals stop`,
    ],
    [
      settings.vault?.install === true && !settings.vault.initialized,
      "vault.initialized is false: phase 1 of 2, Vault is installed and what needs it waits (on a running stack this takes certificate and Gateway down); after this up: npm run vault:init -- --stack <stack> --keys-file <file>",
    ],
    [
      recordsAreMade && cloudflare.proxied && baseDomain !== domain,
      `cloudflare.proxied is true: Cloudflare's own certificate covers *.${domain} only; *.${baseDomain} needs a paid edge certificate`,
    ],
  ];
  return [
    ...notes.filter(([applies]) => applies).map(([, note]) => note),
    ...supportWarnings({ certManager: charts.certManager.version, istio: charts.istio.version }, today),
  ];
}
