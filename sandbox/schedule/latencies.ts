import { nextRandom } from "../world/state.ts";
import { usualLatencies } from "../world/systems.ts";
import type { Latencies } from "../world/world.ts";

/** How many times longer than usual the things take that are far too slow now and then. */
const slow: Record<string, number> = {
  "cert-manager": 20,
  reflector: 20,
  base: 20,
  istiod: 20,
  "external-secrets": 20,
  LoadBalancer: 8,
  challenge: 5,
  ApiToken: 20,
  KvSecret: 20,
  PublicIp: 20,
};

/** A number from 0 to 1 for a seed and a name, so that a thing more in the world moves no other's. */
function draw(seed: number, what: string): number {
  let hash = Math.imul(seed, 0x9e3779b1);
  for (const char of what) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
  return nextRandom({ random: hash });
}

/**
 * A table of latencies for a seed: everything between a third and three times as long as usual, and in most tables
 * something far slower, as it happens: a chart twenty times, OCI eight times, a challenge of minutes.
 */
export function latenciesFor(seed: number): Latencies {
  const table = Object.fromEntries(
    Object.entries(usualLatencies).map(([what, usual]) => [what, usual * 3 ** (2 * draw(seed, what) - 1)]),
  );
  // A self-check is not shorter than a TTL.
  table.challenge = Math.max(table.challenge ?? 0, (usualLatencies.challenge ?? 0) / 2);
  for (let count = Math.floor(draw(seed, "how many are slow") * 3); count > 0; count--) {
    const at = Math.floor(draw(seed, `slow ${count}`) * Object.keys(slow).length);
    const [what = "", times = 1] = Object.entries(slow)[at] ?? [];
    table[what] = (usualLatencies[what] ?? 0) * times;
  }
  return table;
}
