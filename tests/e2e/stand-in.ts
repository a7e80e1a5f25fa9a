import { once } from "node:events";
import { request } from "node:https";
import { json } from "node:stream/consumers";
import { beforeAll, beforeEach } from "vitest";
import { issue, newIssuer } from "../servers.ts";
import { type StandIn, type StandInOptions, startStandIn } from "./cloudflare.ts";

// Cloudflare's stand-in by the calls of those who will use it: cert-manager, the provider, Pebble.

export const ZONE = "platform.test";
export const NAME = "_acme-challenge.cluster.platform.test";
export const TOKEN = "0123456789abcdef0123456789abcdef01234567";

let root: string;
export let options: StandInOptions;
export let standIn: StandIn;

/** Starts an empty stand-in for each test of the file. */
export function setUpStandIn(): void {
  beforeAll(async () => {
    const issuer = await newIssuer("e2e");
    root = issuer.root;
    options = { zone: ZONE, token: TOKEN, tls: await issue(issuer, ["api.cloudflare.com"]) };
  });
  beforeEach(async () => {
    standIn = await startStandIn(options);
    return () => standIn.close();
  });
}

interface Reply {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the API answers is compared as a whole.
  readonly body: any;
}

/** A call as cert-manager makes it: by Cloudflare's name, and the CA that was mounted. */
export async function call(method: string, path: string, body?: object, token = TOKEN, { https } = standIn.ports) {
  const outgoing = request({
    host: "127.0.0.1",
    port: https,
    servername: "api.cloudflare.com",
    ca: root,
    agent: false,
    method,
    path: `/client/v4${path}`,
    headers: { authorization: `Bearer ${token}` },
  });
  outgoing.end(body && JSON.stringify(body));
  const [response] = await once(outgoing, "response");
  return { status: response.statusCode, body: await json(response) } as Reply;
}

/** Path of the records. */
export const records = (more = "") => `/zones/${standIn.zoneId}/dns_records${more}`;
export const txt = (content: string, name = NAME) => ({ type: "TXT", name, content, ttl: 60 });
/** Writes a record. */
export const made = async (record: object) => (await call("POST", records(), record)).body.result;
