import { CERT_MANAGER_NAMESPACE } from "../../components/cert-manager.ts";
import { SECRET_STORE as STORE } from "../../components/secret-store.ts";
import { TOKEN_SECRET } from "../../components/token-secret.ts";
import { IN_CLUSTER } from "../../settings/vault.ts";
import type { Json } from "./actions.ts";
import type { LiveObject } from "./cluster.ts";
import { type Found, keyOf } from "./found.ts";
import { type Row, row } from "./plan.ts";

// The store and the ExternalSecret as settings of Vault and of External Secrets.

interface SecretRef {
  readonly name?: string;
  readonly namespace?: string;
  readonly key?: string;
}

interface Store extends LiveObject {
  readonly spec?: { readonly provider?: { readonly vault?: VaultProvider } };
}

interface VaultProvider {
  readonly server?: string;
  readonly path?: string;
  readonly namespace?: string;
  readonly version?: string;
  readonly caBundle?: string;
  readonly caProvider?: object;
  readonly auth?: {
    readonly kubernetes?: {
      readonly mountPath?: string;
      readonly role?: string;
      readonly serviceAccountRef?: SecretRef & { readonly audiences?: readonly string[] };
    };
    readonly tokenSecretRef?: SecretRef;
    readonly appRole?: { readonly path?: string; readonly roleId?: string; readonly secretRef?: SecretRef };
  };
}

interface ExternalSecret extends LiveObject {
  readonly spec?: {
    readonly secretStoreRef?: { readonly name?: string };
    readonly data?: readonly { readonly secretKey?: string; readonly remoteRef?: { readonly key?: string } }[];
  };
}

/** What the store says of Vault; nothing where there is none. */
export function secretsIn({ objects }: Found): {
  vault: Record<string, Json>;
  externalSecrets: Record<string, Json>;
  rows: Row[];
} {
  const rows: Row[] = [];
  const store = objects.get(keyOf({ apiVersion: "external-secrets.io/v1", kind: "ClusterSecretStore", name: STORE })) as
    | Store
    | undefined;
  const provider = store?.spec?.provider?.vault;
  if (store !== undefined && provider === undefined)
    rows.push(row("refuse", `ClusterSecretStore ${STORE}`, "reads no Vault", "give it another name in ArgoCD"));
  if (provider === undefined) return { vault: {}, externalSecrets: {}, rows };
  const vault: Record<string, Json> = {};
  const externalSecrets: Record<string, Json> = {};
  if (provider.server !== undefined && provider.server !== IN_CLUSTER) vault.clusterAddress = provider.server;
  if (provider.path !== undefined) vault.mount = provider.path;
  if (provider.namespace !== undefined) vault.namespace = provider.namespace;
  if (provider.caBundle !== undefined) vault.caBundle = Buffer.from(provider.caBundle, "base64").toString();
  if (provider.version === "v1")
    rows.push(
      row("refuse", `ClusterSecretStore ${STORE}`, "reads KV version 1", "the program reads and writes version 2"),
    );
  if (provider.caProvider !== undefined)
    rows.push(
      row("see", `ClusterSecretStore ${STORE}`, "has its CA from an object, which stays", "set vault.caBundle"),
    );
  Object.assign(vault, loginOf(provider));
  const account = provider.auth?.kubernetes?.serviceAccountRef;
  if (account?.name !== undefined) externalSecrets.serviceAccount = account.name;
  if (account?.namespace !== undefined) externalSecrets.namespace = account.namespace;
  Object.assign(vault, pathOf(objects, provider.path));
  return { vault, externalSecrets, rows };
}

function loginOf({ auth = {} }: VaultProvider): Record<string, Json> {
  const { kubernetes, tokenSecretRef, appRole } = auth;
  if (kubernetes !== undefined)
    return {
      ...(kubernetes.role !== undefined && { role: kubernetes.role }),
      ...(kubernetes.mountPath !== undefined && { authPath: kubernetes.mountPath }),
      ...(kubernetes.serviceAccountRef?.audiences && { audiences: [...kubernetes.serviceAccountRef.audiences] }),
    };
  const secret = ({ name = "", namespace = "", key = "" }: SecretRef) => ({ name, namespace, key });
  if (tokenSecretRef !== undefined) return { auth: { method: "token", secret: secret(tokenSecretRef) } };
  if (appRole === undefined) return {};
  const { path, roleId, secretRef = {} } = appRole;
  return {
    auth: {
      method: "appRole",
      secret: secret(secretRef),
      ...(roleId !== undefined && { roleId }),
      ...(path !== undefined && { path }),
    },
  };
}

/** Path of the token in Vault's mount, which External Secrets takes with and without the mount before it. */
function pathOf(objects: Found["objects"], mount = ""): Record<string, Json> {
  const name = { namespace: CERT_MANAGER_NAMESPACE, name: TOKEN_SECRET };
  const secret = objects.get(keyOf({ apiVersion: "external-secrets.io/v1", kind: "ExternalSecret", ...name })) as
    | ExternalSecret
    | undefined;
  const key = secret?.spec?.secretStoreRef?.name === STORE ? secret.spec.data?.[0]?.remoteRef?.key : undefined;
  if (key === undefined) return {};
  const inside = mount !== "" && key.startsWith(`${mount}/`) ? key.slice(mount.length + 1).replace(/^data\//, "") : key;
  return { path: inside };
}
