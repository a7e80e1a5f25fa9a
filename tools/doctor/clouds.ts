import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Settings } from "../../config.ts";
import { letsEncrypt } from "../../settings/acme.ts";
import { ADD_ON_ACTION, type Installed } from "./cluster.ts";
import {
  type Answer,
  ask,
  check,
  type Finding,
  forAll,
  ok,
  problem,
  reasonOf,
  skipped,
  unless,
  warning,
} from "./finding.ts";

// What OCI, Cloudflare and Vault have and allow, as far as the platform needs it.

type Env = Readonly<Record<string, string | undefined>>;
type Asked = Omit<Settings, "cloudflareApiToken">;
type Verdicts = ReturnType<typeof unless>;

const run = promisify(execFile);

const CLUSTER = "oci: cluster";
const ADD_ONS = "oci: OKE add-ons";
const SUBNET = "oci: subnet";
const NSGS = "oci: network security groups";
const ADDRESS = "oci: reserved IP";
const QUOTA = "oci: load balancer quota";

/** Seconds for one command of the `oci` CLI, of which it takes some to start. */
const OCI_SECONDS = 30;

/** The CLI's answers, by its own names: https://docs.oracle.com/iaas/tools/oci-cli/latest/oci_cli_docs/ */
interface OciAnswers {
  cluster: { "lifecycle-state": string; "kubernetes-version": string; "vcn-id": string };
  addOns: { name: string; "lifecycle-state": string }[];
  subnet: {
    "vcn-id": string;
    "lifecycle-state": string;
    "availability-domain": string | null;
    "prohibit-public-ip-on-vnic": boolean;
  };
  nsg: { "vcn-id": string; "lifecycle-state": string; "display-name": string };
  publicIp: { "ip-address": string; "lifecycle-state": string; lifetime: string; "assigned-entity-id": string | null };
  availability: { available: number | null };
}

/**
 * Examines what is asked of OCI, through the `oci` CLI on `env.PATH`.
 *
 * @param installed what is in the cluster already; undefined when that is not known
 */
export async function examineOci(
  { cluster, loadBalancer }: Asked,
  env: Env,
  installed: Promise<Installed | undefined>,
): Promise<Finding[]> {
  if (!("id" in cluster)) {
    return forAll([CLUSTER, ADD_ONS, SUBNET, NSGS, ADDRESS, QUOTA], skipped("cluster.context is no cluster of OKE"));
  }
  const oci: OciCall = (...args) => askOci(env, args);
  let vcn: string;
  let first: Finding;
  try {
    const found = await oci<"cluster">("ce", "cluster", "get", "--cluster-id", cluster.id);
    vcn = found["vcn-id"];
    const state = found["lifecycle-state"];
    const named = loadBalancer?.vcnId ?? vcn;
    const verdict =
      state !== "ACTIVE"
        ? problem(`the cluster is ${state}`, "wait until it is ACTIVE, or correct cluster.id")
        : named !== vcn
          ? problem(`the cluster is in ${vcn}, and loadBalancer.vcnId is ${named}`, "correct loadBalancer.vcnId")
          : ok(`the cluster is ACTIVE, ${found["kubernetes-version"]}`);
    first = { check: CLUSTER, ...verdict };
  } catch (error) {
    return [
      {
        check: CLUSTER,
        ...problem(
          reasonOf(error),
          `install the CLI and run oci setup config; then try oci ce cluster get --cluster-id ${cluster.id}`,
        ),
      },
      ...forAll([ADD_ONS, SUBNET, NSGS, ADDRESS, QUOTA], skipped("OCI cannot be asked")),
    ];
  }
  const findings = await Promise.all([
    check(ADD_ONS, async () => {
      const addOns = await oci<"addOns">("ce", "cluster", "list-addons", "--cluster-id", cluster.id, "--all");
      const rivals = addOns.filter(
        ({ name, "lifecycle-state": state }) => ["CertManager", "Istio"].includes(name) && state !== "DELETED",
      );
      return unless(
        rivals.map(({ name, "lifecycle-state": state }) =>
          problem(
            `OKE's own add-on ${name} is ${state}: it installs what this program does, and puts its own version back`,
            ADD_ON_ACTION.replace("<OCID>", cluster.id)
              .replace("CertManager", name)
              .replace(/, if it.*/, ""),
          ),
        ),
        "neither CertManager nor Istio among them",
      );
    }),
    ...(loadBalancer === undefined
      ? [forAll([SUBNET, NSGS, ADDRESS, QUOTA], skipped("loadBalancer is not set"))]
      : examineEdge(loadBalancer, vcn, oci, env, installed)),
  ]);
  return [first, ...findings.flat()];
}

