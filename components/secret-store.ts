import type { IClusterSecretStore } from "@kubernetes-models/external-secrets/external-secrets.io/v1/ClusterSecretStore";
import * as pulumi from "@pulumi/pulumi";
import type { Door } from "../settings/tenancy.ts";
import type { VaultSettings } from "../settings/vault.ts";
import type { SecretKey, VaultLogin } from "../settings/vault-login.ts";
import { filled, type Judged } from "./admission.ts";
import { awaited } from "./awaited.ts";

export interface SecretStoreArgs extends Pick<VaultSettings, "clusterAddress" | "namespace" | "mount" | "login"> {
  /** The CA that signed Vault's certificate: its PEM, or where in the cluster it is. @default - the system's trusted roots */
  readonly ca?: string | SecretKey;
  /** The namespace of the Secret that is brought into the cluster. */
  readonly reader: string;
  /** Who else may use it. */
  readonly guests: Door;
}

/** Seconds for External Secrets to log in to Vault; it takes less than one. */
const READY_SECONDS = 300;

/** The ClusterSecretStore. */
export const SECRET_STORE = "vault-backend";

/** Vault as External Secrets sees it: a ClusterSecretStore that has logged in. */
export class SecretStore extends pulumi.ComponentResource {
  readonly storeName = SECRET_STORE;

  constructor(name: string, args: SecretStoreArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:SecretStore", name, {}, opts);

    awaited<IClusterSecretStore>(
      name,
      {
        apiVersion: "external-secrets.io/v1",
        kind: "ClusterSecretStore",
        metadata: { name: this.storeName },
        spec: {
          ...conditionsOf(args),
          provider: {
            vault: {
              server: args.clusterAddress,
              ...(args.namespace !== undefined && { namespace: args.namespace }),
              path: args.mount,
              version: "v2",
              ...caOf(args.ca),
              auth: authOf(args.login),
            },
          },
        },
      },
      READY_SECONDS,
      { parent: this },
    );

    this.registerOutputs({ storeName: this.storeName });
  }
}

/** It is no admission: what another namespace asks for is taken, and never synced. */
const conditionsOf = ({ reader, guests }: SecretStoreArgs) =>
  guests === "all" ? {} : { conditions: [{ namespaces: [...new Set([reader, ...guests])] }] };

/** What an ExternalSecret or PushSecret says of the stores that it uses. */
interface UsesStores {
  readonly secretStoreRef?: StoreRef;
  readonly secretStoreRefs?: readonly StoreRef[];
  readonly data?: readonly { readonly sourceRef?: { readonly storeRef?: StoreRef } }[];
  readonly dataFrom?: UsesStores["data"];
}

interface StoreRef {
  readonly kind?: string;
  readonly name?: string;
}

const REFUSED =
  "ClusterSecretStore {store} is the platform's and does not serve namespace {namespace}. Use a store of your own, or have whoever runs the platform add {namespace} to tenancy.secrets";

/** Why the store does not serve an ExternalSecret or PushSecret; undefined when it does, or is not asked. */
export function refusedSecret(
  { metadata: { namespace = "" } = {}, spec }: Judged,
  { reader, guests }: Pick<SecretStoreArgs, "reader" | "guests">,
): string | undefined {
  const { secretStoreRef, secretStoreRefs = [], data = [], dataFrom = [] } = (spec ?? {}) as UsesStores;
  const refs = [
    secretStoreRef,
    ...secretStoreRefs,
    ...[...data, ...dataFrom].map(({ sourceRef }) => sourceRef?.storeRef),
  ];
  const isAsked = refs.some((ref) => ref?.kind === "ClusterSecretStore" && ref.name === SECRET_STORE);
  const serves = guests === "all" || [reader, ...guests].includes(namespace);
  return isAsked && !serves ? filled(REFUSED, { store: SECRET_STORE, namespace }) : undefined;
}

/** For which namespaces a ClusterSecretStore, as it is written down, is. */
export const storeIsFor = ({ spec }: Judged): Door =>
  (spec as IClusterSecretStore["spec"])?.conditions?.flatMap(({ namespaces = [] }) => namespaces) ?? "all";

function caOf(ca: SecretStoreArgs["ca"]) {
  if (ca === undefined) return {};
  return typeof ca === "string"
    ? { caBundle: Buffer.from(ca).toString("base64") }
    : { caProvider: { type: "Secret" as const, ...ca } };
}

// A cluster-wide store has no namespace of its own to look in, so that each reference names one.
function authOf(login: VaultLogin) {
  switch (login.method) {
    case "kubernetes":
      return {
        kubernetes: {
          mountPath: login.path,
          role: login.role,
          serviceAccountRef: {
            ...login.serviceAccount,
            ...(login.audiences && { audiences: [...login.audiences] }),
          },
        },
      };
    case "token":
      return { tokenSecretRef: { ...login.secret } };
    case "appRole":
      return { appRole: { path: login.path, roleId: login.roleId, secretRef: { ...login.secret } } };
  }
}
