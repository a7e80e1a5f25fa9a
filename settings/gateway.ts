/** The Istio ingress gateway. */
export interface GatewaySettings {
  readonly minTls: "1.2" | "1.3";
  readonly serviceType: "LoadBalancer" | "NodePort" | "ClusterIP";
}
