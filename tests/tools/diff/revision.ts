import { recordStack } from "../../../project/record.ts";
import type { StackConfig } from "../../../settings/config.ts";
import { withoutSecrets } from "../../../tools/plan/plan.ts";

type Values = Readonly<Record<string, unknown>>;

const keyed = (values: Values) =>
  Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      `oke-platform:${key}`,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );

/** Prod under other settings, as `revisionsIn` would have it. */
export async function revision(changes: Values = {}, secrets: Readonly<Record<string, string>> = {}) {
  const configure = ({ values }: StackConfig): StackConfig => ({
    values: { ...values, ...keyed(changes), ...keyed(secrets) },
    secrets: Object.keys(keyed(secrets)),
  });
  return { registrations: withoutSecrets(await recordStack("prod", { configure })), sealed: {} };
}
