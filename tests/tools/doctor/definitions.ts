// Custom resource definitions, as Helm and others leave them.

/** Of an object. */
export interface Metadata {
  name: string;
  namespace?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  managedFields?: { manager: string; operation: string }[];
}

/** A CRD that a Helm release owns. */
export const definition = (name: string, owner: string): Metadata => {
  const [at = "", release = ""] = owner.split("/");
  return {
    name,
    labels: { "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": release },
    annotations: { "meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": at },
  };
};

/** What a destroy leaves. */
export const keptDefinitions = () => [
  definition("certificates.cert-manager.io", "cert-manager/cert-manager"),
  definition("challenges.acme.cert-manager.io", "cert-manager/cert-manager"),
  definition("gateways.networking.istio.io", "istio-system/istio-base"),
  definition("telemetries.telemetry.istio.io", "istio-system/istio-base"),
  definition("clustersecretstores.external-secrets.io", "external-secrets/external-secrets"),
  // Neighbours, which no chart of ours has.
  definition("bundles.trust.cert-manager.io", "cert-manager/trust-manager"),
  { name: "istiooperators.install.istio.io" },
  { name: "gateways.gateway.networking.k8s.io" },
];
