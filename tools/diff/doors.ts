import { ROUTE_POLICY } from "../../components/route-policy.ts";
import { isGatewayHosts } from "../../components/tls-gateway.ts";
import { valueAt } from "../../project/registration.ts";
import type { Change } from "./compare.ts";
import { code, codes, isKind, type Statement, type Story } from "./statement.ts";

/** Who may have which host, after everything that says so itself. */
export function doors({ untold }: Story): Statement[] {
  const tables = untold.take(
    (it, { before, after }) =>
      valueAt(it.inputs, "metadata.name") === ROUTE_POLICY && before !== undefined && after !== undefined,
    (path) => /^spec\.(variables|validations)\b/.test(path),
  );
  const served = untold.take(
    (it, { before, after }) => isKind("Gateway")(it) && before !== undefined && after !== undefined,
    isGatewayHosts,
  );
  return [
    ...tables.map((change) => ({
      text: `The API server's table of who may have which host follows, in policy ${code(ROUTE_POLICY)}`,
      changes: [change],
    })),
    ...served.map((change) => ({ text: namespacesOf(change), changes: [change] })),
  ];
}

/** Whose hosts the Gateway serves, in words. */
function namespacesOf({ fields }: Change): string {
  const of = (hosts: unknown) => ((hosts ?? []) as string[]).map((host) => host.replace(/\/?[^/]*$/, ""));
  const gained = fields.flatMap(({ before, after }) => of(after).filter((it) => !of(before).includes(it)));
  const lost = fields.flatMap(({ before, after }) => of(before).filter((it) => !of(after).includes(it)));
  const parts = [
    ...(gained.length > 0 ? [`serves routes of ${named(gained)} too`] : []),
    ...(lost.length > 0 ? [`serves routes of ${named(lost)} no longer`] : []),
  ];
  return `The Gateway ${parts.join(", and ") || "serves the same namespaces, in another way"}`;
}

const named = (namespaces: readonly string[]) =>
  codes([...new Set(namespaces)].map((namespace) => (namespace === "" ? "every namespace" : namespace)));
