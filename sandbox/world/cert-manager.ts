import { policyRefusal } from "./admission.ts";
import { mayEditZone, propagation } from "./cloudflare.ts";
import {
  type Acme,
  authorityOf,
  ISSUERS,
  issuerOf,
  issuerRetry,
  register,
  secretOf,
  secretSeen,
  signerOf,
} from "./issuers.ts";
import { customResource, lookAgain, runs, startsWith } from "./kubernetes.ts";
import { backoff, HOUR, type Item, type Spec } from "./state.ts";
import type { Happening, System, World } from "./world.ts";

// cert-manager and the ACME server: certificates, challenges and limits.

const WEEK = 7 * 24 * HOUR;

/** Retries of challenges: https://github.com/cert-manager/cert-manager/blob/v1.20.0/pkg/controller/util.go#L51 */
const challengeRetry = (tries: number) => backoff(5, 1800, tries);
/** Waits after failed issuances: https://github.com/cert-manager/cert-manager/blob/v1.20.0/pkg/controller/certificates/trigger/trigger_controller.go#L274 */
const issuanceRetry = (failures: number) => backoff(HOUR, 32 * HOUR, failures - 1);

/** Seconds for a signature inside the cluster, or for a Secret to be found fitting. */
const AT_ONCE = 0.2;

/** What a private key is; RSA with 2048 bits where nothing says otherwise. */
function keyOf({ spec }: Item): string {
  const { algorithm = "RSA", size = algorithm === "RSA" ? 2048 : 256 } = (spec.privateKey ?? {}) as Spec;
  return `${algorithm} ${size}`;
}

const hostsOf = (certificate: Item) => (certificate.spec.dnsNames ?? [certificate.spec.commonName]) as string[];

/**
 * The Secret when it still fits: https://cert-manager.io/docs/usage/certificate/#reissuance-triggered-by-expiry-and-renewal
 * One that does not say who issued it fits a namespace's own issuer, of any name.
 * https://github.com/cert-manager/cert-manager/blob/v1.21.2/internal/controller/certificates/policies/checks.go, SecretIssuerAnnotationsMismatch
 */
function fittingSecret(world: World, item: Item): Item | undefined {
  const secret = world.item(`Secret ${item.namespace}/${item.spec.secretName}`);
  if (secret === undefined || String(secret.spec.hosts) !== String(hostsOf(item))) return undefined;
  if (secret.spec.commonName !== item.spec.commonName) return undefined;
  const { name, kind } = issuerOf(item);
  const { issuer = name, issuerKind = "Issuer" } = secret.spec;
  return issuer === name && issuerKind === kind && keyOf(secret) === keyOf(item) ? secret : undefined;
}

function startCertificate(world: World, item: Item): void {
  item.status.issuing = false;
  item.status.validated = 0;
  const secret = fittingSecret(world, item);
  if (secret) annotate(world, secret, item);
  item.ready = false;
  item.reason = "Issuing certificate as Secret does not exist or does not fit";
  if (secret) world.after(AT_ONCE, "done", item);
  else world.after(0, "issue", item);
}

const issue: Happening = (world, item, tries) => {
  if (!runs(world, "cert-manager")) return;
  const issuer = signerOf(world, item);
  if (issuer?.ready !== true) {
    const { name, kind } = issuerOf(item);
    item.reason = `Referenced "${kind}" not ready: ${name}`;
    return;
  }
  // Each issuance is a request of its own, which is judged like anybody's.
  const refused = policyRefusal(world, "certificaterequests.cert-manager.io", { ...item, kind: "CertificateRequest" });
  if (refused !== undefined) {
    item.reason = refused;
    world.after(issuerRetry(tries), "issue", item, tries + 1);
    return;
  }
  item.status.issuing = true;
  const acme = issuer.spec.acme as Acme | undefined;
  if (acme === undefined) {
    world.after(AT_ONCE, "issued", item);
    return;
  }
  const refusal = acmeLimit(world, item);
  if (refusal) failed(world, item, refusal);
  else present(world, item, 0);
};

/** Let's Encrypt's limits: https://letsencrypt.org/docs/rate-limits/ */
function acmeLimit(world: World, item: Item): string | undefined {
  const mine = world.state.acme.filter(
    (entry) => entry.hosts === String(hostsOf(item)) && entry.issuer === issuerOf(item).name,
  );
  const within = (window: number, failed: boolean) =>
    mine.filter((entry) => entry.failed === failed && entry.at > world.now - window).length;
  if (within(HOUR, true) >= 5)
    return "429 urn:ietf:params:acme:error:rateLimited: too many failed authorizations (5) in the last 1h";
  if (within(WEEK, false) >= 5)
    return "429 urn:ietf:params:acme:error:rateLimited: too many certificates (5) already issued for this exact set of identifiers in the last 168h";
  return undefined;
}

function failed(world: World, item: Item, reason: string): void {
  item.reason = reason;
  item.status.failures = Number(item.status.failures ?? 0) + 1;
  world.after(issuanceRetry(Number(item.status.failures)), "issue", item);
}

