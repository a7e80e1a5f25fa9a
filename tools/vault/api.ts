import { setTimeout as delay } from "node:timers/promises";
import { ask, failureOf, type Answer as HttpAnswer } from "../lib/http.ts";

// What the tools ask of Vault, over its HTTP API: https://developer.hashicorp.com/vault/api-docs

/** One Vault server. */
export interface VaultApi {
  readonly address: string;
  /**
   * Sends one request, once: what comes back is Vault's answer, whatever its status.
   *
   * @throws {VaultUnreachable} when no answer comes back; whether the request arrived is then unknown
   */
  ask<Body = unknown>(method: Method, path: string, options?: AskOptions): Promise<Answer<Body>>;
}

type Method = "GET" | "PUT" | "DELETE" | "LIST";

interface AskOptions {
  readonly token?: string;
  readonly body?: unknown;
}

export interface Answer<Body> extends HttpAnswer<Body> {
  /** Vault's own words when it refuses; they hold no secret. */
  readonly errors: string;
}

/** No answer came back. */
export class VaultUnreachable extends Error {}

/** Vault has said no. */
export class VaultRefusal extends Error {
  readonly status: number;

  constructor(what: string, { status, errors }: Answer<unknown>) {
    super(`${what}: Vault answers ${status}${errors && `, ${errors}`}`);
    this.status = status;
  }
}

/** Seconds for one answer; initialising asks a key management service several times. */
const ANSWER_SECONDS = 60;

/**
 * A Vault server at an address.
 *
 * @param ca PEM of the CA that signed its certificate. @default - the system's trusted roots
 * @param reason what is known of a connection that failed, beside its own error
 * @param namespace of Vault Enterprise or HCP, in which all paths are. @default - the root
 */
export function vaultApi(
  address: string,
  ca?: string,
  reason: () => string | undefined = () => undefined,
  namespace?: string,
): VaultApi {
  const base = new URL(address);
  return {
    address,
    async ask<Body>(method: Method, path: string, { token, body }: AskOptions = {}) {
      const headers: Record<string, string> = {
        ...(namespace !== undefined && { "X-Vault-Namespace": namespace }),
        ...(token !== undefined && { "X-Vault-Token": token }),
      };
      const timeoutMs = ANSWER_SECONDS * 1000;
      const answer = await ask<Body>(new URL(`/v1/${path}`, base), { method, headers, body, ca, timeoutMs }).catch(
        (error: Error) => {
          const [why, url] = [reason() ?? failureOf(error), base.origin];
          throw new VaultUnreachable(`Vault at ${url} does not answer ${method} ${path}: ${why}`, { cause: error });
        },
      );
      const { errors = [] } = (answer.body ?? {}) as { errors?: string[] };
      return { ...answer, errors: errors.join("; ") };
    },
  };
}

/**
 * Asks, and takes a refusal for a mistake.
 *
 * @param what what is done, for the error
 * @throws {VaultRefusal} when the status is not one of success
 */
export async function demand<Body>(
  vault: VaultApi,
  what: string,
  ...[method, path, options]: Parameters<VaultApi["ask"]>
): Promise<Body> {
  const answer = await vault.ask<Body>(method, path, options);
  if (answer.status < 200 || answer.status > 299) throw new VaultRefusal(what, answer);
  return answer.body as Body;
}

/** https://developer.hashicorp.com/vault/api-docs/system/seal-status */
export interface SealStatus {
  readonly initialized: boolean;
  readonly sealed: boolean;
  /** `shamir`, or the service that unseals it. */
  readonly type: string;
  /** Key shares that are needed. */
  readonly t: number;
}

/** Whether a service unseals it, so that its keys are recovery keys. */
export const isAutoUnsealed = ({ type }: SealStatus) => type !== "shamir";

export const sealStatus = (vault: VaultApi) => demand<SealStatus>(vault, "the seal's status", "GET", "sys/seal-status");

/** Milliseconds between two questions to a server that does not tell by itself. */
const AGAIN_MS = 250;

/**
 * Asks until there is an answer.
 *
 * @param look undefined when it is not time yet
 * @param late the sentence of the error
 */
async function poll<T>(look: () => Promise<T | undefined>, seconds: number, late: () => string): Promise<T> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(late());
    await delay(AGAIN_MS);
  }
}

/** Waits for a server that is starting: its pod runs some seconds before it listens. */
export function awaitAnswer(vault: VaultApi, seconds = 60): Promise<SealStatus> {
  let last = "";
  return poll(
    () =>
      sealStatus(vault).catch((error: Error) => {
        last = error.message;
        return undefined;
      }),
    seconds,
    () => `no answer within ${seconds} s: ${last}`,
  );
}

/**
 * Waits until requests are served: the server is active, or a standby that knows the active one and asks it. Replicas
 * elect the active one first.
 */
export function awaitActive(vault: VaultApi, seconds = 120): Promise<true> {
  let last = "";
  return poll(
    async () => {
      const { status } = await vault.ask("GET", "sys/health");
      last = HEALTH[status] ?? `status ${status}`;
      if (status === 200) return true;
      if (status !== 429 && status !== 473) return undefined;
      const leader = await vault.ask<{ leader_address?: string }>("GET", "sys/leader");
      return leader.body?.leader_address ? true : undefined;
    },
    seconds,
    () => `Vault at ${vault.address} is not active within ${seconds} s; it is ${last}. Its log says why`,
  );
}

/** https://developer.hashicorp.com/vault/api-docs/system/health */
const HEALTH: Record<number, string> = {
  429: "a standby without an active server",
  473: "a standby without an active server",
  501: "not initialised",
  503: "sealed",
};
