import type * as pulumi from "@pulumi/pulumi";
import { plain } from "../../project/registration.ts";
import { invoke, outputsOf, requestOf } from "../plugin/models.ts";
import { emptyWorld } from "../world/beginnings.ts";
import { ownAddressOf } from "../world/load-balancer.ts";
import { addressOf } from "../world/oci.ts";
import type { State } from "../world/state.ts";
import { openWorld } from "../world/systems.ts";

/**
 * Answers a program under mocks as the clouds would, at once and without asking whether they would take it: what a
 * graph is recorded with, so that addresses and identifiers stand in its inputs as they will.
 */
export function willingCloud(state: State = emptyWorld()): pulumi.runtime.Mocks {
  const world = openWorld(structuredClone(state));
  // One that is yet to be installed answers here, too.
  world.put({ kind: "Vault", name: "vault", spec: { reachable: true, initialized: true, sealed: false } });
  let isInternal = false;
  return {
    async newResource({ type, name, inputs, id, custom }) {
      if (!custom || type.startsWith("pulumi:")) return { id: custom ? name : undefined, state: inputs };
      // The gateway's Service is read after its release was made.
      isInternal ||= JSON.stringify(inputs.values ?? {}).includes('oci-load-balancer-internal":"true"');
      if (type === "kubernetes:core/v1:Service") {
        return {
          id,
          state: {
            metadata: { uid: `uid-${name}` },
            status: { loadBalancer: { ingress: [{ ip: ownAddressOf(String(id).split("/")[1] ?? "", isInternal) }] } },
          },
        };
      }
      // The name stands for the secret that the cloud makes.
      const item = world.put(requestOf(type, plain(inputs), name, name));
      item.generation = 1;
      if (item.kind === "PublicIp") item.status.ipAddress = addressOf(item.name);
      return { id: item.id, state: { ...inputs, ...outputsOf(type, inputs, item, name) } };
    },
    async call({ token, inputs }) {
      if (token === "oci:Core/getPublicIp:getPublicIp") return { ipAddress: addressOf("adopted") };
      try {
        return invoke(world, token, inputs);
      } catch (error) {
        // The SDK reads the reason where gRPC puts it.
        throw Object.assign(error as Error, { details: (error as Error).message });
      }
    },
  };
}
