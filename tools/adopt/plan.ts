import type { Action } from "./actions.ts";

// What a takeover says before it does anything.

/** One line of the plan. */
export interface Row {
  /**
   * `take`: becomes the stack's. `roll`: pods that are replaced, each after its successor is Ready. `keep`: a field that
   * only the live object has, and that stays. `remove`: one that goes. `change`: a field that gets another value.
   * `stays`: is and remains ArgoCD's, or somebody else's. `see`: somebody must see to it afterwards. `refuse`: nothing at
   * all is done before somebody has seen to it.
   */
  readonly kind: "take" | "roll" | "keep" | "remove" | "change" | "stays" | "see" | "refuse";
  /** What it is about, as its system names it. */
  readonly subject: string;
  /** How it is, and why. */
  readonly text: string;
  /** What somebody must do. */
  readonly action?: string;
}

export const row = (kind: Row["kind"], subject: string, text: string, action?: string): Row => ({
  kind,
  subject,
  text,
  ...(action !== undefined && { action }),
});

/** What is found, said and done. */
export interface Plan {
  readonly rows: readonly Row[];
  /** None where something is refused. */
  readonly actions: readonly Action[];
}
