/** The DNS token: given, or made by the program for the one zone. */
export type TokenSettings =
  | { readonly kind: "supplied"; readonly value: string }
  | { readonly kind: "scoped"; readonly serial: number; readonly expiresDays?: number | undefined };

/** The A records of the platform. */
export interface RecordsSettings {
  /** The Cloudflare zone. */
  readonly zone: string;
  readonly baseDomain: string;
  readonly proxied: boolean;
  readonly ttlSeconds: number;
}
