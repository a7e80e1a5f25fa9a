import { ValidatingAdmissionPolicy } from "@pulumi/kubernetes/admissionregistration/v1/validatingAdmissionPolicy.js";
import { ValidatingAdmissionPolicyBinding } from "@pulumi/kubernetes/admissionregistration/v1/validatingAdmissionPolicyBinding.js";
import type * as pulumi from "@pulumi/pulumi";

// What the API server refuses for the platform's sake, by policies that it judges itself: without a webhook, that could be
// away. https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/

/** What a policy refuses: CEL, over `object`, `oldObject`, `request`, and by name the variables above. */
export interface Admission {
  /** The policy's name, and its binding's. */
  readonly policyName: string;
  /** What is judged, of creates and of updates. */
  readonly judges: readonly { readonly group: string; readonly resources: readonly string[] }[];
  /** Which objects of these it is about, by names of conditions that all must hold. */
  readonly about: Readonly<Record<string, string>>;
  /** @default - none */
  readonly variables?: Readonly<Record<string, string>>;
  /** What must hold. */
  readonly allows: string;
  /** The sentence of a refusal. */
  readonly says: string;
}

/**
 * A policy and what puts it in force. Whoever runs the platform is refused by it like anybody else.
 *
 * Without parameters (`paramKind`): the last binding that uses a core kind such as ConfigMap stops an informer that the API
 * server shares and never starts again, so that after a destroy and an `up` every write that matches finds none and is
 * refused (https://github.com/kubernetes/kubernetes/issues/133827).
 */
export function admission(name: string, asked: Admission, opts: pulumi.CustomResourceOptions): void {
  const { policyName, judges, about, variables = {}, allows, says } = asked;
  const named = (expressions: Readonly<Record<string, string>>) =>
    Object.entries(expressions).map(([key, expression]) => ({ name: key, expression }));
  const policy = new ValidatingAdmissionPolicy(
    name,
    {
      metadata: { name: policyName },
      spec: {
        failurePolicy: "Fail",
        matchConstraints: {
          resourceRules: judges.map(({ group, resources }) => ({
            apiGroups: [group],
            // Asked in another version, an object is brought to this one first.
            apiVersions: ["v1"],
            // Never DELETE: nobody is kept from tidying up.
            operations: ["CREATE", "UPDATE"],
            resources: [...resources],
          })),
        },
        matchConditions: named({ ...CHANGES, ...about }),
        ...(Object.keys(variables).length > 0 && { variables: named(variables) }),
        validations: [{ expression: allows, messageExpression: says, reason: "Forbidden" }],
      },
    },
    opts,
  );
  new ValidatingAdmissionPolicyBinding(
    `${name}-binding`,
    { metadata: { name: policyName }, spec: { policyName: policy.metadata.name, validationActions: ["Deny"] } },
    opts,
  );
}

/**
 * Of what is there already only changes of `spec` are judged: otherwise no finalizer could be taken off it, and its
 * namespace would hang when it is deleted (https://github.com/kubernetes/kubernetes/issues/129883).
 */
const CHANGES = { "changes-spec": 'request.operation == "CREATE" || object.?spec != oldObject.?spec' };

/** A text as CEL writes it, or a list of such. */
export const literal = (value: string | readonly string[]) => JSON.stringify(value);

/** A sentence with `{places}`, which policies and tools fill in alike. */
type Sentence<Place extends string> = string & { readonly places?: Place };

/** A sentence with its places filled in. */
export const filled = <Place extends string>(sentence: Sentence<Place>, values: Readonly<Record<Place, string>>) =>
  sentence.replace(/\{(\w+)\}/g, (_, place: Place) => values[place]);

/** CEL that says a sentence, with an expression for each of its places. */
export const saying = <Place extends string>(sentence: Sentence<Place>, places: Readonly<Record<Place, string>>) =>
  sentence
    .split(/\{(\w+)\}/)
    .map((part, at) => (at % 2 === 0 ? literal(part) : places[part as Place]))
    .filter((part) => part !== '""')
    .join(" + ");

/** An object of the cluster, as far as a policy looks at it. */
export interface Judged {
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
  readonly spec?: unknown;
}
