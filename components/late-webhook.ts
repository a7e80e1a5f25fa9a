import { AsyncResource } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";

/** The hook's name, by which a recorded resource shows that it has it. */
export const LATE_WEBHOOK = "late-webhook";

/** What the API server says of a webhook that has no CA yet, or that nobody answers for. */
const LATE = /failed calling webhook|x509: certificate signed by unknown authority|no endpoints available/;

/**
 * Seconds before each further try, a minute in all: so long waits a new leader for the lease of one that was killed
 * before it puts the webhook's CA in (`global.leaderElection.leaseDuration` of cert-manager), and no longer.
 */
const WAITS = [1, 2, 4, 8, 15, 30];

/**
 * Seconds until what failed is worth another try; undefined when it is not.
 *
 * @param errors of all tries so far, the newest first
 */
export const secondsToRetry = (errors: readonly string[]): number | undefined =>
  LATE.test(errors[0] ?? "") ? WAITS[errors.length - 1] : undefined;

/**
 * Has everything that a webhook of cert-manager or External Secrets judges tried again for a minute, where that webhook
 * does not answer yet. A release that is done does not always mean that it does: the CA comes late after an uninstall, a
 * kill or an install that was interrupted, and neither an upgrade nor External Secrets looks.
 */
export function awaitLateWebhooks(): void {
  const retry = async ({ type, name, errors }: pulumi.ErrorHookArgs) => {
    const seconds = secondsToRetry(errors);
    const [whose, pods] = type.includes("cert-manager.io")
      ? ["cert-manager's", "kubectl -n cert-manager get pods, and logs deployment/cert-manager-cainjector"]
      : [
          "External Secrets'",
          "kubectl get pods -A -l app.kubernetes.io/name=external-secrets-cert-controller, and their logs",
        ];
    if (seconds !== undefined) {
      await pulumi.log.info(`${whose} webhook does not answer for ${name} yet; the next try is in ${seconds} s`);
      await sleep(seconds * 1000);
      return true;
    }
    if (LATE.test(errors[0] ?? ""))
      await pulumi.log.error(
        `${whose} webhook has not answered for ${name} for a minute. What puts its CA in: ${pods}. Then run up again`,
      );
    return false;
  };
  // Bound, because the engine calls hooks from outside of the program, where nothing can be logged.
  const hook = new pulumi.ErrorHook(LATE_WEBHOOK, AsyncResource.bind(retry));
  void pulumi.runtime.registerStackTransformation(({ type, props, opts }) => {
    if (!/^kubernetes:(cert-manager|external-secrets)\.io\//.test(type)) return undefined;
    return { props, opts: { ...opts, hooks: { ...opts.hooks, onError: [...(opts.hooks?.onError ?? []), hook] } } };
  });
}
