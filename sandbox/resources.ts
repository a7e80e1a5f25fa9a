import { type Properties, plain, SECRET, SIGNATURE } from "../project/registration.ts";
import { type Item, managementEndpointOf, type Request, sha256, vaultRefusal, type World } from "./world.ts";

// How Pulumi's resource types are asked of the world, and what they say of its answer. Shared by the provider that
// the real engine calls and by the replay of recorded programs.

export interface ResourceModel {
  /**
   * What the world is asked for.
   *
   * @param name the resource's own name, for what has none in its inputs
   * @param secret the value of a secret that the cloud makes
   */
  request(inputs: Properties, name: string, secret: string): Request;
  /** What the provider adds to the inputs. */
  outputs?(inputs: Properties, item: Item, secret: string): Properties;
  /** Outputs that only the cloud knows. */
  readonly computed?: readonly string[];
  /** Outputs that are secrets. */
  readonly secrets?: readonly string[];
  /** Inputs of which another value asks for another object. @default none */
  readonly immutable?: readonly string[];
  /** What a refresh finds in the world in the place of the inputs. */
  refreshed?(item: Item): Properties;
  /** The inputs of an object that is imported. @default - what a refresh finds */
  imported?(item: Item, type: string): Properties;
}

/** What a resource has beside its inputs. */
export function outputsOf(type: string, inputs: Properties, item: Item, made: string): Properties {
  const { outputs, secrets = [] } = modelOf(type);
  const added = outputs?.(plain(inputs), item, made) ?? {};
  const marked = ([key, value]: [string, unknown]) => [
    key,
    secrets.includes(key) ? { [SIGNATURE]: SECRET, value } : value,
  ];
  return Object.fromEntries(Object.entries(added).map(marked));
}

/** A map of an input. */
const at = (inputs: Properties, key: string) => (inputs[key] ?? {}) as Properties;
const text = (value: unknown) => (value === undefined ? undefined : String(value));

const customResource: ResourceModel = {
  request(inputs) {
    const { name, namespace, annotations } = at(inputs, "metadata");
    return {
      kind: String(inputs.kind),
      namespace: text(namespace),
      name: String(name),
      spec: { ...at(inputs, "spec"), ...(inputs.kind === "ExternalSecret" && { annotations }) },
    };
  },
  immutable: ["apiVersion", "kind", "metadata.name", "metadata.namespace"],
  refreshed: ({ kind, spec: { annotations, ...spec } }) => ({
    spec: kind === "ExternalSecret" ? spec : { ...spec, ...(annotations !== undefined && { annotations }) },
  }),
  imported: ({ kind, name, namespace, spec: { annotations, ...spec } }, type) => ({
    apiVersion: type.split(":")[1],
    kind,
    metadata: { name, ...(namespace && { namespace }), ...(kind === "ExternalSecret" && { annotations }) },
    spec,
  }),
};

