import "reflect-metadata";
import { isIP } from "node:net";
import * as x509 from "@peculiar/x509";

// Certificates that the tests issue.

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;
const daysFromNow = (days: number) => new Date(Date.now() + days * DAY_MS);

/** Who signs certificates. */
export interface Issuer {
  readonly name: string;
  readonly keys: CryptoKeyPair;
  /** PEM of the certificates between a leaf and the root. */
  readonly chain: string;
  /** PEM of the root. */
  readonly root: string;
}

/** A certificate with its key, as a TLS Secret holds them. */
export interface TlsPair {
  /** PEM: the leaf, then the chain. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

const newKeys = () => crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as Promise<CryptoKeyPair>;

let serial = 0;

async function certificate(
  subject: string,
  keys: CryptoKeyPair,
  by: { name: string; keys: CryptoKeyPair },
  more: object,
) {
  serial += 1;
  return x509.X509CertificateGenerator.create({
    serialNumber: serial.toString(16).padStart(2, "0"),
    subject,
    issuer: by.name,
    publicKey: keys.publicKey,
    signingKey: by.keys.privateKey,
    signingAlgorithm: ALGORITHM,
    notBefore: daysFromNow(-30),
    notAfter: daysFromNow(60),
    ...more,
  });
}

const forAuthorities = [
  new x509.BasicConstraintsExtension(true, undefined, true),
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
];

/** A CA that issues by an intermediate, as public ones do. */
export async function newIssuer(name: string): Promise<Issuer> {
  const root = { name: `CN=${name} Root`, keys: await newKeys() };
  const intermediate = { name: `CN=${name} Intermediate`, keys: await newKeys() };
  const extensions = forAuthorities;
  const rootCertificate = await certificate(root.name, root.keys, root, { extensions });
  const chain = await certificate(intermediate.name, intermediate.keys, root, { extensions });
  return { ...intermediate, chain: chain.toString("pem"), root: rootCertificate.toString("pem") };
}

const alternativeNames = (hosts: string[]) =>
  new x509.SubjectAlternativeNameExtension(
    hosts.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value })),
    true,
  );

/**
 * A certificate.
 *
 * @param subject empty, as cert-manager's is
 */
export async function issue(
  issuer: Issuer,
  hosts: string[],
  { fromDays = -30, toDays = 60, subject = "" }: { fromDays?: number; toDays?: number; subject?: string } = {},
): Promise<TlsPair> {
  const keys = await newKeys();
  const leaf = await certificate(subject, keys, issuer, {
    notBefore: daysFromNow(fromDays),
    notAfter: daysFromNow(toDays),
    extensions: [
      ...(hosts.length === 0 ? [] : [alternativeNames(hosts)]),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    ],
  });
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  return { cert: `${leaf.toString("pem")}\n${issuer.chain}\n`, key };
}
