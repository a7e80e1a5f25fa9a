import type { Webhook } from "./kubernetes.ts";
import type { Request, Spec } from "./state.ts";

// What is in each chart: workloads, Services, webhooks and definitions. Accounts, roles, ConfigMaps, disruption budgets
// and network policies are left out: nothing here turns on them.

/** What of a release decides what is in it. */
interface Rendered {
  readonly name: string;
  readonly namespace: string;
  readonly values: Spec;
}

export interface Chart {
  /** Usual seconds of an install, until its workloads are ready. */
  readonly seconds: number;
  /** Seconds of an uninstallation. @default 3 */
  readonly removalSeconds?: number;
  objects(release: Rendered): Request[];
}

/** A release's name where it has the chart's in it; else both: the usual `fullname` of charts. */
const fullName = (chart: string, { name }: Rendered) => (name.includes(chart) ? name : `${name}-${chart}`);

const namespaced =
  (kind: string) =>
  ({ namespace }: Rendered, names: readonly string[], spec: Spec = {}): Request[] =>
    names.map((name) => ({ kind, namespace, name, spec }));
const deployments = namespaced("Deployment");
const statefulSets = namespaced("StatefulSet");
const services = namespaced("Service");

const validating = (name: string, webhooks: Webhook[]): Request => ({
  kind: "ValidatingWebhookConfiguration",
  name,
  spec: { webhooks },
});
const mutating = (name: string): Request => ({ kind: "MutatingWebhookConfiguration", name, spec: {} });

/** Definitions by plural and kind; kept where an uninstallation leaves them, with all of their objects. */
const definitions = (group: string, kept: boolean, kinds: Readonly<Record<string, string>>): Request[] =>
  Object.entries(kinds).map(([plural, defines]) => ({
    kind: "CustomResourceDefinition",
    name: `${plural}.${group}`,
    spec: { defines, ...(kept && { annotations: { "helm.sh/resource-policy": "keep" } }) },
  }));

