import { setTimeout as sleep } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import { errorHook, hookAll } from "./hooks.ts";
import { ROUTE_POLICY } from "./route-policy.ts";

/** What the API server refuses for a moment only, because what judges is not there yet as it will be. */
interface Lateness {
  /** Whose objects are judged, by their type. */
  readonly types: RegExp;
  /** What the API server says then. */
  readonly refusal: RegExp;
  /** Completes "… yet". */
  readonly says: (resource: string, type: string) => string;
  /** What is said when a minute was not enough. */
  readonly gaveUp: (resource: string, type: string) => string;
}

const whose = (type: string) => (type.includes("cert-manager.io") ? "cert-manager's" : "External Secrets'");
const caOf = (type: string) =>
  type.includes("cert-manager.io")
    ? "kubectl -n cert-manager get pods, and logs deployment/cert-manager-cainjector"
    : "kubectl get pods -A -l app.kubernetes.io/name=external-secrets-cert-controller, and their logs";

/** By the names of the hooks, by which a recorded resource shows that it has one. */
const latenesses: Readonly<Record<string, Lateness>> = {
  // A webhook that has no CA yet, or that nobody answers for. A release that is done does not always mean that it answers:
  // the CA comes late after an uninstall, a kill or an install that was interrupted, and neither an upgrade nor External
  // Secrets looks.
  "late-webhook": {
    types: /^kubernetes:(cert-manager|external-secrets)\.io\//,
    refusal: /failed calling webhook|x509: certificate signed by unknown authority|no endpoints available/,
    says: (resource, type) => `${whose(type)} webhook does not answer for ${resource}`,
    gaveUp: (resource, type) =>
      `${whose(type)} webhook has not answered for ${resource} for a minute. What puts its CA in: ${caOf(type)}. Then run up again`,
  },
  // The table of before: each API server takes a new one up about a second after it is written, and says to nobody when.
  "late-policy": {
    types: /^kubernetes:networking\.istio\.io\/[^:]*:VirtualService$/,
    refusal: new RegExp(`ValidatingAdmissionPolicy '${ROUTE_POLICY}' .*denied request`),
    says: (resource) => `the API server does not know the new table of hosts for ${resource}`,
    gaveUp: (resource) =>
      `ValidatingAdmissionPolicy ${ROUTE_POLICY} has refused ${resource} for a minute, with another table than this stack's: does another one write it? Run up again when it does not`,
  },
};

/**
 * Seconds before each further try, a minute in all: so long waits a new leader for the lease of one that was killed
 * before it puts the webhook's CA in (`global.leaderElection.leaseDuration` of cert-manager), and no longer.
 */
const WAITS = [1, 2, 4, 8, 15, 30];

/**
 * Seconds until what failed is worth another try; undefined when it is not.
 *
 * @param hooks names of the resource's error hooks
 * @param errors of all tries so far, the newest first
 */
export function secondsToRetry(hooks: readonly string[], errors: readonly string[]): number | undefined {
  const isLate = hooks.some((hook) => latenesses[hook]?.refusal.test(errors[0] ?? ""));
  return isLate ? WAITS[errors.length - 1] : undefined;
}

/** Has everything tried again for a minute that is refused because what judges it is late. */
export function awaitLateAdmission(): void {
  for (const [name, lateness] of Object.entries(latenesses)) {
    const retry = async ({ type, name: resource, errors }: pulumi.ErrorHookArgs) => {
      const seconds = secondsToRetry([name], errors);
      if (seconds !== undefined) {
        await pulumi.log.info(`${lateness.says(resource, type)} yet; the next try is in ${seconds} s`);
        await sleep(seconds * 1000);
        return true;
      }
      if (lateness.refusal.test(errors[0] ?? "")) await pulumi.log.error(lateness.gaveUp(resource, type));
      return false;
    };
    hookAll({ onError: errorHook(name, retry) }, (type) => lateness.types.test(type));
  }
}
