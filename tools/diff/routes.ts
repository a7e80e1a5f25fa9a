import { ROUTE_INPUTS, type RoutedHost, routeOf } from "../../components/routes.ts";
import type { Registration } from "../../project/record.ts";
import { same } from "../../project/registration.ts";
import { type Change, isUnder } from "./compare.ts";
import { code, has, isKind, type Statement, type Story } from "./statement.ts";

const isRoute = isKind("VirtualService");

/** Hosts and where they go. */
export function routes({ untold, before, after }: Story): Statement[] {
  const [old, now] = [routed(before), routed(after)];
  const changes = untold.take(isRoute, (path) => isUnder(path, ...ROUTE_INPUTS));
  const told = new Set<Change>();
  return [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((host) => {
    const mine = changes.filter((change) => sidesOf(change).some((route) => route.host === host));
    if (mine.length === 0 || mine.every((change) => told.has(change))) return [];
    for (const change of mine) told.add(change);
    const renamed = renamedIn(mine);
    const isRenamed = renamed && !now.has(renamed.from.host) && !old.has(renamed.into.host);
    return [{ ...(isRenamed ? renaming(renamed) : sentence(host, old.get(host), now.get(host), mine)), changes: mine }];
  });
}

const routed = (registrations: readonly Registration[]) =>
  new Map(registrations.filter(isRoute).map(({ inputs }) => [routeOf(inputs).host, routeOf(inputs)]));

const sidesOf = ({ before, after }: Change) => [before, after].flatMap((side) => (side ? [routeOf(side.inputs)] : []));

/** The same VirtualService may give up one host for another. */
function renamedIn(changes: readonly Change[]): { from: RoutedHost; into: RoutedHost } | undefined {
  const pairs = changes.map(sidesOf).flatMap(([from, into]) => (from && into ? [{ from, into }] : []));
  return pairs.find(({ from, into }) => from.host !== into.host);
}

const to = ({ service, port, namespace }: RoutedHost) => `${code(`${service}:${port}`)} in ${code(namespace)}`;

const renaming = ({ from, into }: { from: RoutedHost; into: RoutedHost }) => ({
  text: `${code(into.host)} will be routed to ${to(into)}, and ${code(from.host)} no longer`,
  risk: `Clients of ${code(from.host)} get 404 from then on.`,
});

function sentence(host: string, was: RoutedHost | undefined, is: RoutedHost | undefined, changes: Change[]) {
  if (is === undefined) {
    const text = `${code(host)} will no longer be routed${was ? `; today it goes to ${to(was)}` : ""}`;
    return { text, risk: "Its clients get 404 from then on." };
  }
  if (was === undefined) return { text: `${code(host)} will be routed to ${to(is)}` };
  const text = same(was, is)
    ? `${code(host)} stays with ${to(is)}`
    : `${code(host)} will be routed to ${to(is)} instead of ${to(was)}`;
  const isMoved = changes.some((change) => has(change, "replaced", "removed"));
  const risk = "It becomes another VirtualService, and the one that answers today is deleted.";
  return { text, ...(isMoved && { risk }) };
}
