import type { Registration } from "../../project/record.ts";
import { certificates } from "./certificates.ts";
import { type Change, changesBetween } from "./compare.ts";
import { continuity } from "./continuity.ts";
import { dns } from "./dns.ts";
import { doors } from "./doors.ts";
import { loadBalancer } from "./load-balancer.ts";
import { releases, versions } from "./releases.ts";
import { order, rest, secrets } from "./rest.ts";
import { routes } from "./routes.ts";
import { code, type Statement, Untold } from "./statement.ts";

// What a change does to a stack, for a reviewer: sentences, those with a risk first, and the exact fields below each.

/** A stack in one revision of the repository. */
export type Revision =
  | {
      /** What it registers; secrets are "[secret]", and what only the cloud knows "[known after up]". */
      readonly registrations: Registration[];
      /** Digests of the stack file's encrypted values, by key. */
      readonly sealed: Readonly<Record<string, string>>;
    }
  /** Why the program registers nothing, such as mistakes in the configuration. */
  | { readonly error: string };

/** A stack in two revisions; undefined where a revision has no such stack. */
export interface StackPair {
  readonly stack: string;
  readonly before: Revision | undefined;
  readonly after: Revision | undefined;
}

/** What a change does to one stack. */
export interface StackDiff {
  readonly stack: string;
  /** "2 new, 1 changed", or what else there is to say of the stack as a whole. */
  readonly summary: string;
  /** Mistakes that leave nothing to compare. @default none */
  readonly error?: string;
  /** With a risk first. */
  readonly statements: Statement[];
}

/** By subject, in the order in which they are told. Each takes what is its own, and leaves the rest to the next. */
const tellers = [continuity, routes, certificates, doors, versions, loadBalancer, releases, dns, order, rest];

/** Compares a stack in two revisions. */
export function diffOf({ stack, before, after }: StackPair): StackDiff {
  if (after && "error" in after) {
    return { stack, summary: "the configuration or the program is wrong", error: after.error, statements: [] };
  }
  const [old, now] = [contentsOf(before), contentsOf(after)];
  const changes = changesBetween(old.registrations, now.registrations);
  const story = { before: old.registrations, after: now.registrations, untold: new Untold(changes) };
  const told = [...tellers.flatMap((teller) => teller(story)), ...secrets(old.sealed, now.sealed)];
  const summary = [...wholeStack(before, after), ...(told.length > 0 ? counts(changes) : ["nothing changes"])].join(
    ", ",
  );
  return { stack, summary, statements: [...told.filter(({ risk }) => risk), ...told.filter(({ risk }) => !risk)] };
}

/** A revision's resources and secrets, without the stack itself. */
function contentsOf(revision: Revision | undefined): Exclude<Revision, { error: string }> {
  if (revision === undefined || "error" in revision) return { registrations: [], sealed: {} };
  return { ...revision, registrations: revision.registrations.filter(({ type }) => type !== "pulumi:pulumi:Stack") };
}

function wholeStack(before: Revision | undefined, after: Revision | undefined): string[] {
  const reason = before && "error" in before && before.error.split("\n")[0];
  return [
    ...(reason ? [`everything counts as new, since the other revision has no plan: ${code(reason)}`] : []),
    ...(before === undefined ? ["a new stack"] : []),
    ...(after === undefined ? ["the stack's file is gone, but what it made stays until pulumi destroy"] : []),
  ];
}

function counts(changes: readonly Change[]): string[] {
  const counted = changes.filter(({ resource }) => resource.custom && !resource.type.startsWith("pulumi:"));
  const words = { added: "new", removed: "removed", changed: "changed", replaced: "replaced" };
  return Object.entries(words).flatMap(([what, word]) => {
    const count = counted.filter((change) => change.what === what).length;
    return count > 0 ? [`${count} ${word}`] : [];
  });
}
