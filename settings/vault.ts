import * as v from "valibot";
import { isUrl } from "./addresses.ts";
import type { CloudflareGiven, TokenSettings } from "./cloudflare.ts";
import type { ExternalSecretsGiven } from "./external-secrets.ts";
import { flag, innerPath, map, ocid, once, oneOf, pem, says, text } from "./fields.ts";
import type { LoadBalancerGiven } from "./load-balancer.ts";
import type { Size } from "./size.ts";
import { type TagsSettings, tagsOf } from "./tags.ts";
import { auth, loginOf, type VaultLogin } from "./vault-login.ts";

const url = (who: string) =>
  text(`the http or https URL at which ${who} reaches Vault`, (value) => isUrl(value, "http:", "https:"));

/** The Service of the Vault that this program installs, as others have it by default. */
export const IN_CLUSTER = "http://vault.vault:8200";

/** Name of the policy that the deploy token of `vault:init` carries, and that the documentation gives to others. */
export const DEPLOY_POLICY = "oke-platform";

export const vault = says(
  "Vault, where the DNS token is kept: already there, or installed here.",
  v.optional(
    map({
      address: says(
        "Where this program reaches Vault. For a private CA set VAULT_CACERT in the run's environment; npm run vault -- run does.",
        v.optional(url("this program")),
        "required without install; port 8200 of this machine with it",
      ),
      clusterAddress: says(
        "Where External Secrets reaches Vault; a Service of the cluster with managed access. Not with install.",
        v.optional(url("External Secrets")),
        `\`${IN_CLUSTER}\`; https with install and size production`,
      ),
      namespace: says(
        "Namespace of Vault Enterprise or HCP in which all of this is; mount and paths are seen from there.",
        v.optional(innerPath("a namespace")),
        "none: the root, or all there is",
      ),
      audiences: says(
        "Audiences of the service account's token with which External Secrets logs in; the first is the managed role's.",
        v.optional(
          v.pipe(
            // In a policy, a * at an end stands for anything.
            v.array(text("an audience: text without spaces and *", /^[^\s*]+$/), "a list of audiences"),
            once("each audience once"),
          ),
        ),
        "the cluster's own, and a role that asks for none",
      ),
      mount: says("Mount of the KV version 2 engine.", v.optional(innerPath("a mount path"), "secret")),
      path: says(
        "Path of the secret in the mount, whose property is cf-api-token. It is the program's own: what else is there is overwritten, and goes with a destroy.",
        v.optional(innerPath("a path"), "prod/cert-manager"),
      ),
      role: says(
        "Role of the Kubernetes auth backend that External Secrets logs in with.",
        v.optional(
          // https://github.com/hashicorp/vault/blob/sdk/v0.23.0/sdk/framework/path.go, GenericNameRegex
          text(
            "the name of a role of the Kubernetes auth backend: letters, digits, _, - and ., the last two not at its ends",
            /^\w([\w.-]*\w)?$/,
          ),
          "external-secrets",
        ),
      ),
      authPath: says("Mount path of the Kubernetes auth backend.", v.optional(innerPath("a mount path"), "kubernetes")),
      auth,
      caBundle: says(
        "The CA that signed Vault's certificate. Not with install.",
        v.optional(pem),
        "the system's trusted roots",
      ),
      access: says(
        "Who makes the mount, the policy, the auth backend and the role: they are there, or made here.",
        v.optional(oneOf("existing", "managed")),
        "`existing`; `managed` with install",
      ),
      install: says(
        'Install Vault in the cluster, or use the one that is there; not with cloudflare.token "none".',
        v.optional(flag, false),
      ),
      kmsVaultId: says(
        "OCI KMS vault of the key that unseals an installed Vault.",
        v.optional(ocid("vault")),
        "one is made with size production, and kept on destroy; with small, somebody unseals Vault by hand",
      ),
      kmsKeyId: says(
        "Key in kmsVaultId that unseals an installed Vault.",
        v.optional(ocid("key")),
        "one is made in kmsVaultId, and kept on destroy",
      ),
      initialized: says(
        "Whether the bootstrap of an installed Vault is over; npm run vault:init sets it.",
        v.optional(flag, false),
      ),
    }),
  ),
  'required unless cloudflare.token is "none"',
);

