import * as pulumi from "@pulumi/pulumi";
import { Audit } from "@pulumi/vault/audit.js";
import { AuthBackend } from "@pulumi/vault/authBackend.js";
import { AuthBackendConfig } from "@pulumi/vault/kubernetes/authBackendConfig.js";
import { AuthBackendRole } from "@pulumi/vault/kubernetes/authBackendRole.js";
import { Mount } from "@pulumi/vault/mount.js";
import { Policy } from "@pulumi/vault/policy.js";
import type { VaultSettings } from "../../settings/vault.ts";
import type { VaultContents } from "./contents.ts";

export interface VaultAccessArgs extends Pick<VaultSettings, "mount" | "path" | "authPath" | "role" | "login"> {
  /** Directory for the audit log. @default - no audit device is made */
  readonly auditPath: string | undefined;
  /** What there was before this run. */
  readonly contents: VaultContents;
}

/**
 * What External Secrets needs to read one path of Vault, and nothing more.
 *
 * The mount and the auth backend are taken over as they are where there are any, and outlive a destroy: other people's
 * secrets may be in them by then.
 */
export class VaultAccess extends pulumi.ComponentResource {
  /** What a destroy leaves. */
  readonly kept: pulumi.Input<string>[];

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
      { path: args.mount, ...ENGINE },
      adopted(contents.mount, args.mount, ["type", "options", ...MOUNT_SETTINGS]),
    );
    const backend = new AuthBackend(
      `${name}-backend`,
      { path: args.authPath, ...BACKEND },
      adopted(contents.backend, args.authPath, ["description", "local", "tune"]),
    );
    new AuthBackendConfig(
      `${name}-backend-config`,
      { backend: backend.path, ...BACKEND_CONFIG },
      adopted(contents.backendConfig, `auth/${args.authPath}/config`, BACKEND_SETTINGS),
    );
    const policy = new Policy(
      `${name}-policy`,
      { name: args.role, policy: readerPolicy(args.mount, args.path) },
      { parent: this },
    );
    new AuthBackendRole(
      `${name}-role`,
      { backend: backend.path, roleName: args.role, ...readerRole(args), tokenPolicies: [policy.name] },
      { parent: this },
    );
    if (args.auditPath !== undefined) {
      new Audit(`${name}-audit`, { path: AUDIT_DEVICE, ...auditLog(args.auditPath) }, { parent: this });
    }

    this.kept = [`Vault's mount ${args.mount} and its auth backend ${args.authPath}`];
    this.registerOutputs();
  }
}

// What is written, whose one other place is the deploy policy, which allows just that: tools/vault/policy.ts.

/** The mount's engine: KV of version 2. */
export const ENGINE = { type: "kv", options: { version: "2" } };

export const BACKEND = { type: "kubernetes" };

/** Vault asks the cluster it runs in, as its own service account. */
export const BACKEND_CONFIG = { kubernetesHost: "https://kubernetes.default.svc" };

/** Seconds that a login of External Secrets is good for; it logs in anew for each sync. */
const TOKEN_SECONDS = 600;

/** The role: for the one service account, with the one policy of the same name. */
export function readerRole({ role, login }: Pick<VaultSettings, "role" | "login">) {
  if (login.method !== "kubernetes") throw new Error(`a role for External Secrets, which logs in by ${login.method}`);
  const { serviceAccount, audiences: [audience] = [] } = login;
  return {
    boundServiceAccountNames: [serviceAccount.name],
    boundServiceAccountNamespaces: [serviceAccount.namespace],
    tokenPolicies: [role],
    tokenTtl: TOKEN_SECONDS,
    // Without one, Vault takes any token that the cluster takes itself; with one, none but those made for it.
    ...(audience !== undefined && { audience }),
  };
}

/** Path of the audit device. */
export const AUDIT_DEVICE = "file";

export const auditLog = (directory: string) => ({ type: "file", options: { file_path: `${directory}/audit.log` } });

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
