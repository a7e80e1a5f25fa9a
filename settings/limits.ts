import { isLetsEncrypt } from "./acme.ts";
import type { CloudflareGiven } from "./cloudflare.ts";
import { baseDomainOf, type DomainGiven } from "./domain.ts";
import { type Balanced, LISTENERS, type LoadBalancerGiven, portsAtNodes } from "./load-balancer.ts";
import type { ReflectorSettings } from "./reflector.ts";
import type { Rule } from "./rule.ts";
import type { Size } from "./size.ts";
import type { VaultGiven } from "./vault.ts";

// What clouds, DNS and the API server refuse for its number or its length, known before anything is asked of them.

interface Given extends LoadBalancerGiven, CloudflareGiven, DomainGiven {
  readonly size: Size;
  readonly vault?: Pick<VaultGiven, "install"> | undefined;
  readonly acme: { readonly server: string };
  readonly reflector: ReflectorSettings;
}

const where = (holds: (balanced: Balanced) => boolean) => (given: LoadBalancerGiven) =>
  given.loadBalancer !== undefined && holds(given.loadBalancer);

/** How many NSGs OCI attaches to a load balancer, beside the listeners' own where there is one: https://github.com/oracle/oci-cloud-controller-manager/blob/1100ac362/docs/load-balancer-annotations.md */
const attachable = ({ rules }: Balanced) => (rules === "SL-All" ? 5 : 4);

/** Rules in an NSG: https://github.com/oracle/terraform-provider-oci/issues/1154 */
const NSG_RULES = 120;

/**
 * The rules to the nodes in the NSG of the load balancer, for each of the nodes' NSGs: the program's, or the controller's, which names each node port.
 * https://github.com/oracle/oci-cloud-controller-manager/blob/1100ac362/pkg/cloudprovider/providers/oci/load_balancer_security_lists.go
 */
const rulesToNodes = ({ rules, externalTrafficPolicy, nodeNsgIds = [] }: Balanced) =>
  nodeNsgIds.length *
  (rules === "NSG" ? LISTENERS.length + 1 : Object.keys(portsAtNodes(externalTrafficPolicy)).length);

/** CIDRs whose rules fit into one NSG. */
const cidrsIn = (balanced: Balanced) => Math.floor((NSG_RULES - rulesToNodes(balanced)) / LISTENERS.length);

/** Always Free's: https://docs.oracle.com/iaas/Content/FreeTier/freetier_topic-Always_Free_Resources.htm */
const FREE = { mbps: 10, volumesGb: 200 } as const;
/** The smallest volume: https://github.com/oracle/oci-cloud-controller-manager/blob/1100ac362/docs/pvcs-with-paravirtualized-attachment.md */
const VOLUME_GB = 50;
/** Each of three servers has one volume for data and one for its audit log. */
const PRODUCTION_VOLUMES = 6;

/** A name's characters, and the challenge's part of it: https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4 and https://www.rfc-editor.org/rfc/rfc8555#section-8.4 */
const NAME = 253;
const CHALLENGE = "_acme-challenge.";
/** What Let's Encrypt signs no name for: https://github.com/letsencrypt/boulder/blob/038170a4/policy/pa.go */
const LABELS = 10;
const isReserved = (label: string) => /^(?!xn)..--/.test(label);

/** All annotations of an object: https://github.com/kubernetes/kubernetes/blob/v1.34.4/staging/src/k8s.io/apimachinery/pkg/api/validation/objectmeta.go */
const ANNOTATION_BYTES = 256 * 1024;
/** What the Certificate's template has beside the lists of namespaces, at most. */
const OTHER_BYTES = 1024;

const labelsOf = (given: Given) => baseDomainOf(given).split(".");
/** Names come from the base domain where it is said, else from the zone. */
const baseKeys = ["domain", "baseDomain"] as const;
const isSaid = (key: (typeof baseKeys)[number], given: Given) =>
  (key === "domain") === (given.baseDomain === undefined);

const aboutBase = (when: (given: Given) => boolean, allowed: string, reads: readonly string[]): Rule<Given>[] =>
  baseKeys.map((key) => ({
    key,
    reads: [...baseKeys, ...reads],
    when: (given) => isSaid(key, given) && when(given),
    allowed,
  }));

export const limitRules: readonly Rule<Given>[] = [
  {
    key: "loadBalancer.maxMbps",
    reads: ["loadBalancer.alwaysFree"],
    when: where(({ alwaysFree, maxMbps }) => alwaysFree && maxMbps > FREE.mbps),
    allowed: `${FREE.mbps} with alwaysFree: the tier has one flexible load balancer of ${FREE.mbps} Mbps; lower it or remove alwaysFree`,
  },
  {
    key: "vault.install",
    reads: ["loadBalancer.alwaysFree", "size"],
    when: ({ loadBalancer, vault, size }) =>
      loadBalancer?.alwaysFree === true && vault?.install === true && size === "production",
    allowed: `only with size "small" and alwaysFree: three servers take ${PRODUCTION_VOLUMES} volumes of ${VOLUME_GB} GB, and the tier has ${FREE.volumesGb} GB in all`,
  },
  {
    key: "loadBalancer.additionalNsgIds",
    reads: ["loadBalancer.rules"],
    when: where((balanced) => (balanced.additionalNsgIds?.length ?? 0) > attachable(balanced)),
    allowed: ({ loadBalancer }) =>
      loadBalancer?.rules === "SL-All"
        ? 'at most 5 with rules "SL-All": OCI attaches five to a load balancer'
        : `at most 4 with rules "${loadBalancer?.rules}": OCI attaches five to a load balancer, and one is the listeners' own`,
  },
  {
    key: "loadBalancer.allowedCidrs",
    reads: ["loadBalancer.rules", "loadBalancer.externalTrafficPolicy", "loadBalancer.nodeNsgIds"],
    when: where((balanced) => balanced.rules !== "SL-All" && balanced.allowedCidrs.length > cidrsIn(balanced)),
    allowed: ({ loadBalancer }) =>
      loadBalancer === undefined
        ? ""
        : `at most ${cidrsIn(loadBalancer)} CIDRs with rules "${loadBalancer.rules}": each is ${LISTENERS.length} rules, and OCI allows ${NSG_RULES} in an NSG; join neighbours to larger ones, or put the rest into an NSG of your own in additionalNsgIds`,
  },
  ...aboutBase(
    (given) => `*.${baseDomainOf(given)}`.length > NAME,
    `a name whose wildcard, with *. before it, has at most ${NAME} characters`,
    [],
  ),
  ...aboutBase(
    (given) => given.acme.server !== "ca" && `${CHALLENGE}${baseDomainOf(given)}`.length > NAME,
    `a name that has at most ${NAME} characters with ${CHALLENGE} before it, where the ACME server looks`,
    ["acme.server"],
  ),
  ...aboutBase(
    (given) =>
      isLetsEncrypt(given.acme.server) && (labelsOf(given).length > LABELS || labelsOf(given).some(isReserved)),
    `at most ${LABELS} labels with Let's Encrypt, and none with -- in the third and fourth place but for xn--`,
    ["acme.server"],
  ),
  {
    key: "reflector.namespaces",
    reads: [],
    when: ({ reflector: { namespaces } }) =>
      namespaces !== "all" && 2 * namespaces.join(",").length > ANNOTATION_BYTES - OTHER_BYTES,
    allowed: `fewer namespaces: they are written twice, and all annotations of a Secret have ${ANNOTATION_BYTES} bytes at most; "all" copies everywhere`,
  },
];
