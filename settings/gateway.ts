import * as v from "valibot";
import { oneOf, says, section } from "./fields.ts";
import type { LoadBalancerGiven } from "./load-balancer.ts";
import type { Rule } from "./rule.ts";

export const gateway = says(
  "The Istio ingress gateway.",
  section({
    minTls: says("Lowest TLS version that is accepted; in quotes.", v.optional(oneOf("1.2", "1.3"), "1.2")),
    serviceType: says(
      "Type of its Service. With loadBalancer only LoadBalancer.",
      v.optional(oneOf("LoadBalancer", "NodePort", "ClusterIP")),
      "LoadBalancer with `loadBalancer`, else ClusterIP",
    ),
  }),
);

interface GatewayGiven extends LoadBalancerGiven {
  readonly gateway: v.InferOutput<typeof gateway>;
}

export const gatewayRules: readonly Rule<GatewayGiven>[] = [
  {
    key: "gateway.serviceType",
    reads: ["loadBalancer"],
    when: (given) => given.loadBalancer !== undefined && serviceTypeOf(given) !== "LoadBalancer",
    allowed: 'nothing but "LoadBalancer" with loadBalancer, whose contract it is; remove one of the two',
  },
];

const serviceTypeOf = ({ gateway, loadBalancer }: GatewayGiven) =>
  gateway.serviceType ?? (loadBalancer === undefined ? "ClusterIP" : "LoadBalancer");

/** The Istio ingress gateway: the lowest TLS version, and the type of its Service. */
export type GatewaySettings = ReturnType<typeof gatewayOf>;

export const gatewayOf = (given: GatewayGiven) => ({
  minTls: given.gateway.minTls,
  serviceType: serviceTypeOf(given),
});
