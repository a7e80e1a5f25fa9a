import { admission } from "./admission.ts";
import { argocd } from "./argocd.ts";
import { attackers } from "./attackers.ts";
import { certManager } from "./cert-manager.ts";
import { cloudflare } from "./cloudflare.ts";
import { externalSecrets } from "./external-secrets.ts";
import { helm } from "./helm.ts";
import { istio } from "./istio.ts";
import { kubernetes } from "./kubernetes.ts";
import { cloudController } from "./load-balancer.ts";
import { oci } from "./oci.ts";
import { podSecurity } from "./pod-security.ts";
import { reflector } from "./reflector.ts";
import type { State } from "./state.ts";
import { vault } from "./vault.ts";
import { visitors } from "./visitors.ts";
import { webhookCa } from "./webhook-ca.ts";
import { type Latencies, type System, World } from "./world.ts";

// OKE, OCI, Cloudflare and Vault as far as the platform meets them: what they refuse, and when things become ready.

/** All systems. A controller comes before those that watch what it makes. */
const systems: readonly System[] = [
  kubernetes,
  admission,
  podSecurity,
  webhookCa,
  helm,
  cloudController,
  oci,
  cloudflare,
  vault,
  externalSecrets,
  certManager,
  reflector,
  istio,
  argocd,
  attackers,
  visitors,
];

/** Seconds that each thing takes: runs on real components, and published provisioning times. */
export const usualLatencies: Latencies = Object.fromEntries(
  systems.flatMap(({ kinds, durations = {} }) => [
    ...Object.entries(kinds).flatMap(([kind, { seconds }]) =>
      seconds === undefined ? [] : [[kind, seconds] as const],
    ),
    ...Object.entries(durations),
  ]),
);

/** The world of a state, with all its systems. */
export const openWorld = (state: State, latencies: Latencies = usualLatencies): World =>
  new World(systems, state, latencies);
