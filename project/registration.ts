// What everybody reads of a registration: its values with and without the marks of the engine, and its names.

/** Inputs or outputs of a resource, without secret markers. */
export type Properties = Record<string, unknown>;

/** Marks of secrets in the engine's protocol: https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/nodejs/runtime/rpc.ts */
export const SIGNATURE = "4dabf18193072939515e22adb298388d";
export const SECRET = "1b47061264138c4ac30d75fd1eb44270";

export const isSecret = (value: unknown): value is { value: unknown } =>
  typeof value === "object" && value !== null && (value as Properties)[SIGNATURE] === SECRET;

/** Without the marks of secrets. */
export function plain<T>(value: T): T {
  if (Array.isArray(value)) return value.map(plain) as T;
  if (typeof value !== "object" || value === null) return value;
  if (isSecret(value)) return plain(value.value) as T;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)])) as T;
}

/** The name that the program gave a resource, from its URN. */
export const lastName = (urn: string) => urn.split("::").slice(3).join("::");

/** Whether a provider makes resources of this type; components and providers are the engine's alone. */
export const isProviders = (type: string) => !/^(pulumi|oke-platform):/.test(type);

/** The same value, whatever order its keys are in. */
export const same = (a: unknown, b: unknown) => canonical(a) === canonical(b);

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([x], [y]) => (x < y ? -1 : 1)))
      : item,
  );
}

/** The value at a path such as "metadata.name". */
export const valueAt = (properties: Properties, path: string) =>
  path.split(".").reduce<unknown>((value, key) => (value as Properties | undefined)?.[key], properties);
