import { isInCluster } from "./addresses.ts";
import type { Rule } from "./rule.ts";
import { DEPLOY_POLICY, type Given, IN_CLUSTER, schemeOf, unsealsItself, type VaultGiven } from "./vault.ts";
import { loginRules } from "./vault-login.ts";

/** https://github.com/hashicorp/vault/blob/v1.21.0/vault/mount.go, protectedMounts */
const RESERVED = /^(audit|auth|cubbyhole|identity|sys)(\/|$)/;

/** https://github.com/hashicorp/vault/blob/v1.21.0/vault/policy_store.go, immutablePolicies, and the one of all tokens. */
const VAULTS_POLICIES = ["default", "root", "response-wrapping", "control-group"];

/** Vault knows policies in small letters alone. docs/ci.md gives each stack's runs `oke-platform-<stack>`. */
const isTaken = (role: string) =>
  VAULTS_POLICIES.includes(role.toLowerCase()) || `${role.toLowerCase()}-`.startsWith(`${DEPLOY_POLICY}-`);

const installed = (holds: (vault: VaultGiven, given: Given) => boolean) => (given: Given) =>
  given.vault?.install === true && holds(given.vault, given);

const there = (holds: (vault: VaultGiven) => boolean) => (given: Given) =>
  given.vault?.install === false && holds(given.vault);

const INSTALL = ["vault.install"];

export const vaultRules: readonly Rule<Given>[] = [
  {
    key: "vault",
    reads: ["cloudflare.token"],
    when: ({ cloudflare, vault }) => cloudflare.token !== "none" && vault === undefined,
    allowed:
      'a map with address or install: true, required where a DNS token is kept; or set cloudflare.token to "none"',
  },
  {
    key: "vault.mount",
    reads: [],
    when: ({ vault }) => vault !== undefined && RESERVED.test(vault.mount),
    allowed: "the mount of a KV engine; audit, auth, cubbyhole, identity and sys are Vault's own",
  },
  {
    key: "vault.authPath",
    reads: [],
    when: ({ vault }) => vault !== undefined && /^token(\/|$)/.test(vault.authPath),
    allowed: "the mount path of a Kubernetes auth backend; token is Vault's own",
  },
  {
    key: "vault.role",
    reads: ["vault.install", "vault.access"],
    when: ({ vault }) => vault !== undefined && (vault.install || vault.access === "managed") && isTaken(vault.role),
    allowed: `another name with access "managed", which names a policy so, too: ${VAULTS_POLICIES.join(", ")} are Vault's own, and ${DEPLOY_POLICY}, with or without more after a -, is that of a run's token`,
  },
  // Before all others: nothing else about a Vault that is not to be installed is worth telling.
  {
    key: "vault.install",
    reads: ["cloudflare.token"],
    when: installed((_, { cloudflare }) => cloudflare.token === "none"),
    allowed: 'false with cloudflare.token "none", which leaves nothing to keep in it',
  },
  {
    key: "vault.address",
    reads: [...INSTALL, "size"],
    when: installed(({ address }, { size }) => address !== undefined && !address.startsWith(`${schemeOf(size)}:`)),
    allowed: ({ size }) => `an ${schemeOf(size)} URL with install: true and size "${size}"`,
  },
  {
    key: "vault.clusterAddress",
    reads: INSTALL,
    when: installed(({ clusterAddress }) => clusterAddress !== undefined),
    allowed: "nothing with install: true, which knows its own address; remove it",
  },
  {
    key: "vault.namespace",
    reads: INSTALL,
    when: installed(({ namespace }) => namespace !== undefined),
    allowed: "nothing with install: true, which installs a Vault without namespaces; remove it",
  },
  {
    key: "vault.access",
    reads: INSTALL,
    when: installed(({ access }) => access === "existing"),
    allowed: '"managed" with install: true: a Vault that is new has no access yet; remove it',
  },
  {
    key: "vault.caBundle",
    reads: INSTALL,
    when: installed(({ caBundle }) => caBundle !== undefined),
    allowed: "nothing with install: true, whose CA is the program's own; remove it",
  },
  {
    key: "vault.address",
    reads: INSTALL,
    when: there(({ address }) => address === undefined),
    allowed: "the http or https URL at which this program reaches Vault, required without install",
  },
  {
    key: "vault.initialized",
    reads: INSTALL,
    when: there(({ initialized }) => initialized),
    allowed: "nothing without install: a Vault that is there is taken to be ready; remove it",
  },
  ...(["kmsVaultId", "kmsKeyId"] as const).map((field) => ({
    key: `vault.${field}`,
    reads: INSTALL,
    when: there((given) => given[field] !== undefined),
    allowed: "nothing without install; remove it",
  })),
  {
    key: "vault.kmsVaultId",
    reads: [...INSTALL, "vault.kmsKeyId"],
    when: installed(({ kmsVaultId, kmsKeyId }) => kmsKeyId !== undefined && kmsVaultId === undefined),
    allowed: "the OCID of the vault of the key in vault.kmsKeyId",
  },
  {
    key: "vault.kmsKeyId",
    reads: [...INSTALL, "vault.kmsVaultId", "size", "loadBalancer"],
    when: installed(
      (given, { size, loadBalancer }) =>
        given.kmsKeyId === undefined && unsealsItself(given, size) && loadBalancer === undefined,
    ),
    allowed: "the OCID of a key, with kmsVaultId: without loadBalancer there is no compartment to make one in",
  },
  {
    key: "vault.clusterAddress",
    reads: [...INSTALL, "vault.access"],
    when: there(({ access, clusterAddress = IN_CLUSTER }) => access === "managed" && !isInCluster(clusterAddress)),
    allowed:
      'the URL of a Service of this cluster with access "managed", such as http://vault.vault:8200: a Vault elsewhere cannot review this cluster\'s tokens',
  },
  ...loginRules,
];
