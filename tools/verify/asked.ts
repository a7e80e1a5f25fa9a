import type { KubeConfig } from "@kubernetes/client-node";
import type { Settings } from "../../settings/settings.ts";
import { problem, type Run, Stop } from "../lib/checks.ts";
import { ifThere, refusalOf } from "../lib/cluster-api.ts";
import type { Endpoint } from "../lib/http.ts";

/** What is verified, and how it is reached. */
export interface VerifyOptions {
  readonly settings: Settings;
  /** How the cluster is reached. Where that cannot be found out, the checks that need no cluster still run. */
  readonly kubeConfig: KubeConfig | Promise<KubeConfig>;
  /** DNS server to ask, `<ip>` or `<ip>:<port>`. @default - the system's */
  readonly resolver?: string;
  /** Where HTTPS is asked for. @default - port 443 of the load balancer */
  readonly https?: Endpoint;
  /** Where HTTP is asked for. @default - port 80 of `https`, else of the load balancer */
  readonly http?: Endpoint;
  /** Port of Cloudflare's side, where it proxies the hosts. @default 443 */
  readonly proxyPort?: number;
  /** PEM of the roots to trust. @default - Node's own, and those of NODE_EXTRA_CA_CERTS */
  readonly roots?: string;
  /** Milliseconds for each call over the network. @default 5000 */
  readonly timeoutMs?: number;
  /** Milliseconds for a whole check, whose calls end by themselves; not all credential plugins do. @default 60000 */
  readonly checkMs?: number;
}

/** What each part of the verification is told. */
export interface Asked extends VerifyOptions {
  readonly timeoutMs: number;
  readonly run: Run;
}

/** What follows the first phase of an installed Vault. */
export const SECOND_PHASE = "npm run vault:init -- --stack <stack> --keys-file <file>, then pulumi up";

/** What makes an object that is not there. */
export const toMake = ({ phase }: Settings) => (phase === "complete" ? "run pulumi up" : SECOND_PHASE);

/**
 * What the API server answers; undefined when there is no such object, or no such kind.
 *
 * @throws {Stop} when it refuses or does not answer
 */
export const ask = <T>(call: Promise<T>): Promise<T | undefined> =>
  ifThere(call).catch((error) => {
    throw new Stop(
      problem(refusalOf(error), "run this again; if it is refused, with the rights of somebody who may run pulumi up"),
    );
  });