type Edge = NonNullable<Asked["loadBalancer"]>;
/** Asks OCI by the arguments of its CLI. */
type OciCall = <Kind extends keyof OciAnswers>(...args: string[]) => Promise<OciAnswers[Kind]>;

/** What the settings of the load balancer name, and whether there may be one more. */
function examineEdge(
  edge: Edge,
  clusterVcn: string,
  oci: OciCall,
  env: Env,
  installed: Promise<Installed | undefined>,
) {
  const vcnFaults = (key: string, there: string): Verdicts => {
    const wanted = edge.vcnId ?? clusterVcn;
    if (there === wanted) return [];
    return [
      problem(
        `loadBalancer.${key} is in ${there}, and ${edge.vcnId === undefined ? "the cluster" : "loadBalancer.vcnId"} in ${wanted}`,
        "name one of that VCN",
      ),
    ];
  };
  return [
    check(SUBNET, async () => {
      if (edge.subnetId === undefined) return skipped("loadBalancer.subnetId is not set: the cluster chooses");
      const subnet = await found(oci<"subnet">("network", "subnet", "get", "--subnet-id", edge.subnetId));
      if (subnet === undefined) return missing("subnetId", edge.subnetId);
      const faults = vcnFaults("subnetId", subnet["vcn-id"]);
      if (subnet["availability-domain"] !== null)
        faults.push(
          problem("loadBalancer.subnetId is in one availability domain", "use a regional subnet for the load balancer"),
        );
      if (subnet["prohibit-public-ip-on-vnic"] && !edge.internal)
        faults.push(
          problem(
            "loadBalancer.subnetId is private, and the load balancer public",
            "name a public subnet, or set loadBalancer.internal",
          ),
        );
      return unless(faults, "there, regional, in the VCN");
    }),
    check(NSGS, async () => {
      const named = [
        ...(edge.nodeNsgId === undefined ? [] : [["nodeNsgId", edge.nodeNsgId] as const]),
        ...(edge.additionalNsgIds ?? []).map((id, index) => [`additionalNsgIds[${index}]`, id] as const),
      ];
      if (named.length === 0) return skipped("loadBalancer names none");
      const faults = await Promise.all(
        named.map(async ([key, id]) => {
          const nsg = await found(oci<"nsg">("network", "nsg", "get", "--nsg-id", id));
          return nsg === undefined ? [missing(key, id)] : vcnFaults(key, nsg["vcn-id"]);
        }),
      );
      return unless(faults.flat(), `${named.length} there, in the VCN`);
    }),
    check(ADDRESS, async () => {
      const id = edge.reservedIp;
      if (id === undefined) return skipped("loadBalancer.reservedIp is not set: the program makes or has its own");
      const ip = await found(oci<"publicIp">("network", "public-ip", "get", "--public-ip-id", id));
      if (ip === undefined) return missing("reservedIp", id);
      const address = ip["ip-address"];
      if (ip.lifetime !== "RESERVED")
        return problem(
          `loadBalancer.reservedIp ${address} is ${ip.lifetime}`,
          "name one whose lifetime is RESERVED, or remove the setting to have one made",
        );
      if (ip["lifecycle-state"] === "AVAILABLE") return ok(`${address} is AVAILABLE`);
      const there = await installed;
      if (there?.gateway?.address === address) return ok(`${address} is the gateway's`);
      const reason = `loadBalancer.reservedIp ${address} is ${ip["lifecycle-state"]}, in use by ${ip["assigned-entity-id"]}`;
      return there === undefined
        ? warning(`${reason}; whether that is the gateway's load balancer is not known`, "see the gateway's Service")
        : problem(reason, "name an IP that is AVAILABLE, free this one, or remove the setting to have one made");
    }),
    check(QUOTA, async () => {
      if ((await installed)?.gateway?.address !== undefined) return ok("the load balancer is there already");
      const tenancy = await tenancyOf(env);
      if (tenancy === undefined)
        return skipped(
          "the tenancy's OCID is in neither OCI_CLI_TENANCY nor the configuration of the oci CLI",
          "set OCI_CLI_TENANCY",
        );
      const available = async (limit: string) => {
        const service = ["--service-name", "load-balancer", "--limit-name", limit, "--compartment-id", tenancy];
        return (await oci<"availability">("limits", "resource-availability", "get", ...service)).available;
      };
      const [count, mbps] = await Promise.all([available("lb-flexible-count"), available("lb-flexible-bandwidth-sum")]);
      const more = "ask OCI for a higher limit, or remove a load balancer that is not needed";
      const faults: Verdicts = [];
      if (count !== null && count < 1)
        faults.push(problem("no flexible load balancer is left in the tenancy's limit", more));
      if (mbps !== null && mbps < edge.maxMbps) {
        const reason = `${mbps} Mbps of flexible load balancers are left in the tenancy's limit`;
        const lower = `lower loadBalancer.maxMbps (${edge.maxMbps}), or ${more}`;
        faults.push(mbps < edge.minMbps ? problem(reason, lower) : warning(reason, lower));
      }
      return unless(faults, `${count ?? "unknown"} load balancer(s) and ${mbps ?? "unknown"} Mbps are left`);
    }),
  ];
}

