import type { Ask } from "../lib/question.ts";
import { act, type Hands, undoAction } from "./act.ts";
import { type Action, isPreparing } from "./actions.ts";
import { closeJournal, journalBegun, openJournal, readJournal } from "./journal.ts";
import type { Plan } from "./plan.ts";

// A takeover from its plan to its end. Cut off anywhere, the next run goes on with what the journal says.

export interface Takeover extends Hands {
  /** Looks at what is there. */
  readonly plan: () => Promise<Plan>;
  /** Puts right what an `up` has left that was killed: `npm run repair`. @throws when somebody must see to something first */
  readonly repair: () => Promise<void>;
  /** Asks whether to go on. @default - it says what it found, and ends there */
  readonly approve?: Ask;
  readonly say: (plan: Plan) => void;
  readonly log: (line: string) => void;
}

/**
 * Takes over what is there.
 *
 * @returns whether everything is done
 * @throws with what has failed; a run after that goes on from there
 */
export async function takeOver(takeover: Takeover): Promise<boolean> {
  const { stack, cluster, approve, log, say, repair } = takeover;
  const journal = await readJournal(cluster, stack);
  let { actions, begun } = journal ?? { actions: [], begun: false };
  if (journal === undefined) {
    const plan = await takeover.plan();
    say(plan);
    if (plan.rows.some(({ kind }) => kind === "refuse")) {
      log("Nothing is changed: what is refused comes first.");
      return false;
    }
    if (!(await approve?.("Take this over?"))) return false;
    actions = plan.actions;
    await openJournal(cluster, stack, actions);
  } else {
    log(`A takeover was cut off${begun ? "" : ", before up has begun; --undo gives everything back"}.`);
    if (!(await approve?.("Go on with it?"))) return false;
    if (begun) await repair();
  }
  for (const [index, action] of actions.entries()) {
    // By now a record of this name may be that of the release that up has installed.
    if (begun && action.do === "set-aside-record") continue;
    if (!isPreparing(action) && !begun) {
      await journalBegun(cluster);
      begun = true;
    }
    const words = sentence(action);
    // One line for all that is marked.
    if (words !== sentenceBefore(actions, index)) log(words);
    await act(action, takeover);
  }
  await closeJournal(cluster);
  log(`Done: stack ${stack} has the platform. Commit Pulumi.${stack}.yaml; the next up changes nothing.`);
  return true;
}

/**
 * Gives everything back, until `up` has begun.
 *
 * @throws when it has, or there is nothing to undo
 */
export async function undo(takeover: Takeover): Promise<boolean> {
  const { stack, cluster, approve, log } = takeover;
  const journal = await readJournal(cluster, stack);
  if (journal === undefined) throw new Error(`no takeover by stack ${stack} is under way; there is nothing to undo`);
  if (journal.begun)
    throw new Error(
      `up has begun, and what it has taken over cannot be given back; npm run adopt -- --stack ${stack} goes on with it`,
    );
  if (!(await approve?.("Give everything back?"))) return false;
  for (const action of journal.actions.filter(isPreparing).reverse()) await undoAction(action, takeover);
  await closeJournal(cluster);
  log("Undone: everything is as it was, and ArgoCD goes on.");
  return true;
}

const sentenceBefore = (actions: readonly Action[], index: number) => {
  const before = actions[index - 1];
  return before && sentence(before);
};

/** What an action does, for who watches. */
function sentence(action: Action): string {
  switch (action.do) {
    case "write-settings":
      return `settings: ${Object.keys(action.values).join(", ")}`;
    case "stop-sync":
      return `Application ${action.application.name} syncs no more by itself`;
    case "wait-for-no-operation":
      return "ArgoCD ends what it is doing";
    case "mark":
      return "objects are marked as their release's";
    case "set-aside-record":
      return "records of Helm's are set aside";
    case "import":
      return "DNS records become the stack's";
    case "up-with-upsert":
      return "up, which takes over what is there";
    case "up":
      return "up, as it will be from now on";
    case "remove-field":
      return "fields go that only the live objects have";
    case "verify":
      return "what is up is verified";
    case "remove-application-without-cascade":
      return `Application ${action.application.name} goes, and nothing that it made`;
    case "forget-records":
      return "records that were set aside go";
  }
}