const models: Record<string, ResourceModel> = {
  "kubernetes:core/v1:Namespace": {
    request: (inputs) => ({ kind: "Namespace", name: String(at(inputs, "metadata").name), spec: {} }),
    imported: ({ name }) => ({ metadata: { name } }),
    immutable: ["metadata.name"],
  },
  "kubernetes:helm.sh/v3:Release": {
    request: (inputs) => ({
      kind: "Release",
      namespace: text(inputs.namespace),
      name: String(inputs.name),
      spec: {
        // The last part of a repository's name, a registry's path or an archive's file name.
        chart: String(inputs.chart)
          .replace(/^.*\//, "")
          .replace(/-v?\d+\.\d+\.\d+.*\.tgz$/, ""),
        version: inputs.version,
        createNamespace: inputs.createNamespace,
        values: inputs.values ?? {},
        timeout: inputs.timeout,
      },
    }),
    outputs: (inputs) => ({
      status: { name: inputs.name, namespace: inputs.namespace, status: "deployed", version: inputs.version },
    }),
    computed: ["status"],
    immutable: ["name", "namespace"],
    imported: ({ name, namespace, spec }) => ({ name, namespace, ...spec }),
  },
  "oci:Core/publicIp:PublicIp": {
    request: (inputs, name) => ({ kind: "PublicIp", name: String(inputs.displayName ?? name), spec: inputs }),
    outputs: (_inputs, item) => ({ ipAddress: item.status.ipAddress, state: "AVAILABLE" }),
    computed: ["ipAddress", "state"],
    immutable: ["compartmentId", "lifetime"],
  },
  "oci:Core/networkSecurityGroup:NetworkSecurityGroup": {
    request: (inputs, name) => ({
      kind: "NetworkSecurityGroup",
      name: String(inputs.displayName ?? name),
      spec: inputs,
    }),
    immutable: ["vcnId"],
  },
  "oci:Core/networkSecurityGroupSecurityRule:NetworkSecurityGroupSecurityRule": {
    request(inputs, name) {
      const { min, max } = at(at(inputs, "tcpOptions"), "destinationPortRange");
      const peer = inputs.direction === "INGRESS" ? inputs.source : inputs.destination;
      return {
        kind: "NetworkSecurityGroupRule",
        name: `${inputs.networkSecurityGroupId} ${name}`,
        spec: { nsg: inputs.networkSecurityGroupId, direction: inputs.direction, peer, min, max },
      };
    },
    immutable: ["networkSecurityGroupId", "direction", "protocol", "source", "destination", "tcpOptions"],
  },
  "cloudflare:index/dnsRecord:DnsRecord": {
    request: (inputs, name) => ({ kind: "DnsRecord", name: `${inputs.zoneId} ${inputs.name} ${name}`, spec: inputs }),
    immutable: ["zoneId", "name", "type"],
    refreshed: (item) => item.spec,
  },
  "cloudflare:index/apiToken:ApiToken": {
    request(inputs, name, secret) {
      const policies = (inputs.policies ?? []) as { permissionGroups: { id: string }[]; resources: string }[];
      return {
        kind: "ApiToken",
        name: String(inputs.name ?? name),
        spec: {
          valueHash: sha256(secret),
          zones: policies
            .flatMap(({ resources }) => Object.keys(JSON.parse(resources)))
            .map((resource) => resource.split(".").at(-1)),
          permissions: policies.flatMap(({ permissionGroups: groups }) => groups.map(({ id }) => permissionName(id))),
        },
      };
    },
    outputs: (_inputs, _item, secret) => ({ value: secret, status: "active" }),
    computed: ["value"],
    secrets: ["value"],
  },
  "vault:kv/secretV2:SecretV2": {
    request(inputs) {
      const data = JSON.parse(String(inputs.dataJson)) as Record<string, string>;
      return {
        kind: "KvSecret",
        name: `${inputs.mount}/${inputs.name}`,
        spec: {
          mount: inputs.mount,
          // Only the digests: the world's file is no place for a secret.
          data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, sha256(value)])),
        },
      };
    },
    outputs: (inputs, item) => ({
      path: `${inputs.mount}/data/${inputs.name}`,
      metadata: { version: String(item.generation) },
    }),
    computed: ["metadata"],
    immutable: ["mount", "name"],
  },
  "vault:index/mount:Mount": {
    request: (inputs) => ({
      kind: "Mount",
      name: String(inputs.path),
      spec: { type: inputs.type, version: at(inputs, "options").version },
    }),
    imported: ({ name, spec }) => ({ path: name, type: spec.type, options: { version: spec.version } }),
    immutable: ["path"],
  },
  "vault:index/authBackend:AuthBackend": {
    request: (inputs) => ({
      kind: "AuthBackend",
      name: String(inputs.path ?? inputs.type),
      spec: { type: inputs.type },
    }),
    imported: ({ name, spec }) => ({ path: name, type: spec.type }),
    immutable: ["path", "type"],
  },
  "vault:kubernetes/authBackendConfig:AuthBackendConfig": {
    request: (inputs) => ({
      kind: "AuthBackendConfig",
      name: String(inputs.backend),
      spec: { host: inputs.kubernetesHost },
    }),
    imported: ({ name, spec }) => ({ backend: name, kubernetesHost: spec.host }),
    immutable: ["backend"],
  },
  "vault:kubernetes/authBackendRole:AuthBackendRole": {
    request: (inputs) => ({
      kind: "AuthBackendRole",
      name: `${inputs.backend}/${inputs.roleName}`,
      spec: {
        accounts: inputs.boundServiceAccountNames,
        namespaces: inputs.boundServiceAccountNamespaces,
        policies: inputs.tokenPolicies,
      },
    }),
    immutable: ["backend", "roleName"],
  },
  "vault:index/policy:Policy": {
    request: (inputs) => ({ kind: "Policy", name: String(inputs.name), spec: { policy: inputs.policy } }),
    immutable: ["name"],
  },
  "vault:index/audit:Audit": {
    request: (inputs) => ({ kind: "Audit", name: String(inputs.path ?? inputs.type), spec: inputs }),
    immutable: ["path", "type", "options"],
  },
  "oci:Kms/vault:Vault": {
    request: (inputs, name) => ({ kind: "KmsVault", name: String(inputs.displayName ?? name), spec: inputs }),
    outputs: (_inputs, item) => kmsEndpoints(item),
    computed: ["cryptoEndpoint", "managementEndpoint"],
    immutable: ["vaultType"],
  },
  "oci:Kms/key:Key": {
    request: (inputs, name) => ({ kind: "Key", name: String(inputs.displayName ?? name), spec: inputs }),
    immutable: ["managementEndpoint", "keyShape", "protectionMode"],
  },
  "kubernetes:core/v1:Service": {
    request: () => {
      throw new Error("Services are made by the gateway's release; this type is only read");
    },
  },
};

const kmsEndpoints = (item: Item) => ({
  cryptoEndpoint: managementEndpointOf(item).replace("-management", "-crypto"),
  managementEndpoint: managementEndpointOf(item),
});

