import * as v from "valibot";
import { map, ocid, oneOf, says, text } from "./fields.ts";
import type { Rule } from "./rule.ts";

export const cluster = says(
  "The cluster to deploy to: an OKE cluster by its OCID, or any other by the context of a kubeconfig.",
  map({
    id: says(
      "The OKE cluster; its kubeconfig is asked of OCI at each run. On a running stack another one is refused, and so is context in its place: Pulumi would replace everything in the cluster.",
      v.optional(ocid("cluster")),
      "the cluster is `context`",
    ),
    endpoint: says(
      "Which of the OKE cluster's endpoints the program talks to; only with id.",
      v.optional(oneOf("PUBLIC_ENDPOINT", "PRIVATE_ENDPOINT", "VCN_HOSTNAME", "LEGACY_KUBERNETES")),
      "OCI's choice",
    ),
    context: says(
      "Context of a kubeconfig, for any other cluster. On a running stack another one is refused.",
      v.optional(text("the name of a kubeconfig context", /\S/)),
      "the cluster is `id`",
    ),
    kubeconfig: says(
      "Path of that kubeconfig; only with context.",
      v.optional(text("the path of a kubeconfig file", /\S/)),
      "where kubectl finds its own",
    ),
  }),
);

export interface ClusterGiven {
  readonly cluster: v.InferOutput<typeof cluster>;
}

export const clusterRules: readonly Rule<ClusterGiven>[] = [
  {
    key: "cluster.endpoint",
    reads: [],
    when: (given) => given.cluster.endpoint !== undefined && given.cluster.context !== undefined,
    allowed: "only with id; remove it",
  },
  {
    key: "cluster.kubeconfig",
    reads: [],
    when: (given) => given.cluster.kubeconfig !== undefined && given.cluster.id !== undefined,
    allowed: "only with context; remove it",
  },
  {
    key: "cluster",
    reads: [],
    when: (given) => (given.cluster.id === undefined) === (given.cluster.context === undefined),
    allowed: "either id (an OKE cluster's OCID) or context (of a kubeconfig), not both",
  },
];

/** The cluster to deploy to: an OKE cluster by its OCID, or any other by the context of a kubeconfig. */
export type Cluster =
  | { readonly id: string; readonly endpoint?: string | undefined }
  | { readonly context: string; readonly kubeconfig?: string | undefined };

export const clusterOf = ({ id, endpoint, context, kubeconfig }: ClusterGiven["cluster"]): Cluster =>
  // One of the two is there, by the rule about them.
  id === undefined ? { context: context as string, kubeconfig } : { id, endpoint };
