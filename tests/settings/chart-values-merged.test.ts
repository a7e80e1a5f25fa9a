import { describe, expect, it } from "vitest";
import { mistakesIn, oke, withValue } from "./stacks.ts";

const GATEWAY = "charts.istio.values.gateway";
const PROXY = "load balancer and gateway must agree on it; use loadBalancer.proxyProtocol";
/** The mistakes of the smallest stack on OKE with one value in the gateway's. */
const inGateway = (key: string, value: unknown) => mistakesIn(withValue(oke, `${GATEWAY}.${key}`, value));
/** Those with what the gateway's proxy is told. */
const config = (text: unknown) => inGateway("podAnnotations", { "proxy.istio.io/config": text });
const at = `${GATEWAY}.podAnnotations["proxy.istio.io/config"]`;

describe("values that are merged with the program's own", () => {
  it.each(["gatewayTopology:\n  numTrustedProxies: 2\n", '{"concurrency":2}'])("may be %j", (text) => {
    expect(config(text)).toEqual([]);
  });

  it.each(["a text", "[1]", "a: b: c", 5, null])("must be a map in text: %j", (text) => {
    expect(config(text)).toEqual([
      `${at} is ${JSON.stringify(text)}; allowed: a map in text, as YAML or JSON, which is merged with the program's own`,
    ]);
  });

  it.each([
    "gatewayTopology: { proxyProtocol: null }",
    '{"gatewayTopology":null}',
    "gatewayTopology:\n  proxyProtocol: {}",
  ])("may not turn around what the program says there: %j", (text) => {
    expect(config(text)).toEqual([
      `${at} is ${JSON.stringify(text)}; allowed: nothing in its gatewayTopology.proxyProtocol: ${PROXY}`,
    ]);
  });

  it("may stand nowhere else that the chart reads", () => {
    expect(inGateway("global.service.ports", [])).toEqual([
      `${GATEWAY}.global.service.ports is []; allowed: nothing here; write it as service.ports`,
    ]);
  });

  it("are no second item of the program's own", () => {
    expect(inGateway("service.ports", [{ name: "https", port: 80 }])).toEqual([
      `${GATEWAY}.service.ports[0].name is "https"; allowed: nothing: the program has a port of this name; remove it`,
      `${GATEWAY}.service.ports[0].port is 80; allowed: nothing: the program listens there; remove it`,
    ]);
    expect(mistakesIn(withValue(oke, "charts.vault.values.server.volumes", { tls: {} }))).toEqual([
      "charts.vault.values.server.volumes.tls is {}; allowed: a list, which comes after the program's own",
    ]);
  });
});
