import { record } from "../../../project/record.ts";
import { projectDirectory, readStack } from "../../../project/stack.ts";
import { withoutSecrets } from "../../../tools/plan/plan.ts";

type Settings = Readonly<Record<string, unknown>>;

let recordings = 0;

/** Prod under other settings, as {@link revisionsIn} would have it. */
export async function revision(changes: Settings = {}, secrets: Record<string, string> = {}) {
  const { values } = await readStack("prod");
  for (const [key, value] of Object.entries({ ...changes, ...secrets })) {
    values[`oke-platform:${key}`] = typeof value === "string" ? value : JSON.stringify(value);
  }
  const config = { values, secrets: Object.keys(secrets).map((key) => `oke-platform:${key}`) };
  // Only the program's top level is run again; to import everything afresh would take three times as long.
  const program = `${projectDirectory}index.ts?diff=${++recordings}`;
  return {
    registrations: withoutSecrets(await record(() => import(/* @vite-ignore */ program), "prod", config)),
    sealed: {},
  };
}
