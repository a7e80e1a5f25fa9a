import { getZoneOutput } from "@pulumi/cloudflare/getZone.js";
import * as pulumi from "@pulumi/pulumi";
import { Provider as VaultProvider } from "@pulumi/vault/provider.js";
import { CertManager } from "./components/cert-manager.ts";
import { WildcardCertificate } from "./components/certificate.ts";
import { clusterProvider } from "./components/cluster.ts";
import { DnsRecords } from "./components/dns-records.ts";
import { DnsToken } from "./components/dns-token.ts";
import { ExternalSecrets } from "./components/external-secrets.ts";
import { IngressGateway } from "./components/ingress-gateway.ts";
import { Issuer } from "./components/issuer.ts";
import { Istio } from "./components/istio.ts";
import { LoadBalancer } from "./components/load-balancer.ts";
import { Reflector } from "./components/reflector.ts";
import { Routes, TlsGateway } from "./components/routing.ts";
import { SecretStore } from "./components/secret-store.ts";
import { TokenSecret } from "./components/token-secret.ts";
import { VaultSecret } from "./components/vault-secret.ts";
import { readSettings, warnings } from "./config.ts";

// Two chains that meet at the Gateway: Vault → token → issuer → certificate → copy, and
// address → load balancer → ingress gateway. Values that only a cloud knows flow from one component to
// the next; every other order is a `dependsOn` with its reason above it.

const settings = readSettings();
const today = new Date();
for (const warning of warnings(settings, today)) void pulumi.log.warn(warning);

const { charts, size, cloudflare } = settings;
const { proxied, ttlSeconds } = cloudflare;
const displayName = `${pulumi.getProject()}-${pulumi.getStack()}`;
const kubernetes = clusterProvider("kubernetes", settings.cluster);
const inCluster = { providers: { kubernetes } };

// The operators.
const certManager = new CertManager("cert-manager", { chart: charts.certManager, size }, inCluster);
new Reflector("reflector", { chart: charts.reflector }, inCluster);
const istio = new Istio("istio", { chart: charts.istio, size }, inCluster);

// The way in.
const zoneId = cloudflare.token === "none" ? undefined : getZoneOutput({ filter: { name: settings.domain } }).zoneId;
const loadBalancer =
  settings.loadBalancer && new LoadBalancer("load-balancer", { ...settings.loadBalancer, displayName });
const ingressGateway = new IngressGateway(
  "ingress-gateway",
  {
    chart: charts.istio,
    size,
    namespace: istio.namespace,
    values: loadBalancer?.gatewayValues,
    hooks: loadBalancer?.releaseHooks,
    service: loadBalancer?.serviceValues ?? { type: settings.gateway.serviceType ?? "ClusterIP" },
  },
  {
    ...inCluster,
    // istiod's webhook fills in the gateway's image; a pod made before it answers waits for "auto" for ever.
    dependsOn: [istio],
  },
);
// A reserved address is known before the load balancer is; an internal one is the load balancer's own.
const address = loadBalancer?.address ?? (loadBalancer && ingressGateway.address);
if (zoneId !== undefined && address !== undefined) {
  new DnsRecords("dns-records", { zoneId, address, baseDomain: settings.baseDomain, proxied, ttlSeconds });
}

// The DNS token: made, kept in Vault, brought into the cluster.
let tokenSecret: TokenSecret | undefined;
if (zoneId !== undefined && settings.vault !== undefined) {
  const { vault, cloudflareApiToken } = settings;
  const { install, namespace, serviceAccount } = settings.externalSecrets;
  const token =
    cloudflareApiToken ??
    new DnsToken("dns-token", {
      zoneId,
      displayName,
      serial: cloudflare.tokenSerial,
      expiresOn: daysFromToday(cloudflare.tokenExpiresDays),
    }).value;
  const vaultSecret = new VaultSecret(
    "vault-secret",
    { mount: vault.mount, path: vault.path, token },
    { providers: { vault: new VaultProvider("vault", { address: vault.address }) } },
  );
  const operator =
    install &&
    new ExternalSecrets(
      "external-secrets",
      { chart: charts.externalSecrets, size, namespace, serviceAccount },
      inCluster,
    );
  const store = new SecretStore(
    "secret-store",
    {
      server: vault.clusterAddress,
      mount: vault.mount,
      caBundle: vault.caBundle,
      authPath: vault.authPath,
      role: vault.role,
      serviceAccount: { name: serviceAccount, namespace },
    },
    {
      ...inCluster,
      // The API server knows the kind, and its webhook answers, only when External Secrets runs.
      dependsOn: operator ? [operator] : [],
    },
  );
  tokenSecret = new TokenSecret(
    "token-secret",
    { namespace: certManager.namespace, storeName: store.storeName, path: vault.path, property: vaultSecret.property },
    {
      ...inCluster,
      dependsOn: [
        // cert-manager's release makes the namespace.
        certManager,
        // A sync through a store that is not Ready fails and is tried again ever later.
        store,
        // So does one of a path that is not written yet.
        vaultSecret,
      ],
    },
  );
}

// The certificate.
const issuer = new Issuer(
  "issuer",
  {
    namespace: certManager.namespace,
    acme: settings.acme && tokenSecret && { ...settings.acme, token: tokenSecret.ref },
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
      ...(settings.acme && tokenSecret ? [tokenSecret] : []),
    ],
  },
);

// Where both chains meet.
const tlsGateway = new TlsGateway(
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
new Routes(
  "routes",
  { gateway: tlsGateway.reference, routes: settings.services },
  {
    ...inCluster,
    // The API server knows the kind only when Istio runs, and istiod checks it, on delete too.
    dependsOn: [istio],
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
const copyTo = settings.reflector.namespaces;
const copies = copyTo === "all" ? "every other namespace" : copyTo.filter((it) => it !== istio.namespace).join(", ");
const adopted = settings.loadBalancer?.reservedIp ? "" : "; set loadBalancer.reservedIp to it before the next up";

/** What is served. */
export const urls = settings.services.map((service) => `https://${service.host}`);
/** What a destroy leaves, because it is dear to get again or its chart keeps it. */
export const keptOnDestroy = [
  `namespace ${certManager.namespace}: the certificate with its key, and ${settings.acme ? "the ACME account key" : "the CA with its key"}`,
  "custom resource definitions of cert-manager and Istio",
  ...(copies === "" ? [] : [`copies of the certificate and its key in ${copies}`]),
  ...(reservedIp === null ? [] : [pulumi.interpolate`reserved IP ${reservedIp}${adopted}`]),
];
