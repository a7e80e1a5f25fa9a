import { destinationOf, protocolOf, protocolTo } from "./destinations.ts";
import { covers, isOf, matchesHost, secretForGateway, serversOf, serves } from "./istio.ts";
import { workloadsOf } from "./kubernetes.ts";
import { answers } from "./load-balancer.ts";
import type { World } from "./world.ts";

// What a user sees of all of it.

/** Why a host is not served over TLS with a certificate of its own, as seen from outside; empty when it is. */
export function problemsOf(world: World, host: string): string[] {
  const problems: string[] = [];
  const expect = (fine: unknown, problem: string) => {
    if (!fine) problems.push(`${host}: ${problem}`);
  };
  const route = world.items("VirtualService").find((it) => (it.spec.hosts as string[]).includes(host));
  expect(route?.ready, "no VirtualService routes it");
  const gateway = world.items("Gateway").find((it) => route && isOf(it, route));
  const server = route && gateway && serversOf(gateway).find((it) => serves(gateway, it, route, host));
  expect(gateway?.ready && server, "no Gateway listens for it");
  const [pods] = workloadsOf(world, "gateway");
  if (route && pods) {
    const to = destinationOf(route);
    const [spoken, understood] = [protocolTo(world, pods.namespace, to), protocolOf(world, to)];
    expect(spoken === understood, `the gateway speaks ${spoken} to a Service that speaks ${understood}`);
  }
  expect(pods?.status.up, "no ingress gateway runs");
  const secret = gateway && secretForGateway(world, gateway, server?.tls?.credentialName ?? "");
  expect(covers(secret, host), "no certificate for it is in the gateway's namespace");
  const source = secret?.spec.reflects === undefined ? secret : world.item(`Secret ${String(secret.spec.reflects)}`);
  expect(secret?.spec.serial === source?.spec.serial, "the gateway's copy is not the newest certificate");
  const balancer = pods && world.item(`LoadBalancer /${pods.name}`);
  if (pods === undefined || balancer === undefined) return problems;
  expect(answers(world, balancer), "the load balancer's backends are red");
  // https://istio.io/latest/docs/ops/configuration/traffic-management/network-topologies/#proxy-protocol
  const { "proxy.istio.io/config": config } = pods.spec.podAnnotations as Record<string, string>;
  const expected = config?.includes("proxyProtocol") === true;
  if (balancer.spec.proxyProtocol === true) {
    expect(expected, "the load balancer speaks the PROXY protocol and the gateway does not expect it");
  } else expect(!expected, "the gateway expects the PROXY protocol and the load balancer does not speak it");
  const record = world
    .items("DnsRecord")
    .find((it) => it.ready && it.spec.type === "A" && matchesHost(it.spec.name as string, host));
  expect(record?.spec.content === balancer.status.address, "DNS does not answer with the load balancer's address");
  return problems;
}
