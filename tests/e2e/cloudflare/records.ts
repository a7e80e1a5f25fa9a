import { randomUUID } from "node:crypto";

// The zone's records, and what Cloudflare refuses of them.

/** A record as the API shows it. */
export interface DnsRecord {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly content: string;
  readonly ttl: number;
  readonly proxied: boolean;
  readonly comment: string | null;
  readonly tags: string[];
  readonly created_on: string;
  readonly modified_on: string;
}

/** What Cloudflare refuses. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: number;

  constructor(status: number, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Names are compared without case, as DNS does. */
export const isSame = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

export const isWithin = (name: string, zone: string) => `.${name.toLowerCase()}`.endsWith(`.${zone.toLowerCase()}`);

const TYPES = ["A", "AAAA", "CNAME", "TXT"];

/** Makes a record, or writes one anew in its place. */
export function write(zone: string, records: DnsRecord[], wanted: object, before?: DnsRecord): DnsRecord {
  const { name = "", type = "", content = "", ttl = 1, ...more } = wanted as Partial<DnsRecord>;
  if (!isWithin(name, zone) || !TYPES.includes(type) || content === "")
    throw new Refusal(400, 9005, `DNS Validation Error: name ${name}, type ${type}, content ${content}`);
  const isTaken = records.some(
    (it) => it !== before && isSame(it.name, name) && it.type === type && it.content === content,
  );
  if (isTaken) throw new Refusal(400, 81_058, "An identical record already exists.");
  const now = new Date().toISOString();
  const record: DnsRecord = {
    id: before?.id ?? randomUUID().replaceAll("-", ""),
    name,
    type,
    content,
    ttl,
    proxied: more.proxied ?? false,
    comment: more.comment ?? null,
    tags: more.tags ?? [],
    created_on: before?.created_on ?? now,
    modified_on: now,
  };
  if (before === undefined) records.push(record);
  else records[records.indexOf(before)] = record;
  return record;
}