/** What OCI answers of a thing that is not there, or that this identity may not see. */
const missing = (key: string, id: string) =>
  problem(
    `loadBalancer.${key} ${id} does not exist, or this identity may not see it`,
    "correct the OCID, or let the identity of ~/.oci/config read it",
  );

/** Undefined where OCI answers 404, which it does for what may not be seen too. */
const found = <T>(answer: Promise<T>): Promise<T | undefined> =>
  answer.catch((error: unknown) => {
    if (error instanceof OciError && error.status === 404) return undefined;
    throw error;
  });

class OciError extends Error {
  readonly status: number | undefined;

  constructor(message: string, status: number | undefined) {
    super(message);
    this.status = status;
  }
}

/** Runs the `oci` CLI. */
async function askOci<T>(env: Env, args: string[]): Promise<T> {
  try {
    const { stdout } = await run("oci", [...args, "--output", "json"], {
      env: { ...env },
      timeout: OCI_SECONDS * 1000,
    });
    // Where a list is empty the CLI prints nothing.
    return stdout.trim() === "" ? ([] as T) : (JSON.parse(stdout) as { data: T }).data;
  } catch (error) {
    const { code, killed, stderr = "" } = error as { code?: unknown; killed?: boolean; stderr?: string };
    if (code === "ENOENT") throw new OciError("the oci CLI is not on PATH", undefined);
    if (killed) throw new OciError(`oci ${args.slice(0, 3).join(" ")} gave no answer in ${OCI_SECONDS} s`, undefined);
    // "ServiceError:" and the service's answer as JSON, or the CLI's own words.
    const [, answer] = /^ServiceError:\s*(\{.*\})/ms.exec(stderr) ?? [];
    if (answer === undefined) throw new OciError(stderr.trim() || reasonOf(error), undefined);
    const { code: name, message, status } = JSON.parse(answer) as { code: string; message: string; status: number };
    throw new OciError(`OCI answers ${status} ${name}: ${message}`, status);
  }
}

