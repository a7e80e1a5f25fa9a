import * as pulumi from "@pulumi/pulumi";
import { getSecret } from "@pulumi/vault/generic/getSecret.js";
import { Provider } from "@pulumi/vault/provider.js";
import type { VaultSettings } from "../../settings/vault.ts";

/** What of a stack's needs a Vault has already. */
export interface VaultContents {
  /** Whether the KV mount is there. */
  readonly mount: boolean;
  /** Whether the Kubernetes auth backend is there. */
  readonly backend: boolean;
  /** Whether that backend has a configuration. */
  readonly backendConfig: boolean;
}

/** A Vault whose content this run may use, as the settings say it, and what was found in it. */
export type OpenVault = VaultSettings & {
  readonly provider: Provider;
  /** What was there before this run. */
  readonly contents: VaultContents;
};

/**
 * Opens the stack's Vault, if it has one that can be open: a new one is empty and sealed until somebody initialises it.
 *
 * @throws {pulumi.RunError} as {@link contentsOf}
 */
export async function openVault(name: string, vault: VaultSettings | undefined): Promise<OpenVault | undefined> {
  if (vault === undefined || (vault.kind === "installed" && vault.phase === "bootstrap")) return undefined;
  const provider = new Provider(name, {
    address: vault.address,
    ...(vault.namespace !== undefined && { namespace: vault.namespace }),
  });
  return { ...vault, provider, contents: await contentsOf(vault, provider) };
}

/**
 * Looks into Vault before anything is registered, so that one that is sealed, out of reach or not as it was said to be
 * stops the run while nothing is touched.
 *
 * @throws {pulumi.RunError} when Vault does not answer, or the mount is missing or no KV version 2 engine
 */
async function contentsOf(
  { mount, authPath, access, address }: VaultSettings,
  provider: pulumi.ProviderResource,
): Promise<VaultContents> {
  // What is missing will be made.
  const managed = access === "managed";
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
