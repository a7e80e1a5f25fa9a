import { answering, type Call, type Reply } from "../../loopback.ts";
import { tokens } from "./examination.ts";
import { ADDRESS } from "./oci-stand-in.ts";

// Cloudflare's API as the doctor asks it, refusals included.

/** A DNS record, as Cloudflare tells of it. */
export interface CloudflareRecord {
  id: string;
  type: string;
  name: string;
  content: string;
  data?: { flags: number; tag: string; value: string };
}

/** How Cloudflare is; a test plants its fault here. */
export interface CloudflareState {
  /** What the token is; undefined: Cloudflare does not know it. */
  status: string | undefined;
  zoneStatus: string;
  zones: string[];
  /** Accounts that have a zone of the name too, with its status there; they come first. */
  elsewhere: { name: string; status: string }[];
  sslMode: string;
  records: CloudflareRecord[];
  groups: { id: string; name: string; scopes: string[] }[];
  /** Paths that the token may not ask. */
  forbidden: RegExp | undefined;
}

/** A record of the zone. */
export const record = (type: string, name: string, content: string): CloudflareRecord => ({
  id: `${type}-${name}`,
  type,
  name,
  content,
});

/** Before the first `up`, all well. */
export const freshZone = (): CloudflareState => ({
  status: "active",
  zoneStatus: "active",
  zones: ["example.com"],
  elsewhere: [],
  sslMode: "flexible",
  records: [record("A", "www.example.com", "198.51.100.7"), record("TXT", "cluster.example.com", '"v=spf1 -all"')],
  groups: [
    { id: "g1", name: "DNS Write", scopes: ["com.cloudflare.api.account.zone"] },
    { id: "g2", name: "Zone Read", scopes: ["com.cloudflare.api.account.zone"] },
  ],
  forbidden: undefined,
});

/** After an `up`, all well. */
export function runningZone(): CloudflareState {
  const zone = freshZone();
  for (const host of ["*.cluster.example.com", "cluster.example.com"]) zone.records.push(record("A", host, ADDRESS));
  return zone;
}

/** Starts Cloudflare's API. */
export const startCloudflare = (state: CloudflareState): Promise<string> => answering((call) => answer(state, call));

function answer(state: CloudflareState, { url, request }: Call): Reply {
  const refuse = (status: number, code: number, message: string): Reply => ({
    status,
    body: { success: false, errors: [{ code, message }], messages: [], result: null },
  });
  const result = (result: unknown): Reply => ({ body: { result, success: true, errors: [], messages: [] } });
  const path = url.pathname;
  const exact = url.searchParams.get("name.exact");
  const type = url.searchParams.get("type");
  if (request.headers.authorization !== `Bearer ${tokens.cloudflare}`)
    return refuse(400, 6003, "Invalid request headers");
  if (state.forbidden?.test(path)) return refuse(403, 9109, "Unauthorized to access requested resource");
  if (path === "/user/tokens/verify")
    return state.status === undefined
      ? refuse(401, 1000, "Invalid API Token")
      : result({ id: "238a33976d2cf7dfba07e9951ddad1cf", status: state.status });
  if (path === "/user/tokens/permission_groups") return result(state.groups);
  if (path === "/zones") {
    const zones = state.zones.filter((name) => name === url.searchParams.get("name"));
    const all = zones.flatMap((name) => [
      ...state.elsewhere.map((account) => ({ id: "another", name, status: account.status, account })),
      { id: "zone-id", name, status: state.zoneStatus, paused: false, account: { name: "ours" } },
    ]);
    return result(all);
  }
  if (path === "/zones/zone-id/settings/ssl") return result({ id: "ssl", editable: true, value: state.sslMode });
  if (path === "/zones/zone-id/dns_records")
    return result(
      state.records.filter(
        (record) => (exact === null || record.name === exact) && (type === null || record.type === type),
      ),
    );
  return refuse(404, 7003, `Could not route to ${path}`);
}
