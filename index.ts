import * as pulumi from "@pulumi/pulumi";
import { CertManager } from "./components/cert-manager.ts";
import { WildcardCertificate } from "./components/certificate.ts";
import { certificatePolicyOf } from "./components/certificate-policy.ts";
import { clusterProvider } from "./components/cluster.ts";
import { Continuity } from "./components/continuity.ts";
import { DnsRecords } from "./components/dns-records.ts";
import { dnsToken } from "./components/dns-token.ts";
import { ExternalSecrets } from "./components/external-secrets.ts";
import { IngressGateway } from "./components/ingress-gateway.ts";
import { Issuer } from "./components/issuer.ts";
import { Istio } from "./components/istio.ts";
import { LoadBalancer } from "./components/load-balancer.ts";
import { Reflector } from "./components/reflector.ts";
import { routePolicyOf } from "./components/route-policy.ts";
import { Routes } from "./components/routes.ts";
import { guardRun, madeBy, present } from "./components/run.ts";
import { SecretStore } from "./components/secret-store.ts";
import { TlsGateway } from "./components/tls-gateway.ts";
import { TokenSecret } from "./components/token-secret.ts";
import { VaultAccess } from "./components/vault/access.ts";
import { openVault } from "./components/vault/contents.ts";
import { VaultSeal } from "./components/vault/seal.ts";
import { VaultSecret } from "./components/vault/secret.ts";
import { VaultServer } from "./components/vault/server.ts";
import { VaultTls } from "./components/vault/tls.ts";
import { readSettings } from "./settings/read.ts";

// Two chains that meet at the Gateway: DNS token → Vault → its Secret → issuer → certificate → copy, and address →
// ingress gateway → OCI's load balancer. Values that only a cloud knows flow from one component to the next; every other
// order is a dependency with its reason above it.

const settings = readSettings(new Date());
guardRun(settings);
const { charts, size, hosts, services, tenancy, records, certificate: asked, externalSecrets: reader } = settings;
// Before anything is registered, so that a Vault that is sealed or out of reach stops the run while nothing is touched.
const vault = await openVault("vault", settings.vault);
const { cluster } = new Continuity("continuity", { cluster: settings.cluster, reader });
const inCluster = madeBy({ kubernetes: clusterProvider("kubernetes", settings.cluster, cluster) });
const displayName = `${pulumi.getProject()}-${pulumi.getStack()}`;

// Who may use what is the platform's, where that is not everybody.
const routePolicy = routePolicyOf("route-policy", settings, inCluster());
const certificatePolicy = certificatePolicyOf("certificate-policy", settings, inCluster());

// The operators.
const certManager = new CertManager("cert-manager", { chart: charts.certManager, size }, inCluster());
const reflector = new Reflector("reflector", { chart: charts.reflector }, inCluster());
const istio = new Istio(
  "istio",
  { chart: charts.istio, size, routes: tenancy.routes },
  inCluster(
    // Whoever may make a VirtualService could take a host as soon as the kind is there, and on a destroy until it goes.
    routePolicy,
  ),
);

// The way in.
const loadBalancer =
  settings.loadBalancer && new LoadBalancer("load-balancer", { ...settings.loadBalancer, displayName });
const gateway = new IngressGateway(
  "ingress-gateway",
  {
    chart: charts.istio,
    size,
    namespace: istio.namespace,
    exposure: loadBalancer?.exposure ?? { service: { type: settings.gateway.serviceType } },
  },
  inCluster(
    // istiod's webhook fills in the gateway's image; a pod made before it answers waits for "auto" for ever.
    istio,
  ),
);
// A reserved address is known before the load balancer is; an internal one is the load balancer's own.
const address = loadBalancer?.address ?? gateway.address;
if (records) new DnsRecords("dns-records", { ...records, address });

// Vault, where it is installed here. Empty and sealed until somebody initialises it: what needs its content waits for
// the second phase, which begins when the settings say so, whatever happens to answer before.
const installed = settings.vault?.kind === "installed" ? settings.vault : undefined;
const seal = installed?.seal && new VaultSeal("vault-seal", { ...installed.seal, displayName });
const vaultServer = installed && new VaultServer("vault-server", { chart: charts.vault, size, seal }, inCluster());
const vaultTls =
  vaultServer?.tls &&
  new VaultTls(
    "vault-tls",
    { server: vaultServer.tls, caNamespace: certManager.namespace, gatewayNamespace: istio.namespace },
    inCluster(
      // The API server knows the kinds, and their webhook answers, only when cert-manager runs.
      certManager,
      // It brings the CA to the issuer, and a Reflector that does not come up must fail itself.
      reflector,
      // The gateway's part goes to Istio's namespace, and is of a kind of Istio's.
      istio,
    ),
  );

