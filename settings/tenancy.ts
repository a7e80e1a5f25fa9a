import * as v from "valibot";
import type { CloudflareGiven } from "./cloudflare.ts";
import { kubernetesName, says, section } from "./fields.ts";
import type { Rule } from "./rule.ts";

const door = (sentence: string) =>
  says(
    sentence,
    v.optional(
      v.union(
        [v.literal("platform"), v.literal("all"), v.array(kubernetesName("a namespace"))],
        '"platform", "all", or a list of namespaces',
      ),
      "platform",
    ),
  );

export const tenancy = says(
  "Who, besides the platform, may use what is the platform's: platform for nobody, a list for these namespaces, all for every one. Each opening warns.",
  section({
    routes: door(
      "Who may route hosts below baseDomain through the Gateway beside services. These namespaces may take any host but those of services; all: any namespace any host, those of services too, and anybody's Gateway may select the gateway's pods.",
    ),
    certificates: door(
      "Who, beside cert-manager's own namespace, may have the program's ClusterIssuer sign certificates: of any name that it can prove, the platform's own among them.",
    ),
    secrets: door(
      "Who, beside cert-manager's own namespace, may use the ClusterSecretStore: for all that its role may read in Vault, the DNS token among it.",
    ),
  }),
);

/** The namespaces that something of the platform's is open to, each once and sorted; none where it is closed. */
export type Door = readonly string[] | "all";

/** Who, besides the platform itself, may use what is the platform's. */
export interface TenancySettings {
  /** Who may route hosts through the Gateway that `services` gives to nobody; with "all", its hosts too. */
  readonly routes: Door;
  /** Who may have the ClusterIssuer sign, beside cert-manager's namespace. */
  readonly certificates: Door;
  /** Who may use the ClusterSecretStore, beside cert-manager's namespace. */
  readonly secrets: Door;
}

interface TenancyGiven {
  readonly tenancy: v.InferOutput<typeof tenancy>;
}

export const tenancyRules: readonly Rule<TenancyGiven & CloudflareGiven>[] = [
  {
    key: "tenancy.secrets",
    reads: ["cloudflare.token"],
    when: ({ tenancy, cloudflare }) => cloudflare.token === "none" && tenancy.secrets !== "platform",
    allowed: '"platform" with cloudflare.token "none", where there is no store; remove it',
  },
];

const doorOf = (given: TenancyGiven["tenancy"]["routes"]): Door => {
  if (given === "all") return "all";
  return given === "platform" ? [] : [...new Set(given)].sort();
};

export const tenancyOf = ({ tenancy }: TenancyGiven): TenancySettings => ({
  routes: doorOf(tenancy.routes),
  certificates: doorOf(tenancy.certificates),
  secrets: doorOf(tenancy.secrets),
});

/** What every opening means. */
export function openings({ routes, certificates, secrets }: TenancySettings, baseDomain: string): string[] {
  const opened = (key: keyof TenancySettings, door: Door, some: string, all: string) => {
    if (door === "all") return [`tenancy.${key} is "all": ${all}`];
    return door.length > 0 ? [`tenancy.${key} is open to ${door.join(", ")}: ${some}`] : [];
  };
  return [
    ...opened(
      "routes",
      routes,
      `what they answer for any host below ${baseDomain} that services does not have is served under the platform's certificate`,
      `whoever may make a VirtualService can answer for every host below ${baseDomain}, those of services too, under the platform's certificate`,
    ),
    ...opened(
      "certificates",
      certificates,
      `they can have certificates of every name that the issuer can prove, ${baseDomain} and its wildcard among them`,
      `every namespace can have certificates of every name that the issuer can prove, ${baseDomain} and its wildcard among them`,
    ),
    ...opened(
      "secrets",
      secrets,
      "they can read all that the store's role may read in Vault, the DNS token among it",
      "every namespace can read all that the store's role may read in Vault, the DNS token among it",
    ),
  ];
}
