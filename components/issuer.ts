import { createHash } from "node:crypto";
import type { IACMEChallengeSolver } from "@kubernetes-models/cert-manager/acme.cert-manager.io/v1/ACMEChallengeSolver";
import type { IACMEIssuer } from "@kubernetes-models/cert-manager/acme.cert-manager.io/v1/ACMEIssuer";
import type { ICertificate } from "@kubernetes-models/cert-manager/cert-manager.io/v1/Certificate";
import type { IClusterIssuer } from "@kubernetes-models/cert-manager/cert-manager.io/v1/ClusterIssuer";
import type { CustomResource } from "@pulumi/kubernetes/apiextensions/customResource.js";
import * as pulumi from "@pulumi/pulumi";
import { letsEncrypt } from "../settings/acme.ts";
import { awaited } from "./awaited.ts";

/** The ClusterIssuer of the CA in the cluster, and the Secret with its certificate. */
export const CA_ISSUER = "cluster-issuer-ca";

/** An account at an ACME server that validates by DNS-01 through Cloudflare. */
interface AcmeAccount {
  /** Address that the server writes to when something is wrong. */
  readonly email: string;
  /** URL of the server's ACME directory. */
  readonly directory: string;
  /** PEM of the CA that signed the server's own certificate. @default - the roots in cert-manager's image */
  readonly caBundle?: string;
  /** Seconds to wait for DNS before each validation. @default - cert-manager checks itself that the record is there */
  readonly propagationSeconds?: number;
  /** The Secret in cert-manager's namespace that holds the Cloudflare API token. */
  readonly token: { readonly name: string; readonly key: string };
}

export interface IssuerArgs {
  /** cert-manager's namespace: there it keeps and finds the Secrets of a ClusterIssuer. */
  readonly namespace: string;
  /** @default - a CA that cert-manager makes and keeps in the cluster */
  readonly acme?: AcmeAccount;
}

/** Seconds for the ACME server to register the account; it takes one or two. */
const READY_SECONDS = 300;

/** Who signs the certificate: a ClusterIssuer that is Ready, its account registered. */
export class Issuer extends pulumi.ComponentResource {
  /** The ClusterIssuer's name. */
  readonly issuerName: string;

  constructor(name: string, args: IssuerArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:Issuer", name, {}, opts);
    this.issuerName = issuerName(args.acme?.directory);

    if (args.acme) {
      const spec = { acme: acmeSpec(this.issuerName, args.acme) };
      clusterIssuer(name, this.issuerName, spec, { parent: this });
    } else {
      certificateAuthority(name, this.issuerName, args.namespace, this);
    }

    this.registerOutputs({ issuerName: this.issuerName });
  }
}

/**
 * One name for each ACME server: cert-manager issues a new certificate when the issuer's name in the
 * Certificate changes, and keeps the old one when only the server behind the name does.
 *
 * @param directory URL of the ACME directory; undefined for the CA in the cluster
 */
function issuerName(directory: string | undefined): string {
  switch (directory) {
    case undefined:
      return CA_ISSUER;
    case letsEncrypt.production:
      return "cluster-issuer-letsencrypt";
    case letsEncrypt.staging:
      return "cluster-issuer-letsencrypt-staging";
    default:
      return `cluster-issuer-acme-${createHash("sha256").update(directory).digest("hex").slice(0, 8)}`;
  }
}

/**
 * A CA that cert-manager makes and keeps in the cluster, and the ClusterIssuer that signs with it.
 *
 * @param namespace cert-manager's, where it looks for the CA's Secret, which has the issuer's name
 * @param duration lifetime of the CA's certificate. @default - cert-manager's 90 days, with renewal
 */
export function certificateAuthority(
  name: string,
  issuer: string,
  namespace: string,
  parent: pulumi.Resource,
  duration?: string,
): CustomResource {
  const selfSigned = clusterIssuer(`${name}-root`, `${issuer}-root`, { selfSigned: {} }, { parent });
  const root = awaited<ICertificate>(
    `${name}-root-certificate`,
    {
      apiVersion: "cert-manager.io/v1",
      kind: "Certificate",
      metadata: { name: issuer, namespace },
      spec: {
        isCA: true,
        commonName: issuer,
        secretName: issuer,
        issuerRef: { kind: "ClusterIssuer", name: `${issuer}-root` },
        ...(duration !== undefined && { duration }),
      },
    },
    READY_SECONDS,
    // An issuer that does not get ready must fail itself, not the certificate that waits for it.
    { parent, dependsOn: [selfSigned] },
  );
  // Without the root's Secret the issuer is not Ready.
  return clusterIssuer(name, issuer, { ca: { secretName: issuer } }, { parent, dependsOn: [root] });
}

const clusterIssuer = (
  name: string,
  issuer: string,
  spec: IClusterIssuer["spec"],
  opts: pulumi.CustomResourceOptions,
) =>
  awaited<IClusterIssuer>(
    name,
    { apiVersion: "cert-manager.io/v1", kind: "ClusterIssuer", metadata: { name: issuer }, spec },
    READY_SECONDS,
    opts,
  );

/**
 * New in cert-manager 1.21 and not yet in the published types: a set wait in place of the self-check.
 * https://github.com/cert-manager/cert-manager/blob/v1.21.0/pkg/apis/acme/v1/types_issuer.go
 */
interface Solver extends IACMEChallengeSolver {
  waitInsteadOfSelfCheck?: string;
}

function acmeSpec(issuer: string, account: AcmeAccount): IACMEIssuer {
  const solver: Solver = {
    dns01: { cloudflare: { apiTokenSecretRef: { ...account.token } } },
    ...(account.propagationSeconds !== undefined && { waitInsteadOfSelfCheck: `${account.propagationSeconds}s` }),
  };
  return {
    server: account.directory,
    email: account.email,
    ...(account.caBundle && { caBundle: Buffer.from(account.caBundle).toString("base64") }),
    privateKeySecretRef: { name: issuer },
    solvers: [solver],
  };
}
