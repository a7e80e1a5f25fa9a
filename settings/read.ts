import * as pulumi from "@pulumi/pulumi";
import { parseSettings, type Settings, SettingsError } from "./settings.ts";
import { warnings } from "./warnings.ts";

// Not in the SDK's types, but what Config itself asks: https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/nodejs/runtime/config.ts
const { isConfigSecret } = pulumi.runtime as unknown as { isConfigSecret(key: string): boolean };

/**
 * Reads the settings of the stack that runs, and logs what its operator should know. The only reader of Pulumi config.
 *
 * @param today the date that support windows are compared with
 * @throws {pulumi.RunError} with the text of {@link SettingsError}
 */
export function readSettings(today: Date): Settings {
  const settings = parsed();
  for (const warning of warnings(settings, today)) void pulumi.log.warn(warning);
  return settings;
}

function parsed(): Settings {
  const values = pulumi.runtime.allConfig();
  try {
    return parseSettings({ values, secrets: Object.keys(values).filter(isConfigSecret) });
  } catch (error) {
    if (error instanceof SettingsError) throw new pulumi.RunError(error.message);
    throw error;
  }
}
