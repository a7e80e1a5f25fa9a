import { textKeys } from "./schema.ts";

/** The project, whose name stands before each of its keys. */
export const PROJECT = "oke-platform";

/** What the engine hands to a program. */
export interface StackConfig {
  /** Values by full key, `oke-platform:<key>`; objects and lists as JSON text. */
  readonly values: Readonly<Record<string, string>>;
  /** The full keys that are secrets. */
  readonly secrets: readonly string[];
  /** Those of them that cannot be read here, and have `SEALED` as their value. @default - none */
  readonly sealed?: readonly string[];
}

/**
 * The values of a stack by their keys below `oke-platform:`. All but plain text is JSON; what is none stays text, so
 * that its own rule names it.
 */
export const valuesOf = ({ values }: StackConfig): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(values)
      .filter(([key]) => key.startsWith(`${PROJECT}:`))
      .map(([key, value]) => [key.slice(PROJECT.length + 1), value] as const)
      .map(([name, value]) => [name, textKeys.includes(name) ? value : fromJson(value)]),
  );

function fromJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
