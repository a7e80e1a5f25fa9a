import { sha256 } from "../world/state.ts";
import { at, type PluginPart } from "./model.ts";

const permissions = { "DNS Write": "perm-dns-write", "Zone Read": "perm-zone-read", "DNS Read": "perm-dns-read" };
const permissionName = (id: string) => Object.entries(permissions).find(([, known]) => known === id)?.[0] ?? id;

export const cloudflare: PluginPart = {
  models: {
    "cloudflare:index/dnsRecord:DnsRecord": {
      kind: "DnsRecord",
      request: (inputs, name) => ({ name: `${inputs.zoneId} ${inputs.name} ${name}`, spec: inputs }),
      refreshed: (item) => item.spec,
    },
    "cloudflare:index/apiToken:ApiToken": {
      kind: "ApiToken",
      request(inputs, name, secret) {
        const policies = (inputs.policies ?? []) as { permissionGroups: { id: string }[]; resources: string }[];
        return {
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
  },
  invokes: {
    "cloudflare:index/getZones:getZones": (world, { name }) => ({
      results: world
        .items("Zone")
        .filter((zone) => zone.name === name)
        .map(({ id }) => ({ id, name, status: "active", account: { id: "account", name: "the sandbox's" } })),
    }),
    "cloudflare:index/getApiTokenPermissionGroupsList:getApiTokenPermissionGroupsList": () => ({
      results: Object.entries(permissions).map(([name, id]) => ({
        id,
        name,
        scopes: ["com.cloudflare.api.account.zone"],
      })),
    }),
    "cloudflare:index/getDnsRecords:getDnsRecords"(world, { zoneId, ...args }) {
      const { exact } = at(args, "name");
      const found = world.items("DnsRecord").filter(({ spec }) => spec.zoneId === zoneId && spec.name === exact);
      return {
        results: found.map(({ id, spec }) => ({ id, type: spec.type, name: spec.name, content: spec.content })),
      };
    },
  },
};