/** The tenancy's OCID as the CLI has it. */
async function tenancyOf(env: Env): Promise<string | undefined> {
  if (env.OCI_CLI_TENANCY) return env.OCI_CLI_TENANCY;
  const file = env.OCI_CLI_CONFIG_FILE ?? join(env.HOME ?? homedir(), ".oci", "config");
  const profile = env.OCI_CLI_PROFILE ?? "DEFAULT";
  const source = await readFile(file, "utf8").catch(() => "");
  const section = source.split(/^(?=\[)/m).find((part) => part.startsWith(`[${profile}]`));
  return /^\s*tenancy\s*=\s*(\S+)/m.exec(section ?? "")?.[1];
}

const TOKEN = "cloudflare: token";
const API_TOKENS = "cloudflare: API tokens";
const ZONE = "cloudflare: zone";
const RECORDS = "cloudflare: records";
const CAA = "cloudflare: CAA";

/** An answer of Cloudflare's API: https://developers.cloudflare.com/fundamentals/api/reference/ */
interface CloudflareAnswer<T> {
  readonly success?: boolean;
  readonly errors?: { readonly code: number; readonly message: string }[];
  readonly result?: T;
}

interface DnsRecord {
  readonly type: string;
  readonly name: string;
  readonly content: string;
  readonly data?: { readonly tag?: string; readonly value?: string };
}

/**
 * Examines the zone, and what the run's token may do.
 *
 * @param url of the API, up to its version
 */
export async function examineCloudflare(
  settings: Asked,
  env: Env,
  installed: Promise<Installed | undefined>,
  url: string,
): Promise<Finding[]> {
  const { cloudflare, domain } = settings;
  const token = env.CLOUDFLARE_API_TOKEN;
  const skip =
    cloudflare.token === "none"
      ? skipped('cloudflare.token is "none"')
      : skipped("CLOUDFLARE_API_TOKEN is not set", "set it to the token of the run");
  if (cloudflare.token === "none" || !token) return forAll([TOKEN, API_TOKENS, ZONE, RECORDS, CAA], skip);

  const call = async <T>(path: string) => {
    const { status, body } = await ask(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } });
    const { success, errors = [], result } = Object(body) as CloudflareAnswer<T>;
    if (success === true && result !== undefined) return { result };
    const said = errors.map(({ code, message }) => `${message} (${code})`).join("; ");
    return { refusal: `Cloudflare answers ${status}${said && `: ${said}`}` };
  };
  const scoped = cloudflare.token === "scoped";
  const account = await Promise.all([
    check(TOKEN, async () => {
      const { result, refusal } = await call<{ status: string }>("/user/tokens/verify");
      const action = "make one at Cloudflare, My Profile > API Tokens, and set CLOUDFLARE_API_TOKEN";
      if (result?.status === "active") return ok("active");
      const reason = result === undefined ? refusal : `the token is ${result.status}`;
      // An account's own token is not verified here, and is good for everything but making a user's token.
      return scoped ? problem(reason, action) : warning(`${reason}; it is no user's token, or no token`, action);
    }),
    check(API_TOKENS, async () => {
      if (!scoped) return skipped('cloudflare.token is "supplied": the program makes no token');
      const { result, refusal } = await call<{ name: string; scopes: string[] }[]>("/user/tokens/permission_groups");
      const action =
        "add the permission User > API Tokens > Edit to the run's token, or set cloudflare.token to supplied";
      if (result === undefined) return problem(`may not list permission groups: ${refusal}`, action);
      const zones = result.filter(({ scopes }) => scopes.includes("com.cloudflare.api.account.zone"));
      const lacking = ["DNS Write", "Zone Read"].filter((wanted) => !zones.some(({ name }) => name === wanted));
      return unless(
        lacking.map((name) => problem(`Cloudflare lists no permission group "${name}" for zones`, action)),
        "may list permission groups",
      );
    }),
  ]);
  let zone: { readonly id: string; readonly status: string } | undefined;
  const zones = await check(ZONE, async () => {
    const { result, refusal } = await call<{ id: string; status: string }[]>(
      `/zones?name=${encodeURIComponent(domain)}`,
    );
    if (result === undefined) return problem(refusal, "add the permission Zone > Zone > Read to the run's token");
    zone = result[0];
    if (zone === undefined)
      return problem(
        `the token sees no zone ${domain}`,
        "correct domain, add the zone at Cloudflare, or let the token see it (Zone > Zone > Read)",
      );
    if (zone.status === "active") return ok(`${domain} is active`);
    return problem(
      `the zone ${domain} is ${zone.status}: the world does not ask Cloudflare for it`,
      "set the name servers that Cloudflare names at the domain's registrar",
    );
  });
  if (zone === undefined)
    return [...account.flat(), ...zones, ...forAll([RECORDS, CAA], skipped("the zone cannot be seen"))];

  const records = async (query: string) => {
    const { result, refusal } = await call<DnsRecord[]>(`/zones/${zone?.id}/dns_records?${query}&per_page=100`);
    if (result !== undefined) return { result };
    return {
      fault: problem(`may not read DNS records: ${refusal}`, "add the permission Zone > DNS > Edit to the run's token"),
    };
  };
  const names = await Promise.all([
    check(RECORDS, async () => {
      if (settings.loadBalancer === undefined) return skipped("no records are made without loadBalancer");
      const answers = await Promise.all(
        settings.hosts.map((host) => records(`name.exact=${encodeURIComponent(host)}`)),
      );
      const fault = answers.find(({ fault }) => fault !== undefined)?.fault;
      if (fault !== undefined) return fault;
      return recordVerdicts(
        answers.flatMap(({ result = [] }) => result),
        await installed,
      );
    }),
    check(CAA, async () => {
      const directory = settings.acme?.directory;
      if (!Object.values<string | undefined>(letsEncrypt).includes(directory))
        return skipped("the ACME server is not Let's Encrypt");
      const { result, fault } = await records("type=CAA");
      return fault ?? caaVerdicts(settings, result);
    }),
  ]);
  return [...account.flat(), ...zones, ...names.flat()];
}

