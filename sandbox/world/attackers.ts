import { isDark, serversOf, serves } from "./istio.ts";
import { isDefined, refusalOf } from "./kubernetes.ts";
import { type Item, keyOf, type Spec } from "./state.ts";
import type { System, World } from "./world.ts";

// Those who want what is the platform's, each with the rights of a team in its own namespace: as soon as anything happens
// they try again to answer for its hosts, to have its issuer sign for them, and to read its token. What they get is told
// as what must never be.

const STOLEN = "stolen";

/** Whether an object is an attacker's, by its key. */
export const isStolen = (key: string): boolean => /^\S+ [^/]*\/stolen/.test(key);

/** What everybody knows of platforms of this kind. */
const KNOWN = {
  gateway: "istio-system/istio-gateway",
  dotted: "istio-gateway.istio-system.svc.cluster.local",
  issuers: ["cluster-issuer-letsencrypt", "cluster-issuer-letsencrypt-staging", "cluster-issuer-ca"],
  credentialName: "cert-manager-tls-wildcard-cluster",
};

/** What an attacker makes of one kind, if it is let. */
interface Attack {
  /** Plural and group. */
  readonly definition: string;
  readonly kind: string;
  /** The objects by their names. */
  specs(world: World, namespace: string): Record<string, Spec>;
}

const route = (hosts: string[], gateway = KNOWN.gateway): Spec => ({
  hosts,
  gateways: [gateway],
  // A longer prefix wins over that of the host's own.
  http: [{ match: [{ uri: { prefix: "/v1" } }], route: [{ destination: { host: STOLEN } }] }],
});

const attacks: readonly Attack[] = [
  {
    definition: "virtualservices.networking.istio.io",
    kind: "VirtualService",
    specs(world, namespace) {
      const other = world.items("VirtualService").find((it) => it.namespace !== namespace && !isStolen(keyOf(it)));
      return {
        [STOLEN]: route(["*"]),
        [`${STOLEN}-through-its-own`]: route(["*"], STOLEN),
        ...(other && { [`${STOLEN}-host`]: route(other.spec.hosts as string[], KNOWN.dotted) }),
      };
    },
  },
  {
    definition: "gateways.networking.istio.io",
    kind: "Gateway",
    specs: () => ({
      [STOLEN]: {
        selector: { istio: "ingressgateway" },
        servers: [{ hosts: ["*"], tls: { mode: "SIMPLE", credentialName: KNOWN.credentialName } }],
      },
    }),
  },
  {
    definition: "certificates.cert-manager.io",
    kind: "Certificate",
    specs(world) {
      // Who signs each with its own key signs nobody's name.
      const theirs = world.items("ClusterIssuer").filter(({ spec }) => spec.selfSigned === undefined);
      const issuers = new Set([...KNOWN.issuers, ...theirs.map(({ name }) => name)]);
      const [zone] = world.items("Zone");
      return Object.fromEntries(
        [...issuers].map((name) => [
          `${STOLEN}-by-${name}`,
          {
            secretName: `${STOLEN}-by-${name}`,
            dnsNames: [`${STOLEN}.${zone?.name}`],
            issuerRef: { kind: "ClusterIssuer", name },
          },
        ]),
      );
    },
  },
  {
    definition: "externalsecrets.external-secrets.io",
    kind: "ExternalSecret",
    specs(world) {
      const theirs = world.items("ExternalSecret").find((it) => !isStolen(keyOf(it)));
      return { ...(theirs && { [STOLEN]: { ...theirs.spec, target: { name: STOLEN } } }) };
    },
  },
];

function attack(world: World): void {
  for (const { definition, kind, specs } of attacks) {
    if (!isDefined(world, definition)) continue;
    for (const { namespace } of world.items("Attacker"))
      for (const [name, spec] of Object.entries(specs(world, namespace))) {
        const request = { kind, namespace, name, spec };
        if (world.item(keyOf(request)) || refusalOf(world, definition, request) !== undefined) continue;
        const item = world.put(request);
        item.ready = false;
        world.start(item);
      }
  }
}

/** What can change an answer that they had before: what judges, and what there is to take. */
const TELLING = new Set([
  ...["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration"],
  ...["VirtualService", "ClusterIssuer", "ExternalSecret"],
]);

function perhapsAttack(world: World, item: Item): void {
  const isUp = ["CustomResourceDefinition", "Deployment"].includes(item.kind) && item.status.up === true && item.ready;
  if (isUp || (TELLING.has(item.kind) && !isStolen(keyOf(item)))) attack(world);
}

export const attackers: System = {
  kinds: { Attacker: {} },
  seen: perhapsAttack,
  gone: perhapsAttack,
  violations: (world) => [
    ...world.items("VirtualService").flatMap((route) => (isStolen(keyOf(route)) ? answered(world, route) : [])),
    ...world
      .items("Secret")
      .flatMap(({ name, namespace }) => (name === STOLEN ? [`the DNS token is in namespace ${namespace}`] : [])),
  ],
};

/** Where a stolen route answers. */
const answered = (world: World, stolen: Item): string[] =>
  world
    .items("Gateway")
    .filter((gateway) => gateway.ready && !isDark(world, gateway))
    .filter((gateway) => serversOf(gateway).some((server) => serves(gateway, server, stolen)))
    .map(({ name }) => `${stolen.namespace} answers for ${stolen.spec.hosts} at Gateway ${name}`);
