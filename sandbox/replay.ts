import type * as pulumi from "@pulumi/pulumi";
import { invoke, modelOf, outputsOf, plain } from "./resources.ts";
import { emptyWorld, World } from "./world.ts";

/**
 * Answers a program under mocks as the clouds would, at once and without asking whether they would take it: what a
 * graph is recorded with, so that addresses and identifiers stand in its inputs as they will.
 */
export function willingCloud(): pulumi.runtime.Mocks {
  const world = new World(emptyWorld());
  return {
    async newResource({ type, name, inputs, id, custom }) {
      if (!custom || type.startsWith("pulumi:")) return { id: custom ? name : undefined, state: inputs };
      if (type === "kubernetes:core/v1:Service") {
        return {
          id,
          state: { metadata: { uid: `uid-${name}` }, status: { loadBalancer: { ingress: [{ ip: "10.0.20.7" }] } } },
        };
      }
      // The name stands for the secret that the cloud makes.
      const item = world.put(modelOf(type).request(plain(inputs), name, name));
      item.status.ipAddress = "203.0.113.7";
      return { id: item.id, state: { ...inputs, ...outputsOf(type, inputs, item, name) } };
    },
    async call({ token, inputs }) {
      if (token === "oci:Core/getPublicIp:getPublicIp") return { ipAddress: "203.0.113.7" };
      return invoke((kind) => world.items(kind), token, inputs);
    },
  };
}
