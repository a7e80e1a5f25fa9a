import { describe, expect, it } from "vitest";
import { policyRefusal } from "../../../sandbox/world/admission.ts";
import { Refusal, type Request, type Spec } from "../../../sandbox/world/state.ts";
import type { World } from "../../../sandbox/world/world.ts";
import { base, ISTIO, istiod, namespace, route } from "./requests.ts";
import { fresh, having, pass } from "./worlds.ts";

// Rule 11: the API server refuses what the registered policies refuse, from about a second after they are written.

/** Refuses all VirtualServices but those for one host. */
const policy = (host: string, more: Spec = {}): Request => ({
  kind: "ValidatingAdmissionPolicy",
  name: "routes",
  spec: {
    matchConstraints: {
      resourceRules: [
        {
          apiGroups: ["networking.istio.io"],
          apiVersions: ["v1"],
          operations: ["CREATE", "UPDATE"],
          resources: ["virtualservices"],
        },
      ],
    },
    matchConditions: [
      { name: "changes", expression: 'request.operation == "CREATE" || object.?spec != oldObject.?spec' },
    ],
    variables: [
      { name: "first", expression: "object.spec.hosts[0]" },
      { name: "unused", expression: "object.spec.nowhere" },
    ],
    validations: [
      {
        expression: `variables.first == "${host}"`,
        messageExpression: 'variables.first + " is not for " + request.namespace',
      },
    ],
    ...more,
  },
});
const binding = (more: Spec = {}): Request => ({
  kind: "ValidatingAdmissionPolicyBinding",
  name: "routes-here",
  spec: { policyName: "routes", validationActions: ["Deny"], ...more },
});

const withRoutes = () => fresh(namespace(ISTIO), base, istiod);
const inForce = (...requests: Request[]): World => {
  const world = having(withRoutes(), ...requests);
  pass(world, 1);
  return world;
};
const HOST = (route().spec.hosts as string[])[0] ?? "";
const DENIED = `virtualservices.networking.istio.io "${route().name}" is forbidden: ValidatingAdmissionPolicy 'routes' with binding 'routes-here' denied request: ${HOST} is not for ${route().namespace}`;

describe("rule 11: a policy of the API server", () => {
  it("refuses by its own words what it judges", () => {
    expect(() => inForce(policy("x"), binding()).create(route())).toThrow(new Refusal(DENIED));
  });

  it("takes what it allows, and what it does not judge", () => {
    const world = inForce(policy(HOST), binding());
    expect(world.create(route()).name).toBe(route().name);
    const other = { kind: "VirtualService", namespace: "a", name: "b", spec: { hosts: [] } };
    expect(policyRefusal(world, "gateways.networking.istio.io", other)).toBe(undefined);
    expect(policyRefusal(world, "virtualservices.example.com", other)).toBe(undefined);
  });

  it.each<[what: string, requests: Request[]]>([
    ["without a binding", [policy("x")]],
    ["with a binding of another one", [policy("x"), binding({ policyName: "others" })]],
    ["with a binding that only warns", [policy("x"), binding({ validationActions: ["Warn"] })]],
    ["about other objects", [policy("x", { matchConditions: [{ name: "never", expression: "false" }] }), binding()]],
  ])("refuses nothing %s", (_what, requests) => {
    expect(inForce(...requests).create(route()).name).toBe(route().name);
  });

  it("is in force some time after it is written, and so is a change of it", () => {
    const world = having(withRoutes(), policy("x"));
    world.create(binding());
    world.create(route());
    pass(world, 1);
    const changed = { ...route().spec, hosts: ["y"] };
    expect(() => world.update("VirtualService default/app", changed)).toThrow("y is not for");
    world.update("ValidatingAdmissionPolicy /routes", policy("y").spec);
    expect(() => world.update("VirtualService default/app", changed)).toThrow("y is not for");
    pass(world, 1);
    world.update("VirtualService default/app", changed);
  });

  it("judges changes as its conditions say, with what was there, and never a removal", () => {
    const world = having(withRoutes(), route(), policy("x"), binding());
    pass(world, 1);
    const key = `VirtualService ${route().namespace}/${route().name}`;
    world.update(key, { ...route().spec });
    expect(() => world.update(key, { ...route().spec, hosts: ["z"] })).toThrow("z is not for");
    world.remove(key);
    pass(world, 1);
    expect(world.item(key)).toBe(undefined);
  });

  it("is over with its binding", () => {
    const world = inForce(policy("x"), binding());
    world.remove("ValidatingAdmissionPolicyBinding /routes-here");
    pass(world, 1);
    expect(world.create(route()).name).toBe(route().name);
  });
});
