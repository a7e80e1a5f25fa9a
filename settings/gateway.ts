import * as v from "valibot";
import { type AcmeGiven, isStaging } from "./acme.ts";
import { oneOf, says, section, whole } from "./fields.ts";
import type { LoadBalancerGiven } from "./load-balancer.ts";
import type { Rule } from "./rule.ts";

/** As long as the list that browsers bring along asks for at most: https://hstspreload.org/ */
const TWO_YEARS = 63_072_000;

export const gateway = says(
  "The Istio ingress gateway.",
  section({
    minTls: says("Lowest TLS version that is accepted; in quotes.", v.optional(oneOf("1.2", "1.3"), "1.2")),
    serviceType: says(
      "Type of its Service. With loadBalancer only LoadBalancer.",
      v.optional(oneOf("LoadBalancer", "NodePort", "ClusterIP")),
      "LoadBalancer with `loadBalancer`, else ClusterIP",
    ),
    hstsSeconds: says(
      "How long browsers ask for a host over HTTPS alone once they have seen it: max-age of Strict-Transport-Security, on every answer of a service, in the place of its own. Begin with little: nothing but time takes it back, or 0, which tells browsers to forget it. Not with acme.server staging.",
      v.optional(whole("seconds", 0, TWO_YEARS)),
      "services say it themselves, or nobody does",
    ),
  }),
);

interface GatewayGiven extends LoadBalancerGiven, AcmeGiven {
  readonly gateway: v.InferOutput<typeof gateway>;
}

export const gatewayRules: readonly Rule<GatewayGiven>[] = [
  {
    key: "gateway.serviceType",
    reads: ["loadBalancer"],
    when: (given) => given.loadBalancer !== undefined && serviceTypeOf(given) !== "LoadBalancer",
    allowed: 'nothing but "LoadBalancer" with loadBalancer, whose contract it is; remove one of the two',
  },
  {
    key: "gateway.hstsSeconds",
    reads: ["acme.server"],
    when: ({ gateway, acme }) => gateway.hstsSeconds !== undefined && isStaging(acme.server),
    allowed:
      "nothing with Let's Encrypt's staging server, whose certificate browsers do not trust: they would let nobody past the warning any more; remove it, or set acme.server to production",
  },
];

const serviceTypeOf = ({ gateway, loadBalancer }: Omit<GatewayGiven, "acme">) =>
  gateway.serviceType ?? (loadBalancer === undefined ? "ClusterIP" : "LoadBalancer");

/** The Istio ingress gateway: the lowest TLS version, the type of its Service, and for how long it asks for HTTPS alone. */
export type GatewaySettings = ReturnType<typeof gatewayOf>;

export const gatewayOf = (given: Omit<GatewayGiven, "acme">) => ({
  minTls: given.gateway.minTls,
  serviceType: serviceTypeOf(given),
  hstsSeconds: given.gateway.hstsSeconds,
});
