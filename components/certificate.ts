import type { ICertificate } from "@kubernetes-models/cert-manager/cert-manager.io/v1/Certificate";
import * as pulumi from "@pulumi/pulumi";
import type { CertificateSettings } from "../settings/certificate.ts";
import type { RecordsSettings } from "../settings/cloudflare.ts";
import { awaited } from "./awaited.ts";
import { challengeHook } from "./challenge.ts";
import type { Issuer } from "./issuer.ts";
import { ISTIO_NAMESPACE } from "./istio.ts";
import { reflectedTo, reflection } from "./reflector.ts";

/** The Secret with the wildcard certificate and its key; its copies have the same name. */
export const TLS_SECRET = "cert-manager-tls-wildcard-cluster";

/** The Certificate, in cert-manager's namespace. */
export const CERTIFICATE = "tls-wildcard-cluster";

export interface WildcardCertificateArgs {
  /** cert-manager's namespace, where the certificate and its key are kept. */
  readonly namespace: string;
  /** DNS names: the wildcard and the name it stands on. */
  readonly hosts: readonly string[];
  readonly key: CertificateSettings["key"];
  /** The ClusterIssuer that signs. */
  readonly issuer: Pick<Issuer, "issuerName" | "directory">;
  /** What the program writes to the zone, which is then looked at before each issuance. @default - it is not looked at */
  readonly records: RecordsSettings | undefined;
  /** Exact namespaces that Reflector copies the key to, or "all". */
  readonly copies: readonly string[] | "all";
}

/**
 * Seconds until an issuance has failed: twice what both names take with a slow DNS, and less than the hour after which
 * cert-manager begins one anew that has failed for the first time. After each further failure it waits twice as long, up
 * to 32 hours, which no `up` waits for.
 * https://github.com/cert-manager/cert-manager/blob/v1.21.2/internal/apis/config/controller/v1alpha1/defaults.go
 */
const READY_SECONDS = 1800;

/** The wildcard certificate, issued; the copies that the gateway reads follow within a second. */
export class WildcardCertificate extends pulumi.ComponentResource {
  /** The Secret with certificate and key, in cert-manager's namespace and in each one it is copied to. */
  readonly secretName = TLS_SECRET;
  /** What a destroy leaves. */
  readonly kept: pulumi.Input<string>[];

  constructor(name: string, args: WildcardCertificateArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:WildcardCertificate", name, {}, opts);

    const { directory } = args.issuer;
    const possible = args.records && directory && [challengeHook(`${name}-possible`, { ...args.records, directory })];
    awaited<ICertificate>(
      name,
      {
        apiVersion: "cert-manager.io/v1",
        kind: "Certificate",
        metadata: { name: CERTIFICATE, namespace: args.namespace },
        spec: {
          secretName: this.secretName,
          // No common name: Let's Encrypt's newer profiles leave it out, and no client reads it.
          dnsNames: [...args.hosts],
          issuerRef: { kind: "ClusterIssuer", name: args.issuer.issuerName },
          privateKey: privateKeys[args.key],
          secretTemplate: { annotations: reflection(args.copies) },
        },
      },
      READY_SECONDS,
      { parent: this, ...(possible && { hooks: { beforeCreate: possible, beforeUpdate: possible } }) },
    );

    this.kept = keptCopies(args.copies);

    this.registerOutputs({ secretName: this.secretName });
  }
}

const privateKeys = {
  "ecdsa-p256": { algorithm: "ECDSA", size: 256 },
  // cert-manager's own choice, said so that it stays.
  "rsa-2048": { algorithm: "RSA", size: 2048 },
} as const satisfies Record<CertificateSettings["key"], object>;

/** The copies that stay: Reflector goes before it could take them away, and their namespaces are others'. */
function keptCopies(copies: readonly string[] | "all"): string[] {
  const where = copies === "all" ? "every other namespace" : copies.filter((it) => it !== ISTIO_NAMESPACE).join(", ");
  return where === "" ? [] : [`copies of the certificate and its key in ${where}`];
}

/** The inputs of the Certificate, by what they are about. */
export const CERTIFICATE_INPUTS = {
  secret: "spec.secretName",
  names: "spec.dnsNames",
  issuer: "spec.issuerRef",
  copies: "spec.secretTemplate",
  key: "spec.privateKey",
} as const;

/** Where the key of a Certificate with these inputs is copied to. */
export function copiesOf(inputs: Readonly<Record<string, unknown>>): string[] | "all" {
  const { secretTemplate } = (inputs.spec ?? {}) as { secretTemplate?: { annotations?: Record<string, string> } };
  return reflectedTo(secretTemplate?.annotations ?? {});
}

/** A key of the settings, in the words of {@link keyOf}. */
export const keyNamed = (key: CertificateSettings["key"]): string => keyOf({ spec: { privateKey: privateKeys[key] } });

/** The key of a Certificate with these inputs; of one that does not say, cert-manager's choice. */
export function keyOf({ spec }: Readonly<Record<string, unknown>>): string {
  const { algorithm = "RSA", size = 2048 } = (spec as ICertificate["spec"])?.privateKey ?? {};
  return algorithm === "ECDSA" ? `ECDSA P-${size}` : `${algorithm} ${size}`;
}
