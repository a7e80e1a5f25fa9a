import { isDeepStrictEqual } from "node:util";
import { mayEditZone, propagation } from "./cloudflare.ts";
import { customResource, lookAgain, runs, startsWith, workloadsOf } from "./kubernetes.ts";
import { backoff, HOUR, type Item, type Spec } from "./state.ts";
import type { Happening, System, World } from "./world.ts";

// cert-manager and the ACME server: issuers, certificates, challenges and limits.

const WEEK = 7 * 24 * HOUR;

/** Retries of issuers: https://github.com/cert-manager/cert-manager/blob/v1.20.0/pkg/controller/util.go#L39 */
const issuerRetry = (tries: number) => backoff(5, 300, tries);
/** Retries of challenges: https://github.com/cert-manager/cert-manager/blob/v1.20.0/pkg/controller/util.go#L51 */
const challengeRetry = (tries: number) => backoff(5, 1800, tries);
/** Waits after failed issuances: https://github.com/cert-manager/cert-manager/blob/v1.20.0/pkg/controller/certificates/trigger/trigger_controller.go#L274 */
const issuanceRetry = (failures: number) => backoff(HOUR, 32 * HOUR, failures - 1);

/** Seconds for a signature inside the cluster, or for a Secret to be found fitting. */
const AT_ONCE = 0.2;

type Acme = {
  server: string;
  solvers: {
    dns01: { cloudflare: { apiTokenSecretRef: { name: string; key: string } } };
    waitInsteadOfSelfCheck?: string;
  }[];
  externalAccountBinding?: { keyID: string; keySecretRef: { name: string; key: string } };
};

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
    const { data } = world.item(`Secret cert-manager/${name}`)?.spec ?? {};
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
function accountRefusal(world: World, { spec }: Item): string | undefined {
  const { server, externalAccountBinding: binding } = spec.acme as Acme;
  const asked = world.item(`AcmeServer /${server}`)?.spec as { keyId: string; hmacKey: string } | undefined;
  const { name = "", key = "" } = binding?.keySecretRef ?? {};
  const secret = world.item(`Secret cert-manager/${name}`);
  if (binding && secret?.ready !== true) return `failed to register ACME account: secrets "${name}" not found`;
  if (asked === undefined) return undefined;
  if (binding === undefined) return "400 urn:ietf:params:acme:error:externalAccountRequired";
  const given = (secret?.spec.data as Spec | undefined)?.[key];
  return asked.keyId === binding.keyID && asked.hmacKey === given
    ? undefined
    : "401 urn:ietf:params:acme:error:unauthorized: invalid external account binding";
}

const bindingSecretOf = ({ spec }: Item) => (spec.acme as Acme | undefined)?.externalAccountBinding?.keySecretRef.name;

const solverSecretsOf = ({ spec }: Item) =>
  ((spec.acme as Acme | undefined)?.solvers ?? []).map(({ dns01 }) => dns01.cloudflare.apiTokenSecretRef);

const register: Happening = (world, item, tries) => {
  if (!runs(world, "cert-manager")) return;
  const { ca } = item.spec as { ca?: { secretName: string } };
  const solvers =
    (item.spec.acme === undefined ? undefined : accountRefusal(world, item)) ??
    (looksForSecrets(world) ? solverRefusal(world, item) : undefined);
  const keyPair = ca !== undefined && world.item(`Secret cert-manager/${ca.secretName}`) === undefined;
  item.reason = solvers ?? (keyPair ? "Error getting keypair for CA issuer: secret not found" : "");
  item.ready = item.reason === "";
  if (!item.ready) {
    // A missing Secret, or what a server refuses for good, is no error to cert-manager: only the event of a Secret
    // brings the issuer back.
    if (solvers === undefined) world.after(issuerRetry(tries), "register", item, tries + 1);
    return;
  }
  // Certificates are watched together with their issuer: no retry to wait for.
  for (const certificate of world.items("Certificate")) {
    if (!certificate.ready && issuerOf(certificate) === item.name && certificate.status.issuing !== true)
      world.after(0, "issue", certificate);
  }
};

const issuerOf = (certificate: Item) => (certificate.spec.issuerRef as { name: string }).name;
const hostsOf = (certificate: Item) => (certificate.spec.dnsNames ?? [certificate.spec.commonName]) as string[];