/** A record is this stack's when it has the address of the gateway's Service. */
function recordVerdicts(records: DnsRecord[], installed: Installed | undefined) {
  const rivals = records.filter(({ type }) => ["A", "AAAA", "CNAME"].includes(type));
  const address = installed?.gateway?.address;
  const faults = rivals.flatMap(({ type, name, content }) => {
    if (type === "A" && address !== undefined && content === address) return [];
    const reason = `${name} has a record already: ${type} ${content}`;
    const action = "delete it at Cloudflare; the refusal of pulumi preview has the command that takes over an A record";
    const mayBeOurs = type === "A" && (installed === undefined || (installed.any && address === undefined));
    return [
      mayBeOurs ? warning(`${reason}, and whether it is this stack's is not known`, action) : problem(reason, action),
    ];
  });
  return unless(faults, rivals.length > 0 ? `this stack's, to ${address}` : "none in the way");
}

/**
 * Whether the zone's CAA records let Let's Encrypt issue both names: the records of the closest name that has any
 * decide, and for the wildcard `issuewild` comes before `issue`. Names above the zone are not asked.
 * https://www.rfc-editor.org/rfc/rfc8659 and, for the parameters, https://www.rfc-editor.org/rfc/rfc8657
 */
function caaVerdicts({ baseDomain, domain }: Pick<Settings, "baseDomain" | "domain">, records: DnsRecord[]) {
  let name = baseDomain;
  const at = (host: string) => records.filter((record) => record.name.toLowerCase() === host);
  while (at(name).length === 0 && name !== domain) name = name.slice(name.indexOf(".") + 1);
  const deciding = at(name).map(({ data, content }) => {
    const [, tag = "", value = ""] = /^\d+\s+(\S+)\s+"?(.*?)"?$/.exec(content) ?? [];
    return { tag: (data?.tag ?? tag).toLowerCase(), value: data?.value ?? value };
  });
  const issue = deciding.filter(({ tag }) => tag === "issue");
  const issuewild = deciding.filter(({ tag }) => tag === "issuewild");
  const asked = [
    { host: `*.${baseDomain}`, rule: issuewild.length > 0 ? issuewild : issue },
    { host: baseDomain, rule: issue },
  ];
  const faults = asked.flatMap(({ host, rule }) => {
    if (rule.length === 0 || rule.some(({ value }) => allowsLetsEncrypt(value))) return [];
    const tag = rule[0]?.tag ?? "issue";
    const values = rule.map(({ value }) => `"${value}"`).join(", ");
    return [
      problem(
        `the CAA records of ${name} do not let Let's Encrypt issue ${host} by DNS: ${tag} ${values}`,
        `add at Cloudflare: ${name} CAA 0 ${tag} "letsencrypt.org"`,
      ),
    ];
  });
  return unless(faults, deciding.length > 0 ? `those of ${name} allow letsencrypt.org` : "none");
}