// The DNS token: made, kept in Vault, brought into the cluster.
const operator =
  reader.install &&
  new ExternalSecrets("external-secrets", { chart: charts.externalSecrets, size, ...reader }, inCluster());
let access: VaultAccess | undefined;
let tokenSecret: TokenSecret | undefined;
if (vault) {
  const inVault = madeBy({ vault: vault.provider });
  const token = dnsToken("dns-token", { ...vault.token, zone: settings.domain, displayName });
  if (vault.access === "managed")
    access = new VaultAccess(
      "vault-access",
      { ...vault, auditPath: vaultServer?.auditPath },
      inVault(
        // A destroy takes out of Vault what is ours while Vault still answers.
        vaultServer,
      ),
    );
  const vaultSecret = new VaultSecret(
    "vault-secret",
    { ...vault, token: token.value },
    inVault(
      // There is nowhere to write before the engine is mounted.
      access,
    ),
  );
  const store = new SecretStore(
    "secret-store",
    { ...vault, ca: vaultTls?.ca ?? vault.caBundle, reader: certManager.namespace, guests: tenancy.secrets },
    inCluster(
      // The API server knows the kind, and its webhook answers, only when External Secrets runs.
      operator,
      // A store without its role is not Ready, and is tried again after ever longer waits.
      access,
    ),
  );
  tokenSecret = new TokenSecret(
    "token-secret",
    { namespace: certManager.namespace, storeName: store.storeName, ...vaultSecret.written, serial: token.serial },
    inCluster(
      // cert-manager's release makes the namespace.
      certManager,
      // A sync through a store that is not Ready fails, and is tried again after ever longer waits.
      store,
    ),
  );
}

// The certificate, and the Gateway where both chains meet: not before the token can be there.
let certificate: WildcardCertificate | undefined;
if (settings.phase === "complete") {
  // A CA asks no DNS, and so needs no token.
  const solver = settings.issuer.kind === "ca" ? undefined : tokenSecret;
  const issuer = new Issuer(
    "issuer",
    { issuer: settings.issuer, namespace: certManager.namespace, guests: tenancy.certificates },
    inCluster(
      // With a solver: an issuer whose solver has no Secret is not Ready, and a token that cannot come must fail itself.
      // Without one: the API server knows the kind, and its webhook answers, only when cert-manager runs.
      solver ?? certManager,
      // It signs for everybody as long as nobody is refused.
      certificatePolicy,
    ),
  );
  certificate = new WildcardCertificate(
    "certificate",
    { namespace: certManager.namespace, hosts, issuer, copies: settings.reflector.namespaces, records, ...asked },
    inCluster(
      // An account that cannot be registered must fail there, not half an hour later at the certificate.
      issuer,
    ),
  );
  new TlsGateway(
    "tls-gateway",
    { ...settings, ...settings.gateway, namespace: istio.namespace, selector: gateway.selector, certificate },
    inCluster(
      // The API server knows the kind only when Istio runs, and istiod checks it, on delete too.
      istio,
      // Before, port 443 would listen without a certificate.
      certificate,
    ),
  );
}
new Routes(
  "routes",
  { ...settings.gateway, gatewayNamespace: istio.namespace, services },
  inCluster(
    // The API server knows the kind only when Istio runs, and istiod checks it, on delete too.
    istio,
  ),
);

/** Where the platform answers: the reserved IP, or an internal load balancer's address. */
export const loadBalancerAddress = loadBalancer ? address : null;
/** OCID of the reserved IP; it stays after a destroy, and `loadBalancer.reservedIp` uses it again. */
export const reservedIp = loadBalancer?.reservedIp ?? null;
/** The load balancer's name in the OCI console: the UID of the gateway's Service. */
export const loadBalancerName = loadBalancer ? gateway.serviceUid : null;
/** The Cloudflare zone of all hosts. */
export const zone = settings.domain;
/** `bootstrap` until an installed Vault is initialised, then `complete`. */
export const phase = settings.phase;
/** Serial of the token that this run made sure of; null when the program makes none. */
export const tokenSerial = tokenSecret?.serial ?? null;
/** Version of the write in Vault that the cluster was told to read. */
export const kvVersion = tokenSecret?.version ?? null;
/** IAM statement that the nodes' dynamic group needs, for Vault to unseal itself. */
export const vaultIamPolicy = seal?.iamPolicy ?? null;
/** What is served. */
export const urls = services.map((service) => `https://${service.host}`);
const keeping = present(certManager, istio, operator, certificate, loadBalancer, vaultServer, seal, access);
/** What a destroy leaves, because it is dear to get again or its chart keeps it. */
export const keptOnDestroy = keeping.flatMap(({ kept }) => kept);