/** The world's word for a resource type. */
export function kindOf(type: string): string {
  const kind = type.split(":").at(-1) ?? "";
  if (type === "oci:Kms/vault:Vault") return "KmsVault";
  return { SecretV2: "KvSecret", NetworkSecurityGroupSecurityRule: "NetworkSecurityGroupRule" }[kind] ?? kind;
}

/** @throws for a type that the sandbox has no model of */
export function modelOf(type: string): ResourceModel {
  const model = models[type] ?? (/^kubernetes:[^:]*\.[^:]*\/[^:]+:/.test(type) ? customResource : undefined);
  if (model === undefined) throw new Error(`the sandbox has no model of ${type}; add one to sandbox/resources.ts`);
  return model;
}

/** Seconds until the provider gives up waiting for what it made; undefined where it does not wait. */
export function deadlineOf(type: string, inputs: Properties, timeoutSeconds: number | undefined): number | undefined {
  return type === "kubernetes:helm.sh/v3:Release" ? Number(inputs.timeout ?? 300) : (timeoutSeconds ?? 600);
}

const permissions = { "DNS Write": "perm-dns-write", "Zone Read": "perm-zone-read", "DNS Read": "perm-dns-read" };
const permissionName = (id: string) => Object.entries(permissions).find(([, known]) => known === id)?.[0] ?? id;

/**
 * Answers an invoke from what is there.
 *
 * @throws as the provider does, when there is no such thing
 */
export function invoke(world: World, token: string, args: Properties): Properties {
  const items = (kind: string) => world.items(kind);
  const find = (kind: string, fits: (item: Item) => boolean, refusal: string) => {
    const found = items(kind).find(fits);
    if (found === undefined) throw new Error(refusal);
    return found;
  };
  switch (token) {
    case "cloudflare:index/getZone:getZone": {
      const { name } = at(args, "filter");
      const zone = find(
        "Zone",
        (item) => item.name === name,
        `failed to find exactly one result: no zone named ${name}`,
      );
      return { id: zone.id, zoneId: zone.id, name };
    }
    case "cloudflare:index/getApiTokenPermissionGroupsList:getApiTokenPermissionGroupsList":
      return {
        results: Object.entries(permissions).map(([name, id]) => ({
          id,
          name,
          scopes: ["com.cloudflare.api.account.zone"],
        })),
      };
    case "cloudflare:index/getDnsRecords:getDnsRecords": {
      const { exact } = at(args, "name");
      const results = items("DnsRecord").filter(({ spec }) => spec.zoneId === args.zoneId && spec.name === exact);
      return {
        results: results.map(({ id, spec }) => ({ id, type: spec.type, name: spec.name, content: spec.content })),
      };
    }
    case "oci:ContainerEngine/getClusterKubeConfig:getClusterKubeConfig": {
      find("Cluster", (item) => item.id === args.clusterId, `404-NotAuthorizedOrNotFound, cluster ${args.clusterId}`);
      return { content: `apiVersion: v1\nkind: Config\ncurrent-context: sandbox # ${args.clusterId}\n` };
    }
    case "oci:Core/getPublicIp:getPublicIp": {
      const ip = find("PublicIp", (item) => item.id === args.id, `404-NotAuthorizedOrNotFound, public IP ${args.id}`);
      const user = items("LoadBalancer").find(({ status }) => status.address === ip.status.ipAddress);
      const state = user ? "ASSIGNED" : "AVAILABLE";
      return { id: ip.id, ipAddress: ip.status.ipAddress, state, ...(user && { assignedEntityId: user.id }) };
    }
    case "oci:Kms/getVault:getVault": {
      const vault = find(
        "KmsVault",
        (item) => item.id === args.vaultId,
        `404-NotAuthorizedOrNotFound, ${args.vaultId}`,
      );
      return { id: vault.id, compartmentId: vault.spec.compartmentId, ...kmsEndpoints(vault) };
    }
    case "vault:generic/getSecret:getSecret": {
      const refusal = vaultRefusal(world);
      if (refusal !== undefined) throw new Error(refusal);
      if (args.path !== "sys/internal/ui/mounts") {
        const config = find("AuthBackendConfig", ({ id }) => id === args.path, `no secret found at "${args.path}"`);
        return { path: args.path, dataJson: JSON.stringify({ kubernetes_host: config.spec.host }) };
      }
      const mounts = (kind: string) =>
        Object.fromEntries(
          items(kind).map(({ name, spec: { type, version } }) => [
            `${name}/`,
            { type, options: version === undefined ? null : { version } },
          ]),
        );
      return { path: args.path, dataJson: JSON.stringify({ secret: mounts("Mount"), auth: mounts("AuthBackend") }) };
    }
    default:
      throw new Error(`the sandbox has no answer to ${token}; add one to sandbox/resources.ts`);
  }
}

/** The same object, whatever order its keys are in. */
export function same(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([x], [y]) => (x < y ? -1 : 1)))
      : item,
  );
}

/** The value at a path such as "metadata.name". */
export const valueAt = (properties: Properties, path: string) =>
  path.split(".").reduce<unknown>((value, key) => (value as Properties | undefined)?.[key], properties);
