import { describe } from "vitest";
import { balanced, itRefuses } from "./stacks.ts";

const OUT = "is out of what this program does:";
const PATHS =
  "a service is one host, all of it; route paths by a VirtualService of your own on istio-system/istio-gateway, with a host that services does not have";
const FAMILY =
  "the platform is IPv4 alone; with cloudflare.proxied, Cloudflare answers over IPv6 and comes to the load balancer over IPv4";
const NETWORK =
  "the load balancer is OCI's flexible one; for the client's address, which a network load balancer would keep, set loadBalancer.proxyProtocol";
const DOMAINS =
  "a stack serves one domain and one baseDomain; for another, set up a second cluster's stack, or a Certificate and a Gateway of your own beside this one's";
const service = (changes: object) => ({ services: [{ name: "a", namespace: "a", port: 80, ...changes }] });

describe("what people look for and there is none of", () => {
  itRefuses([
    ["a path of a service", service({ path: "/api" }), `services[0].path ${OUT} ${PATHS}`],
    ["paths of a service", service({ paths: ["/api"] }), `services[0].paths ${OUT} ${PATHS}`],
    ["IPv6", balanced({ ipv6: true }), `loadBalancer.ipv6 ${OUT} ${FAMILY}`],
    ["IP families", balanced({ ipFamilies: ["IPv6"] }), `loadBalancer.ipFamilies ${OUT} ${FAMILY}`],
    ["a network load balancer", balanced({ type: "nlb" }), `loadBalancer.type ${OUT} ${NETWORK}`],
    ["several domains", { domains: ["a.org", "b.org"] }, `domains ${OUT} ${DOMAINS}`],
    ["several base domains", { baseDomains: ["a.example.com"] }, `baseDomains ${OUT} ${DOMAINS}`],
  ]);
});