function allowsLetsEncrypt(value: string): boolean {
  const [issuer = "", ...parameters] = value.split(";").map((part) => part.trim());
  const methods = parameters.find((parameter) => /^validationmethods\s*=/i.test(parameter))?.split("=")[1];
  return (
    issuer.toLowerCase() === "letsencrypt.org" && (methods?.split(",").some((it) => it.trim() === "dns-01") ?? true)
  );
}

const HEALTH = "vault: reachable";
const RIGHTS = "vault: token";
const MOUNT = "vault: KV mount";

/** Examines Vault, and what the run's token may do. */
export async function examineVault(settings: Asked, env: Env): Promise<Finding[]> {
  const { vault } = settings;
  const why = whyNoVault(settings);
  if (vault === undefined || why !== undefined)
    return forAll([HEALTH, RIGHTS, MOUNT], skipped(why ?? "vault is not set"));
  // As Pulumi's provider takes them: https://www.pulumi.com/registry/packages/vault/installation-configuration/
  const headers = {
    ...(env.VAULT_NAMESPACE && { "x-vault-namespace": env.VAULT_NAMESPACE }),
    ...(env.VAULT_TOKEN && { "x-vault-token": env.VAULT_TOKEN }),
  };
  const call: VaultCall = async (path, question) => {
    const ca = env.VAULT_CACERT ? await readFile(env.VAULT_CACERT, "utf8") : undefined;
    return ask(`${vault.address.replace(/\/+$/, "")}/v1/${path}`, { headers, ca, ...question });
  };
  const health = await vaultHealth(vault.address, call);
  const first = { check: HEALTH, ...health };
  if (health.level !== "ok")
    return [first, ...forAll([RIGHTS, MOUNT], skipped("Vault does not answer, or is not ready"))];
  if (!env.VAULT_TOKEN) {
    const noToken = skipped("VAULT_TOKEN is not set", "set it to a token with the README's policy");
    return [first, ...forAll([RIGHTS, MOUNT], noToken)];
  }
  const findings = await Promise.all([
    check(RIGHTS, () => vaultRights(vault, call)),
    check(MOUNT, () => vaultMount(vault, call)),
  ]);
  return [first, ...findings.flat()];
}

type Vault = NonNullable<Asked["vault"]>;
/** Asks Vault's API for a path below `v1`. */
type VaultCall = (path: string, question?: { method: "POST"; body: unknown }) => Promise<Answer>;

