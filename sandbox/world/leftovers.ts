import { isStolen } from "./attackers.ts";
import { emptyWorld } from "./beginnings.ts";
import type { Item, State } from "./state.ts";

/** A controller's own, which no uninstallation takes, and nobody asks after. */
const LEASE = "Lease ";

/** What a destroy leaves because it is dear to get again, or may hold what others have put there. */
const KEPT = [
  "Namespace /cert-manager",
  "Secret cert-manager/",
  "PublicIp ",
  ...["Namespace /vault", "Secret vault/", "PersistentVolumeClaim vault/", "Vault ", "KmsVault ", "Key "],
  LEASE,
  ...["Mount ", "AuthBackend ", "AuthBackendConfig "],
];

/** What its chart has Helm keep. */
const isKeptByHelm = ({ spec }: Item) =>
  (spec.annotations as Record<string, string> | undefined)?.["helm.sh/resource-policy"] === "keep";

/** What is there that was not before, but for leases and what attackers made, sorted; the definitions of a group as one. */
export function remains({ items }: State, before: State["items"] = emptyWorld().items): string[] {
  const inGroups = (key: string) => key.replace(/^(CustomResourceDefinition )\/[^.]*/, "$1*");
  return [
    ...new Set(
      Object.keys(items)
        .filter((key) => !(key in before) && !key.startsWith(LEASE) && !isStolen(key))
        .map(inGroups),
    ),
  ].sort();
}

/** What is there after a destroy that was not before, and that nothing asked to keep. */
export function leftovers({ items }: State, before: State["items"] = emptyWorld().items): string[] {
  const kept = (key: string) => isStolen(key) || KEPT.some((start) => key.startsWith(start));
  return Object.entries(items).flatMap(([key, item]) =>
    key in before || kept(key) || isKeptByHelm(item) ? [] : [key],
  );
}
