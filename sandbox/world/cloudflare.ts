import { type Item, Refusal, type Request } from "./state.ts";
import type { System, World } from "./world.ts";

// Cloudflare: a zone, its records, and the tokens that may change them.

/** Whether a token, by its digest, may edit the zone and list it. */
export function mayEditZone(world: World, tokenHash: string): boolean {
  const zone = world.items("Zone")[0];
  return world
    .items("ApiToken")
    .some(
      (token) =>
        token.spec.valueHash === tokenHash &&
        (token.spec.zones as string[]).includes(zone?.id ?? "") &&
        ["DNS Write", "Zone Read"].every((permission) => (token.spec.permissions as string[]).includes(permission)),
    );
}

/** Seconds from the write of a challenge record to the answer of the authoritative servers. */
const DNS = { usual: { least: 1, most: 8 }, rare: 25, rareChance: 0.02 };

/** How long it takes this time until a record that is written is answered. */
export function propagation(world: World): number {
  const { usual, rare, rareChance } = DNS;
  return world.random() < rareChance ? rare : usual.least + world.random() * (usual.most - usual.least);
}

/** Codes: https://developers.cloudflare.com/dns/manage-dns-records/troubleshooting/ */
function admitRecord(world: World, { name, spec }: Request): void {
  if (world.byId(spec.zoneId)?.kind !== "Zone")
    throw new Refusal(
      `7003: Could not route to /zones/${spec.zoneId}/dns_records, perhaps your object identifier is invalid?`,
    );
  const others = world
    .items("DnsRecord")
    .filter((other) => other.name !== name && other.spec.name === spec.name && other.spec.zoneId === spec.zoneId);
  const exclusive = ["A", "AAAA", "CNAME"];
  if (spec.type === "CNAME" && others.some((other) => exclusive.includes(other.spec.type as string)))
    throw new Refusal("81053: An A, AAAA, or CNAME record with that host already exists.");
  if (exclusive.includes(spec.type as string) && others.some((other) => other.spec.type === "CNAME"))
    throw new Refusal("81054: A CNAME record with that host already exists.");
  if (others.some((other) => other.spec.type === spec.type && other.spec.content === spec.content))
    throw new Refusal("81058: An identical record already exists.");
}

/** A token that is deleted while the cluster has no other. */
function tokenDeleted(world: World, { spec }: Item): void {
  for (const { namespace, name, spec: secret } of world.items("Secret")) {
    if (!Object.values((secret.data ?? {}) as Record<string, string>).includes(String(spec.valueHash))) continue;
    const violation = `Secret ${namespace}/${name} holds only a token that Cloudflare has deleted`;
    if (!world.state.violations.includes(violation)) world.state.violations.push(violation);
  }
}

export const cloudflare: System = {
  kinds: {
    Zone: {},
    DnsRecord: { seconds: 2, admit: admitRecord },
    ApiToken: { seconds: 1, sharesName: true, removed: tokenDeleted },
  },
};