function whyNoVault({ cloudflare, vault }: Asked): string | undefined {
  if (cloudflare.token === "none") return 'cloudflare.token is "none"';
  return vault?.install && !vault.initialized
    ? "vault.install: the program installs Vault, which is set up after that"
    : undefined;
}

async function vaultHealth(address: string, call: VaultCall) {
  const reach = "start the port-forward, or correct vault.address; a private CA goes into VAULT_CACERT";
  try {
    // Each state has a status of its own, and the same body: https://developer.hashicorp.com/vault/api-docs/system/health
    const answer = await call("sys/health");
    const { initialized, sealed, version } = Object(answer.body) as Record<string, unknown>;
    if (typeof initialized !== "boolean")
      return problem(`${address} answers ${answer.status}, and not as Vault does`, reach);
    if (!initialized) return problem("Vault is not initialised", "vault operator init, then vault operator unseal");
    if (sealed) return problem("Vault is sealed", "vault operator unseal");
    return ok(`Vault ${version} is unsealed`);
  } catch (error) {
    return problem(`${address}: ${reasonOf(error)}`, reach);
  }
}

/** What the README's policy gives: https://developer.hashicorp.com/vault/api-docs/system/capabilities-self */
async function vaultRights({ mount, path }: Vault, call: VaultCall) {
  const needed = [
    { at: `${mount}/data/${path}`, rights: ["create", "update", "read"], why: "to write the Cloudflare token" },
    { at: "auth/token/create", rights: ["update"], why: "for the short-lived token of Pulumi's provider" },
    { at: `${mount}/metadata/${path}`, rights: ["delete"], why: "to delete the secret on destroy" },
  ];
  const answer = await call("sys/capabilities-self", { method: "POST", body: { paths: needed.map(({ at }) => at) } });
  if (answer.status !== 200)
    return problem(
      `Vault does not take the token: ${wordsOf(answer)}`,
      "log in anew, and set VAULT_TOKEN to a token that is still good",
    );
  const { data } = answer.body as { data: Record<string, string[]> };
  const faults = needed.flatMap(({ at, rights, why }) => {
    const held = data[at] ?? [];
    const lacking = held.includes("root") ? [] : rights.filter((right) => !held.includes(right));
    if (lacking.length === 0) return [];
    const reason = `the token has no ${lacking.join(", ")} on ${at}, needed ${why}`;
    const action = "add it to the token's policy, as the README's policy oke-platform has it";
    return [at.startsWith(`${mount}/metadata/`) ? warning(reason, action) : problem(reason, action)];
  });
  return unless(faults, `may write ${mount}/data/${path}`);
}

async function vaultMount({ mount, access }: Vault, call: VaultCall) {
  const answer = await call(`sys/internal/ui/mounts/${mount}`);
  if (answer.status !== 200) {
    return access === "managed"
      ? ok(`${mount} is not there, or not to be seen; the program makes it`)
      : problem(
          `vault.mount ${mount} does not exist, or the token may not see it: ${wordsOf(answer)}`,
          `vault secrets enable -path=${mount} -version=2 kv`,
        );
  }
  const { data } = answer.body as { data: { type: string; options?: { version?: string } | null } };
  const version = data.options?.version ?? "1";
  if (data.type === "kv" && version === "2") return ok(`${mount} is KV version 2`);
  return problem(
    `vault.mount ${mount} is ${data.type === "kv" ? `KV version ${version}` : `of type ${data.type}`}; allowed: KV version 2`,
    `name another mount${data.type === "kv" ? `, or upgrade it: vault kv enable-versioning ${mount}` : ""}`,
  );
}

/** Vault's own words. */
function wordsOf({ status, body }: Answer): string {
  const { errors = [] } = Object(body) as { errors?: string[] };
  return [status, ...errors].join(" ").trim();
}
