/** The cluster to deploy to: an OKE cluster by its OCID, or any other by the context of a kubeconfig. */
export type Cluster =
  | { readonly id: string; readonly endpoint?: string | undefined }
  | { readonly context: string; readonly kubeconfig?: string | undefined };
