/** Who opens the firewall, and what it takes. */
export type Firewall =
  | { readonly rules: "SL-All" }
  | { readonly rules: "NSG"; readonly nodeNsgId: string }
  | { readonly rules: "None"; readonly nodeNsgId: string; readonly vcnId: string };

/** The address: the load balancer's own in a private subnet, or a reserved public IP, made here where `id` names none. */
export type LoadBalancerAddress =
  | { readonly kind: "internal" }
  | { readonly kind: "reserved"; readonly id?: string | undefined };

/** The OCI load balancer that a stack asks for. */
export interface LoadBalancerSettings {
  readonly compartmentId: string;
  readonly subnetId?: string | undefined;
  readonly minMbps: number;
  readonly maxMbps: number;
  readonly firewall: Firewall;
  readonly address: LoadBalancerAddress;
  readonly allowedCidrs: readonly string[];
  readonly additionalNsgIds?: readonly string[] | undefined;
  readonly idleTimeoutSeconds?: number | undefined;
  readonly proxyProtocol?: 1 | 2 | undefined;
  readonly externalTrafficPolicy: "Cluster" | "Local";
  readonly healthCheckRetries?: number | undefined;
  readonly healthCheckTimeoutMs?: number | undefined;
  readonly healthCheckIntervalMs?: number | undefined;
  readonly alwaysFree: boolean;
}
