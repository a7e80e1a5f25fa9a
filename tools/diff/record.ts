import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { recordStack } from "../../project/record.ts";
import { wordsOf } from "../lib/command.ts";
import { withoutSecrets } from "../plan/plan.ts";
import type { Revision } from "./diff.ts";

/** Plans stacks of a directory; mistakes are part of the answer. */
export async function revisionsIn(directory: string, stacks: string[]): Promise<Revision[]> {
  const revisions: Revision[] = [];
  for (const stack of stacks) {
    try {
      const registrations = withoutSecrets(await recordStack(stack, { directory }));
      revisions.push({ registrations, sealed: await sealedIn(directory, stack) });
    } catch (error) {
      revisions.push({ error: wordsOf(error) });
    }
  }
  return revisions;
}

/** Digests of what is encrypted in a stack's file, by key: enough to see that it is another. */
async function sealedIn(directory: string, stack: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const visit = (value: unknown, path: string) => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, item] of Object.entries(value)) {
      if (key === "secure") found[path] = createHash("sha256").update(String(item)).digest("hex");
      else visit(item, path === "" ? key : `${path}.${key}`);
    }
  };
  const { config = {} } = (parse(await readFile(join(directory, `Pulumi.${stack}.yaml`), "utf8")) ?? {}) as {
    config?: unknown;
  };
  visit(config, "");
  return found;
}
