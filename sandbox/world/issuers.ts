import { runs, workloadsOf } from "./kubernetes.ts";
import { keptIn, portOf } from "./network-policies.ts";
import { backoff, type Item, keyOf, type Spec } from "./state.ts";
import type { Happening, World } from "./world.ts";

// cert-manager's issuers: of the whole cluster, whose Secrets are in cert-manager's namespace, or of a namespace, whose
// Secrets are in theirs; and what each of them waits for.

/** Retries of issuers: https://github.com/cert-manager/cert-manager/blob/v1.20.0/pkg/controller/util.go#L39 */
export const issuerRetry = (tries: number) => backoff(5, 300, tries);

export type Acme = {
  server: string;
  solvers: {
    dns01: { cloudflare: { apiTokenSecretRef: { name: string; key: string } } };
    waitInsteadOfSelfCheck?: string;
  }[];
  externalAccountBinding?: { keyID: string; keySecretRef: { name: string; key: string } };
};

/** The kinds of issuers. */
export const ISSUERS = ["ClusterIssuer", "Issuer"];

/** The name and kind of a certificate's issuer; a namespace's own where it does not say. */
export function issuerOf({ spec }: Item): { name: string; kind: string } {
  const { name, kind = "Issuer" } = spec.issuerRef as { name: string; kind?: string };
  return { name, kind };
}

/** Who is asked to sign a certificate, if it is there. */
export function signerOf(world: World, certificate: Item): Item | undefined {
  const { name, kind } = issuerOf(certificate);
  return world.item(keyOf({ kind, name, namespace: kind === "Issuer" ? certificate.namespace : "" }));
}

/** A Secret that an issuer names. https://cert-manager.io/docs/configuration/#cluster-resource-namespace */
export const secretOf = (world: World, { kind, namespace }: Item, name: string): Item | undefined =>
  world.item(`Secret ${kind === "Issuer" ? namespace : "cert-manager"}/${name}`);

const caOf = ({ spec }: Item) => (spec.ca as { secretName: string } | undefined)?.secretName;

/** What tells one CA from another in the certificates that it signs: the CA's own serial. */
export function authorityOf(world: World, issuer: Item, serial: number): unknown {
  if (issuer.spec.selfSigned !== undefined) return serial;
  const ca = caOf(issuer);
  return ca && secretOf(world, issuer, ca)?.spec.serial;
}

/** Whether the cert-manager of this world looks for the Secrets of its issuers' solvers. */
function looksForSecrets(world: World): boolean {
  const [, major = 0, minor = 0] =
    /(\d+)\.(\d+)/.exec(String(workloadsOf(world, "cert-manager")[0]?.spec.version)) ?? [];
  return Number(major) > 1 || Number(minor) >= 21;
}

/**
 * Why an ACME issuer's solvers cannot work; undefined when they can.
 * https://github.com/cert-manager/cert-manager/blob/v1.21.0/pkg/issuer/acme/setup.go, validateDNSSolvers, new in v1.21.0.
 */
function solverRefusal(world: World, issuer: Item): string | undefined {
  for (const { name, key } of solverSecretsOf(issuer)) {
    const { data } = secretOf(world, issuer, name)?.spec ?? {};
    if (data === undefined) return `failed to get secret "${name}": secrets "${name}" not found`;
    if ((data as Spec)[key] === undefined) return `the secret "${name}" does not have key "${key}"`;
  }
  return undefined;
}

/**
 * Why the account of an ACME issuer cannot be registered; undefined when it can. Whether its server asks for a binding
 * is the server's; that cert-manager must find a key that the issuer names, cert-manager's.
 * https://github.com/cert-manager/cert-manager/blob/v1.21.2/pkg/issuer/acme/setup.go, getEABKey
 */
function accountRefusal(world: World, issuer: Item): string | undefined {
  const { server, externalAccountBinding: binding } = issuer.spec.acme as Acme;
  const asked = world.item(`AcmeServer /${server}`)?.spec as { keyId: string; hmacKey: string } | undefined;
  const { name = "", key = "" } = binding?.keySecretRef ?? {};
  const secret = secretOf(world, issuer, name);
  if (binding && secret?.ready !== true) return `failed to register ACME account: secrets "${name}" not found`;
  if (asked === undefined) return undefined;
  if (binding === undefined) return "400 urn:ietf:params:acme:error:externalAccountRequired";
  const given = (secret?.spec.data as Spec | undefined)?.[key];
  return asked.keyId === binding.keyID && asked.hmacKey === given
    ? undefined
    : "401 urn:ietf:params:acme:error:unauthorized: invalid external account binding";
}

/** Why an ACME issuer's server is not reached; undefined when it is. */
function serverRefusal(world: World, { spec }: Item): string | undefined {
  const { server } = (spec.acme ?? {}) as Partial<Acme>;
  const out = server && keptIn(world, "cert-manager", { port: portOf(server) });
  return out && `failed to register ACME account: ${out}`;
}

const bindingSecretOf = ({ spec }: Item) => (spec.acme as Acme | undefined)?.externalAccountBinding?.keySecretRef.name;

const solverSecretsOf = ({ spec }: Item) =>
  ((spec.acme as Acme | undefined)?.solvers ?? []).map(({ dns01 }) => dns01.cloudflare.apiTokenSecretRef);

export const register: Happening = (world, item, tries) => {
  if (!runs(world, "cert-manager")) return;
  const ca = caOf(item);
  const solvers =
    (item.spec.acme === undefined ? undefined : accountRefusal(world, item)) ??
    (looksForSecrets(world) ? solverRefusal(world, item) : undefined);
  const keyPair = ca !== undefined && secretOf(world, item, ca) === undefined;
  item.reason =
    solvers ?? serverRefusal(world, item) ?? (keyPair ? "Error getting keypair for CA issuer: secret not found" : "");
  item.ready = item.reason === "";
  if (!item.ready) {
    // A missing Secret, or what a server refuses for good, is no error to cert-manager: only the event of a Secret
    // brings the issuer back.
    if (solvers === undefined) world.after(issuerRetry(tries), "register", item, tries + 1);
    return;
  }
  // Certificates are watched together with their issuer: no retry to wait for.
  for (const certificate of world.items("Certificate")) {
    if (!certificate.ready && signerOf(world, certificate) === item && certificate.status.issuing !== true)
      world.after(0, "issue", certificate);
  }
};

/**
 * The Secrets of an ACME issuer whose events bring it back.
 * https://github.com/cert-manager/cert-manager/blob/v1.21.2/pkg/controller/issuers/checks.go, issuersForSecret
 */
const awaitedBy = (world: World, issuer: Item) => [
  bindingSecretOf(issuer),
  ...(looksForSecrets(world) ? solverSecretsOf(issuer).map(({ name }) => name) : []),
];

/** Has issuers looked at again that wait for a Secret. */
export function secretSeen(world: World, secret: Item): void {
  for (const issuer of ISSUERS.flatMap((kind) => world.items(kind))) {
    if (issuer.ready || secretOf(world, issuer, secret.name) !== secret) continue;
    if (caOf(issuer) === secret.name) {
      world.renew(issuer);
      world.after(0, "register", issuer);
    } else if (awaitedBy(world, issuer).includes(secret.name))
      world.after(world.seconds("solver's Secret"), "register", issuer);
  }
}
