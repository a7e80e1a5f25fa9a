/** What the engine hands to a program. */
export interface StackConfig {
  /** Values by full key, `oke-platform:<key>`; objects and lists as JSON text. */
  readonly values: Readonly<Record<string, string>>;
  /** The full keys that are secrets. */
  readonly secrets: readonly string[];
  /** Secrets among them whose value cannot be read here, for want of the passphrase; it is then `[secret]`. */
  readonly sealed?: readonly string[];
}
