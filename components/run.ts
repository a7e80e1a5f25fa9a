import * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../settings/settings.ts";
import { explainTakenNames } from "./adoption.ts";
import { keepServing } from "./keep-serving.ts";
import { awaitLateAdmission } from "./late-admission.ts";
import { explainVaultRefusals } from "./vault/refusal.ts";

/**
 * What holds for the whole run: no secret in its debug log, a way out of every name that is taken and of what Vault
 * refuses, patience with what judges and is late, and nothing of others' cut unseen.
 *
 * To be called before the first resource is registered.
 */
export function guardRun(settings: Settings): void {
  keepSecretsOutOfDebugLog();
  explainTakenNames();
  explainVaultRefusals();
  awaitLateAdmission();
  keepServing(settings);
}

/** Those that this stack has, in the same order. */
export const present = <T extends readonly unknown[]>(...items: T) =>
  items.filter((item): item is Exclude<T[number], false | undefined> => item !== undefined && item !== false);

/**
 * Options of what these providers make. Each call names what must be there before: nothing, or everything with its reason on
 * the line above.
 */
export const madeBy =
  (providers: Record<string, pulumi.ProviderResource>) =>
  (...before: (pulumi.Resource | false | undefined)[]): pulumi.ComponentResourceOptions => ({
    providers,
    // The reason of each is where it is named.
    dependsOn: present(...before),
  });

/** Marks a secret in what the engine sends: https://github.com/pulumi/pulumi/blob/v3.259.0/sdk/nodejs/runtime/rpc.ts */
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/**
 * Drops the SDK's debug messages that hold a secret: it writes out each answer of the engine, tokens in clear, and they
 * stand in the log of every run from `-v=3` on, and in the output of one with `--debug`.
 */
function keepSecretsOutOfDebugLog(): void {
  const { debug } = pulumi.log;
  const withoutSecrets: typeof debug = (message, ...rest) =>
    message.includes(SECRET) ? Promise.resolve() : debug(message, ...rest);
  Object.assign(pulumi.log, { debug: withoutSecrets });
}
