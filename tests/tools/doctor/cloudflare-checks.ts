import { expect } from "vitest";
import { examineCloudflare } from "../../../tools/doctor/cloudflare.ts";
import type { Installed } from "../../../tools/doctor/cluster.ts";
import { type CloudflareState, record, startCloudflare } from "./cloudflare-stand-in.ts";
import { examination, type Raw, tokens, told } from "./examination.ts";

// What the doctor tells of a zone, and how it is when all is well.

export const env = { CLOUDFLARE_API_TOKEN: tokens.cloudflare };

export async function examine(state: CloudflareState, raw: Raw, installed?: Installed) {
  const url = await startCloudflare(state);
  const outcomes = await examineCloudflare(examination(raw, env), url, Promise.resolve(installed));
  expect(JSON.stringify(outcomes)).not.toContain(tokens.cloudflare);
  return told(outcomes);
}

export const healthy = {
  "cloudflare: token": "ok: active",
  "cloudflare: API tokens": "ok: may list permission groups",
  "cloudflare: zone": "ok: example.com is active",
  "cloudflare: records": "ok: none in the way",
  "cloudflare: challenge": "ok: neither alias nor delegation in its way",
  "cloudflare: CAA": "ok: none",
  "cloudflare: SSL mode": "skipped: cloudflare.proxied is false: visitors come directly",
};
export const checks = Object.keys(healthy);
export const caa = (name: string, tag: string, value: string) => ({
  ...record("CAA", name, `0 ${tag} "${value}"`),
  data: { flags: 0, tag, value },
});

/** How Cloudflare refuses a token that may not. */
export const unauthorized = "Cloudflare answers 403: Unauthorized to access requested resource (9109)";
