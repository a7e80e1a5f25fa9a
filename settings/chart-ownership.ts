// What of each chart's values is the program's, in one table: the refusals, the merge of the releases, `plan --diff` and the
// documents read it. All that it does not name is the operator's, who may replace what the program says there.

import { istioOwnership } from "./istio-ownership.ts";
import { CRDS, NAMESPACE, named, type Ownership, own, ownAt } from "./ownership.ts";

/** A chart by its name in its repository. */
export type ChartName = keyof typeof chartOwnership;

export const chartOwnership = {
  // https://github.com/cert-manager/cert-manager/blob/v1.21.2/deploy/charts/cert-manager/values.yaml
  "cert-manager": {
    owned: [
      own("installCRDs", "the chart refuses it beside crds.enabled, which the program sets", { is: false }),
      own("crds.enabled", CRDS, { is: true }),
      own("crds.keep", CRDS, { is: true }),
      own("namespace", NAMESPACE, { is: "" }),
      ...named("nameOverride", "fullnameOverride"),
      ...[["clusterResourceNamespace"], ["config", "clusterResourceNamespace"]].map((at) =>
        ownAt(at, "the DNS token and the ACME account are in the namespace of cert-manager", { is: "" }),
      ),
      ownAt(["extraArgs", /^\d+$/], "the DNS token and the ACME account are in the namespace of cert-manager", {
        having: /^--cluster-resource-namespace\b/,
      }),
      ...[["enableCertificateOwnerRef"], ["config", "enableCertificateOwnerRef"]].map((at) =>
        ownAt(at, "a destroy keeps the certificate", { is: false }),
      ),
      ownAt(["extraArgs", /^\d+$/], "a destroy keeps the certificate", { having: /^--enable-certificate-owner-ref\b/ }),
      own("startupapicheck.enabled", "the release is done when its webhook answers", { is: true }),
      ...[["jobAnnotations"], ["rbac", "annotations"], ["serviceAccount", "annotations"]].map((at) =>
        ownAt(["startupapicheck", ...at, "helm.sh/hook"], "the release is done when its webhook answers", {
          is: "post-install,post-upgrade",
        }),
      ),
      own("cainjector.enabled", "without it the webhook has no CA", { is: true }),
      own("global.rbac.create", "cert-manager can do nothing without its roles", { is: true }),
    ],
  },
  // https://github.com/emberstack/kubernetes-reflector/blob/main/src/helm/reflector/values.yaml
  reflector: {
    owned: [
      ...named("nameOverride", "fullnameOverride"),
      own("namespaceOverride", NAMESPACE, { is: "" }),
      own("replicaCount", "two would both write each copy", { is: 1 }),
      own("autoscaling.enabled", "two would both write each copy", { is: false }),
      own("cron.enabled", "the gateway waits for a copy, which would come at the next time of the schedule", {
        is: false,
      }),
      own("rbac.enabled", "Reflector can copy nothing without its role", { is: true }),
    ],
  },
  ...istioOwnership,
  // https://github.com/external-secrets/external-secrets/blob/v2.9.0/deploy/charts/external-secrets/values.yaml
  "external-secrets": {
    owned: [
      own("installCRDs", CRDS, { is: true }),
      own("crds.createClusterSecretStore", CRDS, { is: true }),
      ownAt(["crds", "annotations", "helm.sh/resource-policy"], CRDS, { is: "keep" }),
      ...named("nameOverride", "fullnameOverride"),
      own("namespaceOverride", NAMESPACE, { setting: "externalSecrets.namespace", is: "" }),
      own("serviceAccount.name", "Vault's role is bound to it", { setting: "externalSecrets.serviceAccount" }),
      own("serviceAccount.create", "Vault's role is bound to it", { is: true }),
      own("rbac.create", "External Secrets can write nothing without its role", { is: true }),
      own("createOperator", "somebody must sync the DNS token", { is: true }),
      own("scopedNamespace", "the store is the cluster's", { is: "" }),
      own("scopedRBAC", "the store is the cluster's", { is: false }),
      own("processClusterStore", "the store is the cluster's", { is: true }),
      own("controllerClass", "the store names no class", { is: "" }),
      ownAt(
        ["extraArgs", /^(namespace|enable-cluster-store-reconciler|controller-class)$/],
        "the store is the cluster's, and names no class",
      ),
      own("webhook.create", "the release is done when its webhook answers", { is: true }),
      own("certController.create", "without it the webhook has no CA", { is: true }),
    ],
  },
  // https://github.com/hashicorp/vault-helm/blob/v0.34.1/values.yaml
  vault: {
    merged: [
      { at: ["server", "volumes"], as: "list" },
      { at: ["server", "volumeMounts"], as: "list" },
    ],
    owned: [
      own("global.enabled", "there must be a Vault", { is: true }),
      own("global.namespace", NAMESPACE, { is: "" }),
      own("global.tlsDisable", "everybody who reaches Vault must know its scheme", { setting: "size" }),
      own("global.externalVaultAddr", "there must be a Vault", { setting: "vault.address", is: "" }),
      ...named("nameOverride", "fullnameOverride"),
      own("server.enabled", "there must be a Vault", { is: true }),
      own("server.dev.enabled", "it forgets everything when its pod restarts", { is: false }),
      own("server.standalone", "one server or three is decided with their configuration", { setting: "size" }),
      ...["enabled", "replicas", "raft", "config", "apiAddr", "clusterAddr"].map((key) =>
        own(`server.ha.${key}`, "one server or three is decided with their configuration", { setting: "size" }),
      ),
      ...["volumes", "volumeMounts"].map((list) =>
        ownAt(["server", list, /^\d+$/, "name"], "the certificate's volume has this name", { having: /^tls$/ }),
      ),
      own("server.extraEnvironmentVars.VAULT_CACERT", "Vault's own commands trust its CA by it"),
      own("server.dataStorage.enabled", "what Vault knows is on this volume", { is: true }),
      own("server.dataStorage.mountPath", "what Vault knows is on this volume", { is: "/vault/data" }),
      own("server.persistentVolumeClaimRetentionPolicy.whenDeleted", "a destroy keeps the volumes", { is: "Retain" }),
      own("server.auditStorage.enabled", "the audit log is on this volume", { is: true }),
      own("server.auditStorage.mountPath", "the audit log is on this volume", { is: "/vault/audit" }),
      own("server.authDelegator.enabled", "Vault asks the cluster who somebody is by it", { is: true }),
      own("server.updateStrategyType", "Helm would wait for pods that nobody has unsealed", { is: "OnDelete" }),
      own("server.service.enabled", "Vault is reached by this Service", { is: true }),
      own("server.service.port", "Vault is reached by this Service", { is: 8200 }),
      own("server.service.targetPort", "Vault is reached by this Service", { is: 8200 }),
    ],
  },
} as const satisfies Readonly<Record<string, Ownership>>;
