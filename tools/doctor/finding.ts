import { request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";

// What a check of the doctor answers, and how it asks: every question ends by itself, and none takes the others along.

/** What a check came to. */
interface Verdict {
  /** `skipped`: it could not be asked, so it says nothing of how things are. */
  readonly level: "ok" | "warning" | "problem" | "skipped";
  readonly reason: string;
  /** What to do about it. */
  readonly action?: string;
}

/** A verdict with the check that it is of. */
export interface Finding extends Verdict {
  readonly check: string;
}

export const ok = (reason: string): Verdict => ({ level: "ok", reason });
export const warning = (reason: string, action: string): Verdict => ({ level: "warning", reason, action });
export const problem = (reason: string, action: string): Verdict => ({ level: "problem", reason, action });
export const skipped = (reason: string, action?: string): Verdict => ({
  level: "skipped",
  reason,
  ...(action !== undefined && { action }),
});

/** The faults, or that all is well when there are none. */
export const unless = (faults: Verdict[], reason: string): Verdict[] => (faults.length > 0 ? faults : [ok(reason)]);

/** Seconds for a whole check, after which it is given up; the longest are those that start the `oci` CLI. */
const CHECK_SECONDS = 60;

/**
 * The outcome of a run that ends by itself, as not every credential plugin does.
 *
 * @throws when it takes too long
 */
export async function within<T>(run: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${CHECK_SECONDS} s`)), CHECK_SECONDS * 1000);
  });
  return Promise.race([run(), limit]).finally(() => clearTimeout(timer));
}

/** Runs a check. What it throws is why it could not be asked, and no problem of the stack's. */
export async function check(name: string, run: () => Promise<Verdict | Verdict[]>): Promise<Finding[]> {
  try {
    return [await within(run)].flat().map((verdict) => ({ check: name, ...verdict }));
  } catch (error) {
    return [{ check: name, ...skipped(`could not be asked: ${reasonOf(error)}`) }];
  }
}

/** The same verdict for several checks, such as those of a system that does not answer. */
export const forAll = (names: readonly string[], verdict: Verdict): Finding[] =>
  names.map((name) => ({ check: name, ...verdict }));

/** An error in one line. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "AbortError" || error.name === "TimeoutError") return "no answer in time";
  // A refused connection has no message where a name has two addresses, and fetch keeps the message in the cause.
  const { code } = error as { code?: string };
  const cause = error.cause instanceof Error ? reasonOf(error.cause) : undefined;
  return (cause ?? (error.message || (code ?? error.name))).replaceAll(/\s*\n\s*/g, " ").trim();
}

/** Seconds for one call over HTTP. */
export const CALL_SECONDS = 5;

/** A call over HTTP. */
interface Question {
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** PEM of the CA that signed the server's certificate. @default - Node's own roots */
  readonly ca?: string;
  /** @default CALL_SECONDS */
  readonly seconds?: number;
}

/** An answer, whatever its status. */
export interface Answer {
  readonly status: number;
  /** Undefined where the answer is no JSON. */
  readonly body: unknown;
}

/**
 * Asks a server.
 *
 * Not `fetch`, which takes no CA for one call.
 *
 * @throws when it cannot be reached, or takes too long
 */
export function ask(url: string, question: Question = {}): Promise<Answer> {
  const { method = "GET", headers, body, ca, seconds = CALL_SECONDS } = question;
  const send = url.startsWith("https:") ? tlsRequest : plainRequest;
  return new Promise((resolve, reject) => {
    const options = { method, headers: { accept: "application/json", ...headers }, ca };
    const request = send(url, { ...options, signal: AbortSignal.timeout(seconds * 1000) }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: parsed(Buffer.concat(parts)) }));
    });
    request.on("error", reject);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function parsed(source: Buffer): unknown {
  try {
    return JSON.parse(source.toString());
  } catch {
    return undefined;
  }
}
