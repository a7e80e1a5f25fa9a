import * as pulumi from "@pulumi/pulumi";
import { Audit } from "@pulumi/vault/audit.js";
import { AuthBackend } from "@pulumi/vault/authBackend.js";
import { getSecret } from "@pulumi/vault/generic/getSecret.js";
import { AuthBackendConfig } from "@pulumi/vault/kubernetes/authBackendConfig.js";
import { AuthBackendRole } from "@pulumi/vault/kubernetes/authBackendRole.js";
import { Mount } from "@pulumi/vault/mount.js";
import { Policy } from "@pulumi/vault/policy.js";

/** What of a stack's needs a Vault has already. */
export interface VaultContents {
  /** Whether the KV mount is there. */
  readonly mount: boolean;
  /** Whether the Kubernetes auth backend is there. */
  readonly backend: boolean;
  /** Whether that backend has a configuration. */
  readonly backendConfig: boolean;
}

/** Where a stack's secret and its reader are in Vault. */
export interface VaultPlaces {
  /** Mount of the KV version 2 engine. */
  readonly mount: string;
  /** Path of the secret in the mount. */
  readonly path: string;
  /** Mount path of the Kubernetes auth backend. */
  readonly authPath: string;
}

/**
 * Looks into Vault before anything is registered, so that one that is sealed, out of reach or not as it was said to be
 * stops the run while nothing is touched.
 *
 * @param managed whether what is missing will be made
 * @throws {pulumi.RunError} when Vault does not answer, or the mount is missing or no KV version 2 engine
 */
export async function contentsOf(
  { mount, authPath }: VaultPlaces,
  managed: boolean,
  address: string,
  provider: pulumi.ProviderResource,
): Promise<VaultContents> {
  const read = async (path: string) => (await getSecret({ path }, { provider })).dataJson as unknown;
  // What the token may see, which asks for no permission: https://developer.hashicorp.com/vault/api-docs/system/internal-ui-mounts
  const listed = await read("sys/internal/ui/mounts").catch((error: Error) => {
    throw new pulumi.RunError(
      `Vault at ${address} cannot be used: ${reasonOf(error)}. It must be reachable from here, initialised and unsealed, ` +
        "and VAULT_TOKEN must be valid; for a Vault inside the cluster: npm run vault -- run --stack <stack> -- pulumi up",
    );
  });
  // In a plan, where nothing is known, nothing is there.
  if (typeof listed !== "string") return { mount: false, backend: false, backendConfig: false };
  const { secret = {}, auth = {} } = JSON.parse(listed) as { secret?: Mounts; auth?: Mounts };
  const found = secret[`${mount}/`];
  if (found !== undefined && !isVersion2(found))
    throw new pulumi.RunError(
      `vault.mount is "${mount}", which is a ${found.type} engine${found.type === "kv" ? " of version 1" : ""} at ${address}; ` +
        "allowed: the mount of a KV version 2 engine",
    );
  if (found === undefined && !managed)
    throw new pulumi.RunError(
      `vault.mount is "${mount}", which VAULT_TOKEN does not see at ${address}; mount a KV version 2 engine there and let ` +
        'the token write the path, or set vault.access to "managed"',
    );
  const backend = auth[`${authPath}/`];
  if (managed && backend !== undefined && backend.type !== "kubernetes")
    throw new pulumi.RunError(
      `vault.authPath is "${authPath}", which is an auth backend of type ${backend.type} at ${address}; allowed: the path ` +
        "of a kubernetes backend, or one that is free",
    );
  return {
    mount: found !== undefined,
    backend: backend !== undefined,
    backendConfig: managed && backend !== undefined && (await exists(() => read(`auth/${authPath}/config`))),
  };
}

type Mounts = Record<string, { type: string; options?: { version?: string } | null }>;

const isVersion2 = ({ type, options }: Mounts[string]) =>
  type === "kv-v2" || (type === "kv" && options?.version === "2");

/** The provider says of what is not there that no secret is found: https://github.com/hashicorp/terraform-provider-vault/blob/v5.4.0/vault/data_source_generic_secret.go */
const exists = (read: () => Promise<unknown>) =>
  read().then(
    () => true,
    (error: Error) => {
      if (/no secret found/i.test(error.message)) return false;
      throw error;
    },
  );

