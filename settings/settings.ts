import { parseSettings as parseOld } from "../config.ts";
import type { IssuerSettings } from "./acme.ts";
import type { ChartsSettings } from "./charts.ts";
import type { RecordsSettings, TokenSettings } from "./cloudflare.ts";
import type { Cluster } from "./cluster.ts";
import type { StackConfig } from "./config.ts";
import type { ExternalSecretsSettings } from "./external-secrets.ts";
import type { GatewaySettings } from "./gateway.ts";
import type { Firewall, LoadBalancerSettings } from "./load-balancer.ts";
import type { ReflectorSettings } from "./reflector.ts";
import type { Service } from "./services.ts";
import type { Size } from "./size.ts";
import type { Phase, VaultSettings } from "./vault.ts";
import type { SecretKey, VaultLogin } from "./vault-login.ts";

/** What a stack asks for: every default filled in, every rule kept. */
export interface Settings {
  /** The Cloudflare zone. */
  readonly domain: string;
  /** What the wildcard certificate covers: this name and one label below it. */
  readonly baseDomain: string;
  /** DNS names of the certificate, and hosts of the gateway. */
  readonly hosts: readonly string[];
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
  readonly reflector: ReflectorSettings;
  readonly gateway: GatewaySettings;
  readonly charts: ChartsSettings;
  readonly services: readonly Service[];
}

/** Mistakes in a stack's configuration: how many, and one line for each. */
export class SettingsError extends Error {}

/**
 * Checks a stack's configuration and fills in the defaults.
 *
 * @throws {SettingsError} with one line for each mistake: the key, the value, and what is allowed
 */
export function parseSettings(config: StackConfig): Settings {
  const raw: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(config.values))
    if (key.startsWith("oke-platform:")) raw[key.slice(13)] = /^[[{]/.test(value) ? JSON.parse(value) : value;
  let old: ReturnType<typeof parseOld>;
  try {
    old = parseOld(raw, (key) => config.secrets.includes(`oke-platform:${key}`));
  } catch (error) {
    throw new SettingsError((error as Error).message);
  }
  const { cloudflare, loadBalancer, externalSecrets } = old;
  const token: TokenSettings =
    cloudflare.token === "supplied"
      ? { kind: "supplied", value: old.cloudflareApiToken as string }
      : { kind: "scoped", serial: cloudflare.tokenSerial, expiresDays: cloudflare.tokenExpiresDays };
  let vault: VaultSettings | undefined;
  if (old.vault !== undefined && cloudflare.token !== "none") {
    const { auth, install, initialized, kmsVaultId, kmsKeyId, access, ...rest } = old.vault;
    const login: VaultLogin =
      auth.method === "kubernetes"
        ? {
            method: "kubernetes",
            path: rest.authPath,
            role: rest.role,
            serviceAccount: { name: externalSecrets.serviceAccount, namespace: externalSecrets.namespace },
          }
        : auth.method === "token"
          ? { method: "token", secret: auth.secret as SecretKey }
          : {
              method: "appRole",
              path: auth.path ?? "approle",
              roleId: auth.roleId as string,
              secret: auth.secret as SecretKey,
            };
    const common = { ...rest, access: access as "existing" | "managed", login, token };
    vault = install
      ? {
          ...common,
          kind: "installed",
          phase: initialized ? "complete" : "bootstrap",
          tls: old.size === "production",
          ...((old.size === "production" || kmsVaultId !== undefined) && {
            seal: { vaultId: kmsVaultId, keyId: kmsKeyId, compartmentId: loadBalancer?.compartmentId },
          }),
        }
      : { ...common, kind: "there" };
  }
  let balanced: LoadBalancerSettings | undefined;
  if (loadBalancer) {
    const { rules, nodeNsgId, vcnId, internal, reservedIp, ...rest } = loadBalancer;
    balanced = {
      ...rest,
      firewall: { rules, ...(rules !== "SL-All" && { nodeNsgId }), ...(rules === "None" && { vcnId }) } as Firewall,
      address: internal ? { kind: "internal" } : { kind: "reserved", id: reservedIp },
    };
  }
  return {
    domain: old.domain,
    baseDomain: old.baseDomain,
    hosts: old.hosts,
    size: old.size,
    phase: vault?.kind === "installed" ? vault.phase : "complete",
    cluster: old.cluster,
    issuer: old.acme === undefined ? { kind: "ca" } : { kind: "acme", ...old.acme },
    loadBalancer: balanced,
    records:
      loadBalancer && cloudflare.token !== "none"
        ? {
            zone: old.domain,
            baseDomain: old.baseDomain,
            proxied: cloudflare.proxied,
            ttlSeconds: cloudflare.ttlSeconds,
          }
        : undefined,
    vault,
    externalSecrets: { ...externalSecrets, install: externalSecrets.install && vault !== undefined },
    reflector: old.reflector,
    gateway: { ...old.gateway, serviceType: old.gateway.serviceType ?? (loadBalancer ? "LoadBalancer" : "ClusterIP") },
    charts: old.charts,
    services: old.services,
  };
}
