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

/**
 * A table of latencies for a seed: everything between a third and three times as long as usual, and in most tables
 * something far slower, as it happens: a chart twenty times, OCI eight times, a challenge of minutes.
 */
export function latenciesFor(seed: number): Latencies {
  const state = { random: seed };
  const random = () => nextRandom(state);
  const table = Object.fromEntries(
    Object.entries(usualLatencies).map(([what, usual]) => [what, usual * 3 ** (2 * random() - 1)]),
  );
  // A self-check is not shorter than a TTL.
  table.challenge = Math.max(table.challenge ?? 0, (usualLatencies.challenge ?? 0) / 2);
  for (let count = Math.floor(random() * 3); count > 0; count--) {
    const [what = "", times = 1] = Object.entries(slow)[Math.floor(random() * Object.keys(slow).length)] ?? [];
    table[what] = (usualLatencies[what] ?? 0) * times;
  }
  return table;
}
