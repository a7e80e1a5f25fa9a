import * as pulumi from "@pulumi/pulumi";
import { Audit } from "@pulumi/vault/audit.js";
import { AuthBackend } from "@pulumi/vault/authBackend.js";
import { AuthBackendConfig } from "@pulumi/vault/kubernetes/authBackendConfig.js";
import { AuthBackendRole } from "@pulumi/vault/kubernetes/authBackendRole.js";
import { Mount } from "@pulumi/vault/mount.js";
import { Policy } from "@pulumi/vault/policy.js";
import type { ExternalSecretsSettings } from "../../settings/external-secrets.ts";
import type { VaultSettings } from "../../settings/vault.ts";
import type { VaultContents } from "./contents.ts";

export interface VaultAccessArgs extends Pick<VaultSettings, "mount" | "path" | "authPath" | "role" | "login"> {
  /** External Secrets, whose service account alone may log in. */
  readonly reader: ExternalSecretsSettings;
  /** Directory for the audit log. @default - no audit device is made */
  readonly auditPath: string | undefined;
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
  /** What a destroy leaves. */
  readonly kept: pulumi.Input<string>[];

  constructor(name: string, args: VaultAccessArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:VaultAccess", name, {}, opts);
    const { contents, login } = args;
    const audience = login.method === "kubernetes" ? login.audiences?.[0] : undefined;
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
        boundServiceAccountNames: [args.reader.serviceAccount],
        boundServiceAccountNamespaces: [args.reader.namespace],
        tokenPolicies: [policy.name],
        tokenTtl: TOKEN_SECONDS,
        // Without one, Vault takes any token that the cluster takes itself; with one, none but those made for it.
        ...(audience !== undefined && { audience }),
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

    this.kept = [`Vault's mount ${args.mount} and its auth backend ${args.authPath}`];
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
