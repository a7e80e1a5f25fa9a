import { examples } from "../project/placeholders.ts";
import type { Registration } from "../project/record.ts";
import { type Graph, graphOf } from "../sandbox/schedule/graph.ts";
import { willingCloud } from "../sandbox/schedule/willing-cloud.ts";
import { emptyWorld, worldWithBareVault, worldWithoutVault } from "../sandbox/world/beginnings.ts";
import { putRelease } from "../sandbox/world/helm.ts";
import { addressOf } from "../sandbox/world/oci.ts";
import { type State, sha256 } from "../sandbox/world/state.ts";
import { openWorld } from "../sandbox/world/systems.ts";
import type { Surroundings } from "../workbench/edges.ts";
import { type Changes, registrationsOf, type Secrets } from "./harness.ts";

/** A reserved IP that is there before the program is. */
const ADOPTED = "ocid1.publicip.oc1.eu-frankfurt-1.aaaaadopted";

/** A Vault that is there. */
const VAULT = { address: "http://127.0.0.1:8200" };
const CREDENTIAL = { name: "vault-login", namespace: "default", key: "value" };
const ELSEWHERE = {
  address: "https://vault.example.org",
  clusterAddress: "https://vault.example.org",
  caBundle: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
};
const WITH_KEY = {
  install: true,
  kmsVaultId: "ocid1.vault.oc1.eu-frankfurt-1.aaaatheirs.abcdefgh",
  kmsKeyId: "ocid1.key.oc1.eu-frankfurt-1.aaaatheirs.abcdefgi",
};

const ZERO_SSL = "https://acme.zerossl.com/v2/DV90";
/** A second pool of nodes has an NSG of its own. */
const MORE_NODES = "ocid1.networksecuritygroup.oc1.eu-frankfurt-1.aaaasandboxmore";

/** A way of setting the program up. */
export interface Variant {
  readonly name: string;
  readonly stack: string;
  readonly changes?: Changes;
  readonly secrets?: Secrets;
  /** The world to begin with. @default - an empty one */
  readonly worldOf?: (seed?: number) => State;
  /** The settings of the first of two phases. @default - one phase is all */
  readonly bootstrap?: Changes;
}

/** Stacks that together use every way of setting the program up. */
export const variants: readonly Variant[] = [
  { name: "prod", stack: "prod" },
  { name: "lab", stack: "lab" },
  {
    name: "rules NSG, names and an address of others",
    stack: "prod",
    changes: {
      acme: { email: "a@example.com", server: "production", issuerName: "letsencrypt" },
      loadBalancer: loadBalancer({ rules: "NSG", ownAddress: true }),
      charts: {
        certManager: { releaseName: "certs" },
        reflector: { releaseName: "copies" },
        externalSecrets: { releaseName: "eso" },
        istio: { releaseNames: { base: "crds", istiod: "mesh" } },
      },
    },
  },
  { name: "internal", stack: "prod", changes: { loadBalancer: loadBalancer({ internal: true }) } },
  {
    name: "an adopted IP",
    stack: "prod",
    changes: { loadBalancer: loadBalancer({ reservedIp: ADOPTED }) },
    worldOf: withReservedIp,
  },
  {
    name: "a supplied token, charts by a login",
    stack: "prod",
    changes: {
      cloudflare: { token: "supplied" },
      charts: {
        mirror: "oci://registry.example.com/charts",
        username: "robot",
        reflector: { repo: "https://charts.example.com", username: "robot" },
      },
    },
    secrets: { cloudflareApiToken: "the-supplied-token", chartsPassword: "the-charts-password" },
    worldOf: withToken,
  },
  { name: "a rotated token", stack: "prod", changes: { cloudflare: { tokenSerial: 3 } } },
  {
    name: "External Secrets already there",
    stack: "prod",
    changes: { externalSecrets: { install: false } },
    worldOf: withExternalSecrets,
  },
  {
    name: "access managed in a Vault that holds nothing",
    stack: "prod",
    changes: { vault: { ...VAULT, access: "managed" } },
    worldOf: worldWithBareVault,
  },
  {
    name: "access managed in a Vault that others have set up",
    stack: "prod",
    changes: { vault: { ...VAULT, access: "managed" } },
    worldOf: withForeignMounts,
  },
  {
    name: "Vault elsewhere, by token",
    stack: "prod",
    changes: { vault: { ...ELSEWHERE, auth: { method: "token", secret: CREDENTIAL } } },
    worldOf: withCredential,
  },
  {
    name: "Vault elsewhere, by AppRole",
    stack: "prod",
    changes: { vault: { ...ELSEWHERE, auth: { method: "appRole", roleId: "role-1", secret: CREDENTIAL } } },
    worldOf: withCredential,
  },
  {
    name: "Vault installed, unsealed by KMS",
    stack: "prod",
    changes: { vault: { install: true, initialized: true } },
    bootstrap: { vault: { install: true } },
    worldOf: worldWithoutVault,
  },
  {
    name: "Vault installed, unsealed by a key that is there",
    stack: "prod",
    changes: { vault: { ...WITH_KEY, initialized: true }, networkPolicies: true },
    bootstrap: { vault: WITH_KEY },
    worldOf: withKmsKey,
  },
  {
    name: "Vault installed, unsealed by hand",
    stack: "lab",
    changes: { vault: { install: true, initialized: true } },
    bootstrap: { vault: { install: true } },
    worldOf: worldWithoutVault,
  },
  {
    name: "access managed, bound, tagged, and protocols of all kinds",
    stack: "prod",
    changes: {
      acme: { email: "a@example.com", server: ZERO_SSL, eab: { keyId: "kid-1" } },
      loadBalancer: loadBalancer({ nodeNsgIds: [examples["<node NSG OCID>"], MORE_NODES] }),
      freeformTags: { team: "web" },
      definedTags: { Operations: { CostCenter: "42" } },
      networkPolicies: true,
      vault: { ...VAULT, access: "managed", audiences: ["vault"] },
      tenancy: { routes: ["default"], certificates: ["default"], secrets: ["default"] },
      services: [
        { name: "vault", namespace: "vault", port: 8200, timeoutSeconds: 30 },
        { name: "argocd", namespace: "argocd", service: "argocd-server", port: 443, protocol: "https" },
        { name: "grpc", namespace: "argocd", service: "argocd-server", port: 8080, protocol: "h2c" },
      ],
    },
    secrets: { acmeEabHmacKey: "c2FtZQ" },
    worldOf: withWhatIsAskedFor,
  },
  {
    name: "no cloud at all",
    stack: "prod",
    changes: {
      cluster: { context: "kind-kind" },
      loadBalancer: undefined,
      vault: undefined,
      cloudflare: { token: "none" },
      acme: { server: "ca" },
    },
  },
  {
    name: "k3s with DNS-01",
    stack: "lab",
    changes: { cluster: { context: "k3s" }, loadBalancer: undefined, gateway: { serviceType: "LoadBalancer" } },
  },
];

