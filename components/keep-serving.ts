import * as pulumi from "@pulumi/pulumi";
import type { Settings } from "../settings/settings.ts";
import { apiServerOf } from "./api-server.ts";
import { closes, isCut, saidBy } from "./doors.ts";
import { hookAll, previewHook } from "./hooks.ts";
import { type DoorName, nameOf, shutOutBy } from "./tenants.ts";

/** Which resource holds a door. */
const HOLDERS: Readonly<Record<string, DoorName>> = {
  "kubernetes:networking.istio.io/v1:Gateway": "routes",
  "kubernetes:helm.sh/v3:Release": "gateways",
  "kubernetes:cert-manager.io/v1:ClusterIssuer": "certificates",
  "kubernetes:external-secrets.io/v1:ClusterSecretStore": "secrets",
};

/**
 * Refuses an update that would cut what others in the cluster are served, in the preview already, with all that the settings
 * would shut out by name. Only a run that closes a door looks, and a first one closes none: it makes them.
 *
 * To be called before the first resource is registered.
 */
export function keepServing(settings: Settings): void {
  const hook = previewHook("keep-serving", (change) => refuseCut(settings, change));
  hookAll({ beforeUpdate: hook }, (type, inputs) => {
    const door = HOLDERS[type];
    // One that lets in all closes nothing; so does a release that is not istiod's.
    return door !== undefined && saidBy[door](inputs) !== "all";
  });
}

/** @throws with all that the settings shut out, when the change cuts some of it */
async function refuseCut(settings: Settings, { type, oldInputs = {}, newInputs = {} }: pulumi.ResourceHookArgs) {
  const door = HOLDERS[type];
  if (door === undefined) return;
  const [now, then] = [saidBy[door](oldInputs), saidBy[door](newInputs)];
  if (!closes(now, then)) return;
  const shutOut = await apiServerOf(settings.cluster)
    .then((server) => shutOutBy(settings, server))
    .catch(async (error: Error) => {
      // Not refused: who may not look could never close anything.
      await pulumi.log.warn(
        `this run may cut what others are served, and whom it would cut cannot be seen: ${error.message}. npm run doctor names them, where it may look`,
      );
      return [];
    });
  if (!shutOut.some((it) => it.door === door && isCut(it, now, then))) return;
  throw new Error(
    [
      `${shutOut.length} object(s) of others would be refused or go dark from then on. Do for each what it says, or delete it:`,
      ...shutOut.map((it) => `  ${nameOf(it)}: ${it.why}`),
    ].join("\n"),
  );
}
