import { describe, expect, it } from "vitest";
import { charts as defaults } from "../../versions.ts";
import { balanced, elsewhere, itJudges, itRefuses, type Raw, settingsOf } from "./stacks.ts";

const exactly = "one exact version such as 1.31.4, no range";
const source = "https://<repository>, oci://<registry path>, or a directory that starts with / or ./";
const aMap = "a map of chart values, merged over the program's own";
const names = Object.keys(defaults) as (keyof typeof defaults)[];
const free = (path: string) =>
  `no Service of type LoadBalancer with loadBalancer.alwaysFree, whose one load balancer is the gateway's; change ${path}`;
const decided = (path: string) => `nothing in gateway.${path}, which loadBalancer decides; use its settings`;
const gatewayValues = (service: object) => ({ charts: { istio: { values: { gateway: { service } } } } });
const annotation = (name: string) => ({ annotations: { [`service.beta.kubernetes.io/${name}`]: "x" } });
const shown = (value: unknown) => {
  const json = JSON.stringify(value);
  return json.length > 100 ? `${json.slice(0, 100)}…` : json;
};

describe("the charts", () => {
  const sources = ["https://charts.example.com", "http://a", "oci://mirror/charts", "/charts", "./charts", "../charts"];
  const noSources = [
    "charts.jetstack.io",
    "ftp://charts.example.com",
    "git@example.com:charts",
    "https://",
    "charts/",
    "",
  ];
  itJudges([
    ["charts.mirror", source, noSources, [undefined, ...sources]],
    ...names.flatMap((name): Parameters<typeof itJudges>[0] => [
      [
        `charts.${name}.version`,
        exactly,
        ["^1.31.4", "~1.31.4", ">=1.31.4", "1.31.x", "1.31", "latest", ""],
        [undefined, "1.31.4", "v1.31.4", "1.31.4-rc.1", "1.31.4+b"],
      ],
      [`charts.${name}.repo`, source, noSources, [undefined, ...sources]],
    ]),
    ...names
      .filter((name) => name !== "istio")
      .map((name): Parameters<typeof itJudges>[0][number] => [
        `charts.${name}.values`,
        aMap,
        [[1], "x"],
        [undefined, { a: 1 }],
      ]),
    ["charts.istio.values", "a map with keys of base, istiod, gateway", [[1]], [undefined, {}]],
    ...["base", "istiod", "gateway"].map((name): Parameters<typeof itJudges>[0][number] => [
      `charts.istio.values.${name}`,
      aMap,
      [[1]],
      [undefined, { a: 1 }],
    ]),
    ["charts.istio", "a map with keys of version, repo, values", [null, 5], [undefined]],
  ]);

  itRefuses([
    [
      "an unknown chart, and an unknown one of Istio's",
      { charts: { argocd: {}, istio: { values: { cni: {} } } } },
      "charts.argocd is no setting; allowed: a map with no other keys than mirror, certManager, reflector, istio, externalSecrets, vault",
      "charts.istio.values.cni is no setting; allowed: a map with no other keys than base, istiod, gateway",
    ],
    ...names
      .filter((name) => name !== "istio")
      .map((name): [string, Raw, string] => [
        `a second load balancer with alwaysFree in ${name}`,
        {
          ...balanced({ alwaysFree: true }),
          charts: { [name]: { values: { list: [{ type: "ClusterIP" }, { type: "LoadBalancer" }] } } },
        },
        `charts.${name}.values is {"list":[{"type":"ClusterIP"},{"type":"LoadBalancer"}]}; allowed: ${free("list.1.type")}`,
      ]),
    [
      "a second load balancer with alwaysFree in Istio's, the first of two",
      {
        ...balanced({ alwaysFree: true }),
        charts: { istio: { values: { istiod: { a: "LoadBalancer", b: "LoadBalancer" } } } },
      },
      `charts.istio.values is {"istiod":{"a":"LoadBalancer","b":"LoadBalancer"}}; allowed: ${free("istiod.a")}`,
    ],
    ...["type", "loadBalancerIP", "loadBalancerSourceRanges", "externalTrafficPolicy"].map(
      (field): [string, Raw, string] => [
        `service.${field}, which the load balancer decides`,
        gatewayValues({ [field]: "x" }),
        `charts.istio.values is ${shown({ gateway: { service: { [field]: "x" } } })}; allowed: ${decided(`service.${field}`)}`,
      ],
    ),
    ...[
      "load-balancer-type",
      "security-rule-management-mode",
      "security-list-management-mode",
      "network-security-groups",
      "network-security-group",
      "oci-load-balancer-shape",
      "oci-load-balancer-shape-flex-min",
      "oci-load-balancer-internal",
      "oci-load-balancer-connection-idle-timeout",
      "oci-load-balancer-health-check-retries",
      "oci-load-balancer-subnet1",
    ].map((name): [string, Raw, string] => [
      `the annotation ${name}, which the load balancer decides`,
      gatewayValues(annotation(name)),
      `charts.istio.values is ${shown({ gateway: { service: annotation(name) } })}; allowed: ${decided(`service.annotations.service.beta.kubernetes.io/${name}`)}`,
    ]),
    [
      "only the load balancer when values would be judged by a wrong one",
      { ...balanced({ rules: "x", alwaysFree: "x" }), charts: { vault: { values: { type: "LoadBalancer" } } } },
      'loadBalancer.alwaysFree is "x"; allowed: true or false',
      'loadBalancer.rules is "x"; allowed: "SL-All" or "NSG" or "None"',
    ],
  ]);

  it.each<[what: string, changes: Raw]>([
    ["an annotation that the load balancer leaves alone", gatewayValues(annotation("oci-load-balancer-tls-secret"))],
    ["the Service's other fields", gatewayValues({ ports: [], annotations: "x" })],
    ["a load balancer elsewhere without alwaysFree", { charts: { vault: { values: { type: "LoadBalancer" } } } }],
    ["any Service without a load balancer", { ...elsewhere, ...gatewayValues({ type: "LoadBalancer" }) }],
  ])("may hold %s", (_what, changes) => {
    expect(() => settingsOf(changes)).not.toThrow();
  });

  it("come from their makers in the versions that are pinned", () => {
    expect(settingsOf().charts).toEqual(defaults);
  });

  const own = {
    certManager: { version: "1.21.3", repo: "./charts", values: { a: 1 } },
    istio: { values: { base: { b: 2 } } },
  };
  it("come from a repository of their own, else the mirror, else their makers", () => {
    const { istio, ...others } = defaults;
    expect(settingsOf({ charts: own }).charts).toEqual({ ...others, ...own, istio: { ...istio, ...own.istio } });
    const mirror = "oci://mirror/charts";
    expect(settingsOf({ charts: { ...own, mirror } }).charts).toEqual({
      certManager: own.certManager,
      reflector: { version: defaults.reflector.version, repo: mirror },
      istio: { version: istio.version, repo: mirror, ...own.istio },
      externalSecrets: { version: defaults.externalSecrets.version, repo: mirror },
      vault: { version: defaults.vault.version, repo: mirror },
    });
  });
});
