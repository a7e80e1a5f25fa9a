import { evaluate } from "./cel.ts";
import { type Item, keyOf, type Request, type Spec } from "./state.ts";
import type { Happening, Kind, System, World } from "./world.ts";

// Policies of the API server's own, as they are written down in it: the world knows none, and evaluates those that are
// registered. https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/

const POLICY = "ValidatingAdmissionPolicy";
const BINDING = "ValidatingAdmissionPolicyBinding";

interface Named {
  readonly name: string;
  readonly expression: string;
}

interface Policy {
  readonly matchConstraints: {
    readonly resourceRules: readonly Readonly<Record<"apiGroups" | "operations" | "resources", readonly string[]>>[];
  };
  readonly matchConditions?: readonly Named[];
  readonly variables?: readonly Named[];
  readonly validations: readonly { readonly expression: string; readonly messageExpression: string }[];
}

/** What each API server goes by, until it has seen what was written since. */
const inForce = <T>(item: Item | undefined) => item?.status.inForce as T | undefined;

/**
 * Why a policy refuses what is asked; undefined when none does.
 *
 * @param definition plural and group of the kind
 */
export function policyRefusal(world: World, definition: string, request: Request): string | undefined {
  const [plural = "", ...group] = definition.split(".");
  const there = world.item(keyOf(request));
  const operation = there === undefined ? "CREATE" : "UPDATE";
  for (const binding of world.items(BINDING)) {
    const { policyName, validationActions = [] } =
      inForce<{ policyName: string; validationActions?: string[] }>(binding) ?? {};
    const policy = inForce<Policy>(world.item(`${POLICY} /${policyName}`));
    if (policy === undefined || !validationActions.includes("Deny")) continue;
    const isJudged = policy.matchConstraints.resourceRules.some(
      ({ apiGroups, operations, resources }) =>
        apiGroups.includes(group.join(".")) && operations.includes(operation) && resources.includes(plural),
    );
    const says = isJudged ? refusalBy(policy, operation, request, there) : undefined;
    if (says !== undefined)
      return `${definition} "${request.name}" is forbidden: ValidatingAdmissionPolicy '${policyName}' with binding '${binding.name}' denied request: ${says}`;
  }
  return undefined;
}

function refusalBy(policy: Policy, operation: string, request: Request, there: Item | undefined): string | undefined {
  const object = objectOf(request);
  const scope: Spec = {
    object,
    oldObject: there ? objectOf(there) : null,
    request: { operation, namespace: object.metadata.namespace },
  };
  const { matchConditions = [], variables = [], validations } = policy;
  if (!matchConditions.every(({ expression }) => evaluate(expression, scope) === true)) return undefined;
  scope.variables = lazily(variables, scope);
  const broken = validations.find(({ expression }) => evaluate(expression, scope) !== true);
  return broken && String(evaluate(broken.messageExpression, scope));
}

const objectOf = ({ namespace = "", name, spec }: Omit<Request, "kind">) => ({ metadata: { name, namespace }, spec });

/** Each is evaluated when it is first asked for. */
function lazily(variables: readonly Named[], scope: Spec): Spec {
  const known = new Map<string, unknown>();
  const values: Spec = {};
  for (const { name, expression } of variables)
    Object.defineProperty(values, name, {
      enumerable: true,
      get() {
        if (!known.has(name)) known.set(name, evaluate(expression, scope));
        return known.get(name);
      },
    });
  return values;
}

const takesForce: Happening = (world, item) => {
  item.status.inForce = item.spec;
  world.seen(item);
};

const written: Kind = {
  id: ({ name }) => name,
  seconds: 0.5,
  start(world, item) {
    world.after(world.seconds(item.kind), "done", item);
    world.after(world.seconds("policy in force"), "takesForce", item);
  },
};

export const admission: System = {
  kinds: {
    [POLICY]: {
      ...written,
      taken: ({ name }) => `validatingadmissionpolicies.admissionregistration.k8s.io "${name}" already exists`,
    },
    [BINDING]: {
      ...written,
      taken: ({ name }) => `validatingadmissionpolicybindings.admissionregistration.k8s.io "${name}" already exists`,
    },
  },
  happenings: { takesForce },
  // Each API server looks once a second: https://github.com/kubernetes/kubernetes/blob/v1.34.4/staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/generic/policy_source.go
  durations: { "policy in force": 0.6 },
};
