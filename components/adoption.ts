import * as pulumi from "@pulumi/pulumi";
import { errorHook, hookAll } from "./hooks.ts";

/**
 * Lets the error of a create that meets an object of the same name say what to do: a run that was killed inside a create
 * leaves an object that its state does not know.
 *
 * For every resource of the stack, because any create may be the one that was interrupted.
 */
export function explainTakenNames(): void {
  const explain = async ({ type, failedOperation, newInputs = {}, errors }: pulumi.ErrorHookArgs) => {
    const id = importIdOf(type, newInputs);
    if (failedOperation === "create" && id !== undefined && errors.some((error) => TAKEN.test(error)))
      await pulumi.log.error(
        `${id} (${type}) is there already, and not in this stack's state. ${leftOver(pulumi.getStack())}`,
      );
    // Another try would meet the same object.
    return false;
  };
  hookAll({ onError: errorHook("taken-name", explain) }, isAdoptable);
}

/** What to do about something that is there, and that a run of the stack may have left. */
export const leftOver = (stack: string): string =>
  `If a run of this stack made it and was cut off: npm run repair -- --stack ${stack}, and up again. If it is somebody ` +
  "else's, remove it first; the same command says how to take it over.";

/** Kinds whose names are their identity; the other clouds take several of one name. */
const isAdoptable = (type: string) => /^(kubernetes|vault):/.test(type);

/** How the API server, Helm and Vault say that a name is taken. */
const TAKEN = /already exists|cannot re-use a name that is still in use|path is already in use/;

/** What an import calls an object, by its inputs; undefined where only its system knows. */
export function importIdOf(type: string, inputs: Readonly<Record<string, unknown>>): string | undefined {
  const { name, namespace } = (inputs.metadata ?? inputs) as { name?: string; namespace?: string };
  if (type.startsWith("kubernetes:")) return [namespace, name].filter(Boolean).join("/") || undefined;
  return (inputs.path as string | undefined) ?? name;
}
