import { GATEWAY_RELEASE } from "../../components/ingress-gateway.ts";
import { ISTIO_NAMESPACE } from "../../components/istio.ts";
import type { LoadBalancerSettings } from "../../settings/load-balancer.ts";
import {
  found,
  given,
  lacking,
  type Outcome,
  ok,
  problem,
  skipped,
  unless,
  type Verdict,
  warning,
} from "../lib/checks.ts";
import { failureOf } from "../lib/http.ts";
import type { Installed } from "./cluster.ts";
import type { Examination } from "./examination.ts";
import { type AskOci, disableAddOn, OciError, tenancyOf } from "./oci-cli.ts";
import { judgeTags } from "./oci-tags.ts";

// What OCI has and allows, as far as the platform needs it.

/**
 * Examines what is asked of OCI.
 *
 * @param installed what is in the cluster already; undefined when that is not known
 */
export async function examineOci(
  { settings: { cluster, loadBalancer }, env, run }: Examination,
  oci: AskOci,
  installed: Promise<Installed | undefined>,
): Promise<Outcome[]> {
  // On OKE there is a load balancer.
  const oke =
    "id" in cluster && loadBalancer
      ? given({ id: cluster.id, loadBalancer })
      : lacking("cluster.context is no cluster of OKE");
  const vcn = await run({ name: "oci: cluster", without: "OCI cannot be asked" }, [oke], ({ id, loadBalancer }) =>
    judgeCluster(id, vcnOf(loadBalancer), oci),
  );
  return Promise.all([
    vcn,
    run("oci: OKE add-ons", [oke, vcn], ({ id }) => judgeAddOns(id, oci)),
    run("oci: subnet", [oke, vcn], ({ loadBalancer }, vcn) => judgeSubnet(loadBalancer, vcn, oci)),
    run("oci: network security groups", [oke, vcn], ({ loadBalancer }, vcn) => judgeNsgs(loadBalancer, vcn, oci)),
    run("oci: reserved IP", [oke, vcn], ({ loadBalancer }) => judgeAddress(loadBalancer, oci, installed)),
    ...(Object.keys(loadBalancer?.tags.definedTags ?? {}).length > 0
      ? [
          run("oci: defined tags", [oke, vcn], async ({ loadBalancer }) =>
            judgeTags(loadBalancer.tags, oci, await tenancyOf(env)),
          ),
        ]
      : []),
    run("oci: load balancer quota", [oke, vcn], async ({ loadBalancer }) => {
      const { gateway } = (await installed) ?? {};
      if (gateway === undefined) return judgeQuota(loadBalancer, oci, await tenancyOf(env));
      return gateway.address === undefined
        ? skipped("the gateway's Service waits for its load balancer, which may be counted already")
        : ok("the load balancer is there already");
    }),
  ]);
}

/** The VCN that the settings name; undefined where they leave it to the cluster. */
const vcnOf = ({ firewall }: LoadBalancerSettings) => (firewall.rules === "None" ? firewall.vcnId : undefined);

async function judgeCluster(id: string, named: string | undefined, oci: AskOci) {
  try {
    const cluster = await oci<"cluster">("ce", "cluster", "get", "--cluster-id", id);
    const { "lifecycle-state": state, "vcn-id": vcn, "kubernetes-version": version } = cluster;
    if (state !== "ACTIVE")
      return found(vcn, problem(`the cluster is ${state}`, "wait until it is ACTIVE, or correct cluster.id"));
    if (named !== undefined && named !== vcn) {
      const reason = `the cluster is in ${vcn}, and loadBalancer.vcnId is ${named}`;
      return found(vcn, problem(reason, "correct loadBalancer.vcnId"));
    }
    return found(vcn, ok(`the cluster is ACTIVE, ${version}`));
  } catch (error) {
    const action = `install the CLI and run oci setup config; then try oci ce cluster get --cluster-id ${id}`;
    return problem(failureOf(error), action);
  }
}

async function judgeAddOns(id: string, oci: AskOci): Promise<readonly Verdict[]> {
  const addOns = await oci<"addOns">("ce", "cluster", "list-addons", "--cluster-id", id, "--all");
  const rivals = addOns.filter(
    ({ name, "lifecycle-state": state }) => ["CertManager", "Istio"].includes(name) && state !== "DELETED",
  );
  return unless(
    rivals.map(({ name, "lifecycle-state": state }) =>
      problem(
        `OKE's own add-on ${name} is ${state}: it installs what this program does, and puts its own version back`,
        disableAddOn(name, id),
      ),
    ),
    "neither CertManager nor Istio among them",
  );
}

