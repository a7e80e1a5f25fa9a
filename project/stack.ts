import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { examples } from "./placeholders.ts";

/** Where the project's own files are. */
export const projectDirectory = fileURLToPath(new URL("..", import.meta.url));

/** A stack's configuration as the engine hands it to the program. */
export interface StackConfig {
  /** Values by full key; objects and lists as JSON. */
  readonly values: Record<string, string>;
  /** The full keys that are secrets. */
  readonly secrets: string[];
}

/**
 * Reads `Pulumi.<stack>.yaml`.
 *
 * A secret of the file stays unread, for want of the passphrase: it becomes "[secret]".
 *
 * @param placeholders what stands in the place of the shipped examples' `<…>`
 * @throws when there is no such file, naming those that there are
 */
export async function readStack(
  stack: string,
  directory = projectDirectory,
  placeholders: Readonly<Record<string, string>> = examples,
): Promise<StackConfig> {
  const file = `Pulumi.${stack}.yaml`;
  const source = await readFile(`${directory}/${file}`, "utf8").catch(() => {
    throw new Error(`${file} is not in ${directory}; a stack is named by its file, prod by Pulumi.prod.yaml`);
  });
  return parseStack(source, placeholders);
}

/** {@link readStack} without the file. */
function parseStack(source: string, placeholders: Readonly<Record<string, string>>): StackConfig {
  const { config = {} } = (parse(source) ?? {}) as { config?: Record<string, unknown> };
  const values: Record<string, string> = {};
  const secrets: string[] = [];
  for (const [key, value] of Object.entries(config)) {
    const filled = fill(value, placeholders, () => secrets.push(key));
    values[key] = typeof filled === "string" ? filled : JSON.stringify(filled);
  }
  return { values, secrets };
}

/** Replaces placeholders and secrets, however deep. */
function fill(value: unknown, placeholders: Readonly<Record<string, string>>, foundSecret: () => void): unknown {
  if (typeof value === "string") return placeholders[value] ?? value;
  if (Array.isArray(value)) return value.map((item) => fill(item, placeholders, foundSecret));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  if (entries.length === 1 && entries[0]?.[0] === "secure") {
    foundSecret();
    return "[secret]";
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, fill(item, placeholders, foundSecret)]));
}
