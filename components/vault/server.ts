import * as pulumi from "@pulumi/pulumi";
import type { Chart, ChartValues } from "../../settings/charts.ts";
import type { Size } from "../../settings/size.ts";
import { keptNamespace, RUNTIME_DEFAULT } from "../namespace.ts";
import { chartRelease } from "../release.ts";
import { requests, spread } from "../sizing.ts";
import type { VaultSeal } from "./seal.ts";

/** Where Vault's pods have the volume for the audit log. */
export const AUDIT_DIRECTORY = "/vault/audit";

/** The Secret with the certificate of an installed Vault, and its CA. */
export const VAULT_TLS_SECRET = "vault-tls";

/** Where an installed Vault runs. */
export const VAULT_NAMESPACE = "vault";
/** Its Helm release, and its Service, which the chart names like it. */
export const VAULT_RELEASE = "vault";

/** Where Vault's pods take their certificate from. */
export interface ServerTls {
  readonly namespace: string;
  readonly secretName: string;
}

export interface VaultServerArgs {
  readonly chart: Chart;
  /** `small`: one replica, plain HTTP. `production`: three replicas, TLS with the Secret of {@link VaultServer.tls}. */
  readonly size: Size;
  /** The OCI KMS key that unseals it. @default - Shamir's key shares, with which somebody unseals each pod */
  readonly seal: Pick<VaultSeal, "keyId" | "cryptoEndpoint" | "managementEndpoint"> | undefined;
}

/**
 * Vault in the cluster, with integrated storage.
 *
 * Its release is done when its objects are stored: Helm does not wait for a StatefulSet that is updated on delete, and
 * a pod is not ready before Vault is initialised and unsealed. So nothing may take the release for a Vault that works.
 */
export class VaultServer extends pulumi.ComponentResource {
  /** Made by the release, and kept on destroy with the volumes in it, which hold all that Vault knows. */
  readonly namespace = VAULT_NAMESPACE;
  /** Where its certificate, the key and `ca.crt` must be, for which its pods wait; undefined when it speaks plain HTTP. */
  readonly tls: ServerTls | undefined;
  /** What a destroy leaves. */
  readonly kept: pulumi.Input<string>[] = [
    `namespace ${this.namespace}: the volumes with all that Vault holds; set vault.initialized to false before the next up`,
  ];
  /** Where an audit device may write. */
  readonly auditPath = AUDIT_DIRECTORY;

  constructor(name: string, args: VaultServerArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:VaultServer", name, {}, opts);
    this.tls = args.size === "production" ? { namespace: this.namespace, secretName: VAULT_TLS_SECRET } : undefined;

    chartRelease(
      name,
      {
        chart: "vault",
        source: args.chart,
        releaseName: VAULT_RELEASE,
        namespace: keptNamespace(`${name}-namespace`, this.namespace, "vault", this),
        // Made by Helm, which never deletes it: a destroy keeps the volumes.
        createNamespace: true,
        values: {
          global: { tlsDisable: this.tls === undefined },
          // External Secrets brings secrets to where they are used.
          injector: { enabled: false },
          server: {
            auditStorage: { enabled: true, mountPath: this.auditPath },
            statefulSet: { securityContext: { container: CONTAINER } },
            ...(this.tls && tlsValues(this.tls)),
            ...servers[args.size](configuration(this.tls !== undefined, args.seal)),
          },
        },
        // Whoever has a secret in it comes from wherever.
        policies: args.chart.reach && { server: { networkPolicy: { enabled: true } } },
        overrides: args.chart.values,
      },
      { parent: this },
    );

    this.registerOutputs({ namespace: this.namespace });
  }
}

/**
 * The chart's own, and what it leaves out. Vault needs no capability: the chart does not let it lock its memory.
 * https://github.com/hashicorp/vault-helm/blob/v0.34.1/templates/_helpers.tpl
 */
const CONTAINER: ChartValues = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  ...RUNTIME_DEFAULT,
};

const TLS_PATH = "/vault/userconfig/tls";

const tlsValues = ({ secretName }: ServerTls): ChartValues => ({
  volumes: [{ name: "tls", secret: { secretName } }],
  volumeMounts: [{ name: "tls", mountPath: TLS_PATH, readOnly: true }],
  extraEnvironmentVars: { VAULT_CACERT: `${TLS_PATH}/ca.crt` },
});

const REPLICAS = 3;

const servers: Record<Size, (config: pulumi.Output<string>) => ChartValues> = {
  // Not one replica in HA mode: its disruption budget would block every drain of the node.
  small: (config) => ({ standalone: { enabled: true, config }, ...requests("100m", "256Mi") }),
  production: (config) => ({
    ha: {
      enabled: true,
      replicas: REPLICAS,
      raft: { enabled: true, setNodeId: true, config },
      disruptionBudget: { enabled: true, maxUnavailable: 1 },
    },
    ...requests("250m", "512Mi"),
    ...spread({
      "app.kubernetes.io/name": "vault",
      "app.kubernetes.io/instance": "vault",
      component: "server",
    }),
  }),
};

/** Vault's own configuration: https://developer.hashicorp.com/vault/docs/configuration */
function configuration(tls: boolean, seal: VaultServerArgs["seal"]): pulumi.Output<string> {
  const listener = tls
    ? [`tls_cert_file = "${TLS_PATH}/tls.crt"`, `tls_key_file = "${TLS_PATH}/tls.key"`]
    : ["tls_disable = true"];
  // Replicas find each other by their names; each joins the first that answers.
  const peers = tls ? Array.from({ length: REPLICAS }, (_, index) => joinBlock(index)) : [];
  // Only with replicas does the chart let Vault label its pods.
  const registration = tls ? '\nservice_registration "kubernetes" {}\n' : "";
  const sealBlock = seal
    ? pulumi.interpolate`
seal "ocikms" {
  key_id              = "${seal.keyId}"
  crypto_endpoint     = "${seal.cryptoEndpoint}"
  management_endpoint = "${seal.managementEndpoint}"
  # The identity of the node that the pod runs on.
  auth_type_api_key   = "false"
}
`
    : "";
  return pulumi.interpolate`ui = true

listener "tcp" {
  address         = "[::]:8200"
  cluster_address = "[::]:8201"
  ${listener.join("\n  ")}
}

storage "raft" {
  path = "/vault/data"${peers.join("")}
}
${registration}${sealBlock}`;
}

const joinBlock = (index: number) => `
  retry_join {
    leader_api_addr     = "https://vault-${index}.vault-internal:8200"
    leader_ca_cert_file = "${TLS_PATH}/ca.crt"
  }`;
