// The gateway's Service as far as it is the load balancer's contract, in the inputs of the gateway's release.

/** The Service in the inputs of the gateway's release. */
export function serviceOf({ values }: Readonly<Record<string, unknown>>) {
  const { service = {} } = (values ?? {}) as {
    service?: {
      annotations?: Record<string, string>;
      loadBalancerIP?: unknown;
      loadBalancerSourceRanges?: string[];
    };
  };
  return service;
}

/** Key of an annotation that the cloud controller reads. */
export const annotationOf = (name: string) => `service.beta.kubernetes.io/oci-load-balancer-${name}`;

/** The inputs of a Service's release that are the load balancer's, as the gateway's chart has them. */
export const SERVICE_INPUTS = "values.service";
/** Those of them that say who may connect, where the cloud controller writes the rules. */
export const SOURCE_INPUTS = `${SERVICE_INPUTS}.loadBalancerSourceRanges`;

/** Whether an input of the gateway's release is the bandwidth, by its path. */
export const isBandwidth = (path: string): boolean =>
  path.startsWith(SERVICE_INPUTS) && path.includes(annotationOf("shape-flex-"));

/** Mbps of the load balancer of a gateway's release with these inputs: the least and the most. */
export function bandwidthOf(inputs: Readonly<Record<string, unknown>>): [min: string, max: string] {
  const { annotations = {} } = serviceOf(inputs);
  const [min = "?", max = "?"] = ["min", "max"].map((end) => annotations[annotationOf(`shape-flex-${end}`)]);
  return [min, max];
}

/** Whether a rule of an NSG lets addresses in, by its inputs. */
const letsIn = ({ sourceType }: Readonly<Record<string, unknown>>): boolean => sourceType === "CIDR_BLOCK";

/**
 * Who may connect, in the order of their CIDRs.
 *
 * @param gateway inputs of the gateway's release
 * @param rules inputs of every rule of an NSG
 */
export function allowedBy(
  gateway: Readonly<Record<string, unknown>> | undefined,
  rules: readonly Readonly<Record<string, unknown>>[],
): string[] {
  const { loadBalancerSourceRanges = [] } = serviceOf(gateway ?? {});
  return [
    ...new Set([...loadBalancerSourceRanges, ...rules.filter(letsIn).map(({ source }) => String(source))]),
  ].sort();
}
