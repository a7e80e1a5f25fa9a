import type { HelmRecord } from "./kubernetes.ts";
import type { Adoption } from "./state.ts";

// What was found of what a run has left, and what is done about it.

/** What is done. */
export type Step =
  /** The state takes over what is there. */
  | { readonly do: "import"; readonly adoption: Adoption }
  /** Helm forgets revisions; the objects stay. */
  | { readonly do: "delete-records"; readonly namespace: string; readonly records: readonly HelmRecord[] }
  /** Helm takes a revision for one that has failed, from which an upgrade goes on; the `up` then makes one. */
  | { readonly do: "fail-record"; readonly namespace: string; readonly record: HelmRecord; readonly urn?: string }
  | { readonly do: "delete-token"; readonly id: string }
  /** The state is told what is there, of what it has taken over already. */
  | { readonly do: "read"; readonly urn: string };

export interface Finding {
  /** What it is about, as its system names it. */
  readonly subject: string;
  /** How it is. */
  readonly found: string;
  /** What happens about it, or what somebody else must do. */
  readonly plan: string;
  /**
   * `mend`: the steps are done. `clear`: there is nothing to do but to forget the create. `refuse`: nothing at all is
   * done before somebody has seen to it. `tell`: it is somebody else's to see to.
   */
  readonly kind: "mend" | "clear" | "refuse" | "tell";
  readonly steps: readonly Step[];
}

export const mend = (subject: string, found: string, plan: string, ...steps: Step[]): Finding => ({
  subject,
  found,
  plan,
  kind: "mend",
  steps,
});

const without =
  (kind: "clear" | "refuse" | "tell") =>
  (subject: string, found: string, plan: string): Finding => ({ subject, found, plan, kind, steps: [] });

export const refuse = without("refuse");
export const tell = without("tell");

/** Of a create that has made nothing, or what the next `up` writes again. */
export const clear = (subject: string, found: string): Finding =>
  without("clear")(subject, found, "the state forgets the create; the next up makes it");

/** Of an object that is there, and was being made. */
export const adopt = (subject: string, adoption: Adoption): Finding =>
  mend(subject, "is there: a run was cut off while it made it", "the state takes it over, as it is", {
    do: "import",
    adoption,
  });

/** For machines: what is said, and which steps come. */
export const asJson = (findings: readonly Finding[]): string =>
  JSON.stringify(
    findings.map(({ subject, found, plan, kind, steps }) => ({
      subject,
      found,
      plan,
      kind,
      steps: steps.map((step) => step.do),
    })),
    null,
    2,
  );
