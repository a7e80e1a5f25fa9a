/** What the keys of this program's own settings begin with, before a colon: the project's name in Pulumi.yaml. */
export const PROJECT = "oke-platform";

/** A stack's configuration as the engine hands it to the program. */
export interface StackConfig {
  /** Values by full key, such as `oke-platform:domain`; objects and lists as JSON. */
  readonly values: Record<string, string>;
  /** The full keys that are secrets. */
  readonly secrets: string[];
  /** Those of them that cannot be read here, and have {@link SEALED} as their value. @default - none */
  readonly sealed?: string[];
}

/** What stands for a secret that cannot be read, as in what `pulumi config` prints. */
export const SEALED = "[secret]";

/** The settings that are plain text; all others are objects or lists, which Pulumi hands over as JSON. */
const PLAIN = ["domain", "baseDomain", "size", "cloudflareApiToken"];

/** The settings in a stack's configuration by key below `oke-platform:`, objects and lists parsed, nothing checked. */
export function rawSettings({ values }: StackConfig): Record<string, unknown> {
  const own = Object.entries(values).filter(([key]) => key.startsWith(`${PROJECT}:`));
  return Object.fromEntries(
    own.map(([key, value]) => {
      const name = key.slice(PROJECT.length + 1);
      return [name, PLAIN.includes(name) ? value : parseJson(value)];
    }),
  );
}

/** A value that is no JSON stays text, so that its own rule names it. */
function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
