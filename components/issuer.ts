import { createHash } from "node:crypto";
import type { IACMEChallengeSolver } from "@kubernetes-models/cert-manager/acme.cert-manager.io/v1/ACMEChallengeSolver";
import type { IACMEIssuer } from "@kubernetes-models/cert-manager/acme.cert-manager.io/v1/ACMEIssuer";
import type { ICertificate } from "@kubernetes-models/cert-manager/cert-manager.io/v1/Certificate";
import type { IClusterIssuer } from "@kubernetes-models/cert-manager/cert-manager.io/v1/ClusterIssuer";
import type { IIssuer } from "@kubernetes-models/cert-manager/cert-manager.io/v1/Issuer";
import type { CustomResource } from "@pulumi/kubernetes/apiextensions/customResource.js";
import { Secret } from "@pulumi/kubernetes/core/v1/secret.js";
import * as pulumi from "@pulumi/pulumi";
import { type IssuerSettings, letsEncrypt } from "../settings/acme.ts";
import type { Door } from "../settings/tenancy.ts";
import type { Judged } from "./admission.ts";
import { awaited } from "./awaited.ts";
import { previewHook } from "./hooks.ts";
import { reflection } from "./reflector.ts";
import { TOKEN_REF } from "./token-secret.ts";

/** The ClusterIssuer of the CA in the cluster, and the Secret with its certificate. */
export const CA_ISSUER = "cluster-issuer-ca";

export interface IssuerArgs {
  /** cert-manager's namespace: there it keeps and finds the Secrets of a ClusterIssuer. */
  readonly namespace: string;
  /** An account at an ACME server, or a CA that cert-manager makes and keeps in the cluster. */
  readonly issuer: IssuerSettings;
  /** For whom it signs beside cert-manager's namespace. */
  readonly guests: Door;
}

/**
 * For which namespaces a ClusterIssuer signs, parted by commas; for all where it is missing. Nobody goes by it: the policy
 * decides. But who looks at the issuer sees it, and a later run what the one before it has let in.
 */
const SIGNS_FOR = "oke-platform/signs-for";

/** For which namespaces a ClusterIssuer, as it is written down, signs. */
export const issuerIsFor = ({ metadata }: Judged): Door => metadata?.annotations?.[SIGNS_FOR]?.split(",") ?? "all";

/** Seconds for the ACME server to register the account; it takes one or two. */
const READY_SECONDS = 300;

/** Who signs the certificate: a ClusterIssuer that is Ready, its account registered. */
export class Issuer extends pulumi.ComponentResource {
  /** The ClusterIssuer's name. */
  readonly issuerName: string;
  /** URL of its ACME directory; undefined for a CA in the cluster. */
  readonly directory: string | undefined;

  constructor(name: string, args: IssuerArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:Issuer", name, {}, opts);
    this.issuerName = issuerName(args.issuer);
    this.directory = args.issuer.kind === "acme" ? args.issuer.directory : undefined;

    const signsFor: Record<string, string> =
      args.guests === "all" ? {} : { [SIGNS_FOR]: [args.namespace, ...args.guests].join() };

    if (args.issuer.kind === "acme") {
      const { eab } = args.issuer;
      const binding = eab && this.binding(name, args.namespace, eab.hmacKey);
      clusterIssuer(
        name,
        this.issuerName,
        { acme: acmeSpec(this.issuerName, args.issuer) },
        {
          parent: this,
          // An account is registered with its key, and an issuer that does not find it is not Ready.
          dependsOn: binding ? [binding] : [],
          ...(args.issuer.issuerName !== undefined && {
            hooks: { beforeUpdate: [previewHook(`${name}-one-server`, refuseOtherServer)] },
          }),
        },
        signsFor,
      );
    } else {
      certificateAuthority(name, { issuer: this.issuerName, namespace: args.namespace, annotations: signsFor }, this);
    }

    this.registerOutputs({ issuerName: this.issuerName });
  }

  /** The key that binds the account, where cert-manager looks for what a ClusterIssuer names. */
  private binding(name: string, namespace: string, hmacKey: string): Secret {
    return new Secret(
      `${name}-eab`,
      {
        metadata: { name: `${this.issuerName}-eab`, namespace },
        // Marked here too, so that a key that comes in without the mark is still encrypted in state.
        data: pulumi.secret({ [EAB_KEY]: Buffer.from(hmacKey).toString("base64") }),
      },
      { parent: this },
    );
  }
}

/** The ClusterIssuers that the program makes, the one of the certificate first. */
export const issuerNames = (issuer: IssuerSettings): string[] =>
  issuer.kind === "ca" ? [CA_ISSUER, rootOf(CA_ISSUER)] : [issuerName(issuer)];

/** Signs a CA's own certificate. */
const rootOf = (issuer: string) => `${issuer}-root`;

/** The key in the Secret that binds an ACME account. */
const EAB_KEY = "hmac-key";

/**
 * One name for each ACME server: cert-manager issues a new certificate when the issuer's name in the
 * Certificate changes, and keeps the old one when only the server behind the name does.
 */
