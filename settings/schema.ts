import * as v from "valibot";
import { acme, acmeEabHmacKey, acmeRules } from "./acme.ts";
import { certificate } from "./certificate.ts";
import { charts, chartsPassword, chartsRules } from "./charts.ts";
import { cloudflare, cloudflareApiToken, cloudflareRules } from "./cloudflare.ts";
import { cluster, clusterRules } from "./cluster.ts";
import { baseDomain, domain, domainRules } from "./domain.ts";
import { externalSecrets } from "./external-secrets.ts";
import { map } from "./fields.ts";
import { gateway, gatewayRules } from "./gateway.ts";
import { limitRules } from "./limits.ts";
import { loadBalancer, loadBalancerRules } from "./load-balancer.ts";
import { networkPolicies } from "./network-policies.ts";
import { reflector } from "./reflector.ts";
import type { Rule } from "./rule.ts";
import { services } from "./services.ts";
import { size } from "./size.ts";
import { definedTags, freeformTags, tagsRules } from "./tags.ts";
import { tenancy, tenancyRules } from "./tenancy.ts";
import { vault } from "./vault.ts";
import { vaultRules } from "./vault-rules.ts";

/** All that a stack may say, by its top-level keys. */
export const fields = {
  domain,
  baseDomain,
  cluster,
  size,
  acme,
  acmeEabHmacKey,
  loadBalancer,
  freeformTags,
  definedTags,
  cloudflare,
  cloudflareApiToken,
  vault,
  externalSecrets,
  certificate,
  reflector,
  gateway,
  networkPolicies,
  charts,
  chartsPassword,
  services,
  tenancy,
};

export const schema = map(fields);

/** What a stack says, where all of it is sound. */
export type Given = v.InferOutput<typeof schema>;

const keysOf = (holds: (field: v.GenericSchema) => boolean) =>
  Object.entries<v.GenericSchema>(fields)
    .filter(([, field]) => holds(field))
    .map(([key]) => key);

/** The settings that are plain text; all others are objects or lists, which Pulumi hands over as JSON. */
export const textKeys = keysOf(isText);

/** The settings that must be secrets; no other may be one. */
export const secretKeys = keysOf((field) => v.getMetadata(field).secret === true);

function isText(field: v.GenericSchema): boolean {
  if ("wrapped" in field) return isText(field.wrapped as v.GenericSchema);
  return field.type === "string" || field.type === "picklist";
}

/** The rules over several fields, but for those about each service, in the order in which they are asked. */
export const rules: readonly Rule<Given>[] = [
  // First: what an OKE cluster needs is told beside what is wrong with the cluster.
  ...loadBalancerRules,
  ...clusterRules,
  ...acmeRules,
  ...tagsRules,
  ...chartsRules,
  ...cloudflareRules,
  ...gatewayRules,
  ...tenancyRules,
  ...vaultRules,
  ...domainRules,
  ...limitRules,
];
