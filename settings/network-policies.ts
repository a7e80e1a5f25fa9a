import * as v from "valibot";
import type { IssuerSettings } from "./acme.ts";
import type { ChartsSettings } from "./charts.ts";
import { flag, says } from "./fields.ts";
import type { Reach } from "./reach.ts";
import type { VaultSettings } from "./vault.ts";

export const networkPolicies = says(
  "The charts' own NetworkPolicies: cert-manager reaches DNS, the API server, port 443 and the ACME server's; External Secrets the same and Vault, and no other store of yours that is elsewhere; Istio's (from 1.28) and an installed Vault's pods are reached at their own ports alone. Reflector's chart has none. OKE enforces them only with a policy engine such as Calico or Cilium.",
  v.optional(flag, false),
);

const NOWHERE: Reach = { ports: [], namespaces: [] };

/** The port of a URL, also where it is its scheme's own. */
const portOf = ({ port, protocol }: URL) => Number(port) || (protocol === "http:" ? 80 : 443);

const toIssuer = (issuer: IssuerSettings): Reach =>
  issuer.kind === "ca" ? NOWHERE : { ...NOWHERE, ports: [portOf(new URL(issuer.directory))] };

/**
 * By its URL's port, and in this cluster by its namespace: a policy sees the port of Vault's pods, which need not be that of
 * their Service.
 */
function toVault(vault: VaultSettings | undefined): Reach {
  if (vault === undefined) return NOWHERE;
  const url = new URL(vault.clusterAddress);
  const [, namespace] = /^[^.]+\.([^.]+)(?:\.svc(?:\..*)?)?$/.exec(url.hostname) ?? [];
  return { ports: [portOf(url)], namespaces: namespace === undefined ? [] : [namespace] };
}

/** The charts, with what each one's pods must reach where its policies are asked for. */
export const withPolicies = (
  charts: ChartsSettings,
  { networkPolicies: asked }: { readonly networkPolicies: boolean },
  issuer: IssuerSettings,
  vault: VaultSettings | undefined,
): ChartsSettings =>
  asked
    ? {
        ...charts,
        certManager: { ...charts.certManager, reach: toIssuer(issuer) },
        istio: { ...charts.istio, reach: NOWHERE },
        externalSecrets: { ...charts.externalSecrets, reach: toVault(vault) },
        vault: { ...charts.vault, reach: NOWHERE },
      }
    : charts;
