import { secondsToRetry } from "../components/late-admission.ts";

/**
 * Seconds until the program has something tried again that failed; undefined when it has not.
 *
 * @param errorHooks names of the resource's error hooks
 * @param errors of all tries so far, the newest first
 */
export const retryAfter = (errorHooks: readonly string[], errors: readonly string[]): number | undefined =>
  secondsToRetry(errorHooks, errors);
