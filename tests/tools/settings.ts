import { parseSettings, type Settings } from "../../settings/settings.ts";

/**
 * Settings by their keys below `oke-platform:`, as a stack's file has them.
 *
 * @param secrets the keys that are secrets
 */
export const settingsFrom = (raw: Readonly<Record<string, unknown>>, secrets: readonly string[] = []): Settings =>
  parseSettings({
    values: Object.fromEntries(
      Object.entries(raw).flatMap(([key, value]) =>
        value === undefined ? [] : [[`oke-platform:${key}`, typeof value === "string" ? value : JSON.stringify(value)]],
      ),
    ),
    secrets: secrets.map((key) => `oke-platform:${key}`),
  });