/** What else of a Certificate decides whether another one is issued: its common name, and its key, usually RSA 2048. */
function madeAs({ spec }: Item): Spec | undefined {
  const { commonName, privateKey: { algorithm = "RSA", size = algorithm === "RSA" ? 2048 : 256 } = {} } = spec as {
    commonName?: string;
    privateKey?: { algorithm?: string; size?: number };
  };
  const made = {
    ...(commonName !== undefined && { commonName }),
    ...(`${algorithm} ${size}` !== "RSA 2048" && { algorithm, size }),
  };
  return Object.keys(made).length === 0 ? undefined : made;
}

/** The Secret when it still fits: https://cert-manager.io/docs/usage/certificate/#reissuance-triggered-by-expiry-and-renewal */
function fittingSecret(world: World, item: Item): Item | undefined {
  const secret = world.item(`Secret ${item.namespace}/${item.spec.secretName}`);
  const isNamed = secret?.spec.issuer === issuerOf(item) && String(secret.spec.hosts) === String(hostsOf(item));
  const fits = isNamed && isDeepStrictEqual(secret.spec.made, madeAs(item));
  return fits ? secret : undefined;
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

const issue: Happening = (world, item) => {
  if (!runs(world, "cert-manager")) return;
  const issuer = world.item(`ClusterIssuer /${issuerOf(item)}`);
  if (issuer?.ready !== true) {
    item.reason = `Referenced "ClusterIssuer" not ready: ${issuerOf(item)}`;
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
    (entry) => entry.hosts === String(hostsOf(item)) && entry.issuer === issuerOf(item),
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
  const acme = world.item(`ClusterIssuer /${issuerOf(item)}`)?.spec.acme as Acme | undefined;
  const solver = acme?.solvers[0];
  if (solver === undefined) return;
  const { name, key } = solver.dns01.cloudflare.apiTokenSecretRef;
  const token = (world.item(`Secret cert-manager/${name}`)?.spec.data as Record<string, string> | undefined)?.[key];
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
    world.state.acme.push({ at: world.now, hosts: String(hostsOf(item)), failed: true, issuer: issuerOf(item) });
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
  world.state.acme.push({ at: world.now, hosts: String(hostsOf(item)), failed: false, issuer: issuerOf(item) });
  item.status = {};
  item.ready = true;
  item.reason = "";
  const secret = world.put({
    kind: "Secret",
    namespace: item.namespace,
    name: item.spec.secretName as string,
    spec: {
      ...{ hosts: hostsOf(item), issuer: issuerOf(item), serial },
      ...(madeAs(item) && { made: madeAs(item) }),
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

/** The Secrets whose events bring an issuer back. */
const awaitedBy = (world: World, issuer: Item) => [
  bindingSecretOf(issuer),
  ...(looksForSecrets(world) ? solverSecretsOf(issuer).map(({ name }) => name) : []),
];

/** Has issuers looked at again that wait for a Secret. */
function secretSeen(world: World, { namespace, name }: Item): void {
  if (namespace !== "cert-manager") return;
  for (const issuer of world.items("ClusterIssuer"))
    if (!issuer.ready && awaitedBy(world, issuer).includes(name))
      world.after(world.seconds("solver's Secret"), "register", issuer);
}

/** Whether a Secret is a certificate for a host of the zone, and not one that a CA of the cluster made for its own. */
const isPublic = (world: World, { spec }: Item) =>
  ((spec.hosts ?? []) as string[]).some((host) => world.items("Zone").some((zone) => host.endsWith(zone.name)));

export const certManager: System = {
  kinds: {
    AcmeServer: {},
    ClusterIssuer: customResource("clusterissuers.cert-manager.io", {
      namespaced: false,
      seconds: 3,
      start(world, item) {
        if (runs(world, "cert-manager")) world.after(world.seconds("ClusterIssuer"), "register", item);
      },
    }),
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
    if (startsWith(world, item, "cert-manager")) lookAgain(world, "ClusterIssuer", "Certificate");
  },
  violations: (world) =>
    world
      .items("Secret")
      .filter((secret) => isPublic(world, secret) && !world.state.keyMayBeIn.includes(secret.namespace))
      .map(({ namespace }) => `the certificate's key is in namespace ${namespace}`),
};