export const charts: Readonly<Record<string, Chart>> = {
  // https://github.com/cert-manager/cert-manager/tree/v1.21.2/deploy/charts/cert-manager/templates; `crds.keep` is its default.
  "cert-manager": {
    seconds: 45,
    objects(release) {
      const name = fullName("cert-manager", release);
      const names = [name, `${name}-cainjector`, `${name}-webhook`];
      const answeredBy = `Deployment ${release.namespace}/${name}-webhook`;
      return [
        ...definitions("cert-manager.io", true, {
          certificaterequests: "CertificateRequest",
          certificates: "Certificate",
          clusterissuers: "ClusterIssuer",
          issuers: "Issuer",
        }),
        ...definitions("acme.cert-manager.io", true, { challenges: "Challenge", orders: "Order" }),
        ...services(release, names),
        ...deployments(release, names),
        validating(`${name}-webhook`, [
          {
            name: "webhook.cert-manager.io",
            judges: ["cert-manager.io", "acme.cert-manager.io"],
            failurePolicy: "Fail",
            answeredBy,
          },
        ]),
        mutating(`${name}-webhook`),
      ];
    },
  },
  // https://github.com/emberstack/kubernetes-reflector/tree/v10.0.63/src/helm/reflector/templates
  reflector: {
    seconds: 15,
    objects: (release) => deployments(release, [fullName("reflector", release)]),
  },
  // https://github.com/istio/istio/tree/1.31.4/manifests/charts/base; the definitions: https://github.com/istio/api/blob/v1.31.4/kubernetes/customresourcedefinitions.gen.yaml
  base: {
    seconds: 5,
    objects: ({ namespace }) => [
      ...definitions("extensions.istio.io", true, { trafficextensions: "TrafficExtension", wasmplugins: "WasmPlugin" }),
      ...definitions("networking.istio.io", true, {
        destinationrules: "DestinationRule",
        envoyfilters: "EnvoyFilter",
        gateways: "Gateway",
        proxyconfigs: "ProxyConfig",
        serviceentries: "ServiceEntry",
        sidecars: "Sidecar",
        virtualservices: "VirtualService",
        workloadentries: "WorkloadEntry",
        workloadgroups: "WorkloadGroup",
      }),
      ...definitions("security.istio.io", true, {
        authorizationpolicies: "AuthorizationPolicy",
        peerauthentications: "PeerAuthentication",
        requestauthentications: "RequestAuthentication",
      }),
      ...definitions("telemetry.istio.io", true, { telemetries: "Telemetry" }),
      validating("istiod-default-validator", [istioValidation("validation.istio.io", namespace)]),
    ],
  },
  // https://github.com/istio/istio/tree/1.31.4/manifests/charts/istio-control/istio-discovery/templates
  istiod: {
    seconds: 30,
    objects: (release) => [
      ...services(release, ["istiod"]),
      ...deployments(release, ["istiod"]),
      validating(`istio-validator-${release.namespace}`, [
        istioValidation("rev.validation.istio.io", release.namespace),
      ]),
      mutating("istio-sidecar-injector"),
    ],
  },
  // https://github.com/istio/istio/tree/1.31.4/manifests/charts/gateway/templates
  gateway: {
    seconds: 5,
    // The cloud controller takes the load balancer down.
    removalSeconds: 20,
    objects(release) {
      const { service = { type: "LoadBalancer" }, podAnnotations = {} } = release.values as Record<string, Spec>;
      return [
        ...deployments(release, [release.name], { podAnnotations }),
        ...services(release, [release.name], service),
      ];
    },
  },
  // https://github.com/external-secrets/external-secrets/tree/v2.9.0/deploy/charts/external-secrets/templates; not its
  // generators' definitions, which nothing here asks for. None is kept.
  "external-secrets": {
    seconds: 35,
    objects(release) {
      const name = fullName("external-secrets", release);
      const webhook = (kind: string): Webhook => ({
        name: `validate.${kind}.external-secrets.io`,
        judges: [`${kind}s.external-secrets.io`],
        failurePolicy: "Fail",
        answeredBy: `Deployment ${release.namespace}/${name}-webhook`,
      });
      return [
        ...definitions("external-secrets.io", false, {
          clusterexternalsecrets: "ClusterExternalSecret",
          clusterpushsecrets: "ClusterPushSecret",
          clustersecretstores: "ClusterSecretStore",
          externalsecrets: "ExternalSecret",
          pushsecrets: "PushSecret",
          secretstores: "SecretStore",
        }),
        ...services(release, [`${name}-webhook`]),
        ...deployments(release, [name, `${name}-cert-controller`, `${name}-webhook`]),
        validating("secretstore-validate", [webhook("secretstore"), webhook("clustersecretstore")]),
        validating("externalsecret-validate", [webhook("externalsecret")]),
      ];
    },
  },
  // https://github.com/hashicorp/vault-helm/tree/v0.34.1/templates, without the injector and the UI's own Service.
  vault: {
    seconds: 40,
    objects(release) {
      const name = fullName("vault", release);
      const { ha } = (release.values.server ?? {}) as { ha?: object };
      const more = ha === undefined ? [] : [`${name}-active`, `${name}-standby`];
      return [
        ...services(release, [name, `${name}-internal`, ...more]),
        ...statefulSets(release, [name], { values: release.values }),
      ];
    },
  },
};

const istioGroups = ["extensions", "networking", "security", "telemetry"].map((group) => `${group}.istio.io`);

/**
 * Ignores failures until istiod has answered once; that of base outlives istiod.
 * https://github.com/istio/istio/blob/1.31.4/manifests/charts/base/templates/defaultrevision-validatingwebhookconfiguration.yaml
 */
function istioValidation(name: string, namespace: string): Webhook {
  return { name, judges: istioGroups, failurePolicy: "Ignore", answeredBy: `Deployment ${namespace}/istiod` };
}
