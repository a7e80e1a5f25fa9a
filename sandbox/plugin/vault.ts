import { sha256 } from "../world/state.ts";
import { vaultRefusal } from "../world/vault.ts";
import type { World } from "../world/world.ts";
import { at, find, type PluginPart } from "./model.ts";

/** What is mounted, as Vault lists it. */
const mounts = (world: World, kind: string) =>
  Object.fromEntries(
    world
      .items(kind)
      .map(({ name, spec: { type, version } }) => [
        `${name}/`,
        { type, options: version === undefined ? null : { version } },
      ]),
  );

export const vault: PluginPart = {
  models: {
    "vault:kv/secretV2:SecretV2": {
      kind: "KvSecret",
      request(inputs) {
        const data = JSON.parse(String(inputs.dataJson)) as Record<string, string>;
        return {
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
    },
    "vault:index/mount:Mount": {
      kind: "Mount",
      request: (inputs) => ({
        name: String(inputs.path),
        spec: { type: inputs.type, version: at(inputs, "options").version },
      }),
      imported: ({ name, spec }) => ({ path: name, type: spec.type, options: { version: spec.version } }),
    },
    "vault:index/authBackend:AuthBackend": {
      kind: "AuthBackend",
      request: (inputs) => ({ name: String(inputs.path ?? inputs.type), spec: { type: inputs.type } }),
      imported: ({ name, spec }) => ({ path: name, type: spec.type }),
    },
    "vault:kubernetes/authBackendConfig:AuthBackendConfig": {
      kind: "AuthBackendConfig",
      request: (inputs) => ({ name: String(inputs.backend), spec: { host: inputs.kubernetesHost } }),
      imported: ({ name, spec }) => ({ backend: name, kubernetesHost: spec.host }),
    },
    "vault:kubernetes/authBackendRole:AuthBackendRole": {
      kind: "AuthBackendRole",
      request: (inputs) => ({
        name: `${inputs.backend}/${inputs.roleName}`,
        spec: {
          accounts: inputs.boundServiceAccountNames,
          namespaces: inputs.boundServiceAccountNamespaces,
          policies: inputs.tokenPolicies,
          ...(inputs.audience !== undefined && { audience: inputs.audience }),
        },
      }),
    },
    "vault:index/policy:Policy": {
      kind: "Policy",
      request: (inputs) => ({ name: String(inputs.name), spec: { policy: inputs.policy } }),
    },
    "vault:index/audit:Audit": {
      kind: "Audit",
      request: (inputs) => ({ name: String(inputs.path ?? inputs.type), spec: inputs }),
    },
  },
  invokes: {
    "vault:generic/getSecret:getSecret"(world, { path }) {
      const refusal = vaultRefusal(world);
      if (refusal !== undefined) throw new Error(refusal);
      if (path === "sys/internal/ui/mounts") {
        const listed = { secret: mounts(world, "Mount"), auth: mounts(world, "AuthBackend") };
        return { path, dataJson: JSON.stringify(listed) };
      }
      const missing = `no secret found at "${path}"`;
      const { spec } = find(world.items("AuthBackendConfig"), ({ id }) => id === path, missing);
      return { path, dataJson: JSON.stringify({ kubernetes_host: spec.host }) };
    },
  },
};
