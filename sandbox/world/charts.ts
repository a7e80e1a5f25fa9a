import type { Webhook } from "./kubernetes.ts";
import { egressIn } from "./network-policies.ts";
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
  /** Values of its pods where nothing else is said, as far as a takeover meets them. @default none */
  readonly pods?: Spec;
  /** The hooks of Helm by which a release waits for its webhooks. @default - none */
  checkedAt?(values: Spec): string[];
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

/**
 * What of a workload's selector can never change: the release's name is in it.
 *
 * @param part where the chart's values speak of the workload. @default - at their top
 */
const selected = ({ name }: Rendered, part?: string): Spec => ({ selector: name, ...(part !== undefined && { part }) });

/** Whether a chart has a value: null takes one away. */
const isSaid = (value: unknown) => value !== undefined && value !== null;

/** The level of the Pod Security Standards that pods fit which have all but what these values bring. */
const fitting = (hasProfile: boolean) => (hasProfile ? {} : { fits: "baseline" });

const validating = (name: string, webhooks: Webhook[]): Request => ({
  kind: "ValidatingWebhookConfiguration",
  name,
  spec: { webhooks },
});
const mutating = (name: string): Request => ({ kind: "MutatingWebhookConfiguration", name, spec: {} });

/** Definitions by plural and kind; by default an uninstallation leaves them, with all of their objects. */
const definitions = (
  group: string,
  kinds: Readonly<Record<string, string>>,
  annotations: Spec | undefined = { "helm.sh/resource-policy": "keep" },
): Request[] =>
  Object.entries(kinds).map(([plural, defines]) => ({
    kind: "CustomResourceDefinition",
    name: `${plural}.${group}`,
    spec: { defines, annotations },
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
        ...definitions("cert-manager.io", {
          certificaterequests: "CertificateRequest",
          certificates: "Certificate",
          clusterissuers: "ClusterIssuer",
          issuers: "Issuer",
        }),
        ...definitions("acme.cert-manager.io", { challenges: "Challenge", orders: "Order" }),
        ...services(release, names),
        ...deployments(release, [name], { egress: egressIn(release.values), ...selected(release) }),
        // `global.leaderElection.leaseDuration` of the chart.
        ...deployments(release, [`${name}-cainjector`], { leaseSeconds: 60, ...selected(release, "cainjector") }),
        ...deployments(release, [`${name}-webhook`], selected(release, "webhook")),
        validating(`${name}-webhook`, [
          {
            name: "webhook.cert-manager.io",
            judges: ["cert-manager.io", "acme.cert-manager.io"],
            failurePolicy: "Fail",
            answeredBy,
            trustedBy: `Deployment ${release.namespace}/${name}-cainjector`,
          },
        ]),
        mutating(`${name}-webhook`),
      ];
    },
    checkedAt(values) {
      const { startupapicheck: check = {} } = values as { startupapicheck?: { jobAnnotations?: Spec } };
      return String(check.jobAnnotations?.["helm.sh/hook"] ?? "post-install").split(",");
    },
  },
  // https://github.com/emberstack/kubernetes-reflector/tree/v10.0.63/src/helm/reflector/templates
  reflector: {
    seconds: 15,
    objects: (release) => deployments(release, [fullName("reflector", release)], selected(release)),
  },
  // https://github.com/istio/istio/tree/1.31.4/manifests/charts/base; the definitions: https://github.com/istio/api/blob/v1.31.4/kubernetes/customresourcedefinitions.gen.yaml
  base: {
    seconds: 5,
    objects: ({ namespace }) => [
      ...definitions("extensions.istio.io", { trafficextensions: "TrafficExtension", wasmplugins: "WasmPlugin" }),
      ...definitions("networking.istio.io", {
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
      ...definitions("security.istio.io", {
        authorizationpolicies: "AuthorizationPolicy",
        peerauthentications: "PeerAuthentication",
        requestauthentications: "RequestAuthentication",
      }),
      ...definitions("telemetry.istio.io", { telemetries: "Telemetry" }),
      validating("istiod-default-validator", [istioValidation("validation.istio.io", namespace)]),
    ],
  },
  // https://github.com/istio/istio/tree/1.31.4/manifests/charts/istio-control/istio-discovery/templates
  istiod: {
    seconds: 30,
    pods: { resources: { requests: { cpu: "500m", memory: "2048Mi" } } },
    objects: (release) => [
      ...services(release, ["istiod"]),
      ...deployments(release, ["istiod"], {
        env: release.values.env ?? {},
        meshConfig: release.values.meshConfig ?? {},
        ...fitting(isSaid(release.values.seccompProfile)),
      }),
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
    pods: { resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { cpu: "2000m", memory: "1024Mi" } } },
    objects(release) {
      const {
        service = { type: "LoadBalancer" },
        podAnnotations = {},
        securityContext,
      } = release.values as Record<string, Spec | undefined>;
      // Its image has no tag before istiod's injection, and the policy that the API server gives to such a one stays.
      const imagePullPolicy = release.values.imagePullPolicy ?? "Always";
      return [
        ...deployments(release, [release.name], {
          ...{ podAnnotations, imagePullPolicy },
          ...fitting(isSaid(securityContext?.seccompProfile)),
        }),
        ...services(release, [release.name], service),
      ];
    },
  },
  // https://github.com/external-secrets/external-secrets/tree/v2.9.0/deploy/charts/external-secrets/templates; not its
  // generators' definitions, which nothing here asks for. They are kept where its values annotate them so.
  "external-secrets": {
    seconds: 35,
    objects(release) {
      const name = fullName("external-secrets", release);
      const { crds = {}, certController = {} } = release.values as {
        crds?: { annotations?: Spec };
        certController?: { replicaCount?: number };
      };
      // One of several elects a leader, with the lease of controller-runtime's default.
      const election = (certController.replicaCount ?? 1) > 1 ? { leaseSeconds: 15 } : {};
      const webhook = (kind: string): Webhook => ({
        name: `validate.${kind}.external-secrets.io`,
        judges: [`${kind}s.external-secrets.io`],
        failurePolicy: "Fail",
        answeredBy: `Deployment ${release.namespace}/${name}-webhook`,
        trustedBy: `Deployment ${release.namespace}/${name}-cert-controller`,
      });
      return [
        ...definitions("external-secrets.io", externalSecretsKinds, crds.annotations ?? {}),
        ...services(release, [`${name}-webhook`]),
        ...deployments(release, [name], { egress: egressIn(release.values), ...selected(release) }),
        ...deployments(release, [`${name}-cert-controller`], { ...election, ...selected(release, "certController") }),
        ...deployments(release, [`${name}-webhook`], selected(release, "webhook")),
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
      const { ha, statefulSet } = (release.values.server ?? {}) as VaultServer;
      const { capabilities, seccompProfile } = statefulSet?.securityContext?.container ?? {};
      const more = ha === undefined ? [] : [`${name}-active`, `${name}-standby`];
      return [
        ...services(release, [name, `${name}-internal`, ...more]),
        ...statefulSets(release, [name], {
          values: release.values,
          ...selected(release),
          ...fitting(capabilities !== undefined && seccompProfile !== undefined),
        }),
      ];
    },
  },
};

interface VaultServer {
  readonly ha?: object;
  readonly statefulSet?: { readonly securityContext?: { readonly container?: Spec } };
}

const externalSecretsKinds = {
  clusterexternalsecrets: "ClusterExternalSecret",
  clusterpushsecrets: "ClusterPushSecret",
  clustersecretstores: "ClusterSecretStore",
  externalsecrets: "ExternalSecret",
  pushsecrets: "PushSecret",
  secretstores: "SecretStore",
};

const istioGroups = ["extensions", "networking", "security", "telemetry"].map((group) => `${group}.istio.io`);

/**
 * Ignores failures until istiod has answered once; that of base outlives istiod.
 * https://github.com/istio/istio/blob/1.31.4/manifests/charts/base/templates/defaultrevision-validatingwebhookconfiguration.yaml
 */
function istioValidation(name: string, namespace: string): Webhook {
  return { name, judges: istioGroups, failurePolicy: "Ignore", answeredBy: `Deployment ${namespace}/istiod` };
}