/** The provider's own words, without what the SDK says around them. */
const reasonOf = ({ message }: Error) =>
  message
    .replace(/^.*returned an error: /s, "")
    .trim()
    .replace(/\.$/, "");

export interface VaultAccessArgs extends VaultPlaces {
  /** Name of the role, and of the policy that it carries. */
  readonly role: string;
  /** The one service account that may log in. */
  readonly serviceAccount: { readonly name: string; readonly namespace: string };
  /** Directory for the audit log. @default - no audit device is made */
  readonly auditPath?: string;
  /** What there was before this run. */
  readonly contents: VaultContents;
}

/** Seconds that a login of External Secrets is good for; it logs in anew for each sync. */
const TOKEN_SECONDS = 600;

/**
 * What External Secrets needs to read one path of Vault, and nothing more.
 *
 * The mount and the auth backend are taken over as they are where there are any, and outlive a destroy: other people's
 * secrets may be in them by then.
 */
export class VaultAccess extends pulumi.ComponentResource {
  constructor(name: string, args: VaultAccessArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:VaultAccess", name, {}, opts);
    const { contents } = args;
    /** The engine imports only what its state does not have yet; how others have set it up is theirs to say. */
    const adopted = (there: boolean, id: string, ignoreChanges: string[]) => ({
      parent: this,
      ...(there && { import: id }),
      ignoreChanges,
      retainOnDelete: true,
      // The provider would move the old one to the new path, with all that others have in it.
      replaceOnChanges: ["path"],
    });

    new Mount(
      `${name}-mount`,
      { path: args.mount, type: "kv", options: { version: "2" } },
      adopted(contents.mount, args.mount, ["type", "options", ...MOUNT_SETTINGS]),
    );
    const backend = new AuthBackend(
      `${name}-backend`,
      { type: "kubernetes", path: args.authPath },
      adopted(contents.backend, args.authPath, ["description", "local", "tune"]),
    );
    new AuthBackendConfig(
      `${name}-backend-config`,
      // Vault asks the cluster it runs in, as its own service account.
      { backend: backend.path, kubernetesHost: "https://kubernetes.default.svc" },
      adopted(contents.backendConfig, `auth/${args.authPath}/config`, BACKEND_SETTINGS),
    );
    const policy = new Policy(
      `${name}-policy`,
      { name: args.role, policy: readerPolicy(args.mount, args.path) },
      { parent: this },
    );
    new AuthBackendRole(
      `${name}-role`,
      {
        backend: backend.path,
        roleName: args.role,
        boundServiceAccountNames: [args.serviceAccount.name],
        boundServiceAccountNamespaces: [args.serviceAccount.namespace],
        tokenPolicies: [policy.name],
        tokenTtl: TOKEN_SECONDS,
      },
      { parent: this },
    );
    if (args.auditPath !== undefined) {
      new Audit(
        `${name}-audit`,
        { type: "file", path: "file", options: { file_path: `${args.auditPath}/audit.log` } },
        { parent: this },
      );
    }

    this.registerOutputs();
  }
}

/** Settings of a mount that its maker may have chosen. */
const MOUNT_SETTINGS = [
  "allowedManagedKeys",
  "allowedResponseHeaders",
  "auditNonHmacRequestKeys",
  "auditNonHmacResponseKeys",
  "defaultLeaseTtlSeconds",
  "delegatedAuthAccessors",
  "description",
  "externalEntropyAccess",
  "identityTokenKey",
  "listingVisibility",
  "local",
  "maxLeaseTtlSeconds",
  "passthroughRequestHeaders",
  "pluginVersion",
  "sealWrap",
];
/** Settings of a backend's configuration that its maker may have chosen. */
const BACKEND_SETTINGS = [
  "disableIssValidation",
  "disableLocalCaJwt",
  "issuer",
  "kubernetesCaCert",
  "kubernetesHost",
  "pemKeys",
  "tokenReviewerJwt",
  "useAnnotationsAsAliasMetadata",
];

/**
 * What External Secrets may do: read the one path.
 *
 * @param mount mount of the KV version 2 engine, whose data are below `data/`
 */
export const readerPolicy = (mount: string, path: string) =>
  `path "${mount}/data/${path}" { capabilities = ["read"] }\n`;
