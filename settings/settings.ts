import { type IssuerSettings, issuerOf } from "./acme.ts";
import type { CertificateSettings } from "./certificate.ts";
import { type ChartsSettings, chartsOf } from "./charts.ts";
import { type RecordsSettings, recordsOf, tokenOf } from "./cloudflare.ts";
import { type Cluster, clusterOf } from "./cluster.ts";
import { PROJECT, type StackConfig } from "./config.ts";
import { baseDomainOf, hostsOf } from "./domain.ts";
import type { ExternalSecretsSettings } from "./external-secrets.ts";
import { type GatewaySettings, gatewayOf } from "./gateway.ts";
import { type LoadBalancerSettings, loadBalancerOf } from "./load-balancer.ts";
import { judge } from "./mistakes.ts";
import { withPolicies } from "./network-policies.ts";
import type { ReflectorSettings } from "./reflector.ts";
import { type Service, servicesOf } from "./services.ts";
import type { Size } from "./size.ts";
import { tagsOf } from "./tags.ts";
import { type TenancySettings, tenancyOf } from "./tenancy.ts";
import { type Phase, type VaultSettings, vaultOf } from "./vault.ts";

/** What a stack asks for: every default filled in, every rule kept. */
export interface Settings {
  /** The Cloudflare zone. */
  readonly domain: string;
  /** What the wildcard certificate covers: this name and one label below it. */
  readonly baseDomain: string;
  /** DNS names of the certificate, and hosts of the gateway. */
  readonly hosts: string[];
  readonly size: Size;
  readonly phase: Phase;
  readonly cluster: Cluster;
  readonly issuer: IssuerSettings;
  /** Absent: no OCI. */
  readonly loadBalancer?: LoadBalancerSettings | undefined;
  /** Absent without a load balancer or without a DNS token. */
  readonly records?: RecordsSettings | undefined;
  /** Absent without a DNS token. */
  readonly vault?: VaultSettings | undefined;
  readonly externalSecrets: ExternalSecretsSettings;
  readonly certificate: CertificateSettings;
  readonly reflector: ReflectorSettings;
  readonly gateway: GatewaySettings;
  readonly charts: ChartsSettings;
  readonly services: Service[];
  readonly tenancy: TenancySettings;
}

/**
 * The cluster of a stack, whatever else is wrong with it.
 *
 * @throws {SettingsError} when that is wrong
 */
export function clusterIn(config: StackConfig): Cluster {
  const { given, mistakes } = judge(config);
  const about = mistakes.filter((mistake) => mistake.trimStart().startsWith(`${PROJECT}:cluster`));
  if (about.length > 0) throw new SettingsError(about.join("\n"));
  return clusterOf(given.cluster);
}

/** Mistakes in a stack's configuration: how many, and one line for each. */
export class SettingsError extends Error {}

/**
 * Checks a stack's configuration and fills in the defaults.
 *
 * @throws {SettingsError} with one line for each mistake: the key, the value, and what is allowed
 */
export function parseSettings(config: StackConfig): Settings {
  const { given, mistakes } = judge(config);
  if (mistakes.length > 0)
    throw new SettingsError([`${mistakes.length} mistake(s) in the stack's configuration:`, ...mistakes].join("\n"));
  const { domain, size, cluster, loadBalancer, externalSecrets, certificate, reflector, services } = given;
  const baseDomain = baseDomainOf(given);
  const token = tokenOf(given);
  const vault = vaultOf(given, token);
  const issuer = issuerOf(given);
  return {
    domain,
    baseDomain,
    hosts: hostsOf(baseDomain),
    size,
    phase: vault?.kind === "installed" ? vault.phase : "complete",
    cluster: clusterOf(cluster),
    issuer,
    loadBalancer: loadBalancer && loadBalancerOf(loadBalancer, tagsOf(given)),
    records: recordsOf(given, baseDomain),
    vault,
    externalSecrets: { ...externalSecrets, install: externalSecrets.install && vault !== undefined },
    certificate,
    reflector,
    gateway: gatewayOf(given),
    charts: withPolicies(chartsOf(given), given, issuer, vault),
    services: servicesOf(services, baseDomain),
    tenancy: tenancyOf(given),
  };
}
