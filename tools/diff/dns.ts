import type { Change } from "./compare.ts";
import { briefly, code, codes, has, isKind, type Statement, type Story, word } from "./statement.ts";

const isToken = isKind("ApiToken");

/** DNS records and the token that writes challenges. */
export const dns = (story: Story): Statement[] => [...records(story), ...tokens(story)];

function records({ untold }: Story): Statement[] {
  const alike = new Map<string, Change[]>();
  const statements: Statement[] = [];
  for (const change of untold.take(isKind("DnsRecord"))) {
    const [was, is] = [change.before, change.after].map((it) => it && code(it.inputs.name));
    const type = word(change.resource.inputs.type);
    const risk = "Clients no longer find what is served under that name.";
    const changes = [change];
    if (is === undefined) statements.push({ text: `The ${type} record of ${was} is removed`, risk, changes });
    else if (was === undefined) statements.push({ text: `${is} will point to the load balancer's address`, changes });
    else if (was !== is)
      statements.push({ text: `The ${type} record of ${was} gives way to one of ${is}`, risk, changes });
    else alike.set(briefly(change.fields), [...(alike.get(briefly(change.fields)) ?? []), change]);
  }
  for (const [fields, changes] of alike) {
    const names = codes(changes.map(({ resource }) => resource.inputs.name));
    const isProxied = changes.some((change) => change.fields.some(({ path }) => path === "proxied"));
    const risk =
      "Where Cloudflare's proxy stands, Cloudflare's certificate must cover the names, and not this stack's.";
    statements.push({ text: `DNS of ${names}: ${fields}`, ...(isProxied && { risk }), changes });
  }
  return statements;
}

function tokens({ untold, before }: Story): Statement[] {
  const changes = untold.take((it, change) => isToken(it) && has(change, "added", "removed"));
  const [made, gone] = [changes.filter((it) => has(it, "added")), changes.filter((it) => has(it, "removed"))];
  const named = (list: Change[]) => codes(list.map(({ resource }) => resource.inputs.name));
  if (made.length > 0 && !before.some(isToken))
    return [{ text: `A DNS token for the one zone is made at Cloudflare: ${named(made)}`, changes }];
  if (made.length > 0) {
    const end = gone.length > 0 ? `, ${named(gone)} is deleted` : "";
    const text = `The DNS token is rotated: ${named(made)} is made at Cloudflare and handed to the cluster within the hour${end}`;
    return [{ text, changes }];
  }
  if (gone.length === 0) return [];
  const risk = "A cluster that still holds it can no longer renew the certificate.";
  return [{ text: `The DNS token ${named(gone)} is deleted at Cloudflare`, risk, changes }];
}
