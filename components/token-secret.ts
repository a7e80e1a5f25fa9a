import type { IExternalSecret } from "@kubernetes-models/external-secrets/external-secrets.io/v1/ExternalSecret";
import * as pulumi from "@pulumi/pulumi";
import { awaited } from "./awaited.ts";
import { previewHook } from "./hooks.ts";

export interface TokenSecretArgs {
  /** cert-manager's namespace, where a ClusterIssuer finds its Secrets. */
  readonly namespace: string;
  /** The ClusterSecretStore to read from. */
  readonly storeName: string;
  /** Mount of the KV version 2 engine that the store reads. */
  readonly mount: string;
  /** Path in the mount. */
  readonly path: string;
  /** Property at that path that holds the token. */
  readonly property: string;
  /** Version of the write in Vault that must have been read. */
  readonly version: pulumi.Input<string>;
  /** Serial of a token that this program makes. @default - the token is somebody else's */
  readonly serial?: number;
}

/**
 * Annotation with the version of the write in Vault. External Secrets copies it from the ExternalSecret to the Secret
 * with the data: https://github.com/external-secrets/external-secrets/blob/v2.9.0/pkg/controllers/externalsecret/externalsecret_controller_template.go
 */
export const KV_VERSION = "oke-platform/kv-version";
/** The Secret, and the ExternalSecret that makes it. */
export const TOKEN_SECRET = "cloudflare-token-secret";
/** The Secret, and the key in it that holds the token. */
export const TOKEN_REF = { name: TOKEN_SECRET, key: "api-token" } as const;
const SERIAL = "oke-platform/token-serial";

/**
 * Seconds for the first sync; it takes less than one when the store is Ready and the path is written, and the
 * controller's election in between takes half a minute.
 */
const READY_SECONDS = 120;

/** The Cloudflare token in the cluster: an ExternalSecret that has been synced from Vault. */
export class TokenSecret extends pulumi.ComponentResource {
  /** Serial of the token that the cluster was told to read; undefined when it is somebody else's. */
  readonly serial: number | undefined;
  /** Version of the write in Vault that the cluster was told to read. */
  readonly version: pulumi.Output<string>;

  constructor(name: string, args: TokenSecretArgs, opts: pulumi.ComponentResourceOptions) {
    super("oke-platform:platform:TokenSecret", name, {}, opts);

    this.serial = args.serial;
    this.version = pulumi.output(args.version);
    awaited<IExternalSecret>(
      name,
      {
        apiVersion: "external-secrets.io/v1",
        kind: "ExternalSecret",
        metadata: { name: TOKEN_REF.name, namespace: args.namespace },
        spec: {
          refreshInterval: "1h",
          secretStoreRef: { kind: "ClusterSecretStore", name: args.storeName },
          target: { name: TOKEN_REF.name, creationPolicy: "Owner" },
          data: [{ secretKey: TOKEN_REF.key, remoteRef: { key: keyOf(args), property: args.property } }],
        },
      },
      READY_SECONDS,
      { parent: this, hooks: { beforeUpdate: [previewHook(`${name}-one-serial-on`, refuseSkippedSerial)] } },
      {
        // A change of annotations is a sync at once, where a new value in Vault alone is one within the hour. They are
        // copied to the Secret with its data, and so tell which write is in use.
        [KV_VERSION]: this.version,
        ...(args.serial !== undefined && { [SERIAL]: String(args.serial) }),
      },
    );

    this.registerOutputs({ version: this.version });
  }
}

/**
 * Where the token is, as External Secrets asks Vault for it. It takes `<mount>/` off a key that begins so, and `data/` off
 * what is left, and only then puts both in front: with both there, what is left is always the path, whatever its first parts are called.
 * https://github.com/external-secrets/external-secrets/blob/v2.9.0/providers/v1/vault/client_get.go#L289
 */
const keyOf = ({ mount, path }: TokenSecretArgs) => `${mount}/data/${path}`;

/**
 * Refuses another serial than the same or the next: the token that the cluster holds would be deleted at Cloudflare
 * with this run, whether the new one has arrived or not. A hook, because only the engine knows the serial before.
 *
 * @throws with both serials, and the one that is allowed
 */
function refuseSkippedSerial({ oldInputs, newInputs }: pulumi.ResourceHookArgs): void {
  const [before, after] = [oldInputs, newInputs].map((inputs) => {
    const { annotations } = (inputs?.metadata ?? {}) as { annotations?: Record<string, string> };
    return Number(annotations?.[SERIAL] ?? Number.NaN);
  }) as [number, number];
  if (Number.isNaN(before) || Number.isNaN(after) || after === before || after === before + 1) return;
  throw new Error(
    `cloudflare.tokenSerial goes from ${before} to ${after}; allowed: ${before}, or ${before + 1} for a new token. The token ` +
      "in use stays valid for one serial more, so that one that is skipped could leave the cluster with a deleted one",
  );
}
