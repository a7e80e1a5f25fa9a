import { immutableInputs } from "../../project/immutable.ts";
import { AFTER, type Change, isOrder, isUnder, WITH_VALUES } from "./compare.ts";
import { briefly, code, codes, has, kindOf, type Statement, type Story, word } from "./statement.ts";

// What has no subject of its own: the order, what is left over, and secrets that nobody can read here.

/** What waits for what. */
export function order({ untold }: Story): Statement[] {
  const changes = untold.take((_, { before, after }) => before !== undefined && after !== undefined, isOrder);
  return changes.map((change) => {
    const tell = (prefix: string, isGained: boolean) =>
      change.fields
        .filter(({ path, after }) => path.startsWith(prefix) && (after !== undefined) === isGained)
        .map(({ path }) => path.slice(prefix.length));
    const parts = [
      ["will also wait for", tell(AFTER, true)],
      ["no longer waits for", tell(AFTER, false)],
      ["uses values of", tell(WITH_VALUES, true)],
      ["no longer uses values of", tell(WITH_VALUES, false)],
    ] as const;
    const told = parts.filter(([, names]) => names.length > 0).map(([verb, names]) => `${verb} ${codes(names)}`);
    return { text: `Order: ${code(change.resource.name)} ${told.join(", and ")}`, changes: [change] };
  });
}

/** Whatever has no sentence of its own. */
export const rest = ({ untold }: Story): Statement[] =>
  untold
    .take(() => true)
    // A component that comes or goes is what is in it.
    .filter((it) => !(it.resource.type.startsWith("oke-platform:") && has(it, "added", "removed")))
    .map(plainly);

/** What a removal takes along, by kind. */
const removals: Readonly<Record<string, string>> = {
  Namespace: "Everything in the namespace goes with it.",
  Gateway: "No host is served without it.",
  ValidatingAdmissionPolicy: "What it refuses to others is theirs from then on.",
  SecretV2: "External Secrets finds nothing there any more, and the certificate cannot be renewed.",
  ClusterSecretStore: "The certificate cannot be renewed without the token that comes this way.",
  ExternalSecret: "The certificate cannot be renewed without the token that it brings.",
};

/** One change in its own words. */
export function plainly(change: Change): Statement {
  const { resource, what, fields } = change;
  const subject = `${code(resource.name)} (${word(kindOf(resource))})`;
  const changes = [change];
  switch (what) {
    case "added":
      return { text: `${subject} is made`, changes };
    case "changed":
      return { text: `${subject} changes: ${briefly(fields)}`, changes };
    case "removed":
      return { text: `${subject} is removed`, risk: removals[kindOf(resource)], changes };
    case "replaced": {
      const fixed = fields.filter(({ path }) => isUnder(path, ...immutableInputs(resource.type)));
      const risk = "It cannot be changed in place: another is made, and the one that is in use is deleted.";
      return { text: `${subject} is replaced: ${briefly(fixed)}`, risk, changes };
    }
  }
}

/** Digests of a stack file's encrypted values, by key. */
type Sealed = Readonly<Record<string, string>>;

/** Encrypted values that are not what they were; whether the secret in them is, only its key knows. */
export function secrets(before: Sealed, after: Sealed): Statement[] {
  const differing = [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .sort()
    .filter((key) => before[key] !== after[key]);
  return differing.map((key) => {
    if (before[key] === undefined) return { text: `The secret ${code(key)} is set`, changes: [] };
    if (after[key] === undefined) return { text: `The secret ${code(key)} is no longer set`, changes: [] };
    return { text: `The secret ${code(key)} is encrypted anew; its value may be another`, changes: [] };
  });
}
