import { emptyWorld } from "./beginnings.ts";
import type { State } from "./state.ts";

/** What a destroy leaves because it is dear to get again, or may hold what others have put there. */
const KEPT = [
  "Namespace /cert-manager",
  "Secret cert-manager/",
  "PublicIp ",
  ...["Namespace /vault", "Secret vault/", "PersistentVolumeClaim vault/", "Vault ", "KmsVault ", "Key "],
  ...["Mount ", "AuthBackend ", "AuthBackendConfig "],
];

/** What is there after a destroy that was not before, and that nothing asked to keep. */
export function leftovers({ items }: State, before: State["items"] = emptyWorld().items): string[] {
  const kept = (key: string) => KEPT.some((start) => key.startsWith(start));
  return Object.keys(items).filter((key) => !(key in before) && !kept(key));
}
