// Settings that people look for and that there are none of, with what to use instead.

const instead: readonly [key: RegExp, instead: string][] = [
  [
    /^services\[\d+\]\.(paths?|prefix|match)$/,
    "a service is one host, all of it; route paths by a VirtualService of your own on istio-system/istio-gateway, with a host that services does not have",
  ],
  [
    /^loadBalancer\.(ipv6|ipFamil\w+|dualStack)$/,
    "the platform is IPv4 alone; with cloudflare.proxied, Cloudflare answers over IPv6 and comes to the load balancer over IPv4",
  ],
  [
    /^loadBalancer\.(type|nlb|networkLoadBalancer)$/,
    "the load balancer is OCI's flexible one; for the client's address, which a network load balancer would keep, set loadBalancer.proxyProtocol",
  ],
  [
    /^(domains|baseDomains|hosts)$/,
    "a stack serves one domain and one baseDomain; for another, set up a second cluster's stack, or a Certificate and a Gateway of your own beside this one's",
  ],
];

/** What to use in the place of a setting that there is none of; undefined for a mere mistake. */
export const insteadOf = (key: string): string | undefined => instead.find(([pattern]) => pattern.test(key))?.[1];