export type VaultGiven = NonNullable<v.InferOutput<typeof vault>>;

/** What of a stack decides about its Vault. */
export interface Given extends CloudflareGiven, LoadBalancerGiven, ExternalSecretsGiven, TagsSettings {
  readonly vault?: VaultGiven | undefined;
  readonly size: Size;
}

/** An installed Vault speaks TLS in production, where its CA is cert-manager's. */
export const schemeOf = (size: Size) => (size === "production" ? "https" : "http");

/** Whether OCI KMS unseals an installed Vault, and not somebody by hand. */
export const unsealsItself = ({ kmsVaultId }: VaultGiven, size: Size) =>
  size === "production" || kmsVaultId !== undefined;

/** `bootstrap` until an installed Vault is initialised, then `complete`. */
export type Phase = "bootstrap" | "complete";

/** The OCI KMS key with which an installed Vault unseals itself; what is not given is made, in the compartment. */
export interface SealSettings {
  readonly vaultId?: string | undefined;
  readonly keyId?: string | undefined;
  readonly compartmentId?: string | undefined;
  /** Of what is made. */
  readonly tags: TagsSettings;
}

/** The Vault that the DNS token is kept in. */
export type VaultSettings = Readonly<
  Pick<VaultGiven, "namespace" | "mount" | "path" | "role" | "authPath" | "caBundle">
> & {
  /** Where this program reaches it. */
  readonly address: string;
  /** Where External Secrets reaches it. */
  readonly clusterAddress: string;
  readonly access: "existing" | "managed";
  readonly login: VaultLogin;
  readonly token: TokenSettings;
} & (
    | { readonly kind: "there" }
    | {
        readonly kind: "installed";
        readonly phase: Phase;
        /** Whether it speaks TLS, with a certificate of cert-manager's. */
        readonly tls: boolean;
        /** Absent: somebody unseals each pod by hand. */
        readonly seal?: SealSettings | undefined;
      }
  );

/** Vault with the token that is kept in it; undefined where there is none. */
export function vaultOf(given: Given, token: TokenSettings | undefined): VaultSettings | undefined {
  const { vault, size, loadBalancer } = given;
  if (vault === undefined || token === undefined) return undefined;
  const { address, clusterAddress = IN_CLUSTER, access = "existing" } = vault;
  const { namespace, mount, path, role, authPath, caBundle } = vault;
  const common = { namespace, mount, path, role, authPath, caBundle, login: loginOf(vault, given), token };
  // The address is given, by the rule about it.
  if (!vault.install)
    return { ...common, kind: "there", address: forwarded(address as string), clusterAddress, access };
  const scheme = schemeOf(size);
  return {
    ...common,
    kind: "installed",
    // Where a port-forward brings it.
    address: forwarded(address ?? `${scheme}://127.0.0.1:8200`),
    clusterAddress: IN_CLUSTER.replace("http", scheme),
    access: "managed",
    phase: vault.initialized ? "complete" : "bootstrap",
    tls: scheme === "https",
    seal: unsealsItself(vault, size)
      ? {
          vaultId: vault.kmsVaultId,
          keyId: vault.kmsKeyId,
          compartmentId: loadBalancer?.compartmentId,
          tags: tagsOf(given),
        }
      : undefined,
  };
}

/**
 * `localhost` in plain HTTP as 127.0.0.1, where a port-forward listens: the name can lead to ::1, and the token to whoever
 * listens there. With https the server's certificate tells who it is, and may be for the name alone.
 */
const forwarded = (address: string) =>
  address.replace(/^(http:\/\/)localhost(?=[:/?#]|$)/i, (_whole, scheme: string) => `${scheme}127.0.0.1`);
