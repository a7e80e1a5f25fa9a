import { isExposed } from "./addresses.ts";
import type { ChartsSettings } from "./charts.ts";
import { isEverybody } from "./cidr.ts";
import type { Settings } from "./settings.ts";
import { supportWarnings } from "./support.ts";
import { openings } from "./tenancy.ts";

/**
 * What an operator should know before these settings are applied; none of it stops an `up`.
 *
 * @param today the date that support windows are compared with
 */
export function warnings(settings: Settings, today: Date): string[] {
  const { reflector, vault, records, charts, domain, baseDomain, loadBalancer, tenancy } = settings;
  const expiresDays = vault?.token.kind === "scoped" ? vault.token.expiresDays : undefined;
  const notes: [applies: boolean, note: string][] = [
    [
      reflector.namespaces === "all",
      'reflector.namespaces is "all": the certificate\'s private key is copied into every namespace',
    ],
    [
      expiresDays !== undefined,
      `cloudflare.tokenExpiresDays is ${expiresDays}: raise cloudflare.tokenSerial and run up before then, or renewals stop`,
    ],
    [
      vault?.kind === "installed" && vault.phase === "bootstrap",
      "vault.initialized is false: phase 1 of 2, Vault is installed and what needs it waits (on a running stack this takes certificate and Gateway down); after this up: npm run vault:init -- --stack <stack> --keys-file <file>",
    ],
    [
      records?.proxied === true && baseDomain !== domain,
      `cloudflare.proxied is true: Cloudflare's own certificate covers *.${domain} only; *.${baseDomain} needs a paid edge certificate`,
    ],
    [
      records?.proxied === true && isEverybody(loadBalancer?.allowedCidrs ?? []),
      "cloudflare.proxied is true and loadBalancer.allowedCidrs lets everybody in: who finds the address out goes past Cloudflare, and all that it keeps away; allow its ranges alone, https://www.cloudflare.com/ips/",
    ],
  ];
  return [
    ...(vault === undefined ? [] : vaultInClear(vault)),
    ...chartsInClear(charts),
    ...notes.filter(([applies]) => applies).map(([, note]) => note),
    ...openings(tenancy, baseDomain),
    ...supportWarnings({ certManager: charts.certManager.version, istio: charts.istio.version }, today),
  ];
}

const IN_CLEAR = "in plain HTTP, which whoever is on the way can read and answer";

const vaultInClear = ({ address, clusterAddress }: NonNullable<Settings["vault"]>) =>
  [
    { key: "vault.address", address, what: "the run's token and the DNS token go there", service: "" },
    {
      key: "vault.clusterAddress",
      address: clusterAddress,
      what: "External Secrets logs in and reads the DNS token there",
      service: ", or its name with .svc where it is a Service of the cluster",
    },
  ]
    .filter((it) => isExposed(it.address))
    .map((it) => `${it.key} is ${it.address}: ${it.what} ${IN_CLEAR}; use https${it.service}`);

/** Of each such source, since most have all charts from one. */
function chartsInClear(charts: ChartsSettings): string[] {
  const sources = Map.groupBy(Object.entries(charts), ([, { repo }]) => repo);
  return [...sources]
    .filter(([repo]) => isExposed(repo))
    .map(
      ([repo, of]) =>
        `charts of ${of.map(([name]) => name).join(", ")} come from ${repo} ${IN_CLEAR}, with what then runs in the cluster; use https or oci`,
    );
}