async function judgeSubnet(balancer: LoadBalancerSettings, clusterVcn: string, oci: AskOci) {
  const { subnetId, address } = balancer;
  if (subnetId === undefined) return skipped("loadBalancer.subnetId is not set: the cluster chooses");
  const subnet = await ifThere(oci<"subnet">("network", "subnet", "get", "--subnet-id", subnetId));
  if (subnet === undefined) return missing("subnetId", subnetId);
  const faults = vcnFaults(balancer, clusterVcn, "subnetId", subnet["vcn-id"]);
  if (subnet["availability-domain"] !== null)
    faults.push(
      problem("loadBalancer.subnetId is in one availability domain", "use a regional subnet for the load balancer"),
    );
  if (subnet["prohibit-public-ip-on-vnic"] && address.kind !== "internal")
    faults.push(
      problem(
        "loadBalancer.subnetId is private, and the load balancer public",
        "name a public subnet, or set loadBalancer.internal",
      ),
    );
  return unless(faults, "there, regional, in the VCN");
}

async function judgeNsgs(balancer: LoadBalancerSettings, clusterVcn: string, oci: AskOci) {
  const { firewall, additionalNsgIds = [] } = balancer;
  const named = [
    ...(firewall.rules === "SL-All"
      ? []
      : firewall.nodeNsgIds.map((id, index) => [`nodeNsgIds[${index}]`, id] as const)),
    ...additionalNsgIds.map((id, index) => [`additionalNsgIds[${index}]`, id] as const),
  ];
  if (named.length === 0) return skipped("loadBalancer names none");
  const faults = await Promise.all(
    named.map(async ([key, id]) => {
      const nsg = await ifThere(oci<"nsg">("network", "nsg", "get", "--nsg-id", id));
      return nsg === undefined ? [missing(key, id)] : vcnFaults(balancer, clusterVcn, key, nsg["vcn-id"]);
    }),
  );
  return unless(faults.flat(), `${named.length} there, in the VCN`);
}

async function judgeAddress(balancer: LoadBalancerSettings, oci: AskOci, installed: Promise<Installed | undefined>) {
  const id = balancer.address.kind === "reserved" ? balancer.address.id : undefined;
  if (id === undefined) return skipped("loadBalancer.reservedIp is not set: the program makes or has its own");
  const ip = await ifThere(oci<"publicIp">("network", "public-ip", "get", "--public-ip-id", id));
  if (ip === undefined) return missing("reservedIp", id);
  const { "ip-address": address, "lifecycle-state": state, "assigned-entity-id": user, lifetime } = ip;
  if (lifetime !== "RESERVED")
    return problem(
      `loadBalancer.reservedIp ${address} is ${lifetime}`,
      "name one whose lifetime is RESERVED, or remove the setting to have one made",
    );
  if (state === "AVAILABLE") return ok(`${address} is AVAILABLE`);
  const there = await installed;
  if (there?.gateway?.address === address) return ok(`${address} is the gateway's`);
  const reason = `loadBalancer.reservedIp ${address} is ${state}, in use by ${user}`;
  // A Service that a failed run has left may have its load balancer, and no address yet.
  return there === undefined || (there.gateway !== undefined && there.gateway.address === undefined)
    ? warning(
        `${reason}; whether that is the gateway's load balancer is not known`,
        `kubectl -n ${ISTIO_NAMESPACE} describe service ${GATEWAY_RELEASE}; its UID is the load balancer's name`,
      )
    : problem(
        reason,
        there.gateway === undefined
          ? "name an IP that is AVAILABLE, free this one, or remove the setting to have one made"
          : `set it to the IP of the gateway, which is at ${there.gateway.address} and cannot change`,
      );
}

async function judgeQuota({ minMbps, maxMbps }: LoadBalancerSettings, oci: AskOci, tenancy: string | undefined) {
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
  const faults: Verdict[] = [];
  if (count !== null && count < 1)
    faults.push(problem("no flexible load balancer is left in the tenancy's limit", more));
  if (mbps !== null && mbps < maxMbps) {
    const reason = `${mbps} Mbps of flexible load balancers are left in the tenancy's limit`;
    const lower = `lower loadBalancer.maxMbps (${maxMbps}), or ${more}`;
    faults.push(mbps < minMbps ? problem(reason, lower) : warning(reason, lower));
  }
  return unless(faults, `${count ?? "unknown"} load balancer(s) and ${mbps ?? "unknown"} Mbps are left`);
}

function vcnFaults(balancer: LoadBalancerSettings, clusterVcn: string, key: string, there: string): Verdict[] {
  const named = vcnOf(balancer);
  const wanted = named ?? clusterVcn;
  if (there === wanted) return [];
  const whose = named === undefined ? "the cluster" : "loadBalancer.vcnId";
  return [problem(`loadBalancer.${key} is in ${there}, and ${whose} in ${wanted}`, "name one of that VCN")];
}

/** What OCI answers of a thing that is not there, or that this identity may not see. */
const missing = (key: string, id: string) =>
  problem(
    `loadBalancer.${key} ${id} does not exist, or this identity may not see it`,
    "correct the OCID, or let the identity of ~/.oci/config read it",
  );

/** Undefined where OCI answers 404, which it does for what may not be seen too. */
const ifThere = <T>(answer: Promise<T>): Promise<T | undefined> =>
  answer.catch((error: unknown) => {
    if (error instanceof OciError && error.status === 404) return undefined;
    throw error;
  });
