import type { Settings } from "../../../settings/settings.ts";
import type { VerifyOptions } from "../../../tools/verify/asked.ts";
import { named, registrationsOf } from "../../harness.ts";
import type { TlsPair } from "../../pki.ts";
import { ClusterApi, type KubernetesObject } from "../cluster-api.ts";
import { gatewayService, istiod, reconciled, refusalBy, secrets } from "./cluster-objects.ts";
import { startWayIn, type WayIn } from "./deploy.ts";

/** What the program declares, so that what is looked for is what it makes. */
async function declared(): Promise<KubernetesObject[]> {
  const registrations = await registrationsOf("prod");
  return ["token-secret", "issuer", "certificate", "secret-store", "tls-gateway"].map(
    (name) => named(registrations, name).inputs as unknown as KubernetesObject,
  );
}

let objects: ReturnType<typeof declared> | undefined;

/**
 * Starts a whole deploy of what the program declares, all well.
 *
 * @param pair what the cluster has and the gateway presents
 */
export async function startDeploy(pair: TlsPair, settings: Settings, way: WayIn = {}): Promise<VerifyOptions> {
  objects ??= declared();
  const api = new ClusterApi([...reconciled({}, await objects), ...secrets(pair), gatewayService(), istiod()]);
  api.admission = (object) => refusalBy(settings, object);
  return { settings, kubeConfig: await api.start(), ...(await startWayIn(pair, way)) };
}
