import { getZoneOutput } from "@pulumi/cloudflare/getZone.js";
import * as pulumi from "@pulumi/pulumi";
import { Provider as VaultProvider } from "@pulumi/vault/provider.js";
import { explainTakenNames } from "./components/adoption.ts";
import { CertManager } from "./components/cert-manager.ts";
import { WildcardCertificate } from "./components/certificate.ts";
import { clusterProvider } from "./components/cluster.ts";
import { keepSecretsOutOfDebugLog } from "./components/debug-log.ts";
import { DnsRecords } from "./components/dns-records.ts";
import { DnsToken } from "./components/dns-token.ts";
import { ExternalSecrets } from "./components/external-secrets.ts";
import { IngressGateway } from "./components/ingress-gateway.ts";
import { Issuer } from "./components/issuer.ts";
import { Istio } from "./components/istio.ts";
import { LoadBalancer } from "./components/load-balancer.ts";
import { Reflector } from "./components/reflector.ts";
import { gatewayReference, Routes, TlsGateway } from "./components/routing.ts";
import { SecretStore } from "./components/secret-store.ts";
import { TokenSecret } from "./components/token-secret.ts";
import { contentsOf, VaultAccess } from "./components/vault-access.ts";
import { VaultSeal } from "./components/vault-seal.ts";
import { VaultSecret } from "./components/vault-secret.ts";
import { VaultServer } from "./components/vault-server.ts";
import { VaultTls } from "./components/vault-tls.ts";
import { readSettings } from "./settings/read.ts";

// Two chains that meet at the Gateway: Vault → token → issuer → certificate → copy, and
// address → load balancer → ingress gateway. Values that only a cloud knows flow from one component to
// the next; every other order is a `dependsOn` with its reason above it.

keepSecretsOutOfDebugLog();
const today = new Date();
const settings = readSettings(today);

const { charts, size, vault, issuer: signer } = settings;
const installed = vault?.kind === "installed" ? vault : undefined;
const scoped = vault?.token.kind === "scoped" ? vault.token : undefined;
// An installed Vault is empty and sealed until somebody initialises it. What needs its content waits for the second
// phase, which the settings begin and no look at what happens to answer: none registers less than the one before.
const isBootstrap = settings.phase === "bootstrap";
const vaultProvider = vault && !isBootstrap ? new VaultProvider("vault", { address: vault.address }) : undefined;
const contents =
  vault && vaultProvider && (await contentsOf(vault, vault.access === "managed", vault.address, vaultProvider));

explainTakenNames();
const displayName = `${pulumi.getProject()}-${pulumi.getStack()}`;
const kubernetes = clusterProvider("kubernetes", settings.cluster);
const inCluster = { providers: { kubernetes } };

// The operators.
const certManager = new CertManager("cert-manager", { chart: charts.certManager, size }, inCluster);
new Reflector("reflector", { chart: charts.reflector }, inCluster);
const istio = new Istio("istio", { chart: charts.istio, size }, inCluster);

// The way in.
const zoneId = vault === undefined ? undefined : getZoneOutput({ filter: { name: settings.domain } }).zoneId;
const loadBalancer =
  settings.loadBalancer &&
  new LoadBalancer("load-balancer", {
    ...settings.loadBalancer,
    ...settings.loadBalancer.firewall,
    internal: settings.loadBalancer.address.kind === "internal",
    reservedIp: settings.loadBalancer.address.kind === "reserved" ? settings.loadBalancer.address.id : undefined,
    displayName,
  });
const ingressGateway = new IngressGateway(
  "ingress-gateway",
  {
    chart: charts.istio,
    size,
    namespace: istio.namespace,
    values: loadBalancer?.gatewayValues,
    hooks: loadBalancer?.releaseHooks,
    service: loadBalancer?.serviceValues ?? { type: settings.gateway.serviceType },
  },
  {
    ...inCluster,
    // istiod's webhook fills in the gateway's image; a pod made before it answers waits for "auto" for ever.
    dependsOn: [istio],
  },
);
// A reserved address is known before the load balancer is; an internal one is the load balancer's own.
const address = loadBalancer?.address ?? (loadBalancer && ingressGateway.address);
if (zoneId !== undefined && address !== undefined && settings.records) {
  new DnsRecords("dns-records", { zoneId, address, ...settings.records });
}

