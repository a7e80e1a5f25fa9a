// What a chart's own NetworkPolicies are told.

/** What the pods of a chart reach beside DNS and the API server, where its policies keep them from all else. */
export interface Reach {
  readonly ports: readonly number[];
  /** Namespaces whose pods are reached at any port. */
  readonly namespaces: readonly string[];
}
