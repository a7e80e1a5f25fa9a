import type { ICertificate } from "@kubernetes-models/cert-manager/cert-manager.io/v1/Certificate";
import { CustomResource } from "@pulumi/kubernetes/apiextensions/customResource.js";
import * as pulumi from "@pulumi/pulumi";
import type { SecretKey } from "../../settings/vault-login.ts";
import { awaited } from "../awaited.ts";
import { OWN_NAMESPACE } from "../destination.ts";
import { certificateAuthority } from "../issuer.ts";
import { reflection } from "../reflector.ts";
import type { ServerTls } from "./server.ts";

export interface VaultTlsArgs {
  readonly server: ServerTls;
  /** cert-manager's namespace: there it keeps the CA. */
  readonly caNamespace: string;
  /** Namespace of the ingress gateway's pods, which must trust the CA to reach Vault. */
  readonly gatewayNamespace: string;
}

/** Seconds for a signature inside the cluster; it takes less than one. */
const READY_SECONDS = 300;

/**
 * Ten years. Vault reads its certificate when it starts, so that one that is renewed is of no use before a restart; and
 * what trusts this CA is in this cluster and on the machine that runs the program.
 */
const LIFETIME = "87600h0m0s";

/**
 * The client's certificate and the CA's, and their copy beside the gateway. Not `vault-ca-for-gateway`: a Secret of that
 * name, which cert-manager has made there, stays, and Reflector leaves what it did not make.
 */
const CLIENT_SECRET = "vault-ca-for-ingressgateway";

/**
 * Vault's TLS inside the cluster: a CA of its own, the server's certificate, and the gateway's trust in it. Only in Vault's
 * namespace can a certificate be asked of this CA: whoever has one for Vault's name is sent what is meant for Vault.
 */
export class VaultTls extends pulumi.ComponentResource {
  /** Where the CA's certificate is found, for those who reach Vault. */
  readonly ca: SecretKey;

  constructor(name: string, args: VaultTlsArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:VaultTls", name, {}, opts);
    const issuer = "vault-ca";
    const { namespace, secretName } = args.server;
    this.ca = { name: secretName, namespace, key: "ca.crt" };

    const authority = certificateAuthority(
      `${name}-ca`,
      { issuer, namespace: args.caNamespace, signsIn: namespace, duration: LIFETIME },
      this,
    );
    const certificate = (child: string, secret: string, spec: object) =>
      awaited<ICertificate>(
        child,
        {
          apiVersion: "cert-manager.io/v1",
          kind: "Certificate",
          metadata: { name: secret, namespace },
          spec: {
            secretName: secret,
            issuerRef: { kind: "Issuer", name: issuer },
            duration: LIFETIME,
            ...spec,
          },
        },
        READY_SECONDS,
        {
          parent: this,
          // An issuer that does not get ready must fail itself, not the certificate that waits for it.
          dependsOn: [authority],
        },
      );
    certificate(`${name}-server`, secretName, { dnsNames: serverNames(namespace), ipAddresses: ["127.0.0.1"] });
    // Istio takes a CA only from a Secret beside the gateway's pods, and cert-manager writes one only with a certificate.
    const client = certificate(`${name}-client`, CLIENT_SECRET, {
      commonName: "istio-ingressgateway",
      usages: ["client auth"],
      secretTemplate: { annotations: reflection([args.gatewayNamespace]) },
    });
    const host = `vault.${namespace}.svc.cluster.local`;
    new CustomResource(
      `${name}-from-gateway`,
      {
        apiVersion: "networking.istio.io/v1",
        kind: "DestinationRule",
        metadata: { name: "vault", namespace: args.gatewayNamespace },
        spec: {
          host,
          exportTo: OWN_NAMESPACE,
          trafficPolicy: {
            // The Secret has the certificate's name. Told of it before it is there, the gateway would reach Vault no more.
            tls: { mode: "SIMPLE", credentialName: client.metadata.name, sni: host, subjectAltNames: [host] },
          },
        },
      },
      { parent: this },
    );

    this.registerOutputs({ ca: this.ca });
  }
}

/** The names that the chart's Services give: https://github.com/hashicorp/vault-helm/tree/v0.34.1/templates */
const serverNames = (namespace: string) => [
  ...["vault", "vault-active", "vault-standby", "*.vault-internal"].flatMap((service) =>
    ["", `.${namespace}`, `.${namespace}.svc`, `.${namespace}.svc.cluster.local`].map((rest) => `${service}${rest}`),
  ),
  "localhost",
];
