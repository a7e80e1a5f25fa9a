import { describe, expect, it } from "vitest";
import { account, elsewhere, itJudges, itRefuses, type Raw, settingsOf } from "./stacks.ts";

const types = '"LoadBalancer" or "NodePort" or "ClusterIP"';
const contract = 'nothing but "LoadBalancer" with loadBalancer, whose contract it is; remove one of the two';

describe("the gateway", () => {
  // YAML reads 1.2 without quotes as a number.
  itJudges([["gateway.minTls", '"1.2" or "1.3"', ["1.1", 1.2], [undefined, "1.2", "1.3"]]]);
  itJudges(
    [
      [
        "gateway.hstsSeconds",
        "a whole number from 0 to 63072000 (seconds)",
        [-1, 63_072_001, 1.5, "1d", true],
        [undefined, 0, 300, 63_072_000],
      ],
    ],
    account({ server: "production" }),
  );
  itJudges([["gateway.serviceType", types, ["nodePort"], ["LoadBalancer", "NodePort", "ClusterIP"]]], elsewhere);

  itRefuses([
    ...["NodePort", "ClusterIP"].map((serviceType): [string, Raw, string] => [
      `the type ${serviceType} with a load balancer`,
      { gateway: { serviceType } },
      `gateway.serviceType is "${serviceType}"; allowed: ${contract}`,
    ]),
    ...["staging", "https://acme-staging-v02.api.letsencrypt.org/directory", undefined].map(
      (server): [string, Raw, string] => [
        `HSTS with acme.server ${server}`,
        { ...account({ server }), gateway: { hstsSeconds: 0 } },
        "gateway.hstsSeconds is 0; allowed: nothing with Let's Encrypt's staging server, whose certificate browsers do not trust: they would let nobody past the warning any more; remove it, or set acme.server to production",
      ],
    ),
    [
      "only that the load balancer is missing on OKE",
      { loadBalancer: undefined, gateway: { serviceType: "NodePort" } },
      "loadBalancer is missing; allowed: a map with compartmentId and rules, required on OKE",
    ],
  ]);

  it.each<[what: string, changes: Raw, made: object]>([
    ["a load balancer", {}, { minTls: "1.2", serviceType: "LoadBalancer" }],
    [
      "a load balancer, said so, and TLS 1.3",
      { gateway: { serviceType: "LoadBalancer", minTls: "1.3" } },
      { minTls: "1.3", serviceType: "LoadBalancer" },
    ],
    [
      "HTTPS alone, with an ACME server of one's own",
      { ...account({ server: "https://acme.example.com/directory" }), gateway: { hstsSeconds: 300 } },
      { minTls: "1.2", serviceType: "LoadBalancer", hstsSeconds: 300 },
    ],
    ["none", elsewhere, { minTls: "1.2", serviceType: "ClusterIP" }],
    [
      "none, and NodePort",
      { ...elsewhere, gateway: { serviceType: "NodePort" } },
      { minTls: "1.2", serviceType: "NodePort" },
    ],
  ])("is made for %s", (_what, changes, made) => {
    expect(settingsOf(changes).gateway).toEqual(made);
  });
});
