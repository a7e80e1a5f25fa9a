import { describe } from "vitest";
import { elsewhere, ids, itJudges, itMakes, itRefuses, ocidOf } from "./stacks.ts";

const keys = "a map with keys of id, endpoint, context, kubeconfig";
const oneOfTwo = "either id (an OKE cluster's OCID) or context (of a kubeconfig), not both";

describe("the cluster", () => {
  itJudges([
    ["cluster", keys, [undefined, "kind", [1]], []],
    ["cluster.id", ocidOf("cluster"), [ids.vcn, ids.cluster.toUpperCase(), "ocid1.cluster.oc1", 5], [ids.cluster]],
    [
      "cluster.endpoint",
      '"PUBLIC_ENDPOINT" or "PRIVATE_ENDPOINT" or "VCN_HOSTNAME" or "LEGACY_KUBERNETES"',
      ["PUBLIC"],
      [undefined, "PUBLIC_ENDPOINT", "PRIVATE_ENDPOINT", "VCN_HOSTNAME", "LEGACY_KUBERNETES"],
    ],
  ]);
  itJudges(
    [
      ["cluster.context", "the name of a kubeconfig context", [" ", 5], ["kind"]],
      ["cluster.kubeconfig", "the path of a kubeconfig file", [" ", 5], [undefined, "~/.kube/config"]],
    ],
    elsewhere,
  );

  itRefuses([
    ["an empty cluster", { cluster: {} }, `cluster is missing; allowed: ${keys}`],
    [
      "neither id nor context",
      { cluster: { endpoint: "PUBLIC_ENDPOINT" } },
      `cluster is {"endpoint":"PUBLIC_ENDPOINT"}; allowed: ${oneOfTwo}`,
    ],
    [
      "both id and context",
      { cluster: { id: ids.cluster, context: "kind" } },
      `cluster is {"id":"${ids.cluster}","context":"kind"}; allowed: ${oneOfTwo}`,
    ],
    [
      "both of them without a load balancer, of which nothing else is told",
      {
        cluster: { id: ids.cluster, context: "kind" },
        loadBalancer: undefined,
        vault: { install: true, kmsVaultId: ids.kmsVault },
      },
      `cluster is {"id":"${ids.cluster}","context":"kind"}; allowed: ${oneOfTwo}`,
      "loadBalancer is missing; allowed: a map with compartmentId and rules, required on OKE",
    ],
    [
      "an endpoint with a context",
      { ...elsewhere, cluster: { context: "kind", endpoint: "PUBLIC_ENDPOINT" } },
      'cluster.endpoint is "PUBLIC_ENDPOINT"; allowed: only with id; remove it',
    ],
    [
      "a kubeconfig with an id",
      { cluster: { id: ids.cluster, kubeconfig: "config" } },
      'cluster.kubeconfig is "config"; allowed: only with context; remove it',
    ],
  ]);

  itMakes([
    [
      "an OKE cluster with an endpoint",
      { cluster: { id: ids.cluster, endpoint: "PRIVATE_ENDPOINT" } },
      { cluster: { id: ids.cluster, endpoint: "PRIVATE_ENDPOINT" } },
    ],
    [
      "a context with its kubeconfig",
      { cluster: { context: "kind", kubeconfig: "config" } },
      { cluster: { context: "kind", kubeconfig: "config" } },
    ],
  ]);
});