// Vault, where it is installed here, and External Secrets, which reads it.
const { namespace, serviceAccount } = settings.externalSecrets;
const operator =
  vault && settings.externalSecrets.install
    ? new ExternalSecrets(
        "external-secrets",
        { chart: charts.externalSecrets, size, namespace, serviceAccount },
        inCluster,
      )
    : undefined;
const seal = installed?.seal ? new VaultSeal("vault-seal", { displayName, ...installed.seal }) : undefined;
const vaultServer = installed
  ? new VaultServer("vault-server", { chart: charts.vault, size, seal }, inCluster)
  : undefined;
const vaultTls =
  vaultServer && installed?.tls
    ? new VaultTls(
        "vault-tls",
        {
          namespace: vaultServer.namespace,
          secretName: vaultServer.tlsSecret,
          caNamespace: certManager.namespace,
          gatewayNamespace: istio.namespace,
        },
        {
          ...inCluster,
          dependsOn: [
            // The API server knows the kinds, and their webhook answers, only when cert-manager runs.
            certManager,
            // Its release makes the namespace that the certificate goes to.
            vaultServer,
            // The gateway's part goes to Istio's namespace, and is of a kind of Istio's.
            istio,
          ],
        },
      )
    : undefined;

// The DNS token: made, kept in Vault, brought into the cluster.
let tokenSecret: TokenSecret | undefined;
if (zoneId !== undefined && vault && vaultProvider && contents) {
  const token =
    vault.token.kind === "supplied"
      ? pulumi.secret(vault.token.value)
      : new DnsToken("dns-token", {
          zoneId,
          displayName,
          serial: vault.token.serial,
          expiresOn: daysFromToday(vault.token.expiresDays),
        }).value;
  const inVault = { providers: { vault: vaultProvider } };
  const access =
    vault.access === "managed"
      ? new VaultAccess(
          "vault-access",
          {
            ...vault,
            serviceAccount: { name: serviceAccount, namespace },
            auditPath: vaultServer?.auditPath,
            contents,
          },
          {
            ...inVault,
            // A destroy takes out of Vault what is ours while Vault still answers.
            dependsOn: vaultServer ? [vaultServer] : [],
          },
        )
      : undefined;
  const vaultSecret = new VaultSecret(
    "vault-secret",
    { mount: vault.mount, path: vault.path, token },
    {
      ...inVault,
      // There is nowhere to write before the engine is mounted.
      dependsOn: access ? [access] : [],
    },
  );
  const store = new SecretStore(
    "secret-store",
    {
      server: vault.clusterAddress,
      mount: vault.mount,
      ca: vaultTls?.ca ?? vault.caBundle,
      auth: vault.login,
    },
    {
      ...inCluster,
      dependsOn: [
        // The API server knows the kind, and its webhook answers, only when External Secrets runs.
        ...(operator ? [operator] : []),
        // A store without its role is not Ready, and is tried again ever later.
        ...(access ? [access] : []),
      ],
    },
  );
  tokenSecret = new TokenSecret(
    "token-secret",
    {
      namespace: certManager.namespace,
      storeName: store.storeName,
      path: vault.path,
      property: vaultSecret.property,
      version: vaultSecret.version,
      serial: scoped?.serial,
    },
    {
      ...inCluster,
      dependsOn: [
        // cert-manager's release makes the namespace.
        certManager,
        // A sync through a store that is not Ready fails and is tried again ever later.
        store,
      ],
    },
  );
}

