import { Provider } from "@pulumi/kubernetes/provider.js";
import { getClusterKubeConfigOutput } from "@pulumi/oci/containerengine/getClusterKubeConfig.js";
import * as pulumi from "@pulumi/pulumi";
import type { Cluster } from "../settings/cluster.ts";

/**
 * The Kubernetes provider that every resource in the cluster uses.
 *
 * For OKE the kubeconfig is asked of OCI at each run. It holds no credential: its exec plugin calls the
 * `oci` CLI for a token of a few minutes, which must be on PATH wherever the program runs.
 *
 * @param admitted OCID or context, known when nothing speaks against it
 */
export function clusterProvider(name: string, cluster: Cluster, admitted: pulumi.Output<string>): Provider {
  if ("context" in cluster) return new Provider(name, { context: admitted, kubeconfig: cluster.kubeconfig });
  const kubeconfig = getClusterKubeConfigOutput({
    clusterId: cluster.id,
    endpoint: cluster.endpoint,
    tokenVersion: "2.0.0",
  }).content;
  return new Provider(name, {
    kubeconfig: pulumi.secret(kubeconfig),
    // A kubeconfig that OCI writes otherwise than before must not replace everything in the cluster.
    clusterIdentifier: admitted,
  });
}
