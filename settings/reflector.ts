/** Where copies of the certificate and its key go. */
export interface ReflectorSettings {
  /** Sorted, and `istio-system` among them. */
  readonly namespaces: readonly string[] | "all";
}