// The certificate, and the Gateway where both chains meet: not before the token can be there.
if (!isBootstrap) {
  const issuer = new Issuer(
    "issuer",
    {
      namespace: certManager.namespace,
      acme: signer.kind === "acme" && tokenSecret ? { ...signer, token: tokenSecret.ref } : undefined,
    },
    {
      ...inCluster,
      // The API server knows the kind, and its webhook answers, only when cert-manager runs.
      dependsOn: [certManager],
    },
  );
  const certificate = new WildcardCertificate(
    "certificate",
    {
      namespace: certManager.namespace,
      hosts: settings.hosts,
      issuerName: issuer.issuerName,
      copyTo: settings.reflector.namespaces,
    },
    {
      ...inCluster,
      dependsOn: [
        // An account that cannot be registered must fail there, not half an hour later at the certificate.
        issuer,
        // A challenge that cannot be presented for want of the token is tried again ever later.
        ...(signer.kind === "acme" && tokenSecret ? [tokenSecret] : []),
      ],
    },
  );
  new TlsGateway(
    "tls-gateway",
    {
      namespace: istio.namespace,
      selector: ingressGateway.selector,
      hosts: settings.hosts,
      secretName: certificate.secretName,
      minTls: settings.gateway.minTls,
    },
    {
      ...inCluster,
      dependsOn: [
        // The API server knows the kind only when Istio runs, and istiod checks it, on delete too.
        istio,
        // Before, port 443 would listen without a certificate.
        certificate,
      ],
    },
  );
}
new Routes(
  "routes",
  { gateway: gatewayReference(istio.namespace), routes: settings.services },
  {
    ...inCluster,
    dependsOn: [
      // The API server knows the kind only when Istio runs, and istiod checks it, on delete too.
      istio,
      // Its release makes the namespace of the route to Vault.
      ...(vaultServer ? [vaultServer] : []),
    ],
  },
);

function daysFromToday(days: number | undefined): string | undefined {
  return days === undefined ? undefined : new Date(today.getTime() + days * 86_400_000).toISOString();
}

/** Where the platform answers: the reserved IP, or an internal load balancer's address. */
export const loadBalancerAddress = address ?? null;
/** OCID of the reserved IP; it stays after a destroy, and `loadBalancer.reservedIp` uses it again. */
export const reservedIp = loadBalancer?.reservedIp ?? null;
/** The load balancer's name in the OCI console: the UID of the gateway's Service. */
export const loadBalancerName = (loadBalancer && ingressGateway.serviceUid) ?? null;
/** The Cloudflare zone of all hosts. */
export const zone = settings.domain;
/** `bootstrap` until an installed Vault is initialised, then `complete`. */
export const phase = isBootstrap ? "bootstrap" : "complete";
/** Serial of the token that this run made sure of; null when the program makes none. */
export const tokenSerial = tokenSecret && scoped ? scoped.serial : null;
/** Version of the write in Vault that the cluster was told to read. */
export const kvVersion = tokenSecret?.version ?? null;
/** IAM statement that the nodes' dynamic group needs, for Vault to unseal itself. */
export const vaultIamPolicy = seal?.iamPolicy ?? null;
const copyTo = settings.reflector.namespaces;
const copies = copyTo === "all" ? "every other namespace" : copyTo.filter((it) => it !== istio.namespace).join(", ");
const adopted =
  settings.loadBalancer?.address.kind === "reserved" && settings.loadBalancer.address.id !== undefined
    ? ""
    : "; set loadBalancer.reservedIp to it before the next up";

/** What is served. */
export const urls = settings.services.map((service) => `https://${service.host}`);
/** What a destroy leaves, because it is dear to get again or its chart keeps it. */
export const keptOnDestroy = [
  `namespace ${certManager.namespace}: the certificate with its key, and ${signer.kind === "acme" ? "the ACME account key" : "the CA with its key"}`,
  "custom resource definitions of cert-manager and Istio",
  ...(copies === "" ? [] : [`copies of the certificate and its key in ${copies}`]),
  ...(reservedIp === null ? [] : [pulumi.interpolate`reserved IP ${reservedIp}${adopted}`]),
  ...(vaultServer === undefined
    ? []
    : [
        `namespace ${vaultServer.namespace}: the volumes with all that Vault holds; set vault.initialized to false before the next up`,
      ]),
  ...(seal === undefined || installed?.seal?.keyId !== undefined
    ? []
    : [
        pulumi.interpolate`the key that unseals Vault; set vault.kmsVaultId to ${seal.vaultId} and vault.kmsKeyId to ${seal.keyId} before the next up`,
      ]),
  ...(vault?.access === "managed" && !isBootstrap
    ? [`Vault's mount ${vault.mount} and its auth backend ${vault.authPath}`]
    : []),
];
