import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import type { TLSSocket } from "node:tls";
import { failureOf, LATE } from "../../tools/lib/http.ts";

// What visitors lose while something is changed: new connections through the gateway, many a second, each counted.

/** Whom the connections are made to. */
export interface Target {
  /** The host that is asked for. */
  readonly host: string;
  /** Where the gateway is. */
  readonly ip: string;
  readonly port: number;
  /** PEM of the roots that sign the certificate. */
  readonly roots: string;
}

/** What became of the connections. */
export interface Count {
  readonly made: number;
  /** Those without an answer below 500 over TLS that the roots vouch for. */
  readonly lost: number;
  /** How many of the lost for what reason. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Serials of the certificates that were shown, in the order of their first appearance. */
  readonly certificates: readonly string[];
  /** Milliseconds of the longest stretch in which nothing but losses ended; 0 without any. */
  readonly longestMs: number;
}

/** Connections that go on until somebody ends them. */
export interface Connections {
  /** Makes no more, and counts when the last has ended. */
  end(): Promise<Count>;
}

/** Milliseconds for a connection with its answer. */
const CALL_MS = 10_000;

/**
 * Decides when the next connection is made.
 *
 * @param make makes it
 * @returns what ends it
 */
export type Pace = (make: () => void) => () => void;

/** So many a second, whatever becomes of those before. */
export const steadily =
  (perSecond: number): Pace =>
  (make) => {
    const begun = performance.now();
    let made = 0;
    const timer = setInterval(() => {
      // By the clock and not by the timer's ticks, which a busy machine leaves out.
      for (const due = Math.floor(((performance.now() - begun) / 1000) * perSecond); made < due; made++) make();
    }, 1000 / perSecond);
    return () => clearInterval(timer);
  };

/** Begins to make connections, each new and with a handshake of its own. */
export function connect(target: Target, pace: Pace): Connections {
  const lost = new Map<string, number>();
  const certificates = new Set<string>();
  const running = new Set<Promise<void>>();
  let made = 0;
  let longestMs = 0;
  let losingSince: number | undefined;
  const count = (reason: string | undefined) => {
    const now = performance.now();
    if (reason === undefined) {
      losingSince = undefined;
      return;
    }
    lost.set(reason, (lost.get(reason) ?? 0) + 1);
    losingSince ??= now;
    longestMs = Math.max(longestMs, now - losingSince);
  };
  const stop = pace(() => {
    made += 1;
    const one = visit(target, certificates).then(count);
    running.add(one);
    void one.finally(() => running.delete(one));
  });
  return {
    async end() {
      stop();
      await Promise.all(running);
      const reasons = Object.fromEntries([...lost].sort(([a], [b]) => (a < b ? -1 : 1)));
      const total = [...lost.values()].reduce((sum, it) => sum + it, 0);
      return { made, lost: total, reasons, certificates: [...certificates], longestMs: Math.round(longestMs) };
    },
  };
}

/** Makes one connection; why it is lost, undefined when it is not. */
function visit({ host, ip, port, roots }: Target, certificates: Set<string>): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const signal = AbortSignal.timeout(CALL_MS);
  const asked = request({
    host: ip,
    port,
    servername: host,
    headers: { host },
    ca: roots,
    // A connection of its own, and a whole handshake: no session of another is taken up.
    agent: false,
    signal,
  });
  asked.on("error", (error) => resolve(signal.aborted ? LATE : failureOf(error)));
  asked.on("response", (response: IncomingMessage) => {
    certificates.add((response.socket as TLSSocket).getPeerCertificate().serialNumber);
    const status = response.statusCode ?? 0;
    response.resume();
    response.on("error", (error) => resolve(signal.aborted ? LATE : failureOf(error)));
    response.on("close", () => resolve("the answer was cut off"));
    response.on("end", () => resolve(status < 500 ? undefined : `status ${status}`));
  });
  asked.end();
  return promise;
}

/** A count as it is printed: what was made and lost, and what of the platform changed meanwhile. */
export const countText = (
  { made, lost, reasons, certificates, longestMs }: Count,
  { podsRolled, certificatesIssued }: { readonly podsRolled: readonly string[]; readonly certificatesIssued: number },
): string =>
  [
    `connections made: ${made}`,
    `connections lost: ${lost}${
      lost === 0
        ? ""
        : ` (longest stretch ${longestMs} ms: ${Object.entries(reasons)
            .map(([reason, times]) => `${times} ${reason}`)
            .join(", ")})`
    }`,
    `certificates shown: ${certificates.length}`,
    `pods rolled: ${podsRolled.length}${podsRolled.length === 0 ? "" : ` (${podsRolled.join(", ")})`}`,
    `certificates issued: ${certificatesIssued}`,
  ].join("\n");
