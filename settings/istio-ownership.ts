import { CRDS, NAMESPACE, named, type Owned, type Ownership, own, ownAt } from "./ownership.ts";

/** The annotations that the settings of `loadBalancer` are written to. */
const CONTRACT =
  /(load-balancer-type|security-(rule|list)-management-mode|network-security-groups?|initial-(freeform|defined)-tags-override|oci-load-balancer-(connection|health-check|internal|shape|subnet).*)$/;
/** Those that make the load balancer read what it passes on. */
const LISTENERS = /oci-load-balancer-(ssl-ports|tls-.*|backend-protocol|listener-ssl-config)$/;

const balanced = true;
const annotations = (...at: string[]): Owned[] => [
  ownAt([...at, CONTRACT], "the load balancer follows its settings", { setting: "loadBalancer", balanced }),
  ownAt([...at, LISTENERS], "TLS ends at the gateway, to which the load balancer passes TCP on", { balanced }),
];

const INJECTION = "istiod fills in the image of the gateway's pods by it";
const REVISION = "the webhooks and the gateway's pods are those of the one revision without a name";

/** Read below another key, which no standard tool shows: https://github.com/istio/istio/tree/1.31.4/manifests/charts */
const istios = [
  ...["_internal_defaults_do_not_set", "defaults"].map((key) => own(key, "the charts read their values at their top")),
  own("revision", REVISION, { is: "" }),
  own("global.istioNamespace", NAMESPACE, { is: "istio-system" }),
  own("global.resourceScope", "the program needs all that the chart makes", { is: "all" }),
];

/** Keeps the gateway's pods to the Gateways of their own namespace: https://github.com/istio/istio/blob/1.31.4/pilot/pkg/features/pilot.go */
export const SCOPE_GATEWAYS = "PILOT_SCOPE_GATEWAY_TO_NAMESPACE";
const SCOPED = "a Gateway of any namespace could select the gateway's pods";

/** What of the values of Istio's three charts is the program's. */
export const istioOwnership = {
  base: {
    // The charts base and gateway flatten it: templates/zzz_profile.yaml
    alsoBelow: ["global"],
    owned: [
      ...istios,
      own("defaultRevision", REVISION, { is: "default" }),
      ownAt(["base", "excludedCRDs", /^\d+$/], CRDS, { having: /networking\.istio\.io/ }),
      own("base.enableIstioConfigCRDs", CRDS, { is: true }),
    ],
  },
  istiod: {
    // templates/zzy_descope_legacy.yaml
    alsoBelow: ["pilot"],
    owned: [
      ...istios,
      ownAt(
        ["podLabels", /^(app|istio|istio\.io\/rev|app\.kubernetes\.io\/(name|instance))$/],
        "Services find the pods by it",
      ),
      ...["global.operatorManageWebhooks", "global.omitSidecarInjectorConfigMap", "global.externalIstiod"].map((key) =>
        own(key, INJECTION, { is: false }),
      ),
      own("global.configValidation", "what the program writes is checked by this webhook", { is: true }),
      own("istiodRemote.enabled", INJECTION, { is: false }),
      own("istiodRemote.injectionURL", INJECTION, { is: "" }),
      own(`env.${SCOPE_GATEWAYS}`, SCOPED, { setting: "tenancy.routes", is: "true" }),
      // Written after env, so that it would replace what stands there.
      ownAt(["envVarFrom", /^\d+$/, "name"], SCOPED, {
        setting: "tenancy.routes",
        having: new RegExp(`^${SCOPE_GATEWAYS}$`),
      }),
      own("configMap", "istiod and the gateway read the mesh's configuration from it", { is: true }),
      own("base.enableIstioConfigCRDs", CRDS, { is: true }),
      ...["profile", "global.profile"].map((key) =>
        own(key, "the control plane is in this cluster", { having: /^remote$/ }),
      ),
      own("meshConfig.defaultConfig.gatewayTopology.proxyProtocol", "load balancer and gateway must agree on it", {
        setting: "loadBalancer.proxyProtocol",
        balanced,
      }),
    ],
  },
  gateway: {
    alsoBelow: ["global"],
    merged: [
      { at: ["podAnnotations", "proxy.istio.io/config"], as: "yaml" },
      { at: ["service", "ports"], as: "list" },
    ],
    owned: [
      ...istios,
      own("service.type", "the program must know whether the Service gets an address", {
        setting: "gateway.serviceType",
      }),
      own("service.loadBalancerIP", "the A records know it", { setting: "loadBalancer.reservedIp", balanced }),
      own("service.loadBalancerSourceRanges", "it says who may connect", {
        setting: "loadBalancer.allowedCidrs",
        balanced,
      }),
      own("service.externalTrafficPolicy", "the firewall's rules for health checks follow from it", {
        setting: "loadBalancer.externalTrafficPolicy",
        balanced,
      }),
      own("service.loadBalancerClass", "another controller than OCI's would make the load balancer", { balanced }),
      own("service.allocateLoadBalancerNodePorts", "the load balancer sends to node ports", { is: true, balanced }),
      own("service.externalIPs", "it opens the gateway past the load balancer", { balanced }),
      own("service.ipFamilyPolicy", "the load balancer has IPv4 alone", { is: "SingleStack", balanced }),
      ownAt(["service", "ipFamilies", /^\d+$/], "the load balancer has IPv4 alone", { having: /^IPv6$/, balanced }),
      own("service.selectorLabels", "the Service finds the gateway's pods by its labels"),
      ownAt(["service", "ports", /^\d+$/, "port"], "the program listens there", { having: /^(80|443)$/ }),
      ownAt(["service", "ports", /^\d+$/, "name"], "the program has a port of this name", {
        having: /^(http2|https)$/,
      }),
      ...annotations("service", "annotations"),
      // On every object of the chart, the Service among them.
      ...annotations("annotations"),
      ...named("name"),
      ...["app", "istio"].map((label) =>
        own(`labels.${label}`, "Gateways find the pods by it, and it can never change", {
          is: label === "app" ? "istio-ingressgateway" : "ingressgateway",
        }),
      ),
      ownAt(["labels", "istio.io/rev"], REVISION),
      ...[["labels"], ["podAnnotations"]].map((at) =>
        ownAt([...at, "sidecar.istio.io/inject"], INJECTION, { is: "true" }),
      ),
      ownAt(["podAnnotations", "inject.istio.io/templates"], INJECTION, { is: "gateway" }),
      ownAt(
        ["podAnnotations", "proxy.istio.io/config", "gatewayTopology", "proxyProtocol"],
        "load balancer and gateway must agree on it",
        {
          setting: "loadBalancer.proxyProtocol",
          balanced,
        },
      ),
      own("env.PROXY_CONFIG", "it would take the place of all that podAnnotations says of the proxy", { balanced }),
      own("networkGateway", "it gives the Service other ports", { is: "" }),
      own("rbac.enabled", "the gateway reads the certificate by this role", { is: true }),
      own("serviceAccount.create", "the certificate's key is for the gateway's own account", { is: true }),
      own("serviceAccount.name", "the certificate's key is for the gateway's own account", { is: "" }),
    ],
  },
} as const satisfies Readonly<Record<string, Ownership>>;
