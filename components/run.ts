import * as pulumi from "@pulumi/pulumi";
import { explainTakenNames } from "./adoption.ts";
import { awaitLateWebhooks } from "./late-webhook.ts";
import { explainVaultRefusals } from "./vault/refusal.ts";

/**
 * What holds for the whole run: no secret in its debug log, a way out of every name that is taken and of what Vault
 * refuses, and patience with webhooks that do not answer yet.
 *
 * To be called before the first resource is registered.
 */
export function guardRun(): void {
  keepSecretsOutOfDebugLog();
  explainTakenNames();
  explainVaultRefusals();
  awaitLateWebhooks();
}

/** Those that this stack has, in the same order. */
export const present = <T extends readonly unknown[]>(...items: T) =>
  items.filter((item): item is Exclude<T[number], false | undefined> => item !== undefined && item !== false);

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
