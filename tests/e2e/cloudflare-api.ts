import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";

// The API of Cloudflare's stand-in, as far as this project, its provider and cert-manager call it:
// https://developers.cloudflare.com/api/

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
class Refusal extends Error {
  readonly status: number;
  readonly code: number;

  constructor(status: number, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const BASE = "/client/v4";
/** Id of the zone. */
export const ZONE_ID = "e2e0000000000000000000000000000e";
const ACCOUNT = { id: "e2e0000000000000000000000000000a", name: "e2e" };

/**
 * The groups that a token for cert-manager is made of; the ids are those of
 * https://developers.cloudflare.com/fundamentals/api/reference/permissions/
 */
const PERMISSION_GROUPS = [
  ["4755a26eedb94da69e1066d98aa820be", "DNS Write"],
  ["82e64a83756745bbbb1c9c2701bf816b", "DNS Read"],
  ["c8fed203ed3043cba015a93ad1616f1f", "Zone Read"],
].map(([id, name]) => ({ id, name, scopes: ["com.cloudflare.api.account.zone"] }));

/** Names are compared without case, as DNS does. */
export const isSame = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

/** Whether a name is the zone or below it. */
export const isWithin = (name: string, zone: string) => `.${name.toLowerCase()}`.endsWith(`.${zone.toLowerCase()}`);

/** Answers one call: of the zone, with the one token that is good, on records that it changes. */
export async function answer(
  { zone, token }: { readonly zone: string; readonly token: string },
  records: DnsRecord[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const send = (status: number, body: object) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };
  try {
    const body = await text(request);
    if (request.headers.authorization !== `Bearer ${token}`) throw new Refusal(403, 9109, "Invalid access token");
    const found = route(zone, records, request, body);
    // All is on the first page. A client that asks until a page is empty finds the second so.
    const isBeyond = Number(new URL(request.url ?? "", "http://api").searchParams.get("page") ?? 1) > 1;
    const list = Array.isArray(found) && {
      ...(isBeyond && { result: [] }),
      result_info: {
        page: 1,
        per_page: Math.max(found.length, 1),
        count: found.length,
        total_count: found.length,
        total_pages: 1,
      },
    };
    send(200, { success: true, errors: [], messages: [], result: found, ...list });
  } catch (error) {
    const { status, code, message } = error instanceof Refusal ? error : new Refusal(500, 10_000, String(error));
    send(status, { success: false, errors: [{ code, message }], messages: [], result: null });
  }
}

function route(zone: string, records: DnsRecord[], { method = "", url = "" }: IncomingMessage, body: string) {
  const { pathname, searchParams: query } = new URL(url, "http://api");
  const nowhere = new Refusal(
    404,
    7003,
    `Could not route to ${pathname}, perhaps your object identifier is invalid? (${method})`,
  );
  if (!pathname.startsWith(`${BASE}/`)) throw nowhere;
  const [kind, id, part, recordId, ...rest] = pathname.slice(BASE.length + 1).split("/");
  if (rest.length > 0) throw nowhere;
  const read = method === "GET";
  switch (`${kind}/${part ?? ""}`) {
    case "user/verify":
      if (!read || id !== "tokens") throw nowhere;
      return { id: "e2e0000000000000000000000000000d", status: "active" };
    case "user/permission_groups":
      if (!read || id !== "tokens") throw nowhere;
      return PERMISSION_GROUPS.filter(({ name, scopes }) => {
        const [asked, scope] = [query.get("name"), query.get("scope")];
        return (asked === null || asked === name) && (scope === null || scopes.includes(scope));
      });
    case "zones/": {
      if (!read) throw nowhere;
      const found = {
        id: ZONE_ID,
        name: zone,
        status: "active",
        paused: false,
        type: "full",
        development_mode: 0,
        account: ACCOUNT,
        owner: { id: null, type: "user", email: null },
        name_servers: [`ns.${zone}`],
        original_name_servers: [],
        created_on: "2026-01-01T00:00:00Z",
        modified_on: "2026-01-01T00:00:00Z",
        activated_on: "2026-01-01T00:00:00Z",
      };
      if (id === undefined) return query.has("name") && !isSame(query.get("name") ?? "", zone) ? [] : [found];
      if (id !== ZONE_ID) throw nowhere;
      return found;
    }
    case "zones/dns_records": {
      if (id !== ZONE_ID) throw nowhere;
      if (recordId === undefined) {
        if (method === "POST") return write(zone, records, parsed(body));
        if (!read) throw nowhere;
        const wanted = (field: "name" | "type" | "content") => query.get(`${field}.exact`) ?? query.get(field);
        return records.filter((record) =>
          (["name", "type", "content"] as const).every((field) => {
            const value = wanted(field);
            return value === null || (field === "name" ? isSame(value, record.name) : value === record[field]);
          }),
        );
      }
      const index = records.findIndex((record) => record.id === recordId);
      const record = records[index];
      if (record === undefined) throw new Refusal(404, 81_044, "Record does not exist.");
      switch (method) {
        case "GET":
          return record;
        case "PUT":
          return write(zone, records, parsed(body), record);
        case "PATCH":
          return write(zone, records, { ...record, ...parsed(body) }, record);
        case "DELETE":
          records.splice(index, 1);
          return { id: recordId };
        default:
          throw nowhere;
      }
    }
    default:
      throw nowhere;
  }
}

function parsed(body: string): object {
  try {
    return JSON.parse(body);
  } catch {
    throw new Refusal(400, 9207, "Request body is invalid.");
  }
}

const TYPES = ["A", "AAAA", "CNAME", "TXT"];

/** Makes a record, or writes one anew in its place. */
function write(zone: string, records: DnsRecord[], wanted: object, before?: DnsRecord): DnsRecord {
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