export function issuerName(issuer: IssuerSettings): string {
  if (issuer.kind === "ca") return CA_ISSUER;
  if (issuer.issuerName !== undefined) return issuer.issuerName;
  switch (issuer.directory) {
    case letsEncrypt.production:
      return "cluster-issuer-letsencrypt";
    case letsEncrypt.staging:
      return "cluster-issuer-letsencrypt-staging";
    default:
      return `cluster-issuer-acme-${createHash("sha256").update(issuer.directory).digest("hex").slice(0, 8)}`;
  }
}

export interface CertificateAuthorityArgs {
  /** Name of the issuer, and of the CA's Certificate and Secret. */
  readonly issuer: string;
  /** cert-manager's namespace, where the CA is kept. */
  readonly namespace: string;
  /** The one namespace whose Certificates it signs. @default - every namespace's */
  readonly signsIn?: string;
  /** Lifetime of the CA's certificate. @default - cert-manager's 90 days, with renewal */
  readonly duration?: string;
  /** Of its ClusterIssuers. @default - none */
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * A CA that cert-manager makes and keeps in the cluster, and who signs with it: a ClusterIssuer, that a Certificate of any
 * namespace may name, or an Issuer, that only those beside it may.
 *
 * An Issuer finds its CA beside it alone. Reflector copies it there from where that of a ClusterIssuer is: so one that
 * becomes the other keeps its key, where a Certificate that moves would get another.
 */
export function certificateAuthority(
  name: string,
  { issuer, namespace, signsIn, duration, annotations }: CertificateAuthorityArgs,
  parent: pulumi.Resource,
): CustomResource {
  const selfSigned = clusterIssuer(`${name}-root`, rootOf(issuer), { selfSigned: {} }, { parent }, annotations);
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
        issuerRef: { kind: "ClusterIssuer", name: rootOf(issuer) },
        ...(duration !== undefined && { duration }),
        ...(signsIn !== undefined && { secretTemplate: { annotations: reflection([signsIn]) } }),
      },
    },
    READY_SECONDS,
    // An issuer that does not get ready must fail itself, not the certificate that waits for it.
    { parent, dependsOn: [selfSigned] },
  );
  const spec = { ca: { secretName: issuer } };
  // Without the root's Secret the issuer is not Ready.
  const opts = { parent, dependsOn: [root] };
  if (signsIn === undefined) return clusterIssuer(name, issuer, spec, opts, annotations);
  return awaited<IIssuer>(
    name,
    { apiVersion: "cert-manager.io/v1", kind: "Issuer", metadata: { name: issuer, namespace: signsIn }, spec },
    READY_SECONDS,
    opts,
  );
}

/**
 * Refuses another server under the same name: cert-manager would go on with the certificate of the one before.
 *
 * @throws with both servers, and what to do
 */
function refuseOtherServer({ oldInputs = {}, newInputs = {} }: pulumi.ResourceHookArgs): void {
  const [before, after] = [directoryIn(oldInputs), directoryIn(newInputs)];
  if (before === after) return;
  throw new Error(
    `acme.server changes from ${before} to ${after}, and acme.issuerName does not: no certificate of the new server's would ` +
      "be issued. Set another acme.issuerName, or remove it: then each server has its own",
  );
}

const clusterIssuer = (
  name: string,
  issuer: string,
  spec: IClusterIssuer["spec"],
  opts: pulumi.CustomResourceOptions,
  annotations?: Readonly<Record<string, string>>,
) =>
  awaited<IClusterIssuer>(
    name,
    { apiVersion: "cert-manager.io/v1", kind: "ClusterIssuer", metadata: { name: issuer }, spec },
    READY_SECONDS,
    opts,
    annotations,
  );

/**
 * New in cert-manager 1.21 and not yet in the published types: a set wait in place of the self-check.
 * https://github.com/cert-manager/cert-manager/blob/v1.21.0/pkg/apis/acme/v1/types_issuer.go
 */
interface Solver extends IACMEChallengeSolver {
  waitInsteadOfSelfCheck?: string;
}

function acmeSpec(issuer: string, account: Extract<IssuerSettings, { kind: "acme" }>): IACMEIssuer {
  const solver: Solver = {
    dns01: { cloudflare: { apiTokenSecretRef: { ...TOKEN_REF } } },
    ...(account.propagationSeconds !== undefined && { waitInsteadOfSelfCheck: `${account.propagationSeconds}s` }),
  };
  return {
    server: account.directory,
    email: account.email,
    ...(account.caBundle && { caBundle: Buffer.from(account.caBundle).toString("base64") }),
    privateKeySecretRef: { name: issuer },
    ...(account.eab && {
      externalAccountBinding: { keyID: account.eab.keyId, keySecretRef: { name: `${issuer}-eab`, key: EAB_KEY } },
    }),
    solvers: [solver],
  };
}

/** Who signs with the ClusterIssuer of these inputs: an ACME directory; undefined for a CA in the cluster. */
export const directoryIn = ({ spec }: Readonly<Record<string, unknown>>): string | undefined =>
  (spec as IClusterIssuer["spec"]).acme?.server;
