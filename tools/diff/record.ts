import { recordStack } from "../../project/record.ts";
import { ciphersIn } from "../../project/stack.ts";
import { wordsOf } from "../lib/command.ts";
import { withoutSecrets } from "../plan/plan.ts";
import type { Revision } from "./diff.ts";

/** Plans stacks of a directory; mistakes are part of the answer. */
export async function revisionsIn(directory: string, stacks: string[]): Promise<Revision[]> {
  const revisions: Revision[] = [];
  for (const stack of stacks) {
    try {
      const registrations = withoutSecrets(await recordStack(stack, { directory }));
      revisions.push({ registrations, sealed: await ciphersIn(stack, directory) });
    } catch (error) {
      revisions.push({ error: wordsOf(error) });
    }
  }
  return revisions;
}