/** Writes the challenge's record for one name; names of one challenge follow each other. */
const present: Happening = (world, item, tries) => {
  if (!runs(world, "cert-manager")) return;
  const issuer = signerOf(world, item);
  const solver = (issuer?.spec.acme as Acme | undefined)?.solvers[0];
  if (issuer === undefined || solver === undefined) return;
  const { name, key } = solver.dns01.cloudflare.apiTokenSecretRef;
  const token = (secretOf(world, issuer, name)?.spec.data as Record<string, string> | undefined)?.[key];
  // https://cert-manager.io/docs/configuration/acme/dns01/cloudflare/: the token must edit the zone and list it.
  if (token === undefined || !mayEditZone(world, token)) {
    item.reason =
      token === undefined
        ? `Error presenting challenge: secrets "${name}" not found`
        : "Error presenting challenge: 403 Invalid access token";
    world.after(challengeRetry(tries), "present", item, tries + 1);
    return;
  }
  item.reason = "Waiting for DNS-01 challenge propagation";
  const wait = solver.waitInsteadOfSelfCheck;
  if (wait === undefined) {
    world.after(world.seconds("challenge"), "validated", item, 1);
    return;
  }
  const seconds = Number.parseInt(wait, 10);
  world.after(seconds + world.seconds("validation"), "validated", item, propagation(world) <= seconds ? 1 : 0);
};

/** @param valid 1 when the ACME server saw the record */
const validated: Happening = (world, item, valid) => {
  if (!runs(world, "cert-manager")) return;
  if (valid === 0) {
    world.state.acme.push({ at: world.now, hosts: String(hostsOf(item)), failed: true, issuer: issuerOf(item).name });
    item.status.validated = 0;
    failed(world, item, "acme: authorization error: 403 urn:ietf:params:acme:error:unauthorized: No TXT record found");
    return;
  }
  item.status.validated = Number(item.status.validated ?? 0) + 1;
  if (Number(item.status.validated) < hostsOf(item).length) present(world, item, 0);
  else issued(world, item);
};

function issued(world: World, item: Item): void {
  const serial = world.state.acme.length + 1;
  const { name: issuer, kind: issuerKind } = issuerOf(item);
  const signer = signerOf(world, item);
  const signedBy = signer && authorityOf(world, signer, serial);
  world.state.acme.push({ at: world.now, hosts: String(hostsOf(item)), failed: false, issuer });
  item.status = {};
  item.ready = true;
  item.reason = "";
  const secret = world.put({
    kind: "Secret",
    namespace: item.namespace,
    name: item.spec.secretName as string,
    spec: {
      ...{ hosts: hostsOf(item), issuer, issuerKind, serial },
      ...(item.spec.commonName !== undefined && { commonName: item.spec.commonName }),
      ...(item.spec.privateKey !== undefined && { privateKey: item.spec.privateKey }),
      ...(signedBy !== undefined && { signedBy }),
      ...(item.spec.isCA === true && { isCA: true }),
    },
  });
  annotate(world, secret, item);
}

function annotate(world: World, secret: Item, certificate: Item): void {
  const template = certificate.spec.secretTemplate as { annotations?: Record<string, string> } | undefined;
  secret.spec = { ...secret.spec, annotations: template?.annotations ?? {} };
  world.renew(secret);
  world.seen(secret);
}

/** Whether a Secret is a certificate for a host of the zone, and not one that a CA of the cluster made for its own. */
const isPublic = (world: World, { spec }: Item) =>
  ((spec.hosts ?? []) as string[]).some((host) => world.items("Zone").some((zone) => host.endsWith(zone.name)));

function startIssuer(world: World, item: Item): void {
  if (runs(world, "cert-manager")) world.after(world.seconds(item.kind), "register", item);
}

export const certManager: System = {
  kinds: {
    AcmeServer: {},
    ClusterIssuer: customResource("clusterissuers.cert-manager.io", {
      namespaced: false,
      seconds: 3,
      start: startIssuer,
    }),
    Issuer: customResource("issuers.cert-manager.io", { namespaced: true, seconds: 1, start: startIssuer }),
    Certificate: customResource("certificates.cert-manager.io", {
      namespaced: true,
      start: startCertificate,
      change(world, item) {
        const secret = fittingSecret(world, item);
        if (!item.ready || secret === undefined) startCertificate(world, item);
        // The annotations of its template are brought to the Secret, and nothing is issued.
        else annotate(world, secret, item);
      },
    }),
  },
  happenings: { register, issue, present, validated, issued },
  durations: {
    /** One name of a challenge with the self-check. */
    challenge: 62,
    /** What a validation takes beside a set wait. */
    validation: 2,
    /** From a solver's Secret to the issuer that waited for it; measured on a cluster with 1.21.1. */
    "solver's Secret": 14,
  },
  seen(world, item) {
    if (item.kind === "Secret") secretSeen(world, item);
    if (startsWith(world, item, "cert-manager")) lookAgain(world, ...ISSUERS, "Certificate");
  },
  violations: (world) =>
    world
      .items("Secret")
      .filter((secret) => isPublic(world, secret) && !world.state.keyMayBeIn.includes(secret.namespace))
      .map(({ namespace }) => `the certificate's key is in namespace ${namespace}`),
};
