// What a size means for the pods of a chart, in the words that most charts share.

/** Requests of a container. */
export const requests = (cpu: string, memory: string) => ({ resources: { requests: { cpu, memory } } });

/** Two replicas or more, of which one stays while a node is drained. */
export const disruptionBudget = { podDisruptionBudget: { enabled: true, minAvailable: 1 } };

/**
 * Pods with these labels go to different nodes, availability domains and fault domains where there are any. A wish
 * and not a rule: a drained node still counts as a place, so a rule would leave the evicted pod without one.
 */
export const spread = (matchLabels?: Record<string, string>) => ({
  topologySpreadConstraints: [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    // Written by OCI: https://github.com/oracle/oci-cloud-controller-manager/blob/1100ac362/pkg/cloudprovider/providers/oci/node_info_controller.go#L45
    "oci.oraclecloud.com/fault-domain",
  ].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: "ScheduleAnyway",
    ...(matchLabels && { labelSelector: { matchLabels } }),
  })),
});

/** Whether a chart's value says how many pods there are, by its path. */
export const isReplicas = (path: string): boolean =>
  /(replicaCount|autoscale(Min|Max|Enabled)|autoscaling\.(enabled|minReplicas|maxReplicas))$/.test(path);
