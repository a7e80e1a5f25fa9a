import { managementEndpointOf } from "../world/oci.ts";
import type { Item } from "../world/state.ts";
import { at, find, type PluginPart } from "./model.ts";

const kmsEndpoints = (item: Item) => ({
  cryptoEndpoint: managementEndpointOf(item).replace("-management", "-crypto"),
  managementEndpoint: managementEndpointOf(item),
});

/** A way to a cluster, as OCI writes it. */
const kubeconfigOf = (server: string) =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "sandbox",
    clusters: [{ name: "sandbox", cluster: { server, "insecure-skip-tls-verify": true } }],
    contexts: [{ name: "sandbox", context: { cluster: "sandbox", user: "sandbox" } }],
    users: [{ name: "sandbox", user: {} }],
  });

const noSuch = (what: string) => `404-NotAuthorizedOrNotFound, ${what}`;

export const oci: PluginPart = {
  models: {
    "oci:Core/publicIp:PublicIp": {
      kind: "PublicIp",
      request: (inputs, name) => ({ name: String(inputs.displayName ?? name), spec: inputs }),
      outputs: (_inputs, item) => ({ ipAddress: item.status.ipAddress, state: "AVAILABLE" }),
      computed: ["ipAddress", "state"],
    },
    "oci:Core/networkSecurityGroup:NetworkSecurityGroup": {
      kind: "NetworkSecurityGroup",
      request: (inputs, name) => ({ name: String(inputs.displayName ?? name), spec: inputs }),
    },
    "oci:Core/networkSecurityGroupSecurityRule:NetworkSecurityGroupSecurityRule": {
      kind: "NetworkSecurityGroupRule",
      request(inputs, name) {
        const { min, max } = at(at(inputs, "tcpOptions"), "destinationPortRange");
        const peer = inputs.direction === "INGRESS" ? inputs.source : inputs.destination;
        return {
          name: `${inputs.networkSecurityGroupId} ${name}`,
          spec: {
            nsg: inputs.networkSecurityGroupId,
            description: inputs.description,
            direction: inputs.direction,
            peer,
            min,
            max,
          },
        };
      },
    },
    "oci:Kms/vault:Vault": {
      kind: "KmsVault",
      request: (inputs, name) => ({ name: String(inputs.displayName ?? name), spec: inputs }),
      outputs: (_inputs, item) => kmsEndpoints(item),
      computed: ["cryptoEndpoint", "managementEndpoint"],
    },
    "oci:Kms/key:Key": {
      kind: "Key",
      request: (inputs, name) => ({ name: String(inputs.displayName ?? name), spec: inputs }),
    },
  },
  invokes: {
    "oci:ContainerEngine/getClusterKubeConfig:getClusterKubeConfig"(world, { clusterId }) {
      const { spec } = find(world.items("Cluster"), ({ id }) => id === clusterId, noSuch(`cluster ${clusterId}`));
      return { content: kubeconfigOf(String(spec.server ?? "https://192.0.2.1:6443")) };
    },
    "oci:Core/getPublicIp:getPublicIp"(world, args) {
      const ip = find(world.items("PublicIp"), ({ id }) => id === args.id, noSuch(`public IP ${args.id}`));
      const user = world.items("LoadBalancer").find(({ status }) => status.address === ip.status.ipAddress);
      const state = user ? "ASSIGNED" : "AVAILABLE";
      return { id: ip.id, ipAddress: ip.status.ipAddress, state, ...(user && { assignedEntityId: user.id }) };
    },
    "oci:Kms/getVault:getVault"(world, { vaultId }) {
      const vault = find(world.items("KmsVault"), ({ id }) => id === vaultId, noSuch(String(vaultId)));
      return { id: vault.id, compartmentId: vault.spec.compartmentId, ...kmsEndpoints(vault) };
    },
  },
};