/** What a variant registers, with the values that its clouds would give. */
export const registrationsIn = (
  { stack, changes, secrets, worldOf }: Variant,
  settings: Changes | undefined = changes,
): Promise<Registration[]> => registrationsOf(stack, settings, secrets, willingCloud(worldOf?.()));

/** A variant's program as it is played, and what it comes up in. */
export async function setUp(variant: Variant): Promise<{ graph: Graph; surroundings: Surroundings }> {
  const { changes, bootstrap, worldOf = emptyWorld } = variant;
  const record = async (settings?: Changes) => graphOf(await registrationsIn(variant, settings));
  const first = bootstrap && (await record({ ...changes, ...bootstrap }));
  return { graph: await record(), surroundings: { worldOf, bootstrap: first } };
}

function loadBalancer(changes: Record<string, unknown>) {
  return {
    compartmentId: examples["<compartment OCID>"],
    vcnId: examples["<VCN OCID>"],
    nodeNsgIds: [examples["<node NSG OCID>"]],
    rules: "None",
    ...changes,
  };
}

function withReservedIp(seed?: number): State {
  const world = openWorld(emptyWorld(seed));
  world.put({ kind: "PublicIp", name: "adopted", spec: {} }, ADOPTED).status.ipAddress = addressOf("adopted");
  return world.state;
}

/** A world in which the operator has made the token. */
function withToken(seed?: number): State {
  const world = openWorld(emptyWorld(seed));
  const zones = world.items("Zone").map(({ id }) => id);
  const spec = { valueHash: sha256("the-supplied-token"), zones, permissions: ["DNS Write", "Zone Read"] };
  world.put({ kind: "ApiToken", name: "the operator's", spec });
  return world.state;
}

/** A world in which somebody else has mounted what the program needs in Vault. */
function withForeignMounts(seed?: number): State {
  const world = openWorld(worldWithBareVault(seed));
  world.put({ kind: "Mount", name: "secret", spec: { type: "kv", version: "2" } });
  world.put({ kind: "AuthBackend", name: "kubernetes", spec: { type: "kubernetes" } });
  world.put({ kind: "AuthBackendConfig", name: "kubernetes", spec: { host: "https://10.0.0.1:6443" } });
  return world.state;
}

/** A world with a Vault outside of the cluster, and the Secret with which the cluster logs in to it. */
function withCredential(seed?: number): State {
  const world = openWorld(worldWithBareVault(seed));
  world.put({ kind: "Mount", name: "secret", spec: { type: "kv", version: "2" } });
  const policy = 'path "secret/data/prod/*" { capabilities = ["read", "list"] }';
  world.put({ kind: "Policy", name: "reader", spec: { policy } });
  const vault = world.item("Vault /vault");
  if (vault) vault.spec.logins = { credential: ["reader"], "approle/role-1/credential": ["reader"] };
  const { name, namespace, key } = CREDENTIAL;
  world.put({ kind: "Secret", name, namespace, spec: { data: { [key]: "credential" } } });
  return world.state;
}

/** A world without a Vault, and with a key for one at OCI. */
function withKmsKey(seed?: number): State {
  const world = openWorld(worldWithoutVault(seed));
  world.put({ kind: "KmsVault", name: "theirs", spec: { compartmentId: "theirs" } }, WITH_KEY.kmsVaultId);
  world.put({ kind: "Key", name: "theirs", spec: {} }, WITH_KEY.kmsKeyId);
  return world.state;
}

/** A world with two pools of nodes, a defined tag, a server that binds its accounts, and Services of several protocols. */
function withWhatIsAskedFor(seed?: number): State {
  const world = openWorld(worldWithBareVault(seed));
  world.put({ kind: "NetworkSecurityGroup", name: "more nodes", spec: { nodes: true } }, MORE_NODES);
  world.put({ kind: "Tag", name: "Operations.CostCenter", spec: {} });
  world.put({ kind: "AcmeServer", name: ZERO_SSL, spec: { keyId: "kid-1", hmacKey: sha256("c2FtZQ") } });
  const speaks = { 443: "https", 8080: "h2c" };
  world.put({ kind: "Service", namespace: "argocd", name: "argocd-server", spec: { speaks } });
  return world.state;
}

/** A world in which somebody else runs External Secrets. */
function withExternalSecrets(seed?: number): State {
  const world = openWorld(emptyWorld(seed));
  world.put({ kind: "Namespace", name: "external-secrets", spec: {} });
  const name = "external-secrets";
  putRelease(world, { namespace: name, name, spec: { chart: name } });
  return world.state;
}
