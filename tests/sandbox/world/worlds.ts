import { emptyWorld, peaceful } from "../../../sandbox/world/beginnings.ts";
import { ownAddressOf } from "../../../sandbox/world/load-balancer.ts";
import { type Item, type Request, type State, sha256 } from "../../../sandbox/world/state.ts";
import { openWorld } from "../../../sandbox/world/systems.ts";
import type { World } from "../../../sandbox/world/world.ts";
import {
  apiToken,
  base,
  certificate,
  certManager,
  DAY,
  externalSecrets,
  gateway,
  ISTIO,
  ingressGateway,
  issuer,
  istiod,
  kvSecret,
  record,
  reflector,
  reflectTo,
  route,
  type Spec,
  selfSigned,
  service,
} from "./requests.ts";

// What is done with the world in its tests, and worlds to begin with.

export const keyOfRequest = ({ kind, namespace: into = "", name }: Request) => `${kind} ${into}/${name}`;

/** Asks for these one after the other, each when the one before is ready. */
export function having(world: World, ...requests: Request[]): World {
  for (const request of requests) readyAfter(world, world.create(request));
  return world;
}
export const fresh = (...requests: Request[]) => having(openWorld(peaceful(emptyWorld())), ...requests);

/** Lets the clock run until an object is ready, and says how long that took; fails when it never is. */
export function readyAfter(world: World, item: Item, limit = 100 * DAY): number {
  const start = world.now;
  while (!item.ready) {
    const next = world.nextEvent;
    if (next === undefined || next > start + limit) throw new Error(`${item.kind} ${item.name}: ${item.reason}`);
    world.advance(next);
  }
  return rounded(world.now - start);
}

export const pass = (world: World, seconds: number) => world.advance(world.now + seconds);

/** Takes an object away, and waits until it is gone. */
export function without(world: World, ...requests: Request[]): World {
  for (const request of requests) {
    const key = keyOfRequest(request);
    world.remove(key);
    while (world.item(key) !== undefined) world.advance(world.nextEvent ?? Number.NaN);
  }
  return world;
}

/** When something is tried in the next seconds, counted from now. */
export function triesOf(world: World, what: State["timers"][number]["what"], seconds: number): number[] {
  const start = world.now;
  const tries: number[] = [];
  for (let at = world.nextEvent; at !== undefined && at <= start + seconds; at = world.nextEvent) {
    const due = world.state.timers.filter(
      ({ at: due, what: why, key, generation }) =>
        due === at && why === what && world.item(key)?.generation === generation,
    );
    tries.push(...due.map((timer) => rounded(timer.at - start)));
    world.advance(at);
  }
  world.advance(start + seconds);
  return tries;
}

/** Without the noise of binary fractions. */
const rounded = (seconds: number) => Math.round(seconds * 1e6) / 1e6;

export const stateOf = ({ ready, reason }: Item) => ({ ready, reason });
export const READY = { ready: true, reason: "" };

/** Changes what Vault is. */
export const setVault = (world: World, changes: Spec) => {
  const vault = world.item("Vault /vault");
  if (vault) vault.spec = { ...vault.spec, ...changes };
};

// ---- Worlds to begin with ----

/** The token and its Secret, as External Secrets would leave it. */
export function withToken(world: World, token = apiToken()): World {
  world.put(token);
  world.put({
    kind: "Secret",
    namespace: "cert-manager",
    name: "token",
    spec: { data: { "api-token": sha256("token") } },
  });
  return world;
}
export const issuing = (wait?: string) => having(withToken(fresh(certManager)), issuer(wait));
export const vaulted = () => fresh(certManager, externalSecrets, kvSecret("first"));
export const meshed = () => fresh(base, istiod);

/** Reflector, and a certificate of the cluster's own with these annotations. */
export function reflecting(secretTemplate: Spec = {}): World {
  const world = fresh(certManager, reflector, selfSigned);
  return having(world, certificate({ issuerRef: { kind: "ClusterIssuer", name: "self-signed" }, secretTemplate }));
}
export const reissued = (secretTemplate: Spec) =>
  certificate({ issuerRef: { kind: "ClusterIssuer", name: "self-signed" }, secretTemplate }).spec;
/** Where copies of the certificate are, a while later. */
export function copies(world: World, name = "tls"): string[] {
  pass(world, 2);
  return world
    .items("Secret")
    .filter((secret) => secret.name === name && secret.namespace !== "cert-manager")
    .map((secret) => secret.namespace)
    .sort();
}

/** The whole platform, and one host that is served. */
export function served(): World {
  const world = withToken(meshed());
  having(world, certManager, reflector, issuer(), certificate({ secretTemplate: reflectTo(ISTIO) }));
  having(world, ingressGateway(service()), gateway(), route());
  having(world, record("a", { content: ownAddressOf("istio-ingressgateway", false) }));
  pass(world, 2);
  return world;
}
export const HOST = "app.cluster.example.com";
