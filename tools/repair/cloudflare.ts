import { activeZone, type Zone } from "../../components/zone.ts";
import type { Answered, AskCloudflare } from "../lib/cloudflare-api.ts";
import { adopt, clear, type Finding, mend, tell } from "./findings.ts";
import type { LostCreate, StateResource } from "./state.ts";

// What a create at Cloudflare has left.

interface DnsRecord {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly content: string;
}

interface ApiToken {
  readonly id: string;
  readonly name: string;
}

/** The kinds that this looks for. */
export const RECORD = "cloudflare:index/dnsRecord:DnsRecord";
const TOKEN = "cloudflare:index/apiToken:ApiToken";

/** @param all of the state, whose objects are not what is looked for */
export async function findAtCloudflare(
  lost: LostCreate,
  all: readonly StateResource[],
  cloudflare: AskCloudflare,
): Promise<Finding> {
  const states = new Set(all.map(({ id }) => id));
  const { type, inputs = {} } = lost.resource;
  const isNew = ({ id }: { id: string }) => !states.has(id);
  if (type === TOKEN) return findToken(String(inputs.name), isNew, cloudflare);
  if (type !== RECORD) throw new Error(`this does not know how to look for ${type}`);
  const { zoneId, name, content } = inputs as Record<string, string>;
  const subject = `DNS record ${inputs.type} ${name}`;
  const there = (await recordsAt(zoneId ?? "", name ?? "", cloudflare)).filter(isNew);
  const ours = there.find((record) => record.type === inputs.type && record.content === content);
  return ours === undefined
    ? clear(subject, "is not there")
    : adopt(subject, { resource: lost.resource, id: `${zoneId}/${ours.id}`, outputs: {} });
}

/** A token shows its value once, to whoever makes it: one that was being made is good for nobody. */
async function findToken(
  name: string,
  isNew: (token: ApiToken) => boolean,
  cloudflare: AskCloudflare,
): Promise<Finding> {
  const subject = `Cloudflare token ${name}`;
  const left = (await tokens(cloudflare)).filter((token) => token.name === name && isNew(token));
  if (left.length === 0) return clear(subject, "is not there");
  return mend(
    subject,
    "is there, and its value is lost: a run was cut off while it made it",
    "it is deleted; the next up makes another",
    ...left.map(({ id }) => ({ do: "delete-token" as const, id })),
  );
}

/** A record that answers for a host in the place of the program's. */
export interface Rival {
  /** As the provider's import takes it. */
  readonly id: string;
  readonly type: string;
  readonly content: string;
}

/** What stands where the program would make a record. */
export async function rivalAt(
  { domain, name }: { domain: string; name: string },
  cloudflare: AskCloudflare,
): Promise<Rival | undefined> {
  const zone = activeZone(await answered(cloudflare<Zone[]>(`/zones?name=${encodeURIComponent(domain)}`)));
  if (zone === undefined) return undefined;
  const taken = (await recordsAt(zone.id, name, cloudflare)).find(({ type }) => ["A", "AAAA", "CNAME"].includes(type));
  return taken && { id: `${zone.id}/${taken.id}`, type: taken.type, content: taken.content };
}

export async function findRival(
  at: { domain: string; name: string },
  takeover: (id: string) => string,
  cloudflare: AskCloudflare,
): Promise<Finding | undefined> {
  const taken = await rivalAt(at, cloudflare);
  if (taken === undefined) return undefined;
  const remove = "delete it at Cloudflare";
  return tell(
    `DNS record ${taken.type} ${at.name}`,
    `is there, to ${taken.content}, and no run is known to have been cut off in it`,
    taken.type === "A" ? `${remove}, or ${takeover(taken.id)}` : `${remove}; an A record cannot be made of it`,
  );
}

const recordsAt = (zone: string, name: string, cloudflare: AskCloudflare) =>
  answered(cloudflare<DnsRecord[]>(`/zones/${zone}/dns_records?name.exact=${encodeURIComponent(name)}&per_page=100`));

/** Tokens of a page: https://developers.cloudflare.com/api/resources/user/subresources/tokens/methods/list/ */
const PAGE = 50;

async function tokens(cloudflare: AskCloudflare): Promise<ApiToken[]> {
  const all: ApiToken[] = [];
  for (let page = 1; ; page++) {
    const more = await answered(cloudflare<ApiToken[]>(`/user/tokens?page=${page}&per_page=${PAGE}`));
    all.push(...more);
    if (more.length < PAGE) return all;
  }
}

export const deleteToken = (id: string, cloudflare: AskCloudflare): Promise<unknown> =>
  answered(cloudflare(`/user/tokens/${id}`, "DELETE"));

async function answered<T>(answer: Promise<Answered<T>>): Promise<T> {
  const given = await answer;
  if ("refusal" in given) throw new Error(given.refusal);
  return given.result;
}
