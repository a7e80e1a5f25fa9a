import { ask, type Question } from "./http.ts";

// How the tools ask Cloudflare.

/** Base URL of Cloudflare's API. */
export const CLOUDFLARE_URL = "https://api.cloudflare.com/client/v4";

/** An answer of Cloudflare's API: https://developers.cloudflare.com/fundamentals/api/reference/ */
interface CloudflareAnswer<T> {
  readonly success?: boolean;
  readonly errors?: { readonly code: number; readonly message: string }[];
  readonly result?: T;
}

/** What Cloudflare answers, or how it refuses. */
export type Answered<T> = { readonly result: T } | { readonly refusal: string };

/** Asks Cloudflare for a path. */
export type AskCloudflare = <T>(path: string, method?: Question["method"]) => Promise<Answered<T>>;

/**
 * Cloudflare's API with a token.
 *
 * @param url base URL of the API, up to its version
 * @param timeoutMs milliseconds for each call
 */
export const cloudflareApi =
  (url: string, token: string, timeoutMs: number): AskCloudflare =>
  async <T>(path: string, method?: Question["method"]) => {
    const headers = { authorization: `Bearer ${token}` };
    const { status, body } = await ask<CloudflareAnswer<T>>(`${url}${path}`, { headers, timeoutMs, method });
    const { success, errors = [], result } = body ?? {};
    if (success === true && result !== undefined) return { result };
    const said = errors.map(({ code, message }) => `${message} (${code})`).join("; ");
    return { refusal: `Cloudflare answers ${status}${said && `: ${said}`}` };
  };
